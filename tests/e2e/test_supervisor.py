"""`ampel`: how it starts, stops, reloads, restarts what dies, and what it says when it cannot."""

import json
import os
import pwd
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import processes
from server import free_port, wait_until
from wire import Closed, Wire

CONFIG_BAD = 78
PROGRAMS = {"smtpd": "_ampelsmtp", "lookup": "_ampellookup", "queue": "_ampelqueue"}
MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nhello\r\n"
FILTER = 'filter count { check = "/usr/bin/wc -c" }\n'

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def server(new_server):
    return new_server(blocks=FILTER).start()


@pytest.fixture
def background(new_server):
    """A server for `ampel start`; stopped whatever happens."""
    server = new_server(blocks=FILTER)
    server.add_users()
    yield server
    server.command("zap", seconds=200)
    server.command("stop", seconds=200)


def accepts(server, recipient="alice@mx.example"):
    with Wire(server.port) as wire:
        wire.begin(recipient)
        return wire.data(MESSAGE).code == 250


def services(text):
    """{name: word} of the lines that start, stop and status print."""
    return {line.split()[0]: line.split()[1] for line in text.splitlines() if line.strip()}


# ---- ampel run ----


def cannot_run(server, *words):
    """Exit 78, and one line that has all the words."""
    done = server.command("run", seconds=60)
    lines = (done.stdout + done.stderr).splitlines()
    assert done.returncode == CONFIG_BAD, (done.returncode, lines)
    # a run without root, or without a certificate, says so first
    lines = [line for line in lines if "without root" not in line and ": warning: " not in line]
    assert len(lines) == 1, lines
    assert all(word in lines[0] for word in words), lines[0]


def test_port_in_use(new_server):
    server = new_server()
    server.add_users()
    with socket.socket() as s:
        s.bind(("127.0.0.1", server.port))
        s.listen()
        cannot_run(server, f"127.0.0.1:{server.port}", "in use")


def test_address_that_is_not_ours(new_server):
    server = new_server()
    server.add_users()
    server.conf.write_text(server.conf.read_text().replace("127.0.0.1:", "192.0.2.1:"))
    cannot_run(server, "192.0.2.1")


def test_bad_address(new_server):
    server = new_server()
    server.add_users()
    server.conf.write_text(server.conf.read_text().replace(f":{server.port}", ":99999"))
    cannot_run(server, "127.0.0.1:99999", f"{server.conf}:")


def test_missing_configuration(new_server):
    server = new_server()
    server.conf.unlink()
    cannot_run(server, str(server.conf))


def test_unreadable_users(new_server):
    server = new_server()
    server.add_users()
    passwd = server.passwd()
    passwd.unlink()
    passwd.mkdir()
    cannot_run(server, str(passwd))


def test_broken_users(new_server):
    server = new_server()
    server.add_users()
    with server.passwd().open("a") as f:
        f.write("not a line of passwd\n")
    cannot_run(server, f"{server.passwd()}:3")


def test_missing_filter_program(new_server):
    server = new_server(blocks='filter f { check = "/nonexistent/filter" }\n')
    server.add_users()
    cannot_run(server, 'filter "f"', "No such file")


def test_all_mistakes_at_once(new_server):
    server = new_server(
        blocks='filter f { spamd = "127.0.0.1:783"  yellow = 9  red = 1 }\n'
        'listen pop3 { address = { "127.0.0.1:110" } }\n'
        "recipients = many\n"
    )
    done = server.command("run")
    lines = done.stderr.splitlines()
    assert done.returncode == CONFIG_BAD
    first = len(server.conf.read_text().splitlines()) - 2
    for offset, words in ((0, "red"), (1, "in the clear"), (2, '"recipients"')):
        assert [line for line in lines if line.startswith(f"{server.conf}:{first + offset}:") and words in line]


@as_root
def test_missing_accounts(new_server):
    """Said clearly, with the command that makes them."""
    server = new_server()
    server.add_users()
    passwd = server.folder / "etc-passwd"
    passwd.write_text(
        "".join(
            line
            for line in Path("/etc/passwd").read_text().splitlines(keepends=True)
            if not line.startswith("_ampel")
        )
    )
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        pytest.skip("no mount namespaces here")
    script = f'mount --bind {passwd} /etc/passwd && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *server.argv("run")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == CONFIG_BAD
    assert "_ampelsmtp" in done.stderr and "contrib/sysusers" in done.stderr


def test_without_root(new_server):
    server = new_server(as_nobody=True, blocks=FILTER).start()
    if os.geteuid() == 0:
        lines = server.log_lines("root")
        assert len(lines) == 1, lines
    assert accepts(server)
    server.wait_for_mail()
    assert server.stop() == 0


# ---- privileges ----


def status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


