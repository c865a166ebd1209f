"""The shadow file while the server runs: what is in it counts at once, and what it may not be."""

import os

import pytest

import login
from login import HASH, PASSWORD, log_in, new_source, shadow

LISTENERS = ("smtps", "pop3s")

@pytest.fixture(scope="module")
def server(module_server):
    return module_server(listeners=("smtp", *LISTENERS), users=("somebody",)).start()


@pytest.fixture
def people(server):
    """
    Three users whom nobody has tried yet, so that none is delayed. The shadow file is
    as it should be, before and after.
    """
    path, passwd = shadow(server), server.passwd()
    before, number = path.stat(), len(passwd.read_text().splitlines())
    names = [f"{name}{number}" for name in ("alice", "bob", "carol")]
    somebody = passwd.read_text().splitlines()[0].partition(":")[2]
    with passwd.open("a") as file:
        file.writelines(f"{name}:{somebody}\n" for name in names)
    text = "".join(f"{name}:{HASH}:20000::::::\n" for name in names)
    path.write_text(text)
    yield names
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        path.rmdir()
    path.write_text(text)
    os.chown(path, before.st_uid, before.st_gid)
    path.chmod(before.st_mode & 0o7777)
    assert words(server, names[2]) == ["yes", "yes"]


def words(server, user, password=PASSWORD):
    """By all listeners, from addresses that have not failed."""
    return [log_in(server, user, password, listener, new_source()) for listener in LISTENERS]


# ---- what is in it ----


def test_a_changed_password(server, people):
    alice, bob, carol = people
    server.set_password(alice, "another")
    assert words(server, alice) == ["no", "no"]
    assert words(server, alice, "another") == ["yes", "yes"]
    server.set_password(alice, "a third one")
    assert words(server, alice, "a third one") == ["yes", "yes"]
    assert words(server, bob) == ["yes", "yes"]


def test_a_change_while_a_session_is_open(server, people):
    """It is for the next login."""
    alice = people[0]
    with login.Session(server, "pop3s") as session:
        assert session.log_in(alice) == "yes"
        server.set_password(alice, "another")
        assert session.line("STAT") == "+OK 0 0"


def test_by_hand(server, people):
    alice = people[0]
    login.set_line(server, alice, "!" + HASH)
    assert words(server, alice) == ["no", "no"]
    login.set_line(server, alice, HASH, "19000")
    assert words(server, alice) == ["no", "no"]
    login.set_line(server, alice, HASH, "90000")
    assert words(server, alice) == ["yes", "yes"]


def test_a_removed_user(server, people):
    bob = people[1]
    server.must("user", "add", "zoe")
    server.set_password("zoe", PASSWORD)
    assert words(server, "zoe") == ["yes", "yes"]
    server.must("user", "remove", "zoe")
    assert words(server, "zoe") == ["no", "no"]
    assert words(server, bob) == ["yes", "yes"]


@pytest.mark.parametrize(
    "line",
    [
        "BOB",
        f"BOB:{HASH}",
        f"BOB:{HASH}:1:::::never:",
        "::::::::",
        "\x00\xff",
        "x" * 100000,
        f"B B:{HASH}:1::::::",
    ],
    ids=lambda line: repr(line[:12]),
)
def test_a_broken_line(server, people, line):
    """Costs only him whose line it is; the log says which one it is."""
    alice, bob, carol = people
    login.remove_line(server, bob)
    with shadow(server).open("r+") as file:
        kept = file.read()
        file.seek(0)
        file.write(line.replace("BOB", bob) + "\n" + kept)
    seen = len(server.log_lines("line 1 is none of shadow(5)"))
    assert words(server, alice) == ["yes", "yes"]
    assert words(server, carol) == ["yes", "yes"]
    assert words(server, bob) == ["no", "no"]
    server.wait_for_log("line 1 is none of shadow(5)")
    assert len(server.log_lines("line 1 is none of shadow(5)")) <= seen + 1


def test_no_end_of_the_last_line(server, people):
    carol = people[2]
    path = shadow(server)
    path.write_text(path.read_text().rstrip("\n"))
    assert words(server, carol) == ["yes", "yes"]


def test_the_first_of_two_lines(server, people):
    """As getspnam(3) has it."""
    alice = people[0]
    with shadow(server).open("a") as file:
        file.write(f"{alice}:!:20000::::::\n")
    assert words(server, alice) == ["yes", "yes"]


def test_empty(server, people):
    """Then nobody has a password: that is no trouble."""
    alice = people[0]
    shadow(server).write_text("")
    assert words(server, alice) == ["no", "no"]


# ---- what it may not be ----


def gone(path):
    path.unlink()


def for_everybody(path):
    path.chmod(0o644)


def writable(path):
    path.chmod(0o642)


def for_root_alone(path):
    os.chown(path, 0, 0)
    path.chmod(0o600)


def a_link(path):
    beside = path.with_name("beside")
    path.rename(beside)
    path.symlink_to(beside)


def a_folder(path):
    path.unlink()
    path.mkdir()


FAULTS = {
    gone: "there is none",
    for_everybody: "others may read or write it",
    writable: "others may read or write it",
    a_link: "a symbolic link does not count",
    a_folder: "nvalid argument",
    for_root_alone: "ermission denied",
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda fault: fault.__name__)
def test_what_it_may_not_be(server, people, spoil):
    """Then nothing is known: neither the right nor the wrong password gets a no."""
    alice = people[0]
    if spoil is for_root_alone and os.geteuid() != 0:
        pytest.skip("only root starts ampel-auth as another account")
    assert words(server, alice) == ["yes", "yes"]
    spoil(shadow(server))
    assert words(server, alice) == ["later", "later"]
    assert words(server, alice, "wrong") == ["later", "later"]
    assert words(server, "nobody-here") == ["later", "later"]
    server.wait_for_log(f"{shadow(server)}: ", FAULTS[spoil])
    server.wait_for_log("result=later", "the shadow file cannot be used")


def test_trouble_is_nobodys_failure(server, people):
    """Attempts that were not looked at make nobody wait."""
    carol = people[2]
    for_everybody(shadow(server))
    source = new_source()
    for _ in range(10):
        assert log_in(server, carol, source=source) == "later"
    shadow(server).chmod(0o640)
    assert log_in(server, carol, source=source) == "yes"
    line = server.log_lines("ev=login", f"user={carol} ", "result=yes", f"peer={source}")[-1]
    assert int(line.partition(" ms=")[2].split()[0]) < 4000
