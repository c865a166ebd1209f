"""What a user may do who has logged in to smtps or submission, and what is done to his mail."""

import email
import json
import smtplib

import pytest

PASSWORDS = {"alice": "secret", "bob": "geheim"}
TEXT = "From: alice@mx.example\nTo: bob@mx.example\nSubject: hello\n\nbody\n"
ELSEWHERE = "someone@elsewhere.example"


def start(new_server, **more):
    return new_server(
        listeners=("smtp", "smtps", "submission"),
        passwords=PASSWORDS,
        users=("alice", "bob", "carol"),
        aliases="sales: alice, bob\n",
        **more,
    ).start()


@pytest.fixture(scope="module")
def server(module_server):
    return start(module_server)


def log_in(server, listener="smtps", user="alice"):
    if listener == "smtps":
        smtp = smtplib.SMTP_SSL("localhost", server.ports[listener], context=server.tls_context(), timeout=20)
    else:
        smtp = smtplib.SMTP("localhost", server.ports[listener], timeout=20)
        smtp.starttls(context=server.tls_context())
    smtp.ehlo("secret-host.example")
    smtp.login(user, PASSWORDS[user])
    return smtp


def send(smtp, reverse_path, recipient, text=TEXT):
    """The codes of MAIL, RCPT and DATA, as far as it got."""
    codes = [smtp.mail(reverse_path)[0]]
    if codes[-1] == 250:
        codes.append(smtp.rcpt(recipient)[0])
    if codes[-1] == 250 and len(codes) == 2:
        codes.append(smtp.data(text)[0])
    smtp.rset()
    return codes


def connect(server):
    """A stranger on port 25."""
    smtp = smtplib.SMTP("localhost", server.ports["smtp"], timeout=20)
    smtp.ehlo("open-host.example")
    return smtp


def newest(server, user, before):
    server.wait_for_mail(user, len(before) + 1)
    known = {m.path.name for m in before}
    return [m for m in server.mail(user) if m.path.name not in known][0]


# ---- as whom ----


@pytest.mark.parametrize("listener", ["smtps", "submission"])
@pytest.mark.parametrize(
    "reverse_path, codes",
    [
        ("alice@mx.example", [250, 250, 250]),
        ("ALICE@mx.example", [250, 250, 250]),
        ("alice+lists@mx.example", [250, 250, 250]),
        ("sales@mx.example", [250, 250, 250]),
        ("", [250, 250, 250]),
        ("carol@mx.example", [553]),
        ("nobody@mx.example", [553]),
        ("alice@elsewhere.example", [553]),
    ],
)
def test_reverse_paths(server, listener, reverse_path, codes):
    with log_in(server, listener) as smtp:
        assert send(smtp, reverse_path, "bob@mx.example") == codes


def test_any_sender(new_server):
    one = start(new_server, settings={"any_sender": "yes"})
    with log_in(one) as smtp:
        assert send(smtp, "alice@elsewhere.example", "bob@mx.example") == [250, 250, 250]


# ---- to whom ----


@pytest.mark.parametrize("listener", ["smtps", "submission"])
def test_relaying_is_for_users(server, listener):
    """It is accepted, and waits in the queue until something delivers it."""
    with log_in(server, listener) as smtp:
        assert send(smtp, "alice@mx.example", ELSEWHERE) == [250, 250, 250]
    server.wait_for_log("ev=deferred", ELSEWHERE, "4.3.2")
    rows = [json.loads(line) for line in server.must("queue", "list", "--json").splitlines()]
    assert [row for row in rows if ELSEWHERE in json.dumps(row)]


def test_relaying_is_not_for_strangers(server):
    with connect(server) as smtp:
        smtp.starttls(context=server.tls_context())
        smtp.ehlo()
        assert send(smtp, "alice@mx.example", ELSEWHERE) == [250, 550]


def test_recipients_a_day(new_server):
    one = start(new_server, settings={"daily_recipients": 3})
    with log_in(one) as smtp:
        smtp.mail("alice@mx.example")
        codes = [smtp.rcpt(f"{name}@mx.example")[0] for name in ("alice", "bob", "carol", "sales")]
        assert codes == [250, 250, 250, 450]
    with log_in(one, "submission") as smtp:
        assert send(smtp, "alice@mx.example", "bob@mx.example") == [250, 450]
    with log_in(one, user="bob") as smtp:
        assert send(smtp, "bob@mx.example", "alice@mx.example") == [250, 250, 250]


# ---- what becomes of his mail ----


def test_missing_fields_are_added(server):
    before = server.mail("bob")
    with log_in(server) as smtp:
        assert send(smtp, "alice@mx.example", "bob@mx.example") == [250, 250, 250]
    mail = newest(server, "bob", before)
    message = email.message_from_bytes(mail.data)
    assert len(message.get_all("Date")) == 1
    assert message.get_all("Message-ID") == [f"<{mail.id}@mx.example>"]
    assert message.get_payload() == "body\n"


def test_present_fields_are_left(server):
    date, name = "Tue, 24 Nov 2026 10:00:00 +0000", "<given@client.example>"
    before = server.mail("bob")
    with log_in(server) as smtp:
        send(smtp, "alice@mx.example", "bob@mx.example", f"date: {date}\nMESSAGE-ID: {name}\n{TEXT}")
    message = email.message_from_bytes(newest(server, "bob", before).data)
    assert message.get_all("Date") == [date]
    assert message.get_all("Message-ID") == [name]


def test_nothing_is_added_to_mail_of_others(server):
    before = server.mail("bob")
    with connect(server) as smtp:
        send(smtp, ELSEWHERE, "bob@mx.example")
    message = email.message_from_bytes(newest(server, "bob", before).data)
    assert message["Date"] is None and message["Message-ID"] is None


@pytest.mark.parametrize("hides", ["yes", "no"])
def test_hide_client(new_server, hides):
    one = start(new_server, settings={"hide_client": hides})
    with log_in(one) as smtp:
        send(smtp, "alice@mx.example", "bob@mx.example")
    with connect(one) as smtp:
        send(smtp, ELSEWHERE, "carol@mx.example")
    received = one.wait_for_mail("bob")[0].values(b"Received")[0]
    for shown in (b"127.0.0.1", b"secret-host.example"):
        assert (shown in received) == (hides == "no")
    assert b"with ESMTPSA" in received
    others = one.wait_for_mail("carol")[0].values(b"Received")[0]
    assert b"127.0.0.1" in others and b"open-host.example" in others


def test_filters_are_for_port_25(new_server):
    """One that rejects everything but the message by which filters are tried at the start."""
    one = new_server(listeners=("smtp", "smtps", "submission"), passwords=PASSWORDS)
    filter_program = one.folder / "reject-all"
    filter_program.write_text('#!/bin/sh\ncat >/dev/null\ncase "$RECIPIENTS" in *@mx.example*) exit 1 ;; esac\n')
    filter_program.chmod(0o755)
    one.blocks = f'filter trap {{ check = "{filter_program}" }}\n'
    one.write_conf()
    one.start()
    with connect(one) as smtp:
        assert send(smtp, ELSEWHERE, "bob@mx.example") == [250, 250, 554]
    for listener in ("smtps", "submission"):
        with log_in(one, listener) as smtp:
            assert send(smtp, "alice@mx.example", "bob@mx.example") == [250, 250, 250]
    one.wait_for_mail("bob", 2)
