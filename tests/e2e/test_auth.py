"""ampel-auth as a program of its own; the test is its supervisor, smtpd and pop3d."""

import os
import pwd
import re
import time
from pathlib import Path

import pam_service
import pytest

from frames import ANSWERS, Child, pair
from server import NOBODY, make_folder

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
YES, NO, LATER = (ANSWERS[f"PASSWORD_{word}"] for word in ("YES", "NO", "TRY_LATER"))


@pytest.fixture
def house():
    """A folder with a shadow file: alice's password is "alice-secret"."""
    import crypt
    import shutil

    folder = make_folder("ampel-auth-")
    (folder / "etc").mkdir()
    shadow = folder / "etc" / "shadow"
    shadow.write_text("alice:" + crypt.crypt("alice-secret", "$5$rounds=1000$saltsalt") + ":20000:0:99999:7:::\n")
    shadow.chmod(0o640)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def auth(house):
    child = Child("ampel-auth", house / "log")
    yield child
    child.end()


def conf(house, password_check="file"):
    return (
        f'hostname = "mx.example"\ndomains = {{ "mx.example" }}\nroot = "{house}"\n'
        f'password_check = "{password_check}"\n'
    )


def ask(channel, user, password, q=1, address="192.0.2.1", **more):
    channel.send("ASK_PASSWORD", q=q, listener="smtps", address=address, user=user, password=password, **more)


def answer(channel, user, password, **more):
    ask(channel, user, password, **more)
    values = channel.expect("PASSWORD")
    return values["answer"], values["user"]


def script(house, text):
    path = house / "check"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def of_threads(child, key):
    """That line of /proc/PID/status, of each thread."""
    values = []
    for task in Path(f"/proc/{child.process.pid}/task").iterdir():
        values += re.findall(rf"^{key}:[ \t]*(.*)$", (task / "status").read_text(), re.M)
    return values


def test_smtpd(house, auth):
    assert auth.configure(conf(house)) is None
    smtpd = auth.add_peer("ROLE_SMTPD")
    assert answer(smtpd, "ALICE@mx.example", "alice-secret") == (YES, b"alice")
    assert answer(smtpd, "alice", "alice-secret ") == (NO, b"")
    assert answer(smtpd, "carol", "alice-secret") == (NO, b"")
    assert auth.stats() == "yes 1, no 2, later 0, waiting 0"
    assert auth.control.is_silent(0.1)  # nobody asked for a mailbox
    assert auth.stop() == 0
    log = auth.log()
    assert log.count("ev=login") == 3
    assert "carol" not in log and "secret" not in log


def test_mailbox(house, auth):
    """After the yes, the supervisor gets the name and pop3d's socket."""
    assert auth.configure(conf(house)) is None
    pop3d = auth.add_peer("ROLE_POP3D")
    ours, theirs = pair()
    assert answer(pop3d, "alice", "wrong", fds=[theirs.fileno()]) == (NO, b"")
    assert auth.control.is_silent(0.1)
    assert answer(pop3d, "Alice", "alice-secret", fds=[theirs.fileno()]) == (YES, b"alice")
    values, fds = auth.control.expect("WANT_MAILBOX")
    assert values["user"] == b"alice" and len(fds) == 1
    theirs.close()
    os.write(fds[0], b"hello")
    assert ours.recv(10) == b"hello"
    os.close(fds[0])
    assert ours.recv(10) == b""  # auth has kept no copy
    assert auth.stop() == 0


@AS_ROOT
def test_drops_everything(house, auth):
    """Its threads too, though they were there before."""
    os.chown(house / "etc" / "shadow", 0, NOBODY)
    assert auth.configure(conf(house), uid=NOBODY) is None
    assert len(of_threads(auth, "Uid")) > 4
    assert set(of_threads(auth, "Uid")) == {"\t".join([str(NOBODY)] * 4)}
    assert set(of_threads(auth, "Gid")) == {"\t".join([str(NOBODY)] * 4)}
    assert {groups.strip() for groups in of_threads(auth, "Groups")} == {""}
    assert set(of_threads(auth, "NoNewPrivs")) == {"1"}
    assert set(of_threads(auth, "CapPrm")) == {"0" * 16}
    assert answer(auth.add_peer("ROLE_SMTPD"), "alice", "alice-secret") == (YES, b"alice")


