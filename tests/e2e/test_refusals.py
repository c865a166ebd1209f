"""What the server does not take, each as a stranger would try it."""

import time

import pytest

import maildir
from wire import Wire

MESSAGE = b"From: a@client.example\r\nSubject: refused\r\n\r\nhello\r\n"
ERRORS_LIMIT = 20


@pytest.fixture(scope="module")
def server(module_server):
    settings = {"message_size": "200k", "recipients": 5, "sessions_per_address": 10}
    return module_server(settings=settings).start()


@pytest.fixture
def wire(server):
    with Wire(server.port) as wire:
        yield wire


def nothing_came(server):
    time.sleep(0.3)
    return not maildir.files(server.maildir("alice"))


def refused(reply, code, status):
    assert (reply.code, reply.status) == (code, status), reply
    return True


# ---- recipients ----


@pytest.mark.parametrize(
    "path, code, status",
    [
        ("<nobody-here@mx.example>", 550, "5.1.1"),
        ("<nobody-here+tag@mx.example>", 550, "5.1.1"),
        ("<alice@elsewhere.example>", 550, "5.7.1"),
        ("<alice@sub.mx.example>", 550, "5.7.1"),
        ("<alice%elsewhere.example@mx.example>", 553, "5.7.1"),
        ("<elsewhere.example!alice@mx.example>", 553, "5.7.1"),
        ('<"alice@elsewhere.example"@mx.example>', 553, "5.7.1"),
    ],
)
def test_recipient(wire, path, code, status):
    wire.hello()
    wire.expect(250, "MAIL FROM:<a@client.example>")
    assert refused(wire.command(f"RCPT TO:{path}"), code, status)
    assert wire.command("DATA").code in (503, 554)


@pytest.mark.parametrize(
    "path",
    [
        "<Postmaster>",
        "<postmaster@mx.example>",
        "<abuse@mx.example>",
        "<ABUSE@MX.EXAMPLE>",
        "<Alice@mx.example>",
        "<@relay.example:alice@mx.example>",
    ],
)
def test_these_exist(wire, path):
    wire.hello()
    wire.expect(250, "MAIL FROM:<a@client.example>")
    wire.expect(250, f"RCPT TO:{path}")


def test_too_many_recipients(wire):
    """RFC 5321 section 4.5.3.1.10: 452, and those before stay."""
    wire.begin(*[f"alice+{i}@mx.example" for i in range(5)])
    assert refused(wire.command("RCPT TO:<bob@mx.example>"), 452, "4.5.3")
    wire.expect(354, "DATA")


def test_bounce_with_two_recipients(server, wire):
    """No genuine bounce has two: the second is refused, and then the data."""
    wire.hello()
    wire.expect(250, "MAIL FROM:<>")
    wire.expect(250, "RCPT TO:<alice@mx.example>")
    assert refused(wire.command("RCPT TO:<bob@mx.example>"), 550, "5.7.1")
    wire.expect(554, "DATA")
    assert nothing_came(server)


def test_bounce_counts_only_accepted_recipients(wire):
    wire.hello()
    wire.expect(250, "MAIL FROM:<>")
    wire.expect(550, "RCPT TO:<nobody-here@mx.example>")
    wire.expect(250, "RCPT TO:<alice@mx.example>")
    wire.expect(354, "DATA")


# ---- the order of commands, and their form ----


@pytest.mark.parametrize(
    "before, command, code",
    [
        ([], "MAIL FROM:<a@client.example>", 503),
        (["EHLO c.example"], "RCPT TO:<alice@mx.example>", 503),
        (["EHLO c.example"], "DATA", 503),
        (["EHLO c.example", "MAIL FROM:<a@c.example>"], "DATA", 503),
        (["EHLO c.example", "MAIL FROM:<a@c.example>"], "MAIL FROM:<b@c.example>", 503),
        (["EHLO c.example"], "MAIL FROM:<a@c.example", 501),
        (["EHLO c.example"], "MAIL FROM:a b@c.example", 501),
        (["EHLO c.example"], "MAIL FROM:<a@c..example>", 501),
        (["EHLO c.example"], "MAIL FROM:<a@c.example> SIZE=x", 501),
        (["EHLO c.example"], "MAIL FROM:<a@c.example> UNKNOWN=1", 555),
        (["EHLO c.example", "MAIL FROM:<a@c.example>"], "RCPT TO:<>", 501),
        (["EHLO c.example", "MAIL FROM:<a@c.example>"], "RCPT TO:<alice@mx.example> X=1", 555),
        ([], "EHLO", 501),
        ([], "HELLO there", 500),
        ([], "", 500),
    ],
)
def test_command(wire, before, command, code):
    wire.expect(220)
    for line in before:
        wire.expect(250, line)
    wire.expect(code, command)


def test_long_command_line(wire):
    wire.hello()
    wire.expect(500, "NOOP " + "x" * 4000)
    wire.expect(250, "NOOP")


def test_twenty_errors(wire):
    wire.hello()
    for _ in range(ERRORS_LIMIT):
        wire.expect(500, "NONSENSE")
    wire.expect(421)
    assert wire.is_closed()


def test_auth_on_port_25(wire):
    """Never offered, never accepted."""
    assert not [t for t in wire.hello().texts if t.upper().startswith("AUTH")]
    reply = wire.command("AUTH PLAIN AGFsaWNlAHNlY3JldA==")
    assert 500 <= reply.code < 600
    assert wire.command("MAIL FROM:<a@client.example> AUTH=<>").code == 555


