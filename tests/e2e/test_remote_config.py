"""Routes, their passwords and the processes for mail to other hosts, as an administrator meets them."""

import base64
import os
import pwd
import re
import signal
import smtplib

import pytest

import certificates
import memory
import processes
from mx import MX, loopback, server_tls
from server import wait_until

CONFIG_BAD = 78
PASSWORD = "open-sesame 7f3a"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")


class SmartHost(MX):
    """Wants a password, under TLS, and proves its address; for `passwords` those it was given."""

    def __init__(self, folder):
        address = loopback()
        self.authority = certificates.make_authority(folder)
        tls = server_tls(*certificates.make(folder, "smart", names=(f"IP:{address}",)))
        self.passwords = []
        super().__init__(
            address, 587, tls=tls, extensions=("PIPELINING", "AUTH PLAIN LOGIN"), replies={"AUTH": self.hear}
        )

    def hear(self, session, line):
        assert session.tls
        name, text = line.split(" ")
        assert name == "PLAIN"
        _, user, password = base64.b64decode(text).decode().split("\0")
        assert user == "jo"
        self.passwords.append(password)
        return "235 2.7.0 welcome" if password != "wrong" else "535 5.7.8 no"


@pytest.fixture
def smart(tmp_path):
    host = SmartHost(tmp_path / "smart")
    yield host
    host.close()
    assert not host.bad_lines


@pytest.fixture
def plain():
    hosts = []

    def start():
        hosts.append(MX())
        return hosts[-1]

    yield start
    for host in hosts:
        host.close()


def password_file(server):
    return server.folder / "password"


def write_password(server, text=PASSWORD + "\n"):
    path = password_file(server)
    path.touch()
    path.chmod(0o600)
    path.write_text(text)
    server.give_to_runner(path)
    return path


def smart_route(server, host, domain="*"):
    more = f'tls = verify  user = jo  password_file = "{password_file(server)}"'
    return f'route "{domain}" {{ to = "[{host.address}]:{host.port}"  {more} }}\n'


@pytest.fixture
def with_password(new_server, smart):
    """Not started; all its mail for others goes through the smart host."""
    server = new_server(inside=("127.0.0.0/8",), settings={"authorities": f'"{smart.authority}"'})
    write_password(server)
    server.blocks = smart_route(server, smart)
    server.write_conf()
    return server


def send(server, recipient="ann@far.example"):
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as smtp:
        smtp.sendmail("alice@mx.example", recipient, "Subject: hello\n\nout\n")


def wait_for(host, n, server):
    assert wait_until(lambda: len(host.taken) >= n, 20), f"{host.taken}\n{server.log()[-3000:]}"


def reload(server):
    return server.command("reload")


# ---- passwords ----


def test_smart_host(with_password, smart):
    """Mail goes out, and the password is nowhere but where it has to be."""
    server = with_password.start()
    send(server)
    wait_for(smart, 1, server)
    assert smart.passwords == [PASSWORD]
    assert smart.taken[0].recipients == ["ann@far.example"]
    (remote,) = server.pids("remote")
    assert memory.places(remote, PASSWORD.encode())
    secrets = PASSWORD.encode(), base64.b64encode(f"\0jo\0{PASSWORD}".encode())
    for pid in [server.supervisor(), *server.children()]:
        for secret in secrets:
            assert secret not in memory.shown(pid)
            if pid != remote:
                assert memory.places(pid, secret) == [], processes.name(pid)
    assert memory.places(remote, secrets[1]) == []
    assert memory.files_with(server.root, secrets[0]) == []
    assert PASSWORD not in server.log()


def test_a_changed_password(with_password, smart):
    """Reload takes it; until then the old one counts, after a kill too."""
    server = with_password.start()
    write_password(server, "another one\r\n")
    (remote,) = server.pids("remote")
    processes.kill(remote, signal.SIGKILL)
    assert wait_until(lambda: server.pids("remote") not in ([], [remote]))
    send(server)
    wait_for(smart, 1, server)
    server.must("reload")
    send(server)
    wait_for(smart, 2, server)
    assert smart.passwords == [PASSWORD, "another one"]


