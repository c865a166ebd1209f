"""What a user may send after his login, and what becomes of it on the way."""

import json
import re

import pytest

import login
from login import Session, new_source

SUBMISSION = ("smtps", "submission")
ALIASES = "team: alice\nall: alice, bob\n"
USERS = ("alice", "bob")
MESSAGE = b"From: alice@mx.example\r\nSubject: hello\r\n\r\nhello\r\n"
RED = '#!/bin/sh\nif grep -q RED; then exit 1; fi\n'


def start(server):
    server.start()
    for user in server.users:
        login.set_line(server, user)
    return server


@pytest.fixture(scope="module")
def server(module_server):
    """With a filter that refuses whatever holds a word, on port 25 as all filters are."""
    one = module_server(listeners=("smtp", *SUBMISSION), aliases=ALIASES, users=USERS)
    script = one.folder / "red"
    script.write_text(RED)
    script.chmod(0o755)
    one.blocks = f'filter red {{ check = "{script}" }}\n'
    one.write_conf()
    return start(one)


@pytest.fixture
def open_server(new_server):
    """A function of settings: such a server."""
    return lambda **settings: start(
        new_server(listeners=("smtp", *SUBMISSION), aliases=ALIASES, users=USERS, settings=settings)
    )


def logged_in(server, listener="smtps", user="alice", helo="client.example"):
    session = Session(server, listener, new_source(), helo)
    assert session.log_in(user) == "yes"
    return session


def send(session, *recipients, sender="alice@mx.example", message=MESSAGE):
    """The reply behind the dot; all before went well."""
    session.expect(250, f"MAIL FROM:<{sender}>")
    for recipient in recipients:
        session.expect(250, f"RCPT TO:<{recipient}>")
    return session.data(message)


def mail_of_bob(server, message=MESSAGE, sender="alice@mx.example", helo="client.example"):
    """What came of one message for him."""
    before = {mail.path.name for mail in server.mail("bob")}
    with logged_in(server, helo=helo) as session:
        assert send(session, "bob@mx.example", sender=sender, message=message).code == 250
    server.wait_for_mail("bob", len(before) + 1)
    return [mail for mail in server.mail("bob") if mail.path.name not in before][0]


# ---- before the login ----


@pytest.mark.parametrize("listener", SUBMISSION)
def test_nothing_before_the_login(server, listener):
    with Session(server, listener) as session:
        session.expect(530, "MAIL FROM:<alice@mx.example>")
        session.expect(530, "MAIL FROM:<>")
        assert session.log_in("alice", "wrong") == "no"
        session.expect(530, "MAIL FROM:<alice@mx.example>")


# ---- in whose name ----


@pytest.mark.parametrize("listener", SUBMISSION)
@pytest.mark.parametrize(
    "sender",
    ["alice@mx.example", "Alice@MX.Example", "alice+lists@mx.example", "team@mx.example", ""],
)
def test_addresses_of_his_own(server, listener, sender):
    with logged_in(server, listener) as session:
        session.expect(250, f"MAIL FROM:<{sender}>")
        session.expect(250, "RCPT TO:<bob@mx.example>")


@pytest.mark.parametrize("listener", SUBMISSION)
@pytest.mark.parametrize(
    "sender",
    [
        "bob@mx.example",
        "bob+alice@mx.example",
        "alice@elsewhere.example",
        "nobody-here@mx.example",
        "alice@[127.0.0.1]",
        "alice@sub.mx.example",
        "postmaster",
    ],
)
def test_addresses_of_others(server, listener, sender):
    with logged_in(server, listener) as session:
        reply = session.command(f"MAIL FROM:<{sender}>")
        assert reply.code in (501, 553) if sender == "postmaster" else reply.code == 553, reply
        session.expect(503, "RCPT TO:<bob@mx.example>")
        session.expect(250, "MAIL FROM:<alice@mx.example>")


def test_the_null_reverse_path(server):
    assert mail_of_bob(server, sender="").values(b"Return-Path") == [b"<>"]


def test_any_sender(open_server):
    server = open_server(any_sender="yes")
    mail = mail_of_bob(server, sender="anybody@elsewhere.example")
    assert mail.values(b"Return-Path") == [b"<anybody@elsewhere.example>"]


# ---- to whom ----


def states(server, recipient):
    rows = [json.loads(line) for line in server.must("queue", "list", "--json").splitlines()]
    return [(row["from"], row["state"]) for row in rows if row["recipient"] == recipient]


def test_relaying(open_server):
    """After the login mail for elsewhere is taken, and kept; without one it never is."""
    server = open_server()
    server.must("stop", "send")
    for listener in SUBMISSION:
        recipient = f"friend@{listener}.elsewhere.example"
        with logged_in(server, listener) as session:
            assert send(session, recipient).code == 250
        assert states(server, recipient) == [("alice@mx.example", "queued")]
        with login.Wire(server.port) as wire:
            wire.hello()
            wire.expect(250, "MAIL FROM:<alice@mx.example>")
            assert wire.expect(550, f"RCPT TO:<{recipient}>").status == "5.7.1"


@pytest.mark.parametrize("probe", ["friend%elsewhere.example@mx.example", "elsewhere.example!friend@mx.example"])
def test_probes_lead_nowhere(server, probe):
    """A user may relay, but such a name is nobody's here."""
    with logged_in(server) as session:
        session.expect(250, "MAIL FROM:<alice@mx.example>")
        session.expect(550, f"RCPT TO:<{probe}>")


