"""
Mail goes where a user's .qmail files say: each example of the documentation of dot-qmail, what
programs are told, what is not trusted, and what happens when programs misbehave.
"""

import fcntl
import os
import re
import shutil
import signal
import smtplib
import stat
import time

import processes
import pytest

import maildir
from qmail_user import qmail_users
from server import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes users of this host")

JOE, ANN = "ampelqmailjoe", "ampelqmailann"
TIMEOUT_SECONDS = 5
MESSAGE = b"Subject: hello\r\n\r\nFrom the sea\r\n"


@pytest.fixture(scope="module")
def people(module_server):
    """Joe, with extensions, and Ann, who gets what he forwards."""
    server = module_server(
        users=(), settings={"users": "system", "program_timeout": f"{TIMEOUT_SECONDS}s"}
    )
    with qmail_users(server, JOE, ANN) as made:
        yield made


@pytest.fixture
def joe(people):
    """His home as it was, afterwards."""
    with people[0].home_as_it_is() as joe:
        yield joe


@pytest.fixture
def ann(people):
    yield people[1]
    shutil.rmtree(people[1].home / "Maildir", ignore_errors=True)


def box(user, name="Maildir"):
    return maildir.read(user.home / name)


def wait_for_box(user, n=1):
    wait_until(lambda: len(box(user)) >= n)
    assert len(box(user)) == n
    return box(user)


# ---- where it goes ----


def test_without_a_file_it_is_the_maildir(joe):
    assert joe.deliver()[0] == "delivered"
    (mail,) = box(joe)
    assert mail.values(b"Delivered-To") == [joe.address().encode()]
    assert mail.values(b"Return-Path") == [b"<ann@elsewhere.example>"]


def test_an_empty_file_is_the_maildir(joe):
    joe.put(".qmail")
    joe.qmail("empty", "")
    assert joe.deliver()[0] == "delivered"
    assert joe.deliver("empty")[0] == "delivered"
    assert sorted(mail.values(b"Delivered-To")[0].decode() for mail in box(joe)) == sorted(
        [joe.address(), joe.address("empty")]
    )


def test_comments_alone_throw_it_away(joe):
    joe.qmail("nothing", "# nobody reads this\n")
    assert joe.deliver("nothing")[0] == "delivered"
    assert box(joe) == []


def test_program(joe):
    """It has the message itself, from its beginning, and the home around it."""
    joe.qmail("program", "|cat >first; pwd >where\n|cat >second\n")
    assert joe.deliver("program", message=MESSAGE)[0] == "delivered"
    assert joe.read("first") == joe.read("second")
    assert joe.read("first").startswith("Received: from client.example ")
    assert joe.read("first").endswith("Subject: hello\n\nFrom the sea\n")
    assert joe.read("where") == f"{joe.home}\n"


def test_large_message(joe):
    """One that is a file of the queue."""
    text = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 100000
    joe.qmail("large", "|wc -c >size\n|tail -n1 >last\n./Mailbox\n")
    assert joe.deliver("large", message=text)[0] == "delivered"
    assert int(joe.read("size")) > 1700000
    assert joe.read("last") == "0123456789abcdef\n"
    assert joe.read("Mailbox").count("0123456789abcdef\n") == 100000


def test_mbox(joe):
    joe.qmail("mbox", f"./Mailbox\n{joe.home}/Mailbox\n")
    assert joe.deliver("mbox", message=MESSAGE)[0] == "delivered"
    mbox = joe.home / "Mailbox"
    assert stat.S_IMODE(mbox.stat().st_mode) == 0o600
    assert mbox.stat().st_uid == joe.uid
    first, second = mbox.read_text().split("\n\nFrom ann@")
    assert first.startswith("From ann@elsewhere.example ")
    assert first.splitlines()[1:3] == [
        "Return-Path: <ann@elsewhere.example>",
        f"Delivered-To: {joe.address('mbox')}",
    ]
    assert first.endswith("\n\n>From the sea")
    assert second.endswith("\n\n>From the sea\n\n")


def test_maildirs(joe):
    joe.make_maildir("box")
    joe.qmail("maildirs", f"./box/\n{joe.home}/Maildir/\n")
    assert joe.deliver("maildirs")[0] == "delivered"
    assert len(box(joe, "box")) == len(box(joe)) == 1
    # one that is not there is not made: it may be on a disk that is not there either
    joe.qmail("maildirs", "./other/\n")
    outcome, line = joe.deliver("maildirs")
    assert outcome == "deferred" and "line 1: the Maildir: No such file" in line


