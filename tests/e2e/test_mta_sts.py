"""ampel-fetch as a program of its own: policies of MTA-STS (RFC 8461), from servers of the test."""

import os
import pwd
import shutil
import ssl
import threading
import time
import warnings

import pytest

import certificates
from fake_dns import MODES, Dns
from frames import Child
from mx import server_tls
from server import make_folder, wait_until
from web import Web, policy, policy_text, reply, slowly

DOMAIN = "far.example"
HOST = f"mta-sts.{DOMAIN}"
RECORD = f"_mta-sts.{DOMAIN} TXT"
NONE, TESTING, ENFORCE = (MODES[f"STS_{mode}"] for mode in ("NONE", "TESTING", "ENFORCE"))
ID = "v=STSv1; id={};"
POLICY_MAX = 64 * 1024
FETCH_SECONDS, PATIENCE_SECONDS = 60, 70
AT_ONCE = 20

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs port 443")


class Keys:
    """Certificates by name, of one authority."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = certificates.make_authority(folder)
        self.made = {}

    def tls(self, *names, **more):
        """For the one server that has all these names."""
        names = tuple(f"DNS:{name}" for name in names or [HOST])
        key = (names, *more.items())
        if key not in self.made:
            self.made[key] = certificates.make(self.folder, f"{len(self.made)}", names, **more)
        return server_tls(*self.made[key])


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


class House:
    """ampel-fetch in its chroot, the DNS and who asks it; folder and DNS survive a restart."""

    def __init__(self, authority):
        self.folder = make_folder("ampel-fetch-")
        self.authority = authority
        self.account = pwd.getpwnam("_ampelfetch")
        self.jail = self.folder / "jail"
        self.jail.mkdir()
        os.chown(self.jail, self.account.pw_uid, self.account.pw_gid)
        self.zone = {}
        self.child = None

    def start(self):
        self.child = Child("ampel-fetch", self.folder / "log")
        text = f'hostname = "mx.example"\nauthorities = "{self.authority}"\n'
        assert self.child.configure(text, uid=self.account.pw_uid, chroot=1, directory=str(self.jail)) is None
        self.add_dns()
        self.asker = self.child.add_peer("ROLE_REMOTE")
        self.q = 0
        return self

    def add_dns(self):
        self.dns = Dns(self.child.add_peer("ROLE_DNS"), self.zone)

    def announce(self, web, id="1", domain=DOMAIN):
        self.zone[f"_mta-sts.{domain} TXT"] = [ID.format(id)]
        self.zone[f"mta-sts.{domain} A"] = [web.address]

    def restart(self):
        assert self.child.stop() == 0
        self.child.end()
        return self.start()

    def send(self, domain=DOMAIN, asker=None):
        self.q += 1
        (asker or self.asker).send("ASK_POLICY", q=self.q, domain=domain)
        return self.q

    def receive(self, asker=None):
        """(number of the question, mode, patterns, text)"""
        got = (asker or self.asker).expect("POLICY")
        rest, patterns = got["patterns"], []
        while rest:
            n = int.from_bytes(rest[:4], "little")
            patterns.append(rest[4 : 4 + n].decode())
            rest = rest[4 + n :]
        assert len(patterns) == got["n"]
        return got["q"], got["mode"], patterns, got["text"].decode()

    def ask(self, domain=DOMAIN):
        q = self.send(domain)
        answered, mode, patterns, text = self.receive()
        assert answered == q
        return mode, patterns, text

    def log(self):
        return self.child.log()

    def lines(self, event):
        return [line for line in self.log().splitlines() if f"ev={event} " in line]

    def files(self):
        return sorted(path.name for path in (self.jail / "policies").iterdir())

    def end(self):
        if self.child:
            self.child.end()
        shutil.rmtree(self.folder)


@pytest.fixture
def house(keys):
    house = House(keys.authority)
    house.start()
    yield house
    house.end()


@pytest.fixture
def web(keys):
    """A server of policies; by itself it is the one of DOMAIN."""
    made = []

    def start(answer=b"", tls=keys, **more):
        made.append(Web(keys.tls() if tls is keys else tls, answer, **more))
        return made[-1]

    yield start
    for server in made:
        server.close()


def threads(process):
    return len(os.listdir(f"/proc/{process.pid}/task"))


# ---- what is published ----


def test_enforce(house, web):
    server = web(policy("enforce", ["MX.far.example", "*.far.example"]))
    house.announce(server)
    assert house.ask() == (ENFORCE, ["mx.far.example", "*.far.example"], "")
    [request] = server.requests
    assert request.startswith("GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
    assert f"\r\nHost: {HOST}\r\n" in request
    assert server.names == [HOST]
    assert sorted(house.dns.asked) == [RECORD, f"{HOST} A", f"{HOST} AAAA"]
    [line] = house.lines("policy")
    assert line.endswith(f" ev=policy domain={DOMAIN} mode=enforce policy=1 hosts=2 max_age=86400"), line
    # libcurl has looked up nothing by itself
    assert threads(house.child.process) == 1
    # and from now on it is known, though the DNS is asked each time
    assert house.ask() == (ENFORCE, ["mx.far.example", "*.far.example"], "")
    assert len(server.requests) == 1
    assert house.dns.asked.count(RECORD) == 2
    assert house.child.stats().startswith("answers 2, policies 1, fetched 1, failed 0, open 0")


def test_testing(house, web):
    house.announce(web(policy("testing")))
    assert house.ask() == (TESTING, ["mx.far.example"], "")
    assert " mode=testing " in house.lines("policy")[0]


def test_none(house, web):
    server = web(policy("none", []))
    house.announce(server)
    for _ in range(2):
        assert house.ask() == (NONE, [], "")
    assert len(server.requests) == 1
    assert " mode=none " in house.lines("policy")[0]


def test_domain_in_capitals(house, web):
    house.announce(web(policy()))
    assert house.ask("FAR.Example")[0] == ENFORCE
    assert house.files() == [DOMAIN]


def test_long_policy(house, web):
    """As many hosts as there may be, and as many octets."""
    hosts = [f"mx{i}.far.example" for i in range(100)]
    text = policy_text("enforce", hosts)
    house.announce(web(reply(text + "\n" * (POLICY_MAX - len(text)))))
    assert house.ask() == (ENFORCE, hosts, "")


def test_chunked_and_charset(house, web):
    text = policy_text().encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(text[i : i + 7]), text[i : i + 7]) for i in range(0, len(text), 7))
    fields = ["Transfer-Encoding: chunked"]
    house.announce(web(reply(chunks + b"0\r\n\r\n", fields=fields, length=False, type="TEXT/plain; charset=utf-8")))
    assert house.ask()[0] == ENFORCE


def test_second_address(house, web):
    """Nobody is at the first one."""
    server = web(policy())
    house.announce(server)
    house.zone[f"{HOST} A"] = ["127.0.0.254", server.address]
    house.zone[f"{HOST} AAAA"] = ["::ffff:127.0.0.253"]
    assert house.ask()[0] == ENFORCE


def test_alias(house, web):
    """Policies may be at a provider's; the certificate is still of the domain."""
    server = web(policy())
    house.announce(server)
    house.zone[f"{HOST} A"] = ("alias", "policies.provider.example")
    house.zone["policies.provider.example A"] = [server.address]
    assert house.ask()[0] == ENFORCE
    assert server.names == [HOST]


