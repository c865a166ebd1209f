"""
At RCPT: which extensions of a system user exist. His home is his alone, so his own deliver
process is asked; what it said is good for a minute, so each test asks for extensions of its own.
"""

import os
import signal
import smtplib
import threading
import time

import processes
import pytest

from host_user import HostUser
from server import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes users of this host")

JOE, JIM, ALIAS = "ampelextjoe", "ampelextjim", "ampelextalias"


@pytest.fixture(scope="module")
def server(module_server):
    settings = {"users": "system", "alias_user": f'"{ALIAS}"'}
    server = module_server(users=(), settings=settings)
    people = []
    try:
        for name in (JOE, JIM, ALIAS):
            people.append(HostUser(name, server.folder))
        yield server.start(add_users=False)
    finally:
        server.stop()
        for user in people:
            user.remove()


def make_qmail(server, user, name):
    file = server.folder / user / f".qmail{name}"
    file.write_text("./Maildir/\n")
    file.chmod(0o600)


def connect(server):
    smtp = smtplib.SMTP("127.0.0.1", server.port, timeout=40)
    smtp.ehlo("client.example")
    smtp.mail("sender@elsewhere.example")
    return smtp


def codes(server, *local_parts):
    with connect(server) as smtp:
        return [smtp.rcpt(f"{part}@mx.example")[0] for part in local_parts]


def of_joe(server):
    """The pids of his deliver processes."""
    uid = os.stat(server.folder / JOE).st_uid
    return [pid for pid in server.pids("deliver") if os.stat(f"/proc/{pid}").st_uid == uid]


def test_which_extensions_exist(server):
    for name in ("-list", "-ann-default", "-my:list"):
        make_qmail(server, JOE, name)
    assert codes(server, JOE, f"{JOE}-list", f"{JOE}-nothing") == [250, 250, 550]
    assert codes(server, f"{JOE}-LIST", f"{JOE}-ann-2026", f"{JOE}-my.list") == [250, 250, 250]
    assert codes(server, f"{JOE}-ann", f"{JOE}-list-more", f"{JIM}-list") == [550, 550, 550]


def test_only_his_own_process_is_asked(server):
    """Root does not look into homes, and lookup cannot."""
    assert codes(server, f"{JOE}-own") == [550]
    assert len(of_joe(server)) == 1
    assert (server.folder / JOE).stat().st_mode & 0o077 == 0


def test_what_is_nobodys_is_the_alias_users(server):
    make_qmail(server, ALIAS, "-info")
    make_qmail(server, ALIAS, "-shop-default")
    assert codes(server, "info", "shop-5", "nobody-here") == [250, 250, 550]


def test_postmaster_always_exists(server):
    assert codes(server, "postmaster", "abuse") == [250, 250]


def test_a_killed_process_is_replaced(server):
    make_qmail(server, JOE, "-kill-default")
    assert codes(server, f"{JOE}-kill-1") == [250]
    for pid in of_joe(server):
        processes.kill(pid, signal.SIGKILL)
    assert codes(server, f"{JOE}-kill-2") == [250]


def test_a_process_killed_while_it_is_asked(server):
    make_qmail(server, JOE, "-hung-default")
    assert codes(server, f"{JOE}-hung-1") == [250]
    (pid,) = of_joe(server)
    processes.kill(pid, signal.SIGSTOP)
    answer = []
    asker = threading.Thread(target=lambda: answer.extend(codes(server, f"{JOE}-hung-2")))
    asker.start()
    try:
        # meanwhile everybody else is answered
        assert codes(server, JOE, JIM, f"{JIM}-hung") == [250, 250, 550]
        assert not answer
    finally:
        processes.kill(pid, signal.SIGKILL)
        asker.join()
    assert answer == [250]


def test_a_flood_of_guesses(server):
    """Whoever guesses at one account does not hold up the others."""
    make_qmail(server, JIM, "-flood-default")
    assert codes(server, f"{JIM}-flood-0") == [250]
    guessed = []

    def guess(i):
        guessed.extend(codes(server, *(f"{JOE}-guess-{i}-{k}" for k in range(15))))

    threads = [threading.Thread(target=guess, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    assert codes(server, JOE, JIM, f"{JIM}-flood-1") == [250, 250, 250]
    assert time.monotonic() - begun < 5
    for thread in threads:
        thread.join()
    assert set(guessed) <= {550, 451}
    assert guessed.count(550) > 100


def test_deliveries_are_stopped(server):
    """Nobody can be asked: no reason to refuse for good."""
    make_qmail(server, JIM, "-stopped-default")
    server.must("stop", "send")
    assert codes(server, JIM, f"{JIM}-stopped-1") == [250, 451]
    server.must("start", "send")
    assert wait_until(lambda: codes(server, f"{JIM}-stopped-2") == [250])