def test_auth_on_port_25_under_tls(wire):
    wire.hello()
    wire.expect(220, "STARTTLS")
    wire.handshake()
    assert not [t for t in wire.command("EHLO client.example").texts if t.upper().startswith("AUTH")]
    assert 500 <= wire.command("AUTH PLAIN AGFsaWNlAHNlY3JldA==").code < 600


@pytest.mark.parametrize("in_transaction", [False, True])
def test_refused_bdat_swallows_its_octets(wire, in_transaction):
    """RFC 3030: they are not commands, whatever they look like."""
    wire.hello()
    if in_transaction:
        wire.expect(250, "MAIL FROM:<sender@client.example>")
        wire.expect(550, "RCPT TO:<nobody@mx.example>")
    wire.send(b"BDAT 12 LAST\r\nQUIT\r\nRSET\r\nNOOP\r\n")
    assert 500 <= wire.reply().code < 600
    wire.expect(250)
    wire.expect(221, "QUIT")


# ---- mail data ----


@pytest.mark.parametrize(
    "data",
    [
        b"a bare\rCR\r\n",
        b"a bare\nLF\r\n",
        b"\nLF first\r\n",
        b"CR CR\r\r\nLF\r\n",
        b"a NUL \0 here\r\n",
        b"x" * (64 * 1024 + 1) + b"\r\n",
    ],
    ids=["CR", "LF", "LF-first", "CRCRLF", "NUL", "line"],
)
@pytest.mark.parametrize("part", ["header", "body"])
def test_impossible_data(server, wire, data, part):
    wire.begin()
    start = b"X-Odd: " if part == "header" else MESSAGE
    assert refused(wire.data(start + data + b"From: later\r\n\r\nx\r\n"), 550, "5.6.0")
    assert wire.is_closed()
    assert nothing_came(server)


@pytest.mark.parametrize(
    "end",
    [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\n", b"\r\n\0.\r\n"],
    ids=repr,
)
def test_smuggling(server, wire, end):
    """Only CRLF.CRLF ends the data: what follows a look-alike is data too."""
    wire.begin()
    wire.expect(354, "DATA")
    wire.send(
        MESSAGE
        + b"before the false end"
        + end
        + b"MAIL FROM:<b@client.example>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\n"
        + b"Subject: smuggled\r\n\r\nhello\r\n.\r\n"
    )
    assert refused(wire.reply(), 550, "5.6.0")
    assert wire.is_closed()
    assert nothing_came(server)
    assert not maildir.files(server.maildir("bob"))


def test_size_declared(wire):
    hello = wire.hello()
    assert f"SIZE {200 * 1024}" in hello.texts
    assert refused(
        wire.command(f"MAIL FROM:<a@client.example> SIZE={200 * 1024 + 1}"), 552, "5.3.4"
    )
    wire.expect(250, f"MAIL FROM:<a@client.example> SIZE={200 * 1024}")


def test_size_counted(server, wire):
    wire.begin()
    line = b"y" * 1022 + b"\r\n"
    assert refused(wire.data(MESSAGE + 200 * line), 552, "5.3.4")
    wire.expect(250, "NOOP")
    assert nothing_came(server)


def test_hops(server, wire):
    wire.begin()
    reply = wire.data(b"Received: from x by y; date\r\n" * 101 + MESSAGE)
    assert reply.code == 554 and reply.status == "5.4.6"
    assert nothing_came(server)


# ---- connections ----


def test_sessions_per_address(server):
    open_now = []
    time.sleep(0.3)  # for the server to see that earlier tests have hung up
    try:
        for _ in range(10):
            open_now.append(Wire(server.port))
            open_now[-1].expect(220)
        with Wire(server.port) as one_more:
            one_more.expect(421)
            assert one_more.is_closed()
    finally:
        for wire in open_now:
            wire.close()
    time.sleep(0.2)
    with Wire(server.port) as wire:
        wire.expect(220)


def test_gone_before_the_end(server):
    """Nothing is queued of a message whose final dot never came."""
    with Wire(server.port) as wire:
        wire.begin()
        wire.expect(354, "DATA")
        wire.send(MESSAGE)
    assert nothing_came(server)


def test_rset_forgets(wire):
    wire.begin()
    wire.expect(250, "RSET")
    wire.expect(503, "DATA")


# ---- other configurations ----


def test_without_domains_nobody_gets_mail(new_server):
    server = new_server(domains=()).start()
    with Wire(server.port) as wire:
        wire.hello()
        wire.expect(250, "MAIL FROM:<a@client.example>")
        for path in ("alice@mx.example", "alice@elsewhere.example"):
            assert wire.command(f"RCPT TO:<{path}>").code == 550


def test_settings_that_permit(new_server):
    server = new_server(
        settings={"bounce_single_recipient": "no", "refuse_relay_probes": "no"}
    ).start()
    with Wire(server.port) as wire:
        wire.hello()
        wire.expect(250, "MAIL FROM:<>")
        wire.expect(250, "RCPT TO:<alice@mx.example>")
        wire.expect(250, "RCPT TO:<bob@mx.example>")
        assert refused(wire.command("RCPT TO:<a%b@mx.example>"), 550, "5.1.1")


def test_command_timeout(new_server):
    server = new_server(settings={"command_timeout": "1s"}).start()
    with Wire(server.port) as wire:
        wire.hello()
        assert refused(wire.reply(), 421, "4.4.2")
        assert wire.is_closed()


def test_data_timeout(new_server):
    server = new_server(settings={"data_timeout": "1s"}).start()
    with Wire(server.port) as wire:
        wire.begin()
        wire.expect(354, "DATA")
        wire.send(MESSAGE)
        assert refused(wire.reply(), 421, "4.4.2")
        assert wire.is_closed()
    assert nothing_came(server)
