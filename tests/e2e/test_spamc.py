"""ampel-spamc(8): beside the real spamc, the three colours of -Z, and a spamd that fails."""

import contextlib
import decimal
import email.utils
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

import spamd
from server import STAGE, free_port

PROGRAM = str(STAGE / "bin" / "ampel-spamc")
REAL = shutil.which("spamc")
ONE_TRY = ("--connect-retries=1", "--retry-sleep=0")

HEAD = (
    b"From: A Sender <sender@client.example>\nTo: alice@mx.example\nSubject: hello\n"
    b"Date: " + email.utils.formatdate().encode() + b"\nMessage-ID: <one@client.example>\n"
)
GREEN = HEAD + b"\nplease-be-green\n"
YELLOW = HEAD + b"\nplease-be-yellow\n"
GTUBE = HEAD + b"\n" + spamd.GTUBE + b"\n"
MESSAGES = {
    "green": GREEN,
    "yellow": YELLOW,
    "gtube": GTUBE,
    "empty": b"",
    "crlf": YELLOW.replace(b"\n", b"\r\n"),
    "no-final-newline": YELLOW[:-1],
    "8-bit": GREEN + "käse \x80\n".encode("latin-1"),
    "700-kB": GREEN + b"0123456789abcde\n" * 44000,
    "no-body": HEAD,
}


def run(*args, message=GREEN, program=PROGRAM, timeout=60):
    return subprocess.run(
        [program, *args], input=message, capture_output=True, timeout=timeout, check=False
    )


def outcome(*args, **kwargs):
    done = run(*args, **kwargs)
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def teachable():
    one = spamd.Spamd(rules=(*spamd.TEST_RULES, "report_contact nobody"))
    one.argv.append("--allow-tell")
    yield one.start()
    one.close()


@pytest.fixture(scope="module")
def at(teachable):
    return ("-d", "127.0.0.1", "-p", str(teachable.port))


def score_of(at, message):
    code, text = outcome(*at, "-c", message=message)
    score, threshold = text.decode().strip().split("/")
    assert code == (1 if decimal.Decimal(score) >= decimal.Decimal(threshold) else 0)
    return decimal.Decimal(score)


