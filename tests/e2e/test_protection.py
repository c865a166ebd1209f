"""
What protects mail on its way out, with all the real parts: a signed DNS, a web server with a policy,
mail hosts with TLS, and ampel-dns, -fetch, -remote and -queue in between.
"""

import hashlib
import ssl
import subprocess
import time

import pytest

import certificates
import maildir
from mx import server_tls
from test_remote import mx  # noqa: F401
from web import Web, policy
from zones import Zones

ZONE = "far.example"
HOST = f"mx.{ZONE}"


class Keys:
    def __init__(self, folder):
        self.folder = folder
        self.authority = certificates.make_authority(folder)

    def make(self, name=HOST, **more):
        return certificates.make(self.folder, f"{name}-{len(list(self.folder.iterdir()))}", (f"DNS:{name}",), **more)

    def tls(self, name=HOST, **more):
        return server_tls(*self.make(name, **more))


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


def digest_of_key(certificate):
    key = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True, text=True
    ).stdout
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(key.replace("PUBLIC KEY", "CERTIFICATE"))).hexdigest()


@pytest.fixture
def world(new_server, keys):
    """A server that sees these records as the DNS, and one message sent to somebody there."""
    made = []

    def start(records, **more):
        zones = Zones({ZONE: records}, **more)
        made.append(zones)
        # the tests' authority is nobody's: nobody of another account may read it there
        server = new_server(inside=("127.0.0.0/8",), blocks=zones.block)
        authority = server.folder / "authority.pem"
        authority.write_bytes(keys.authority.read_bytes())
        server.settings["authorities"] = f'"{authority}"'
        server.write_conf()
        server.zones = zones
        return server.start()

    yield start
    for zones in made:
        zones.stop()


def send(server):
    from smtplib import SMTP

    with SMTP("127.0.0.1", server.port, timeout=30) as client:
        client.sendmail("alice@mx.example", f"somebody@{ZONE}", "Subject: x\r\n\r\nhello\r\n")


def outcome(server, event, count=1):
    """The last line of that event, once there are so many."""
    deadline = time.monotonic() + 30
    while len(lines := server.log_lines(f"ev={event} ", f"<somebody@{ZONE}>")) < count:
        assert time.monotonic() < deadline, server.log()[-3000:]
        time.sleep(0.05)
    return lines[-1]


def host(server, tlsa=None, more=()):
    records = ["@ MX 10 mx", f"mx A {server.address}", *more]
    if tlsa:
        records.append(f"_25._tcp.mx TLSA {tlsa}")
    return records


# ---- DANE ----


def test_dane_right(world, mx, keys):
    certificate, key = keys.make("somebody.else.example", start="20200101000000Z", end="20200201000000Z")
    there = mx(tls=server_tls(certificate, key))
    server = world(host(there, f"3 1 1 {digest_of_key(certificate)}"), signed={ZONE})
    send(server)
    assert "DANE" in outcome(server, "delivered")
    assert len(there.taken) == 1


def test_dane_wrong(world, mx, keys):
    there = mx(tls=keys.tls())
    server = world(host(there, "3 1 1 " + "00" * 32), signed={ZONE})
    send(server)
    line = outcome(server, "deferred")
    assert "status=4.7.5" in line and "TLSA" in line
    assert not there.transactions


def test_dane_server_without_tls(world, mx):
    """A downgrade is noticed."""
    there = mx()
    server = world(host(there, "3 1 1 " + "00" * 32), signed={ZONE})
    send(server)
    assert "status=4.7.4" in outcome(server, "deferred")
    assert not there.transactions


@pytest.mark.parametrize("flaw", ["expired", "forged", "unknown_key"])
def test_bogus(world, mx, keys, flaw):
    """Signatures that ended, that do not fit, or that nobody vouches for: nothing of it is believed."""
    certificate, key = keys.make()
    there = mx(tls=server_tls(certificate, key))
    server = world(host(there, f"3 1 1 {digest_of_key(certificate)}"), **{flaw: {ZONE}})
    send(server)
    assert "status=4.7." in outcome(server, "deferred")
    assert not there.transactions


def test_tlsa_of_an_unsigned_zone_is_nothing(world, mx, keys):
    there = mx(tls=keys.tls())
    server = world(host(there, "3 1 1 " + "00" * 32))
    send(server)
    line = outcome(server, "delivered")
    assert "unverified" in line and "TLSv1.3" in line


# ---- MTA-STS ----


@pytest.fixture
def web(keys):
    made = []

    def start(*what, **more):
        made.append(Web(keys.tls(f"mta-sts.{ZONE}"), policy(*what, **more)))
        return made[-1]

    yield start
    for one in made:
        one.close()


def announced(site, id="1"):
    return [f'_mta-sts TXT "v=STSv1; id={id};"', f"mta-sts A {site.address}"]


def test_sts_enforce(world, mx, keys, web):
    there = mx(tls=keys.tls())
    server = world(host(there, more=announced(web())))
    send(server)
    assert f"verified {HOST}" in outcome(server, "delivered")


@pytest.mark.parametrize("trouble", ["certificate", "no TLS", "other host"])
def test_sts_enforce_refuses(world, mx, keys, web, trouble):
    tls = {"certificate": keys.tls("other.example"), "no TLS": None, "other host": keys.tls()}[trouble]
    there = mx(tls=tls)
    hosts = ("else.far.example",) if trouble == "other host" else (HOST,)
    server = world(host(there, more=announced(web("enforce", hosts))))
    send(server)
    assert "status=4.7." in outcome(server, "deferred")
    assert not there.transactions


def test_sts_testing_only_tells(world, mx, keys, web):
    there = mx(tls=keys.tls("other.example"))
    server = world(host(there, more=announced(web("testing"))))
    send(server)
    outcome(server, "delivered")
    assert len(there.taken) == 1


def test_sts_none(world, mx, web):
    there = mx()
    server = world(host(there, more=announced(web("none", ()))))
    send(server)
    assert "tls=none" in outcome(server, "delivered")


def test_sts_changed(world, mx, keys, web):
    """Another id: the new policy counts from the next message on."""
    there = mx(tls=keys.tls("other.example"))
    site = web("none", ())
    server = world(host(there, more=announced(site)), ttl=1)
    send(server)
    outcome(server, "delivered")
    site.answer = policy("enforce", (HOST,))
    server.zones.replace(ZONE, host(there, more=announced(site, "2")))
    time.sleep(3)  # what is known of the zone, and of its servers, runs out
    deadline = time.monotonic() + 40
    while not server.log_lines("ev=deferred ", "status=4.7."):
        assert time.monotonic() < deadline, server.log()[-3000:]
        send(server)
        time.sleep(2)


# ---- and the administrator hears of it ----


def test_why_tells_what_protected_it(world, mx, keys):
    certificate, key = keys.make()
    there = mx(tls=server_tls(certificate, key))
    server = world(host(there, f"3 1 1 {digest_of_key(certificate)}"), signed={ZONE})
    send(server)
    line = outcome(server, "delivered")
    ident = line.split("id=")[1].split()[0]
    told = server.command("why", ident, "--log", str(server.log_path)).stdout
    assert "protected by TLSv1.3" in told and "DANE" in told and "[127." in told
    assert not maildir.files(server.maildir("alice"))
