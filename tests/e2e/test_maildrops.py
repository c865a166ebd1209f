"""Whose maildrop a login opens, and what it is when the Maildir is not as it should be."""

import os
import re
import smtplib
import threading
from pathlib import Path

import pytest

import login
import processes
from login import Session, log_in, new_source
from server import wait_until

UID = GID = 61234  # of nobody else
PER_USER = 10
SESSIONS_AT_ONCE = 25
SESSIONS_IN_A_ROW = 50

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes other users")


@pytest.fixture
def server(new_server):
    one = new_server(listeners=("smtp", "pop3s"), users=("alice", "bob")).start()
    for user in one.users:
        login.set_line(one, user)
    return one


def home(server):
    return server.maildir("alice").parent


def change_entry(server, **fields):
    """uid, gid, home of alice."""
    passwd = server.passwd()
    lines = passwd.read_text().splitlines(keepends=True)
    for i, line in enumerate(lines):
        field = line.split(":")
        if field[0] == "alice":
            for name, value in fields.items():
                field[{"uid": 2, "gid": 3, "home": 5}[name]] = str(value)
            lines[i] = ":".join(field)
    passwd.write_text("".join(lines))


def all_end(server):
    """And no zombie is left of them."""

    def kinds():
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (stat := processes._stat(entry)) and stat[2] == server.supervisor():
                found.append((stat[0], stat[1]))
        return [kind for kind in found if kind[0] == "ampel-mailbox" or kind[1] == "Z"]

    assert wait_until(lambda: not kinds()), kinds()


def fails_for_now(server):
    """-ERR [SYS/TEMP], and it did not come from the password."""
    assert log_in(server, "alice", listener="pop3s", source=new_source()) == "later"
    server.wait_for_log("ev=login", "user=alice", "result=yes")
    all_end(server)
    return True


# ---- whose it is ----


@as_root
def test_of_a_user_with_his_own_uid(server):
    """The process has his uid and his group, and nothing else of anybody."""
    change_entry(server, uid=UID, gid=GID)
    for path in (home(server), *home(server).rglob("*")):
        os.chown(path, UID, GID)
    with Session(server, "pop3s") as session:
        assert session.log_in("alice") == "yes"
        (mailbox,) = server.pids("mailbox")
        status = Path(f"/proc/{mailbox}/status").read_text()
        for field in ("Uid", "Gid"):
            assert re.search(rf"^{field}:\t{UID}\t{UID}\t{UID}\t{UID}$", status, re.M), status
        assert set(re.search(r"^Groups:(.*)$", status, re.M)[1].split()) <= {str(GID)}
        capabilities = re.findall(r"^Cap(?:Inh|Prm|Eff|Amb):\t(\w+)$", status, re.M)
        assert len(capabilities) == 4 and set(capabilities) == {"0" * 16}
        assert "NoNewPrivs:\t1" in status
    all_end(server)


@as_root
def test_of_another_one(server):
    """The folder of a user whom the process cannot become stays closed."""
    change_entry(server, uid=UID, gid=GID)
    assert fails_for_now(server)


# ---- what it is ----


def test_no_home(server):
    """A disk may be missing; that is no empty maildrop."""
    change_entry(server, home=server.folder / "of-nobody")
    assert fails_for_now(server)


def test_no_maildir(server):
    """He has got no mail yet."""
    server.maildir("alice").rename(home(server) / "beside")
    with Session(server, "pop3s") as session:
        assert session.log_in("alice") == "yes"
        assert session.line("STAT") == "+OK 0 0"
        assert session.line("QUIT").startswith("+OK ")
    assert not server.maildir("alice").exists()


@as_root
@pytest.mark.parametrize("folder", ["Maildir", "Maildir/new", "Maildir/cur"])
def test_folders_that_cannot_be_read(server, folder):
    (home(server) / folder).chmod(0)
    assert fails_for_now(server)
    server.wait_for_log("ampel-mailbox", folder, "Permission denied")


@pytest.mark.parametrize("part", ["Maildir", "Maildir/new"])
def test_a_link_leads_nowhere(server, part):
    """Not even to a Maildir that he could read."""
    path = home(server) / part
    path.rename(path.with_name("beside"))
    path.symlink_to(server.maildir("bob") if part == "Maildir" else server.maildir("bob") / "new")
    assert fails_for_now(server)


def test_a_file_in_its_place(server):
    path = server.maildir("alice")
    path.rename(path.with_name("beside"))
    path.write_text("")
    assert fails_for_now(server)


# ---- how many ----


def test_many_at_once(new_server):
    """At most as many as are allowed get in; nobody else is told that his password is wrong."""
    server = new_server(
        listeners=("smtp", "pop3s"), users=("alice",), settings={"sessions_per_address": PER_USER}
    ).start()
    login.set_line(server, "alice")
    sources = [new_source() for _ in range(SESSIONS_AT_ONCE)]
    for source in sources:  # they are known there, so that none waits
        assert log_in(server, "alice", listener="pop3s", source=source) == "yes"
    all_end(server)
    sessions = [Session(server, "pop3s", source) for source in sources]
    words = [None] * len(sessions)

    def enter(i):
        words[i] = sessions[i].log_in("alice")

    threads = [threading.Thread(target=enter, args=(i,)) for i in range(len(sessions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(words) == ["later"] * (SESSIONS_AT_ONCE - PER_USER) + ["yes"] * PER_USER
    assert len(server.pids("mailbox")) == PER_USER
    for session in sessions:
        session.close()
    all_end(server)
    assert log_in(server, "alice", listener="pop3s") == "yes"


def test_nothing_is_left_of_many(server):
    """However they end."""
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as smtp:
        smtp.sendmail("a@elsewhere.example", ["alice@mx.example"], "Subject: x\n\nbody\n")
    server.wait_for_mail("alice")
    pop3d = server.pids("pop3d")[0]
    # which only root may count
    descriptors = lambda: len(os.listdir(f"/proc/{pop3d}/fd")) if os.geteuid() == 0 else 0
    before = None
    for i in range(SESSIONS_IN_A_ROW):
        session = Session(server, "pop3s")
        assert session.log_in("alice") == "yes"
        if i % 3 == 0:
            assert session.line("QUIT").startswith("+OK ")
        elif i % 3 == 1:
            session.send(b"RETR 1\r\n")
        session.close()
        if i == SESSIONS_IN_A_ROW // 5:
            all_end(server)
            before = descriptors()
    all_end(server)
    assert wait_until(lambda: descriptors() <= before), (before, descriptors())
    assert server.log_lines("ampel-mailbox") == []
    assert len(server.mail("alice")) == 1
