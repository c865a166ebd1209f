"""hi-q(8) in the place of qmail-queue: the hazards of a filter there, one test each; its exit
codes; its file; and many random messages through random filters."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import processes
from qmail_caller import PROGRAM, TEXT_MAX, House, envelope_of
from server import make_folder, wait_until

RUNS = int(os.environ.get("AMPEL_HIQ_RUNS", "150"))
ENVELOPE = envelope_of(b"from@example.org", [b"to@example.net", b"too@example.net"])
MESSAGE = b"Subject: test\n\n" + b"a line of the body\n" * 3000
RED, TOO_LARGE, READ_ERROR, NO_CONFIGURATION, DEFERRED, CUSTOM, USAGE = 21, 31, 54, 55, 71, 82, 100


@pytest.fixture
def house():
    folder = make_folder("ampel-hiq-")
    yield House(folder)
    shutil.rmtree(folder)


def the_one(house):
    (queued,) = house.queued()
    return queued


def split_mark(message):
    """(the verdict that was put on top, the rest)"""
    found = re.match(rb"X-Ampel-Verdict: (\w+)[^\n]*\n(?:[ \t][^\n]*\n)*", message)
    assert found, message[:200]
    return found[1].decode(), message[found.end() :]


def assert_nothing_is_queued(house):
    assert house.queued() == [] and house.begun() == 0, house.log.read_text()


# --- the hazards ---

TRUNCATED = [
    ("killed", "head -c 20000; kill -9 $$", DEFERRED),
    ("error", "head -c 20000; exit 71", DEFERRED),
    ("red", "head -c 20000; exit 1", RED),
    ("cannot", "head -c 20000; exec /nowhere 2>/dev/null", DEFERRED),
    ("nothing of it", "kill -9 $$", DEFERRED),
]


@pytest.mark.parametrize("text, code", [t[1:] for t in TRUNCATED], ids=[t[0] for t in TRUNCATED])
@pytest.mark.parametrize("place", (0, 1, 2))
def test_truncated(house, text, code, place):
    """A filter that ends in the middle of a message leaves a clean end of file behind."""
    filters = [("command", "/bin/cat")] * 3
    filters[place] = ("command", house.script("filter", text))
    house.configure(*filters)
    assert house.send(MESSAGE, ENVELOPE)[0] == code
    assert_nothing_is_queued(house)


def test_envelope_is_withheld(house):
    """The queue gets no byte of an envelope before every filter has agreed."""
    slow = house.script("slow", f"cat; touch {house.folder}/at-work; sleep 1; exit 1")
    house.configure(("command", slow), ("command", "/bin/cat"))
    call = house.call()
    call.write_message(MESSAGE)
    call.write_envelope(ENVELOPE)
    assert wait_until((house.folder / "at-work").exists)
    assert house.begun() == 0
    assert call.finish()[0] == RED
    assert_nothing_is_queued(house)


PARTS = {"none": b"", "F": b"F", "sender": b"Ffrom@example.org\0", "half": ENVELOPE[:25], "no end": ENVELOPE[:-1]}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_caller_takes_it_back(house, part):
    """An envelope without its last NUL: no filter sees the message, no queue is started."""
    house.configure(("check", house.script("filter", f"touch {house.folder}/judged")))
    call = house.call()
    call.write_message(MESSAGE)
    call.write_envelope(part, close=False)
    time.sleep(0.2)
    assert not (house.folder / "judged").exists()
    assert call.finish()[0] == READ_ERROR
    assert not (house.folder / "judged").exists()
    assert_nothing_is_queued(house)


BAD_ENVELOPES = [
    (b"Tto@example.net\0\0", 91),
    (b"Ffrom@example.org\0Xto@example.net\0\0", 91),
    (b"F\0T" + b"x" * 1003 + b"\0\0", 11),
    (b"F" + b"x" * 1003 + b"\0\0", 11),
]


@pytest.mark.parametrize("envelope, code", BAD_ENVELOPES)
def test_broken_envelope(house, envelope, code):
    house.configure(("command", "/bin/cat"))
    assert house.send(MESSAGE, envelope)[0] == code
    assert_nothing_is_queued(house)


def test_early_end(house):
    """As spamc -E: the whole message, its end, and only then the verdict."""
    late = house.script("late", "cat; exec >&-; sleep 0.5; exit 1")
    house.configure(("command", late), ("command", "/bin/cat"))
    assert house.send(MESSAGE, ENVELOPE)[0] == RED
    assert_nothing_is_queued(house)


def test_descriptors(house):
    """Filters have 0 to 3 and no more; the queue what the caller gave it, without what he leaked."""
    seen = house.folder / "seen"
    # The shell's own listing runs in another process, which has its own number for the folder.
    look = house.script("look", f"for fd in 0 1 2 3 4 5 6 7 8 9 12; do [ -e /proc/$$/fd/$fd ] && echo $fd; done >>{seen}; cat")
    house.configure(("command", look), ("check", look), ("command", look), error_text="fd6")
    assert house.send(MESSAGE, ENVELOPE, more=(4, 9, 12))[0] == 0
    # the shell holds its script by a number from 10 on
    assert seen.read_text().split() == ["0", "1", "2", "3"] * 3
    assert the_one(house)["fds"] == [0, 1, 2, 6]


def test_nobody_holds_the_text_open(house):
    """What a filter leaves behind does not keep the caller from the end of descriptor 6."""
    leave = house.script("leave", "setsid sleep 20 >/dev/null 2>&1 3>&1 </dev/null & exec cat")
    house.configure(("command", leave))
    begin = time.monotonic()
    assert house.send(MESSAGE, ENVELOPE) == (0, b"")
    assert time.monotonic() - begin < 15


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE, signal.SIGHUP))
def test_filter_killed_by_a_signal(house, number):
    """An error and never exit code 1, however low its number."""
    house.configure(("command", house.script("filter", f"cat; kill -{int(number)} $$")))
    assert house.send(MESSAGE, ENVELOPE)[0] == DEFERRED
    assert_nothing_is_queued(house)


@pytest.mark.parametrize("first, second, code", [("kill -9 $$", "exit 1", DEFERRED), ("exit 1", "kill -9 $$", RED), ("exit 71", "exit 1", DEFERRED)])
def test_several_verdicts(house, first, second, code):
    """The first that does not agree decides."""
    house.configure(("command", house.script("first", first)), ("command", house.script("second", second)))
    assert house.send(MESSAGE, ENVELOPE)[0] == code
    assert_nothing_is_queued(house)


def test_filters_that_do_not_read(house):
    """Neither hi-q nor a filter dies of SIGPIPE."""
    replace = house.script("replace", "exec <&-; echo 'Subject: other'; echo; echo instead")
    large = MESSAGE * 100
    house.configure(("command", "/bin/cat"), ("command", replace), ("command", "/bin/cat"), ("check", house.script("check", "exit 0")))
    assert house.send(large, ENVELOPE)[0] == 0
    assert split_mark(the_one(house)["message"]) == ("green", b"Subject: other\n\ninstead\n")


@pytest.mark.parametrize("text", ("exit 0", "cat >/dev/null", "exec >&-"))
def test_empty_output(house, text):
    house.configure(("command", house.script("filter", text)), ("command", "/bin/cat"))
    assert house.send(MESSAGE, ENVELOPE)[0] == DEFERRED
    assert_nothing_is_queued(house)


def sleepers(house):
    """A filter of two processes that do not end, which write their ids and do not mind SIGTERM."""
    pids = house.folder / "pids"
    text = f"trap '' TERM; echo $$ >>{pids}; (echo $BASHPID >>{pids}; sleep 100) & echo $! >>{pids}; cat; sleep 100; sleep 100"
    return ("command", house.script("sleeper", text)), pids


def pids_of(path):
    """Once both are there."""
    assert wait_until(lambda: path.exists() and len(path.read_text().split()) >= 2)
    return [int(pid) for pid in path.read_text().split()]


def assert_all_end(pids):
    assert wait_until(lambda: not any(processes.is_running(pid) for pid in pids), 10), pids


def test_deadline(house):
    """The time is up: an error, and nothing of the filters is left."""
    sleeper, pids = sleepers(house)
    house.configure(("command", "/bin/cat"), sleeper, filter_deadline="1s")
    begin = time.monotonic()
    assert house.send(MESSAGE, ENVELOPE)[0] == DEFERRED
    assert time.monotonic() - begin < 10
    assert_all_end(pids_of(pids))
    assert_nothing_is_queued(house)


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
def test_signals(house, number):
    sleeper, pids = sleepers(house)
    house.configure(sleeper)
    call = house.call()
    call.write_message(MESSAGE)
    call.write_envelope(ENVELOPE)
    left = pids_of(pids)
    os.kill(call.pid, number)
    assert call.finish()[0] == DEFERRED
    assert_all_end(left)
    assert_nothing_is_queued(house)


def test_text_is_read_by_nobody(house):
    """The other end of descriptor 6 is closed: the caller is no more."""
    sleeper, pids = sleepers(house)
    house.configure(sleeper)
    call = house.call()
    call.write_message(MESSAGE)
    call.write_envelope(ENVELOPE)
    left = pids_of(pids)
    os.close(call.text)
    call.text = None
    assert call.finish()[0] == DEFERRED
    assert_all_end(left)
    assert_nothing_is_queued(house)


CALLER_THAT_DIES = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
import qmail_caller
call = qmail_caller.Call(dict(HIQ_CONF=sys.argv[2], RECORD=sys.argv[3]), with_text=False)
call.write_message(b"Subject: x\\n\\nbody\\n")
call.write_envelope(b"Fa@example.org\\0Tb@example.org\\0\\0")
print(call.pid, flush=True)
call.wait()
"""