@as_root
@pytest.mark.parametrize("program, account", [*PROGRAMS.items(), ("hiq", "_ampelfilter")])
def test_privileges(server, program, account):
    assert accepts(server)
    (pid,) = server.pids(program)
    who = pwd.getpwnam(account)
    seen = status(pid)
    assert set(seen["Uid"]) == {str(who.pw_uid)}
    assert set(seen["Gid"]) == {str(who.pw_gid)}
    assert set(seen["Groups"]) <= {str(who.pw_gid)}
    assert {int(seen[f"Cap{kind}"][0], 16) for kind in ("Eff", "Prm", "Inh", "Amb")} == {0}
    assert seen["NoNewPrivs"] == ["1"]
    if program == "smtpd":
        root = os.readlink(f"/proc/{pid}/root")
        assert root != "/"
        files = [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]
        folders = {os.readlink(path) for path in files if os.path.isdir(path)}
        # the root itself is harmless: ".." leads nowhere from there
        assert folders <= {root}, "a folder's descriptor leads out of the chroot"


@as_root
def test_privileges_of_deliver(server):
    server.must("stop", "send")
    assert accepts(server)
    server.must("start", "send")
    mail = pwd.getpwnam("_ampelmail").pw_uid
    (pid,) = wait_until(lambda: server.pids("deliver"), 10)
    assert wait_until(lambda: set(status(pid)["Uid"]) == {str(mail)}, 5)
    server.wait_for_mail()
    assert server.mail()[0].path.stat().st_uid == mail


# ---- what dies is restarted ----


@pytest.mark.parametrize("program", [*PROGRAMS, "hiq"])
def test_restart_of(server, program):
    (old,) = server.pids(program)
    processes.kill(old, signal.SIGKILL)
    assert wait_until(lambda: set(server.pids(program)) - {old}, 20)

    def works():
        try:
            return accepts(server)
        except (AssertionError, Closed, OSError):
            return False

    assert wait_until(works, 30, 0.2)
    server.wait_for_mail()
    assert processes.is_running(server.supervisor())


def test_question_to_a_dead_lookup_is_answered_451(server):
    with Wire(server.port) as wire:
        wire.hello()
        wire.expect(250, "MAIL FROM:<a@client.example>")
        (pid,) = server.pids("lookup")
        os.kill(pid, signal.SIGSTOP)
        wire.send(b"RCPT TO:<alice@mx.example>\r\n")
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        reply = wire.reply()
        assert (reply.code, reply.status) == (451, "4.3.0")
        retry = lambda: wire.command("RCPT TO:<alice@mx.example>").code == 250
        assert wait_until(retry, 20, 0.3)


# ---- stop ----


def test_stop_of_an_idle_server(server):
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 5
    assert not server.greets()


def test_stop_tells_idle_sessions(server):
    with Wire(server.port) as wire:
        wire.hello()
        processes.kill(server.supervisor(), signal.SIGTERM)
        reply = wire.reply()
        assert (reply.code, reply.status) == (421, "4.3.2")
        assert wire.is_closed()
    assert server.stop() == 0


def test_stop_lets_a_transaction_end(server):
    with Wire(server.port) as wire:
        wire.begin()
        wire.expect(354, "DATA")
        wire.send(MESSAGE)
        processes.kill(server.supervisor(), signal.SIGTERM)
        time.sleep(0.5)
        wire.send(b".\r\n")
        wire.expect(250)
        wire.expect(421)
        assert wire.is_closed()
    assert server.stop() == 0
    server.start(add_users=False)
    server.wait_for_mail()


# ---- reload ----


def test_reload(server):
    (smtpd,) = server.pids("smtpd")
    with Wire(server.port) as old:
        old.hello()
        server.domains = ("mx.example", "new.example")
        server.write_conf()
        server.must("reload")
        old.expect(250, "NOOP")
    assert accepts(server, "alice@new.example")
    assert server.pids("smtpd") == [smtpd], "sessions survive a reload"


def test_new_user_needs_no_restart(server):
    server.must("user", "add", "carol")
    server.must("reload")
    assert accepts(server, "carol@mx.example")
    server.wait_for_mail("carol")


def test_reload_of_a_broken_configuration(server):
    good = server.conf.read_text()
    server.conf.write_text(good + "nonsense = 1\n")
    done = server.command("reload")
    assert done.returncode != 0
    assert "nonsense" in done.stdout + done.stderr
    assert accepts(server), "the old one is still used"
    server.conf.write_text(good)
    server.must("reload")


# ---- start, status, stop ----


