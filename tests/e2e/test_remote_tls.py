"""What protects mail on its way out: opportunistic TLS, DANE (RFC 7672), MTA-STS (RFC 8461), routes."""

import hashlib
import ssl
import subprocess
import time

import pytest

import certificates
from mx import CLOSE, RESET, STALL, server_tls
from test_remote import DEFERRED, DELIVERED, check, eventually, mx, remote  # noqa: F401
from test_remote_dns import deliver


class Keys:
    """An authority, and servers' certificates by name."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = certificates.make_authority(folder)

    def make(self, name="mx.far.example", **more):
        file = f"{name}-{len(list(self.folder.iterdir()))}"
        return certificates.make(self.folder, file, (f"DNS:{name}",), **more)

    def tls(self, name="mx.far.example", **more):
        return server_tls(*self.make(name, **more))


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


def digest_of_key(certificate):
    """As TLSA x 1 1 has it."""
    key = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True, text=True
    ).stdout
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(key.replace("PUBLIC KEY", "CERTIFICATE"))).hexdigest()


def broken_tls():
    """A server that offers TLS and cannot: nothing in common."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return context


@pytest.fixture
def verifying(remote, keys):
    def start(*blocks, **more):
        return remote(*blocks, authorities=f'"{keys.authority}"', **more)

    return start


# ---- opportunistic ----


def test_opportunistic(remote, mx, keys):
    """Encrypted, whoever it is."""
    server = mx(tls=keys.tls("somebody.else.example"))
    r = remote(server.route())
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert outcome["protection"].decode().startswith("TLSv1.3 "), outcome
    assert outcome["protection"].decode().endswith(", unverified"), outcome
    assert server.taken[0].tls == "TLSv1.3"
    assert server.connections[0].lines[:3:2] == ["EHLO out.near.example"] * 2


@pytest.mark.parametrize("trouble", ["454 4.7.0 not now", "502 5.5.1 no"])
def test_starttls_refused(remote, mx, keys, trouble):
    server = mx(tls=keys.tls(), replies={"STARTTLS": trouble})
    r = remote(server.route())
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert outcome["protection"] == b"none"


def instead_of_a_handshake(action):
    def starttls(session, line):
        session.send("220 go\r\n")
        time.sleep(0.3)  # or a RST overtakes it
        return action

    return starttls


HANDSHAKES = {
    "no key": "220 go",
    "close": instead_of_a_handshake(CLOSE),
    "reset": instead_of_a_handshake(RESET),
    "stall": instead_of_a_handshake(STALL),
    "clear": instead_of_a_handshake("250 what"),
    "injected": "220 go\r\n250 injected",
}


@pytest.mark.parametrize("trouble", HANDSHAKES)
def test_handshake_fails(remote, mx, keys, trouble):
    """Then in the clear, and the server is remembered."""
    server = mx(tls=broken_tls() if trouble == "no key" else keys.tls(), replies={"STARTTLS": HANDSHAKES[trouble]})
    r = remote(server.route(), remote_timeout="1s")
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert outcome["protection"] == b"none"
    assert len(server.connections) == 2
    assert "ev=tls-failed" in r.log() and 'then="in the clear"' in r.log()
    check(deliver(r)[0], DELIVERED)
    assert len(server.connections) == 2


def test_never(remote, mx, keys):
    server = mx(tls=keys.tls())
    r = remote(server.route(more="tls = none"))
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert outcome["protection"] == b"none"
    assert not any("STARTTLS" in line for line in server.connections[0].lines)


# ---- routes that ask for more ----


def test_require(remote, mx, keys):
    server = mx(tls=keys.tls("somebody.else.example"))
    r = remote(server.route(more="tls = require"))
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert server.taken[0].tls


@pytest.mark.parametrize("trouble", ["not offered", "454 4.7.0 not now", *HANDSHAKES])
@pytest.mark.parametrize("tls", ["require", "verify"])
def test_require_fails(verifying, mx, keys, tls, trouble):
    contexts = {"not offered": None, "no key": broken_tls()}
    replies = {"STARTTLS": HANDSHAKES.get(trouble, trouble)}
    server = mx(tls=contexts.get(trouble, keys.tls()), replies=replies)
    r = verifying(server.route(more=f"tls = {tls}"), remote_timeout="1s")
    outcome, _ = deliver(r)
    text = check(outcome, DEFERRED)
    assert outcome["subject"] == 7 and outcome["detail"] in (4, 5) or text.startswith("454 4.7.0")
    assert not server.transactions


