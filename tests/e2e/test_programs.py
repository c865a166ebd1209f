"""Programs as filters, command and check: what they see, say, rewrite, and how they fail."""

import re
import time

import pytest

import maildir
import processes
from server import id_in, wait_until
from wire import Wire

HEAD = b"From: A Sender <sender@client.example>\r\nTo: alice@mx.example\r\nSubject: hello\r\n"
MESSAGE = HEAD + b"\r\nhello\r\n"


def program(server, name, text):
    """A shell script that every account may run; its path."""
    path = server.folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def open_folder(server):
    """A folder in which every account may write."""
    folder = server.folder / "out"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    return folder


@pytest.fixture
def filtered(new_server):
    """A server with filters given as (kind, script, more settings), in that order."""

    def start(*filters, **kwargs):
        server = new_server(**kwargs)
        out = open_folder(server)
        for n, (kind, text, *more) in enumerate(filters):
            path = program(server, f"filter-{n}", text.replace("OUT", str(out)))
            server.blocks += f'filter f{n} {{ {kind} = "{path}"  {" ".join(more)} }}\n'
        server.write_conf()
        return server.start()

    return start


def send(server, message=MESSAGE, *recipients, sender="sender@client.example"):
    with Wire(server.port, timeout=150) as wire:
        wire.begin(*recipients, sender=sender)
        return wire.data(message)


def is_empty(server):
    time.sleep(0.3)
    return not maildir.files(server.maildir("alice"))


def only_mail(server):
    (mail,) = server.wait_for_mail()
    mail.path.unlink()
    return mail


def verdict(mail):
    (value,) = mail.values(b"X-Ampel-Verdict")
    return b" ".join(value.split())


# The harmless message by which filters are tried at start never says "trouble".
ON_TROUBLE = "if grep -q trouble; then %s; fi; exit 0"
TROUBLE = HEAD + b"\r\ntrouble\r\n"


# ---- exit codes ----


@pytest.mark.parametrize(
    "action, more, code, colour",
    [
        ("exit 0", [], 250, b"green"),
        ("exit 1", [], 554, None),
        ("exit 2", [], 451, None),
        ("exit 111", [], 451, None),
        ("kill -KILL $$", [], 451, None),
        ("kill -SEGV $$", [], 451, None),
        ("sleep 30", ["timeout = 1s"], 451, None),
        ("exit 2", ["yellow = {2}"], 250, b"yellow"),
        ("exit 31", ["red = {1, 31}"], 554, None),
        ("exit 2", ["on_error = pass"], 250, b"green"),
        ("exit 1", ["on_error = pass"], 554, None),
        ("exit 1", ["shadow = yes"], 250, b"green"),
    ],
)
def test_exit_code(filtered, action, more, code, colour):
    server = filtered(("check", ON_TROUBLE % action, *more))
    assert send(server).code == 250
    name = b"shadow:f0" if "shadow = yes" in more else b"f0"
    assert verdict(only_mail(server)) == b"green; " + name + b"=green"
    reply = send(server, TROUBLE)
    assert reply.code == code, reply
    if code == 250:
        assert verdict(only_mail(server)).startswith(colour + b"; ")
    else:
        assert reply.status == {554: "5.7.1", 451: "4.3.0"}[code]
        assert f"(ref {id_in(reply)})" in reply.texts[0]
        assert is_empty(server)


def test_passed_error_is_marked(filtered):
    server = filtered(("check", ON_TROUBLE % "exit 9", "on_error = pass"))
    assert send(server, TROUBLE).code == 250
    assert verdict(only_mail(server)) == b"green; f0=unscanned"


def test_broken_filter_is_refused_at_start(filtered):
    """A script with a syntax error exits 1 or 2, too: red for everything would be silly."""
    with pytest.raises(AssertionError, match="ampel run ended with 78"):
        filtered(("check", "exit 1"))


def test_broken_filter_is_refused_at_reload(filtered):
    server = filtered(("check", "cat > /dev/null"))
    bad = program(server, "bad", "exit 1")
    before = server.blocks
    server.blocks += f'filter bad {{ check = "{bad}" }}\n'
    server.write_conf()
    done = server.command("reload")
    assert done.returncode != 0
    assert '"bad"' in done.stdout + done.stderr
    assert send(server).code == 250, "the old configuration stays"
    assert verdict(only_mail(server)) == b"green; f0=green"
    server.blocks = before
    server.write_conf()
    assert server.command("reload").returncode == 0


# ---- what a program sees ----