class Peer:
    """Takes requests, and answers each with the same bytes."""

    def __init__(self, reply, *, reads=True, stalls=False):
        self.reply, self.reads, self.stalls = reply, reads, stalls
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.at = ("-d", "127.0.0.1", "-p", str(self.port))
        self.ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _answer(self, client):
        request = b""
        while self.reads and (piece := client.recv(65536)):
            request += piece
        self.requests.append(request)
        client.sendall(self.reply)
        if self.stalls:
            self.ended.wait(30)

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                self._answer(client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


OK = b"SPAMD/1.1 0 EX_OK\r\n"


def reply(text, score="1.0", threshold="5.0", opinion="False", length=None):
    """What spamd says, text included."""
    length = len(text) if length is None else length
    head = f"Content-length: {length}\r\nSpam: {opinion} ; {score} / {threshold}\r\n\r\n"
    return OK + head.encode() + text


# --- beside the real one ---


# One rule of a report: spamd does not sort those of the same score.
RULE = re.compile(rb"(?m)^ *-?\d+(?:\.\d)? [A-Z]\w+ .*\n(?: {10,}.*\n)*")


def comparable(answer):
    """Without what differs from one second, or one child of spamd, to the next."""
    code, text = answer
    text = re.sub(rb"[A-Z][a-z]{2}, +\d+ [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [-+]\d{4}", b"DATE", text)
    rules = iter(sorted(RULE.findall(text)))
    text = RULE.sub(lambda _: next(rules), text)
    return code, re.sub(rb"-+=_[0-9A-F]+\.[0-9A-F]+", b"BOUNDARY", text)


@pytest.mark.skipif(not REAL, reason="there is no spamc")
@pytest.mark.parametrize("name", MESSAGES)
def test_as_spamc(at, name):
    """-c, -y and the rest print what spamc prints; so does a message that comes back."""
    modes = [[], ["-E"], ["-c"], ["-R"], ["-r"], ["-y"], ["--headers", "-E"], ["-E", "-x"]]
    if name == "no-body":
        modes.remove(["--headers", "-E"])  # spamc then gives the message back untouched
    for mode in modes:
        ours, theirs = (
            comparable(outcome(*at, *mode, message=MESSAGES[name], program=program))
            for program in (PROGRAM, REAL)
        )
        assert ours == theirs, mode


@pytest.mark.skipif(not REAL, reason="there is no spamc")
@pytest.mark.parametrize("mode", [["-K"], ["-L", "ham"], ["-L", "forget"], ["-s", "10", "-L", "ham"]])
def test_learning_and_ping_as_spamc(at, mode):
    assert outcome(*at, *mode) == outcome(*at, *mode, program=REAL)


@pytest.mark.skipif(not REAL, reason="there is no spamc")
@pytest.mark.parametrize("address", ["port", "socket", "host"])
def test_spamd_is_down_as_spamc(address):
    """The codes and what is printed in every mode; -X makes all of them temporary."""
    where = {
        "port": ("-d", "127.0.0.1", "-p", str(free_port())),
        "socket": ("-U", "/nonexistent/spamd.sock"),
        "host": ("-d", "no-such-host.invalid"),
    }[address]
    modes = ([], ["-x"], ["-E"], ["-c"], ["-c", "-x"], ["-R"], ["-R", "-x"], ["-r"], ["-y"])
    modes += (["-y", "-x"], ["-K"], ["-L", "ham"], ["--headers"], ["--headers", "-x"])
    for mode in modes:
        ours, theirs = (
            outcome(*where, *ONE_TRY, *mode, program=program) for program in (PROGRAM, REAL)
        )
        assert ours == theirs, mode
    assert outcome(*where, *ONE_TRY, "-x", "-X") == (75, b"")


def test_compressed(at):
    for message in (GREEN, YELLOW, GTUBE):
        plain, packed = (
            comparable(outcome(*at, "-E", *more, message=message)) for more in ((), ("-z",))
        )
        assert plain == packed


def test_headers_of_no_body(at):
    code, text = outcome(*at, "--headers", message=HEAD)
    assert code == 0 and b"\nX-Spam-Status: No, " in text and b"\nSubject: hello\n" in text


@pytest.mark.parametrize("mode", [[], ["--headers"]])
def test_nul(at, mode):
    """spamc --headers loses the message from a NUL on."""
    code, text = outcome(*at, *mode, message=GREEN + b"a\0b\n")
    assert code == 0 and text.endswith(b"\n\nplease-be-green\na\0b\n")


def test_unix_socket():
    one = spamd.Spamd(unix=True, rules=spamd.TEST_RULES).start()
    try:
        assert outcome("-U", one.address, "-c", message=GTUBE)[0] == 1
        assert outcome("-U", one.address, "-Z", "900", message=GTUBE) == (1, b"")
    finally:
        one.close()


# --- -Z ---


@pytest.mark.parametrize("message", [GREEN, YELLOW, GTUBE], ids=["green", "yellow", "gtube"])
def test_red_boundary(at, message):
    """Exactly the score is red, a tenth above it is not; -c says the same in numbers."""
    score = score_of(at, message)
    tenth = decimal.Decimal("0.1")
    for red, is_red in ((score, True), (score + tenth, False), (score - tenth, True)):
        code, text = outcome(*at, "-Z", str(red), message=message)
        assert code == is_red and bool(text) != is_red, red
        code, text = outcome(*at, "-Z", str(red), "-c", message=message)
        assert code == is_red and text.decode().startswith(f"{score}/5.0"), red


def test_three_colours(at):
    # the score of yellow here, with room above
    red = str(score_of(at, YELLOW) + 1)
    code, green = outcome(*at, "-Z", red)
    assert code == 0 and b"X-Spam-Flag" not in green and b"please-be-green" in green
    code, yellow = outcome(*at, "-Z", red, message=YELLOW)
    assert code == 0 and b"\nX-Spam-Flag: YES\n" in yellow and b"please-be-yellow" in yellow
    assert comparable((0, yellow)) == comparable(outcome(*at, message=YELLOW))
    assert outcome(*at, "-Z", red, message=GTUBE) == (1, b"")


@pytest.mark.parametrize(
    ("score", "red", "code"),
    [
        ("6.9", "7", 0),
        ("7.0", "7", 1),
        ("7", "7.0", 1),
        ("6.999", "7", 0),
        ("7.001", "7.002", 0),
        ("-1.5", "-1.5", 1),
        ("-1.6", "-1.5", 0),
        ("-1.4", "-1.5", 1),
        ("0.0", "-0", 1),
        ("5.5", "4", 1),  # red below the threshold: no yellow
        ("4.0", "4", 1),
        ("3.9", "4", 0),
    ],
)
def test_red_is_exact(score, red, code):
    with Peer(reply(GREEN, score)) as peer:
        text = b"" if code else GREEN
        if float(score) >= 5 and not code:
            text = f"X-Spam-Flag: YES\nX-Spam-Status: Yes, score={score} required=5.0\n".encode()
            text += GREEN
        assert outcome(*peer.at, "-Z", red) == (code, text)


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        (GREEN, b"X-Spam-Flag: YES\nX-Spam-Status: Yes, score=6.1 required=5.0\n"),
        (b"X-Spam-Flag: YES\nX-Spam-Status: Yes, score=6.1\n" + GREEN, b""),
        (b"X-Spam-Flag: YES\n" + GREEN, b"X-Spam-Status: Yes, score=6.1 required=5.0\n"),
        # a stranger's; one in the body does not count
        (b"x-spam-flag: NO\n" + GREEN + b"X-Spam-Flag: YES\n",
         b"X-Spam-Flag: YES\nX-Spam-Status: Yes, score=6.1 required=5.0\n"),
        (b"A: b\r\n\r\nx\r\n",
         b"X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=6.1 required=5.0\r\n"),
    ],
    # GREEN has the time in it, and names of tests are to be the same in every process
    ids=("unmarked", "marked", "half marked", "a forged one", "CRLF"),
)  # fmt: skip
def test_yellow_is_marked(text, marks):
    with Peer(reply(text, "6.1", opinion="True")) as peer:
        assert outcome(*peer.at, "-Z", "7") == (0, marks + text)
        assert outcome(*peer.at, "-Z", "7", message=b"From x\n" + text) == (0, marks + text)
        assert outcome(*peer.at) == (0, text)
    mbox = b"From sender Thu Jan  1 00:00:00 1970\n"
    with Peer(reply(mbox + text, "6.1", opinion="True")) as peer:
        if b"\r\n" not in text:
            assert outcome(*peer.at, "-Z", "7") == (0, mbox + marks + text)


