"""Notifications of proto/dsn, read back by Python's own parser of mail."""

import email
import email.policy
import os
import random
import re
import subprocess
import unicodedata
from email.header import decode_header, make_header
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from server import ROOT

PROGRAM = Path(os.environ.get("AMPEL_DSN_PRINT", ROOT / "build" / "tests" / "readback" / "dsn-print"))
ID = "01k882ki5b4ermp2kj2srltpsb"
FAILED, DELAYED, DELIVERED, RELAYED, EXPANDED = range(5)
ORIGINAL = b"From: me@here.example\nMessage-ID: <1.2@here.example>\nSubject: hello\n\nGood day.\n"
HEADER = ORIGINAL[: ORIGINAL.index(b"\n\n") + 1]
REPLY = {
    "address": "user@example.net",
    "status": "5.1.1",
    "host": "mx.example.net [192.0.2.1]",
    "text": "550 5.1.1 No such user here",
    "is_reply": 1,
}
FIELDS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]


def make(*recipients, **values):
    """The bytes of a notification; fields as in struct dsn."""
    values = {"id": ID, "hostname": "mx.example", "to": "me@here.example", "original": ORIGINAL} | values
    lines = []
    for recipient in recipients or (REPLY,):
        lines.append("recipient")
        lines += [line(*item) for item in recipient.items()]
    lines += [line(*item) for item in values.items()]
    done = subprocess.run([PROGRAM], input="\n".join(lines).encode(), stdout=subprocess.PIPE, check=True)
    return done.stdout


def line(name, value):
    value = value if isinstance(value, bytes) else str(value).encode()
    return f"{name} {value.hex()}"


def read(raw):
    """The three parts, after what is true of every notification."""
    assert b"\r" not in raw and b"\0" not in raw
    assert max(map(len, raw.split(b"\n"))) <= 998
    mail = email.message_from_bytes(raw, policy=email.policy.compat32)
    names = [name for name in mail.keys() if name not in ("In-Reply-To", "References")]
    assert names == FIELDS
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "delivery-status"
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["MIME-Version"] == "1.0"
    for one in mail.walk():
        if one.get_content_maintype() != "message" or not one.is_multipart():
            assert not [d for d in one.defects if "Boundary" in type(d).__name__], one.defects
    parts = mail.get_payload()
    assert len(parts) == 3
    assert parts[0].get_content_type() == "text/plain"
    assert parts[1].get_content_type() in ("message/delivery-status", "message/global-delivery-status")
    mark = b"--" + mail.get_boundary().encode()
    body = raw.split(b"\n\n", 1)[1]
    assert body.count(mark) == 4 and raw.endswith(b"\n" + mark + b"--\n")
    for part in content(raw):
        is_ascii = all(byte < 128 for byte in part[1])
        assert (b"Content-Transfer-Encoding: 7bit" in part[0]) == is_ascii
    return mail, parts


def content(raw):
    """The parts as bytes: header and content."""
    boundary = re.search(rb'boundary="([^"]+)"', raw).group(1)
    pieces = raw.split(b"\n\n", 1)[1].split(b"--" + boundary)[1:-1]
    assert all(piece.startswith(b"\n") and piece.endswith(b"\n") for piece in pieces)
    return [piece[1:-1].split(b"\n\n", 1) for piece in pieces]


def groups(raw):
    """The groups of fields of the machine part, unfolded."""
    text = content(raw)[1][1].decode()
    return [email.message_from_string(group) for group in text.strip("\n").split("\n\n")]


def human(raw):
    return " ".join(content(raw)[0][1].decode().split())


def test_failure_in_whole():
    raw = make(
        REPLY | {"orcpt": "rfc822;alias@example.org", "attempt": 1700003500000},
        envid="QQ314159",
    )
    mail, parts = read(raw)
    assert mail["From"] == "Mail Delivery System <MAILER-DAEMON@mx.example>"
    assert mail["To"] == "<me@here.example>"
    assert mail["Subject"] == "Undelivered mail: user@example.net"
    assert mail["Message-ID"] == f"<{ID}@mx.example>"
    assert mail["In-Reply-To"] == mail["References"] == "<1.2@here.example>"
    assert parsedate_to_datetime(mail["Date"]).timestamp() == 1700003600
    message, recipient = groups(raw)
    assert dict(message.items()) == {
        "Original-Envelope-Id": "QQ314159",
        "Reporting-MTA": "dns; mx.example",
        "Arrival-Date": "Tue, 14 Nov 2023 22:13:20 +0000",
    }
    assert dict(recipient.items()) == {
        "Original-Recipient": "rfc822; alias@example.org",
        "Final-Recipient": "rfc822; user@example.net",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.net",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such user here",
        "Last-Attempt-Date": "Tue, 14 Nov 2023 23:11:40 +0000",
    }
    text = human(raw)
    assert "<user@example.net>" in text
    assert "You wrote to <alias@example.org>." in text
    assert "The mail server mx.example.net [192.0.2.1] answered: 550 5.1.1 No such user here" in text
    assert "Check the spelling" in text
    assert parts[2].get_content_type() == "message/rfc822"
    assert content(raw)[2][1] == ORIGINAL


