"""A login that fails: neither the answer nor the work tells why."""

import statistics
from pathlib import Path

import pytest

import login
from login import HASH, LISTENERS, PASSWORD, log_in, new_source

NO = {
    "smtps": "535 5.7.8 user or password is wrong",
    "submission": "535 5.7.8 user or password is wrong",
    "pop3s": "-ERR [AUTH] user name or password is wrong",
}
PAST_DAY = "19000"

# What stands in the shadow file: (hash, day of expiry).
STORED = {
    "right": (HASH, ""),
    "locked": ("!" + HASH, ""),
    "never-set": ("!", ""),
    "star": ("*", ""),
    "expired": (HASH, PAST_DAY),
    "empty": ("", ""),
    "broken": ("$zz$x", ""),
}
USERS = ("alice", "bob", "lineless", *STORED)
# Each is refused: (user, password).
REFUSED = {
    "a wrong password": ("alice", "wrong"),
    "the hash itself": ("right", HASH),
    "no such user": ("nobody-here", PASSWORD),
    "a user without a line": ("lineless", PASSWORD),
    "locked, the right password": ("locked", PASSWORD),
    "a password that was never set": ("never-set", "!"),
    "a star": ("star", "*"),
    "expired, the right password": ("expired", PASSWORD),
    "an empty hash": ("empty", PASSWORD),
    "a broken hash": ("broken", "$zz$x"),
    "no user's name": ("../etc/passwd", PASSWORD),
    "a domain of others": ("alice@elsewhere.example", PASSWORD),
    "as long as it may be": ("bob", "x" * 240),
    "root": ("root", PASSWORD),
}


@pytest.fixture(scope="module")
def server(module_server):
    one = module_server(
        listeners=("smtp", *LISTENERS), users=USERS, passwords={"alice": PASSWORD, "bob": PASSWORD}
    ).start()
    for user, (stored, expire) in STORED.items():
        login.set_line(one, user, stored, expire)
    login.remove_line(one, "lineless")
    return one


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("user, password", REFUSED.values(), ids=REFUSED)
def test_the_same_text(server, listener, user, password):
    assert login.answer(server, user, password, listener, new_source()) == NO[listener]


@pytest.mark.parametrize("listener", LISTENERS)
def test_those_who_are_right(server, listener):
    """Without this the test above would also pass with a server that refuses all."""
    for user in ("alice", "right", "ALICE", "alice@mx.example", "Right@MX.example"):
        assert log_in(server, user, listener=listener, source=new_source()) == "yes", user


@pytest.mark.parametrize("listener", LISTENERS)
def test_no_password_at_all(server, listener):
    """However it is put, nobody gets in with it."""
    for user in ("empty", "alice", ""):
        with login.Session(server, listener, new_source()) as session:
            if session.is_pop3:
                session.send(f"USER {user}\r\nPASS \r\nPASS\r\n".encode())
                assert all(not session.read_line().startswith("+OK logged") for _ in range(3))
            else:
                session.begin_login(user, "")
                assert session.read_line()[:3] in ("501", "535")


def test_the_log_names_no_strangers(server):
    """People type passwords where the name belongs."""
    log_in(server, "hunter2", PASSWORD, source=new_source())
    log_in(server, "alice", "hunter3", source=new_source())
    server.wait_for_log("ev=login", 'user="?"', "result=no")
    server.wait_for_log("ev=login", "user=alice", "result=no")
    assert "hunter" not in server.log()


# ---- the work ----

ROUNDS = 9
FREE = 3  # attempts of a user that are not delayed


def processor_seconds(pid):
    """Of all its threads."""
    spent = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        spent += int(file.read_text().split()[0])
    return spent / 1e9


def test_the_same_work(new_server):
    """
    Processor time of auth, which other load on this machine hardly changes. Each attempt
    has an address of its own, each user is tried thrice: none of them is delayed.
    """
    one = new_server(listeners=("smtp", "smtps"), users=("alice",), passwords={"alice": PASSWORD}).start()
    usual = one.password_hash("alice")
    assert usual.startswith("$y$")
    kinds = {
        "right": (usual, "", PASSWORD),
        "wrong": (usual, "", "wrong"),
        "unknown": None,
        "locked": ("!" + usual, "", PASSWORD),
        "never-set": ("!", "", PASSWORD),
        "expired": (usual, PAST_DAY, PASSWORD),
        "empty": ("", "", PASSWORD),
        "broken": ("$zz$x", "", PASSWORD),
    }
    for kind, stored in kinds.items():
        for i in range(ROUNDS // FREE):
            if stored:
                login.set_line(one, f"{kind}{i}", *stored[:2])
    (auth,) = one.pids("auth")
    spent = {kind: [] for kind in kinds}
    for n in range(ROUNDS):
        for kind, stored in kinds.items():
            password = stored[2] if stored else PASSWORD
            with login.Session(one, source=new_source()) as session:
                before = processor_seconds(auth)
                word = session.log_in(f"{kind}{n // FREE}", password)
                spent[kind].append(processor_seconds(auth) - before)
            assert word == ("yes" if kind == "right" else "no")
    medians = {kind: statistics.median(values) for kind, values in spent.items()}
    assert max(medians.values()) < 3 * min(medians.values()), medians