# --- misuse ---


@pytest.mark.parametrize(
    "args",
    [
        ["-Z"],
        ["-Z", ""],
        ["-Z", "nan"],
        ["-Z", "inf"],
        ["-Z", "7,5"],
        ["-Z", "7.0001"],
        ["-Z", "1e3"],
        ["-Z", "-"],
        ["-Z", "7 "],
        ["--red=x"],
        ["--nonsense"],
        ["-h"],
        ["--help"],
        ["-Q"],
        ["message"],
        ["-"],
        ["-C", "report"],
        ["-S"],
        ["--ssl"],
        ["-e", "cat"],
        ["-B"],
        ["-L", "eggs"],
        ["-s", "0"],
        ["-s", "1k"],
        ["-s", "268435457"],
        ["-p", "0"],
        ["-p", "65536"],
        ["-t", "-1"],
        ["-n", "soon"],
        ["-u", "jo\nEvil: yes"],
        ["-u", ""],
        ["-d", ""],
        ["--oversize=perhaps"],
    ],
)
def test_misuse(args):
    """Nothing on stdout: it would be queued as mail."""
    done = run(*args)
    assert (done.returncode, done.stdout) == (64, b"")
    assert b"usage: ampel-spamc " in done.stderr


@pytest.mark.parametrize("mode", ["-R", "-r", "-y", "-K", "--headers", "-Lham"])
def test_red_does_not_go_with(mode):
    done = run("-Z", "7", mode)
    assert (done.returncode, done.stdout) == (64, b"")
    assert f"-Z and {mode[:2] if mode[1] != '-' else mode}".encode() in done.stderr


