"""Type=notify, seen from systemd's end; and the units of contrib/systemd."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import processes
import unit_sandbox
from server import ROOT, wait_until
from test_services import running
from wire import Wire

UNITS = ROOT / "contrib" / "systemd"
MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nhello\r\n"


class Manager:
    """The socket that systemd would have."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.settimeout(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def message(self):
        """The next one: {name: value}"""
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def wait_for(self, name):
        """The next message that has it."""
        while name not in (message := self.message()):
            pass
        return message

    def is_silent(self, seconds):
        self.socket.settimeout(seconds)
        try:
            return self.message() is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(30)

    def environment(self, **more):
        return {**os.environ, "NOTIFY_SOCKET": self.address, **more}


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    address = str(tmp_path / "notify") if request.param == "path" else f"@ampel-{os.getpid()}-{tmp_path.name}"
    with Manager(address) as one:
        yield one


@pytest.fixture
def named(tmp_path):
    with Manager(str(tmp_path / "notify")) as one:
        yield one


def launch(server, manager, **more):
    """As server.launch, with systemd's environment."""
    server.add_users()
    with server.log_path.open("ab") as log:
        server.process = subprocess.Popen(
            server.argv("run"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=manager.environment(**more),
            start_new_session=True,
        )


# ---- what is told ----


def test_ready_when_it_answers(new_server, manager):
    server = new_server(listeners=("smtp", "pop3s"))
    launch(server, manager)
    assert manager.message() == {"READY": "1", "STATUS": "running"}
    assert server.greets("smtp") and server.greets("pop3s")
    assert server.stop() == 0
    assert manager.message()["STOPPING"] == "1"
    assert manager.is_silent(0.3)


SLOW = """#!/usr/bin/python3
import socket, time
time.sleep(1.5)
s = socket.socket(socket.AF_UNIX)
s.bind("ADDRESS")
s.listen()
while True:
    s.accept()[0].close()
"""


@pytest.fixture
def slow_server(new_server):
    """A helper takes its time; the sockets of the listeners are there before it is."""
    server = new_server(settings={"sessions_per_address": 1})
    script, address = server.folder / "slow", server.folder / "socket"
    script.write_text(SLOW.replace("ADDRESS", str(address)))
    script.chmod(0o755)
    user = "root" if os.geteuid() == 0 else "nobody"
    server.blocks = f'helper slow {{ command = "{script}"  ready = "{address}"  user = "{user}" }}\n'
    server.write_conf()
    return server


def test_not_ready_before_the_last_service(slow_server, named):
    launch(slow_server, named)
    assert named.is_silent(1)
    assert named.message()["READY"] == "1"


def test_not_ready_without_a_greeting(slow_server, named):
    """All programs are content, and yet whoever connects is not greeted: the start has failed."""
    launch(slow_server, named)

    def connect():
        try:
            return socket.create_connection(("127.0.0.1", slow_server.port), 5)
        except ConnectionRefusedError:
            return None

    first = wait_until(connect, 10)
    with first:  # the only session that this address may have
        assert named.message()["STOPPING"] == "1"
        assert slow_server.process.wait(30) == 1
    assert "not every service answers" in slow_server.log()
    assert slow_server.log_lines("smtp", f"127.0.0.1:{slow_server.port} greets with")


def test_reload_is_told(new_server, named):
    server = new_server()
    launch(server, named)
    named.wait_for("READY")
    before = time.monotonic_ns() // 1000
    server.must("reload")
    after = time.monotonic_ns() // 1000
    message = named.message()
    assert message["RELOADING"] == "1"
    assert before <= int(message["MONOTONIC_USEC"]) <= after
    assert named.message() == {"READY": "1", "STATUS": "running"}
    processes.kill(server.supervisor(), signal.SIGHUP)
    assert named.message()["RELOADING"] == "1"
    assert named.message()["READY"] == "1"
    # nothing has begun when the file itself is broken
    server.conf.write_text(server.conf.read_text() + "nonsense = 1\n")
    assert server.command("reload").returncode == 78
    assert named.is_silent(0.3)


def test_refused_reload_ends(new_server, named):
    """A program refuses its part: READY=1 comes all the same."""
    server = new_server(blocks='filter f { check = "/usr/bin/wc" }\n')
    launch(server, named)
    named.wait_for("READY")
    server.blocks = 'filter f { check = "/nonexistent/filter" }\n'
    server.write_conf()
    assert server.command("reload").returncode == 78
    assert named.message()["RELOADING"] == "1"
    message = named.message()
    assert message["READY"] == "1" and "refused" in message["STATUS"]


def test_watchdog(new_server, named):
    """Twice as often as is asked for, until its loop stands still."""
    server = new_server()
    launch(server, named, WATCHDOG_USEC="400000")
    start = time.monotonic()
    for _ in range(6):
        named.wait_for("WATCHDOG")
    assert time.monotonic() - start < 3
    os.kill(server.supervisor(), signal.SIGSTOP)
    try:
        while not named.is_silent(0.6):
            assert time.monotonic() - start < 10
    finally:
        os.kill(server.supervisor(), signal.SIGCONT)
    named.wait_for("WATCHDOG")


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "no"}])
def test_no_watchdog(new_server, named, more):
    server = new_server()
    launch(server, named, **more)
    named.wait_for("READY")
    assert named.is_silent(0.6)


