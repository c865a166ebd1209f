"""
At RCPT: which extensions of a system user exist. His home is his alone, so his own deliver
process is asked; what it said is good for a minute, so each test asks for extensions of its own.
"""

import os
import pwd
import signal
import smtplib
import threading
import time
from pathlib import Path

import processes
import pytest

from host_user import HostUser
from server import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes users of this host")

JOE, JIM, ALIAS = "ampelextjoe", "ampelextjim", "ampelextalias"


@pytest.fixture(scope="module")
def server(module_server):
    settings = {"users": "system", "alias_user": f'"{ALIAS}"'}
    server = module_server(users=(), settings=settings)
    people = []
    try:
        for name in (JOE, JIM, ALIAS):
            people.append(HostUser(name, server.folder))
        server.settings["assign"] = f'"{write_assignments(server.folder)}"'
        server.write_conf()
        yield server.start(add_users=False)
    finally:
        server.stop()
        for user in people:
            user.remove()


def write_assignments(folder):
    """Of jim: in a second home, and with the group of joe."""
    joe, jim = pwd.getpwnam(JOE), pwd.getpwnam(JIM)
    second = folder / "second"
    second.mkdir(mode=0o700)
    os.chown(second, jim.pw_uid, jim.pw_gid)
    file = folder / "assign"
    file.write_text(
        f"=sales:{JIM}:{jim.pw_uid}:{jim.pw_gid}:{jim.pw_dir}:-:sales:\n"
        f"+team-:{JIM}:{jim.pw_uid}:{jim.pw_gid}:{second}:-::\n"
        f"+grouped-:{JIM}:{jim.pw_uid}:{joe.pw_gid}:{jim.pw_dir}:-::\n"
        ".\n"
    )
    return file


def make_qmail(server, user, name):
    file = server.folder / user / f".qmail{name}"
    file.write_text("./Maildir/\n")
    file.chmod(0o600)
    owner = file.parent.stat()
    os.chown(file, owner.st_uid, owner.st_gid)


def connect(server):
    smtp = smtplib.SMTP("127.0.0.1", server.port, timeout=40)
    smtp.ehlo("client.example")
    smtp.mail("sender@elsewhere.example")
    return smtp


def codes(server, *local_parts):
    with connect(server) as smtp:
        return [smtp.rcpt(f"{part}@mx.example")[0] for part in local_parts]


def ids_of(pid):
    """Its effective uid and gid; other than the owner of /proc/PID they are not hidden."""
    with open(f"/proc/{pid}/status") as f:
        fields = dict(line.split(":", 1) for line in f)
    return int(fields["Uid"].split()[1]), int(fields["Gid"].split()[1])


def of(server, user):
    """The pids of his deliver processes, of whatever group."""
    uid = pwd.getpwnam(user).pw_uid
    return [pid for pid in server.pids("deliver") if ids_of(pid)[0] == uid]


def test_which_extensions_exist(server):
    for name in ("-list", "-ann-default", "-my:list"):
        make_qmail(server, JOE, name)
    assert codes(server, JOE, f"{JOE}-list", f"{JOE}-nothing") == [250, 250, 550]
    assert codes(server, f"{JOE}-LIST", f"{JOE}-ann-2026", f"{JOE}-my.list") == [250, 250, 250]
    assert codes(server, f"{JOE}-ann", f"{JOE}-list-more", f"{JIM}-list") == [550, 550, 550]


def test_only_his_own_process_is_asked(server):
    """Root does not look into homes, and lookup cannot."""
    assert codes(server, f"{JOE}-own") == [550]
    assert len(of(server, JOE)) == 1
    assert (server.folder / JOE).stat().st_mode & 0o077 == 0


def test_what_is_nobodys_is_the_alias_users(server):
    make_qmail(server, ALIAS, "-info")
    make_qmail(server, ALIAS, "-shop-default")
    assert codes(server, "info", "shop-5", "nobody-here") == [250, 250, 550]


