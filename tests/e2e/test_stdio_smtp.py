"""ampel-smtpd --stdio: a session in a qmail host, or beside our own server."""

import base64
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import termios
import time

import pytest

import transcripts
from login import PASSWORD
from server import STAGE
from stdio import PEER, SMTPD, Site, cdb_make, records
from test_transcripts import play

INSIDE = {"RELAYCLIENT": ""}
MESSAGE = b"Subject: hello\r\n\r\nhello\r\n"
LIBC_SIGNALS = 3 << 31  # 32 and 33 are glibc's own


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def lines_of(*commands):
    return "".join(c + "\r\n" for c in commands).encode()


def one_message(recipient="joe@mx.example", text="Subject: hello\r\n\r\nhello"):
    return lines_of(
        "EHLO client.example", "MAIL FROM:<sender@client.example>", f"RCPT TO:<{recipient}>", "DATA", text, ".", "QUIT"
    )


def refused(wire, code, recipient, sender="sender@client.example"):
    wire.hello()
    wire.expect(250, f"MAIL FROM:<{sender}>")
    return wire.expect(code, f"RCPT TO:<{recipient}>")


# ---- the session itself ----


def test_message(site):
    with site.session(TCPREMOTEHOST="client.example") as wire:
        reply = wire.send_message("joe@mx.example", "jim@mx.example")
        assert re.fullmatch(r"250 2\.0\.0 ok \d+ qp \d+", reply.lines[0])
        assert wire.end() == 0
    (one,) = site.queued()
    assert f" qp {one['pid']}" in reply.lines[0]
    assert records(one["envelope"]) == ("sender@client.example", ["joe@mx.example", "jim@mx.example"])
    head, _, rest = one["message"].partition(b"Subject:")
    assert rest == b" hello\n\nhello\n"
    assert re.fullmatch(
        rb"Received: from client\.example \(client\.example \[192\.0\.2\.7\]\)\n"
        rb"\tby mx\.example with ESMTP id [0-9a-v]{26}; [^\n]+\n",
        head,
    )
    (line,) = site.log.read_text().splitlines()  # and nothing else
    assert "ev=accept" in line and "peer=192.0.2.7" in line and "recipients=2" in line


def test_queue_is_called_as_qmail_does(site):
    with site.session() as wire:
        wire.send_message("joe@mx.example")
    (one,) = site.queued()
    assert one["argv"][2:] == [str(site.queue)]  # the interpreter, its option, and no arguments
    assert one["fds"] == [0, 1, 2, 6]
    assert one["env"]["TCPREMOTEIP"] == PEER["TCPREMOTEIP"]


def test_queue_is_started_in_the_home_of_qmail(site):
    site.script("relative", f"pwd > {site.folder}/cwd\nexec {site.queue}")
    with site.session(QMAILQUEUE="./relative") as wire:
        assert wire.send_message("joe@mx.example").code == 250
    assert (site.folder / "cwd").read_text().strip() == str(site.folder)


def test_pipes(site):
    code, lines = site.pipe(one_message())
    assert code == 0
    assert lines[0] == "220 mx.example ESMTP" and lines[-2] == "221 2.0.0 bye" and lines[-1] == ""
    assert len(site.queued()) == 1


def test_regular_file(site):
    (site.folder / "input").write_bytes(one_message())
    with (site.folder / "input").open("rb") as stdin:
        code, lines = site.pipe(None, stdin=stdin)
    assert code == 0 and lines[-2] == "221 2.0.0 bye"
    assert len(site.queued()) == 1


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_descriptors(site, closed):
    """Nothing is written where it does not belong; without 2 the mail arrives all the same."""
    redirections = " ".join(f"{fd}>&-" if fd else "<&-" for fd in closed)
    command = f'exec "$0" "$@" {redirections}'
    code, lines = site.pipe(one_message(), argv=["/bin/sh", "-c", command, *site.argv()])
    assert code == 0
    if closed == (2,):
        assert lines[-2] == "221 2.0.0 bye"
        assert [records(one["envelope"])[1] for one in site.queued()] == [["joe@mx.example"]]
        assert b"ev=" not in site.queued()[0]["message"]


