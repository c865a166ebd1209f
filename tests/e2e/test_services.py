"""
start, stop, restart, status, zap and reload as the classic script did them: verified, the same
when called again, safe when called at once, with the exit codes of LSB.
"""

import concurrent.futures
import os
import signal
import socket
import subprocess
import time

import pytest

import processes
from server import wait_until
from wire import Wire

MISUSE, DEAD, STOPPED, NOT_RUNNING = 64, 1, 3, 7
MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nhello\r\n"


@pytest.fixture
def make(new_server):
    """Servers for `ampel start`, ended whatever happens."""
    made = []

    def factory(**kwargs):
        server = new_server(**kwargs)
        server.add_users()
        made.append(server)
        return server

    yield factory
    for server in made:
        server.command("zap", seconds=60)


@pytest.fixture
def server(make):
    return make(listeners=("smtp", "pop3s"))


def pid_path(server):
    return server.root / "run" / "pid"


def supervisor(server):
    return int(pid_path(server).read_text())


def family(server):
    """The pids of the supervisor and of everything below it."""
    pid = supervisor(server)
    return [pid, *processes.descendants(pid)]


def running(pids):
    return [(pid, processes.name(pid)) for pid in pids if processes.is_running(pid)]


def lines(done):
    """{service: word}"""
    return {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}


def code(server, *words, **more):
    return server.command(*words, **more).returncode


def chosen(**services):
    return {**os.environ, **services}


def all_at_once(server, *commands):
    """The finished processes of commands (tuples of words) that begin together."""
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda words: server.command(*words, seconds=120), commands))


