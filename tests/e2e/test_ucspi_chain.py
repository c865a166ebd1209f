"""tcpserver -x rules.cdb -> stunnel -> ampel-smtpd --stdio, with real clients."""

import base64
import shutil
import smtplib
import ssl
import subprocess
from pathlib import Path

import pytest

from server import STAGE
from stdio import SMTPD, Site, records
from ucspi import Chain
from wire import Closed, Wire

PROGRAMS = ("tcpserver", "tcprules", "stunnel4")
PASSWORD = "wonderland"
CHECKPASSWORD = STAGE / "bin" / "checkpassword"
MESSAGE = "From: alice@mx.example\nTo: bob@mx.example\nSubject: chained\n\nby the classic chain\n"

pytestmark = [
    pytest.mark.skipif(not all(map(shutil.which, PROGRAMS)), reason=f"needs {', '.join(PROGRAMS)}"),
    pytest.mark.skipif(Path("/var/qmail/control").exists(), reason="a qmail host"),
]


@pytest.fixture(scope="module")
def server(module_server):
    """What stands behind the chain: its users, and where its mail goes."""
    return module_server(
        listeners=("smtp", "local"), users=("alice", "bob"), passwords={"alice": PASSWORD}
    ).start()


@pytest.fixture
def new_chain(tmp_path):
    made = []

    def factory(argv, **more):
        made.append(Chain(tmp_path / f"chain{len(made)}", argv, **more))
        return made[-1]

    yield factory
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def chain(server, tmp_path_factory):
    """smtps, with our checkpassword, and ampel-inject as its queue."""
    one = Chain(
        tmp_path_factory.mktemp("ucspi") / "chain",
        [SMTPD, "--stdio", "--policy", "smtps", CHECKPASSWORD, "-"],
        env={"AMPEL_ROOT": str(server.root)},
        rules="127.0.0.66:deny\n:allow\n",
    )
    yield one
    one.stop()


def context(chain):
    return ssl.create_default_context(cafile=chain.authority)


def by_smtplib(chain, user="alice", password=PASSWORD):
    with smtplib.SMTP_SSL("localhost", chain.port, timeout=30, context=context(chain)) as smtp:
        smtp.login(user, password)
        smtp.sendmail("alice@mx.example", ["bob@mx.example"], MESSAGE)


