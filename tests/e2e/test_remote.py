"""ampel-remote alone: the test is its supervisor, its queue, and the servers that it meets."""

import itertools
import os
import select
import socket
import time

import pytest

from fake_dns import Dns, Policies
from frames import Child, memory_file
from mx import CLOSE, MX, RESET, STALL, loopback

TEXT = "Subject: hello\n\n.dots\n..are doubled\nend\n"
WIRE = TEXT.replace("\n", "\r\n").encode()
HOSTNAME = "out.near.example"

numbers = itertools.count(1)


class Remote(Child):
    """With a queue that hands out jobs and collects outcomes."""

    def __init__(self, log_path, settings, zone, policies):
        super().__init__("ampel-remote", log_path)
        refused = self.configure(settings)
        assert refused is None, refused
        self.dns = Dns(self.add_peer("ROLE_DNS"), zone)
        self.policies = Policies(self.add_peer("ROLE_FETCH"), policies)
        self.settings = settings
        self.n_jobs = 0
        self.connect_queue()

    def connect_queue(self):
        self.queue = self.add_peer("ROLE_QUEUE")
        self.hello = self.queue.expect("HELLO")
        self.outcomes = {}

    def send(self, address, *, id=None, recipient=0, text=TEXT, sender="joe@near.example", **more):
        """The token by which the outcome is found."""
        self.n_jobs += 1
        fd = memory_file(text)
        id = id or next(numbers).to_bytes(16, "big")
        self.queue.send(
            "REMOTE", fds=[fd], token=self.n_jobs, id=id, recipient=recipient,
            address=address, reverse_path=sender, size=len(text.encode()), **more,
        )  # fmt: skip
        os.close(fd)
        return self.n_jobs

    def send_to(self, *addresses, **more):
        """One message; a token for each."""
        id = next(numbers).to_bytes(16, "big")
        return [self.send(a, id=id, recipient=n, **more) for n, a in enumerate(addresses)]

    def outcome(self, token, *, finish=True, seconds=30):
        end = time.monotonic() + seconds
        while token not in self.outcomes:
            assert select.select([self.queue.socket], [], [], max(0, end - time.monotonic()))[0], "no outcome"
            values = self.queue.expect("OUTCOME")
            self.outcomes[values["token"]] = values
            if finish:
                self.queue.send("FINISHED", id=values["id"], recipient=values["recipient"])
        return self.outcomes[token]


DELIVERED, DEFERRED, FAILED = 1, 0, 2


def check(outcome, kind, status=None):
    got = (outcome["class"], outcome["subject"], outcome["detail"])
    assert outcome["kind"] == kind, outcome
    if status:
        assert ".".join(map(str, got)) == status, outcome
    return outcome["text"].decode()


@pytest.fixture
def remote(tmp_path):
    children = []

    def start(*blocks, zone=None, policies=None, **settings):
        settings = {"hostname": f'"{HOSTNAME}"', "remote_timeout": "2s", "connect_timeout": "1s", **settings}
        text = "".join(f"{name} = {value}\n" for name, value in settings.items()) + "".join(blocks)
        children.append(Remote(tmp_path / "log", text, zone or {}, policies or {}))
        return children[-1]

    yield start
    for child in children:
        child.end()


