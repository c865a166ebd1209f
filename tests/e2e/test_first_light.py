"""A message comes in and lies in the Maildir, whole."""

import os
import re
import smtplib

import pytest

from server import id_in
from wire import Wire

HEADER = (
    b"From: A Sender <sender@client.example>\r\n"
    b"To: alice@mx.example\r\n"
    b"Subject: first light\r\n"
)
# Dots, 8-bit bytes, a TAB, trailing blanks, empty lines at both ends.
BODY = (
    b"\r\n..two dots\r\n.\tone\r\n.\r\n\xc3\xa4\xff\x80 8 bit\r\n"
    b"trailing blanks  \r\nFrom here\r\n" + b"x" * 997 + b"\r\n\r\n"
)


@pytest.fixture(
    scope="module",
    params=[
        "root",
        pytest.param(
            "nobody",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="we are not root anyway"),
        ),
    ],
)
def server(request, module_server):
    return module_server(as_nobody=request.param == "nobody").start()


def unix_lines(data):
    return data.replace(b"\r\n", b"\n")


def send(server, message, recipients=("alice@mx.example",)):
    """The reply to the final dot, as text."""
    with smtplib.SMTP("127.0.0.1", server.port, "client.example", timeout=20) as client:
        client.ehlo()
        assert client.mail("sender@client.example")[0] == 250
        for recipient in recipients:
            assert client.rcpt(recipient)[0] == 250
        code, text = client.data(message)
        assert code == 250
        return text.decode()


def clear(server):
    for user in ("alice", "bob"):
        for mail in server.mail(user):
            mail.path.unlink()


def test_whole_message(server):
    clear(server)
    text = send(server, HEADER + b"\r\n" + BODY)
    (mail,) = server.wait_for_mail()
    assert mail.id == id_in(text)
    assert text.startswith("2.0.0 accepted, id ")
    assert mail.original(b"From: A Sender") == unix_lines(HEADER + b"\r\n" + BODY)


def test_trace_fields(server):
    clear(server)
    text = send(server, HEADER + b"\r\nhello\r\n")
    (mail,) = server.wait_for_mail()
    names = [name for name, _ in mail.fields()]
    assert names[:3] == [b"Return-Path", b"Delivered-To", b"Received"]
    assert names[3:] == [b"From", b"To", b"Subject"]
    assert mail.values(b"Return-Path") == [b"<sender@client.example>"]
    assert mail.values(b"Delivered-To") == [b"alice@mx.example"]
    (received,) = mail.values(b"Received")
    received = b" ".join(received.split())
    assert received.startswith(b"from client.example")
    assert b"[127.0.0.1]" in received
    assert b"by mx.example" in received
    assert b"with ESMTP id " + id_in(text).encode() in received
    assert b"for <alice@mx.example>" in received
    assert re.search(rb"; [A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", received)


def test_file_name(server):
    clear(server)
    send(server, HEADER + b"\r\nhello\r\n")
    (mail,) = server.wait_for_mail()
    match = re.fullmatch(
        r"(\d+)\.([0-9a-v]{26})\.(\d+)\.mx\.example,S=(\d+),W=(\d+)", mail.path.name
    )
    assert match, mail.path.name
    assert int(match[4]) == len(mail.data)
    assert int(match[5]) == len(mail.data) + mail.data.count(b"\n")
    assert mail.path.parent.name == "new"
    assert mail.path.stat().st_mode & 0o077 == 0


def test_two_recipients(server):
    clear(server)
    send(server, HEADER + b"\r\nto both\r\n", ("alice@mx.example", "bob@mx.example"))
    (to_alice,) = server.wait_for_mail("alice")
    (to_bob,) = server.wait_for_mail("bob")
    assert to_alice.id == to_bob.id
    # RFC 5321 section 7.2: no "for" with several recipients
    assert b"for <" not in to_alice.values(b"Received")[0]
    assert to_bob.values(b"Delivered-To") == [b"bob@mx.example"]


