"""The listener `local`: a Unix socket, and the uid at its other end is who sends."""

import os
import pwd
import smtplib
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from server import NOBODY, wait_until
from wire import Closed, Wire

NAMELESS = 54321  # no account has it
MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nhello\r\n"
FORWARD = "list-bounces@elsewhere.example"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# A program of this host, as any that knows smtplib, run by whatever uid.
PROGRAM = """
import smtplib, socket, sys

class Local(smtplib.SMTP):
    def _get_socket(self, path, port, timeout):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        connection.connect(path)
        return connection

path, sender, *recipients = sys.argv[1:]
with Local(path, timeout=20) as smtp:
    smtp.sendmail(sender, recipients, "Subject: hello\\n\\nhello\\n")
"""


def received(mail):
    """Our field, unfolded."""
    return " ".join(mail.values(b"Received")[0].decode().split())


def send_as(uid, server, *recipients, sender=FORWARD):
    done = subprocess.run(
        ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", sys.executable, "-I", "-c",
         PROGRAM, str(server.ports["local"]), sender, *recipients],
        cwd="/", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture
def server(new_server):
    return new_server(listeners=("smtp", "local")).start()


# ---- who it is ----


@as_root
@pytest.mark.parametrize("uid", [NOBODY, NAMELESS])
def test_account(server, uid):
    name = pwd.getpwuid(uid).pw_name if uid == NOBODY else str(uid)
    send_as(uid, server, "alice@mx.example")
    mail = server.wait_for_mail()[0]
    assert mail.values(b"Return-Path") == [f"<{FORWARD}>".encode()], "from any reverse-path"
    assert received(mail).startswith(f"from {name} (uid {uid}) by mx.example with ESMTP id ")
    assert len(mail.values(b"Date")) == len(mail.values(b"Message-ID")) == 1
    server.wait_for_log("ev=accept", "peer=local", f"user={name}")


def test_whoever_talks_is_not_who_he_says(server):
    """HELO and AUTH tell nothing; the kernel does."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    with Wire(server.ports["local"]) as wire:
        assert wire.reply().code == 220
        assert wire.command("EHLO alice").code == 250
        assert wire.command("AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=").code == 502
        assert wire.command("MAIL FROM:<alice@mx.example>").code == 250
        assert wire.command("RCPT TO:<bob@mx.example>").code == 250
        assert wire.data(MESSAGE).code == 250
    assert received(server.wait_for_mail("bob")[0]).startswith(f"from {me} (uid {os.geteuid()}) ")


def test_relays(new_server):
    """Also more than an authenticated user may send in a day."""
    server = new_server(listeners=("smtp", "local"), settings={"daily_recipients": 1}).start()
    with Wire(server.ports["local"]) as local, Wire(server.ports["smtp"]) as smtp:
        local.begin("one@elsewhere.example", "two@elsewhere.example")
        smtp.begin("alice@mx.example")
        assert smtp.command("RCPT TO:<one@elsewhere.example>").code == 550


@as_root
def test_sessions_count_per_account(new_server):
    server = new_server(listeners=("local",), settings={"sessions_per_address": 2}).start()
    held = []

    def is_greeted():
        held.append(Wire(server.ports["local"]))
        return held[-1].reply().code == 220

    # one of a look for a greeting may still be ending
    assert wait_until(lambda: is_greeted() and is_greeted())
    held.append(Wire(server.ports["local"]))
    reply = held[-1].reply()
    assert (reply.code, reply.status) == (421, "4.7.0")
    send_as(NOBODY, server, "alice@mx.example")
    server.wait_for_log("ev=session-refused", "peer=local")
    for wire in held:
        wire.close()


# ---- filters ----


@pytest.mark.parametrize("listeners, code", [("", 250), ('listeners = { "local" }', 554)])
def test_filters(new_server, listeners, code):
    """None by default, but those that name it."""
    server = new_server(listeners=("smtp", "local"), blocks="")
    judge = server.folder / "judge"
    judge.write_text("#!/bin/sh\n! grep -q '^Subject: hello'\n")
    judge.chmod(0o755)
    server.blocks = f'filter rules {{ check = "{judge}"  {listeners} }}\n'
    server.write_conf()
    server.start()
    with Wire(server.ports["local"]) as wire:
        wire.begin("alice@mx.example")
        assert wire.data(MESSAGE).code == code


# ---- the socket ----


@as_root
def test_socket(server):
    path = server.ports["local"]
    mode = path.lstat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o666
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    submit = pwd.getpwnam("_ampelsubmit").pw_uid
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in server.pids("smtpd")}
    assert owners == {submit, pwd.getpwnam("_ampelsmtp").pw_uid}
    server.stop()
    assert not path.exists()


def test_socket_of_a_killed_server(server):
    path = server.ports["local"]
    server.kill_all()
    assert path.exists(), "nobody was there to remove it"
    server.start(add_users=False)
    with Wire(path) as wire:
        assert wire.reply().code == 220


@pytest.mark.parametrize("is_alive", [False, True])
def test_what_is_not_ours_stays(new_server, is_alive):
    """A file that is no socket, and a socket that somebody listens on."""
    server = new_server(listeners=("local",))
    path = server.folder / "taken"
    server.blocks = f'listen local {{ address = "{path}" }}\n'
    server.ports = {}
    server.write_conf()
    server.add_users()
    with socket.socket(socket.AF_UNIX) as other:
        if is_alive:
            other.bind(str(path))
            other.listen(1)
        else:
            path.write_text("precious")
        done = server.command("run")
        assert done.returncode == 78 and f"cannot listen on {path}" in done.stdout + done.stderr
        assert is_alive or path.read_text() == "precious"
        if is_alive:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))


def test_start_status_stop(new_server):
    server = new_server(listeners=("smtp", "local"))
    server.add_users()
    path = server.ports["local"]
    try:
        assert "ok" in [line for line in server.must("start").splitlines() if "local" in line][0]
        assert str(path) in server.must("status")
        server.must("stop", "local")
        assert not path.exists()
        assert server.command("status").returncode != 0
        server.must("start", "local")
        with Wire(path) as wire:
            assert wire.reply().code == 220
        server.must("restart", "local")
        with Wire(path) as wire:
            assert wire.reply().code == 220
    finally:
        server.command("stop", seconds=200)


def test_idle_session_hears_of_the_end(server):
    with Wire(server.ports["local"]) as wire:
        assert wire.reply().code == 220
        server.process.terminate()
        reply = wire.reply()
        assert (reply.code, reply.status) == (421, "4.3.2")
        assert wire.is_closed()


def test_lookup_that_is_gone(server):
    """Nobody is greeted whose name cannot be asked for: he waits, and is not lost."""
    for pid in server.pids("lookup"):
        os.kill(pid, 9)
    with Wire(server.ports["local"]) as wire:
        try:
            assert wire.reply().code in (220, 421)
        except Closed:
            pytest.fail("closed without a word")


def test_smtplib(server):
    """In this process, by the library."""

    class Local(smtplib.SMTP):
        def _get_socket(self, path, _port, timeout):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(timeout)
            connection.connect(path)
            return connection

    with Local(str(server.ports["local"]), timeout=20) as smtp:
        smtp.sendmail("jörg@bücher.example", ["alice@mx.example"], "Subject: hello\n\nhello\n",
                      mail_options=["SMTPUTF8", "RET=HDRS", "ENVID=one"], rcpt_options=["NOTIFY=NEVER"])  # fmt: skip
        assert smtp.has_extn("dsn") and smtp.has_extn("chunking") and not smtp.has_extn("auth")
    assert " with UTF8SMTP id " in received(server.wait_for_mail()[0])
