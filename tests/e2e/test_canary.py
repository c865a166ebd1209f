"""
Where a password goes. A canary is used as one, right and wrong, on every listener that takes
passwords; then all that anybody or a core image could show is searched for it.
"""

import base64
import os
import poplib
import smtplib
import time

import memory
import processes
import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of others")

CANARY = "canary-5d1f0a2b77e64c19"
WRONG = "wrong-canary-91ac03fe55d24b"
LISTENERS = ("smtp", "smtps", "submission", "pop3s")
AFTER_SECONDS = 1
MAY_HOLD = {"smtps": "smtpd", "submission": "smtpd", "pop3s": "pop3d"}


@pytest.fixture(scope="module")
def server(module_server):
    return module_server(listeners=LISTENERS, passwords={"alice": CANARY}).start()


def needles():
    """As it is, and as AUTH PLAIN and LOGIN send it."""
    for word in (CANARY, WRONG):
        raw = word.encode()
        yield raw
        yield base64.b64encode(raw)[:24]
        yield base64.b64encode(b"\0alice\0" + raw)[12:36]


def smtp_of(server, listener):
    context = server.tls_context()
    if listener == "smtps":
        return smtplib.SMTP_SSL("localhost", server.ports[listener], context=context, timeout=20)
    smtp = smtplib.SMTP("localhost", server.ports[listener], timeout=20)
    smtp.starttls(context=context)
    return smtp


def use_over_smtp(server, listener):
    for mechanism in ("PLAIN", "LOGIN"):
        with smtp_of(server, listener) as smtp:
            smtp.ehlo()
            smtp.user, smtp.password = "alice", WRONG
            with pytest.raises(smtplib.SMTPAuthenticationError):
                smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower()}"))
            smtp.password = CANARY
            assert smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower()}"))[0] == 235
            smtp.sendmail("alice@mx.example", ["bob@mx.example"], "Subject: x\n\nbody\n")


def use_over_pop3(server, listener):
    pop = poplib.POP3_SSL("localhost", server.ports[listener], context=server.tls_context(), timeout=20)
    pop.user("alice")
    with pytest.raises(poplib.error_proto):
        pop.pass_(WRONG)
    pop.user("alice")
    pop.pass_(CANARY)
    pop.stat()
    return pop


USE = {"smtps": use_over_smtp, "submission": use_over_smtp, "pop3s": use_over_pop3}


def worker_of(server, listener):
    """The one process of that name whose listening socket has the listener's port."""
    name = MAY_HOLD[listener]
    inodes = set()
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in f:
            field = line.split()
            if field[1].endswith(f":{server.ports[listener]:04X}") and field[3] == "0A":
                inodes.add(f"socket:[{field[9]}]")
    found = []
    for pid in server.pids(name):
        fds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        if inodes & set(fds):
            found.append(pid)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("listener", list(USE))
def test_memory(server, listener):
    """Of all processes only auth and the one worker that received it may hold it."""
    held = USE[listener](server, listener)
    time.sleep(AFTER_SECONDS)
    may = {worker_of(server, listener), *server.pids("auth")}
    everybody = [server.supervisor(), *server.children()]
    assert len(everybody) >= 7
    for pid in everybody:
        for needle in needles():
            places = memory.places(pid, needle)
            assert not places or pid in may, f"{processes.name(pid)} holds {needle} in {places}"
    if held:
        held.quit()
    # and these two, who could, have wiped it
    left = {
        (processes.name(pid), needle): places
        for pid in may
        for needle in needles()
        if (places := memory.places(pid, needle))
    }
    assert not left


def test_the_search_finds_what_is_there(server):
    """Without this the test above would also pass when it cannot read."""
    name = str(server.root).encode()
    assert memory.places(server.supervisor(), name)
    assert all(memory.places(pid, b"mx.example") for pid in server.pids("smtpd"))
    assert memory.places(os.getpid(), CANARY.encode())


def test_nothing_is_shown_or_written(server):
    for listener, use in USE.items():
        held = use(server, listener)
        for needle in needles():
            for pid in [server.supervisor(), *server.children()]:
                assert needle not in memory.shown(pid), processes.name(pid)
        if held:
            held.quit()
    server.wait_for_mail("bob", len(server.mail("bob")))
    for needle in needles():
        assert needle not in server.log().encode()
        assert memory.files_with(server.folder, needle) == []
