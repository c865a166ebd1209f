"""Rules: who may connect, and what is known of him. The cdb is made by tcprules itself."""

import poplib
import shutil
import smtplib
import socket
import subprocess
import time

import pytest

import wire
from fake_dns import Dns
from frames import Child
from server import make_folder, wait_until

DENIED = "554 5.7.1 you may not connect to this server"
GREETING = "220 mx.example ESMTP"
ELSEWHERE = "joe@elsewhere.example"


@pytest.fixture
def new_rules():
    """Files that lookup may read, of one test, not written yet."""
    folders = []

    def factory():
        folders.append(make_folder("ampel-rules-"))
        return Rules(folders[-1] / "rules")

    yield factory
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture
def rules(new_rules):
    return new_rules()


class Rules:
    """write: as text; compile: as the cdb that tcprules makes of it."""

    def __init__(self, path):
        self.path = path

    def write(self, text):
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o644)
        new.rename(self.path)
        return self

    def compile(self, text):
        tmp = self.path.with_suffix(".tmp")
        subprocess.run(["tcprules", self.path, tmp], input=text.encode(), check=True)
        self.path.chmod(0o644)
        return self

    @property
    def setting(self):
        return f'"{self.path}"'


def start(new_server, rules, **more):
    return new_server(settings={"rules": rules.setting, "data_timeout": "20s"}, **more).start()


def greeting(port, source):
    with wire.Wire(port, source=source) as w:
        return w.read_line()