def test_open_file_is_try_later(house, auth):
    """As ssh does with keys: what all could read is no secret any more."""
    assert auth.configure(conf(house)) is None
    smtpd = auth.add_peer("ROLE_SMTPD")
    (house / "etc" / "shadow").chmod(0o644)
    assert answer(smtpd, "alice", "alice-secret") == (LATER, b"")
    assert answer(smtpd, "alice", "alice-secret") == (LATER, b"")
    assert auth.log().count("others may read or write it") == 1
    (house / "etc" / "shadow").chmod(0o600)
    assert answer(smtpd, "alice", "alice-secret") == (YES, b"alice")


def test_program(house, auth):
    check = script(house, '[ "$(tr "\\0" " " <&3)" = "alice secret  " ]\n')
    assert auth.configure(conf(house, check)) is None
    smtpd = auth.add_peer("ROLE_SMTPD")
    assert answer(smtpd, "Alice", "secret") == (YES, b"alice")
    assert answer(smtpd, "alice", "wrong") == (NO, b"")
    assert set(of_threads(auth, "NoNewPrivs")) == {"0"}  # it may be setuid
    assert auth.stop() == 0


def test_program_that_takes_any_password(house, auth):
    refusal = auth.configure(conf(house, script(house, "exit 0\n")))
    assert "accepts any password" in refusal


def test_stop(house, auth):
    """Those that wait are told; a check that takes too long is not waited for."""
    check = script(house, 'case "$(tr "\\0" " " <&3)" in slow*) sleep 20;; esac\nexit 1\n')
    assert auth.configure(conf(house, check)) is None
    smtpd = auth.add_peer("ROLE_SMTPD")
    for q in range(1, 7):
        ask(smtpd, "alice", "wrong", q=q)
    ask(smtpd, "slow", "x", q=7, address="192.0.2.2")
    for _ in range(3):
        assert smtpd.expect("PASSWORD")["answer"] == NO
    began = time.monotonic()
    assert auth.stop() == 0
    assert 1 < time.monotonic() - began < 15
    told = {}
    while (frame := smtpd.receive())[0]:
        told[frame[1]["q"]] = frame[1]["answer"]
    assert set(told) >= {5, 6} and set(told.values()) <= {LATER, NO}


@pytest.fixture
def pam(house):
    """Modules that ask a script, which knows alice and notes what it was told."""
    check = script(
        house,
        f'echo "$PAM_USER $PAM_RHOST $PAM_SERVICE $PAM_TYPE" >>{house}/told\n'
        'password=$(tr -d "\\0")\n'
        '[ "$PAM_USER" = broken ] && exit 9\n'
        '[ "$password" = "$PAM_USER-secret" ]\n',
    )
    with pam_service.held() as file:
        file.write_text(
            "auth [success=2 default=ignore] pam_succeed_if.so quiet user = broken\n"
            f"auth [success=2 default=ignore] pam_exec.so quiet expose_authtok {check}\n"
            "auth requisite pam_deny.so\n"
            f"auth requisite pam_exec.so quiet expose_authtok {check}\n"
            "auth required pam_permit.so\n"
            "account [success=ignore default=bad] pam_succeed_if.so quiet user != bin\n"
            "account required pam_permit.so\n"
        )
        yield house


def test_pam(pam, auth):
    assert auth.configure(conf(pam, "pam")) is None
    smtpd = auth.add_peer("ROLE_SMTPD")
    assert answer(smtpd, "DAEMON@mx.example", "daemon-secret", address="192.0.2.7") == (YES, b"daemon")
    assert answer(smtpd, "daemon", "wrong") == (NO, b"")
    assert answer(smtpd, "daemon", "") == (NO, b"")
    # the account is refused, behind the right password
    assert answer(smtpd, "bin", "bin-secret", address="192.0.2.3") == (NO, b"")
    # nobody can find out root's password here
    assert answer(smtpd, "root", "root-secret", address="192.0.2.4") == (NO, b"")
    # a module that fails is not the user's fault
    assert answer(smtpd, "broken", "x", address="192.0.2.5") == (LATER, b"")
    assert (pam / "told").read_text().startswith("daemon 192.0.2.7 ampel auth\n")
    assert "PAM: " in auth.log()
    assert "user=daemon result=no" in auth.log()
    assert "secret" not in auth.log()
    assert len(of_threads(auth, "Uid")) > 16
    assert pwd.getpwnam("daemon")
    assert auth.stop() == 0
