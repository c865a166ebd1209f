"""sendmail, mailq, newaliases: as cron, PHP, mutt, git and mdadm call them."""

import email
import os
import subprocess

import pytest

import maildir
from server import NOBODY, STAGE, wait_until

SENDMAIL = STAGE / "sbin" / "sendmail"


@pytest.fixture(scope="module")
def server(module_server):
    return module_server(users=("alice", "bob"), blocks="listen local { }\n").start()


@pytest.fixture
def sendmail(server):
    def run(*args, message=b"Subject: test\n\nhello\n", program=SENDMAIL, root=None, **more):
        env = dict(os.environ, AMPEL_ROOT=str(root or server.root))
        return subprocess.run([str(program), *args], input=message, env=env, capture_output=True, timeout=30, check=False, **more)

    for user in ("alice", "bob"):
        for path in maildir.files(server.maildir(user)):
            path.unlink()
    return run


def message_of(server, user):
    assert wait_until(lambda: maildir.files(server.maildir(user))), f"nothing for {user}\n{server.log()[-2000:]}"
    (path,) = maildir.files(server.maildir(user))
    return email.message_from_bytes(path.read_bytes())


CALLS = [
    ("cron", ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "alice"]),
    ("php", ["-t", "-i"]),
    ("mutt", ["-oem", "-oi", "alice"]),
    ("git", ["-i", "-f", "dev@mx.example", "--", "alice@mx.example"]),
    ("mdadm", ["-t"]),
    ("old letters", ["-v", "-m", "-n", "-odb", "-oep", "-oi", "-O", "DeliveryMode=b", "-p", "SMTP:h", "-L", "tag", "-d0.1", "alice"]),
]


@pytest.mark.parametrize("args", [c[1] for c in CALLS], ids=[c[0] for c in CALLS])
def test_callers(server, sendmail, args):
    done = sendmail(*args, message=b"To: alice\nSubject: test\n\nhello\n")
    assert (done.returncode, done.stderr) == (0, b"")
    got = message_of(server, "alice")
    assert got["Subject"] == "test" and got["From"] and got["Date"] and got["Message-ID"]
    assert "(uid 0)" in got["Received"]


def test_caller_is_known_by_his_uid(server, sendmail):
    if os.geteuid() != 0:
        pytest.skip("needs another user")
    assert sendmail("-FCronDaemon", "alice", user=NOBODY, extra_groups=[]).returncode == 0
    got = message_of(server, "alice")
    assert f"from nobody (uid {NOBODY})" in got["Received"]
    assert got["From"] == '"CronDaemon" <nobody@mx.example>'
    assert got["Return-Path"] == "<nobody@mx.example>"


def test_recipients_of_the_header_and_no_bcc(server, sendmail):
    text = b'To: "Doe, A" <alice@mx.example>,\n nobody: ;\nBcc: bob\nSubject: secret\n\nbcc: in the body\n'
    assert sendmail("-t", message=text).returncode == 0
    for user in ("alice", "bob"):
        got = message_of(server, user)
        assert got["Bcc"] is None and got.get_payload() == "bcc: in the body\n"


def test_header_with_a_broken_address_sends_nothing(server, sendmail):
    done = sendmail("-t", message=b"To: alice, <bob\n\nx\n")
    assert done.returncode == 65 and b"<bob" in done.stderr
    assert not maildir.files(server.maildir("alice"))


@pytest.mark.parametrize("ignoring, body", [(True, "a\n.\nb\n"), (False, "a\n")])
def test_dots(server, sendmail, ignoring, body):
    assert sendmail(*(["-i"] if ignoring else []), "alice", message=b"Subject: x\n\na\n.\nb\n").returncode == 0
    assert message_of(server, "alice").get_payload() == body


@pytest.mark.parametrize("end", [b"\n.", b"\n.\n", b"\n.\r\n"])
def test_a_dot_at_the_end(server, sendmail, end):
    assert sendmail("alice", message=b"Subject: x\n\na" + end).returncode == 0
    assert message_of(server, "alice").get_payload() == "a\n"


def test_line_ends_and_no_last_one(server, sendmail):
    assert sendmail("alice", message=b"Subject: x\r\n\r\na\r\nb").returncode == 0
    assert message_of(server, "alice").get_payload() == "a\nb\n"


@pytest.mark.parametrize("path", ["", "<>"])
def test_null_reverse_path(server, sendmail, path):
    assert sendmail("-f", path, "alice").returncode == 0
    assert message_of(server, "alice")["Return-Path"] == "<>"


def test_message_without_a_header_section(server, sendmail):
    assert sendmail("alice", message=b"just text, and: no header\n").returncode == 0
    assert message_of(server, "alice").get_payload() == "just text, and: no header\n"


def test_large_message(server, sendmail):
    body = b"0123456789abcdef\n" * 400_000
    assert sendmail("-i", "alice", message=b"Subject: x\n\n" + body).returncode == 0
    assert message_of(server, "alice").get_payload().encode() == body


def test_many_recipients(server, sendmail):
    """More than one transaction takes: who stands in several of them gets it from each."""
    assert sendmail(*(["alice"] * 150 + ["bob"])).returncode == 0
    assert message_of(server, "bob")["Subject"] == "test"


@pytest.mark.parametrize(
    "args, code",
    [
        (["nobody-here"], 67),
        (["alice", "nobody-here"], 67),
        ([], 64),
        (["-Z", "alice"], 64),
        (["-N", "sometimes", "alice"], 64),
        (["-bd"], 64),
        (["-f", "a b@c", "alice"], 67),
    ],
)
def test_exit_codes(sendmail, args, code):
    done = sendmail(*args)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(b"sendmail: ")


def test_accepted_recipients_get_it_although_others_do_not_exist(server, sendmail):
    assert sendmail("alice", "nobody-here").returncode == 67
    message_of(server, "alice")


def test_bare_cr_is_a_data_error(sendmail):
    done = sendmail("alice", message=b"Subject: x\n\na\rb\n")
    assert done.returncode == 65, done.stderr


def test_server_that_does_not_run(sendmail, tmp_path):
    done = sendmail("alice", root=tmp_path)
    assert done.returncode == 75 and b"does not run" in done.stderr


def test_smtp_on_stdin(server, sendmail):
    text = b"EHLO x\r\nMAIL FROM:<root@mx.example>\r\nRCPT TO:<alice@mx.example>\r\nDATA\r\n"
    done = sendmail("-bs", message=text + b"Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n")
    assert done.returncode == 0
    assert [line[:3] for line in done.stdout.split(b"\r\n") if line[3:4] == b" "] == [
        b"220", b"250", b"250", b"250", b"354", b"250", b"221",
    ]
    message_of(server, "alice")


def test_verify(sendmail):
    done = sendmail("-bv", "alice@mx.example", "nobody-here@mx.example")
    assert done.returncode == 67
    first, second = done.stdout.decode().splitlines()
    assert first.startswith("alice@mx.example: 250") and second.startswith("nobody-here@mx.example: 550")


def test_verify_never_says_a_second_command(sendmail):
    assert sendmail("-bv", "alice>\r\nRCPT TO:<bob").returncode == 75


@pytest.mark.parametrize("name, word", [("mailq", "empty"), ("newaliases", "")])
def test_other_names(server, sendmail, name, word):
    done = sendmail("-C", str(server.conf), program=STAGE / "bin" / name)
    assert done.returncode == 0, done.stderr
    assert word in done.stdout.decode()


def test_flush(server, sendmail):
    assert sendmail("-q", "-C", str(server.conf)).returncode == 0