def test_children_have_none_of_it(new_server, named):
    server = new_server()
    launch(server, named, WATCHDOG_USEC="30000000")
    named.wait_for("READY")
    children = server.children()
    assert len(children) > 5
    for pid in children:
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert b"WATCHDOG" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_server_in_the_background_tells_nothing(new_server, named):
    """It is not the process that systemd has started."""
    server = new_server()
    server.add_users()
    try:
        assert server.command("start", env=named.environment()).returncode == 0
        assert server.command("reload", env=named.environment()).returncode == 0
    finally:
        assert server.command("stop").returncode == 0
    assert named.is_silent(0.3)


@pytest.mark.parametrize("address", ["/nonexistent/notify", "relative", "@", "", "@" + 200 * "x"])
def test_nobody_listens(new_server, monkeypatch, address):
    server = new_server()
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    server.start()
    assert server.stop() == 0


# ---- the units ----


@pytest.fixture
def units(tmp_path, new_server):
    """Copies that name the ampel of this build."""
    server = new_server()
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/bin/ampel", server.argv()[0])
        (tmp_path / unit.name).write_text(text)
    return sorted(str(path) for path in tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_units_are_sound(units):
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_units_agree_with_the_program():
    """They call what exists, and wait for longer than the server does."""
    unit = UNITS / "ampel.service"
    assert unit_sandbox.values(unit, "Type") == ["notify"]
    assert unit_sandbox.values(unit, "ExecStart") == ["/usr/bin/ampel", "run"]
    assert unit_sandbox.values(unit, "ExecReload") == ["/usr/bin/ampel", "reload"]
    page = (ROOT / "man" / "ampel.conf.5").read_text()
    (stop_timeout,) = re.findall(r"\.It Ic stop_timeout.*?(\d+)s", page, re.DOTALL)[:1]
    assert int(unit_sandbox.values(unit, "TimeoutStopSec")[0]) > int(stop_timeout)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
@pytest.mark.skipif(not unit_sandbox.NUMBERS.exists(), reason="numbers of system calls are known on x86-64 only")
def test_the_sandbox_suffices(new_server, named, monkeypatch):
    """
    With the unit's capabilities and system calls, and no others, it becomes ready, takes mail,
    delivers it, reloads and stops.
    """
    enter, keep, kept = unit_sandbox.preexec(UNITS / "ampel.service")
    server = new_server(listeners=("smtp", "pop3s"), blocks='filter f { check = "/usr/bin/wc -c" }\n')
    server.preexec = enter
    monkeypatch.setenv("NOTIFY_SOCKET", named.address)
    server.start()
    assert named.message()["READY"] == "1"
    status = Path(f"/proc/{server.supervisor()}/status").read_text()
    assert "Seccomp:\t2" in status and "NoNewPrivs:\t0" in status
    (mask,) = re.findall(r"CapBnd:\t(\w+)", status)
    assert int(mask, 16).bit_count() == len(kept)
    with Wire(server.port) as session:
        session.begin()
        assert session.data(MESSAGE).code == 250
    server.wait_for_mail()
    server.must("reload")
    before = [server.supervisor(), *server.children()]
    assert server.stop() == 0
    assert running(before) == []
    assert keep is not None  # the filter's memory, until here