def run(*argv, text=None):
    done = subprocess.run(
        list(map(str, argv)), input=text, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def by_swaks(chain, user="alice", password=PASSWORD):
    return run(
        "swaks", "--server=localhost", f"--port={chain.port}", "--tls-on-connect", "--auth=LOGIN",
        f"--auth-user={user}", f"--auth-password={password}", "--from=alice@mx.example", "--to=bob@mx.example",
        "--helo=client.example", "--header=Subject: chained", "--body=by the classic chain",
    )  # fmt: skip


def by_curl(chain, user="alice", password=PASSWORD):
    return run(
        "curl", "--silent", "--show-error", "--cacert", chain.authority, "--user", f"{user}:{password}",
        "--mail-from", "alice@mx.example", "--mail-rcpt", "bob@mx.example", "--upload-file", "-", "--crlf",
        f"smtps://localhost:{chain.port}", text=MESSAGE,
    )  # fmt: skip


def by_msmtp(chain, user="alice", password=PASSWORD):
    return run(
        "msmtp", "--host=localhost", f"--port={chain.port}", "--tls=on", "--tls-starttls=off",
        f"--tls-trust-file={chain.authority}", "--auth=plain", f"--user={user}", f"--passwordeval=echo {password}",
        "--from=alice@mx.example", "bob@mx.example", text=MESSAGE,
    )  # fmt: skip


CLIENTS = {"swaks": by_swaks, "curl": by_curl, "msmtp": by_msmtp}


def mails_by_chain(server):
    return [mail for mail in server.mail("bob") if b"by the classic chain" in mail.body]


def assert_one_more(server, before):
    server.wait_for_mail("bob", before + 1)
    (first, second, *_) = server.mail("bob")[-1].values(b"Received")
    words = b" ".join(second.split())
    assert b"[127.0.0.1]" in words and b" with ESMTPSA (TLS outside) " in words


# ---- smtps ----


def test_smtplib(server, chain):
    before = len(server.mail("bob"))
    by_smtplib(chain)
    assert_one_more(server, before)


@pytest.mark.parametrize("client", CLIENTS)
def test_clients(server, chain, client):
    if not shutil.which(client):
        pytest.skip(f"{client} is not installed")
    before = len(server.mail("bob"))
    code, said = CLIENTS[client](chain)
    assert code == 0, said
    assert_one_more(server, before)


@pytest.mark.parametrize("client", CLIENTS)
def test_wrong_password(server, chain, client):
    if not shutil.which(client):
        pytest.skip(f"{client} is not installed")
    code, said = CLIENTS[client](chain, password="wrong")
    assert code != 0
    assert client == "curl" or "535" in said


@pytest.mark.parametrize("user, password", [("alice", "wrong"), ("alice", "Wonderland"), ("nobody-here", PASSWORD), ("bob", "x")])
def test_wrong_password_by_smtplib(chain, user, password):
    with pytest.raises(smtplib.SMTPAuthenticationError) as failed:
        by_smtplib(chain, user, password)
    assert failed.value.smtp_code == 535


def test_auth_is_required(chain):
    with smtplib.SMTP_SSL("localhost", chain.port, timeout=30, context=context(chain)) as smtp:
        smtp.ehlo("client.example")
        assert smtp.has_extn("auth") and not smtp.has_extn("starttls")
        assert smtp.mail("alice@mx.example")[0] == 530


def test_log(chain):
    by_smtplib(chain)
    (*_, line) = chain.logged("ev=accept", "user=alice")
    assert "peer=127.0.0.1" in line and 'tls="TLS outside"' in line
    assert not any(PASSWORD in line for line in chain.logged(""))


def test_log_never_goes_to_the_client(new_chain, server):
    """stunnel in the background makes descriptor 2 the client; nothing is said there but replies."""
    one = new_chain(
        [SMTPD, "--stdio", "--policy", "smtps", CHECKPASSWORD, "-"],
        env={"AMPEL_ROOT": str(server.root)},
        foreground="no",
    )
    with Wire(one.port) as wire:
        wire.handshake()
        wire.hello()
        wire.expect(535, f"AUTH PLAIN {base64.b64encode(b'%salice%swrong' % (bytes(1), bytes(1))).decode()}")
        wire.expect(530, "MAIL FROM:<alice@mx.example>")
        wire.expect(221, "QUIT")
        assert wire.is_closed()


def test_denied(chain):
    """By a rule; nothing is said."""
    with Wire(chain.port, source="127.0.0.66") as wire, pytest.raises(Closed):
        wire.read_line()


def test_rules_change_under_way(new_chain, server):
    one = new_chain([SMTPD, "--stdio", "--policy", "smtp"], env={"AMPEL_ROOT": str(server.root)}, tls=False)
    with Wire(one.port) as wire:
        wire.begin("bob@mx.example")
        assert wire.command("RCPT TO:<joe@elsewhere.example>").code == 550
    one.write_rules('127.:allow,RELAYCLIENT=""\n')
    with Wire(one.port) as wire:
        wire.begin("joe@elsewhere.example")
    one.write_rules("127.:deny\n")
    with Wire(one.port) as wire, pytest.raises(Closed):
        wire.read_line()


# ---- a checker that does not check ----

BROKEN = {
    "missing": ["/nonexistent/checkpassword", "true"],
    "accepts anything": ["/bin/true"],
    "arguments shifted": ["true", CHECKPASSWORD],
    "no program": ["/etc/passwd"],
    "exit 3": "exit 3",
    "misused": "exit 2",
    "later": "exit 111",
    "by a signal": "kill -9 $$",
}


@pytest.mark.parametrize("checker", BROKEN.values(), ids=BROKEN)
def test_auth_fails_closed(new_chain, tmp_path, checker):
    if isinstance(checker, str):
        program = tmp_path / "checker"
        program.write_text(f"#!/bin/sh\n{checker}\n")
        program.chmod(0o755)
        checker = [program]
    one = new_chain([SMTPD, "--stdio", "--policy", "smtps", *checker], env={})
    with smtplib.SMTP_SSL("localhost", one.port, timeout=30, context=context(one)) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError) as failed:
            smtp.login("alice", PASSWORD)
        assert failed.value.smtp_code == 454
        assert smtp.mail("alice@mx.example")[0] == 530
    assert one.logged("ampel-smtpd: ", str(checker[0]))


# ---- the plain port, filters in front of qmail's queue ----


def test_hiq(new_chain, tmp_path):
    """control/ of qmail, RELAYCLIENT by rules, hi-q as QMAILQUEUE: the seed's own deployment."""
    site = Site(tmp_path)
    site.configure(("check", site.script("filter", "! grep -q viagra")), error_text="fd6")
    one = new_chain(
        [*site.argv()],
        env={**site.env(), "QMAILQUEUE": str(STAGE / "bin" / "hi-q")},
        rules='127.0.0.7:allow,RELAYCLIENT=""\n127.0.0.8:allow,RELAYCLIENT=".fix.example"\n:allow\n',
        tls=False,
    )

    def send(source, recipient, text=MESSAGE):
        with smtplib.SMTP("127.0.0.1", one.port, timeout=30, source_address=(source, 0)) as smtp:
            smtp.sendmail("sender@client.example", [recipient], text)

    send("127.0.0.1", "joe@mx.example")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send("127.0.0.1", "joe@elsewhere.example")
    send("127.0.0.7", "joe@elsewhere.example")
    send("127.0.0.8", "jim@elsewhere.example")
    with pytest.raises(smtplib.SMTPDataError) as red:
        send("127.0.0.7", "joe@elsewhere.example", MESSAGE + "viagra\n")
    assert red.value.smtp_code == 554
    assert [records(one["envelope"])[1] for one in site.queued()] == [
        ["joe@mx.example"],
        ["joe@elsewhere.example"],
        ["jim@elsewhere.example.fix.example"],
    ]