def test_client_leaves(site):
    """What was not ended is nowhere."""
    text = lines_of("EHLO x", "MAIL FROM:<>", "RCPT TO:<joe@mx.example>", "DATA", "Subject: one", "", "half")
    code, lines = site.pipe(text)
    assert code == 0 and lines[-2].startswith("354 ")
    assert site.begun() == 0


def test_client_does_not_listen(site):
    """A closed pipe ends the session, and no signal does."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        site.argv(), env=site.environment({}), input=b"", stdout=write, stderr=subprocess.DEVNULL, timeout=60, check=False
    )
    os.close(write)
    assert done.returncode == 0


def test_timeout(site):
    site.control("timeoutsmtpd", "1\n")
    with site.session() as wire:
        wire.hello()
        began = time.monotonic()
        wire.expect(421)
        assert 0.5 < time.monotonic() - began < 10
        assert wire.is_closed()


def test_client_reads_nothing(site):
    """What cannot be said in time ends it: nothing more is waited for."""
    site.control("timeoutsmtpd", "3\n")
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    with ours, theirs, subprocess.Popen(
        site.argv(), env=site.environment({}), stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL
    ) as process:
        assert ours.recv(4, socket.MSG_PEEK) == b"220 "
        before, now = -1, 0
        while now > before:  # until a reply finds no room
            began, before = time.monotonic(), now
            ours.send(b"NOOP\r\n")
            time.sleep(0.2)
            now = int.from_bytes(fcntl.ioctl(theirs, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        assert process.wait(30) == 0
        assert 2.5 < time.monotonic() - began < 7  # with the two seconds of its farewell


def test_term_is_the_default(site):
    with site.session() as wire:
        wire.begin("joe@mx.example")
        wire.process.send_signal(signal.SIGTERM)
        assert wire.process.wait(30) == -signal.SIGTERM
    assert site.begun() == 0


def test_large_message(site):
    """On disk, unlinked."""
    text = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 300_000
    with site.session() as wire:
        assert wire.send_message("joe@mx.example", text=text).code == 250
    (one,) = site.queued()
    assert one["message"].endswith(text.replace(b"\r\n", b"\n"))


def test_many_recipients(site):
    everybody = [f"user{n}@mx.example" for n in range(1000)]
    with site.session() as wire:
        assert wire.send_message(*everybody).code == 250
        wire.expect(250, "MAIL FROM:<>")
    assert records(site.queued()[0]["envelope"])[1] == everybody


def test_quotes_are_for_smtp(site):
    with site.session(**INSIDE) as wire:
        assert wire.send_message('"a b"@mx.example', '"c"@mx.example', sender='"x y"@client.example').code == 250
    assert records(site.queued()[0]["envelope"]) == ("x y@client.example", ["a b@mx.example", "c@mx.example"])


def test_no_dsn(site):
    with site.session() as wire:
        assert not any("DSN" in text or "AUTH" in text or "STARTTLS" in text for text in wire.hello().texts)
        wire.expect(555, "MAIL FROM:<a@b.example> RET=HDRS")
        wire.expect(250, "MAIL FROM:<a@b.example>")
        wire.expect(555, "RCPT TO:<joe@mx.example> NOTIFY=NEVER")


@pytest.mark.parametrize("command", ["AUTH PLAIN AGEAYg==", "STARTTLS", "AUTH LOGIN"])
def test_no_auth_in_the_clear(site, command):
    with site.session(**INSIDE) as wire:
        wire.expect(220)
        assert wire.command("EHLO x").code == 250
        assert wire.command(command).code == 502


# ---- the command line ----

USAGE = [
    ([], "--policy is missing"),
    (["--policy", "smtps"], "needs a CHECKER"),
    (["--policy", "smtp", "checkpassword"], "takes no CHECKER"),
    (["--policy", "submission", "x"], "STARTTLS cannot be outside"),
    (["--policy", "pop3s", "x"], "ampel-pop3d"),
    (["--policy", "local"], "ampel's own socket"),
    (["--policy", "smpt"], "it is smtp or smtps"),
    (["--policy"], "wants a value"),
    (["--polizei", "smtp"], "unknown option"),
    (["--policy", "smtp", "--verbose"], "unknown option"),
]


@pytest.mark.parametrize("argv, said", USAGE)
def test_usage(site, argv, said):
    code, lines = site.pipe(b"", argv=[str(SMTPD), "--stdio", *argv])
    assert code == 100
    assert lines == ["421 4.3.0 mail server is not configured; come back later", ""]
    assert said in site.log.read_text() and "usage: ampel-smtpd --stdio" in site.log.read_text()


def test_options_of_the_checker_are_its_own(site):
    checker = site.script("checker", 'echo "$@" > "$RECORD/argv"; exit 1')
    with site.session(policy="smtps", checker=(checker, "--policy", "local")) as wire:
        log_in(wire, 535)
    assert (site.record / "argv").read_text() == "--policy local\n"


# ---- control/ ----


@pytest.mark.parametrize(
    "recipient, code",
    [
        ("joe@mx.example", 250),
        ("joe@MX.Example", 250),
        ("joe@sub.wild.example", 250),
        ("joe@wild.example", 550),
        ("joe@other.example", 550),
        ("joe@xmx.example", 550),
        ("joe@sub.mx.example", 550),
        ("joe@[192.0.2.1]", 250),
        ("joe@[192.0.2.2]", 550),
        ("postmaster", 250),
    ],
)
def test_rcpthosts(site, recipient, code):
    site.control("rcpthosts", "# ours\nmx.example  \n\n.wild.example\n")
    with site.session() as wire:
        reply = refused(wire, code, recipient)
        assert reply.status == ("2.1.5" if code == 250 else "5.7.1")


def test_localiphost(site):
    """user@[our address] is one of its."""
    site.control("localiphost", "mx.example\n")
    with site.session() as wire:
        assert wire.send_message("joe@[192.0.2.1]", "jim@mx.example").code == 250
    assert records(site.queued()[0]["envelope"])[1] == ["joe@mx.example", "jim@mx.example"]


def test_localiphost_of_ipv6(site):
    with site.session(TCPLOCALIP="2001:db8::1", TCPREMOTEIP="2001:db8::2") as wire:
        assert wire.send_message("joe@[IPv6:2001:db8:0::1]").code == 250
    (one,) = site.queued()
    assert records(one["envelope"])[1] == ["joe@mx.example"]
    assert b"[IPv6:2001:db8::2]" in one["message"]


def test_morercpthosts_after_failed_auth(site):
    """The AUTH patch of old closed its descriptor with the checker's pipe."""
    cdb_make(site.control_folder / "morercpthosts.cdb", ["more.example", ".wild.example"])
    checker = site.script("checker", 'test "$(head -c 4 <&3)" = good')
    with site.session(policy="smtps", checker=(checker,)) as wire:
        wire.hello()
        assert login(wire, "bad", "password").code == 535
        assert login(wire, "bad", "password").code == 535
        assert login(wire, "good", "password").code == 235
        wire.expect(250, "MAIL FROM:<a@b.example>")
        wire.expect(250, "RCPT TO:<joe@more.example>")


