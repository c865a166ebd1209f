"""What a login, or a session behind it, becomes when one of the programs for it is killed."""

import signal
import smtplib

import pytest

import login
import maildir
import processes
from login import Session, log_in, new_source
from server import wait_until
from wire import Closed

LISTENERS = ("smtps", "pop3s")
TEXT = "Subject: number {}\n\nbody\n"


@pytest.fixture
def server(new_server):
    one = new_server(listeners=("smtp", *LISTENERS), users=("alice", "bob")).start()
    login.set_line(one, "alice")
    login.set_line(one, "bob", login.ENDLESS_HASH)
    return one


def kill_one(server, program):
    (pid,) = server.pids(program)
    processes.kill(pid, signal.SIGKILL)
    return pid


def words_until_yes(server, listener):
    """Of attempts with the right password, one after the other."""
    words = []

    def is_in():
        words.append(log_in(server, "alice", listener=listener, source=new_source()))
        return words[-1] == "yes"

    assert wait_until(is_in, 60, 0.1), server.log()[-3000:]
    return words


# ---- ampel-auth ----


@pytest.mark.parametrize("listener", LISTENERS)
def test_auth_during_a_login(server, listener):
    """Nobody is told that his password is wrong."""
    with Session(server, listener) as session:
        session.begin_login("bob")
        log_in(server, "alice", source=new_source())  # that of bob came before and is at work
        assert not session.has_answer()
        kill_one(server, "auth")
        assert login.word_of(session.read_line()) == "later"
        assert set(words_until_yes(server, listener)) <= {"later", "yes"}
        assert wait_until(lambda: session.log_in("alice") == "yes", 30, 0.5)
    server.wait_for_log("ampel-auth", "signal 9")


def test_auth_while_attempts_wait(server):
    """Those whose delay has not passed, and those that come while it is away."""
    source = new_source()
    sessions = [Session(server, listener, source) for listener in LISTENERS * 4]
    for session in sessions:
        session.begin_login("alice", "wrong")
    waiting = [session for session in sessions[-2:] if not session.has_answer()]
    assert waiting
    kill_one(server, "auth")
    words = [login.word_of(session.read_line()) for session in sessions]
    assert all(word == "later" for word, session in zip(words, sessions) if session in waiting)
    for session in sessions:
        session.close()
    for listener in LISTENERS:
        assert set(words_until_yes(server, listener)) <= {"later", "yes"}


def test_auth_again_and_again(server):
    """Whoever is right is never told no, whenever it is killed."""
    for _ in range(5):
        for pid in server.pids("auth"):
            processes.kill(pid, signal.SIGKILL)
        for listener in LISTENERS:
            assert log_in(server, "alice", listener=listener, source=new_source()) in ("yes", "later")
    for listener in LISTENERS:
        words_until_yes(server, listener)


def test_stopping_with_a_password_that_takes_for_ever(server):
    """As a PAM module that hangs would: it is waited for, but not long."""
    with Session(server) as session:
        session.begin_login("bob")
        log_in(server, "alice", source=new_source())
        assert server.stop() == 0
        with pytest.raises(Closed):
            session.read_line()
            session.read_line()


# ---- sessions ----


@pytest.fixture
def maildrop(server):
    """Three messages of alice; their names."""
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as smtp:
        for i in range(3):
            smtp.sendmail("a@elsewhere.example", ["alice@mx.example"], TEXT.format(i))
    server.wait_for_mail("alice", 3)
    return names(server)


def names(server):
    """Of all messages, seen or not."""
    return sorted(path.name.partition(":")[0] for path in maildir.files(server.maildir("alice")))


def open_session(server):
    session = Session(server, "pop3s", new_source())
    assert session.log_in("alice") == "yes"
    assert session.line("STAT").startswith("+OK 3 ")
    return session


def assert_fails(session, command):
    """-ERR, or the connection ends."""
    try:
        assert session.line(command).startswith("-ERR "), command
    except (Closed, OSError):
        pass


@pytest.mark.parametrize("commands", [["RETR 3", "QUIT"], ["QUIT"], ["TOP 2 0", "QUIT"]], ids=" ".join)
def test_mailbox(server, maildrop, commands):
    session = open_session(server)
    for number in (1, 2):
        assert session.line(f"DELE {number}").startswith("+OK ")
    kill_one(server, "mailbox")
    for command in commands:
        assert_fails(session, command)
    assert names(server) == maildrop
    with open_session(server) as another:
        assert another.line("QUIT").startswith("+OK ")
    assert wait_until(lambda: not server.pids("mailbox"))


def test_pop3d(server, maildrop):
    """All sessions end, nothing is removed, and new ones are welcome."""
    sessions = [open_session(server) for _ in range(3)]
    waiting = Session(server, "pop3s")
    waiting.begin_login("bob")
    for session in sessions:
        assert session.line("DELE 1").startswith("+OK ")
    old = kill_one(server, "pop3d")
    for session in [*sessions, waiting]:
        with pytest.raises((Closed, OSError)):
            session.read_line()
        session.close()
    assert wait_until(lambda: server.pids("pop3d") not in ([], [old]))
    assert wait_until(lambda: not server.pids("mailbox"))
    assert names(server) == maildrop
    assert wait_until(lambda: server.greets("pop3s"), 30)
    words_until_yes(server, "pop3s")
    with open_session(server) as session:
        assert session.line("DELE 1").startswith("+OK ")
        assert session.line("QUIT").startswith("+OK ")
    assert names(server) == maildrop[1:]


def test_smtpd_between_login_and_mail(server):
    """Who logged in is nobody in the next worker."""
    with Session(server) as session:
        assert session.log_in("alice") == "yes"
        for pid in server.pids("smtpd"):
            processes.kill(pid, signal.SIGKILL)
        with pytest.raises((Closed, OSError)):
            session.line("MAIL FROM:<alice@mx.example>")
    assert wait_until(lambda: server.greets("smtps"), 30)
    with Session(server) as session:
        assert session.line("MAIL FROM:<alice@mx.example>").startswith("530 ")
        assert session.log_in("alice") == "yes"
        assert session.line("MAIL FROM:<alice@mx.example>").startswith("250 ")