@pytest.mark.parametrize("sign", ["&", ""])
def test_forward(joe, ann, sign):
    joe.qmail("forward", f"{sign}{ann.address()}\n")
    assert joe.deliver("forward")[0] == "delivered"
    (mail,) = wait_for_box(ann)
    assert mail.values(b"Delivered-To") == [ann.address().encode(), joe.address("forward").encode()]
    assert mail.values(b"Return-Path") == [b"<ann@elsewhere.example>"]


def test_forward_to_many_is_one_message(joe, ann):
    joe.qmail("many", f"{ann.address()}\n&{joe.address()}\n")
    assert joe.deliver("many")[0] == "delivered"
    (to_ann,) = wait_for_box(ann)
    (to_joe,) = wait_for_box(joe)
    assert to_ann.id == to_joe.id


def test_default(joe):
    joe.qmail("list-default", '|echo "$EXT $DEFAULT" >which\n')
    joe.qmail("list-exact", "|echo exact >which\n")
    assert joe.deliver("list-Some.one-else")[0] == "delivered"
    assert joe.read("which") == "list-some.one-else some.one-else\n"
    assert joe.deliver("list-exact")[0] == "delivered"
    assert joe.read("which") == "exact\n"


def test_owner(joe, ann):
    """Who bounces a message of a list tells its owner, and not its author."""
    joe.qmail("list", f"{ann.address()}\n")
    joe.qmail("list-owner", "")
    assert joe.deliver("list")[0] == "delivered"
    (mail,) = wait_for_box(ann)
    assert mail.values(b"Return-Path") == [f"<{joe.address('list-owner')}>".encode()]


def test_owner_of_each_recipient(joe, ann):
    """With -owner-default the bounce says whose it is."""
    joe.qmail("verp", f"{ann.address()}\n")
    joe.qmail("verp-owner", "")
    joe.qmail("verp-owner-default", "")
    assert joe.deliver("verp")[0] == "delivered"
    (mail,) = wait_for_box(ann)
    assert mail.values(b"Return-Path") == [
        f"<{JOE}-verp-owner-{ANN}=mx.example@mx.example>".encode()
    ]


# ---- what programs say ----


@pytest.mark.parametrize(
    "code, outcome, goes_on",
    [
        (0, "delivered", True),
        (99, "delivered", False),
        (100, "failed", False),
        (64, "failed", False),
        (112, "failed", False),
        (111, "deferred", False),
        (1, "deferred", False),
    ],
)
def test_exit_code(joe, ann, code, outcome, goes_on):
    joe.qmail("exit", f"|exit {code}\n|touch later\n{ann.address()}\n")
    assert joe.deliver("exit")[0] == outcome
    assert (joe.home / "later").exists() == goes_on
    if goes_on:
        wait_for_box(ann)
    else:
        assert not box(ann)


def test_exit_99_keeps_what_was_forwarded_before(joe, ann):
    joe.qmail("some", f"{ann.address()}\n|exit 99\n{joe.address()}\n")
    assert joe.deliver("some")[0] == "delivered"
    wait_for_box(ann)
    assert not box(joe)


def test_what_it_says_stands_in_the_bounce(joe, ann):
    joe.qmail("says", "|echo Joe is away, ask Jim instead.; exit 100\n")
    outcome, line = joe.deliver("says", sender=ann.address())
    assert outcome == "failed" and "status=5.3.0" in line
    assert 'why="Joe is away, ask Jim instead."' in line
    (bounce,) = wait_for_box(ann)
    assert b"\n        Joe is away, ask Jim instead.\n" in bounce.body
    assert b"\nStatus: 5.3.0\n" in bounce.body


def test_environment(joe):
    joe.qmail("env-default", "|env -0 >env\n")
    joe.qmail("env-a-b-owner", "")
    message = joe.send("env-a-b")
    assert joe.outcome_of(message)[0] == "delivered"
    variables = dict(one.split("=", 1) for one in joe.read("env").split("\0") if one)
    line = variables.pop("UFLINE")
    for shells_own in ("PWD", "OLDPWD", "SHLVL", "_"):
        variables.pop(shells_own, None)
    assert variables == {
        "SENDER": "ann@elsewhere.example",
        "NEWSENDER": joe.address("env-a-b-owner"),
        "RECIPIENT": joe.address("env-a-b"),
        "USER": JOE,
        "HOME": str(joe.home),
        "LOCAL": f"{JOE}-env-a-b",
        "HOST": "mx.example",
        "HOST2": "mx",
        "HOST3": "mx",
        "HOST4": "mx",
        "EXT": "env-a-b",
        "EXT2": "a-b",
        "EXT3": "b",
        "EXT4": "",
        "DEFAULT": "a-b",
        "DTLINE": f"Delivered-To: {joe.address('env-a-b')}\n",
        "RPLINE": "Return-Path: <ann@elsewhere.example>\n",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "AMPEL_ID": message,
    }
    assert line.startswith("From ann@elsewhere.example ") and line.endswith("\n")