def test_environment_and_input(filtered):
    server = filtered(("check", "env > OUT/env; cat > OUT/message"))
    reply = send(server, MESSAGE, "alice@mx.example", "bob@mx.example")
    assert reply.code == 250
    mail = only_mail(server)
    out = server.folder / "out"
    env = dict(line.split("=", 1) for line in (out / "env").read_text().splitlines())
    assert env["SENDER"] == "sender@client.example"
    assert env["RECIPIENTS"] == "alice@mx.example bob@mx.example"
    assert env["TCPREMOTEIP"] == "127.0.0.1"
    assert env["AMPEL_ID"] == id_in(reply)
    assert env["AMPEL_HELO"] == "client.example"
    assert env["AMPEL_LISTENER"] == "smtp"
    # as it would be stored: our Received on top, no Return-Path of ours, LF
    seen = (out / "message").read_bytes()
    assert seen.startswith(b"Received: from client.example")
    assert seen.endswith(b"\n" + MESSAGE.replace(b"\r\n", b"\n"))
    assert b"Return-Path" not in seen and b"\r" not in seen
    assert mail.data.endswith(seen)


def test_null_reverse_path_in_the_environment(filtered):
    server = filtered(("check", "cat > /dev/null; echo \"[${SENDER-unset}]\" > OUT/sender"))
    assert send(server, MESSAGE, sender="").code == 250
    assert (server.folder / "out" / "sender").read_text() == "[]\n"


# ---- what it says on descriptor 3 ----


def test_lines(filtered):
    said = (
        'echo "score 6.1" >&3; echo "threshold 5" >&3; echo "test HOUSE_RULE 6.1" >&3; '
        'echo "header X-House: seen" >&3; exit 2'
    )
    server = filtered(("check", ON_TROUBLE % said, "yellow = {2}"))
    assert send(server, TROUBLE).code == 250
    mail = only_mail(server)
    assert mail.values(b"X-House") == [b"seen"]
    assert mail.values(b"X-Spam-Flag") == [b"YES"]
    (status,) = mail.values(b"X-Spam-Status")
    status = b" ".join(status.split())
    assert re.match(rb"Yes, score=6\.1 required=5\.0 tests=HOUSE_RULE", status), status
    assert mail.original(b"From: A Sender") == TROUBLE.replace(b"\r\n", b"\n")


def test_reason(filtered):
    server = filtered(("check", ON_TROUBLE % 'echo "reason no trouble here" >&3; exit 1'))
    reply = send(server, TROUBLE)
    assert reply.texts[0] == (
        f"5.7.1 message rejected by spam filter: no trouble here (ref {id_in(reply)})"
    )


def test_hostile_reason(filtered):
    """It goes onto the wire and into the log: one line, printable, bounded."""
    said = "printf 'reason a\\r\\tb\\033[31m\\303\\244 %0900d\\n' 0 >&3; exit 1"
    server = filtered(("check", ON_TROUBLE % said))
    reply = send(server, TROUBLE)
    assert reply.code == 554 and len(reply.lines) == 1
    assert len(reply.lines[0]) <= 510
    assert all(32 <= ord(c) < 127 for c in reply.lines[0])
    (line,) = server.wait_for_log(f"id={id_in(reply)}", "verdict=red")
    assert all(32 <= ord(c) < 127 for c in line)


def test_contact_line(filtered):
    server = filtered(
        ("check", ON_TROUBLE % "exit 1"), settings={"contact": '"call +49 30 0000"'}
    )
    assert send(server, TROUBLE).texts[-1].endswith("call +49 30 0000")


# ---- rewriting ----


def test_command_rewrites(filtered):
    server = filtered(("command", "sed 's/^hello$/good bye/'"))
    assert send(server).code == 250
    mail = only_mail(server)
    assert mail.body == b"good bye\n"
    assert verdict(mail) == b"green; f0=green"


@pytest.mark.parametrize("text", ["cat > /dev/null", "cat > /dev/null; exit 2"])
def test_command_that_writes_nothing(new_server, text):
    """Green or yellow without output is an error: mail must not become empty."""
    server = new_server()
    path = program(server, "filter", f"if grep -q ^trouble; then exit 0; fi; {text}")
    server.blocks = f'filter f {{ command = "{path}"  yellow = {{2}} }}\n'
    server.write_conf()
    server.add_users()
    server.launch()
    assert wait_until(lambda: server.process.poll() is not None, 30), "it was taken at start"
    assert server.process.returncode != 0
    assert '"f"' in server.log()


def test_command_that_writes_nothing_later(filtered):
    server = filtered(("command", "m=$(cat); case $m in *trouble*) exit 0;; esac; echo \"$m\""))
    assert send(server).code == 250
    only_mail(server)
    assert send(server, TROUBLE).code == 451
    assert is_empty(server)