def test_a_wrong_password(with_password, smart):
    """Is no reason to bounce."""
    write_password(with_password, "wrong\n")
    server = with_password.start()
    send(server)
    server.wait_for_log("535 5.7.8")
    assert smart.passwords == ["wrong"]
    assert len(server.queued_ids()) == 1
    assert not smart.transactions


def lose(path):
    path.unlink()
    return "No such file or directory"


def empty(path):
    path.write_text("\n")
    return "there is no password in it"


def write_two_lines(path):
    path.write_text("one\ntwo\n")
    return "holds more than one line of text"


def fill(path):
    path.write_text("x" * 100_000)
    return "is too long for a password"


def publish(path):
    path.chmod(0o644)
    return "everybody may read or change it"


def link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    return "is a symbolic link"


def make_folder(path):
    path.unlink()
    path.mkdir(mode=0o700)
    return "is not a file"


def give_away(path):
    os.chown(path, pwd.getpwnam("_ampelsmtp").pw_uid, 0)
    return "its owner is neither root nor _ampelremote"


def share(path):
    os.chown(path, 0, pwd.getpwnam("_ampelsmtp").pw_gid)
    path.chmod(0o640)
    return "a group that is not _ampelremote's may read or change it"


HARMS = [
    lose,
    empty,
    write_two_lines,
    fill,
    publish,
    link,
    make_folder,
    pytest.param(give_away, marks=as_root),
    pytest.param(share, marks=as_root),
]


def mistakes(server, code=CONFIG_BAD):
    done = server.command("check")
    assert done.returncode == code, done.stderr
    return [line for line in done.stderr.splitlines() if ": warning: " not in line and ": note: " not in line]


def line_of(server, text):
    lines = server.conf.read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.startswith(text))


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_a_bad_password_file(with_password, harm):
    """Said by check and by the start, with its line; it starts nothing."""
    server = with_password
    assert mistakes(server, 0) == []
    text = f"{password_file(server)}: {harm(password_file(server))}"
    (line,) = mistakes(server)
    number = line_of(server, "route")
    assert line.startswith(f"{server.conf}:{number}: {text}")
    done = server.command("run")
    assert done.returncode == CONFIG_BAD
    assert f'route "*" at line {number}: {text}' in done.stderr


@as_root
def test_who_may_have_a_password_file(with_password):
    account = pwd.getpwnam("_ampelremote")
    path = password_file(with_password)
    os.chown(path, 0, account.pw_gid)
    path.chmod(0o640)
    assert mistakes(with_password, 0) == []
    os.chown(path, account.pw_uid, account.pw_gid)
    path.chmod(0o400)
    assert mistakes(with_password, 0) == []


def test_reload_refuses_a_bad_password_file(with_password, smart):
    """The old one goes on."""
    server = with_password.start()
    write_password(server, "")
    done = reload(server)
    assert done.returncode != 0
    assert "there is no password in it" in done.stderr + done.stdout
    send(server)
    wait_for(smart, 1, server)
    assert smart.passwords == [PASSWORD]


# ---- other files, and what cannot work ----


@pytest.mark.parametrize(
    "text, place",
    [
        ('authorities = "{}"\n', ""),
        ('dns {{ anchor = "{}" }}\n', "dns"),
        ('dns {{ root_hints = "{}" }}\n', "dns"),
    ],
    ids=["authorities", "anchor", "root_hints"],
)
@pytest.mark.parametrize("content", [None, ""], ids=["missing", "empty"])
def test_a_bad_file(new_server, text, place, content):
    server = new_server()
    path = server.folder / "file"
    if content is not None:
        path.write_text(content)
    server.conf.write_text(server.conf.read_text() + text.format(path))
    (line,) = mistakes(server)
    where = f":{line_of(server, place)}" if place else ""
    what = "No such file or directory" if content is None else "is empty"
    assert line == f"{server.conf}{where}: {path}: {what}"


def test_verify_an_address(new_server):
    server = new_server(blocks='route "*" { to = { "[192.0.2.1]:25", "[smart.example]" }  tls = verify }\n')
    done = server.command("check")
    assert done.returncode == 0
    warnings = [line for line in done.stderr.splitlines() if "192.0.2.1" in line]
    assert len(warnings) == 1 and f":{line_of(server, 'route')}: warning: " in warnings[0]