def test_version():
    assert re.fullmatch(rb"ampel-spamc \d\S*\n", run("-V").stdout)


# --- the file of options ---


def test_file(tmp_path):
    file = tmp_path / "spamc.conf"
    with Peer(reply(GREEN)) as peer:
        file.write_text(f"# -c\n\n-d 127.0.0.1\n\t-p {peer.port} -u\nfilejo -c")
        assert outcome("-F", str(file)) == (0, b"1.0/5.0\n")
        assert b"User: filejo\r\n" in peer.requests[-1]
        # the command line has the last word
        assert outcome("-u", "jo", "-F", str(file), "-y") == (0, GREEN)
        assert peer.requests[-1].startswith(b"SYMBOLS SPAMC/1.5\r\nUser: jo\r\n")
    for text in (b"-Q", b"-Z nan", b"word", b"-c\0-x", b"-c " * 300, b"x" * 70000):
        file.write_bytes(text)
        assert outcome("-F", str(file)) == (78, b"")
    assert outcome("-F", str(tmp_path / "none")) == (78, b"")


# --- too large ---


def test_oversize(at):
    """It passes unscanned, as spamc does it; never without a word."""
    large = MESSAGES["700-kB"]
    field = b"X-Ampel-Spamc: unscanned, larger than 512000 bytes\n"
    for args, expected in (
        ([], (0, large)),
        (["-E", "-x"], (0, large)),
        (["-c"], (0, b"0/0\n")),
        (["-Z", "7"], (0, field + large)),
        (["-Z", "7", "--oversize=defer"], (75, b"")),
        (["--oversize=defer"], (75, b"")),
    ):
        done = run(*at, *args, message=large)
        assert (done.returncode, done.stdout) == expected, args
        assert b"larger than 512000 bytes: not scanned" in done.stderr
    mbox = b"From sender Thu Jan  1 00:00:00 1970\n"
    assert outcome(*at, "-Z", "7", message=mbox + large) == (0, mbox + field + large)


def test_size_boundary():
    with Peer(reply(b"scanned\n")) as peer:
        size = len(GREEN)
        assert outcome(*peer.at, "-s", str(size)) == (0, b"scanned\n")
        assert outcome(*peer.at, "-s", str(size - 1)) == (0, GREEN)


# --- spamd fails ---

