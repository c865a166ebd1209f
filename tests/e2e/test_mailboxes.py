"""A process for each login to POP3: whose it is, how many there may be, when it ends."""

import os
import poplib
import pwd
import re
import socket
import time

import processes
import pytest
from server import wait_until

PER_USER = 4

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def server(new_server):
    return new_server(listeners=("smtp", "pop3s"), passwords={"alice": "secret", "bob": "geheim"}).start()


class From(poplib.POP3_SSL):
    """From another address of this host."""

    def __init__(self, source, *args, **more):
        self.source = source
        super().__init__(*args, **more)

    def _create_socket(self, timeout):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout, (self.source, 0))
        return self.context.wrap_socket(raw, server_hostname="localhost")


def log_in(server, user="alice", password="secret", source="127.0.0.1"):
    pop = From(source, "localhost", server.ports["pop3s"], context=server.tls_context(), timeout=20)
    pop.user(user)
    pop.pass_(password)
    return pop


def is_over(server, n=0):
    """Whether only n mailboxes are left, soon."""
    return wait_until(lambda: len(server.pids("mailbox")) == n)


def uid(pid):
    return int(re.search(r"^Uid:\t(\d+)\t\1\t\1\t", open(f"/proc/{pid}/status").read(), re.M).group(1))


def test_one_for_each_login(server):
    pops = [log_in(server), log_in(server), log_in(server, "bob", "geheim")]
    assert len(server.pids("mailbox")) == 3
    pops[0].quit()
    assert is_over(server, 2)
    pops[1].close()
    assert is_over(server, 1)
    pops[2].quit()
    assert is_over(server)
    assert server.log_lines("ampel-mailbox") == []


@as_root
def test_it_is_the_users(server):
    pop = log_in(server)
    (mailbox,) = server.pids("mailbox")
    assert uid(mailbox) == pwd.getpwnam("_ampelmail").pw_uid
    pop.quit()


def test_none_before_the_password_is_right(server):
    with pytest.raises(poplib.error_proto):
        log_in(server, password="wrong")
    assert server.pids("mailbox") == []


def test_not_too_many_of_one_user(new_server):
    """As many as may come from one address, wherever they come from."""
    server = new_server(
        listeners=("smtp", "pop3s"),
        passwords={"alice": "secret", "bob": "geheim"},
        settings={"sessions_per_address": PER_USER},
    ).start()
    pops = [log_in(server) for _ in range(PER_USER)]
    with pytest.raises(poplib.error_proto, match=r"SYS/TEMP"):
        log_in(server, source="127.0.0.2")
    server.wait_for_log('no mailbox for "alice": too many logins')
    other = log_in(server, "bob", "geheim", source="127.0.0.3")
    other.quit()
    pops.pop().quit()
    assert is_over(server, PER_USER - 1)
    log_in(server, source="127.0.0.2").quit()
    assert all(pop.stat()[0] == 0 for pop in pops)


def test_a_user_who_is_gone(server):
    """The right password of somebody who has no mailbox any more."""
    passwd = server.passwd()
    passwd.write_text("".join(line for line in passwd.open() if not line.startswith("alice:")))
    with pytest.raises(poplib.error_proto, match=r"SYS/TEMP"):
        log_in(server)
    server.wait_for_log('no mailbox for "alice": no such user')


@as_root
@pytest.mark.parametrize("ids", ["0:0", "0:5000", "5000:0"])
def test_never_root(server, ids):
    passwd = server.passwd()
    passwd.write_text(re.sub(r"^alice:x:\d+:\d+:", f"alice:x:{ids}:", passwd.read_text(), flags=re.M))
    with pytest.raises(poplib.error_proto, match=r"SYS/TEMP"):
        log_in(server)
    server.wait_for_log('no mailbox for "alice": nobody reads or writes mail as root')


def test_without_root(new_server):
    one = new_server(listeners=("smtp", "pop3s"), passwords={"alice": "secret"}, as_nobody=True).start()
    log_in(one).quit()
    assert is_over(one)


def test_a_reload_leaves_them_alone(server):
    pop = log_in(server)
    before = server.pids("mailbox")
    server.settings["pop3_timeout"] = "11min"
    server.write_conf()
    server.must("reload")
    assert pop.stat()[0] == 0
    assert server.pids("mailbox") == before
    log_in(server).quit()


def test_a_mailbox_that_is_killed_comes_no_more(server):
    """It was for that one session; the next login has its own."""
    pop = log_in(server)
    (mailbox,) = server.pids("mailbox")
    processes.kill(mailbox, 9)
    with pytest.raises((poplib.error_proto, OSError)):
        pop.retr(1)
        pop.quit()
    server.wait_for_log("ampel-mailbox (alice) ended: signal 9")
    assert is_over(server)
    log_in(server).quit()


def test_a_restarted_auth_is_asked_again(server):
    (auth,) = server.pids("auth")
    processes.kill(auth, 9)
    assert wait_until(lambda: server.pids("auth") not in ([], [auth]))
    pop = None

    def logs_in():
        nonlocal pop
        try:
            pop = log_in(server)
        except poplib.error_proto:
            return False
        return True

    assert wait_until(logs_in, 30, 0.5), server.log()[-3000:]
    pop.quit()


@pytest.mark.parametrize("command", ["stop", "zap"])
def test_they_end_with_their_listener(server, command):
    pop = log_in(server)
    server.must(command, "pop3s")
    assert is_over(server)
    with pytest.raises((poplib.error_proto, OSError)):
        pop.stat()
    assert server.greets("smtp")
    server.must("start", "pop3s")
    log_in(server).quit()


def test_the_server_stops_with_sessions_open(server):
    pops = [log_in(server) for _ in range(3)]
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 20
    assert len(pops) == 3