def test_caller_dies(house):
    """Without descriptor 6 there is no other sign of it."""
    sleeper, pids = sleepers(house)
    house.configure(sleeper)
    argv = [sys.executable, "-c", CALLER_THAT_DIES, str(Path(__file__).parent), str(house.conf), str(house.record)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as caller:
        pid = int(caller.stdout.readline())
        left = pids_of(pids)
        caller.kill()
    assert_all_end([pid, *left])
    assert_nothing_is_queued(house)


@pytest.mark.parametrize("n", (2000, 20000))
def test_many_recipients(house, n):
    """More than a pipe holds, and more than an environment does; the message is large too."""
    envelope = envelope_of(b"from@example.org", [b"recipient%d@example.net" % i for i in range(n)])
    assert len(envelope) > (64 * 1024 if n > 2000 else 0)
    house.configure(("command", "/bin/cat"), ("check", house.script("check", f'printf %s "$RECIPIENTS" >{house.folder}/rcpt')))
    assert house.send(MESSAGE * 50, envelope)[0] == 0
    queued = the_one(house)
    assert queued["envelope"] == envelope
    assert split_mark(queued["message"])[1] == MESSAGE * 50
    told = (house.folder / "rcpt").read_text().split()
    assert told == [f"recipient{i}@example.net" for i in range(len(told))] and len(told) > 1900


# --- the queue ---


def test_the_queue_has_all(house):
    """Message and envelope to the byte, the process id that the caller knows, his environment."""
    house.configure(("command", "/bin/cat"))
    body = bytes(range(256)) * 100
    call = house.call({"MINE": "x"})
    call.write_message(b"Subject: test\n\n" + body)
    call.write_envelope(ENVELOPE)
    pid = call.pid
    assert call.finish() == (0, b"")
    queued = the_one(house)
    assert queued["pid"] == pid
    assert queued["argv"][-1] == str(house.queue) and "hi-q" not in " ".join(queued["argv"])
    assert queued["env"]["MINE"] == "x" and queued["env"]["HIQ_CONF"] == str(house.conf)
    assert queued["envelope"] == ENVELOPE
    assert split_mark(queued["message"]) == ("green", b"Subject: test\n\n" + body)


@pytest.mark.parametrize("code", (0, 11, 21, 31, 51, 52, 53, 54, 55, 61, 63, 71, 81, 82, 91, 111, 120))
@pytest.mark.parametrize("filtered", (False, True))
def test_codes_of_the_queue(house, code, filtered):
    house.configure(*[("command", "/bin/cat")] * filtered)
    env = {"QUEUE_EXIT": str(code), "QUEUE_TEXT": "Zof the queue"}
    assert house.send(MESSAGE, ENVELOPE, env) == (code, b"Zof the queue")


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV))
def test_queue_crashes(house, number):
    house.configure(("command", "/bin/cat"))
    assert house.send(MESSAGE, ENVELOPE, {"QUEUE_SIGNAL": str(int(number))})[0] == -number