@pytest.mark.parametrize(
    "recipient, code",
    [
        ("joe@more.example", 250),
        ("joe@a.wild.example", 250),
        ("joe@mx.example", 250),
        ("joe@wild.example", 550),
        ("joe@less.example", 550),
    ],
)
def test_morercpthosts(site, recipient, code):
    cdb_make(site.control_folder / "morercpthosts.cdb", ["more.example", ".wild.example"])
    with site.session() as wire:
        refused(wire, code, recipient)


def test_morercpthosts_that_was_cut(site):
    """It is no reason to bounce mail for those whom it had."""
    path = site.control_folder / "morercpthosts.cdb"
    cdb_make(path, [f"d{i}.example" for i in range(100)])
    os.truncate(path, 3000)
    code, lines = site.pipe(b"QUIT\r\n")
    assert (code, lines[0]) == (1, "421 4.3.0 unable to read controls")
    assert site.logged("morercpthosts.cdb")


def test_no_rcpthosts_is_closed(site):
    """With qmail it is an open relay."""
    site.control("rcpthosts", None)
    cdb_make(site.control_folder / "morercpthosts.cdb", ["mx.example"])
    with site.session() as wire:
        refused(wire, 550, "joe@mx.example")
    assert site.logged("rcpthosts is missing")
    with site.session(**INSIDE) as wire:
        refused(wire, 250, "joe@anywhere.example")


