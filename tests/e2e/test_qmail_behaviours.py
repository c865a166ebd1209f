"""
qmail's behaviours that users relied on, each with a test named after it. Some came by patches that a
careful site had; what is taken further here than there, its test says.
"""

import os

import pytest

import login
import maildir
import processes
from host_user import HostUser
from login import Session
from mx import STALL
from server import id_in, wait_until
from stdio import Site, cdb_make
from test_dns import lookup
from test_inject import MESSAGE, Caller, envelope, succeed
from test_remote import mx  # noqa: F401
from test_stdio_smtp import login as authenticate
from wire import Wire
from zones import Zones

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mail hosts and name servers have ports below 1024")


def hand_in(server, *recipients, sender="sender@client.example"):
    """The id that it got."""
    with Wire(server.port) as wire:
        wire.begin(*recipients, sender=sender)
        return id_in(wire.data(b"Subject: x\r\n\r\nhello\r\n"))


def inject(server, *recipients, sender):
    succeed(Caller(server.root).run(MESSAGE, envelope(*recipients, sender=sender)))


def is_empty(server):
    return wait_until(lambda: not server.queued_ids())


# ---- smtpd ----


def test_null_reverse_path_with_several_recipients(new_server):
    """
    No genuine bounce has two: the second recipient is refused, then the data, so that the first one
    gets nothing either. Who may relay is believed, and so is a local program.
    """
    server = new_server(listeners=("smtp", "local")).start()
    with Wire(server.port) as wire:
        wire.begin("alice@mx.example", sender="")
        wire.expect(550, "RCPT TO:<bob@mx.example>")
        wire.expect(554, "DATA")
        wire.expect(250, "RSET")
        wire.expect(250, "MAIL FROM:<>")
        wire.expect(250, "RCPT TO:<bob@mx.example>")
        assert wire.data(b"Subject: a bounce\r\n\r\n").code == 250
    server.wait_for_mail("bob", 1)
    assert not server.mail("alice")
    inject(server, "alice@mx.example", "bob@mx.example", sender="")
    server.wait_for_mail("alice", 1)
    server.wait_for_mail("bob", 2)


PROBES = [
    "alice%elsewhere.example@mx.example",
    "elsewhere.example!alice@mx.example",
    '"alice@elsewhere.example"@mx.example',
    # of our own domains or not
    "alice%mx.example@elsewhere.example",
    "%@mx.example",
]


def test_relay_probes(new_server):
    """Refused before anybody is looked up; qmail's patch refused its own clients too, we do not."""
    server = new_server().start()
    with Wire(server.port) as wire:
        wire.begin()
        for probe in PROBES:
            reply = wire.expect(553, f"RCPT TO:<{probe}>")
            assert reply.status == "5.7.1", reply
        wire.expect(250, "RCPT TO:<alice@mx.example>")
    trusting = new_server(inside=("127.0.0.0/8",)).start()
    with Wire(trusting.port) as wire:
        wire.begin()
        wire.expect(250, "RCPT TO:<alice%mx.example@elsewhere.example>")
        wire.expect(550, f"RCPT TO:<{PROBES[0]}>")  # of that name there is nobody


def test_morercpthosts_usable_after_a_failed_auth(tmp_path):
    """The database's descriptor is not the checker's."""
    site = Site(tmp_path)
    cdb_make(site.control_folder / "morercpthosts.cdb", ["more.example"])
    checker = site.script("checker", 'test "$(head -c 5 <&3)" = alice')
    with site.session(policy="smtps", checker=(checker,)) as wire:
        wire.hello()
        for _ in range(3):
            assert authenticate(wire, "mallory", "guess").code == 535
        assert authenticate(wire, "alice", "word").code == 235
        wire.expect(250, "MAIL FROM:<a@b.example>")
        wire.expect(250, "RCPT TO:<joe@more.example>")
    with site.session() as wire:
        wire.begin("joe@more.example")
        wire.expect(550, "RCPT TO:<joe@less.example>")


# ---- remote ----


def far_away(new_server, records, **settings):
    """A server, and a name server that knows far.example."""
    zones = Zones({"far.example": records})
    server = new_server(
        inside=("127.0.0.0/8",), blocks=zones.block, listeners=("smtp", "local"), settings=settings
    )
    return server.start(), zones