def supervisors(server):
    """The pids of all `ampel run` with this configuration."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
        except OSError:
            continue
        if bytes(server.conf) in argv and b"run" in argv and processes.is_running(int(entry)):
            found.append(int(entry))
    return found


def is_only_server(server):
    return supervisors(server) == [supervisor(server)] and server.greets()


# ---- which services ----


def test_names_on_the_command_line(server):
    done = server.command("start", "smtp")
    assert done.returncode == 0 and lines(done) == {"smtp": "ok"}
    assert server.greets("smtp") and not server.greets("pop3s")
    assert lines(server.command("status")) == {"send": "stopped", "smtp": "running", "pop3s": "stopped"}
    assert code(server, "start", "pop3s", "send") == 0
    assert server.greets("pop3s") and code(server, "status") == 0


def test_names_in_the_environment(server):
    done = server.command("start", env=chosen(smtp="yes", send="yes", pop3s="no"))
    assert done.returncode == 0 and set(lines(done)) == {"smtp", "send"}
    assert not server.greets("pop3s")
    assert set(lines(server.command("status", env=chosen(pop3s="yes")))) == {"pop3s"}
    done = server.command("stop", "smtp", env=chosen(send="yes"))
    assert set(lines(done)) == {"smtp"}, "the command line comes before the environment"


@pytest.mark.parametrize("value", ["no", "", "YES", "yes "])
def test_an_environment_that_selects_nothing_means_all(server, value):
    done = server.command("status", env=chosen(smtp=value))
    assert set(lines(done)) == {"smtp", "pop3s", "send"}


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "status", "zap"])
@pytest.mark.parametrize("name", ["nonsense", "submission", "pop3", "SMTP", ""])
def test_unknown_name(server, verb, name):
    done = server.command(verb, name, "smtp")
    assert done.returncode == MISUSE and done.stdout == ""
    assert name in done.stderr
    assert "pop3s" in done.stderr
    assert not pid_path(server).exists()


@pytest.mark.parametrize("name", ["submission", "smtps", "pop3"])
def test_unknown_listener_in_the_environment(server, name):
    """It must not become a command about everything."""
    assert code(server, "start") == 0
    for environment in (chosen(**{name: "yes"}), chosen(**{name: "yes", "smtp": "yes"})):
        done = server.command("stop", env=environment)
        assert done.returncode == MISUSE and name in done.stderr
    assert code(server, "status") == 0


def test_pop3_explains_itself(server):
    for done in (server.command("start", "pop3"), server.command("start", env=chosen(pop3="yes"))):
        assert done.returncode == MISUSE
        assert "in the clear" in done.stderr and "pop3s" in done.stderr


# ---- verified ----


def test_start_verifies_the_greeting(make):
    """Every program says it is ready, and yet nobody greets: its worker was stopped."""
    server = make()
    assert code(server, "start") == 0
    (smtpd,) = [p for p in family(server) if processes.name(p) == "ampel-smtpd"]
    os.kill(smtpd, signal.SIGSTOP)
    try:
        done, asked = all_at_once(server, ["start"], ["answers"])
    finally:
        os.kill(smtpd, signal.SIGCONT)
    assert done.returncode == 1 and lines(done)["smtp"] == "FAILED"
    assert f"127.0.0.1:{server.port}" in done.stdout
    assert asked.returncode == STOPPED and set(lines(asked)) == {"smtp"}


def test_stop_verifies_that_nobody_listens(make):
    """Its worker is gone, and its address accepts connections all the same."""
    server = make(settings={"stop_timeout": "8s"})
    assert code(server, "start") == 0
    with Wire(server.port) as session:
        session.begin()
        session.expect(354, "DATA")
        stop = subprocess.Popen(server.argv("stop", "smtp"), stdout=subprocess.PIPE, text=True)
        assert wait_until(lambda: not server.greets(), 5)
        with socket.create_server(("127.0.0.1", server.port)):
            session.send(MESSAGE + b".\r\n")
            session.expect(250)
            out, _ = stop.communicate(timeout=30)
            assert stop.returncode == 1 and "still accepts" in out
            done = server.command("stop", "smtp")
            assert done.returncode == 0, "of ours nothing listens, nor did before this stop"


@pytest.mark.parametrize("verb", ["stop", "zap"])
def test_everything_is_gone_after(server, verb):
    assert code(server, "start") == 0
    before = family(server)
    assert len(before) > 6
    assert code(server, verb) == 0
    assert running(before) == []
    assert not pid_path(server).exists()
    assert not server.greets("smtp") and not server.greets("pop3s")


def test_stop_of_the_last_service_is_the_end(server):
    assert code(server, "start") == 0
    before = family(server)
    assert code(server, "stop", "smtp", "pop3s", "send") == 0
    assert wait_until(lambda: running(before) == [], 10)
    assert code(server, "status") == STOPPED


def test_answers(server):
    """Silent while all is well."""
    assert code(server, "answers") == STOPPED
    assert code(server, "start") == 0
    done = server.command("answers")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert code(server, "stop", "smtp") == 0
    done = server.command("answers")
    assert done.returncode == STOPPED and lines(done) == {"smtp": "stopped"}
    assert code(server, "answers", "pop3s", "send") == 0


# ---- the same when called again; LSB ----


def test_again(server):
    assert code(server, "stop") == 0 and code(server, "zap") == 0
    assert lines(server.command("stop")) == {"smtp": "ok", "pop3s": "ok", "send": "ok"}
    assert code(server, "start") == 0
    before = family(server)
    done = server.command("start")
    assert done.returncode == 0 and set(lines(done).values()) == {"ok"}
    assert family(server) == before
    assert code(server, "stop", "smtp") == 0 and code(server, "stop", "smtp") == 0
    assert code(server, "start", "smtp") == 0 and code(server, "start", "smtp") == 0
    assert code(server, "stop") == 0 and code(server, "stop") == 0


def test_status_codes(server):
    assert code(server, "status") == code(server, "status", "smtp") == STOPPED
    assert code(server, "start") == 0
    assert code(server, "status") == code(server, "status", "smtp", "send") == 0
    assert code(server, "stop", "smtp") == 0
    assert code(server, "status", "smtp") == code(server, "status") == STOPPED
    assert code(server, "status", "smtp", "pop3s") == STOPPED
    assert code(server, "status", "pop3s", "send") == 0


def test_after_a_crash(server):
    """Its children end by themselves; status says dead; stop is content, start works."""
    assert code(server, "start") == 0
    before = family(server)
    os.kill(before[0], signal.SIGKILL)
    assert wait_until(lambda: running(before) == [], 15), running(before)
    assert code(server, "status") == code(server, "status", "smtp") == DEAD
    assert set(lines(server.command("status")).values()) == {"dead"}
    assert code(server, "reload") == NOT_RUNNING
    assert code(server, "stop") == 0
    assert code(server, "start") == 0
    assert is_only_server(server)


def test_restart_and_reload_of_what_does_not_run(server):
    done = server.command("reload")
    assert done.returncode == NOT_RUNNING and "does not run" in done.stderr
    done = server.command("restart")
    assert done.returncode == 0 and set(lines(done).values()) == {"ok"}
    assert is_only_server(server)
    assert code(server, "reload") == 0


def test_a_number_in_the_pid_file_is_no_proof(server):
    """Somebody else's process has it: nothing of ours runs, and it is left alone."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pid_path(server).parent.mkdir(exist_ok=True)
        pid_path(server).write_text(f"{stranger.pid}\n")
        assert code(server, "status") == DEAD
        assert code(server, "zap") == code(server, "stop") == 0
        assert code(server, "start") == 0
        assert code(server, "stop") == 0
        assert stranger.poll() is None
        stranger.kill()