def named(server, tls="verify"):
    return f'route "*" {{ to = "[mx.far.example]:{server.port}"  tls = {tls} }}\n'


@pytest.mark.parametrize(
    "name, is_right",
    [("mx.far.example", True), ("*.far.example", True), ("other.example", False), ("far.example", False)],
)
def test_verify(verifying, mx, keys, name, is_right):
    server = mx(tls=keys.tls(name))
    r = verifying(named(server), zone={"mx.far.example A": [server.address]})
    outcome, _ = deliver(r)
    if is_right:
        check(outcome, DELIVERED)
        assert "verified" in outcome["protection"].decode()
    else:
        check(outcome, DEFERRED, "4.7.5")
        assert not server.transactions


def test_verify_by_nobody(remote, mx, keys):
    """Its authority is none of ours."""
    server = mx(tls=keys.tls())
    r = remote(named(server), zone={"mx.far.example A": [server.address]})
    check(deliver(r)[0], DEFERRED, "4.7.5")


def test_verify_expired(verifying, mx, keys):
    server = mx(tls=keys.tls(start="20200101000000Z", end="20200201000000Z"))
    r = verifying(named(server), zone={"mx.far.example A": [server.address]})
    check(deliver(r)[0], DEFERRED, "4.7.5")


def test_implicit(verifying, mx, keys):
    server = mx(port=465, tls=keys.tls(), implicit_tls=True)
    r = verifying(named(server), zone={"mx.far.example A": [server.address]})
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert server.taken[0].tls


def test_implicit_fails(verifying, mx):
    server = mx(port=465)
    r = verifying(named(server), zone={"mx.far.example A": [server.address]}, remote_timeout="1s")
    check(deliver(r)[0], DEFERRED, "4.7.5")
    eventually(lambda: server.bad_lines)  # heard by a thread of its own
    assert server.bad_lines.pop().startswith(b"\x16\x03")  # a ClientHello


# ---- DANE ----

DANE = {"far.example MX secure": ["10 mx.far.example"]}
NAME = "_25._tcp.mx.far.example TLSA"


def dane_zone(server, tlsa, address="mx.far.example A secure"):
    zone = {**DANE, address: [server.address]}
    if tlsa is not None:
        zone[f"{NAME} secure"] = tlsa
    return zone


def test_dane_right(remote, mx, keys):
    """Neither name nor date nor authority count."""
    certificate, key = keys.make("somebody.else.example", start="20200101000000Z", end="20200201000000Z")
    server = mx(tls=server_tls(certificate, key))
    r = remote(zone=dane_zone(server, [f"3 1 1 {digest_of_key(certificate)}"]))
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert "DANE" in outcome["protection"].decode()


def test_dane_wrong(remote, mx, keys):
    server = mx(tls=keys.tls())
    r = remote(zone=dane_zone(server, ["3 1 1 " + "00" * 32]))
    check(deliver(r)[0], DEFERRED, "4.7.5")
    assert not server.transactions


def test_dane_not_offered(remote, mx):
    """A downgrade is noticed."""
    server = mx()
    r = remote(zone=dane_zone(server, ["3 1 1 " + "00" * 32]))
    check(deliver(r)[0], DEFERRED, "4.7.4")
    assert not server.transactions


@pytest.mark.parametrize("result", ["DNS_BOGUS", "DNS_TRY_LATER"])
def test_dane_unknown(remote, mx, keys, result):
    """Whoever can hide the records could as well read the mail: the next host, else later."""
    server, second = mx(tls=keys.tls()), mx()
    r = remote(zone=dane_zone(server, result))
    check(deliver(r)[0], DEFERRED, "4.7.5")
    assert not server.connections
    both = {"far.example MX secure": ["10 mx.far.example", "20 b.far.example"], "b.far.example A": [second.address]}
    r = remote(zone={**dane_zone(server, result), **both})
    check(deliver(r)[0], DELIVERED)


