"""The three colours with a real spamd."""

import email.utils
import re
import socket
import time

import pytest

import maildir
import spamd
from server import free_port, id_in
from wire import Wire

HEAD = (
    b"From: A Sender <sender@client.example>\r\nTo: alice@mx.example\r\nSubject: hello\r\n"
    # now: SpamAssassin has rules for dates that are not
    b"Date: " + email.utils.formatdate().encode() + b"\r\nMessage-ID: <one@client.example>\r\n"
)
GREEN = HEAD + b"\r\nplease-be-green\r\n"
YELLOW = HEAD + b"\r\nplease-be-yellow\r\n"
RED = HEAD + b"\r\n" + spamd.GTUBE + b"\r\n"
REFUSED = r"5\.7\.1 message rejected by spam filter: .*\(ref [0-9a-v]{26}\)"


def block(address, more=""):
    return f'filter spamassassin {{ spamd = {address}  yellow = 5.0  red = 7.0 {more} }}\n'


def send(server, message, *recipients, sender="sender@client.example"):
    with Wire(server.port, timeout=150) as wire:
        wire.begin(*recipients, sender=sender)
        return wire.data(message)


def only_mail(server, user="alice"):
    (mail,) = server.wait_for_mail(user)
    mail.path.unlink()
    return mail


def is_empty(server):
    time.sleep(0.3)
    return not maildir.files(server.maildir("alice"))


@pytest.fixture(scope="module")
def server(module_server, real_spamd):
    return module_server(blocks=block(f'"{real_spamd.address}"')).start()


def test_green(server):
    reply = send(server, GREEN)
    assert reply.code == 250 and reply.status == "2.0.0"
    mail = only_mail(server)
    assert mail.id == id_in(reply)
    (verdict,) = mail.values(b"X-Ampel-Verdict")
    assert re.match(rb"green; spamassassin=-\d+(\.\d+)?/5/7$", verdict), verdict
    assert not mail.values(b"X-Spam-Flag")
    assert mail.original(b"From: A Sender") == GREEN.replace(b"\r\n", b"\n")


def test_yellow(server):
    reply = send(server, YELLOW)
    assert reply.code == 250
    mail = only_mail(server)
    assert mail.values(b"X-Spam-Flag") == [b"YES"]
    (status,) = mail.values(b"X-Spam-Status")
    match = re.match(rb"Yes, score=(\d+\.\d+) required=5\.0 tests=", b" ".join(status.split()))
    assert match and 5 <= float(match[1]) < 7, status
    assert b"TEST_YELLOW" in status
    (verdict,) = mail.values(b"X-Ampel-Verdict")
    summary = re.fullmatch(rb"yellow; spamassassin=(\d+(?:\.\d+)?)/5/7", verdict)
    assert summary and float(summary[1]) == float(match[1]), verdict
    assert mail.original(b"From: A Sender") == YELLOW.replace(b"\r\n", b"\n")


def test_red(server):
    reply = send(server, RED)
    assert reply.code == 554
    assert re.fullmatch(REFUSED, reply.texts[0]), reply
    assert is_empty(server)
    (line,) = server.wait_for_log(f"id={id_in(reply)}", "verdict=red")
    assert "code=554" in line
    assert re.search(r"\bscore=\d{3,}\.\d", line), line


def test_red_for_postmaster_alone_is_yellow(server):
    """RFC 5321 section 4.5.1; with others it stays red."""
    assert send(server, RED, "postmaster@mx.example").code == 250
    assert only_mail(server).values(b"X-Spam-Flag") == [b"YES"]
    assert send(server, RED, "abuse@mx.example", "bob@mx.example").code == 554
    assert is_empty(server)


def test_forged_marks_do_not_count(server):
    forged = b"X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=99\r\nX-Ampel-Verdict: red\r\n"
    assert send(server, forged + GREEN).code == 250
    mail = only_mail(server)
    assert not mail.values(b"X-Spam-Flag") and not mail.values(b"X-Spam-Status")
    assert len(mail.values(b"X-Ampel-Verdict")) == 1


def test_session_goes_on_after_red(server):
    with Wire(server.port, timeout=150) as wire:
        wire.begin()
        assert wire.data(RED).code == 554
        wire.expect(250, "MAIL FROM:<sender@client.example>")
        wire.expect(250, "RCPT TO:<alice@mx.example>")
        assert wire.data(GREEN).code == 250
    only_mail(server)


