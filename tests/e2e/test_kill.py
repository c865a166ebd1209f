"""250 means safe: kill -9 of every program while mail flows loses and doubles nothing."""

import random
import re
import signal
import time

import pytest

import maildir
import processes
from senders import Senders, check
from server import wait_until
from wire import Wire

ROUNDS = 6
# reads its input and says green: the message goes through hiq
FILTER = 'filter count { check = "/usr/bin/wc -c" }\n'

DIED = re.compile(r"ended: (signal|exit code [1-9])")

KILLED = [
    ("smtpd", False),
    ("lookup", False),
    ("queue", False),
    ("deliver", False),
    ("hiq", True),
    ("queue", True),
]


@pytest.fixture
def mail_flow(new_server):
    """A running server, senders at work; both ended and checked afterwards."""
    flows = []

    def start(filtered):
        # a laptop's disk takes a few hundred messages a second: leave it idle moments
        server = new_server(blocks=FILTER if filtered else "").start()
        flows.append((server, Senders(server.port, pause=0.02).start()))
        return flows[-1]

    yield start
    for _, senders in flows:
        senders.stop()


def let_some_through(senders, more=40):
    """Mail flows: that many messages more are accepted."""
    wanted = len(senders.accepted) + more
    assert wait_until(lambda: len(senders.accepted) >= wanted, 60), "mail does not flow"


def finish(server, senders):
    """Stop all, start again, let the rest be delivered, and compare."""
    let_some_through(senders)
    senders.stop()
    server.stop()
    before = len(server.log())
    server.start(add_users=False)
    box = server.maildir("alice")

    def all_delivered():
        return len(maildir.files(box)) >= len(senders.accepted) and not server.queued_ids()

    wait_until(all_delivered, 90, 0.5)
    died = [line for line in server.log()[before:].splitlines() if DIED.search(line)]
    assert not died, "nobody kills any more, yet something died"
    assert not senders.refused
    check(senders, server.mail())


@pytest.mark.parametrize("program, filtered", KILLED, ids=lambda v: str(v))
def test_kill_one(mail_flow, program, filtered):
    server, senders = mail_flow(filtered)
    rng = random.Random(program)
    let_some_through(senders)
    kills = 0
    for _ in range(ROUNDS):
        time.sleep(rng.uniform(0.05, 0.5))
        victims = wait_until(lambda: server.pids(program), 30)
        assert victims, f"no {program} runs"
        for pid in victims:
            processes.kill(pid, signal.SIGKILL)
            kills += 1
    assert kills >= ROUNDS
    assert processes.is_running(server.supervisor()), "it died with its child"
    finish(server, senders)


def test_kill_all_children(mail_flow):
    server, senders = mail_flow(True)
    rng = random.Random("all")
    for _ in range(ROUNDS):
        let_some_through(senders, 10)
        time.sleep(rng.uniform(0.05, 0.5))
        for pid in server.children():
            processes.kill(pid, signal.SIGKILL)
    finish(server, senders)


@pytest.mark.parametrize("everything", [False, True], ids=["supervisor", "everything"])
def test_kill_supervisor(mail_flow, everything):
    """Alone, its children end by themselves; with them, like a power cut to the processes."""
    server, senders = mail_flow(True)
    rng = random.Random(everything)
    for _ in range(3):
        let_some_through(senders, 20)
        time.sleep(rng.uniform(0.05, 0.5))
        if everything:
            server.kill_all()
        else:
            children = server.children()
            processes.kill(server.supervisor(), signal.SIGKILL)
            server.process.wait()
            gone = lambda: not any(map(processes.is_running, children))
            assert wait_until(gone, 10), "children outlive the supervisor"
        server.launch()
        server.wait_for_greeting()
    finish(server, senders)


def test_client_gone_is_not_an_error_of_others(mail_flow):
    """Clients that hang up anywhere disturb nobody."""
    server, senders = mail_flow(True)
    steps = [
        b"",
        b"EHLO x\r\n",
        b"MAIL FROM:<a@b.example>\r\n",
        b"RCPT TO:<alice@mx.example>\r\n",
        b"DATA\r\n",
        b"Subject: half a mess",
    ]
    for n in range(60):
        with Wire(server.port) as wire:
            wire.send(b"".join(steps[: n % len(steps) + 1]))
    finish(server, senders)
