"""
Many messages to many domains, a third of whose hosts refuse, stall or vanish at random, while
ampel-remote and ampel-queue are killed: every message ends delivered or comes back.

AMPEL_WORLD=10000 makes it the long campaign (100 domains); without it, it is short.
"""

import os
import random
import re
import signal
import smtplib
import time

import pytest

import maildir
import processes
from hosts import Hosts
from server import wait_until
from zones import Zones

MESSAGES = int(os.environ.get("AMPEL_WORLD", "300"))
DOMAINS = 100 if MESSAGES >= 1000 else 24
KILLS = 20 if MESSAGES >= 1000 else 4
PATIENCE_SECONDS = 1500 if MESSAGES >= 1000 else 200


def kill(server, program):
    for pid in processes.descendants(server.process.pid):
        if processes.name(pid).startswith(f"ampel-{program}"[:15]):
            processes.kill(pid, signal.SIGKILL)
            return


def send_all(server):
    """In sessions of 50, from a user of ours who gets what comes back."""
    accepted = []
    n = 0
    while n < MESSAGES:
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            for n in range(n + 1, min(n + 50, MESSAGES) + 1):
                token = f"token-{n}"
                try:
                    client.sendmail(
                        "alice@mx.example",
                        f"somebody@d{n % DOMAINS}.world.example",
                        f"Subject: {n}\r\nX-Token: {token}\r\n\r\nhello\r\n",
                    )
                except smtplib.SMTPException:
                    client.close()
                    break
                accepted.append(token)
    return accepted


def returned(server):
    """The tokens of what came back."""
    tokens = []
    for path in maildir.files(server.maildir("alice")):
        text = path.read_bytes()
        assert b"multipart/report" in text, text[:2000]
        tokens += [t.decode() for t in re.findall(rb"^X-Token: (\S+)", text, re.M)]
    return tokens


@pytest.mark.slow
def test_every_message_ends(new_server, capsys):
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    hosts = Hosts(DOMAINS - DOMAINS // 3, DOMAINS // 3, seed)
    records = []
    for n, address in enumerate(hosts.good + hosts.bad):
        records += [f"d{n} MX 10 mx{n}", f"mx{n} A {address}"]
    zones = Zones({"world.example": records})
    try:
        server = new_server(
            inside=("127.0.0.0/8",),
            blocks=zones.block,
            settings={"remote_timeout": "3s", "connect_timeout": "3s"},
        ).start()
        accepted = send_all(server)
        deadline = time.monotonic() + PATIENCE_SECONDS
        kills = 0
        next_kill = next_retry = time.monotonic()
        while time.monotonic() < deadline:
            if time.monotonic() > next_kill and kills < KILLS:
                kill(server, chance.choice(("remote", "queue")))
                kills += 1
                next_kill = time.monotonic() + chance.uniform(0.5, 4)
            if time.monotonic() > next_retry:
                server.command("queue", "retry")
                next_retry = time.monotonic() + 3
            if kills == KILLS and server.command("queue", "list").stdout == "the queue is empty\n":
                break
            time.sleep(0.3)
        assert server.command("queue", "list").stdout == "the queue is empty\n"
        came_back = returned(server)
    finally:
        hosts.stop()
        zones.stop()

    taken = set(hosts.replied) | set(hosts.doubtful)
    lost = [t for t in accepted if t not in taken and t not in came_back]
    twice_returned = len(came_back) - len(set(came_back))
    both = [t for t in set(came_back) if hosts.replied[t]]
    # said to be taken more than once: the outcome died with ampel-remote or on its way to the queue
    repeated = [t for t, n in hosts.replied.items() if n > 1]
    doubted = [t for t in hosts.doubtful if hosts.replied[t] + hosts.doubtful[t] > 1]
    with capsys.disabled():
        print(
            f"\nseed {seed}: {len(accepted)} accepted, {len(taken)} taken, {len(set(came_back))} returned, "
            f"{len(lost)} lost; {hosts.connections} connections, {kills} kills; twice after a doubt: {len(doubted)}, "
            f"twice after a kill: {len(repeated)}, taken and returned: {len(both)}"
        )
    assert not lost
    assert twice_returned == 0
    assert len(accepted) >= MESSAGES * 9 // 10
    # no more than were under way when a process was killed
    assert len(repeated) <= kills * 100
    assert not [t for t in both if not hosts.doubtful[t] and t not in repeated]
