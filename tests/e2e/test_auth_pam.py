"""
password_check = pam, with users of the host. PAM has one place for the service's file: while
these tests run, it is theirs; where an administrator has put one there, they do not run.
"""

import pwd
import re
from pathlib import Path

import pytest

import login
import pam_service
from host_user import HostUser
from login import HASH, PASSWORD, log_in, new_source
from server import wait_until

SERVICE = pam_service.FILE
UNIX = "auth required pam_unix.so\naccount required pam_unix.so\n"
PERMIT = "auth required pam_permit.so\naccount required pam_permit.so\n"
LISTENERS = ("smtps", "pop3s")
CONFIG_BAD = 78


@pytest.fixture(scope="module", autouse=True)
def service():
    """The file, removed at the end."""
    with pam_service.held():
        SERVICE.write_text(UNIX)
        yield


@pytest.fixture(scope="module")
def server(module_server):
    settings = {"password_check": "pam", "users": "system"}
    return module_server(listeners=("smtp", *LISTENERS), users=(), settings=settings).start(add_users=False)


@pytest.fixture
def somebody(server, request):
    """Of a new name each time: nobody has failed with it."""
    SERVICE.write_text(UNIX)
    names = [item.nodeid for item in request.session.items]
    user = HostUser(f"ampel-pam-{names.index(request.node.nodeid)}", server.folder)
    yield user
    user.remove()


def words(server, user, password=PASSWORD):
    return [log_in(server, user, password, listener, new_source()) for listener in LISTENERS]


def test_by_the_hosts_own_passwords(server, somebody):
    assert words(server, somebody.name) == ["yes", "yes"]
    assert words(server, somebody.name, "wrong") == ["no", "no"]
    assert words(server, "nobody-of-this-host") == ["no", "no"]
    assert words(server, f"{somebody.name}@mx.example") == ["yes", "yes"]


def test_the_same_text(server, somebody):
    for listener in LISTENERS:
        texts = {
            login.answer(server, user, password, listener, new_source())
            for user, password in (
                (somebody.name, "wrong"),
                ("nobody-of-this-host", "x"),
                ("root", "x"),
                ("daemon", "x"),
            )
        }
        assert len(texts) == 1


def test_the_mailbox_is_his(server, somebody):
    with login.Session(server, "pop3s", new_source()) as session:
        assert session.log_in(somebody.name) == "yes"
        (mailbox,) = server.pids("mailbox")
        status = Path(f"/proc/{mailbox}/status").read_text()
        user = pwd.getpwnam(somebody.name)
        for field, number in (("Uid", user.pw_uid), ("Gid", user.pw_gid)):
            assert re.search(rf"^{field}:\t{number}\t{number}\t{number}\t{number}$", status, re.M)
        assert session.line("QUIT").startswith("+OK ")
    assert wait_until(lambda: not server.pids("mailbox"))


@pytest.mark.parametrize(
    "options", [("--lock",), ("--password", "*"), ("--expiredate", "1")], ids=lambda options: options[0]
)
def test_an_account_that_is_closed(server, somebody, options):
    assert words(server, somebody.name) == ["yes", "yes"]
    somebody.change(*options)
    assert words(server, somebody.name) == ["no", "no"]


def test_a_changed_password(server, somebody):
    somebody.change("--password", "!" + HASH)
    assert words(server, somebody.name) == ["no", "no"]
    somebody.change("--password", HASH)
    assert words(server, somebody.name) == ["yes", "yes"]


def test_modules_that_say_yes(server, somebody):
    """Even then nobody is root, and nobody gets in without a password."""
    SERVICE.write_text(PERMIT)
    assert words(server, somebody.name, "anything") == ["yes", "yes"]
    assert words(server, "root", "anything") == ["no", "no"]
    with login.Session(server, source=new_source()) as session:
        session.begin_login(somebody.name, "")
        assert session.read_line()[:3] in ("501", "535")
    assert log_in(server, "nobody-of-this-host", "x", "pop3s", new_source()) == "later"
    server.wait_for_log('no mailbox for "nobody-of-this-host": no such user')


@pytest.mark.parametrize(
    "text, word",
    [
        ("auth required pam_deny.so\naccount required pam_permit.so\n", "no"),
        ("auth required pam_permit.so\naccount required pam_deny.so\n", "no"),
        ("auth required pam_of_nobody.so\naccount required pam_permit.so\n", "later"),
        ("auth required pam_permit.so\naccount required pam_of_nobody.so\n", "later"),
    ],
    ids=["auth-no", "account-no", "no-auth-module", "no-account-module"],
)
def test_modules_that_do_not(server, somebody, text, word):
    """What is broken is not the user's fault."""
    SERVICE.write_text(text)
    assert words(server, somebody.name) == [word, word]


def test_no_service_file(new_server):
    """PAM would take that of "other"; the server says what is missing instead."""
    SERVICE.unlink()
    try:
        settings = {"password_check": "pam", "users": "system"}
        one = new_server(listeners=("smtp", "smtps"), users=(), settings=settings)
        done = one.command("run")
    finally:
        SERVICE.write_text(UNIX)
    assert done.returncode == CONFIG_BAD
    assert str(SERVICE) in done.stderr


def test_auth_is_root_and_nobody_else(server, somebody):
    def uid(pid):
        return int(re.search(r"^Uid:\t(\d+)\t", Path(f"/proc/{pid}/status").read_text(), re.M)[1])

    assert [uid(pid) for pid in server.pids("auth")] == [0]
    others = {name: uid(pid) for name in ("smtpd", "pop3d", "lookup", "queue") for pid in server.pids(name)}
    assert len(others) == 4
    assert 0 not in others.values()
