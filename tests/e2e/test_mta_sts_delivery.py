"""MTA-STS in the whole server: mail for a domain that has published a policy, and when it changes."""

import os
import smtplib

import pytest

from mx import MX, loopback
from server import wait_until
from test_mta_sts import HOST, ID, Keys
from web import Web, policy, reply
from zones import Zones

DOMAIN = "far.example"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs ports 25, 53 and 443")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


class World:
    """Our server, the DNS, and of DOMAIN the web server and the mail host."""

    def __init__(self, new_server, keys, answer, *, name="mx.far.example", certificate=None):
        self.web = Web(keys.tls(), answer)
        self.mx = MX(tls=keys.tls(certificate or name), name=name)
        self.records = [
            f"@ MX 10 {name}.",
            f'_mta-sts TXT "{ID.format(1)}"',
            f"mta-sts A {self.web.address}",
        ]
        self.zones = Zones({DOMAIN: self.records, name: [f"@ A {self.mx.address}"]}, ttl=1, address=loopback())
        self.server = new_server(
            inside=["127.0.0.1/32"], settings={"authorities": f'"{keys.authority}"'}, blocks=self.zones.block
        )
        self.server.start()

    def announce(self, id):
        self.records[1] = f'_mta-sts TXT "{ID.format(id)}"'
        self.zones.replace(DOMAIN, self.records)

    def send(self):
        with smtplib.SMTP("127.0.0.1", self.server.port, timeout=20) as smtp:
            smtp.sendmail("alice@mx.example", f"someone@{DOMAIN}", "Subject: t\n\nbody\n")

    def end(self):
        self.server.stop()
        self.zones.stop()
        self.web.close()
        self.mx.close()


@pytest.fixture
def world(new_server, keys):
    made = []

    def start(*what, **more):
        made.append(World(new_server, keys, *what, **more))
        return made[-1]

    yield start
    for one in made:
        one.end()


def test_right_host(world):
    w = world(policy("enforce", ["*.far.example"]))
    w.send()
    [line] = w.server.wait_for_log("ev=delivered", f"someone@{DOMAIN}")
    assert "verified" in line and "unverified" not in line, line
    assert w.mx.taken[0].tls.startswith("TLSv1.")
    assert w.server.log_lines("ev=policy ", f"domain={DOMAIN}", "mode=enforce")
    # it is remembered
    w.send()
    assert wait_until(lambda: len(w.mx.taken) == 2)
    assert len(w.web.requests) == 1


WRONG = {
    "host": {"name": "evil.example"},
    "certificate": {"certificate": "evil.example"},
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("mode", ["enforce", "testing", "none"])
def test_wrong(world, mode, what):
    w = world(policy(mode, ["mx.far.example"]), **WRONG[what])
    w.send()
    if mode == "enforce":
        [line] = w.server.wait_for_log("ev=deferred", f"someone@{DOMAIN}")
        assert "4.7.5" in line, line
        assert not w.mx.transactions
    else:
        w.server.wait_for_log("ev=delivered", f"someone@{DOMAIN}")
        assert bool(w.server.log_lines("ev=sts-testing")) == (mode == "testing")


def test_policy_that_cannot_be_had(world):
    """As without one."""
    w = world(reply(status="404 Not Found"), name="evil.example")
    w.send()
    w.server.wait_for_log("ev=delivered", f"someone@{DOMAIN}")
    assert w.server.log_lines("ev=policy-failed", f"domain={DOMAIN}", "404")


def test_policy_changes(world):
    """From a host that is wrong to one that is right; what has waited goes out."""
    w = world(policy("enforce", ["mx.far.example"]), name="evil.example")
    w.send()
    w.server.wait_for_log("ev=deferred", f"someone@{DOMAIN}", "4.7.5")
    w.web.answer = policy("enforce", ["evil.example"])
    w.announce(2)

    def delivered():
        w.server.must("queue", "retry")
        return w.server.log_lines("ev=delivered", f"someone@{DOMAIN}")

    assert wait_until(delivered, 20, 0.5), w.server.log()[-3000:]
    assert w.server.log_lines("ev=policy ", "old_policy=1", "policy=2")
    assert w.web.names == [HOST] * 2