# ---- what is not published ----

SILENT = {
    "no name": {},
    "no record": {f"_mta-sts.{DOMAIN} A": ["127.0.0.1"]},
    "others": {RECORD: ["v=spf1 -all", "v=STSv2; id=1;", ""]},
    "bad name": {RECORD: "DNS_NO_NAME"},
}


@pytest.mark.parametrize("what", SILENT)
def test_not_announced(house, web, what):
    server = web(policy())
    house.announce(server)
    del house.zone[RECORD]
    house.zone |= SILENT[what]
    assert house.ask() == (NONE, [], "")
    assert server.requests == [] and house.lines("policy") == house.lines("policy-failed") == []


UNUSABLE = {
    "two": ([ID.format(1), ID.format(2)], "there are 2 records in the DNS"),
    "one of them malformed": ([ID.format(1), "v=STSv1; id=;"], "there are 2 records in the DNS"),
    "malformed": (["v=STSv1; id=a-b;"], "the record in the DNS is malformed"),
    "later": ("DNS_TRY_LATER", "the record in the DNS: "),
    "bogus": ("DNS_BOGUS", "the record in the DNS: "),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_record_cannot_be_used(house, web, what):
    server = web(policy())
    house.announce(server)
    house.zone[RECORD], text = UNUSABLE[what]
    assert house.ask() == (NONE, [], text)
    assert server.requests == []
    # but what is known already counts
    house.zone[RECORD] = [ID.format(1)]
    assert house.ask()[0] == ENFORCE
    house.zone[RECORD] = UNUSABLE[what][0]
    assert house.ask() == (ENFORCE, ["mx.far.example"], text)


NO_DOMAINS = ["", ".", "..", "a..b", "-a.b", "[127.0.0.1]", "a/../b", "a\0b", "x" * 64, ".".join(["y" * 60] * 4) + ".net"]


@pytest.mark.parametrize("domain", NO_DOMAINS)
def test_no_domain(house, domain):
    assert house.ask(domain) == (NONE, [], "")
    assert house.dns.asked == []


# ---- what cannot be fetched ----


def endless_fields(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in range(100000):
        connection.sendall(b"X-%d: %s\r\n" % (i, b"x" * 1000))


def endless_body(connection):
    connection.sendall(reply(type="text/plain", length=False))
    while True:
        connection.sendall(b"version: STSv1\r\n" * 1000)


BROKEN = {
    "redirect": (reply(status="301 Moved", fields=["Location: /moved"]), "the status is 301"),
    "other host": (reply(policy_text(), status="302 Found", fields=["Location: https://far.example/"]), "the status is 302"),
    "not found": (reply(policy_text(), status="404 Not Found"), "the status is 404"),
    "no content": (reply(policy_text(), status="203 Something"), "the status is 203"),
    "html": (reply(policy_text(), type="text/html"), "the type is text/html"),
    "plainer": (reply(policy_text(), type="text/plainer"), "the type is text/plainer"),
    "no type": (reply(policy_text(), type=None), "the type is not told"),
    "too large": (reply(policy_text() + "\n" * POLICY_MAX), "it is too large"),
    "one octet too large": (reply(policy_text().ljust(POLICY_MAX + 1, "\n"), length=False), "it is too large"),
    "endless": (endless_body, "it is too large"),
    "endless fields": (endless_fields, "the header fields are too large"),
    "cut short": (policy()[:-5], None),
    "nothing": (b"", None),
    "no http": (b"220 mx.far.example ESMTP\r\n" * 10, None),
    "old http": (policy_text().encode(), None),
    "malformed": (reply("version: STSv1\nmode: enforce\n"), "max_age is missing"),
    "empty": (reply(""), "version is missing"),
    "a page": (reply("<html>\n<body>"), "a line is no field"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken(house, web, what):
    answer, text = BROKEN[what]
    server = web(answer)
    house.announce(server)
    mode, patterns, why = house.ask()
    assert (mode, patterns) == (NONE, []) and why
    if text:
        assert why == text
    [line] = house.lines("policy-failed")
    assert f" ev=policy-failed domain={DOMAIN} why=" in line
    # it is not asked again soon, RFC 8461 section 3.3, and everybody is told why
    n = len(server.requests)
    server.answer = policy()
    assert house.ask() == (NONE, [], why[:127])
    house.zone[RECORD] = [ID.format(2)]
    assert house.ask() == (NONE, [], why[:127])
    assert len(server.requests) == n == 1
    assert len(house.lines("policy-failed")) == 1
    assert house.files() == []
    # for others it works all the same
    assert house.ask("other.example") == (NONE, [], "")


def other_version(keys):
    context = keys.tls()
    warnings.simplefilter("ignore", DeprecationWarning)  # for this test
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def stranger(keys, tmp_path):
    folder = tmp_path / "stranger"
    certificates.make_authority(folder)
    return server_tls(*certificates.make(folder, "server", (f"DNS:{HOST}",)))


CERTIFICATES = {
    "domain itself": lambda keys, _: keys.tls(DOMAIN),
    "other": lambda keys, _: keys.tls("mta-sts.other.example"),
    "two labels": lambda keys, _: keys.tls("*.example"),
    "expired": lambda keys, _: keys.tls(start="20200101000000Z", end="20200201000000Z"),
    "not yet": lambda keys, _: keys.tls(start="20400101000000Z", end="20400201000000Z"),
    "stranger": stranger,
    "tls 1.1": lambda keys, _: other_version(keys),
    "in the clear": lambda *_: None,
}


@pytest.mark.parametrize("what", CERTIFICATES)
def test_wrong_certificate(house, web, keys, tmp_path, what):
    server = web(policy(), tls=CERTIFICATES[what](keys, tmp_path))
    house.announce(server)
    mode, patterns, why = house.ask()
    assert (mode, patterns) == (NONE, []) and why
    assert server.requests == []
    assert len(house.lines("policy-failed")) == 1


def test_wildcard_certificate(house, web, keys):
    server = web(policy(), tls=keys.tls(f"*.{DOMAIN}"))
    house.announce(server)
    assert house.ask()[0] == ENFORCE


ADDRESSES = {
    "none": ({}, f"{HOST} has no address"),
    "nobody there": ({f"{HOST} A": ["127.0.0.254"]}, None),
    "bogus": ({f"{HOST} A": "DNS_BOGUS", f"{HOST} AAAA": "DNS_BOGUS"}, f"{HOST} has no address"),
}


@pytest.mark.parametrize("what", ADDRESSES)
def test_no_server(house, what):
    zone, text = ADDRESSES[what]
    house.zone |= {RECORD: [ID.format(1)], **zone}
    mode, _, why = house.ask()
    assert mode == NONE and why and (text is None or why == text)
    assert len(house.lines("policy-failed")) == 1


def test_no_authorities(keys, web):
    """It runs all the same, and trusts nobody."""
    for authority, text in (("/nowhere/at/all", "No such file"), ("/dev/null", "Invalid argument")):
        house = House(authority)
        try:
            house.start()
            house.announce(web(policy()))
            assert house.ask()[0] == NONE
            assert f"no policy can be fetched: {authority}: {text}" in house.log()
        finally:
            house.end()


def test_other_authorities_need_a_restart(house):
    text = 'hostname = "mx.example"\nauthorities = "/elsewhere"\n'
    assert house.child.configure(text) == "another file of authorities needs a stop and a start"


# ---- time ----


def test_changed_policy(house, web):
    server = web(policy("testing"))
    house.announce(server)
    assert house.ask()[0] == TESTING
    server.answer = policy("enforce", ["new.far.example"])
    assert house.ask()[0] == TESTING  # the record says that nothing has changed
    house.zone[RECORD] = [ID.format("2")]
    assert house.ask() == (ENFORCE, ["new.far.example"], "")
    assert len(server.requests) == 2
    assert " old_mode=testing old_policy=1" in house.lines("policy")[1]


def test_failed_change_keeps_the_old_one(house, web):
    server = web(policy())
    house.announce(server)
    assert house.ask()[0] == ENFORCE
    server.answer = reply(status="500 No")
    house.zone[RECORD] = [ID.format("2")]
    for _ in range(2):
        assert house.ask() == (ENFORCE, ["mx.far.example"], "the status is 500")
    assert len(server.requests) == 2
    [line] = house.lines("policy-failed")
    assert f'domain={DOMAIN} kept_mode=enforce kept_policy=1 why="the status is 500"' in line
    # taken back: all is well
    house.announce(server)
    assert house.ask() == (ENFORCE, ["mx.far.example"], "")


def test_record_disappears(house, web):
    """Who can forge the DNS does not take the policy away."""
    house.announce(web(policy()))
    assert house.ask()[0] == ENFORCE
    house.zone[RECORD] = "DNS_NO_NAME"
    assert house.ask() == (ENFORCE, ["mx.far.example"], "")


def test_expired(house, web):
    server = web(policy(max_age=1))
    house.announce(server)
    assert house.ask()[0] == ENFORCE
    time.sleep(1.1)
    house.zone[RECORD] = "DNS_NO_NAME"
    assert house.ask() == (NONE, [], "")
    assert house.files() == []
    house.announce(server)
    assert house.ask()[0] == ENFORCE
    assert len(server.requests) == 2


def test_restart_keeps_policies(house, web):
    server = web(policy("enforce", ["mx.far.example", "*.b.example"]))
    house.announce(server)
    assert house.ask()[0] == ENFORCE
    assert house.files() == [DOMAIN]
    server.close()
    house.restart()
    assert house.ask() == (ENFORCE, ["mx.far.example", "*.b.example"], "")
    assert house.child.stats().startswith("answers 1, policies 1, fetched 0")


def set_age(house, days):
    """As if it had been fetched then."""
    path = house.jail / "policies" / DOMAIN
    head, _, policy = path.read_text().partition("\n")
    words = head.split()
    words[-1] = str(int((time.time() - days * 86400) * 1000))
    path.write_text(" ".join(words) + "\n" + policy)


def test_refreshed_daily(house, web):
    """The old one is the answer at once; the server is asked meanwhile."""
    house.announce(web(policy("testing", max_age=10 * 86400)))
    assert house.ask()[0] == TESTING
    house.child.stop()
    set_age(house, 2)
    go_on = threading.Event()

    def late(connection):
        go_on.wait(20)
        connection.sendall(policy("enforce"))

    server = web(late)
    house.announce(server)
    house.child.end()
    house.start()
    for _ in range(3):
        assert house.ask() == (TESTING, ["mx.far.example"], "")
    go_on.set()
    assert wait_until(lambda: house.ask()[0] == ENFORCE)
    assert len(server.requests) == 1


def test_refresh_fails(house, web):
    server = web(policy(max_age=10 * 86400))
    house.announce(server)
    assert house.ask()[0] == ENFORCE
    house.child.stop()
    set_age(house, 2)
    house.child.end()
    house.start()
    server.answer = reply(status="500 No")
    assert house.ask()[0] == ENFORCE
    assert wait_until(lambda: house.lines("policy-failed"))
    for _ in range(3):
        assert house.ask() == (ENFORCE, ["mx.far.example"], "")
    assert len(server.requests) == 2


def test_foreign_files(house, web):
    """What is no policy is removed, and hurts nobody."""
    house.announce(web(policy()))
    assert house.ask()[0] == ENFORCE
    house.child.stop()
    folder = house.jail / "policies"
    good = (folder / DOMAIN).read_text()
    (folder / "other.example").write_text(good)  # of another domain
    (folder / f"{DOMAIN}.XaZ123").write_text(good)  # not renamed in time
    (folder / "half.example").write_text(good.replace(DOMAIN, "half.example")[:80])
    (folder / "empty.example").write_text("")
    (folder / "large.example").write_bytes(b"x" * 1000000)
    house.child.end()
    house.start()
    assert house.ask()[0] == ENFORCE
    assert house.files() == [DOMAIN]


def test_files_cannot_be_written(house, web):
    """It is remembered all the same."""
    (house.jail / "policies").rmdir()
    house.announce(web(policy()))
    assert house.ask()[0] == ENFORCE
    assert house.ask()[0] == ENFORCE
    assert f"/policies/{DOMAIN} cannot be written: No such file" in house.log()


# ---- many at once ----


def test_one_fetch_for_many_questions(house, web):
    go_on = threading.Event()

    def late(connection):
        go_on.wait(20)
        connection.sendall(policy())

    server = web(late)
    house.announce(server)
    second = house.child.add_peer("ROLE_REMOTE")
    third = house.child.add_peer("ROLE_REMOTE")
    asked = {house.send() for _ in range(50)}
    house.send(asker=third)
    asked_second = {house.send(asker=second) for _ in range(10)}
    assert wait_until(lambda: server.requests)
    third.close()  # it does not wait for its answer
    assert house.asker.is_silent(0.2)
    go_on.set()
    answers = [house.receive() for _ in asked]
    assert {q for q, *_ in answers} == asked
    assert all(rest == [ENFORCE, ["mx.far.example"], ""] for _, *rest in answers)
    assert {house.receive(second)[0] for _ in asked_second} == asked_second
    assert len(server.requests) == 1
    assert house.dns.asked.count(RECORD) == 1


def test_many_domains(house, web, keys):
    """More than may be fetched at once: all get their turn."""
    domains = [f"far{i}.example" for i in range(3 * AT_ONCE + 5)]
    lock, counts = threading.Lock(), [0]

    def soon(connection):
        with lock:
            counts.append(counts[-1] + 1)
        time.sleep(0.3)
        with lock:
            counts.append(counts[-1] - 1)
        connection.sendall(policy())

    server = web(soon, tls=keys.tls(*(f"mta-sts.{domain}" for domain in domains)))
    for domain in domains:
        house.announce(server, domain=domain)
    for domain in domains:
        house.send(domain)
    assert {house.receive()[1] for _ in domains} == {ENFORCE}
    assert len(server.requests) == len(domains)
    assert 1 < max(counts) <= AT_ONCE
    assert house.files() == sorted(domains)
    # each makes a line, but for those that are too many in a minute
    assert len(house.lines("policy")) == 60


def test_dns_dies(house, web):
    """What was asked of it is not answered; the next one is asked."""
    house.announce(web(policy()))
    house.dns.zone = None
    mode, patterns, why = house.ask()
    assert (mode, patterns) == (NONE, []) and why == "the record in the DNS: the resolver did not answer"
    house.add_dns()
    assert house.ask()[0] == ENFORCE


def test_garbled_question(house):
    """Who does not speak as agreed is not spoken to."""
    stranger = house.child.add_peer("ROLE_REMOTE")
    stranger.send("ASK_DNS", q=1, type=16, name=DOMAIN)
    assert stranger.receive()[0] is None
    other = house.child.add_peer("ROLE_SMTPD")
    assert other.receive()[0] is None
    assert house.ask() == (NONE, [], "")


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("AMPEL_SLOW"), reason="takes more than a minute: AMPEL_SLOW=1")
def test_slow_servers(house, web, keys):
    """
    They get a minute. Meanwhile they take all the places there are, but what is known stays
    known, and nobody waits longer than he is ready to.
    """
    house.announce(web(policy()))
    assert house.ask()[0] == ENFORCE
    domains = [f"slow{i}.example" for i in range(AT_ONCE)]
    names = [*domains, "last.example"]
    server = web(slowly(policy()), tls=keys.tls(*(f"mta-sts.{name}" for name in names)))
    start = time.monotonic()
    for name in names:
        house.announce(server, domain=name)
    slow = {house.send(domain) for domain in domains}
    assert wait_until(lambda: len(server.requests) == AT_ONCE)
    last = house.send("last.example")
    q = house.send(DOMAIN)
    assert house.receive()[:2] == (q, ENFORCE)
    house.zone[RECORD] = [ID.format(2)]  # changed, and it is not fetched before the others
    changed = house.send(DOMAIN)
    assert house.asker.is_silent(3) and len(server.requests) == AT_ONCE
    house.asker.socket.settimeout(PATIENCE_SECONDS)
    got = [house.receive() for _ in slow]
    assert {q for q, *_ in got} == slow
    assert {mode for _, mode, *_ in got} == {NONE}
    assert all(why.startswith("Operation timed out after 60") for *_, why in got), got
    assert FETCH_SECONDS - 1 < time.monotonic() - start < FETCH_SECONDS + 5
    # now it is the turn of those two; the second one's server is quick
    assert house.receive() == (changed, ENFORCE, ["mx.far.example"], "")
    assert house.receive() == (last, NONE, [], "no answer in time")
    assert PATIENCE_SECONDS - 3 < time.monotonic() - start < PATIENCE_SECONDS + 5