# ---- zap ----


def test_zap_ends_what_hangs(make):
    """Also what is no service, and the programs of a filter; the queue ends by itself."""
    server = make()
    script = server.folder / "hang"
    script.write_text("#!/bin/sh\nif grep -q trouble; then trap '' TERM; sleep 4243; sleep 4243; fi\n")
    script.chmod(0o755)
    server.blocks = f'filter hang {{ check = "{script}" }}\n'
    server.write_conf()
    assert code(server, "start") == 0
    with Wire(server.port) as session:
        session.begin()
        session.expect(354, "DATA")
        session.send(MESSAGE + b"trouble\r\n.\r\n")
        assert wait_until(lambda: "sleep" in map(processes.name, family(server)), 10)
        before = family(server)
        for pid in before:
            if processes.name(pid) == "ampel-lookup":
                os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        done = server.command("zap")
        assert done.returncode == 0, done
        assert time.monotonic() - start < 8
    assert running(before) == []
    log = (server.root / "lib" / "log").read_text()
    assert "ampel-lookup (lookup) ended: signal 9" in log
    assert "ampel-queue (queue) ended" not in log, "it was not killed"
    assert code(server, "start") == 0


# ---- at once ----


def test_two_starts(server):
    for _ in range(3):
        done = all_at_once(server, ["start"], ["start"], ["start"])
        assert [d.returncode for d in done] == [0, 0, 0], done
        assert all(set(lines(d).values()) == {"ok"} and d.stderr == "" for d in done), done
        assert is_only_server(server)
        assert code(server, "stop") == 0


def test_starts_of_different_services(server):
    done = all_at_once(server, ["start", "smtp"], ["start", "pop3s"], ["start", "send"])
    assert [d.returncode for d in done] == [0, 0, 0], done
    assert code(server, "status") == 0 and is_only_server(server)


def test_two_stops(server):
    assert code(server, "start") == 0
    before = family(server)
    done = all_at_once(server, ["stop"], ["stop"], ["stop", "smtp"], ["stop"])
    assert [d.returncode for d in done] == [0] * 4, done
    assert running(before) == []


def test_start_during_a_stop(server):
    """It waits for the end of the old server and starts a new one."""
    assert code(server, "start") == 0
    old = supervisor(server)
    with Wire(server.port) as session:
        session.begin()
        session.expect(354, "DATA")
        stop = subprocess.Popen(server.argv("stop"), stdout=subprocess.DEVNULL)
        assert wait_until(lambda: not server.greets(), 5)
        start = subprocess.Popen(server.argv("start"), stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        assert start.poll() is None
        session.send(MESSAGE + b".\r\n")
        session.expect(250)
    assert stop.wait(30) == 0
    out, _ = start.communicate(timeout=30)
    assert start.returncode == 0 and "FAILED" not in out
    assert supervisor(server) != old and is_only_server(server)


def test_start_and_zap(server):
    """Whichever was last; never half a server, never two."""
    for pause in (0, 0.01, 0.03, 0.1):
        start = subprocess.Popen(server.argv("start"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(pause)
        assert code(server, "zap") == 0
        started = start.wait(60)
        if supervisors(server):
            assert started == 0 and is_only_server(server) and code(server, "status") == 0
        else:
            assert code(server, "status") == STOPPED
        assert code(server, "stop") == 0
        assert supervisors(server) == []


def test_contrary_commands_about_a_service(server):
    """Neither waits for what the other has undone."""
    assert code(server, "start") == 0
    start = time.monotonic()
    all_at_once(server, *(["stop", "smtp"], ["start", "smtp"]) * 3)
    assert time.monotonic() - start < 20
    assert code(server, "start") == 0
    assert is_only_server(server)