@pytest.mark.parametrize(
    "sender, code",
    [
        ("spam@bad.example", 250),
        ("Spammer@Bad.Example", 553),
        ("anybody@worse.example", 553),
        ("anybody@sub.worse.example", 250),
        ("", 250),
    ],
)
@pytest.mark.parametrize("inside", [{}, INSIDE], ids=["outside", "inside"])
def test_badmailfrom(site, sender, code, inside):
    """Said at RCPT, to everybody."""
    site.control("badmailfrom", "spammer@bad.example\n@worse.example\n")
    with site.session(**inside) as wire:
        reply = refused(wire, code, "joe@mx.example", sender)
        assert code == 250 or "badmailfrom" in reply.texts[0]


@pytest.mark.parametrize(
    "control, environment, shown, code",
    [
        (None, None, 0, 250),
        ("100000\n", None, 100000, 250),
        ("1000\n", None, 1000, 552),
        ("1000\n", "0", 0, 250),
        ("100000\n", "1000", 1000, 552),
        ("rubbish\n", None, 0, 250),
        ("1000\n", "rubbish", 1000, 552),
    ],
)
def test_databytes(site, control, environment, shown, code):
    if control:
        site.control("databytes", control)
    with site.session(DATABYTES=environment) as wire:
        assert f"SIZE {shown}" in wire.hello().texts
        wire.expect(250, "MAIL FROM:<>")
        wire.expect(250, "RCPT TO:<joe@mx.example>")
        assert wire.data(b"Subject: x\r\n\r\n" + b"a" * 70 + b"\r\n" + b"b" * 70 + b"\r\n" * 1000).code == code
    assert len(site.queued()) == (code == 250)


@pytest.mark.parametrize(
    "me, greeting, first, ehlo",
    [
        ("mx.example\n", None, "220 mx.example ESMTP", "mx.example"),
        ("mx.example\n", "mail.example NO UCE\n", "220 mail.example NO UCE ESMTP", "mx.example"),
        (None, "mail.example NO UCE\n", "220 mail.example NO UCE ESMTP", "mail.example"),
    ],
)
def test_greeting(site, me, greeting, first, ehlo):
    site.control("me", me)
    if greeting:
        site.control("smtpgreeting", greeting)
    with site.session() as wire:
        assert wire.read_line() == first
        assert wire.command("HELO x").lines == [f"250 {ehlo}"]


UNREADABLE = {
    "no name": lambda site: site.control("me", None),
    "blank name": lambda site: site.control("me", "\n"),
    "folder": lambda site: (site.control_folder / "databytes").mkdir(),
    "no cdb": lambda site: site.control("morercpthosts.cdb", b"text"),
    "empty cdb": lambda site: site.control("morercpthosts.cdb", b""),
    "none": lambda site: site.control_folder.rename(site.folder / "away"),
}


