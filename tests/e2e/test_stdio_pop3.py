"""ampel-pop3d --stdio: one session on descriptors 0 and 1, and a checkpassword program behind it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import pop3_transcripts
import processes
import transcripts
from pop3_site import CLIENT, GID, UID, Site, mailboxes
from pop3_transcripts import PASSWORD, USER
from server import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")

ACCEPTS_ANY = "accepts any password: are its arguments in the wrong place?"
BIG = 8 * 1024 * 1024
MANY = 3000


@pytest.fixture(scope="module")
def shared_site():
    one = Site()
    yield one
    one.remove()


@pytest.fixture
def site(shared_site):
    """With an empty log and an empty Maildir."""
    shared_site.log_path.write_text("")
    shared_site.fill([])
    yield shared_site


# ---- transcripts ----


def play(wire, transcript):
    for number, kind, text in transcript.steps:
        where = f"{transcript.name}:{number}"
        if kind == "send":
            try:
                wire.send(text)
            except (BrokenPipeError, ConnectionResetError):
                pass  # what was said before the end comes next
        elif kind == "expect":
            line = wire.read_line()
            assert transcripts.matches(text, line), f"{where}: wanted {text!r}, got {line!r}"
        elif kind == "closed":
            assert wire.is_closed(), f"{where}: still open"
            return
    assert wire.buffer == b"", f"{transcript.name}: more was said: {wire.buffer!r}"


@pytest.mark.parametrize("transcript", pop3_transcripts.read_all(), ids=lambda t: t.name)
def test_transcript(transcript, site):
    if transcript.settings:
        pytest.skip(f"needs {', '.join(transcript.settings)}")
    site.fill(transcript.messages)
    process, wire = site.start()
    with wire:
        play(wire, transcript)
    assert process.wait(20) == 0
    assert site.texts() == transcript.left()


# ---- a session ----


def test_pipes(site):
    """Two of them, all commands at once."""
    site.fill([b"Subject: one\n\n.dot\n", b"Subject: two\n\n"])
    inside, outside = os.pipe()
    os.write(outside, f"USER {USER}\r\nPASS {PASSWORD}\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n".encode())
    os.close(outside)
    process = site.start(site.folder / "checkpassword", stdin=inside, stdout=subprocess.PIPE)
    os.close(inside)
    said = process.communicate(timeout=60)[0]
    assert said == (
        b"+OK mx.example POP3\r\n+OK and the password?\r\n+OK logged in\r\n+OK 2 38\r\n+OK 22 octets\r\n"
        b"Subject: one\r\n\r\n..dot\r\n.\r\n+OK deleted, once you QUIT\r\n+OK bye\r\n"
    )
    assert process.returncode == 0
    assert site.texts() == [b"Subject: two\n\n"]
    assert [path.parent.name for path in site.files()] == ["cur"]


def test_log(site):
    """As the daemon has it."""
    site.fill([b"Subject: one\n\nbody\n"] * 3)
    process, wire = site.start()
    with wire:
        assert wire.log_in() == "+OK logged in"
        wire.fetch(2)
        for number in (1, 3):
            assert wire.line(f"DELE {number}").startswith("+OK ")
        assert wire.line("QUIT") == "+OK bye"
    assert process.wait(20) == 0
    login = site.log_line("ev=login")
    assert f" peer={CLIENT} listener=pop3s user={USER} result=yes ms=" in login
    session = site.log_line("ev=pop3 ")
    assert f" peer={CLIENT} user={USER} messages=3 fetched=1 octets=19 removed=2 ms=" in session
    assert session.endswith(" tls=outside")
    assert PASSWORD not in site.log()


def test_who_runs_as_whom(site):
    """The one that talks stays who it is; the other one is the user and nothing else."""
    process, wire = site.start(
        before=("setpriv", "--groups=6,8"), env={"SECRET": "of the environment"}
    )
    with wire:
        assert wire.log_in() == "+OK logged in"
        (mailbox,) = mailboxes(process)
        status = Path(f"/proc/{mailbox}/status").read_text()
        for field, number in ("Uid", UID), ("Gid", GID):
            assert re.search(rf"^{field}:\t{number}\t{number}\t{number}\t{number}$", status, re.M), status
        assert set(re.search(r"^Groups:(.*)$", status, re.M)[1].split()) <= {str(GID)}
        capabilities = re.findall(r"^Cap(?:Inh|Prm|Eff|Amb):\t(\w+)$", status, re.M)
        assert len(capabilities) == 4 and set(capabilities) == {"0" * 16}
        assert "NoNewPrivs:\t1" in status
        fds = {fd.name: os.readlink(fd) for fd in Path(f"/proc/{mailbox}/fd").iterdir()}
        assert fds.pop("0").startswith("socket:")
        assert fds.pop("1") == "/dev/null"
        assert fds.pop("2") == str(site.log_path)
        assert all(str(site.maildir) in path for path in fds.values()), fds
        ours = Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(r"^Uid:\t0\t0\t0\t0$", ours, re.M)
        held = {os.readlink(fd) for fd in Path(f"/proc/{process.pid}/fd").iterdir()}
        assert not any(str(site.home) in path for path in held), held
        wire.line("QUIT")
    assert process.wait(20) == 0
    assert wait_until(lambda: not processes.is_running(mailbox))


def test_no_log_line_reaches_the_client(site):
    """stunnel makes standard error the client's, too."""
    process, wire = site.start(stderr="the client")
    with wire:
        assert wire.log_in() == "+OK logged in"
        assert wire.line("QUIT") == "+OK bye"
        assert wire.is_closed()
    assert process.wait(20) == 0