def test_unix_socket(new_server):
    one = spamd.Spamd(unix=True, rules=spamd.TEST_RULES).start()
    try:
        server = new_server(blocks=block(f'"{one.address}"')).start()
        assert send(server, GREEN).code == 250
        assert send(server, RED).code == 554
        server.wait_for_mail(n=1)
    finally:
        one.close()


def test_envelope_from(new_server):
    """Only spamd sees X-Envelope-From; it is not stored."""
    rules = (
        "header TEST_ENVELOPE X-Envelope-From =~ /marked\\@client\\.example/",
        "score TEST_ENVELOPE 26",
        *spamd.TEST_RULES,
    )
    one = spamd.Spamd(rules=rules).start()
    try:
        server = new_server(blocks=block(f'"{one.address}"')).start()
        assert send(server, GREEN).code == 250
        mail = only_mail(server)
        assert not mail.values(b"X-Envelope-From")
        reply = send(server, GREEN, sender="marked@client.example")
        # -20 and 26: the rule was hit
        assert reply.code == 250 and only_mail(server).values(b"X-Spam-Flag") == [b"YES"]
    finally:
        one.close()


def test_spamd_dies_and_comes_back(new_server):
    """Nothing passes unscanned meanwhile, and nothing has to be told that it is back."""
    one = spamd.Spamd(rules=spamd.TEST_RULES).start()
    try:
        server = new_server(blocks=block(f'"{one.address}"')).start()
        assert send(server, GREEN).code == 250
        only_mail(server)
        one.stop()
        for message in (GREEN, YELLOW, RED):
            reply = send(server, message)
            assert (reply.code, reply.status) == (451, "4.3.0"), reply
        assert is_empty(server)
        one.start()
        assert send(server, GREEN).code == 250
        assert only_mail(server).values(b"X-Ampel-Verdict")
        assert send(server, RED).code == 554
    finally:
        one.close()


def test_next_address_when_one_is_down(new_server, real_spamd):
    addresses = f'{{ "127.0.0.1:{free_port()}", "{real_spamd.address}" }}'
    server = new_server(blocks=block(addresses)).start()
    assert send(server, RED).code == 554
    assert send(server, GREEN).code == 250
    server.wait_for_mail(n=1)


@pytest.fixture
def mute():
    """Listens and never says a word."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(16)
        yield f"127.0.0.1:{s.getsockname()[1]}"


def test_silent_spamd(new_server, mute):
    server = new_server(blocks=block(f'"{mute}"', "timeout = 1s")).start()
    reply = send(server, GREEN)
    assert (reply.code, reply.status) == (451, "4.3.0"), reply
    assert is_empty(server)


def test_on_error_pass_is_marked(new_server, mute):
    server = new_server(blocks=block(f'"{mute}"', "timeout = 1s  on_error = pass")).start()
    assert send(server, GREEN).code == 250
    (verdict,) = only_mail(server).values(b"X-Ampel-Verdict")
    assert b"spamassassin=unscanned" in verdict


def test_too_large_for_spamd(new_server, real_spamd):
    """Passes, visibly marked, unless it is to be deferred."""
    large = RED + b"x" * 70 + b"\r\n" + b"a line of a large message\r\n" * 1000
    server = new_server(blocks=block(f'"{real_spamd.address}"', "max_size = 10k")).start()
    assert send(server, large).code == 250
    (verdict,) = only_mail(server).values(b"X-Ampel-Verdict")
    assert b"spamassassin=unscanned" in verdict


def test_shadow_records_and_never_decides(new_server, real_spamd):
    server = new_server(blocks=block(f'"{real_spamd.address}"', "shadow = yes")).start()
    reply = send(server, RED)
    assert reply.code == 250
    mail = only_mail(server)
    assert not mail.values(b"X-Spam-Flag")
    (verdict,) = mail.values(b"X-Ampel-Verdict")
    assert re.match(rb"green; shadow:spamassassin=\d+(\.\d+)?/5/7$", verdict), verdict
    assert server.wait_for_log(f"id={id_in(reply)}", "shadow:spamassassin=")


def test_helper_is_started_and_watched(new_server):
    """spamd as a helper of the configuration: up before the listener greets, gone after."""
    port = free_port()
    command = " ".join(
        spamd.arguments(["-i", "127.0.0.1", "-p", str(port)], rules=())
    ).replace(" --cf=use_bayes 0", "")
    helper = f'helper spamd {{ command = "{command}"  ready = "127.0.0.1:{port}" }}\n'
    server = new_server(blocks=block(f'"127.0.0.1:{port}"') + helper).start()
    assert send(server, RED).code == 554
    assert send(server, GREEN).code == 250
    server.wait_for_mail(n=1)
    server.stop()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), 2).close()
