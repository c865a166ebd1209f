"""hi-q and ampel-inject behind mailfront(7), Debian's caller of qmail-queue: a whole SMTP session
on its standard input, and what the client hears."""

import shutil
import subprocess

import pytest

from qmail_caller import PROGRAM, House
from server import make_folder

FRONT = shutil.which("mailfront", path="/usr/sbin:/usr/bin")
BODY = "Subject: by mailfront\r\n\r\n" + "a line of the body\r\n" * 5000


@pytest.fixture
def house():
    folder = make_folder("ampel-front-")
    (folder / "control").mkdir()
    (folder / "control" / "rcpthosts").write_text("example.net\nmx.example\n")
    yield House(folder)
    shutil.rmtree(folder)


def converse(house, queue, recipient="to@example.net", fields="", **env):
    """The replies, from the greeting to that to QUIT."""
    session = f"EHLO client.example\r\nMAIL FROM:<from@example.org>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n{fields}{BODY}.\r\nQUIT\r\n"
    ucspi = {"PROTO": "TCP", "TCPREMOTEIP": "192.0.2.1", "TCPREMOTEHOST": "client.example", "TCPLOCALHOST": "mx.example", "RELAYCLIENT": ""}
    done = subprocess.run(
        [FRONT, "smtp", "qmail", "relayclient", "qmail-validate", "add-received"],
        input=session.encode(), capture_output=True, check=False, timeout=60,
        env=house.env(QMAILHOME=str(house.folder), QMAILQUEUE=str(queue), **ucspi, **env),
    )
    return done.stdout.decode()


def reply_to_data(replies):
    """What follows the 354."""
    return replies.split("\r\n354 ", 1)[1].split("\r\n")[1]


def test_green(house):
    house.configure(("command", "/bin/cat"), ("check", "/bin/true"))
    assert reply_to_data(converse(house, PROGRAM)).startswith("250 ")
    (queued,) = house.queued()
    assert queued["envelope"] == b"Ffrom@example.org\0Tto@example.net\0\0"
    assert queued["message"].startswith(b"X-Ampel-Verdict: green")
    assert queued["message"].endswith(BODY.replace("\r\n", "\n").encode())


@pytest.mark.parametrize("text, code", (("cat; exit 1", "554"), ("head -c 500; exit 71", "451"), ("head -c 500; kill -9 $$", "451")))
def test_others(house, text, code):
    house.configure(("command", house.script("filter", text)))
    assert reply_to_data(converse(house, PROGRAM)).startswith(code + " ")
    assert house.queued() == [] and house.begun() == 0


def test_the_id_is_that_of_the_queue(house):
    """The process id in its reply is the one that the queue has."""
    house.configure(("command", "/bin/cat"))
    said = reply_to_data(converse(house, PROGRAM))
    (queued,) = house.queued()
    assert str(queued["pid"]) in said.split()


def test_marks_reach_the_maildir(house, new_server):
    """What hi-q found yellow is yellow for its receiver; what somebody forged is gone."""
    server = new_server(listeners=("local",)).start()
    grey = house.script("grey", "cat; exit 3")
    house.configure(f'command = "{grey}"\nyellow = {{ 3 }}', queue=False)
    forged = "X-Spam-Flag: NO\r\nX-Ampel-Verdict: green\r\n"
    assert reply_to_data(converse(house, PROGRAM, "alice@mx.example", forged, AMPEL_ROOT=str(server.root))).startswith("250 ")
    (mail,) = server.wait_for_mail("alice")
    assert mail.values(b"X-Spam-Flag") == [b"YES"]
    assert [v.split(b";")[0] for v in mail.values(b"X-Ampel-Verdict")] == [b"yellow"]


def test_into_our_queue(house, new_server):
    """mailfront, hi-q, ampel-inject, the queue, the Maildir."""
    server = new_server(listeners=("local",)).start()
    house.configure(("command", "/bin/cat"), queue=False)
    said = reply_to_data(converse(house, PROGRAM, "alice@mx.example", AMPEL_ROOT=str(server.root)))
    assert said.startswith("250 "), house.log.read_text() if house.log.exists() else said
    (mail,) = server.wait_for_mail("alice")
    assert mail.body == BODY.split("\r\n\r\n", 1)[1].replace("\r\n", "\n").encode()
    (verdict,) = mail.values(b"X-Ampel-Verdict")
    assert verdict.startswith(b"green")