def test_same_recipient_twice_gets_one_copy(server):
    clear(server)
    send(server, HEADER + b"\r\nonce\r\n", ("alice@mx.example", "ALICE@MX.example"))
    server.wait_for_mail("alice", 1)


def test_subaddress(server):
    clear(server)
    send(server, HEADER + b"\r\ntagged\r\n", ("alice+shop@mx.example",))
    (mail,) = server.wait_for_mail()
    assert mail.values(b"Delivered-To") == [b"alice+shop@mx.example"]


def test_large_message(server):
    """Over a mebibyte: not a memory file, and a file of the store."""
    clear(server)
    body = b"".join(b"line %08d of a large message\r\n" % i for i in range(100_000))
    send(server, HEADER + b"\r\n" + body)
    (mail,) = server.wait_for_mail()
    assert mail.body == unix_lines(body)


def test_many_messages_on_one_connection(server):
    clear(server)
    ids = set()
    with Wire(server.port) as wire:
        wire.hello()
        for i in range(50):
            wire.expect(250, "MAIL FROM:<sender@client.example>")
            wire.expect(250, "RCPT TO:<alice@mx.example>")
            reply = wire.data(HEADER + b"\r\nnumber %d\r\n" % i)
            assert reply.code == 250
            ids.add(id_in(reply))
    assert len(ids) == 50
    mails = server.wait_for_mail(n=50)
    assert {mail.id for mail in mails} == ids
    assert sorted(mail.body for mail in mails) == sorted(b"number %d\n" % i for i in range(50))


def test_pipelined(server):
    """RFC 2920: a group of commands in one segment."""
    clear(server)
    with Wire(server.port) as wire:
        wire.hello()
        wire.send(
            b"MAIL FROM:<sender@client.example>\r\nRCPT TO:<alice@mx.example>\r\n"
            b"RCPT TO:<nobody-here@mx.example>\r\nDATA\r\n"
        )
        assert [wire.reply().code for _ in range(4)] == [250, 250, 550, 354]
        wire.send(HEADER + b"\r\npipelined\r\n.\r\nQUIT\r\n")
        assert [wire.reply().code for _ in range(2)] == [250, 221]
    server.wait_for_mail()


def test_byte_by_byte(server):
    clear(server)
    with Wire(server.port) as wire:
        wire.begin()
        wire.expect(354, "DATA")
        for byte in HEADER + b"\r\n..slowly\r\n.\r\n":
            wire.send(bytes((byte,)))
        wire.expect(250)
    (mail,) = server.wait_for_mail()
    assert mail.body == b".slowly\n"


def test_one_final_line_in_the_log(server):
    clear(server)
    text = send(server, HEADER + b"\r\nlogged\r\n")
    server.wait_for_mail()
    lines = server.wait_for_log(f"id={id_in(text)}", "code=250")
    assert len(lines) == 1
    assert all(32 <= ord(c) < 127 for c in lines[0])
    assert "first light" not in server.log(), "subjects are not logged"


def test_strangers_marks_are_removed(server):
    clear(server)
    forged = b"X-Spam-Flag: YES\r\nX-Spam-Status: No,\r\n\tfolded\r\nX-Ampel-Verdict: green\r\n"
    send(server, forged + HEADER + b"x-spam-level: *****\r\n\r\nX-Spam-Flag: in the body\r\n")
    (mail,) = server.wait_for_mail()
    names = {name.lower() for name, _ in mail.fields()}
    assert not {name for name in names if name.startswith((b"x-spam", b"x-ampel"))}
    assert mail.original(b"From: A Sender") == unix_lines(HEADER) + b"\nX-Spam-Flag: in the body\n"


def test_a_user_added_now_has_mail_now(server):
    clear(server)
    added = server.command("user", "add", "latecomer")
    assert added.returncode == 0, added.stderr
    with smtplib.SMTP("127.0.0.1", server.port) as client:
        client.sendmail("sender@client.example", ["latecomer@mx.example"], HEADER + b"\r\nsoon\r\n")
    server.wait_for_mail(user="latecomer")