def test_unknown_recipients(server):
    with logged_in(server) as session:
        session.expect(250, "MAIL FROM:<alice@mx.example>")
        session.expect(550, "RCPT TO:<nobody-here@mx.example>")


def test_recipients_of_a_day(open_server):
    """Counted by user, over all of his sessions; refused ones do not count."""
    server = open_server(daily_recipients=3)
    with logged_in(server) as session:
        session.expect(250, "MAIL FROM:<alice@mx.example>")
        session.expect(250, "RCPT TO:<bob@mx.example>")
        session.expect(550, "RCPT TO:<nobody-here@mx.example>")
        session.expect(250, "RCPT TO:<a@elsewhere.example>")
    with logged_in(server, "submission") as session:
        session.expect(250, "MAIL FROM:<alice@mx.example>")
        session.expect(250, "RCPT TO:<bob@mx.example>")
        for recipient in ("alice@mx.example", "b@elsewhere.example"):
            reply = session.expect(450, f"RCPT TO:<{recipient}>")
            assert reply.status == "4.7.1"
        assert session.data(MESSAGE).code == 250  # those who were accepted get it
    with logged_in(server, user="bob") as session:
        session.expect(250, "MAIL FROM:<bob@mx.example>")
        session.expect(250, "RCPT TO:<alice@mx.example>")
    with login.Wire(server.port) as wire:
        wire.begin("alice@mx.example", sender="alice@mx.example")


# ---- what becomes of the message ----


def received(mail):
    return mail.values(b"Received")[0].decode()


def test_the_client_is_told(server):
    """Unless it is hidden; without this the next test would say nothing."""
    field = received(mail_of_bob(server, helo="my-laptop.example"))
    assert "my-laptop.example" in field and "[127." in field
    assert " with ESMTPSA " in field


def test_a_hidden_client(open_server):
    server = open_server(hide_client="yes")
    mail = mail_of_bob(server, helo="my-laptop.example")
    assert len(mail.values(b"Received")) == 1
    assert b"my-laptop" not in mail.data
    assert b"127." not in mail.data
    assert " with ESMTPSA " in received(mail)
    with login.Wire(server.port) as wire:  # of strangers it is always told
        wire.begin("alice@mx.example")
        assert wire.data(MESSAGE).code == 250
    assert "[127.0.0.1]" in received(server.wait_for_mail("alice")[0])


def test_missing_fields_are_added(server):
    mail = mail_of_bob(server)
    (date,) = mail.values(b"Date")
    assert re.fullmatch(rb"\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d \+0000", date), date
    (message_id,) = mail.values(b"Message-ID")
    assert message_id == f"<{mail.id}@mx.example>".encode()
    head, _, body = MESSAGE.replace(b"\r\n", b"\n").partition(b"\n\n")
    assert mail.original(b"From:").startswith(head + b"\n")
    assert mail.body == body


@pytest.mark.parametrize(
    "fields",
    [
        b"Date: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <own@client.example>\r\n",
        b"date: yesterday\r\nMESSAGE-id: none\r\n",
        b"Message-ID:\r\n <folded@client.example>\r\nDate:\r\n\tThu, 1 Jan 1970\r\n 00:00:00 +0000\r\n",
    ],
    ids=["usual", "odd", "folded"],
)
def test_fields_that_are_there_stay(server, fields):
    mail = mail_of_bob(server, fields + MESSAGE)
    assert mail.original(fields[:4]) == (fields + MESSAGE).replace(b"\r\n", b"\n")
    assert len(mail.values(b"Date")) == len(mail.values(b"Message-ID")) == 1


def test_one_of_the_two_is_there(server):
    mail = mail_of_bob(server, b"Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n" + MESSAGE)
    assert mail.values(b"Date") == [b"Thu, 1 Jan 1970 00:00:00 +0000"]
    assert len(mail.values(b"Message-ID")) == 1


def test_strangers_get_no_fields(server):
    """On port 25 nothing is added that the sender should have."""
    before = len(server.mail("alice"))
    with login.Wire(server.port) as wire:
        wire.begin("alice@mx.example")
        assert wire.data(MESSAGE).code == 250
    mail = [m for m in server.wait_for_mail("alice", before + 1)][-1]
    assert mail.values(b"Date") == mail.values(b"Message-ID") == []


# ---- filters ----


def reply_of(server, listener, message):
    if listener == "smtp":
        with login.Wire(server.port) as wire:
            wire.begin("bob@mx.example")
            return wire.data(message).code
    with logged_in(server, listener) as session:
        return send(session, "bob@mx.example", message=message).code


def test_filters_are_for_strangers(server):
    red = MESSAGE + b"RED\r\n"
    assert reply_of(server, "smtp", MESSAGE) == 250
    assert reply_of(server, "smtp", red) == 554
    for listener in SUBMISSION:
        assert reply_of(server, listener, red) == 250


def test_filters_that_say_otherwise(new_server):
    one = new_server(listeners=("smtp", *SUBMISSION), users=USERS)
    script = one.folder / "red"
    script.write_text(RED)
    script.chmod(0o755)
    one.blocks = f'filter red {{ check = "{script}"  listeners = {{ "smtps" }} }}\n'
    one.write_conf()
    start(one)
    red = MESSAGE + b"RED\r\n"
    assert reply_of(one, "smtps", red) == 554
    assert reply_of(one, "smtps", MESSAGE) == 250
    for listener in ("smtp", "submission"):
        assert reply_of(one, listener, red) == 250