@pytest.fixture
def mx():
    servers = []

    def start(*args, **kwargs):
        servers.append(MX(*args, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
    assert not any(server.bad_lines for server in servers)


def eventually(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.02)


# ---- delivery ----


def test_delivered(remote, mx):
    server = mx()
    r = remote(server.route())
    outcome = r.outcome(r.send("ann@far.example"))
    assert check(outcome, DELIVERED, "2.0.0") == "250 2.0.0 taken"
    assert outcome["is_reply"] == 1
    assert outcome["host"].decode() == f"[{server.address}]"
    assert outcome["protection"] == b"none"
    (t,) = server.taken
    assert (t.sender, t.recipients, t.data) == ("joe@near.example", ["ann@far.example"], WIRE)
    assert server.connections[0].lines[0] == f"EHLO {HOSTNAME}"
    assert "waiting 0" in r.stats()


def test_address_literal(remote, mx):
    server = mx()
    r = remote()
    outcome = r.outcome(r.send(f"ann@[{server.address}]"))
    check(outcome, DELIVERED)
    assert server.taken[0].recipients == [f"ann@[{server.address}]"]


def test_large_body(remote, mx):
    server = mx()
    r = remote(server.route(), remote_timeout="20s")
    text = "Subject: large\n\n" + "".join(f"{n} ....\n.\n" for n in range(300_000))
    check(r.outcome(r.send("ann@far.example", text=text)), DELIVERED)
    assert server.taken[0].data == text.replace("\n", "\r\n").encode()


def late(session, line):
    """All jobs are there by then."""
    time.sleep(0.5)
    return "220 mx.far.example ESMTP"


def test_recipients_of_one_message_go_together(remote, mx):
    server = mx(replies={"CONNECT": late})
    r = remote(server.route(), remote_per_destination=1)
    addresses = [f"user{n}@d{n % 3}.example" for n in range(120)]
    tokens = r.send_to(*addresses)
    for token in tokens:
        check(r.outcome(token), DELIVERED)
    assert sorted(len(t.recipients) for t in server.taken) == [20, 100]
    assert sorted(a for t in server.taken for a in t.recipients) == sorted(addresses)


def test_reverse_paths_of_their_own_go_apart(remote, mx):
    """VERP: one message, and each recipient has another."""
    server = mx(replies={"CONNECT": late})
    r = remote(server.route(), remote_per_destination=1)
    paths = {f"user{n}@far.example": f"list-user{n // 2}@near.example" for n in range(8)}
    tokens = [r.send(a, id=b"v" * 16, recipient=n, sender=path) for n, (a, path) in enumerate(paths.items())]
    for token in tokens:
        check(r.outcome(token), DELIVERED)
    assert {a: t.sender for t in server.taken for a in t.recipients} == paths
    assert len(server.taken) >= 4


def test_null_reverse_path_goes_alone(remote, mx):
    server = mx()
    r = remote(server.route())
    for token in r.send_to("a@far.example", "b@far.example", "c@far.example", sender=""):
        check(r.outcome(token), DELIVERED)
    assert [len(t.recipients) for t in server.taken] == [1, 1, 1]
    assert {t.sender for t in server.taken} == {""}


def test_each_recipient_has_its_outcome(remote, mx):
    def rcpt(session, line):
        return "550 5.1.1 no such user" if "nobody" in line else "452 4.2.2 full" if "full" in line else "250 2.1.5 ok"

    server = mx(replies={"RCPT": rcpt, "CONNECT": late})
    r = remote(server.route())
    nobody, full, ann = r.send_to("nobody@far.example", "full@far.example", "ann@far.example")
    assert check(r.outcome(nobody), FAILED) == "550 5.1.1 no such user"
    assert check(r.outcome(full), DEFERRED) == "452 4.2.2 full"
    check(r.outcome(ann), DELIVERED)
    assert server.taken[0].recipients == ["ann@far.example"]
    assert not any(o["is_down"] for o in r.outcomes.values())


def test_connection_is_reused_and_ended(remote, mx):
    server = mx()
    r = remote(server.route())
    for n in range(5):
        check(r.outcome(r.send(f"user{n}@far.example")), DELIVERED)
    assert {t.connection for t in server.taken} == {0}
    eventually(lambda: not server.open_connections)
    assert server.connections[0].lines[-1] == "QUIT"


def test_a_connection_takes_so_many(remote, mx):
    server = mx()
    r = remote(server.route(), remote_per_destination=1)
    for token in [r.send(f"user{n}@far.example") for n in range(250)]:
        check(r.outcome(token), DELIVERED)
    counts = [sum(t.connection == c for t in server.taken) for c in range(len(server.connections))]
    assert counts == [100, 100, 50]


# ---- which server ----


def route_over(*servers, more=""):
    return 'route "*" { to = {' + ", ".join(f'"[{s.address}]:{s.port}"' for s in servers) + f"}} {more} }}\n"


class Nobody:
    """An address where nobody listens."""

    port = 25

    def __init__(self):
        self.address = loopback()


@pytest.mark.parametrize("trouble", ["554 5.3.2 no mail here", "421 4.3.2 busy", CLOSE, RESET, STALL, "999 what", "000 ", "hello", ""])
def test_next_host(remote, mx, trouble):
    first, second = mx(replies={"CONNECT": trouble}), mx()
    r = remote(route_over(Nobody(), first, second))
    outcome = r.outcome(r.send("ann@far.example"))
    check(outcome, DELIVERED)
    assert outcome["host"].decode() == f"[{second.address}]"
    assert len(first.connections) == 1


def test_all_say_5xx(remote, mx):
    servers = [mx(replies={"CONNECT": f"554 5.3.2 no mail here {n}"}) for n in range(2)]
    r = remote(route_over(*servers))
    outcome = r.outcome(r.send("ann@far.example"))
    assert check(outcome, FAILED) == "554 5.3.2 no mail here 1"
    assert outcome["is_reply"] and outcome["host"].decode() == f"[{servers[1].address}]"
    assert not outcome["is_down"]


def test_one_says_4xx(remote, mx):
    servers = [mx(replies={"CONNECT": "421 4.3.2 busy"}), mx(replies={"CONNECT": "554 5.3.2 no"})]
    r = remote(route_over(*servers))
    outcome = r.outcome(r.send("ann@far.example"))
    assert check(outcome, DEFERRED) == "421 4.3.2 busy"
    assert outcome["host"].decode() == f"[{servers[0].address}]"


def test_down_is_known(remote):
    nobody = Nobody()
    r = remote(route_over(nobody))
    outcome = r.outcome(r.send("ann@far.example"))
    assert check(outcome, DEFERRED, "4.4.1") == "connection refused"
    assert outcome["is_down"] == 1
    # somebody is there now, but nobody looks before a minute is over
    server = MX(nobody.address)
    started = time.monotonic()
    outcomes = [r.outcome(t) for t in [r.send(f"user{n}@far.example") for n in range(100)]]
    assert time.monotonic() - started < 2
    for outcome in outcomes:
        text = check(outcome, DEFERRED, "4.4.1")
        assert text.startswith(f"[{nobody.address}]: connection refused; tried again at 20"), text
        assert outcome["is_down"] == 1 and outcome["is_reply"] == 0
    assert not server.connections
    server.close()
    assert r.log().count("ev=remote-problem") == 1


def test_others_are_not_down(remote, mx):
    server = mx()
    r = remote(f'route "dead.example" {{ to = "[{loopback()}]" }}\n', server.route())
    dead = r.send("ann@dead.example")
    check(r.outcome(r.send("ann@far.example")), DELIVERED)
    check(r.outcome(dead), DEFERRED)


def test_ourselves(remote, mx):
    server = mx(name=HOSTNAME)
    r = remote(server.route())
    check(r.outcome(r.send("ann@far.example")), FAILED, "5.4.6")


@pytest.mark.parametrize("domain", ["far..example", "[127.0.0.300]", "-.example", "x" * 300])
def test_no_domain(remote, domain):
    r = remote()
    check(r.outcome(r.send(f"ann@{domain}")), FAILED, "5.1.3")


# ---- servers that misbehave ----


def endless(session, line):
    """A reply without an end."""
    while True:
        session.send("220-" + "x" * 60 + "\r\n")


def endless_line(session, line):
    while True:
        session.send("220 " + "x" * 65536)


def trickle(session, line):
    """One byte now and then."""
    while not session.mx.is_closed:
        session.send("2")
        time.sleep(0.2)


@pytest.mark.parametrize("answer", [endless, endless_line, trickle])
@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "END"])
def test_endless(remote, mx, verb, answer):
    server = mx(replies={verb: answer})
    r = remote(server.route(), remote_timeout="1s")
    outcome = r.outcome(r.send("ann@far.example"), seconds=20)
    assert len(check(outcome, DEFERRED)) < 300  # what came is quoted, the beginning of it
    if verb in ("CONNECT", "EHLO"):
        assert outcome["is_down"]
    assert r.process.poll() is None