def test_as_whom_it_runs(joe):
    joe.qmail("who", "|(id -ru; id -rg; id -G; umask; ulimit -Sn; ls /proc/self/fd) >who\n")
    assert joe.deliver("who")[0] == "delivered"
    ids = [str(joe.uid), str(joe.gid), str(joe.gid)]
    # 3 is the folder that ls reads
    assert joe.read("who").split() == [*ids, "0077", "1024", "0", "1", "2", "3"]


def test_set_uid_programs_work(joe):
    """As from his shell: nothing of ours keeps him from them."""
    if os.statvfs(joe.home).f_flag & os.ST_NOSUID:
        pytest.skip("here no program is set-uid")
    program = joe.home / "whoami"
    shutil.copy("/usr/bin/id", program)
    program.chmod(0o4755)
    joe.qmail("setuid", "|./whoami -u >setuid\n")
    assert joe.deliver("setuid")[0] == "delivered"
    assert joe.read("setuid") == "0\n"


# ---- what is not done ----


def test_x_bit_forwards_only(joe, ann):
    joe.qmail("x", f"{ann.address()}\n", mode=0o700)
    assert joe.deliver("x")[0] == "delivered"
    wait_for_box(ann)
    joe.qmail("x", "./Mailbox\n", mode=0o700)
    outcome, line = joe.deliver("x")
    assert outcome == "deferred" and ".qmail-x, line 1: is not allowed there" in line
    assert not (joe.home / "Mailbox").exists()


def test_list_forwards_only_from_there(joe, ann):
    joe.qmail("plus", f"|touch before\n+list\n{ann.address()}\n")
    assert joe.deliver("plus")[0] == "delivered"
    wait_for_box(ann)
    joe.qmail("plus", f"|touch after\n+list\n{ann.address()}\n|exit 0\n")
    outcome, line = joe.deliver("plus")
    assert outcome == "deferred" and ".qmail-plus, line 4: is not allowed there" in line
    assert not (joe.home / "after").exists(), "nothing is done of what is not understood"


@pytest.mark.parametrize(
    "content, why",
    [
        ("\n./Mailbox\n", "line 1: is blank"),
        ("&<ann@elsewhere.example>\n", "line 1: is no address"),
        ("& ann@elsewhere.example\n", "line 1: is no address"),
        ("ann@elsewhere.example (New Address)\n", "line 1: is no address"),
        ("/dev/null\n", "line 1: lies outside of the home"),
        ("/etc/\n", "line 1: lies outside of the home"),
        ("./../Mailbox\n", "../Mailbox: lies outside of the home"),
    ],
)
def test_mistakes_wait_until_they_are_mended(joe, content, why):
    joe.qmail("wrong", content)
    message = joe.send("wrong")
    outcome, line = joe.outcome_of(message)
    assert outcome == "deferred" and why in line
    joe.qmail("wrong", "./Mailbox\n")
    joe.server.must("queue", "retry", message)
    joe.server.wait_for_log(f"id={message}", "ev=delivered")
    assert joe.read("Mailbox").count("Subject: hello\n") == 1


@pytest.mark.parametrize(
    "mode, why",
    [
        (0o770, "the home folder may be written by its group or others"),
        (0o707, "the home folder may be written by its group or others"),
        (0o1700, "the home folder is sticky: its .qmail files are being edited"),
    ],
)
def test_home_that_is_not_trusted(joe, mode, why):
    joe.qmail("home", "|touch done\n")
    joe.home.chmod(mode)
    message = joe.send("home")
    outcome, line = joe.outcome_of(message)
    assert outcome == "deferred" and why in line and "status=4.3.5" in line
    assert not (joe.home / "done").exists()
    joe.home.chmod(0o700)
    joe.server.must("queue", "retry", message)
    joe.server.wait_for_log(f"id={message}", "ev=delivered")


