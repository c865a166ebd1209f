"""Which servers ampel-remote tries, by what DNS and policies say."""

import time

import pytest

from mx import loopback
from test_remote import DEFERRED, DELIVERED, FAILED, HOSTNAME, check, mx, remote  # noqa: F401


def addresses(**servers):
    """Zone entries for servers, a for a.far.example."""
    return {f"{name}.far.example A": [s if isinstance(s, str) else s.address] for name, s in servers.items()}


def deliver(r, address="ann@far.example"):
    outcome = r.outcome(r.send(address))
    return outcome, outcome["host"].decode()


def test_preference(remote, mx):
    a, b = mx(), mx()
    r = remote(zone={"far.example MX": ["20 b.far.example", "10 a.far.example"], **addresses(a=a, b=b)})
    outcome, host = deliver(r)
    check(outcome, DELIVERED)
    assert host == f"a.far.example [{a.address}]"
    # the other one was not even looked up
    assert "b.far.example A" not in r.dns.asked


def test_next_preference(remote, mx):
    dead, a = loopback(), mx()
    r = remote(zone={"far.example MX": ["10 dead.far.example", "20 a.far.example"], **addresses(dead=dead, a=a)})
    outcome, host = deliver(r)
    check(outcome, DELIVERED)
    assert host == f"a.far.example [{a.address}]"
    assert f"host=\"dead.far.example [{dead}]\" why=\"connection refused\"" in r.log()


def test_ties_are_tried_at_random(remote, mx):
    servers = {name: mx() for name in "abcd"}
    zone = {}
    for n in range(40):
        zone[f"d{n}.example MX"] = [f"10 {name}.far.example" for name in servers]
    r = remote(zone={**zone, **addresses(**servers)})
    for token in [r.send(f"ann@d{n}.example") for n in range(40)]:
        check(r.outcome(token), DELIVERED)
    assert all(s.taken for s in servers.values())


def test_all_addresses_are_tried(remote, mx):
    a = mx()
    r = remote(zone={"far.example MX": ["10 a.far.example"], "a.far.example AAAA": ["::2"], "a.far.example A": [loopback(), a.address, loopback()]})
    check(deliver(r)[0], DELIVERED)


def test_without_mx(remote, mx):
    a = mx()
    r = remote(zone={"far.example A": [a.address]})
    outcome, host = deliver(r)
    check(outcome, DELIVERED)
    assert host == f"far.example [{a.address}]"


@pytest.mark.parametrize(
    "zone, kind, status, text",
    [
        ({}, FAILED, "5.1.2", "there are no MX records of far.example"),
        ({"far.example TXT": []}, FAILED, "5.1.2", "there are no addresses of far.example"),
        ({"far.example MX": ["0 ."]}, FAILED, "5.1.10", "far.example takes no mail (null MX)"),
        ({"far.example MX": [f"10 {HOSTNAME}"]}, FAILED, "5.4.6", None),
        ({"far.example MX": [f"10 {HOSTNAME}", "20 a.far.example"]}, FAILED, "5.4.6", None),
        ({"far.example MX": ["10 gone.far.example"]}, FAILED, "5.4.4", "there are no addresses of gone.far.example"),
        ({"far.example MX": "DNS_TRY_LATER"}, DEFERRED, "4.4.3", "no answer from DNS: MX records of far.example"),
        ({"far.example MX": "DNS_BOGUS"}, DEFERRED, "4.7.0", "DNSSEC validation failed: MX records of far.example"),
        ({"far.example MX": ["10 a.far.example"], "a.far.example A": "DNS_TRY_LATER"}, DEFERRED, "4.4.3", None),
        ({"far.example MX": ["10 a.far.example"], "a.far.example A": "DNS_BOGUS"}, DEFERRED, "4.7.0", None),
        # one of them might come back
        (
            {"far.example MX": ["10 a.far.example", "20 gone.far.example"], "a.far.example A": "DNS_TRY_LATER"},
            DEFERRED,
            "4.4.3",
            "no answer from DNS: addresses of a.far.example",
        ),
    ],
)
def test_no_server(remote, zone, kind, status, text):
    r = remote(zone=zone)
    outcome, host = deliver(r)
    got = check(outcome, kind, status)
    assert text is None or got == text
    assert host == "" and not outcome["is_down"]


def test_better_than_ourselves(remote, mx):
    a = mx()
    r = remote(zone={"far.example MX": ["10 a.far.example", f"20 {HOSTNAME}", "30 b.far.example"], **addresses(a=a)})
    check(deliver(r)[0], DELIVERED)


def test_only_so_many_addresses_are_tried(remote):
    """A domain with hundreds of dead servers costs no more than one with twenty."""
    zone = {"far.example MX": [f"{n} h{n}.far.example" for n in range(300)]}
    for n in range(300):
        zone[f"h{n}.far.example A"] = [loopback() for _ in range(3)]
    r = remote(zone=zone)
    outcome, _ = deliver(r)
    check(outcome, DEFERRED, "4.4.1")
    assert len([q for q in r.dns.asked if q.endswith(" A")]) == 7


def test_answers_are_kept_for_their_ttl(remote, mx):
    a = mx()
    r = remote(zone={"far.example MX": ["10 a.far.example"], **addresses(a=a)})
    r.dns.ttl = 1
    for n in range(20):
        check(r.outcome(r.send(f"user{n}@far.example")), DELIVERED)
    assert r.dns.asked.count("far.example MX") == 1
    time.sleep(5.5)
    check(deliver(r)[0], DELIVERED)
    assert r.dns.asked.count("far.example MX") == 2


def test_dns_is_restarted(remote, mx):
    """What it was asked is tried later."""
    r = remote(zone={})
    r.dns.zone = None  # dies of the next question
    token = r.send("ann@far.example")
    check(r.outcome(token), DEFERRED, "4.4.3")


def test_route_of_a_domain_beats_its_mx(remote, mx):
    a, b = mx(), mx()
    zone = {"far.example MX": ["10 b.far.example"], "other.example MX": ["10 b.far.example"], **addresses(b=b)}
    r = remote(a.route("far.example"), zone=zone)
    check(deliver(r)[0], DELIVERED)
    check(deliver(r, "ann@other.example")[0], DELIVERED)
    assert (len(a.taken), len(b.taken)) == (1, 1)
    assert "far.example" not in r.policies.asked


def test_route_to_a_name_with_mx(remote, mx):
    a = mx(port=2525)
    r = remote('route "*" { to = "smart.example:2525" }\n', zone={"smart.example MX": ["10 a.far.example"], **addresses(a=a)})
    check(deliver(r)[0], DELIVERED)


def test_wrong_route_bounces_nothing(remote):
    """It is our own mistake."""
    r = remote('route "*" { to = "smrat.example" }\n', zone={})
    check(deliver(r)[0], DEFERRED)
