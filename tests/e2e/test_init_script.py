"""contrib/init/ampel: verbs, names and exit codes go to `ampel` and come back."""

import os
import subprocess

import pytest

import processes
from server import ROOT
from test_services import chosen, family, lines, running, supervisor

SCRIPT = ROOT / "contrib" / "init" / "ampel"
NOT_INSTALLED, MISUSE, STOPPED, NOT_RUNNING = 5, 64, 3, 7


@pytest.fixture
def server(new_server):
    one = new_server(listeners=("smtp", "pop3s"))
    one.add_users()
    (one.folder / "default").write_text(f'AMPEL_BIN="{one.argv()[0]}"\nAMPEL_CONFIG="{one.conf}"\n')
    yield one
    one.command("zap")


def call(server, *words, **environment):
    return subprocess.run(
        [SCRIPT, *words],
        env=chosen(AMPEL_DEFAULTS=str(server.folder / "default"), **environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def code(server, *words, **environment):
    return call(server, *words, **environment).returncode


def test_a_day(server):
    assert code(server, "status") == STOPPED
    assert code(server, "reload") == code(server, "force-reload") == NOT_RUNNING
    started = call(server, "start")
    assert started.returncode == 0 and lines(started) == {"send": "ok", "smtp": "ok", "pop3s": "ok"}
    assert server.greets("smtp") and server.greets("pop3s")
    assert code(server, "start") == code(server, "status") == 0
    assert code(server, "reload") == code(server, "force-reload") == 0
    before = family(server)
    assert code(server, "stop") == code(server, "stop") == 0
    assert running(before) == []
    assert code(server, "status") == STOPPED


def test_restart_is_another_server(server):
    assert code(server, "restart") == 0, "LSB: it starts what does not run"
    old = family(server)
    assert code(server, "restart") == 0
    assert running(old) == [] and supervisor(server) not in old
    assert code(server, "status") == 0


def test_names(server):
    assert code(server, "start", "smtp", "send") == 0
    assert server.greets("smtp") and not server.greets("pop3s")
    assert code(server, "start", pop3s="yes") == 0
    assert server.greets("pop3s")
    assert set(lines(call(server, "stop", smtp="yes"))) == {"smtp"}
    assert code(server, "status", "smtp") == STOPPED and code(server, "status", "pop3s") == 0
    assert code(server, "stop", "nonsense") == MISUSE
    assert code(server, "start", pop3="yes") == MISUSE
    assert code(server, "zap") == 0
    assert code(server, "status") == STOPPED


def test_try_restart(server):
    """What does not run stays so."""
    assert code(server, "try-restart") == 0
    assert code(server, "status") == STOPPED
    assert code(server, "start", "smtp", "send") == 0
    old = [pid for pid in family(server) if processes.name(pid) == "ampel-smtpd"]
    assert code(server, "try-restart") == 0
    assert running(old) == []
    assert lines(call(server, "status")) == {"send": "running", "smtp": "running", "pop3s": "stopped"}
    assert code(server, "try-restart", "pop3s") == 0
    assert not server.greets("pop3s")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["--help"]])
def test_misuse(server, words):
    done = call(server, *words)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("usage: ")


def test_not_installed(server):
    (server.folder / "default").write_text("AMPEL_BIN=/nonexistent/ampel\n")
    done = call(server, "start")
    assert done.returncode == NOT_INSTALLED and "/nonexistent/ampel" in done.stderr


def test_header():
    """insserv(8) and update-rc.d(8) read it."""
    head = SCRIPT.read_text().split("### END INIT INFO")[0].splitlines()
    assert head[:2] == ["#!/bin/sh", "### BEGIN INIT INFO"]
    keys = {line[2:].partition(":")[0]: line.partition(":")[2].split() for line in head[2:]}
    assert keys["Provides"] == ["ampel", "mail-transport-agent"]
    assert {"$remote_fs", "$syslog", "$network", "$named"} <= set(keys["Required-Start"])
    assert keys["Default-Start"] == ["2", "3", "4", "5"] and keys["Default-Stop"] == ["0", "1", "6"]
    assert os.access(SCRIPT, os.X_OK)