# ---- reload ----


def test_reload_of_routes(new_server, plain):
    first, second = plain(), plain()
    server = new_server(inside=("127.0.0.0/8",), blocks=first.route()).start()
    send(server)
    wait_for(first, 1, server)
    server.blocks = second.route()
    server.write_conf()
    server.must("reload")
    send(server)
    wait_for(second, 1, server)
    assert len(first.taken) == 1


def test_reload_of_limits(new_server, plain):
    """One connection at a time from then on."""
    host = plain()
    server = new_server(inside=("127.0.0.0/8",), blocks=host.route()).start()
    send(server)
    wait_for(host, 1, server)
    server.settings = {"remote_connections": "1"}
    server.write_conf()
    server.must("reload")
    most = 0

    def count(session, line):
        nonlocal most
        most = max(most, host.open_connections)
        return "250 2.1.0 ok"

    assert wait_until(lambda: host.open_connections == 0)
    host.replies["MAIL"] = count
    for n in range(5):
        send(server, f"ann@d{n}.example")
    wait_for(host, 6, server)
    assert most == 1


def test_reload_cannot_change_authorities(with_password):
    server = with_password.start()
    copy = server.folder / "copy.pem"
    copy.write_bytes(open(server.settings["authorities"].strip('"'), "rb").read())
    server.settings["authorities"] = f'"{copy}"'
    server.write_conf()
    done = reload(server)
    assert done.returncode != 0
    assert "stop and start" in done.stderr + done.stdout


# ---- processes ----


@pytest.mark.parametrize("program", ["remote", "dns", "fetch"])
def test_killed_and_started_again(new_server, plain, program):
    host = plain()
    server = new_server(inside=("127.0.0.0/8",), blocks=host.route()).start()
    (pid,) = server.pids(program)
    processes.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: server.pids(program) not in ([], [pid]))
    server.must("reload")
    send(server)
    wait_for(host, 1, server)


def sending(server):
    """(state, process ids) of "send"."""
    (line,) = [line for line in server.command("status").stdout.splitlines() if line.startswith("send ")]
    return line.split()[1], [int(word) for word in re.findall(r"\d+", line)]


def test_status(new_server):
    server = new_server().start()
    state, pids = sending(server)
    assert state == "running"
    assert set(server.pids("remote") + server.pids("queue")) <= set(pids)


def test_stop_and_start_of_sending(new_server, plain):
    """The process ends, mail waits, and goes out afterwards."""
    host = plain()
    server = new_server(inside=("127.0.0.0/8",), blocks=host.route()).start()
    queue = server.pids("queue")
    server.must("stop", "send")
    assert server.pids("remote") == []
    assert sending(server)[0] == "stopped"
    send(server)
    assert len(server.queued_ids()) == 1
    assert not host.connections
    server.must("start", "send")
    wait_for(host, 1, server)
    assert server.pids("queue") == queue


def test_zap_of_one_that_hangs(new_server, plain):
    """Never the queue: it has the mail."""
    host = plain()
    server = new_server(inside=("127.0.0.0/8",), settings={"stop_timeout": "2s"}, blocks=host.route()).start()
    (remote,) = server.pids("remote")
    queue = server.pids("queue")
    processes.kill(remote, signal.SIGSTOP)
    send(server)
    done = server.command("stop", "send")
    assert done.returncode != 0 and "ampel zap send" in done.stdout
    server.must("zap", "send")
    assert not processes.is_running(remote)
    assert server.pids("remote") == []
    assert server.pids("queue") == queue
    server.must("start", "send")
    wait_for(host, 1, server)


def test_without_sending(new_server):
    """Begun with a listener alone, it delivers nothing and has nobody who could."""
    server = new_server()
    server.add_users()
    argv = server.argv
    server.argv = lambda *words: argv(*words, "smtp") if words == ("run",) else argv(*words)
    server.start(add_users=False)
    assert server.pids("remote") == []
    assert sending(server)[0] == "stopped"
    server.must("start", "send")
    assert wait_until(lambda: sending(server)[0] == "running")
    assert len(server.pids("remote")) == 1
