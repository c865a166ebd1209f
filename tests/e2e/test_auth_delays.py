"""
Guessing passwords gets slower, and only for whoever guesses. Times are those that the log
gives, and only that they are no shorter is claimed: the machine may be busy.
"""

import os
import re
import time

import pytest

import login
from login import Session, log_in, new_source
from server import wait_until

# src/mail/attempts.h: what the first, second, ... failure in a row waits at least.
DELAYS_MS = (0, 0, 0, 250, 500, 1000, 2000, 4000)
USER_DELAY_MS = 8000
PER_PAIR = 8  # attempts for a user from an address at a time
EARLY = 0.9  # timers of a busy loop may count from a little before
USERS = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy")


@pytest.fixture(scope="module")
def server(module_server):
    one = module_server(listeners=("smtp", "smtps", "pop3s"), users=USERS)
    one.conf.write_text(one.conf.read_text().replace("listen smtps {", "listen smtps { workers = 2 "))
    one.start()
    assert len(one.pids("smtpd")) == 3
    for user in USERS:
        login.set_line(one, user)
    return one


def waited_ms(server, user):
    """Of each attempt for that user, in their order."""
    return [int(re.search(r" ms=(\d+)", line)[1]) for line in server.log_lines("ev=login", f"user={user} ")]


def assert_waited(server, user, wanted_ms):
    assert wait_until(lambda: len(waited_ms(server, user)) >= len(wanted_ms))
    waited = waited_ms(server, user)
    assert len(waited) == len(wanted_ms)
    assert all(ms >= wanted * EARLY for ms, wanted in zip(waited, wanted_ms)), waited


def begin(server, users, source, listener="smtps"):
    """Attempts with a wrong password, all at once."""
    sessions = [Session(server, listener, source) for _ in users]
    for session, user in zip(sessions, users):
        session.begin_login(user, "wrong")
    return sessions


def end(sessions):
    words = [login.word_of(session.read_line()) for session in sessions]
    for session in sessions:
        session.close()
    return words


# ---- who waits ----


def test_each_failure_waits_longer(server):
    """And then the right password waits as a wrong one would."""
    source = new_source()
    started = time.monotonic()
    for _ in DELAYS_MS:
        assert log_in(server, "bob", "wrong", source=source) == "no"
    assert time.monotonic() - started >= EARLY * sum(DELAYS_MS) / 1000
    assert log_in(server, "bob", source=source) == "yes"
    assert_waited(server, "bob", (*DELAYS_MS, USER_DELAY_MS))


def test_at_once_gains_nothing(server):
    """Eight guesses at a time wait as eight one after the other; more are not taken."""
    source = new_source()
    sessions = begin(server, ["carol"] * PER_PAIR, source)
    assert end(sessions) == ["no"] * PER_PAIR
    assert wait_until(lambda: len(waited_ms(server, "carol")) == PER_PAIR)
    waited = sorted(waited_ms(server, "carol"))
    assert all(ms >= wanted * EARLY for ms, wanted in zip(waited, DELAYS_MS)), waited
    sessions = begin(server, ["carol"] * (PER_PAIR + 4), source)
    assert sorted(end(sessions)) == ["later"] * 4 + ["no"] * PER_PAIR


def worker_of(session, pids):
    """Who of them has the other end of the connection."""
    here, there = session.socket.getsockname()[1], session.socket.getpeername()[1]
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in f:
            field = line.split()
            if field[1].endswith(f":{there:04X}") and field[2].endswith(f":{here:04X}"):
                inode = f"socket:[{field[9]}]"
    for pid in pids:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}") == inode:
                    return pid
            except FileNotFoundError:
                pass
    raise AssertionError("nobody has it")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees what others have open")
def test_remembered_across_workers(server):
    """One session on each of the two workers; they take turns."""
    source = new_source()
    sessions, spare = {}, []
    for _ in range(60):
        session = Session(server, "smtps", source)
        pid = worker_of(session, server.pids("smtpd"))
        spare.append(session)
        sessions.setdefault(pid, session)
        if len(sessions) == 2:
            break
    assert len(sessions) == 2, "only one worker takes connections"
    for turn in range(6):
        assert list(sessions.values())[turn % 2].log_in("dave", "wrong") == "no"
    assert_waited(server, "dave", DELAYS_MS[:6])
    for session in spare:
        session.close()


def test_remembered_across_listeners_and_addresses(server):
    """It is the user who is tried."""
    for _ in range(3):
        assert log_in(server, "erin", "wrong", "smtps", new_source()) == "no"
        assert log_in(server, "erin", "wrong", "pop3s", new_source()) == "no"
    assert_waited(server, "erin", DELAYS_MS[:6])


def test_an_address_that_tries_many_users(server):
    """One password for all of them, each tried once."""
    source = new_source()
    for i in range(6):
        assert log_in(server, f"stranger{i}", "wrong", source=source) == "no"
    assert log_in(server, "frank", source=source) == "yes"
    assert_waited(server, "frank", DELAYS_MS[6:7])


# ---- who does not ----


def test_another_user_of_that_address(server):
    """He waits once, with others; from then on he is known there, and waits no more."""
    source = new_source()
    guesses = begin(server, ["grace"] * PER_PAIR, source)
    started = time.monotonic()
    assert log_in(server, "alice", source=source) == "yes"
    assert time.monotonic() - started < 15
    assert end(guesses) == ["no"] * PER_PAIR
    guesses = begin(server, ["grace"] * PER_PAIR, source)
    session = Session(server, "smtps", source)
    assert session.log_in("alice") == "yes"
    assert not any(guess.has_answer() for guess in guesses)
    session.close()
    assert end(guesses) == ["no"] * PER_PAIR


def test_guessing_locks_nobody_out(server):
    """He is known at his address; somebody else tries his name from another one."""
    own = new_source()
    assert log_in(server, "heidi", source=own) == "yes"
    guesses = begin(server, ["heidi"] * PER_PAIR, new_source())
    assert end(guesses) == ["no"] * PER_PAIR
    guesses = begin(server, ["heidi"] * PER_PAIR, new_source())
    for listener in ("smtps", "pop3s"):
        assert log_in(server, "heidi", listener=listener, source=own) == "yes"
    assert not any(guess.has_answer() for guess in guesses)
    assert end(guesses) == ["no"] * PER_PAIR


# ---- nobody is stalled ----


def test_others_while_many_wait(server):
    """Twenty guesses from one address: after the eighth each waits four seconds."""
    source = new_source()
    known = new_source()
    assert log_in(server, "alice", source=known) == "yes"
    idle, session = Session(server), Session(server, source=known)
    guesses = begin(server, ["bob", "ivan", "judy", "carol"] * 5, source)
    assert idle.line("NOOP").startswith("250 ")
    assert session.log_in("alice") == "yes"
    assert sum(not guess.has_answer() for guess in guesses) >= 12
    assert end(guesses) == ["no"] * 20
    idle.close()
    session.close()


@pytest.mark.parametrize("listener", ["smtps", "pop3s"])
def test_others_while_a_slow_hash_is_computed(server, listener):
    """A thousand times the work of another one's."""
    login.set_line(server, "ivan", login.SLOW_HASH)
    with Session(server, listener, new_source()) as slow:
        sessions = [Session(server, name, new_source()) for name in ("smtps", "pop3s")]
        slow.begin_login("ivan")
        for session in sessions:
            assert session.log_in("alice") == "yes"
        assert not slow.has_answer()
        for session in sessions:
            session.close()
        assert login.word_of(slow.read_line()) == "yes"