def ehlo(port, source):
    """The limit that SIZE names."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20, source_address=(source, 0)) as smtp:
        smtp.ehlo("client.example")
        return smtp.esmtp_features["size"]


def rcpt(port, source, recipient=ELSEWHERE):
    with smtplib.SMTP("127.0.0.1", port, timeout=20, source_address=(source, 0)) as smtp:
        smtp.ehlo("client.example")
        smtp.mail("somebody@elsewhere.example")
        return smtp.rcpt(recipient)[0]


CLASSIC = """# as a qmail host has it
127.0.0.1:allow
127.0.2.:deny
127.0.3.4-6:allow,RELAYCLIENT=""
127.0.4.:allow,RELAYCLIENT=".fix.example"
127.0.5-6.:allow,DATABYTES="70000"
127.0.7.:allow,DATABYTES=/0/,RELAYCLIENT=//
127.0.7.7:deny
:allow
"""


@pytest.mark.parametrize("form", ["write", "compile"])
def test_classic(new_server, rules, form):
    getattr(rules, form)(CLASSIC)
    # aliases, for the suffix leads to another domain
    server = start(new_server, rules, domains=("mx.example", "mx.example.fix.example"))
    port = server.port
    assert greeting(port, "127.0.0.1") == GREETING
    assert greeting(port, "127.0.2.9") == DENIED
    assert greeting(port, "127.0.7.7") == DENIED
    assert greeting(port, "127.9.9.9") == GREETING
    assert [rcpt(port, f"127.0.3.{n}") for n in (3, 4, 5, 6, 7)] == [550, 250, 250, 250, 550]
    assert rcpt(port, "127.0.7.1") == 250
    # nobody's name in mx.example, but one that leads elsewhere with the suffix
    assert rcpt(port, "127.0.4.1", "nobody@mx.example") == 550
    assert rcpt(port, "127.0.4.1", "nobody@another.example") == 250
    assert ehlo(port, "127.0.5.1") == ehlo(port, "127.0.6.255") == "70000"
    assert ehlo(port, "127.0.0.1") == ehlo(port, "127.0.7.1") == "52428800"
    with smtplib.SMTP("127.0.0.1", port, timeout=20, source_address=("127.0.4.1", 0)) as smtp:
        smtp.sendmail("somebody@elsewhere.example", "alice@mx.example", "Subject: fixed\n\nbody\n")
    [mail] = server.wait_for_mail("alice")
    assert b"for <alice@mx.example>" in mail.header
    assert mail.values(b"Delivered-To") == [b"alice@mx.example.fix.example"]


def connect_v6(port):
    with socket.create_connection(("::1", port), 20) as s, s.makefile("r", newline="\n") as lines:
        return lines.readline().strip()


def test_cidr_and_ipv6(new_server, rules):
    rules.write("127.0.0.0/8:deny\n127.0.0.0/16:allow\n127.0.128.0/17:deny\n::1:allow\n::/0:deny\n")
    server = new_server(settings={"rules": rules.setting})
    text = server.conf.read_text()
    place = f'"127.0.0.1:{server.port}"'
    assert place in text
    server.conf.write_text(text.replace(place, f'{place}, "[::1]:{server.port}"'))
    server.start()
    assert greeting(server.port, "127.0.127.1") == GREETING
    assert greeting(server.port, "127.0.128.1") == DENIED
    assert greeting(server.port, "127.1.0.1") == DENIED
    assert connect_v6(server.port) == GREETING
    rules.write("127.:allow\n::/96:deny\n")
    assert connect_v6(server.port) == DENIED


def test_a_block_has_its_own(new_server, rules, new_rules):
    """POP3 too, in which the reply is -ERR."""
    rules.write(":deny\n")
    own = new_rules().write("127.0.0.1:allow\n:deny\n")
    server = new_server(settings={"rules": rules.setting}, listeners=("smtp", "pop3s"), passwords={"alice": "secret"})
    text = server.conf.read_text()
    server.conf.write_text(
        text.replace("listen pop3s {", f"listen pop3s {{ rules = {own.setting} ").replace("listen smtp {", f"listen smtp {{ rules = {own.setting} ")
    )
    server.start()
    assert greeting(server.port, "127.0.0.1") == GREETING
    assert greeting(server.port, "127.0.0.2") == DENIED
    pop = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=server.tls_context(), timeout=20)
    pop.quit()
    context = server.tls_context()
    context.check_hostname = False
    with wire.connect(server.ports["pop3s"], source="127.0.0.2") as s, context.wrap_socket(s) as tls:
        assert tls.recv(512) == b"-ERR [SYS/TEMP] you may not connect to this server\r\n"


def test_changes_count_at_the_next_connection(new_server, rules):
    server = start(new_server, rules.write("127.0.0.1:allow\n"))
    assert greeting(server.port, "127.0.0.2") == GREETING
    rules.write("127.0.0.1:allow\n:deny\n")
    assert greeting(server.port, "127.0.0.2") == DENIED
    rules.compile("127.0.0.1:allow\n127.0.0.3:deny\n")
    assert greeting(server.port, "127.0.0.2") == GREETING
    assert greeting(server.port, "127.0.0.3") == DENIED


def test_broken_changes_keep_the_old(new_server, rules):
    server = start(new_server, rules.write("127.0.0.1:allow\n:deny\n"))
    rules.write("127.0.0.1:allow\n127.0.0.2:alow\n")
    for _ in range(3):
        assert greeting(server.port, "127.0.0.2") == DENIED
    assert greeting(server.port, "127.0.0.1") == GREETING
    [line] = server.wait_for_log(f"{rules.path}:2: ")
    assert '"127.0.0.2:alow" is no rule; expected ADDRESS:allow or ADDRESS:deny' in line
    assert len(server.log_lines(f"{rules.path}: the rules stay as they were before")) == 1
    rules.path.unlink()
    assert greeting(server.port, "127.0.0.2") == DENIED
    assert len(server.log_lines(f"{rules.path}: No such file or directory")) == 1
    rules.write("127.0.0.1:allow\n")
    assert greeting(server.port, "127.0.0.2") == GREETING


def test_reload(new_server, rules, new_rules):
    """With another file; and not with one that is broken."""
    other = new_rules()
    server = start(new_server, rules.write("127.0.0.2:deny\n"))
    server.conf.write_text(server.conf.read_text().replace(str(rules.path), str(other.path)))
    refused = server.command("reload")
    assert refused.returncode != 0
    assert f"{other.path}: No such file or directory" in refused.stderr + server.log()
    assert greeting(server.port, "127.0.0.2") == DENIED
    other.write("127.0.0.3:deny\n")
    server.must("reload")
    assert wait_until(lambda: greeting(server.port, "127.0.0.2") == GREETING)
    assert greeting(server.port, "127.0.0.3") == DENIED


def test_broken_at_the_start(new_server, rules):
    server = new_server(settings={"rules": rules.setting})
    checked = server.command("check")
    assert checked.returncode != 0
    assert f"{rules.path}: cannot be read: No such file or directory" in checked.stderr
    rules.write("# all\n10.2:allow\n:allow,DATABYTES=\"many\"\n")
    checked = server.command("check")
    assert checked.returncode != 0
    assert f'{rules.path}:2: "10.2" is no address; expected one like 192.0.2.1, ' in checked.stderr
    assert f'{rules.path}:3: DATABYTES is "many"; expected a number of bytes\n' in checked.stderr
    started = server.command("run")
    assert started.returncode != 0
    assert f'{rules.path}:2: "10.2" is no address; ' in started.stderr
    rules.compile("10.0.0.0/8:allow\n")
    assert f'{rules.path}: the rule of "10.0.0.0/8" never counts' in server.command("check").stderr
    rules.compile("10.:allow\n")
    assert server.command("check").returncode == 0


def test_check_of_blocks(new_server, rules):
    server = new_server(listeners=("smtp", "local"))
    server.conf.write_text(server.conf.read_text().replace("listen local {", f"listen local {{ rules = {rules.setting} "))
    err = server.command("check").stderr
    assert ': the clients of listener "local" have no address: no rules apply to it\n' in err


def test_name_of_a_client(new_server, rules):
    """The whole way, through ampel-dns, which knows localhost by itself (RFC 6761)."""
    server = start(new_server, rules.write('=localhost:allow,RELAYCLIENT=""\n=:deny\n:allow\n'))
    assert rcpt(server.port, "127.0.0.1") == 250
    assert rcpt(server.port, "127.0.0.2") == 550
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as smtp:
        smtp.sendmail("somebody@elsewhere.example", "alice@mx.example", "Subject: named\n\nbody\n")
    [mail] = server.wait_for_mail("alice")
    assert b"(localhost [127.0.0.1])" in mail.header


# --- ampel-lookup alone: the test is its supervisor, smtpd and the DNS ---

V6_ZONE = "1.0.0.0." + "0.0.0.0." * 5 + "8.b.d.0.1.0.0.2.ip6.arpa"
ZONE = {
    "7.2.0.192.in-addr.arpa PTR": ["mx.good.example"],
    "mx.good.example A": ["192.0.2.8", "192.0.2.7"],
    "8.2.0.192.in-addr.arpa PTR": ["forged.good.example"],
    "forged.good.example A": ["198.51.100.1"],
    "9.2.0.192.in-addr.arpa PTR": [*(f"wrong{n}.good.example" for n in range(4)), "Right.GOOD.example"],
    "right.good.example A": ["192.0.2.9"],
    "10.2.0.192.in-addr.arpa PTR": [f"many{n}.good.example" for n in range(6)],
    "many5.good.example A": ["192.0.2.10"],
    "11.2.0.192.in-addr.arpa PTR": "DNS_BOGUS",
    "12.2.0.192.in-addr.arpa PTR": ("12.0-31.2.0.192.in-addr.arpa", "12.0-31.2.0.192.in-addr.arpa"),
    "12.0-31.2.0.192.in-addr.arpa PTR": ["delegated.good.example"],
    "delegated.good.example A": ["192.0.2.12"],
    "13.2.0.192.in-addr.arpa PTR": ["evil\nname.example", "."],
    f"{V6_ZONE} PTR": ["six.good.example"],
    "six.good.example AAAA": ["2001:db8::1"],
    "six.good.example A": ["192.0.2.1"],
}
NAMED = '=.good.example:allow,RELAYCLIENT="",DATABYTES="5"\n=:deny\n:allow\n'


class Lookup(Child):
    def __init__(self, folder, rules):
        super().__init__("ampel-lookup", folder / "log")
        (folder / "etc").mkdir(exist_ok=True)
        refused = self.configure(f'hostname = "mx.example"\nroot = "{folder}"\nrules = {rules.setting}\n')
        assert refused is None, refused
        self.smtpd = self.add_peer("ROLE_SMTPD")

    def ask(self, q, address):
        self.smtpd.send("ASK_CONNECT", q=q, listener="smtp", address=address)

    def answer(self, address):
        self.ask(1, address)
        return self.smtpd.expect("CONNECT")


@pytest.fixture
def lookup(tmp_path, rules):
    made = []

    def factory(text):
        made.append(Lookup(tmp_path, rules.write(text)))
        return made[-1]

    yield factory
    for one in made:
        one.end()


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.7", "mx.good.example"),
        ("192.0.2.8", ""),  # the forged one
        ("192.0.2.9", "right.good.example"),
        ("192.0.2.10", ""),  # behind five that are not his
        ("192.0.2.11", ""),
        ("192.0.2.12", "delegated.good.example"),  # RFC 2317
        ("192.0.2.13", ""),
        ("192.0.2.99", ""),
        ("2001:db8::1", "six.good.example"),
        ("nobody", ""),
    ],
    ids=lambda value: None if ":" in value else value or "unknown",
)
def test_names_are_confirmed(lookup, address, name):
    one = lookup(NAMED)
    Dns(one.add_peer("ROLE_DNS"), ZONE)
    got = one.answer(address)
    assert got["peer_name"].decode() == name
    assert got["allowed"] == 1
    assert (got["inside"], got["has_size_max"], got["size_max"]) == ((1, 1, 5) if name else (0, 0, 0))


def test_no_names_without_such_a_rule(lookup):
    one = lookup("192.0.2.:deny\n")
    dns = Dns(one.add_peer("ROLE_DNS"), ZONE)
    got = one.answer("192.0.2.7")
    assert (got["allowed"], got["peer_name"]) == (0, b"")
    assert dns.asked == []


def test_silent_dns(lookup):
    """Nobody waits for a name longer than ten seconds, and the others do not wait for him."""
    one = lookup(NAMED + "=mx.good.example:deny\n")
    one.add_peer("ROLE_DNS")
    began = time.monotonic()
    one.ask(1, "192.0.2.7")
    one.ask(2, "nobody")
    assert one.smtpd.expect("CONNECT")["q"] == 2
    assert time.monotonic() - began < 5
    got = one.smtpd.expect("CONNECT")
    assert 9 < time.monotonic() - began < 15
    assert (got["q"], got["allowed"], got["peer_name"]) == (1, 1, b"")


def test_who_asked_is_gone(lookup):
    one = lookup(NAMED)
    dns = one.add_peer("ROLE_DNS")
    for q in range(100):
        one.ask(q, "192.0.2.7")
    assert dns.expect("ASK_DNS")["name"].decode() == "7.2.0.192.in-addr.arpa"
    one.smtpd.close()
    one.smtpd = one.add_peer("ROLE_SMTPD")
    assert one.answer("nobody")["allowed"] == 1
    assert one.stop() == 0