def test_no_queue(house):
    house.queue.unlink()
    house.configure(("command", "/bin/cat"))
    assert house.send(MESSAGE, ENVELOPE)[0] == DEFERRED
    house.configure()
    assert house.send(MESSAGE, ENVELOPE)[0] == DEFERRED
    house.configure(("command", "/bin/cat"), error_text="fd6")
    code, text = house.send(MESSAGE, ENVELOPE)
    assert code == CUSTOM and text.startswith(b"Z4.3.0 ")
    assert "cannot be run: No such file" in house.log.read_text()


def test_the_queue_is_our_own_when_none_is_named(house):
    """ampel-inject beside hi-q."""
    neighbour = house.folder / "hi-q"
    shutil.copy(PROGRAM, neighbour)
    house.script("ampel-inject", f"exec {house.queue}")
    house.configure(("command", "/bin/cat"), queue=False)
    done = subprocess.run([neighbour, "--check"], env=house.env(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (house.folder / "ampel-inject").unlink()
    done = subprocess.run([neighbour, "--check"], env=house.env(), capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"{house.folder}/ampel-inject cannot be run" in done.stderr


def test_without_filters(house):
    """Nothing is read, changed, held or closed; a queue program could not tell."""
    house.configure()
    forged = b"X-Spam-Flag: YES\nSubject: test\n\nbody\n"
    assert house.send(forged, ENVELOPE, more=(4, 9)) == (0, b"")
    queued = the_one(house)
    assert (queued["message"], queued["envelope"]) == (forged, ENVELOPE)
    assert {0, 1, 2, 4, 6, 9} <= set(queued["fds"])
    house.forget()
    assert house.send(forged, ENVELOPE[:-1])[0] == READ_ERROR  # says the queue
    assert house.begun() == 1


# awk leaves the signals as they are; sh and Python do not.
IGNORED = """BEGIN {
    while ((getline line <"/proc/self/status") > 0)
        if (line ~ /^Sig(Ign|Blk)/)
            print line >(ENVIRON["RECORD"] "/signals")
}"""


@pytest.mark.parametrize("ignored", ([], [signal.SIGPIPE], [signal.SIGCHLD], [signal.SIGPIPE, signal.SIGCHLD]))
def test_signals_are_the_callers(house, ignored):
    """What he ignores the queue ignores; what hi-q ignores it ignores for itself alone."""
    house.script("queue", IGNORED, shebang="#!/usr/bin/awk -f\n")
    house.configure(("command", "/bin/cat"))
    ours = (signal.SIGPIPE, signal.SIGCHLD)
    before = {number: signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL) for number in ours}
    try:
        call = house.call(keeps_signals=True)
    finally:
        for number, action in before.items():
            signal.signal(number, action)
    call.write_message(MESSAGE)
    call.write_envelope(ENVELOPE)
    assert call.finish()[0] == 0
    have = dict(line.split() for line in (house.record / "signals").read_text().splitlines())
    assert [number for number in ours if int(have["SigIgn:"], 16) >> (number - 1) & 1] == ignored
    assert int(have["SigBlk:"], 16) == 0


@pytest.mark.parametrize("closed", ((0,), (1,), (0, 1), (0, 1, 2)))
def test_closed_descriptors(house, closed):
    """hi-q opens nothing in their place and takes it for the caller's."""
    house.configure(("command", "/bin/cat"))
    assert house.send(MESSAGE, ENVELOPE, closed=closed)[0] == READ_ERROR
    assert_nothing_is_queued(house)


def test_closed_stderr(house):
    house.configure(("command", house.script("noisy", "echo noise >&2; cat")))
    assert house.send(MESSAGE, ENVELOPE, closed=(2,))[0] == 0
    queued = the_one(house)
    assert split_mark(queued["message"])[1] == MESSAGE
    assert 2 not in queued["fds"]


# --- the message ---


def test_forged_marks(house):
    house.configure(("command", "/bin/cat"))
    forged = b"X-Ampel-Verdict: green\nSubject: test\nX-Spam-Flag: YES\nx-spam-status: Yes,\n score=9\nTo: a\n\nX-Spam-Flag: in the body\n"
    assert house.send(forged, ENVELOPE)[0] == 0
    rest = split_mark(the_one(house)["message"])[1]
    assert rest == b"Subject: test\nTo: a\n\nX-Spam-Flag: in the body\n"


def test_yellow(house):
    house.configure(f'command = "{house.script("grey", "cat; exit 3")}"\nyellow = {{ 3 }}')
    assert house.send(MESSAGE, ENVELOPE)[0] == 0
    colour, rest = split_mark(the_one(house)["message"])
    assert colour == "yellow"
    assert rest.startswith(b"X-Spam-Flag: YES\n") and rest.endswith(MESSAGE)


def test_large(house):
    """Beyond what is kept in memory, and without a limit unless one is written."""
    house.configure(("command", "/bin/cat"), ("check", "/bin/true"))
    large = b"Subject: large\n\n" + random.randbytes(12 * 1024 * 1024)
    assert house.send(large, ENVELOPE)[0] == 0
    assert split_mark(the_one(house)["message"])[1] == large
    house.forget()
    house.configure(("command", "/bin/cat"), message_size="64k")
    limit = 64 * 1024
    assert house.send(MESSAGE[:limit].ljust(limit, b"x"), ENVELOPE)[0] == 0
    house.forget()
    assert house.send(MESSAGE.ljust(limit + 1, b"x"), ENVELOPE)[0] == TOO_LARGE
    house.configure(("command", "/bin/cat"), message_size="64k", error_text="fd6")
    assert house.send(large, ENVELOPE) == (CUSTOM, b"D5.3.4 message too large")
    assert_nothing_is_queued(house)


def test_environment_of_filters(house):
    seen = house.folder / "seen"
    house.configure(("command", house.script("look", f"env | sort >{seen}; cat")))
    ucspi = {
        "PROTO": "TCP6", "TCPLOCALIP": "::1", "TCPLOCALPORT": "25", "TCPLOCALHOST": "mx",
        "TCPREMOTEIP": "2001:db8::1", "TCPREMOTEPORT": "999", "TCPREMOTEHOST": "client.example", "TCPREMOTEINFO": "who",
    }
    assert house.send(MESSAGE, ENVELOPE, {**ucspi, "SECRET": "x", "SENDER": "forged"})[0] == 0
    have = dict(line.split("=", 1) for line in seen.read_text().splitlines())
    del have["AMPEL_ID"], have["PWD"]
    own = {"PATH": "/usr/local/bin:/usr/bin:/bin", "AMPEL_LISTENER": "smtp", "SENDER": "from@example.org", "RECIPIENTS": "to@example.net too@example.net"}
    assert have == {**ucspi, **own}
    assert "peer=2001:db8::1" in house.log.read_text()
    house.forget()
    assert house.send(MESSAGE, ENVELOPE, {"TCPREMOTEIP": "x" * 5000, "TCPREMOTEINFO": "y" * 5000})[0] == 0
    assert "TCP" not in seen.read_text()


# --- the text ---

REASONS = [b"it is spam", b"x" * 400, b"two\twords \x01\xff", b""]


@pytest.mark.parametrize("reason", REASONS, ids=range(len(REASONS)))
@pytest.mark.parametrize("contact", ("", "https://example.org/postmaster", "x" * 200))
def test_text(house, reason, contact):
    (house.folder / "reason").write_bytes(b"reason " + reason + b"\n")
    house.configure(("check", house.script("red", f"cat {house.folder}/reason >&3; exit 1")), error_text="fd6", contact=f'"{contact}"')
    code, text = house.send(MESSAGE, ENVELOPE)
    assert (code, len(text) <= TEXT_MAX) == (CUSTOM, True)
    assert all(0x20 <= c < 0x7F for c in text)
    found = re.fullmatch(rb"D5\.7\.1 message rejected by spam filter: (.*) \(ref [0-9a-z]{26}\)( \S+)?", text)
    assert found, text
    if reason == REASONS[0]:
        assert found[1] == reason
        assert (found[2] or b"").strip().decode() == (contact if len(contact) < 100 else "")


def test_text_of_errors(house):
    house.configure(("command", house.script("filter", "exit 71")), error_text="fd6")
    code, text = house.send(MESSAGE, ENVELOPE)
    assert code == CUSTOM
    assert re.fullmatch(rb"Z4\.3\.0 mail server temporarily rejected message \(ref [0-9a-z]{26}\)", text)


@pytest.mark.parametrize("text, code", (("exit 1", RED), ("exit 71", DEFERRED)))
def test_no_text(house, text, code):
    """Not configured; or configured, and the caller has no ear for it."""
    program = house.script("filter", text)
    house.configure(("check", program))
    assert house.send(MESSAGE, ENVELOPE) == (code, b"")
    house.configure(("check", program), error_text="fd6")
    assert house.send(MESSAGE, ENVELOPE, with_text=False) == (code, b"")


# --- the file ---

BAD = [
    ("", "cannot be read: No such file", None),
    ("unknown setting", ":1: unknown setting", "squeue = 1"),
    ("of the server", ':2: "hostname" belongs in ampel.conf', "\nhostname = mx.example.org"),
    ("block", ':1: a block "listen" belongs in ampel.conf', "listen smtp {\naddress = 0.0.0.0:25\n}"),
    ("listeners", ':3: "listeners" belongs in ampel.conf', "filter a {\ncheck = /bin/true\nlisteners = { smtp }\n}"),
    ("relative", ':1: "queue" wants the absolute path', "queue = bin/qmail-queue"),
    ("arguments", ':1: "error_text" wants fd6 or none', "error_text = fd2"),
    ("grammar", ":1: ", "queue"),
    ("two", ":2: ", "error_text = fd7\nmessage_size = 1"),
]


@pytest.mark.parametrize("said, text", [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_files(house, said, text):
    house.conf.unlink() if text is None else house.conf.write_text(text + "\n")
    assert house.send(MESSAGE, ENVELOPE)[0] == NO_CONFIGURATION
    assert f"{house.conf}{'' if text is not None else ': '}{said}" in house.log.read_text()
    assert_nothing_is_queued(house)
    done = subprocess.run([PROGRAM, "--check"], env=house.env(), capture_output=True, text=True, check=False)
    assert done.returncode == 1 and said in done.stderr and done.stdout == ""


def test_check(house):
    def check():
        done = subprocess.run([PROGRAM, "--check"], env=house.env(), capture_output=True, text=True, check=False)
        assert done.stdout == ""
        return done.returncode, done.stderr

    house.configure(("command", "/bin/cat"), ("check", "/bin/true"))
    assert check() == (0, "")
    house.configure(("command", house.script("broken", "exit 1")))
    code, text = check()
    assert code == 1 and 'filter "f0" says red to a harmless message' in text
    house.configure(("command", "/bin/cat"))
    house.queue.unlink()
    code, text = check()
    assert code == 1 and "cannot be run: No such file" in text


@pytest.mark.parametrize("argv", (["-x"], ["--check", "x"], ["queue"], [""]))
def test_usage(house, argv):
    done = subprocess.run([PROGRAM, *argv], env=house.env(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (USAGE, "", "usage: hi-q [--check]\n")


# --- at random ---

GREEN, OTHER = "green", "Subject: other\n\ninstead\n"


def same(message):
    return message


# what a filter does, as the shell says it, and what becomes of a message: bytes, or an exit code
COMMANDS = [
    ("exec cat", same),
    ("exec cat", same),
    ("sleep 0.0$N; exec cat", same),
    ("echo X-Filter: $N; exec cat", lambda m: b"X-Filter: %d\n" + m),
    ("tr a-z A-Z", bytes.upper),
    ("exec 0<&-; printf 'Subject: other\\n\\ninstead\\n'", lambda m: OTHER.encode()),
    ("exec cat 3>&-", same),
    ("cat; exit 1", RED),
    ("cat; exit 71", DEFERRED),
    ("cat; exit $((100 + N))", DEFERRED),
    ("cat; kill -9 $$", DEFERRED),
    ("cat; exec >&-; sleep 0.0$N; exit 1", RED),
    ("head -c $N; kill -15 $$", DEFERRED),
    ("head -c $N$N; exit 71", DEFERRED),
    ("head -c $N$N; exit 1", RED),
    ("exec 0<&-; exit 0", DEFERRED),
    ("cat >/dev/null", DEFERRED),
    ("echo gibberish >&3; exec cat", DEFERRED),
]
CHECKS = [
    ("exit 0", same),
    ("cat >/dev/null", same),
    ("sleep 0.0$N", same),
    ("exec 0<&-; exit 1", RED),
    ("kill -9 $$", DEFERRED),
    ("exit 2", DEFERRED),
]
HARMLESS = 0.75  # of filters, or hardly anything would be queued


def random_filter(rng):
    """(kind, text, what becomes of a message)"""
    kind, of = rng.choice((("command", COMMANDS), ("command", COMMANDS), ("check", CHECKS)))
    wants_harmless = rng.random() < HARMLESS
    text, effect = rng.choice([one for one in of if callable(one[1]) == wants_harmless])
    n = rng.randrange(1, 10)
    if callable(effect) and "$N" in text and "X-Filter" in text:
        return kind, f"N={n}\n{text}", lambda m: b"X-Filter: %d\n" % n + m
    return kind, f"N={n}\n{text}", effect


def random_message(rng):
    head = b"From: a@example.org\nSubject: %d\n\n" % rng.randrange(10**9)
    size = rng.choice((0, 1, 100, 4096, 70_000, rng.randrange(300_000)))
    return head + rng.randbytes(size)


def expected_of(message, filters):
    for _, _, effect in filters:
        if not callable(effect):
            return effect
        message = effect(message)
    return message


@pytest.mark.slow
def test_random(house):
    """Never a truncated message in the queue, never one that a filter did not agree to."""
    seed = int(os.environ.get("AMPEL_HIQ_SEED", random.randrange(10**9)))
    rng = random.Random(seed)
    outcomes = {}
    for i in range(RUNS):
        what = f"AMPEL_HIQ_SEED={seed}, message {i}"
        filters = [random_filter(rng) for _ in range(rng.randrange(1, 5))]
        house.configure(*[(kind, house.script(f"filter{j}", text)) for j, (kind, text, _) in enumerate(filters)])
        message = random_message(rng)
        envelope = envelope_of(b"s%d@example.org" % i, [b"r%d@example.net" % j for j in range(rng.randrange(1, 60))])
        is_whole = rng.random() < 0.95
        queue_code = rng.choice((0, 0, 0, 53))
        expected = expected_of(message, filters) if is_whole else READ_ERROR
        sent = envelope if is_whole else envelope[: rng.randrange(len(envelope))]

        code, text = house.send(message, sent, {"QUEUE_EXIT": str(queue_code)})

        passes = isinstance(expected, bytes)
        assert (code, text) == (queue_code if passes else expected, b""), (what, filters)
        assert house.begun() == passes, (what, filters)
        queued = house.queued()
        assert len(queued) == (passes and queue_code == 0), (what, filters)
        for one in queued:
            assert one["envelope"] == envelope, what
            assert split_mark(one["message"]) == (GREEN, expected), (what, filters)
        house.forget()
        outcomes[code] = outcomes.get(code, 0) + 1
    print(f"{RUNS} messages: exit codes {dict(sorted(outcomes.items()))}")
    if RUNS >= 100:
        assert set(outcomes) == {0, RED, 53, READ_ERROR, DEFERRED}