def test_assignments(server):
    """Each in its own home."""
    make_qmail(server, JIM, "-sales")
    make_qmail(server, "second", "-blue")
    make_qmail(server, JIM, "-green")
    assert codes(server, "sales", "SALES", "team-blue", "team-green") == [250, 250, 250, 550]
    assert codes(server, "team-", "sales-more", f"{JIM}-blue", f"{JIM}-green") == [550, 550, 550, 250]


def test_another_group_is_another_process(server):
    make_qmail(server, JIM, "-red")
    assert codes(server, f"{JIM}-red", "grouped-red", "grouped-none") == [250, 250, 550]
    groups = {ids_of(pid)[1] for pid in of(server, JIM)}
    assert groups == {pwd.getpwnam(JOE).pw_gid, pwd.getpwnam(JIM).pw_gid}


def test_postmaster_always_exists(server):
    assert codes(server, "postmaster", "abuse") == [250, 250]


def test_a_killed_process_is_replaced(server):
    make_qmail(server, JOE, "-kill-default")
    assert codes(server, f"{JOE}-kill-1") == [250]
    for pid in of(server, JOE):
        processes.kill(pid, signal.SIGKILL)
    assert codes(server, f"{JOE}-kill-2") == [250]


def test_a_process_killed_while_it_is_asked(server):
    make_qmail(server, JOE, "-hung-default")
    assert codes(server, f"{JOE}-hung-1") == [250]
    (pid,) = of(server, JOE)
    processes.kill(pid, signal.SIGSTOP)
    answer = []
    asker = threading.Thread(target=lambda: answer.extend(codes(server, f"{JOE}-hung-2")))
    asker.start()
    try:
        # meanwhile everybody else is answered
        assert codes(server, JOE, JIM, f"{JIM}-hung") == [250, 250, 550]
        assert not answer
    finally:
        processes.kill(pid, signal.SIGKILL)
        asker.join()
    assert answer == [250]


def test_a_flood_of_guesses(server):
    """Whoever guesses at one account does not hold up the others."""
    make_qmail(server, JIM, "-flood-default")
    assert codes(server, f"{JIM}-flood-0") == [250]
    guessed = []

    def guess(i):
        guessed.extend(codes(server, *(f"{JOE}-guess-{i}-{k}" for k in range(15))))

    threads = [threading.Thread(target=guess, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    assert codes(server, JOE, JIM, f"{JIM}-flood-1") == [250, 250, 250]
    assert time.monotonic() - begun < 5
    for thread in threads:
        thread.join()
    assert set(guessed) <= {550, 451}
    assert guessed.count(550) > 100


def test_deliveries_are_stopped(server):
    """Nobody can be asked: no reason to refuse for good."""
    make_qmail(server, JIM, "-stopped-default")
    server.must("stop", "send")
    assert codes(server, JIM, f"{JIM}-stopped-1") == [250, 451]
    server.must("start", "send")
    assert wait_until(lambda: codes(server, f"{JIM}-stopped-2") == [250])


@pytest.mark.skipif("AMPEL_SLOW" not in os.environ, reason="takes a minute: AMPEL_SLOW=1")
def test_an_account_moves_while_its_mail_comes(server):
    """Its process never gets idle; a minute after the file has changed it knows the new home."""
    jim = pwd.getpwnam(JIM)
    assign, second = server.folder / "assign", server.folder / "second"
    others = assign.read_text()
    arrived = second / "Maildir" / "new"

    def give(home):
        new = assign.with_suffix(".new")
        new.write_text(f"=moved:{JIM}:{jim.pw_uid}:{jim.pw_gid}:{home}:::\n{others}")
        new.replace(assign)

    def send():
        with smtplib.SMTP("127.0.0.1", server.port, timeout=40) as smtp:
            smtp.sendmail("sender@elsewhere.example", "moved@mx.example", "Subject: x\n\nx\n")

    give(jim.pw_dir)
    time.sleep(1.5)
    before = len(list(Path(jim.pw_dir).glob("Maildir/new/*")))
    send()
    assert wait_until(lambda: len(list(Path(jim.pw_dir).glob("Maildir/new/*"))) > before)
    give(second)
    end = time.monotonic() + 75
    while not (arrived.exists() and list(arrived.iterdir())):
        assert time.monotonic() < end
        send()
        time.sleep(5)