def test_local_failure_has_no_diagnostic_of_another():
    raw = make({"address": "a@x.example", "status": "5.1.1", "text": "no such user here"})
    read(raw)
    assert list(groups(raw)[1].keys()) == ["Final-Recipient", "Action", "Status"]
    assert "The reason: no such user here" in human(raw)


def test_delay():
    raw = make(REPLY | {"action": DELAYED, "status": "4.2.2", "until": 1700432000000})
    mail, parts = read(raw)
    assert mail["Subject"] == "Delayed mail (still being tried): user@example.net"
    recipient = groups(raw)[1]
    assert recipient["Action"] == "delayed"
    assert parsedate_to_datetime(recipient["Will-Retry-Until"]).timestamp() == 1700432000
    assert "need not do anything" in human(raw)
    assert "until " + recipient["Will-Retry-Until"] in human(raw)
    assert parts[2].get_content_type() == "text/rfc822-headers"
    assert content(raw)[2][1] == HEADER


@pytest.mark.parametrize(
    "action,word,subject",
    [(DELIVERED, "delivered", "Delivered"), (RELAYED, "relayed", "Passed on"), (EXPANDED, "expanded", "Accepted for a list")],
)
def test_success(action, word, subject):
    raw = make({"address": "a@x.example", "action": action})
    mail, parts = read(raw)
    assert mail["Subject"] == f"{subject}: a@x.example"
    assert groups(raw)[1]["Action"] == word
    assert groups(raw)[1]["Status"] == "2.0.0"
    assert "Will-Retry-Until" not in groups(raw)[1]
    assert parts[2].get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize("size,ret,whole", [(50 * 1024, 0, True), (50 * 1024, 1, True), (50 * 1024, 2, False), (50 * 1024 + 1, 1, False)])
def test_how_much_comes_back(size, ret, whole):
    original = HEADER + b"\n"
    original += b"x" * 70 + b"\n"
    original = original.ljust(size, b"\n")
    raw = make(original=original, ret=ret)
    read(raw)
    assert content(raw)[2][1] == (original if whole else HEADER)


def test_several():
    others = [{"address": f"u{i}@x.example", "status": "4.4.1", "action": FAILED} for i in range(3)]
    raw = make({"address": "late@x.example", "action": DELAYED}, *others)
    mail, _ = read(raw)
    assert mail["Subject"] == "Undelivered mail: u0@x.example"
    assert [group["Action"] for group in groups(raw)[1:]] == ["delayed"] + 3 * ["failed"]
    assert "<late@x.example>: delayed" in human(raw)


def test_too_many():
    raw = make(*[{"address": f"u{i}@x.example"} for i in range(130)])
    read(raw)
    assert len(groups(raw)) == 101
    assert "And 30 more recipients." in human(raw)


def test_double():
    raw = make(REPLY, is_double=1, to="postmaster@mx.example")
    mail, _ = read(raw)
    assert mail["Subject"] == "Undeliverable notification: user@example.net"
    assert mail["To"] == "<postmaster@mx.example>"
    assert "for the administrator" in human(raw)


def test_international():
    address = "jürgen@bücher.example"
    raw = make(REPLY | {"address": address}, smtputf8=1, to="zoë@here.example", original=HEADER + "X: ü\n\nä\n".encode())
    mail, parts = read(raw)
    assert str(make_header(decode_header(mail["Subject"]))) == "Undelivered mail: " + address
    assert parts[1].get_content_type() == "message/global-delivery-status"
    assert parts[2].get_content_type() == "message/global"
    assert groups(raw)[1]["Final-Recipient"] == "utf-8; " + address
    assert parts[0].get_content_charset() == "utf-8"
    assert f"To: <zoë@here.example>\n".encode() in raw
    raw = make(REPLY | {"address": address, "action": DELAYED}, smtputf8=1, original="X: ü\n\nä\n".encode())
    assert read(raw)[1][2].get_content_type() == "message/global-headers"
    # who knows nothing of that is told in ASCII
    raw = make(REPLY | {"address": address}, to="zoë@here.example")
    read(raw)
    assert all(byte < 128 for byte in raw)


