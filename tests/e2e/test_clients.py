"""
Mail programs that people use, each checking the server's certificate: submission over
smtps and submission, mailboxes over pop3s.
"""

import email
import poplib
import smtplib
import ssl
import subprocess

import maildir
import pytest

USER, PASSWORD = "alice", "correct:horse battery+staple"
LISTENERS = ("smtp", "smtps", "submission", "pop3s")
SUBMISSION = ("smtps", "submission")
TEXT = "From: alice@mx.example\nTo: bob@mx.example\nSubject: hello\n\n.a line with a dot\nthe end\n"


@pytest.fixture(scope="module")
def server(module_server):
    return module_server(
        listeners=LISTENERS,
        users=("alice", "bob", "carol"),
        passwords={USER: PASSWORD, "carol": PASSWORD},
    ).start()


@pytest.fixture
def mail_of_bob(server):
    """What came for bob since the test began: one message."""
    before = {m.path.name for m in server.mail("bob")}

    def new():
        server.wait_for_mail("bob", len(before) + 1)
        return [m for m in server.mail("bob") if m.path.name not in before][0]

    return new


@pytest.fixture
def maildrop(server):
    """Three messages of carol, as they are stored."""
    folder = server.maildir("carol")
    for file in maildir.files(folder):
        file.unlink()
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as smtp:
        for i in range(3):
            smtp.sendmail("a@elsewhere.example", ["carol@mx.example"], TEXT.replace("hello", f"number {i}"))
    return server.wait_for_mail("carol", 3)