def test_neighbours_are_joined_by_pipes(filtered):
    server = filtered(
        ("command", "sed 's/hello/one/'"),
        ("command", "sed 's/one/two/'"),
        ("check", "cat > OUT/seen"),
        ("command", "sed 's/two/three/'"),
    )
    assert send(server).code == 250
    mail = only_mail(server)
    assert mail.body == b"three\n"
    assert (server.folder / "out" / "seen").read_bytes().endswith(b"\n\ntwo\n")
    assert verdict(mail) == b"green; f0=green f1=green f2=green f3=green"


LARGE = HEAD + b"\r\n" + b"a line of a large message\r\n" * 40_000


def test_large_message_through_a_pipe(filtered):
    server = filtered(("command", "cat"), ("command", "cat"))
    assert send(server, LARGE).code == 250
    assert only_mail(server).original(b"From: A Sender") == LARGE.replace(b"\r\n", b"\n")


def test_reader_that_stops_early_kills_nobody(filtered):
    """hi-q holds the pipe and drains it."""
    server = filtered(
        ("command", "cat || exit 9"),
        ("command", "head -n 20; exec <&-; sleep 0.3"),
    )
    assert send(server, LARGE).code == 250
    mail = only_mail(server)
    assert mail.data.count(b"\n") < 30
    assert verdict(mail) == b"green; f0=green f1=green"


def test_check_that_reads_nothing(filtered):
    server = filtered(("check", "exit 0"))
    assert send(server, LARGE).code == 250
    only_mail(server)


# ---- order ----


def test_first_that_decides_ends_it(filtered):
    server = filtered(
        ("check", ON_TROUBLE % "exit 1"),
        ("check", "if grep -q trouble; then touch OUT/ran; fi; exit 0"),
    )
    assert send(server, TROUBLE).code == 554
    assert not (server.folder / "out" / "ran").exists()
    assert send(server).code == 250


def test_order_decides_among_neighbours(filtered):
    """They run at once, yet the first in the pipeline decides: error before red."""
    server = filtered(
        ("command", "m=$(cat); case $m in *trouble*) sleep 1; exit 9;; esac; echo \"$m\""),
        ("command", "m=$(cat); case $m in *trouble*|'') exit 1;; esac; echo \"$m\""),
    )
    assert send(server).code == 250
    assert send(server, TROUBLE).code == 451


def test_one_yellow_makes_it_yellow(filtered):
    server = filtered(
        ("check", ON_TROUBLE % "exit 2", "yellow = {2}"), ("check", "cat > /dev/null")
    )
    assert send(server, TROUBLE).code == 250
    assert verdict(only_mail(server)) == b"yellow; f0=yellow f1=green"


# ---- time, and clients that go ----


def test_total_deadline(filtered):
    server = filtered(
        ("check", ON_TROUBLE % "sleep 30"), settings={"filter_deadline": "2s"}
    )
    start = time.monotonic()
    assert send(server, TROUBLE).code == 451
    assert 1 <= time.monotonic() - start < 10
    assert is_empty(server)


def test_client_gone_meanwhile(filtered):
    """No filter runs on, nothing is queued."""
    server = filtered(("check", ON_TROUBLE % "echo $$ > OUT/pid; sleep 60"))
    pid_file = server.folder / "out" / "pid"
    with Wire(server.port) as wire:
        wire.begin()
        wire.expect(354, "DATA")
        wire.send(TROUBLE + b".\r\n")
        assert wait_until(pid_file.exists)
        time.sleep(0.2)
    pid = int(pid_file.read_text())
    assert wait_until(lambda: not processes.is_running(pid), 10), "the filter runs on"
    assert is_empty(server)
    assert not server.queued_ids()
    assert send(server).code == 250


def test_many_at_once(filtered):
    """More than filter_concurrency: the rest waits."""
    server = filtered(("check", "cat > /dev/null; sleep 0.2"), settings={"filter_concurrency": 2})
    wires = [Wire(server.port, timeout=60) for _ in range(12)]
    for wire in wires:
        wire.begin()
        wire.expect(354, "DATA")
        wire.send(MESSAGE + b".\r\n")
    assert [wire.reply().code for wire in wires] == [250] * 12
    server.wait_for_mail(n=12)
    for wire in wires:
        wire.close()


def test_size_limit_of_a_filter(filtered):
    server = filtered(
        ("check", ON_TROUBLE % "exit 1", "max_size = 10k"),
        ("check", ON_TROUBLE % "exit 0", "max_size = 20k", "on_oversize = defer"),
    )
    padding = b"trouble, a line of a message\r\n"
    assert send(server, TROUBLE).code == 554
    assert send(server, HEAD + b"\r\n" + padding * 500).code == 250
    assert verdict(only_mail(server)) == b"green; f0=unscanned f1=green"
    assert send(server, HEAD + b"\r\n" + padding * 1000).code == 451