FAILURES = {
    "closes": (b"", 74),
    "closes in the status": (b"SPAMD/1.1 0 EX", 76),
    "another protocol": (b"HTTP/1.1 200 OK\r\n\r\n", 76),
    "no score": (OK + b"Content-length: 2\r\n\r\nx\n", 76),
    "NaN": (reply(GREEN, "nan"), 76),
    "no number": (reply(GREEN, "1,0"), 76),
    "threshold is none": (reply(GREEN, "1.0", "inf"), 76),
    "body too short": (reply(GREEN, length=len(GREEN) + 1), 76),
    "body too long": (reply(GREEN, length=len(GREEN) - 1), 76),
    "no message": (reply(b""), 76),
    "no length": (OK + b"Spam: False ; 1.0 / 5.0\r\n\r\n" + GREEN, 76),
    "a flood": (reply(b"x" * 600_000), 76),
    "a head without end": (OK + b"X-A: b\r\n" * 60_000, 76),
    "unavailable": (b"SPAMD/1.0 69 Service Unavailable: x\r\n", 69),
    "protocol error": (b"SPAMD/1.0 76 Bad header line: x\r\n", 76),
    "spamd's timeout": (b"SPAMD/1.0 79 Timeout: x\r\n", 75),
    "unknown code": (b"SPAMD/1.0 5 x\r\n\r\n", 76),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failure(name):
    said, code = FAILURES[name]
    with Peer(said) as peer:
        for args, expected in (
            ([], (0, GREEN)),
            (["-E"], (0, GREEN)),
            (["--headers"], (0, GREEN)),
            (["-x"], (code, b"")),
            (["-Z", "7"], (code, b"")),
            (["-Z", "7", "-X"], (75 if code == 69 else code, b"")),
        ):
            done = run(*peer.at, *args)
            assert (done.returncode, done.stdout) == expected, args
            assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("said", [b"", OK, reply(GREEN)], ids=["silent", "status", "whole"])
def test_stall(said):
    """A connection that does not end is no reply, whatever came over it."""
    with Peer(said, stalls=True) as peer:
        began = time.monotonic()
        assert outcome(*peer.at, "-t", "1", "-Z", "7") == (74, b"")
        assert 0.9 < time.monotonic() - began < 10


def test_peer_that_does_not_read():
    """What fills every buffer between the two does not hold us."""
    large = GREEN + b"0123456789abcde\n" * 2_000_000
    with Peer(b"", reads=False, stalls=True) as peer:
        args = ("-s", "200000000", "-t", "1", "-x")
        assert outcome(*peer.at, *args, message=large) == (74, b"")


@pytest.mark.parametrize("args", [[], ["-E"], ["-c"], ["-x"], ["-Z", "7"]])
def test_stdin_cannot_be_read(args):
    """What was read is no message: not even the safe fallback hands it on."""
    folder = os.open("/", os.O_RDONLY)
    try:
        done = subprocess.run([PROGRAM, *args], stdin=folder, capture_output=True, check=False)
    finally:
        os.close(folder)
    assert (done.returncode, done.stdout) == (74, b"")
    assert b"the message: Is a directory" in done.stderr


def test_empty_with_red():
    """Nobody has looked at it, so it is not green."""
    assert outcome("-Z", "7", message=b"") == (74, b"")
    assert outcome("-Z", "7", "-c", message=b"") == (74, b"")


def test_stdout_cannot_be_written():
    with Peer(reply(GREEN)) as peer, open("/dev/full", "wb") as full:
        for args in ([], ["-Z", "7"], ["-c"], ["-y"]):
            done = subprocess.run(
                [PROGRAM, *peer.at, *args],
                input=GREEN,
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
            )
            assert done.returncode == 74 and b"stdout" in done.stderr


def test_reader_has_gone():
    with Peer(reply(b"x" * 200_000)) as peer:
        done = subprocess.run(
            ["bash", "-c", '"$@" | true; exit ${PIPESTATUS[0]}', "-", PROGRAM, *peer.at],
            input=GREEN, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 74


# --- where ---


def test_fail_over(at):
    """The next host, with -x too."""
    hosts = "127.0.0.2,127.0.0.1"
    for args in ([], ["-x"], ["-Z", "900"], ["-H"]):
        began = time.monotonic()
        assert outcome("-d", hosts, *at[2:], *args, "-c", message=GTUBE)[0] == 1
        assert time.monotonic() - began < 5
    assert outcome("-d", "no-such-host.invalid,127.0.0.1", *at[2:], "-c", message=GTUBE)[0] == 1


def test_families(at):
    assert outcome("-4", "-d", "localhost", *at[2:], "-c", message=GTUBE)[0] == 1
    assert outcome("-6", *at, *ONE_TRY, "-x", message=GTUBE) == (68, b"")


def test_full_socket(tmp_path):
    """Where others wait already, this one waits too, for as long as -n says."""
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        assert outcome("-U", path, *ONE_TRY, "-n", "1", "-x") == (70, b"")

        def serve():
            time.sleep(0.5)
            listener.accept()[0].close()
            client, _ = listener.accept()
            with client:
                while client.recv(65536):
                    pass
                client.sendall(reply(GREEN))

        threading.Thread(target=serve, daemon=True).start()
        assert outcome("-U", path, *ONE_TRY, "-n", "20", "-x") == (0, GREEN)


def test_retries():
    """spamd may be just starting."""
    port = free_port()
    late = []

    def start():
        with socket.create_server(("127.0.0.1", port)) as listener:
            client, _ = listener.accept()
            with client:
                while client.recv(65536):
                    pass
                client.sendall(reply(GREEN))
                late.append(True)

    timer = threading.Timer(0.5, start)
    timer.start()
    assert outcome("-d", "127.0.0.1", "-p", str(port), "-x") == (0, GREEN)
    timer.join()
    assert late