def test_a_circle_ends(joe, ann):
    joe.qmail("one", f"|echo >>rounds\n{joe.address('two')}\n")
    joe.qmail("two", f"{joe.address('one')}\n")
    assert joe.deliver("one", sender=ann.address())[0] == "delivered"
    (bounce,) = wait_for_box(ann)
    assert b"\nStatus: 5.4.6\n" in bounce.body
    assert joe.read("rounds") == "\n", "it is seen before a program runs"


# ---- programs that do not end ----


def is_gone(pid):
    return wait_until(lambda: not processes.is_running(pid), 10)


def run_forever(user, extension):
    """A delivery whose program hears no TERM, and the pids of it and of its child."""
    user.put("pids")
    user.qmail(extension, "|trap '' TERM; sleep 1000 & echo $$ $! >pids; wait; sleep 1000\n")
    message = user.send(extension)
    assert wait_until(lambda: user.read("pids").endswith("\n"))
    return message, [int(pid) for pid in user.read("pids").split()]


def test_deadline(joe):
    started = time.monotonic()
    message, pids = run_forever(joe, "forever")
    assert joe.deliver()[0] == "delivered", "meanwhile his other mail comes"
    outcome, line = joe.outcome_of(message)
    assert outcome == "deferred" and "status=4.3.0" in line
    assert f"the program ran for more than {TIMEOUT_SECONDS} s and was stopped" in line
    assert time.monotonic() - started > TIMEOUT_SECONDS
    assert all(map(is_gone, pids))
    joe.server.must("queue", "remove", message)


def test_stop_waits_and_zap_does_not(joe):
    joe.put("pids")
    joe.qmail("slow", "|echo x >pids; sleep 1; echo done >done\n")
    joe.send("slow")
    assert wait_until(lambda: joe.read("pids"))
    joe.server.must("stop", "send")
    assert joe.read("done") == "done\n"
    joe.server.must("start", "send")
    message, pids = run_forever(joe, "zapped")
    joe.server.must("zap", "send")
    assert all(map(is_gone, pids))
    address = f"<{joe.address('zapped')}>"
    joe.server.wait_for_log(f"id={message}", "ev=cut-off", f"rcpt={address} user={JOE}")
    story = joe.server.must("why", message, "--log", joe.server.log_path)
    assert f"cut off, and will be tried again: {address}, to user {JOE}" in story
    joe.qmail("zapped", "./Mailbox\n")
    joe.server.must("start", "send")
    joe.server.wait_for_log(f"id={message}", "ev=delivered")
    assert joe.read("Mailbox").count("Subject: hello\n") == 1


def test_what_it_leaves_in_the_background_lives_on(joe):
    joe.qmail("background", "|(sleep 1; touch late) >/dev/null 2>&1 &\n")
    assert joe.deliver("background")[0] == "delivered"
    assert not (joe.home / "late").exists()
    assert wait_until((joe.home / "late").exists)


def test_a_locked_mbox_is_waited_for(joe):
    mbox = joe.put("Mailbox")
    joe.qmail("locked", "./Mailbox\n")
    with mbox.open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_EX)
        message = joe.send("locked")
        assert joe.deliver()[0] == "delivered", "beside it"
        assert not joe.server.log_lines(f"id={message}", "ev=delivered")
        assert joe.read("Mailbox") == ""
    assert joe.outcome_of(message)[0] == "delivered"
    assert joe.read("Mailbox").count("Subject: hello\n") == 1


def privileges(server):
    """NoNewPrivs of each deliver process."""
    lines = [open(f"/proc/{pid}/status").read() for pid in server.pids("deliver")]
    return [re.search(r"NoNewPrivs:\t(\d)", text)[1] for text in lines]


def test_privileges_are_renounced_where_there_are_no_qmail_files(joe, new_server):
    assert joe.deliver()[0] == "delivered"
    assert "0" in privileges(joe.server)
    server = new_server().start()
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as smtp:
        smtp.sendmail("ann@elsewhere.example", "alice@mx.example", MESSAGE)
    server.wait_for_mail()
    assert privileges(server) == ["1"]


def test_programs_end_with_the_server(joe):
    """Killed as it may be; and what they had not done is done by the next one."""
    message, pids = run_forever(joe, "killed")
    processes.kill(joe.server.supervisor(), signal.SIGKILL)
    assert all(map(is_gone, pids))
    joe.server.kill_all()
    joe.qmail("killed", "./Mailbox\n")
    joe.server.launch()
    joe.server.wait_for_greeting()
    joe.server.wait_for_log(f"id={message}", "ev=delivered")
    assert joe.read("Mailbox").count("Subject: hello\n") == 1