def test_original_of_8_bits():
    raw = make(original=HEADER + b"X: \xff\xfe\n\n\x80\n")
    _, parts = read(raw)
    assert parts[2].get_content_type() == "message/rfc822"
    assert content(raw)[2][1] == HEADER + b"X: \xff\xfe\n\n\x80\n"
    raw = make(original=HEADER + b"X: \xff\xfe\n\n\x80\n", ret=2)
    assert content(raw)[2][1] == HEADER + b"X: \xff\xfe\n"


@pytest.mark.parametrize("body", [b"a\0b\n", b"a\rb\n", b"x" * 999 + b"\n"], ids=["NUL", "CR", "long"])
def test_what_is_no_text_does_not_come_back(body):
    raw = make(original=HEADER + b"\n" + body)
    read(raw)
    assert content(raw)[2][1] == HEADER


def test_header_without_end():
    field = b"X-Long: " + b"y" * 60 + b"\n"
    raw = make(original=field * 1500)
    read(raw)
    back = content(raw)[2][1]
    assert 64 * 1024 - 200 < len(back) <= 64 * 1024
    assert back == field * back.count(b"\n")


def test_header_line_without_end():
    raw = make(original=b"X-Long: " + b"y" * 90000)
    read(raw)
    back = content(raw)[2][1]
    assert back.replace(b"\n ", b"").startswith(b"X-Long: " + b"y" * 60000)


@pytest.mark.parametrize("end", ["", "-1", "-1-", "--"])
def test_original_that_knows_the_boundary(end):
    original = HEADER + f"\nx\n--{ID}\n\n--{ID}{end}\n\n--{ID}--\n".encode()
    raw = make(original=original)
    read(raw)
    assert content(raw)[2][1] == original


HOSTILE = [
    b"550 no\r\nSubject: injected\r\n\r\nbody",
    b"550 no\nX-Injected: 1",
    f"550 --{ID}".encode(),
    f"\n--{ID}--\n".encode(),
    b"--\n--",
    b"550 " + b"x" * 10000,
    b"550 " + b"word " * 2000,
    b"550 \0\x01\x1b[31m\x7f\x80\xff",
    "550 \u2028\u0085\u00a0é".encode(),
    b"\r\r\n\n  \t ",
    b"From here\n.\n",
    b"",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("smtputf8", [0, 1])
def test_hostile_texts_stay_texts(text, smtputf8):
    fields = {"address": text, "orcpt": b"rfc822;" + text, "text": text, "host": text, "is_reply": 1, "status": "5.0.0"}
    raw = make(fields, to=text, envid=text, reverse_path=text, is_double=1, smtputf8=smtputf8)
    mail, _ = read(raw)
    assert "injected" not in mail["Subject"].split(":")[0] and mail["X-Injected"] is None
    allowed = {"Original-Envelope-Id", "Reporting-MTA", "Arrival-Date", "Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code"}
    assert len(groups(raw)) == 2
    for group in groups(raw):
        assert set(group.keys()) <= allowed and len(set(group.keys())) == len(group.keys())
        assert not group.get_payload()
    # valid, whatever came in, and nothing in it ends a line or moves a cursor
    assert not {unicodedata.category(c) for c in raw.decode() if c not in "\n\t"} & {"Cc", "Zl", "Zp"}


@pytest.mark.parametrize("ident", [b"<a@b>\n X: 1", b"<a b@c>", b"<a@b> <c@d>", b"a@b", b"<@b>", b"<a@>", b"<a@b@c>", b"<" + b"a" * 400 + b"@b>", b"<a@b\xff>", b""])
def test_odd_message_id_is_left_out(ident):
    raw = make(original=b"Message-ID: " + ident + b"\nFrom: a\n\n")
    mail, _ = read(raw)
    assert mail["References"] is None and mail["In-Reply-To"] is None


def test_folded_message_id():
    raw = make(original=b"Message-ID:\n <a.b@c.example> \nFrom: a\n\n")
    assert read(raw)[0]["References"] == "<a.b@c.example>"


def test_random_bytes_everywhere():
    chance = random.Random(7)
    pieces = [b"\n", b"\r\n", b"--", b"--" + ID.encode(), b": ", b"\0", b" ", b"\xc3\xbc", b"\xff", b"a" * 90, b"Subject"]
    for _ in range(60):
        def text():
            return b"".join(chance.choices(pieces, k=chance.randrange(12)))
        names = ("address", "orcpt", "text", "host")
        raw = make({name: text() for name in names} | {"is_reply": 1, "action": chance.randrange(5)},
                   to=text(), envid=text(), original=text() * 20, smtputf8=chance.randrange(2), ret=chance.randrange(3))
        read(raw)
        assert len(groups(raw)) == 2