@as_root
def test_5xx_greeting(new_server, mx):  # noqa: F811
    """The next MX is tried; it fails for good, without a week of attempts, once all of them say so."""
    closed, open_ = mx(replies={"CONNECT": "554 5.7.1 not you"}), mx()
    records = [
        "@ MX 10 closed", "@ MX 20 open", f"closed A {closed.address}", f"open A {open_.address}",
        "only MX 10 closed", "both MX 10 closed", "both MX 20 too", f"too A {closed.address}",
    ]  # fmt: skip
    server, zones = far_away(new_server, records)
    with zones:
        hand_in(server, "ann@far.example")
        assert wait_until(lambda: open_.taken)
        assert closed.connections and not closed.transactions
        for domain in ("only", "both"):
            hand_in(server, f"ann@{domain}.far.example", sender="alice@mx.example")
            (line,) = server.wait_for_log("ev=failed", f"ann@{domain}.far.example")
            assert "554 5.7.1 not you" in line and "expired" not in line
        assert is_empty(server)
        assert len(server.wait_for_mail("alice", 2)) == 2


SIZES = {"over-512": 30, "over-4096": 200}  # records, each of more than 30 octets
LONG = "a-name-that-has-a-long-label-for-a-host"


@as_root
def test_oversized_dns_answers(new_server, mx):  # noqa: F811
    """
    More than a packet of 512 octets, which was all that qmail took, and more than a packet of UDP is
    here: MX records are followed, others come whole.
    """
    there = mx()
    records, sets = [f"real A {there.address}"], {}
    for name, n in SIZES.items():
        records += [f"{name} MX 1 real"] + [f"{name} MX {100 + i} {LONG}-{i}" for i in range(n)]
        sets[f"txt.{name}", "TXT"] = [f'"{i:03} {"x" * 30}"' for i in range(n)]
        sets[f"a.{name}", "A"] = [f"127.20.{i // 200}.{1 + i % 200}" for i in range(2 * n)]
    records += [f"{name} {kind} {value}" for (name, kind), values in sets.items() for value in values]
    server, zones = far_away(new_server, records)
    with zones:
        for name in SIZES:
            hand_in(server, f"ann@{name}.far.example")
        assert wait_until(lambda: len(there.taken) == len(SIZES)), server.log()[-3000:]
        assert {t.recipients[0] for t in there.taken} == {f"ann@{name}.far.example" for name in SIZES}
        for (name, kind), values in sets.items():
            code, got = lookup(server, f"{name}.far.example", kind)
            assert code == 0 and sorted(got["records"]) == sorted(values), (name, kind)
        assert is_empty(server)


# ---- pop3d ----


def test_pop3_stat(new_server):
    """Neither the number nor the octets count what was deleted (RFC 1939), until RSET."""
    server = new_server(listeners=("smtp", "pop3s")).start()
    login.set_line(server, "alice")
    for _ in range(3):
        hand_in(server, "alice@mx.example")
    server.wait_for_mail("alice", 3)
    with Session(server, "pop3s") as session:
        assert session.log_in("alice") == "yes"
        sizes = [int(session.line(f"LIST {i}").split()[2]) for i in (1, 2, 3)]
        assert session.line("STAT") == f"+OK 3 {sum(sizes)}"
        assert session.line("DELE 2").startswith("+OK")
        assert session.line("STAT") == f"+OK 2 {sizes[0] + sizes[2]}"
        assert session.line("DELE 1").startswith("+OK")
        assert session.line("DELE 3").startswith("+OK")
        assert session.line("STAT") == "+OK 0 0"
        assert session.line("RSET").startswith("+OK")
        assert session.line("STAT") == f"+OK 3 {sum(sizes)}"


# ---- send ----


def test_discarded_double_bounces(new_server):
    """An empty double_bounce_to, as a blank line in qmail's doublebounceto: the log alone tells of them."""
    for settings, event, letters in [({"double_bounce_to": '""'}, "discarded", 0), ({}, "double-bounce", 1)]:
        server = new_server(
            listeners=("smtp", "local"), users=("alice", "postmaster"), settings=settings
        ).start()
        inject(server, "nobody-here@mx.example", sender="")
        server.wait_for_log(f"ev={event} ", "nobody-here@mx.example")
        assert is_empty(server)
        server.wait_for_mail("postmaster", letters)
        server.stop()


def test_verp(new_server):
    """
    list-@host-@[] is another reverse-path for each recipient. What fails here comes back to the
    address without him, and says whom it is about.
    """
    server = new_server(listeners=("smtp", "local"), aliases="list-: alice\n").start()
    inject(server, "alice@mx.example", "bob@mx.example", "gone@mx.example", sender="list-@mx.example-@[]")
    (mail,) = server.wait_for_mail("bob")
    assert mail.values(b"Return-Path") == [b"<list-bob=mx.example@mx.example>"]
    by_path = {m.values(b"Return-Path")[0]: m for m in server.wait_for_mail("alice", 2)}
    assert set(by_path) == {b"<list-alice=mx.example@mx.example>", b"<>"}
    assert b"gone@mx.example" in by_path[b"<>"].body
    assert is_empty(server)