def test_start_status_stop(background):
    server = background
    started = server.must("start")
    assert services(started) == {"send": "ok", "smtp": "ok"}
    assert server.greets(), "start returns when it answers"
    assert set(services(server.must("status"))) == {"send", "smtp"}
    rows = [json.loads(line) for line in server.must("status", "--json").splitlines()]
    assert {row["service"]: row["ok"] for row in rows} == {"send": True, "smtp": True}
    assert accepts(server)
    server.wait_for_mail()
    stopped = server.must("stop")
    assert set(services(stopped).values()) == {"ok"}
    assert not server.greets()
    assert server.command("status").returncode == 3, "LSB: not running"


def test_start_twice(background):
    background.must("start")
    before = background.must("status")
    background.command("start")
    assert background.greets()
    assert services(background.must("status")) == services(before)


def test_start_that_cannot(background):
    with socket.socket() as s:
        s.bind(("127.0.0.1", background.port))
        s.listen()
        done = background.command("start")
        assert done.returncode != 0
        assert f"127.0.0.1:{background.port}" in done.stdout + done.stderr
    assert background.command("status").returncode == 3


def test_status_after_a_crash(background):
    """LSB: 1, dead with a pid file."""
    background.must("start")
    pid = int(next(background.root.glob("**/run/pid")).read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not background.greets(), 10)
    assert background.command("status").returncode == 1
    background.must("start")
    assert background.greets()


def test_helper_ends_with_a_killed_supervisor(new_server):
    """It would hold the address that the next one needs."""
    server = new_server(
        blocks='helper rest { command = "/bin/sleep 4242" %s }\n'
        % ('user = "nobody"' if os.geteuid() == 0 else "")
    )
    server.start()
    resting = lambda: subprocess.run(["pgrep", "-f", "^/bin/sleep 4242"]).returncode == 0
    assert resting()
    os.kill(server.supervisor(), signal.SIGKILL)
    assert wait_until(lambda: not resting(), 10)


def test_one_service(background):
    background.must("start")
    background.must("stop", "smtp")
    assert not background.greets()
    assert services(background.command("status").stdout)["smtp"] == "stopped"
    background.must("start", "smtp")
    assert background.greets()


def test_selection_by_environment(background):
    background.must("start")
    done = background.command("stop", env={**os.environ, "smtp": "yes"})
    assert done.returncode == 0 and set(services(done.stdout)) == {"smtp"}
    assert not background.greets()


@pytest.mark.parametrize("verb", ["run", "start"])
@pytest.mark.parametrize("name", ["pop3", "nonsense"])
def test_no_such_service(background, name, verb):
    done = background.command(verb, name)
    assert done.returncode == 64
    assert name in done.stderr
    if name == "pop3":
        assert "pop3s" in done.stderr
    assert background.command("status").returncode == 3


def test_restart(background):
    background.must("start")
    with Wire(background.port) as wire:
        wire.hello()
    background.must("restart")
    assert accepts(background)
    background.wait_for_mail()


def test_zap(background):
    """A transaction that would never end does not hold it up."""
    background.must("start")
    with Wire(background.port) as wire:
        wire.begin()
        wire.expect(354, "DATA")
        start = time.monotonic()
        background.must("zap")
        assert time.monotonic() - start < 15
    assert not background.greets()


def test_stop_that_fails_names_zap(new_server):
    """It waits for what is in flight, never kills, and then says FAILED."""
    server = new_server(settings={"stop_timeout": "2s"})
    server.add_users()
    try:
        server.must("start")
        with Wire(server.port) as wire:
            wire.begin()
            wire.expect(354, "DATA")
            done = server.command("stop")
            assert done.returncode != 0
            assert "FAILED" in done.stdout and "zap" in done.stdout + done.stderr
            wire.send(MESSAGE + b".\r\n")
            wire.expect(250)
    finally:
        server.command("zap")
        server.command("stop")


def test_helper_is_a_service(new_server):
    """Started before the listeners, restarted when it dies, named in status."""
    server = new_server()
    script = server.folder / "helper"
    port = free_port()
    script.write_text(
        "#!/usr/bin/python3\n"
        "import socket\n"
        "s = socket.create_server(('127.0.0.1', %d))\n"
        "while True:\n    s.accept()[0].close()\n" % port
    )
    script.chmod(0o755)
    server.blocks = f'helper echo {{ command = "{script}"  ready = "127.0.0.1:{port}" }}\n'
    server.write_conf()
    server.start()
    assert services(server.must("status")).keys() == {"echo", "send", "smtp"}
    (pid,) = [p for p in server.children() if str(script) in Path(f"/proc/{p}/cmdline").read_text()]
    os.kill(pid, signal.SIGKILL)

    def answers():
        try:
            socket.create_connection(("127.0.0.1", port), 2).close()
            return True
        except OSError:
            return False

    time.sleep(0.1)
    assert wait_until(answers, 20, 0.1)
    server.stop()
    assert not answers()
