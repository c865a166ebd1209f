"""ampel-inject: qmail-queue's interface to our queue, as callers of QMAILQUEUE use it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

import maildir
from server import ROOT, STAGE, id_in, wait_until
from wire import Wire

INJECT = STAGE / "bin" / "ampel-inject"
MESSAGE = b"Subject: one\n\nhello\n"
SENDER = "sender@mx.example"


def envelope(*recipients, sender=SENDER, end=b"\0"):
    records = [b"F" + as_bytes(sender), *(b"T" + as_bytes(r) for r in recipients)]
    return b"".join(record + b"\0" for record in records) + end


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


class Caller:
    """As qmail.c has it: pipes on 0, 1 and 6; the message, then the envelope, then 6 to its end, then wait."""

    def __init__(self, root, *, preload=None, program=INJECT):
        self.message, self.envelope, self.error = pipes = [os.pipe() for _ in range(3)]
        self.err = os.pipe()
        env = dict(os.environ, AMPEL_ROOT=str(root))
        if preload:
            env["LD_PRELOAD"] = str(preload)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                ours = [os.dup2(fd, 50 + n, inheritable=False) for n, fd in enumerate(
                    (pipes[0][0], pipes[1][0], pipes[2][1], self.err[1]))]
                for target, fd in zip((0, 1, 6, 2), ours):
                    os.dup2(fd, target)
                os.closerange(7, 50)
                os.execve(str(program), [str(program)], env)
            finally:
                os._exit(120)
        for fd in (self.message[0], self.envelope[0], self.error[1], self.err[1]):
            os.close(fd)

    def put(self, fd, data):
        """Whether all of it was taken."""
        try:
            with open(fd, "wb", buffering=0) as pipe:
                while data:
                    data = data[pipe.write(data) :]
            return True
        except BrokenPipeError:
            return False

    def end(self):
        """(exit code, or minus a signal; what stood on descriptor 6; what on stderr)"""
        with open(self.error[0], "rb") as custom, open(self.err[0], "rb") as err:
            texts = custom.read(), err.read()
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return (status, *texts)

    def run(self, message, written):
        wrote = self.put(self.message[1], message)
        wrote = self.put(self.envelope[1], written) and wrote
        code, custom, err = self.end()
        assert custom == b""
        assert wrote or code != 0
        return code, err


@pytest.fixture(scope="module")
def server(module_server):
    return module_server(listeners=("smtp", "local")).start()


@pytest.fixture
def inject(server):
    """The exit code, and what it says."""
    for user in ("alice", "bob"):
        for path in maildir.files(server.maildir(user)):
            path.unlink()

    def run(written, message=MESSAGE, root=None, **more):
        return Caller(root or server.root, **more).run(message, written)

    return run


def succeed(result):
    assert result == (0, b"")


def fail(result, code, *words):
    """With one line for people."""
    assert result[0] == code, result
    assert result[1].startswith(b"ampel-inject: ") and result[1].count(b"\n") == 1
    for word in words:
        assert word in result[1], result


def holds_nothing(server):
    """Neither its queue nor a mailbox."""
    return not server.queued_ids() and not any(maildir.files(server.maildir(u)) for u in server.users)


# ---- what is delivered ----


def test_message_is_the_same_below_the_trace_fields(server, inject):
    """Not even the fields that submission would add."""
    message = b"Subject: same\nX: \xc3\xa4\n\n.\n..\n.a\n" + bytes(range(32, 127)) + b"\n\t\xff\xfe\n\n\n"
    succeed(inject(envelope("alice@mx.example"), message))
    (mail,) = server.wait_for_mail("alice")
    assert mail.original(b"Subject: same") == message
    names = [name for name, _ in mail.fields()]
    assert names == [b"Return-Path", b"Delivered-To", b"Received", b"Subject", b"X"]
    assert mail.values(b"Return-Path") == [b"<sender@mx.example>"]


@pytest.mark.parametrize(
    "message, stored",
    [
        (b"Subject: x\n\nno end", b"Subject: x\n\nno end\n"),
        (b"Subject: x\r\n\r\na\r\nb\r\n", b"Subject: x\n\na\nb\n"),
        (b"Subject: x\n\na\n.\n.\n", b"Subject: x\n\na\n.\n.\n"),
    ],
)
def test_line_ends(server, inject, message, stored):
    succeed(inject(envelope("alice@mx.example"), message))
    assert server.wait_for_mail("alice")[0].original(b"Subject: x") == stored


def test_empty_message(server, inject):
    succeed(inject(envelope("alice@mx.example"), b""))
    server.wait_for_mail("alice")


def test_large_message(server, inject):
    message = b"Subject: x\n\n" + b"0123456789abcdef\n" * 600_000
    succeed(inject(envelope("alice@mx.example", "bob@mx.example"), message))
    for user in ("alice", "bob"):
        assert server.wait_for_mail(user)[0].original(b"Subject: x") == message


@pytest.mark.parametrize("sender", ["", "#@[]"])
def test_null_reverse_path(server, inject, sender):
    """Of a bounce and of a double bounce; such ones go to several too."""
    succeed(inject(envelope("alice@mx.example", "bob@mx.example", sender=sender)))
    for user in ("alice", "bob"):
        assert server.wait_for_mail(user)[0].values(b"Return-Path") == [b"<>"]


def test_addresses_without_a_domain(server, inject):
    succeed(inject(envelope("alice", sender="root")))
    assert server.wait_for_mail("alice")[0].values(b"Return-Path") == [b"<root@mx.example>"]


SENDERS = [
    ("a b@mx.example", '"a b"@mx.example'),
    ('a"b\\c@mx.example', '"a\\"b\\\\c"@mx.example'),
    ('"a"@mx.example', '"\\"a\\""@mx.example'),
    ("a@b@mx.example", '"a@b"@mx.example'),
    (".a..b.@mx.example", '".a..b."@mx.example'),
    ("a<b>@mx.example", '"a<b>"@mx.example'),
    ("a b", '"a b"@mx.example'),
]


@pytest.mark.parametrize("sender, written", SENDERS)
def test_plain_bytes_are_quoted(server, inject, sender, written):
    succeed(inject(envelope("alice@mx.example", sender=sender)))
    assert server.wait_for_mail("alice")[0].values(b"Return-Path") == [f"<{written}>".encode()]


def test_utf8(server, inject):
    succeed(inject(envelope("alice@mx.example", sender="jörg@bücher.example")))
    assert b" with UTF8SMTP id " in b" ".join(server.wait_for_mail("alice")[0].values(b"Received")[0].split())


def test_nobody(server, inject):
    succeed(inject(envelope()))
    assert holds_nothing(server)


# ---- qmail-queue accepts everybody ----


def test_who_does_not_exist_comes_back(server, inject):
    succeed(inject(envelope("alice@mx.example", "nobody-here@mx.example", sender="bob@mx.example")))
    server.wait_for_mail("alice")
    (bounce,) = server.wait_for_mail("bob")
    assert bounce.values(b"Return-Path") == [b"<>"]
    assert b"nobody-here@mx.example" in bounce.body and b"5.1.1" in bounce.body


def test_thousands(new_server):
    """Far more than a transaction of SMTP has, and an envelope of more than 64 KiB, is one message."""
    one = new_server(listeners=("smtp", "local")).start()
    one.must("stop", "send")
    everybody = [f"user-{n:05d}@mx.example" for n in range(5000)]
    written = envelope(*everybody, everybody[0])
    assert len(written) > 64 * 1024
    succeed(Caller(one.root).run(MESSAGE, written))
    (line,) = one.log_lines("ev=accept", "recipients=5000")
    assert one.queued_ids() == {id_in(line)}
    listed = [json.loads(line)["recipient"] for line in one.must("queue", "list", "--json").splitlines()]
    assert sorted(listed) == everybody


def test_same_recipients_elsewhere_are_still_looked_up(server):
    """What sendmail and others hear of is heard of as before."""
    with Wire(server.ports["local"]) as wire:
        wire.reply()
        wire.command("EHLO x")
        assert wire.command("MAIL FROM:<a@mx.example>").code == 250
        assert wire.command("RCPT TO:<nobody-here@mx.example>").code == 550


# ---- exit codes ----

LONG = b"a" * 1000
FAILURES = [
    # message, envelope, exit code, what it says
    (MESSAGE, b"F" + LONG + b"aaa\0Talice\0\0", 11, b"too long"),
    (MESSAGE, b"Fa\0T" + LONG + b"aaa\0\0", 11, b"too long"),
    (MESSAGE, b"", 54, b"envelope"),
    (MESSAGE, b"F", 54, b"envelope"),
    (MESSAGE, b"Fa@mx.example\0", 54, b"envelope"),
    (MESSAGE, b"Fa@mx.example\0Talice@mx.example\0", 54, b"envelope"),
    (MESSAGE, b"\0\0", 91, b"broken"),
    (MESSAGE, b"Talice@mx.example\0\0", 91, b"broken"),
    (MESSAGE, b"Fa@mx.example\0Xalice@mx.example\0\0", 91, b"broken"),
    (MESSAGE, b"Fa@mx.example\0Falice@mx.example\0\0", 91, b"broken"),
    (MESSAGE, envelope("alice", sender="list--@[]"), 31, b"not an address"),
    (MESSAGE, envelope("alice", sender="@mx.example-@[]"), 31, b"not an address"),
    (MESSAGE, envelope("alice", sender="list-@-@[]"), 31, b"not an address"),
    (MESSAGE, envelope(*["alice"] * 10_001), 31, b"10000"),
    (MESSAGE, envelope("alice@mx.example", "a\rb@mx.example"), 31, b"not an address: a b@mx.example"),
    (MESSAGE, envelope("alice@mx.example", "a@mx.example>\r\nRCPT TO:<bob@mx.example"), 31, b"not an address"),
    (MESSAGE, envelope("alice@mx.example", "a\x7fb@mx.example"), 31, b"not an address"),
    (MESSAGE, envelope("alice@mx.example", b"\xff@mx.example"), 31, b"not an address"),
    (MESSAGE, envelope("alice@mx.example", "bob@-"), 31, b"not an address"),
    (MESSAGE, envelope("alice@mx.example", ""), 31, b"not an address"),
    (MESSAGE, envelope("alice@mx.example", "@mx.example"), 31, b"not an address"),
    (MESSAGE, envelope("alice@mx.example", "a" * 65 + "@mx.example"), 31, b"not an address"),
    (MESSAGE, envelope("alice@mx.example", sender="a\nb@mx.example"), 31, b"not an address"),
    (b"Subject: x\n\na\rb\n", envelope("alice@mx.example"), 31, b"bare CR"),
    (b"Subject: x\n\na\0b\n", envelope("alice@mx.example"), 31, b"NUL"),
    (b"Received: x\n" * 200 + b"\nx\n", envelope("alice@mx.example"), 31, b"554 5.4.6"),
    (b"Subject: x\n\n" + b"a" * 70_000 + b"\n", envelope("alice@mx.example"), 31, b"550 5.6.0"),
    (b"a" * 70_000 + b"\n" + b"b\n" * 2_000_000, envelope("alice@mx.example"), 31, b"550 5.6.0"),
    (b"a\n" * 30_000_000, envelope("alice@mx.example"), 31, b"at most"),
]  # fmt: skip


@pytest.mark.parametrize("message, written, code, word", FAILURES, ids=[f"{c}-{w.decode()}" for _, _, c, w in FAILURES])
def test_failure(server, inject, message, written, code, word):
    """All or nothing: of what fails the server has nothing."""
    fail(inject(written, message), code, word)
    assert holds_nothing(server)


def test_longest_address(inject):
    """1003 bytes with its NUL are read; that no mailbox is so long is another matter."""
    fail(inject(b"Fa\0T" + b"a" * 1002 + b"\0\0"), 31, b"not an address")


def test_what_follows_the_envelope_is_not_looked_at(server, inject):
    succeed(inject(envelope("alice@mx.example") + b"Xmore"))
    server.wait_for_mail("alice")


def test_server_that_does_not_run(inject, tmp_path):
    fail(inject(envelope("alice"), root=tmp_path), 73, b"does not run")


def test_server_that_was_stopped(new_server):
    one = new_server(listeners=("local",)).start()
    one.stop()
    fail(Caller(one.root).run(MESSAGE, envelope("alice")), 73, b"does not run")
    one.start(add_users=False)
    succeed(Caller(one.root).run(MESSAGE, envelope("alice")))
    one.wait_for_mail("alice")


def test_server_that_was_killed(new_server):
    """Its socket is still there, and nobody listens."""
    one = new_server(listeners=("local",)).start()
    one.kill_all()
    fail(Caller(one.root).run(MESSAGE, envelope("alice")), 73, b"refused")


def test_filter_that_rejects(new_server):
    one = new_server(listeners=("local",))
    judge = one.folder / "judge"
    judge.write_text("#!/bin/sh\n! grep -q '^Subject: one'\n")
    judge.chmod(0o755)
    one.blocks = f'filter rules {{ check = "{judge}"  listeners = {{ "local" }} }}\n'
    one.write_conf()
    one.start()
    fail(Caller(one.root).run(MESSAGE, envelope("alice")), 31, b"554")
    assert holds_nothing(one)


# ---- what a real server cannot be made to say ----

HELLO = [b"220 mx.example\r\n", b"250-mx.example\r\n250-PIPELINING\r\n250 XQUEUE\r\n"]
CLOSE = None
SILENCE = b""
SCRIPTS = [
    # the peer's replies, one for each line that comes; exit code, what it says
    ([b"421 4.3.2 full\r\n", CLOSE], 71, b"421"),
    ([b"554 5.7.1 no\r\n", CLOSE], 31, b"554"),
    ([CLOSE], 74, b"closed"),
    ([b"huh\r\n"], 71, b"huh"),
    ([*HELLO, b"250 ok\r\n", b"250 ok\r\n", b"452 4.5.3 many\r\n", b"250 ok\r\n"], 53, b"452 4.5.3 many"),
    ([*HELLO, b"250 ok\r\n", b"250 ok\r\n", b"451 4.3.0 later\r\n", b"250 ok\r\n"], 71, b"451 4.3.0 later"),
    ([*HELLO, b"250 ok\r\n", b"451 4.3.0 later\r\n", b"550 5.1.1 no\r\n", b"250 ok\r\n"], 31, b"550 5.1.1 no"),
    ([*HELLO, b"552 5.3.4 large\r\n", b"503 x\r\n", b"503 x\r\n", b"221 x\r\n"], 31, b"552"),
    ([*HELLO, b"250 ok\r\n", b"250 ok\r\n", CLOSE], 74, b"closed before the reply to RCPT"),
    ([*HELLO, b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"452 4.3.1 full\r\n"], 53, b"452 4.3.1 full"),
]


class Peer(threading.Thread):
    """Listens where the server would, and says its replies, one behind each line that comes; until b"." of data."""

    def __init__(self, folder, replies):
        super().__init__(daemon=True)
        (folder / "run").mkdir()
        self.heard = []
        self.replies = list(replies)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(folder / "run" / "local"))
        self.listening.listen(1)
        self.start()

    def run(self):
        connection, _ = self.listening.accept()
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            is_data = False
            for n, reply in enumerate(self.replies):
                while n > 0:
                    line = lines.readline()
                    self.heard.append(line.rstrip())
                    if not line:
                        return
                    if not is_data or line == b".\r\n":
                        break
                if reply is CLOSE:
                    return
                is_data = reply.startswith(b"354")
                connection.sendall(reply)
            self.heard += [line.rstrip() for line in lines]


@pytest.mark.parametrize("replies, code, word", SCRIPTS, ids=[f"{c}-{w.decode()}" for _, c, w in SCRIPTS])
def test_scripted_server(tmp_path, replies, code, word):
    peer = Peer(tmp_path, replies)
    fail(Caller(tmp_path).run(MESSAGE, envelope("a@mx.example", "b@mx.example")), code, word)
    peer.join(10)
    # DATA is not said before every recipient was accepted
    if code in (53, 71, 31):
        accepted = b"RCPT TO:<b@mx.example>" in peer.heard and replies[3:5] == [b"250 ok\r\n"] * 2
        assert (b"DATA" in peer.heard) == accepted


def test_lost_behind_the_end_of_the_message(tmp_path):
    """The server may have it: the caller sends it again, and a duplicate is better than a loss."""
    Peer(tmp_path, [*HELLO, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", CLOSE])
    fail(Caller(tmp_path).run(MESSAGE, envelope("a@mx.example")), 74, b"it may have been delivered")


@pytest.fixture(scope="session")
def hasty(tmp_path_factory):
    """A poll(2) whose minutes are milliseconds, to be preloaded."""
    folder = tmp_path_factory.mktemp("hasty")
    source = folder / "hasty.c"
    source.write_text(
        "#include <poll.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n"
        "int poll(struct pollfd *fds, nfds_t n, int ms)\n"
        "{ return (int)syscall(SYS_poll, fds, n, ms > 1000 ? ms / 1000 : ms); }\n"
    )
    library = folder / "hasty.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@pytest.mark.parametrize("replies", [[SILENCE], [*HELLO, SILENCE], [*HELLO, b"250 ok\r\n", b"250 ok\r\n", SILENCE]])
def test_server_that_is_silent(tmp_path, hasty, replies):
    Peer(tmp_path, replies)
    fail(Caller(tmp_path, preload=hasty).run(MESSAGE, envelope("a@mx.example", "b@mx.example")), 72, b"timed out")


# ---- signals and descriptors ----

SIGNALS = [
    (signal.SIGALRM, 52),
    (signal.SIGSEGV, 81), (signal.SIGBUS, 81), (signal.SIGILL, 81), (signal.SIGFPE, 81), (signal.SIGABRT, 81),
    (signal.SIGKILL, -9), (signal.SIGTERM, -15),
]  # fmt: skip
IGNORED = [signal.SIGPIPE, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGXFSZ]


def wait_for_signals(pid):
    """Until it has its handlers."""
    mask = 1 << (signal.SIGALRM - 1)
    status = Path(f"/proc/{pid}/status")
    caught = lambda: int(status.read_text().split("SigCgt:")[1].split()[0], 16)
    assert wait_until(lambda: caught() & mask)


@pytest.mark.parametrize("sig, code", SIGNALS, ids=[s.name for s, _ in SIGNALS])
@pytest.mark.parametrize("is_in_message", [True, False])
def test_signal(server, inject, sig, code, is_in_message):
    """In the middle of either of them: nothing is left."""
    caller = Caller(server.root)
    wait_for_signals(caller.pid)
    if is_in_message:
        os.write(caller.message[1], b"Subject: half")
    else:
        caller.put(caller.message[1], MESSAGE)
        os.write(caller.envelope[1], envelope("alice", end=b""))
    time.sleep(0.05)
    os.kill(caller.pid, sig)
    assert caller.end()[0] == code
    for fd in (caller.message[1] if is_in_message else -1, caller.envelope[1]):
        if fd >= 0:
            os.close(fd)
    assert holds_nothing(server)


@pytest.mark.parametrize("sig", IGNORED, ids=[s.name for s in IGNORED])
def test_signal_that_is_ignored(server, inject, sig):
    caller = Caller(server.root)
    wait_for_signals(caller.pid)
    os.kill(caller.pid, sig)
    succeed(caller.run(MESSAGE, envelope("alice")))
    server.wait_for_mail("alice")


def run_shell(server, redirections, **more):
    """With that in front of them, descriptors are what a shell makes of them."""
    env = dict(os.environ, AMPEL_ROOT=str(server.root))
    return subprocess.run(
        ["sh", "-c", f'exec "$0" {redirections}', str(INJECT)], env=env, capture_output=True, timeout=30, check=False, **more
    )


@pytest.mark.parametrize("redirections", ["<&-", "</dev/null >&-", "<&- >&-", "</dev/null >/dev/null", "</ >&-", "</"])
def test_descriptor_that_cannot_be_read(server, inject, redirections):
    done = run_shell(server, redirections)
    assert done.returncode == 54 and done.stderr.startswith(b"ampel-inject: ")


def test_no_stderr(server, inject):
    """What we open does not take its place: nothing but SMTP is said to the server."""
    path = server.folder / "envelope"
    path.write_bytes(envelope("alice@mx.example", "bob@-"))
    assert run_shell(server, f"</dev/null 1<{path} 2>&-").returncode == 31
    path.write_bytes(envelope("alice@mx.example"))
    assert run_shell(server, f"</dev/null 1<{path} 2>&-").returncode == 0
    server.wait_for_mail("alice")


def test_files_instead_of_pipes(server, inject, tmp_path):
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "envelope").write_bytes(envelope("alice"))
    assert run_shell(server, f"<{tmp_path}/message 1<{tmp_path}/envelope").returncode == 0
    assert server.wait_for_mail("alice")[0].original(b"Subject: one") == MESSAGE


def test_examples_of_the_page(server, inject, tmp_path):
    """Each line of them, as it stands there."""
    page = (ROOT / "man" / "ampel-inject.8").read_text()
    page = page[page.index(".Sh EXAMPLES") :].replace("\\e", "\\")
    lines = [block.split("\n.Ed")[0] for block in page.split("indent\n")[1:]]
    assert len(lines) == 3
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "envelope").write_bytes(envelope("alice"))
    env = dict(os.environ, AMPEL_ROOT=str(server.root), PATH=f"{INJECT.parent}:{os.environ['PATH']}")
    for line in lines:
        line = line.replace("ann@example.net", "alice@mx.example")
        done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=env, capture_output=True, timeout=30, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), line
    server.wait_for_mail("alice", 2)


def test_arguments(server, inject):
    done = subprocess.run([str(INJECT), "-x"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    assert done.returncode == 55 and done.stdout == b"" and b"no arguments" in done.stderr


def test_leaves_no_file(server, inject):
    """It opens none but its socket: whatever end it finds there is nothing to remove."""
    caller = Caller(server.root)
    wait_for_signals(caller.pid)
    os.write(caller.message[1], MESSAGE)
    links = {os.readlink(fd) for fd in Path(f"/proc/{caller.pid}/fd").iterdir()}
    files = {link for link in links if not link.startswith(("pipe:", "/memfd:"))}
    assert not files
    caller.put(caller.message[1], b"")
    caller.put(caller.envelope[1], envelope("alice"))
    assert caller.end() == (0, b"", b"")
