"""Commands that come at a bad moment: while something dies, waits, or is asked already."""

import signal
import subprocess
import time

import pytest

import processes
from server import wait_until
from wire import Wire

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nhello\r\n"


def slow_filter(server):
    """A filter that obeys two files: "slow" delays it, "broken" makes it red."""
    script = server.folder / "filter"
    script.write_text(
        "#!/bin/sh\n"
        f"test -e {server.folder}/broken && exit 1\n"
        f"test -e {server.folder}/slow && sleep 3\n"
        "exec cat >/dev/null\n"
    )
    script.chmod(0o755)
    server.blocks = f'filter slow {{ check = "{script}" }}\n'
    server.write_conf()
    return server


@pytest.fixture
def judged(new_server):
    return slow_filter(new_server()).start()


def accepts(server, message=MESSAGE):
    with Wire(server.port) as wire:
        wire.begin("alice@mx.example")
        return wire.data(message).code == 250


def in_background(server, *words):
    return subprocess.Popen(
        server.argv(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


# ---- reload ----


def test_reload_whose_asker_leaves(judged):
    (judged.folder / "slow").touch()
    for _ in range(2):
        asker = in_background(judged, "reload")
        time.sleep(0.5)
        asker.kill()
        asker.wait()
        judged.must("status")
    (judged.folder / "slow").unlink()
    time.sleep(4)
    judged.must("reload")
    assert accepts(judged)


@pytest.mark.parametrize("program", ["hiq", "smtpd", "lookup", "queue"])
def test_reload_while_one_dies(judged, program):
    """It ends, well or badly; the next one is good, and whoever did not die lives on."""
    (judged.folder / "slow").touch()
    before = {p: judged.pids(p) for p in ("hiq", "smtpd", "lookup", "queue") if p != program}
    asker = in_background(judged, "reload")
    time.sleep(0.5)
    for pid in judged.pids(program):
        processes.kill(pid, signal.SIGKILL)
    try:
        assert asker.wait(20) in (0, 78), asker.stdout.read()
    finally:
        asker.kill()
    (judged.folder / "slow").unlink()
    time.sleep(4)
    assert {p: judged.pids(p) for p in before} == before
    assert len(judged.log_lines(f"ampel-{program} ", "ended")) == 1
    judged.domains = ("mx.example", "new.example")
    judged.write_conf()
    judged.must("reload")
    with Wire(judged.port) as wire:
        wire.begin("alice@new.example")
        assert wire.data(MESSAGE).code == 250


def test_reload_of_a_larger_message_size(new_server):
    server = new_server(settings={"message_size": "1M"}).start()
    server.settings["message_size"] = "20M"
    server.write_conf()
    server.must("reload")
    assert accepts(server, MESSAGE + (b"x" * 70 + b"\r\n") * 100_000)


def test_helper_that_comes_back(new_server):
    """Taken away by a reload, and brought back by another."""
    server = new_server()
    block = 'helper idler { command = "/bin/sleep 1000" }\n'
    server.blocks = block
    server.write_conf()
    server.start()
    sleeps = lambda: [p for p in server.children() if processes.name(p) == "sleep"]
    assert wait_until(sleeps)
    server.blocks = ""
    server.write_conf()
    server.must("reload")
    assert wait_until(lambda: not sleeps())
    server.blocks = block
    server.write_conf()
    server.must("reload")
    assert wait_until(sleeps)


# ---- restarts ----


def test_filter_that_is_broken_during_a_restart(judged):
    """hiq refuses what it had accepted before; it is tried again until it is good."""
    (judged.folder / "broken").touch()
    for pid in judged.pids("hiq"):
        processes.kill(pid, signal.SIGKILL)
    time.sleep(2)
    (judged.folder / "broken").unlink()
    assert wait_until(lambda: accepts(judged), 40, 1)


def test_stop_send_while_deliver_is_awaited(new_server):
    """The user's mail is not forgotten when nobody is left to answer for deliver."""
    server = new_server().start()
    assert accepts(server)
    server.wait_for_mail()
    accepts(server)
    kills = 0
    while kills < 7:  # the eighth life begins after 6.4 seconds
        for pid in wait_until(lambda: server.pids("deliver"), 10, 0.005):
            processes.kill(pid, signal.SIGKILL)
            kills += 1
        wait_until(lambda: not server.pids("deliver"), 2, 0.005)
        accepts(server)
    time.sleep(2)  # the queue asks again, and the answer waits for that life
    assert not server.pids("deliver")
    server.must("stop", "send")
    server.must("start", "send")
    assert wait_until(lambda: not server.queued_ids(), 60, 0.5)


# ---- stop ----


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_stop_while_a_start_waits(new_server, verb):
    server = new_server()
    silent = 'helper silent {{ command = "/bin/sleep 1000"{} }}\n'
    server.blocks = silent.format("")
    server.write_conf()
    server.start()
    server.blocks = silent.format('  ready = "127.0.0.1:1"')
    server.write_conf()
    server.must("reload")
    server.must("stop", "silent")
    asker = in_background(server, verb, "silent")
    time.sleep(1)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10
    assert asker.wait(10) != 0