def run(*argv, text=None, code=0):
    done = subprocess.run(
        [str(a) for a in argv], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, f"{argv[0]}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def received_with(message):
    """The protocol word of the top Received field."""
    field = " ".join(email.message_from_bytes(message.data).get_all("Received")[0].split())
    return field.partition(" with ")[2].partition(" ")[0]


def secret_file(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


# ---- sending ----


@pytest.mark.parametrize("listener", SUBMISSION)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks(server, mail_of_bob, listener, mechanism):
    run(
        "swaks", "--server", f"127.0.0.1:{server.ports[listener]}",
        "--tls-on-connect" if listener == "smtps" else "--tls", "--tls-verify", "--tls-ca-path", server.authority,
        "--auth", mechanism, "--auth-user", USER, "--auth-password", PASSWORD,
        "--from", "alice@mx.example", "--to", "bob@mx.example",
    )  # fmt: skip
    assert received_with(mail_of_bob()) == "ESMTPSA"


def test_swaks_wrong_password(server):
    """28 is its code for a failed authentication."""
    said = run(
        "swaks", "--server", f"127.0.0.1:{server.ports['smtps']}", "--tls-on-connect", "--auth", "PLAIN",
        "--auth-user", USER, "--auth-password", "wrong", "--from", "alice@mx.example", "--to", "bob@mx.example",
        code=28,
    )  # fmt: skip
    assert "535 5.7.8" in said


@pytest.mark.parametrize("listener", SUBMISSION)
def test_curl_sends(server, mail_of_bob, listener, tmp_path):
    message = tmp_path / "message"
    message.write_bytes(TEXT.replace("\n", "\r\n").encode())
    scheme = "smtps" if listener == "smtps" else "smtp"
    run(
        "curl", "-sS", "--ssl-reqd", "--cacert", server.authority,
        "-K", secret_file(tmp_path / "config", f'user = "{USER}:{PASSWORD}"\n'),
        f"{scheme}://localhost:{server.ports[listener]}",
        "--mail-from", "alice@mx.example", "--mail-rcpt", "bob@mx.example", "-T", message,
    )  # fmt: skip
    assert b"\n.a line with a dot\n" in mail_of_bob().data


@pytest.mark.parametrize("listener", SUBMISSION)
def test_msmtp(server, mail_of_bob, listener, tmp_path):
    conf = secret_file(
        tmp_path / "msmtprc",
        f"account default\nhost localhost\nport {server.ports[listener]}\n"
        f"tls on\ntls_starttls {'off' if listener == 'smtps' else 'on'}\ntls_trust_file {server.authority}\n"
        f'auth on\nuser {USER}\npassword "{PASSWORD}"\nfrom alice@mx.example\n',
    )
    run("msmtp", "-C", conf, "bob@mx.example", text=TEXT)
    assert received_with(mail_of_bob()) == "ESMTPSA"


def smtp_of(server, listener):
    context = server.tls_context()
    if listener == "smtps":
        return smtplib.SMTP_SSL("localhost", server.ports[listener], context=context, timeout=20)
    smtp = smtplib.SMTP("localhost", server.ports[listener], timeout=20)
    smtp.starttls(context=context)
    return smtp


@pytest.mark.parametrize("listener", SUBMISSION)
def test_smtplib(server, mail_of_bob, listener):
    with smtp_of(server, listener) as smtp:
        smtp.login(USER, PASSWORD)
        smtp.sendmail("alice@mx.example", ["bob@mx.example"], TEXT)
    assert received_with(mail_of_bob()) == "ESMTPSA"


def test_whole_address_as_the_name(server, mail_of_bob):
    with smtp_of(server, "smtps") as smtp:
        smtp.login("Alice@mx.example", PASSWORD)
        smtp.sendmail("alice@mx.example", ["bob@mx.example"], TEXT)
    assert mail_of_bob()


@pytest.mark.parametrize("listener", SUBMISSION)
def test_smtplib_wrong_password(server, listener):
    with smtp_of(server, listener) as smtp:
        for user in (USER, "nobody-of-that-name"):
            with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                smtp.login(user, "wrong")
            assert refused.value.smtp_code == 535
        smtp.login(USER, PASSWORD)


@pytest.mark.parametrize("name", ["smtps", "pop3s"])
def test_certificate_of_another_is_not_believed(server, name):
    """That the clients above do check."""
    make = smtplib.SMTP_SSL if name == "smtps" else poplib.POP3_SSL
    with pytest.raises(ssl.SSLCertVerificationError):
        make("localhost", server.ports[name], context=ssl.create_default_context(), timeout=20)


# ---- fetching ----


def stored(messages):
    return sorted(m.data for m in messages)


def test_poplib(server, maildrop):
    pop = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=server.tls_context(), timeout=20)
    pop.user("carol")
    pop.pass_(PASSWORD)
    count, octets = pop.stat()
    assert count == 3
    assert octets == sum(len(m.data) + m.data.count(b"\n") for m in maildrop)
    fetched = [b"\n".join(pop.retr(i)[1]) + b"\n" for i in (1, 2, 3)]
    assert sorted(fetched) == stored(maildrop)
    assert len({line.split()[1] for line in pop.uidl()[1]}) == 3
    pop.dele(2)
    assert pop.stat()[0] == 2
    pop.quit()
    assert len(server.mail("carol")) == 2


def test_curl_fetches(server, maildrop, tmp_path):
    conf = secret_file(tmp_path / "config", f'user = "carol:{PASSWORD}"\n')
    url = f"pop3s://localhost:{server.ports['pop3s']}"
    listed = run("curl", "-sS", "--cacert", server.authority, "-K", conf, url)
    assert len(listed.splitlines()) == 3
    text = run("curl", "-sS", "--cacert", server.authority, "-K", conf, url + "/1").encode()
    assert text.replace(b"\r\n", b"\n") in stored(maildrop)


def test_mpop(server, maildrop, tmp_path):
    box = tmp_path / "Maildir"
    for name in ("new", "cur", "tmp"):
        (box / name).mkdir(parents=True)
    conf = secret_file(
        tmp_path / "mpoprc",
        f"account default\nhost localhost\nport {server.ports['pop3s']}\ntls on\ntls_starttls off\n"
        f'tls_trust_file {server.authority}\nuser carol\npassword "{PASSWORD}"\n'
        f"delivery maildir {box}\nuidls_file {tmp_path}/uidls\nreceived_header off\nkeep off\n",
    )
    run("mpop", "-C", conf)
    assert sorted(f.read_bytes() for f in (box / "new").iterdir()) == stored(maildrop)
    assert server.mail("carol") == []


def test_fetchmail(server, maildrop, tmp_path):
    """Its mail goes to a file by a program; it puts a field of its own on top."""
    out = tmp_path / "out"
    conf = secret_file(
        tmp_path / "fetchmailrc",
        f"set no bouncemail\npoll localhost service {server.ports['pop3s']} proto pop3 uidl\n"
        f'  user carol password "{PASSWORD}" ssl sslproto "tls1.2+" sslcertck sslcertfile {server.authority}\n'
        f'  no rewrite no keep mda "cat >> {out}"\n',
    )
    run("fetchmail", "--nodetach", "--pidfile", tmp_path / "pid", "-i", tmp_path / "ids", "-f", conf)
    text = out.read_bytes()
    assert all(f"Subject: number {i}\n".encode() in text for i in range(3))
    assert server.mail("carol") == []


def test_a_session_that_just_ends_removes_nothing(server, maildrop):
    pop = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=server.tls_context(), timeout=20)
    pop.user("carol")
    pop.pass_(PASSWORD)
    before = sorted(m.path for m in server.mail("carol"))
    for i in (1, 2, 3):
        pop.dele(i)
    pop.close()
    server.wait_for_log("ev=login", "user=carol")
    pop = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=server.tls_context(), timeout=20)
    pop.user("carol")
    pop.pass_(PASSWORD)
    assert pop.stat()[0] == 3
    pop.close()
    assert sorted(m.path for m in server.mail("carol")) == before