@pytest.mark.parametrize(
    "more",
    [
        {"far.example MX": ["10 mx.far.example"], "far.example MX secure": None},  # anybody says so
        {"mx.far.example A": None, "mx.far.example A secure": None},
        {f"{NAME}": ["3 1 1 " + "00" * 32], f"{NAME} secure": None},
    ],
    ids=["MX", "A", "TLSA"],
)
def test_dane_is_nothing_when_insecure(remote, mx, keys, more):
    server = mx(tls=keys.tls())
    zone = {**dane_zone(server, ["3 1 1 " + "00" * 32]), **more}
    if "mx.far.example A" in more:
        zone["mx.far.example A"] = [server.address]
    r = remote(zone={k: v for k, v in zone.items() if v is not None})
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert "DANE" not in outcome["protection"].decode()


def test_dane_of_an_alias(remote, mx, keys):
    """RFC 7672 section 2.2.2: first by the name at the end of the chain."""
    certificate, key = keys.make("real.far.example")
    server = mx(tls=server_tls(certificate, key))
    zone = {
        **DANE,
        "mx.far.example A secure": ("alias", "real.far.example"),
        "real.far.example A secure": [server.address],
        "_25._tcp.real.far.example TLSA secure": [f"3 1 1 {digest_of_key(certificate)}"],
        f"{NAME} secure": ["3 1 1 " + "00" * 32],
    }
    r = remote(zone=zone)
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert "DANE" in outcome["protection"].decode()
    assert NAME not in r.dns.asked
    del zone["_25._tcp.real.far.example TLSA secure"]
    r = remote(zone=zone)
    check(deliver(r)[0], DEFERRED, "4.7.5")


def test_dane_with_a_route(remote, mx, keys):
    """Who runs the smart host says how it proves itself."""
    certificate, key = keys.make("x.example")
    server = mx(port=587, tls=server_tls(certificate, key))
    zone = {"mx.far.example A secure": [server.address], "_587._tcp.mx.far.example TLSA secure": [f"3 1 1 {digest_of_key(certificate)}"]}
    r = remote(named(server, "require"), zone=zone)
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert "DANE" in outcome["protection"].decode()


# ---- MTA-STS ----

ENFORCE = {"far.example": ("STS_ENFORCE", ["mx.far.example"])}
TESTING = {"far.example": ("STS_TESTING", ["mx.far.example"])}


def sts_zone(server, name="mx.far.example"):
    return {"far.example MX": [f"10 {name}"], f"{name} A": [server.address]}


def test_sts_right(verifying, mx, keys):
    server = mx(tls=keys.tls("mx.far.example"))
    r = verifying(zone=sts_zone(server), policies=ENFORCE)
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert "verified" in outcome["protection"].decode()
    assert r.policies.asked == ["far.example"]


@pytest.mark.parametrize("tls", [None, "other.example"], ids=["not offered", "another name"])
@pytest.mark.parametrize("policies", [ENFORCE, TESTING], ids=["enforce", "testing"])
def test_sts_wrong(verifying, mx, keys, policies, tls):
    server = mx(tls=tls and keys.tls(tls))
    r = verifying(zone=sts_zone(server), policies=policies)
    outcome, _ = deliver(r)
    if policies is ENFORCE:
        check(outcome, DEFERRED)
        assert outcome["subject"] == 7
        assert not server.transactions
    else:
        check(outcome, DELIVERED)
        assert "ev=sts-testing" in r.log()
        assert bool(server.taken[0].tls) == bool(tls)


def test_sts_does_not_name_the_host(verifying, mx, keys):
    server, named_one = mx(tls=keys.tls("evil.example")), mx(tls=keys.tls("mx.far.example"))
    zone = {"far.example MX": ["10 evil.example", "20 mx.far.example"], "evil.example A": [server.address], "mx.far.example A": [named_one.address]}
    r = verifying(zone=zone, policies=ENFORCE)
    check(deliver(r)[0], DELIVERED)
    assert not server.connections
    r = verifying(zone=sts_zone(server, "evil.example"), policies=ENFORCE)
    text = check(deliver(r)[0], DEFERRED, "4.7.5")
    assert text == "the MTA-STS policy does not name evil.example"
    r = verifying(zone=sts_zone(server, "evil.example"), policies=TESTING)
    check(deliver(r)[0], DELIVERED)
    assert "ev=sts-testing" in r.log()


def test_dane_beats_sts(verifying, mx, keys):
    certificate, key = keys.make("somebody.else.example")
    server = mx(tls=server_tls(certificate, key))
    r = verifying(zone=dane_zone(server, [f"3 1 1 {digest_of_key(certificate)}"]), policies=ENFORCE)
    outcome, _ = deliver(r)
    check(outcome, DELIVERED)
    assert "DANE" in outcome["protection"].decode()