@pytest.mark.parametrize("how", [CLOSE, RESET, STALL], ids=["close", "reset", "stall"])
@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT", "DATA", "END"])
def test_lost(remote, mx, verb, how):
    """Before MAIL was answered another host may have it; behind the final dot it may be there."""
    first, second = mx(replies={verb: how}), mx()
    r = remote(route_over(first, second), remote_timeout="1s")
    outcome = r.outcome(r.send("ann@far.example"))
    # a reset takes replies along that had come and were not read yet: also that to MAIL
    is_untried = how is RESET and verb in ("RCPT", "DATA") and outcome["kind"] == DELIVERED
    if verb in ("EHLO", "MAIL") or is_untried:
        check(outcome, DELIVERED)
        assert outcome["host"].decode() == f"[{second.address}]"
    else:
        check(outcome, DEFERRED)
        assert outcome["host"].decode() == f"[{first.address}]"
        assert not second.transactions
    assert ("ev=possible-duplicate" in r.log()) == (verb == "END")


@pytest.mark.parametrize("reply", ["000 what", "999 what", "what", "", "25", "\0\0\0\0", "250-\r\n251 x", "600 \xff"])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
def test_strange_replies(remote, mx, verb, reply):
    server = mx(replies={verb: reply})
    r = remote(server.route(), remote_timeout="1s")
    outcome = r.outcome(r.send("ann@far.example"))
    assert outcome["text"].decode().isprintable()
    check(outcome, DEFERRED)
    # and that was all
    assert r.process.poll() is None