@pytest.mark.parametrize("spoil", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_control(site, spoil):
    spoil(site)
    assert site.pipe(one_message()) == (1, ["421 4.3.0 unable to read controls", ""])
    assert len(site.log.read_text().splitlines()) == 1 and str(site.control_folder) in site.log.read_text()


# ---- RELAYCLIENT ----


def test_relayclient(site):
    with site.session(**INSIDE) as wire:
        assert wire.send_message("joe@anywhere.example").code == 250
    assert records(site.queued()[0]["envelope"])[1] == ["joe@anywhere.example"]


def test_relayclient_is_appended(site):
    with site.session(RELAYCLIENT=".uucp.example") as wire:
        assert wire.send_message("joe@anywhere.example", "jim@mx.example").code == 250
    assert records(site.queued()[0]["envelope"])[1] == ["joe@anywhere.example.uucp.example", "jim@mx.example.uucp.example"]


@pytest.mark.parametrize("address", [None, "", "nowhere", "192.0.2.300"])
def test_nobody_is_inside_without_address(site, address):
    with site.session(TCPREMOTEIP=address, **INSIDE) as wire:
        refused(wire, 550, "joe@anywhere.example")
        wire.expect(250, "RCPT TO:<joe@mx.example>")
    assert site.logged("RELAYCLIENT is set, but TCPREMOTEIP")


def test_nobody_is_inside_who_does_not_come_by_tcp(site):
    with site.session(PROTO="UNIX", **INSIDE) as wire:
        refused(wire, 550, "joe@anywhere.example")


def test_session_without_any_environment(site):
    with site.session(PROTO=None, TCPREMOTEIP=None, TCPLOCALIP=None) as wire:
        assert wire.send_message("joe@mx.example").code == 250
        assert wire.end() == 0
    assert b"from client.example ([unknown])" in site.queued()[0]["message"]
    assert site.logged("ev=accept", "peer=unknown")


# ---- what the queue says ----


@pytest.mark.parametrize(
    "code, reply",
    [
        (11, "554 5.1.3 envelope address too long for qq"),
        (21, "554 5.7.1 message rejected by spam filter"),
        (31, "554 5.3.0 mail server permanently rejected message"),
        (35, "554 5.3.0 qq permanent problem"),
        (53, "451 4.3.0 qq write error or disk full"),
        (71, "451 4.3.0 mail server temporarily rejected message"),
        (82, "451 4.3.0 qq temporary problem"),
        (120, "451 4.3.0 unable to exec qq"),
        (1, "451 4.3.0 qq temporary problem"),
    ],
)
def test_exit_codes(site, code, reply):
    with site.session(QUEUE_EXIT=str(code)) as wire:
        assert wire.send_message("joe@mx.example").lines == [reply]
        wire.expect(250, "MAIL FROM:<>")
    (line,) = site.logged("ev=")
    assert f"code={reply[:3]}" in line and "id=" in line


@pytest.mark.parametrize(
    "text, reply",
    [
        ("D5.7.1 no spam here", "554 5.7.1 no spam here"),
        ("Zcome back (#4.2.2)", "451 4.2.2 come back"),
        ("D4.2.2 class of another\r\n250 ok", "554 5.3.0 class of another 250 ok"),
        ("D" + "x" * 5000, "554 5.3.0 " + "x" * 254),
        ("", "451 4.3.0 qq temporary problem"),
    ],
)
def test_custom_text(site, text, reply):
    with site.session(QUEUE_EXIT="82", QUEUE_TEXT=text) as wire:
        assert wire.send_message("joe@mx.example").lines == [reply]
    assert site.queued() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_crash(site, number):
    with site.session(QUEUE_SIGNAL=str(int(number))) as wire:
        assert wire.send_message("joe@mx.example").lines == ["451 4.3.0 qq crashed"]


@pytest.mark.parametrize("program", ["/nonexistent/queue", "", "control/me"])
def test_queue_that_cannot_be_run(site, program):
    with site.session(QMAILQUEUE=program) as wire:
        assert wire.send_message("joe@mx.example").lines == ["451 4.3.0 unable to exec qq"]
    assert site.logged("cannot be run")


def test_grandchild_with_descriptor_6(site):
    """What a queue program leaves behind does not hold the session."""
    program = site.script("lingering", f"sleep 600 &\necho $! > $RECORD/pid\nexec {site.queue}")
    try:
        with site.session(QMAILQUEUE=str(program)) as wire:
            began = time.monotonic()
            assert wire.send_message("joe@mx.example").code == 250
            assert time.monotonic() - began < 10
    finally:
        os.kill(int((site.record / "pid").read_text()), signal.SIGKILL)


def test_queue_that_reads_nothing(site):
    with site.session(QMAILQUEUE="/bin/false") as wire:
        text = b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 100_000
        assert wire.send_message("joe@mx.example", text=text).lines == ["451 4.3.0 qq temporary problem"]
        wire.expect(250, "MAIL FROM:<>")


def test_signals_of_the_queue_are_the_default(site):
    program = site.script("signals", f"grep -E 'Sig(Ign|Blk)' /proc/self/status > $RECORD/signals\nexec {site.queue}")
    with site.session(QMAILQUEUE=str(program)) as wire:
        assert wire.send_message("joe@mx.example").code == 250
    masks = re.findall(r"\t(\w+)", (site.record / "signals").read_text())
    assert len(masks) == 2 and all(int(mask, 16) & ~LIBC_SIGNALS == 0 for mask in masks), masks


def test_hiq_in_the_place_of_qmail_queue(site):
    """Red is said at the end of the data; green reaches the queue behind it."""
    site.configure(("check", site.script("filter", "! grep -q viagra")), error_text="fd6")
    with site.session(QMAILQUEUE=str(STAGE / "bin" / "hi-q")) as wire:
        assert wire.send_message("joe@mx.example").code == 250
        wire.expect(250, "MAIL FROM:<>")
        wire.expect(250, "RCPT TO:<joe@mx.example>")
        reply = wire.data(b"Subject: viagra\r\n\r\nviagra\r\n")
        assert (reply.code, reply.status) == (554, "5.7.1")
        assert "message rejected by spam filter" in reply.texts[0]
    (one,) = site.queued()
    assert records(one["envelope"]) == ("sender@client.example", ["joe@mx.example"])


# ---- smtps: who checks passwords ----


def login(wire, user, password):
    text = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    return wire.command(f"AUTH PLAIN {text}")


def log_in(wire, code, user="alice", password=PASSWORD):
    wire.hello()
    reply = login(wire, user, password)
    assert reply.code == code, reply
    return reply


def checker_of(site, password=PASSWORD):
    """A program like checkpassword that knows alice alone, and becomes what follows."""
    login = f"alice\\0{password}\\0\\0"
    return site.script("checker", f"printf '{login}' | cmp -s - /dev/fd/3 || exit 1\nexec \"$@\"")


@pytest.fixture
def checker(site):
    return checker_of(site)


def test_auth(site, checker):
    with site.session(policy="smtps", checker=(checker, "true")) as wire:
        assert "AUTH PLAIN LOGIN" in wire.hello().texts
        wire.expect(530, "MAIL FROM:<a@b.example>")
        assert login(wire, "alice", "wrong").code == 535
        assert login(wire, "alice", PASSWORD).code == 235
        wire.expect(250, "MAIL FROM:<anybody@elsewhere.example>")
        wire.expect(250, "RCPT TO:<joe@anywhere.example>")
        assert wire.data(b"Subject: hello\r\n\r\nhello\r\n").code == 250
    (one,) = site.queued()
    assert records(one["envelope"]) == ("anybody@elsewhere.example", ["joe@anywhere.example"])
    assert b"with ESMTPSA" in one["message"] and b"\nMessage-ID: " in one["message"]
    assert one["env"]["TCPREMOTEINFO"] == "alice"
    assert site.logged("ev=accept", "user=alice") and site.logged("ev=reject", "code=535")
    assert PASSWORD not in site.log.read_text()


def test_suffix_of_a_user(site, checker):
    with site.session(policy="smtps", checker=(checker, "true"), RELAYCLIENT=".out.example") as wire:
        log_in(wire, 235)
        wire.expect(250, "MAIL FROM:<a@b.example>")
        wire.expect(250, "RCPT TO:<joe@anywhere.example>")
        wire.data(MESSAGE)
    assert records(site.queued()[0]["envelope"])[1] == ["joe@anywhere.example.out.example"]


CLOSED = {
    "missing": ["/nonexistent/checkpassword", "true"],
    "accepts anything": ["/bin/true"],
    "exit 3": ["/bin/sh", "-c", "exit 3"],
    "try later": ["/bin/sh", "-c", "exit 111"],
    "killed": ["/bin/sh", "-c", "kill -9 $$"],
    "no program": ["/etc/passwd"],
}


@pytest.mark.parametrize("checker", CLOSED.values(), ids=CLOSED)
def test_auth_fails_closed(site, checker):
    with site.session(policy="smtps", checker=checker) as wire:
        reply = log_in(wire, 454)
        assert reply.status == "4.7.0"
        wire.expect(530, "MAIL FROM:<a@b.example>")
    (line,) = site.logged("ampel-smtpd: ")
    assert checker[0] in line


def test_wrong_always(site):
    with site.session(policy="smtps", checker=["/bin/false"]) as wire:
        log_in(wire, 535)
        wire.expect(530, "MAIL FROM:<a@b.example>")


# ---- beside our own server ----


@pytest.fixture(scope="module")
def server(module_server):
    return module_server(listeners=("smtp", "local"), users=("alice", "bob", "postmaster")).start()


def beside(site, server, **more):
    """No control/: the default is not there on this host."""
    argv = [str(SMTPD), "--stdio", "--policy", more.pop("policy", "smtp"), *more.pop("checker", ())]
    more.setdefault("QMAILQUEUE", None)
    return site.session(argv=argv, AMPEL_ROOT=str(server.root), **more)


no_qmail_here = pytest.mark.skipif(os.path.exists("/var/qmail/control"), reason="a qmail host")


@no_qmail_here
def test_server_knows_who_exists(site, server):
    with beside(site, server) as wire:
        wire.hello()
        wire.expect(250, "MAIL FROM:<a@b.example>")
        assert wire.expect(550, "RCPT TO:<nobody@mx.example>").status == "5.1.1"
        assert wire.expect(550, "RCPT TO:<joe@elsewhere.example>").status == "5.7.1"
        wire.expect(250, "RCPT TO:<alice@mx.example>")
        wire.expect(250, "RCPT TO:<Bob@MX.example>")
        assert wire.data(b"Subject: beside\r\n\r\nhello\r\n").code == 250
    for user in ("alice", "bob"):
        (mail,) = server.wait_for_mail(user)
        assert mail.body == b"hello\n"
        assert len(mail.values(b"Received")) == 2


@no_qmail_here
def test_inside_beside_the_server(site, server):
    with beside(site, server, **INSIDE) as wire:
        wire.hello()
        wire.expect(250, "MAIL FROM:<a@b.example>")
        wire.expect(550, "RCPT TO:<nobody@mx.example>")
        wire.expect(250, "RCPT TO:<joe@elsewhere.example>")


@no_qmail_here
def test_server_does_not_run(site, tmp_path):
    argv = [str(SMTPD), "--stdio", "--policy", "smtp"]
    with site.session(argv=argv, AMPEL_ROOT=str(tmp_path)) as wire:
        refused(wire, 451, "alice@mx.example")
    assert site.logged("the mail server does not run")


ACCEPTED = {"250 2.0.0 accepted, id *": "250 2.0.0 ok * qp *"}
NOT_OFFERED = ("250-STARTTLS", "250-DSN")
# Who authenticated may send as anybody; and what is not offered cannot be talked about.
OTHERWISE = ("sender-own", "sender-pipelined", "dsn", "dsn-syntax", "smtputf8", "starttls-pipelined")


def is_for_stdio(transcript):
    """Settings are what it has by itself or takes from the environment, and TLS is outside."""
    known = {"listener", "split", "inside", "relayclient", "databytes", "message_size"}
    return (
        transcript.listener() in ("smtp", "smtps")
        and set(transcript.settings) <= known
        and transcript.name not in OTHERWISE
        and not any(kind == "handshake" for _, kind, _ in transcript.steps)
    )


PLAYED = [t for t in transcripts.read_all() if is_for_stdio(t)]


@no_qmail_here
@pytest.mark.parametrize("transcript", PLAYED, ids=lambda t: t.name)
def test_transcript(site, server, transcript):
    """What the daemon says, but for what is not offered, and how the queue calls a message."""
    of = transcript.settings
    relay = "" if of.get("inside") == "yes" else of.get("relayclient")
    env = {"RELAYCLIENT": relay, "DATABYTES": of.get("databytes", of.get("message_size"))}
    checker = (checker_of(site, "wonderland"), "true") if transcript.listener() == "smtps" else ()
    transcript.steps = [
        (number, kind, ACCEPTED.get(text, text)) for number, kind, text in transcript.steps if text not in NOT_OFFERED
    ]
    with beside(site, server, policy=transcript.listener(), checker=checker, **env) as wire:
        play(wire, transcript)