def test_syslog_instead(site):
    """In a /dev of its own, whose log is ours."""
    dev, sock = site.folder / "dev", site.folder / "log.socket"
    dev.mkdir()
    place = (
        f"mount -t tmpfs none {dev} && touch {dev}/null && mount --bind /dev/null {dev}/null && "
        f"mkdir {dev}/fd && ln -s {sock} {dev}/log && mount --rbind {dev} /dev"
    )
    if subprocess.run(["unshare", "--mount", "sh", "-c", place], capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces here")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(sock))
        log.settimeout(20)
        sock.chmod(0o666)
        process, wire = site.start(
            stderr="the client", before=("unshare", "--mount", "sh", "-c", f'{place} && exec "$@"', "sh")
        )
        with wire:
            assert wire.log_in() == "+OK logged in"
            assert log.recv(4096).startswith(b"<22>ampel-pop3d: ev=login peer=")
            assert wire.line("QUIT") == "+OK bye"
            assert log.recv(4096).startswith(b"<22>ampel-pop3d: ev=pop3 peer=")
            assert wire.is_closed()
        assert process.wait(20) == 0


def test_large_message(site):
    text = b"Subject: large\n\n" + b"0123456789abcde\n" * (BIG // 16)
    site.fill([text])
    process, wire = site.start()
    with wire:
        assert wire.log_in() == "+OK logged in"
        assert wire.fetch(1) == text
        assert wire.line("QUIT") == "+OK bye"
    assert process.wait(20) == 0


def test_many_messages(site):
    """In order, with all questions under way at once, and every second one removed."""
    messages = [f"Subject: {n}\n\n{n}\n".encode() for n in range(MANY)]
    site.fill(messages)
    process, wire = site.start()
    with wire:
        assert wire.log_in() == "+OK logged in"
        assert wire.line("STAT").startswith(f"+OK {MANY} ")
        for first in range(0, MANY, 100):
            numbers = range(first + 1, first + 101)
            wire.send("".join(f"RETR {n}\r\n" + f"DELE {n}\r\n" * (n % 2) for n in numbers).encode())
            for n in numbers:
                assert wire.read_line().startswith("+OK ")
                assert [wire.read_line() for _ in range(4)] == [f"Subject: {n - 1}", "", f"{n - 1}", "."]
                if n % 2:
                    assert wire.read_line().startswith("+OK deleted")
        assert wire.line("QUIT") == "+OK bye"
    assert process.wait(20) == 0
    assert site.texts() == messages[1::2]


def test_client_does_not_read(site):
    """Much more than fits on the way: it waits, and goes on."""
    text = b"Subject: large\n\n" + b"0123456789abcde\n" * (BIG // 16)
    site.fill([text])
    process, wire = site.start()
    with wire:
        assert wire.log_in() == "+OK logged in"
        wire.send(b"RETR 1\r\nNOOP\r\n")
        time.sleep(0.5)
        assert process.poll() is None
        lines = 0
        while wire.read_line() != ".":
            lines += 1
        assert lines == 1 + 2 + BIG // 16
        assert wire.read_line() == "+OK done nothing"


# ---- what ends without QUIT ----


def deletes(site):
    messages = [b"Subject: one\n\n", b"Subject: two\n\n"]
    site.fill(messages)
    process, wire = site.start()
    assert wire.log_in() == "+OK logged in"
    assert wire.line("DELE 1").startswith("+OK ")
    return process, wire, messages, mailboxes(process)


def nothing_happened(site, messages, pids):
    """And nobody is left."""
    assert wait_until(lambda: not any(map(processes.is_running, pids)))
    assert site.texts() == messages
    assert {path.parent.name for path in site.files()} == {"new"}
    return True


def test_hang_up(site):
    process, wire, messages, pids = deletes(site)
    wire.close()
    assert process.wait(20) == 0
    assert len(pids) == 1 and nothing_happened(site, messages, pids)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_signal(site, sig):
    process, wire, messages, pids = deletes(site)
    process.send_signal(sig)
    assert process.wait(20) == -sig
    assert wire.is_closed()
    assert len(pids) == 1 and nothing_happened(site, messages, pids)


def test_mailbox_is_killed(site):
    """What cannot be done is not said to be."""
    process, wire, messages, (mailbox,) = deletes(site)
    os.kill(mailbox, signal.SIGKILL)
    assert wait_until(lambda: not processes.is_running(mailbox))
    assert wire.line("RETR 2").startswith("-ERR ")
    assert wire.line("QUIT").startswith("-ERR ")
    assert wire.is_closed()
    assert process.wait(20) == 0
    assert site.texts() == messages
    assert " removed=0 failed=1 " in site.log_line("ev=pop3 ")


def test_mailbox_is_stopped(site):
    """The process that speaks with the client is told to end: it does, whatever the other one does."""
    process, wire, messages, (mailbox,) = deletes(site)
    os.kill(mailbox, signal.SIGSTOP)
    wire.send(b"RETR 2\r\n")
    process.terminate()
    assert process.wait(20) == -signal.SIGTERM
    os.kill(mailbox, signal.SIGCONT)
    assert nothing_happened(site, messages, [mailbox])


# ---- passwords ----


def test_wrong_passwords(site):
    """One, two, four seconds; then it is over."""
    process, wire = site.start()
    with wire:
        assert wire.read_line() == "+OK mx.example POP3"
        for seconds in (1, 2, 4):
            assert wire.line(f"USER {USER}").startswith("+OK ")
            began = time.monotonic()
            assert wire.line("PASS wonder lands") == "-ERR [AUTH] user name or password is wrong"
            assert time.monotonic() - began >= seconds
        assert wire.is_closed()
    assert process.wait(20) == 0
    lines = [line for line in site.log().splitlines() if "ev=login" in line]
    assert len(lines) == 3
    assert all(f" peer={CLIENT} listener=pop3s user=\"?\" result=no ms=" in line for line in lines)
    assert "ev=pop3 " not in site.log()


def test_right_after_wrong(site):
    site.fill([b"Subject: one\n\n"])
    process, wire = site.start()
    with wire:
        assert wire.log_in("wrong") == "-ERR [AUTH] user name or password is wrong"
        assert wire.line(f"USER {USER}").startswith("+OK ")
        assert wire.line(f"PASS {PASSWORD}") == "+OK logged in"
        assert wire.line("STAT") == "+OK 1 16"


@pytest.mark.parametrize("name", ["", "bob", "root", "x" * 100, "alice\N{BELL}"])
def test_nobody(site, name):
    process, wire = site.start()
    with wire:
        assert wire.read_line() == "+OK mx.example POP3"
        wire.send(f"USER {name}\r\nPASS {PASSWORD}\r\nSTAT\r\n".encode())
        lines = [wire.read_line() for _ in range(3)]
        assert lines[1].startswith("-ERR ") and lines[2] == "-ERR log in first"
        assert mailboxes(process) == []


@pytest.mark.parametrize(
    "text, why",
    [
        ("exit 0\n", ACCEPTS_ANY),
        ('exec "$@"\n', "exit code 111"),  # it does not run as root
        ('exec setpriv --reuid=47120 --regid=47121 --clear-groups env HOME=/ "$@"\n', ACCEPTS_ANY),
        ("exit 2\n", "exit code 2"),
        ("exit 111\n", "exit code 111"),
        ("kill -9 $$\n", "killed by signal 9"),
        (None, "No such file or directory"),
    ],
    ids=["yes", "as root", "anybody is the user", "misused", "trouble", "crashes", "missing"],
)
def test_broken_checker(site, text, why):
    """Never more than try later, even with the right password."""
    path = site.checker("broken", text) if text else site.folder / "missing"
    process, wire = site.start(path)
    with wire:
        assert wire.log_in() == "-ERR [SYS/TEMP] cannot be checked now, try again later"
        assert wire.line("STAT") == "-ERR log in first"
        assert mailboxes(process) == []
    assert process.wait(20) == 0
    line = site.log_line("ev=login", "result=later")
    assert line.endswith(f'why="{path}: {why}"')


CHECKS_ALICE = 'user=$(cat <&3 | tr "\\0" "\\n" | head -n 1)\n[ "$user" = alice ] || exit 1\n'


@pytest.mark.parametrize(
    "text, said",
    [
        # it knows alice, and stays root
        ('exec "$@"\n', "will not run as root"),
        ('exec setpriv --euid=47120 "$@"\n', "will not run as root"),
        # it becomes her, and her home is nowhere
        ('exec setpriv --reuid=47120 --regid=47121 --clear-groups env HOME=/nowhere "$@"\n', "HOME is no folder"),
        ('exec setpriv --reuid=47120 --regid=47121 --clear-groups env HOME=. "$@"\n', "HOME is no folder"),
        ('exec setpriv --reuid=47120 --regid=47121 --clear-groups env -u HOME "$@"\n', "HOME is no folder"),
        # and goes on as something else
        ("exec >/dev/null; exec setpriv --reuid=47120 --regid=47121 --clear-groups \"$@\" </dev/null\n",
         "is started by another program and not by hand"),
    ],
    ids=["root", "set-uid root", "no home", "a relative home", "no HOME", "no socket"],
)  # fmt: skip
def test_checker_that_does_not_become_the_user(site, text, said):
    process, wire = site.start(site.checker("half", CHECKS_ALICE + text))
    with wire:
        assert wire.log_in() == "-ERR [SYS/TEMP] cannot be checked now, try again later"
    assert process.wait(20) == 0
    site.log_line("ampel-mailbox: ", said)
    assert site.log_line("ev=login", "result=later").endswith('half: exit code 111"')


def test_checker_that_is_silent_early(site):
    """It closes what it does not need, and takes its time: still the exit code counts."""
    path = site.checker("early", "exec 0<&- 1>&-\ncat <&3 >/dev/null\nsleep 0.3\nexit 1\n")
    process, wire = site.start(path)
    with wire:
        assert wire.log_in() == "-ERR [AUTH] user name or password is wrong"


def test_checker_has_arguments_and_the_environment(site):
    path = site.checker(
        "curious", f'echo "$TCPREMOTEIP $SECRET $1 $2 ${{3##*/}} $4 $#" >>{site.folder}/seen\nexit 1\n'
    )
    process, wire = site.start(path, "one word", "", env={"SECRET": "of the environment"})
    with wire:
        assert wire.log_in().startswith("-ERR [AUTH]")
    line = f"{CLIENT} of the environment one word  ampel-mailbox --stdio 4\n"
    assert (site.folder / "seen").read_text() == line * 2  # the random one, and ours


def test_no_maildrop(site):
    """The password was right; the daemon says the same."""
    new = site.maildir / "new"
    new.chmod(0)
    try:
        process, wire = site.start()
        with wire:
            assert wire.log_in() == "-ERR [SYS/TEMP] cannot be checked now, try again later"
        assert process.wait(20) == 0
    finally:
        new.chmod(0o755)
    assert f"user={USER} result=yes" in site.log_line("ev=login")
    site.log_line("ev=maildrop-failed", f"peer={CLIENT}", f"user={USER}")
    site.log_line("ampel-mailbox: ", "Maildir/new cannot be read: Permission denied")


# ---- how it is started ----


@pytest.mark.parametrize(
    "words, said",
    [
        ([], "expected a checkpassword program"),
        (["--policy", "pop3s"], "expected a checkpassword program"),
        (["--policy", "pop3", "true"], "passwords do not travel in the clear"),
        (["--policy", "smtps", "true"], "the only policy is pop3s"),
        (["--policy"], "a value is missing behind --policy"),
        (["--control"], "a value is missing behind --control"),
        (["--tls", "true"], "no such option: --tls"),
        (["-", "true"], "no such option: -"),
    ],
)
def test_misuse(site, words, said):
    """The client is told, and so is the administrator; nothing is asked."""
    done = subprocess.run(
        site.argv(*words), input=b"QUIT\r\n", capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 100
    assert done.stdout == b"-ERR [SYS/PERM] mail server is not set up as it should be\r\n"
    assert done.stderr.startswith(b"ampel-pop3d: ") and said in done.stderr.decode()


def test_policy_is_accepted(site):
    process, wire = site.start("--policy", "pop3s", site.folder / "checkpassword")
    with wire:
        assert wire.log_in() == "+OK logged in"


def test_without_the_mailbox_program(site, tmp_path):
    alone = shutil.copy(site.folder / "ampel-pop3d", tmp_path)
    done = subprocess.run(
        [alone, "--stdio", "true"], input=b"", capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout[:16]) == (100, b"-ERR [SYS/PERM] ")
    assert b"ampel-mailbox is not beside this program" in done.stderr


@pytest.mark.parametrize("me", [None, "", "two words\n", "<mx>\n", "x" * 300 + "\n"])
def test_name_of_the_host(site, tmp_path, me):
    """The kernel's, when control/me is none."""
    if me is not None:
        (tmp_path / "me").write_text(me)
    done = subprocess.run(
        site.argv("--control", tmp_path, "true"), input=b"", capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"+OK {socket.gethostname()} POP3\r\n".encode())


@pytest.mark.parametrize(
    "closed, says_something", [("<&-", True), (">&-", False), ("2>&-", True), ("<&- >&- 2>&-", False)]
)
def test_descriptors_that_are_missing(site, closed, says_something):
    """They are nobody, and nothing of ours takes their place."""
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *site.argv("true")]
    done = subprocess.run(
        command, input=b"QUIT\r\n", capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"+OK ") == says_something


def test_mailbox_by_hand(site):
    done = subprocess.run(
        ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups",
         site.folder / "ampel-mailbox", "--stdio"],
        input=b"", capture_output=True, timeout=20, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (111, b"")
    assert b"ampel-mailbox: is started by another program and not by hand" in done.stderr