def test_reads_nothing(remote, mx):
    """The message is never taken off our hands."""

    def data(session, line):
        session.send("354 go\r\n")
        time.sleep(30)
        return CLOSE

    server = mx(replies={"DATA": data})
    r = remote(server.route(), remote_timeout="1s")
    started = time.monotonic()
    token = r.send("ann@far.example", text="Subject: x\n\n" + "0123456789abcde\n" * 2_000_000)
    check(r.outcome(token), DEFERRED)
    assert time.monotonic() - started < 15


# ---- limits ----


def test_limits(remote, mx):
    """Slow servers: as many connections as allowed, and no more."""

    def slow(session, line):
        time.sleep(0.1)
        return "250 2.0.0 taken"

    most = 0
    server = mx(replies={"END": slow})
    r = remote(server.route(), remote_per_destination=8)
    tokens = [r.send(f"user{n}@far.example") for n in range(200)]
    while len(server.taken) < 200:
        most = max(most, server.open_connections)
        time.sleep(0.01)
    for token in tokens:
        check(r.outcome(token), DELIVERED)
    assert most == 8


def test_a_stalled_destination_holds_up_nobody(remote, mx):
    stalled = [mx(replies={"MAIL": STALL}) for _ in range(3)]
    well = [mx() for _ in range(3)]
    routes = [s.route(f"stalled{n}.example") for n, s in enumerate(stalled)]
    routes += [s.route(f"well{n}.example") for n, s in enumerate(well)]
    r = remote(*routes, remote_connections=10, remote_timeout="20s")
    for n in range(300):
        r.send(f"user{n}@stalled{n % 3}.example")
    eventually(lambda: sum(s.open_connections for s in stalled) >= 3)
    time.sleep(0.5)
    started = time.monotonic()
    for token in [r.send(f"user{n}@well{n % 3}.example") for n in range(300)]:
        check(r.outcome(token), DELIVERED)
    assert time.monotonic() - started < 10
    assert sum(s.open_connections for s in stalled + well) <= 10


def test_total_is_kept(remote, mx):
    servers = [mx() for _ in range(12)]
    r = remote(*[s.route(f"d{n}.example") for n, s in enumerate(servers)], remote_connections=4)
    tokens = [r.send(f"user{n}@d{n % 12}.example") for n in range(600)]
    most = 0
    while sum(len(s.taken) for s in servers) < 600:
        most = max(most, sum(s.open_connections for s in servers))
        time.sleep(0.005)
    for token in tokens:
        check(r.outcome(token), DELIVERED)
    assert most <= 5  # one may be on its way out


# ---- the queue ----