# ---- local ----

JOE, ANN = "ampelqjoe", "ampelqann"
as_root_of_users = pytest.mark.skipif(os.geteuid() != 0, reason="makes users of this host")


@pytest.fixture(scope="module")
def host(module_server):
    """Users of this host; JOE has a .qmail file, ANN a Maildir."""
    server = module_server(users=(), settings={"users": "system"})
    people = []
    try:
        people += [HostUser(name, server.folder) for name in (JOE, ANN)]
        yield server.start(add_users=False)
    finally:
        server.stop()
        for user in people:
            user.remove()


class Home:
    def __init__(self, server, name):
        self.folder = server.folder / name

    def give(self, path, mode):
        owner = self.folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
        path.chmod(mode)

    def write(self, name, text):
        (self.folder / name).write_text(text)
        self.give(self.folder / name, 0o600)

    def make_maildir(self, name):
        for path in [self.folder / name / part for part in ("", "tmp", "new", "cur")]:
            path.mkdir()
            self.give(path, 0o700)

    def mail(self, folder="Maildir", n=1):
        """Exactly n messages."""
        wait_until(lambda: len(maildir.files(self.folder / folder)) >= n)
        return len(maildir.files(self.folder / folder)) == n


@as_root_of_users
def test_program_exit_99(host):
    """It is done: of the lines behind it none is obeyed, those before it are, the forward too."""
    joe, ann = Home(host, JOE), Home(host, ANN)
    joe.make_maildir("first")
    joe.make_maildir("second")
    joe.write(".qmail", f"&{ANN}@mx.example\n./first/\n|exit 99\n./second/\n|touch third\n")
    ident = hand_in(host, f"{JOE}@mx.example")
    assert is_empty(host), host.log()[-3000:]
    host.wait_for_log("ev=delivered", f"id={ident}")
    assert joe.mail("first") and ann.mail()
    (line,) = host.log_lines("ev=forward", f"id={ident}")
    assert f"rcpt=<{JOE}@mx.example>" in line
    new = line.partition("new=")[2].split()[0]
    for one in (ident, new):  # whoever asks for the one hears of the other
        told = host.must("why", one, "--log", str(host.log_path))
        assert f"went on from <{JOE}@mx.example>, as message {new}, from <sender@client.example>" in told
    assert joe.mail("second", 0) and not (joe.folder / "third").exists()


@as_root_of_users
def test_process_group_for_zap(host):
    """A program of a .qmail file ends with its children, and its message is not lost."""
    joe = Home(host, JOE)
    joe.write(".qmail", "|trap '' TERM; sleep 1000 & echo $$ $! > pids.new; mv pids.new pids; wait; sleep 1000\n")
    ident = hand_in(host, f"{JOE}@mx.example")
    assert wait_until((joe.folder / "pids").exists), host.log()[-3000:]
    pids = [int(pid) for pid in (joe.folder / "pids").read_text().split()]
    assert len(pids) == 2 and all(map(processes.is_running, pids))
    host.must("zap", "send")
    assert wait_until(lambda: not any(map(processes.is_running, pids)))
    joe.write(".qmail", "./Maildir/\n")
    host.must("start", "send")
    assert joe.mail()
    assert is_empty(host)
    assert not host.log_lines("ev=failed", f"id={ident}")


@as_root
def test_state_logged_on_term(new_server, mx):  # noqa: F811
    """What is in the queue when it is told to end, and, once what was on its way has come back, that it ends."""
    there = mx(replies={"END": STALL})
    server, zones = far_away(
        new_server, ["@ MX 10 mx", f"mx A {there.address}"], remote_timeout='"3s"', connect_timeout='"1s"'
    )
    with zones:
        server.must("stop", "send")
        held = hand_in(server, "alice@mx.example")
        server.must("queue", "hold", held)
        server.must("start", "send")
        hand_in(server, "ann@far.example")
        assert wait_until(lambda: there.transactions)
        server.stop()
        (state,) = server.log_lines("ev=state ")
        (end,) = server.log_lines("ev=stop ")
        assert "messages=2 queued=0 leased=1 held=1" in state
        assert "messages=2 queued=1 held=1 returned=1" in end
        log = server.log()
        assert log.index(state) < log.index(end)