def test_queue_lost_before_the_final_dot(remote, mx):
    """It is abandoned and given anew by the next queue; what waits is, too."""
    server = mx(replies={"DATA": [STALL, "354 go ahead"]})
    r = remote(server.route(), remote_timeout="60s", remote_per_destination=1)
    first = r.send("ann@far.example")
    r.send("bob@far.example")
    eventually(lambda: server.transactions)
    r.queue.close()
    eventually(lambda: not server.open_connections)
    r.connect_queue()
    assert r.hello["n"] == 0
    check(r.outcome(r.send("ann@far.example")), DELIVERED)
    assert len(server.taken) == 1 and first


def test_queue_lost_behind_the_final_dot(remote, mx):
    def slow(session, line):
        time.sleep(1)
        return "250 2.0.0 taken"

    server = mx(replies={"END": slow})
    r = remote(server.route())
    token = r.send("ann@far.example")
    eventually(lambda: server.transactions and server.transactions[0].data)
    r.queue.close()
    time.sleep(0.2)
    r.connect_queue()
    assert r.hello["n"] == 1
    check(r.outcome(token, finish=False), DELIVERED)
    # it is repeated to each queue until it is in the store
    r.queue.close()
    r.connect_queue()
    assert r.hello["n"] == 1
    check(r.outcome(token), DELIVERED)
    eventually(lambda: "kept 0" in r.stats())
    r.queue.close()
    r.connect_queue()
    assert r.hello["n"] == 0
    assert len(server.taken) == 1


def test_stop(remote, mx):
    """What is under way is finished, the rest is given back."""

    def slow(session, line):
        time.sleep(1)
        return "250 2.0.0 taken"

    server = mx(replies={"END": slow})
    r = remote(server.route(), remote_per_destination=1)
    tokens = [r.send(f"user{n}@far.example") for n in range(3)]
    eventually(lambda: server.transactions and server.transactions[0].data)
    r.control.send("STOP")
    check(r.outcome(tokens[0]), DELIVERED)
    assert r.process.wait(10) == 0
    assert len(server.transactions) == 1
    assert "2 deliveries given back" in r.log()


def test_stop_idle(remote):
    assert remote().stop(5) == 0


def test_reload(remote, mx):
    """New mail goes the new way."""
    old, new = mx(), mx()
    r = remote(old.route())
    check(r.outcome(r.send("ann@far.example")), DELIVERED)
    assert r.configure(r.settings.replace(old.address, new.address)) is None
    check(r.outcome(r.send("ann@far.example")), DELIVERED)
    assert (len(old.taken), len(new.taken)) == (1, 1)


def test_every_job_has_its_outcome(remote, mx):
    """Many destinations, of which a third refuses, stalls, vanishes or stutters."""
    bad = [
        {"CONNECT": "421 4.3.2 busy"},
        {"CONNECT": STALL},
        {"MAIL": [CLOSE, "250 ok"]},
        {"MAIL": ["250 ok", RESET]},
        {"RCPT": ["250 ok", "452 4.2.2 full"]},
        {"DATA": [CLOSE, "354 go", "451 4.3.0 not now"]},
        {"END": ["250 2.0.0 taken", "451 4.3.0 not now"]},
        {"QUIT": RESET},
    ]
    servers = [mx(replies=dict(bad[n // 3 % len(bad)]) if n % 3 == 0 else {}) for n in range(48)]
    r = remote(*[s.route(f"d{n}.example") for n, s in enumerate(servers)], remote_connections=30, remote_timeout="1s")
    tokens = {r.send(f"user{n}@d{n % 48}.example"): n for n in range(960)}
    outcomes = {n: r.outcome(token) for token, n in tokens.items()}
    for n, outcome in outcomes.items():
        if n % 48 % 3 != 0:
            check(outcome, DELIVERED)
        assert outcome["kind"] in (DELIVERED, DEFERRED)
    delivered = sorted(f"user{n}@d{n % 48}.example" for n, o in outcomes.items() if o["kind"] == DELIVERED)
    assert sorted(a for s in servers for t in s.taken for a in t.recipients) == delivered
    eventually(lambda: "waiting 0, kept 0, connections 0" in r.stats())
