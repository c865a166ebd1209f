"""A whole qmail host moves: the same 2,000 addresses exist, and mail for them goes the same ways.

What is expected comes from a model of qmail, see qmail_site.py, which knows nothing of Ampel.
"""

import collections
import mailbox
import os
import re
import shutil
import smtplib
import tempfile
from pathlib import Path

import pytest

import maildir
import notification
import qmail_site
from host_user import HostUser
from mx import MX
from qmail_site import SENDER, USERS, Site, user
from server import Server, make_folder, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

ACCOUNTS = 6
ALIAS_UID = 64998  # no person's, as Debian's qmail has it
AT_ONCE = 40  # recipients of a message
DELIVERY_SECONDS = 60
MEMORY, MEMORY_NEEDED = "/dev/shm", 2 * 1024**3
DEFERRED = "Ampel defers mail for it"
CODES = {250: "2.1.5", 550: "5.1.1", "relay": "5.7.1"}


def make_site_folder():
    """In memory where there is room: some disks take longer to forget 7,000 files than all the rest."""
    if "AMPEL_TEST_DIR" in os.environ or shutil.disk_usage(MEMORY).free < MEMORY_NEEDED:
        return make_folder("ampel-qmail-")
    folder = Path(tempfile.mkdtemp(prefix="ampel-qmail-", dir=MEMORY))
    folder.chmod(0o755)
    return folder


def make_accounts(folder, made):
    """Those of users, and at the end alias; made grows by each."""
    for name in [*(f"ampelq{n}" for n in range(ACCOUNTS)), "ampelqalias"]:
        made.append(HostUser(name, folder))
    alias = made[-1]
    alias.change("-u", ALIAS_UID)
    (folder / "qmail").mkdir()
    (folder / "homes").mkdir()
    alias.home = alias.home.rename(folder / "qmail" / "alias")
    alias.change("-d", alias.home)


def known(account):
    st = account.home.stat()
    return st.st_uid, st.st_gid, account.home


@pytest.fixture(scope="module")
def moved():
    """(site, server, mx, the list of the import) of a host whose ampel.conf was made by the import."""
    folder = make_site_folder()
    accounts = []
    mx = MX()
    server = Server(folder, users=())
    try:
        make_accounts(folder, accounts)
        *users, alias = accounts
        site = Site(
            folder / "qmail", folder / "homes", {a.name: known(a) for a in users}, known(alias), f"{mx.address}:{mx.port}"
        )
        listed = server.must("import", "qmail", str(site.folder), "--force")
        adapt(server)
        server.must("check")
        server.start(add_users=False)
        yield site, server, mx, listed
        assert server.stop() == 0
    finally:
        server.kill_all()
        mx.close()
        for account in accounts:
            account.remove()
        if not os.environ.get("AMPEL_TEST_KEEP"):
            shutil.rmtree(folder)


def adapt(server):
    """A trial beside the machine's own mail: another root, one listener on another port."""
    text = server.conf.read_text()
    text = re.sub(r'"0\.0\.0\.0:25", "\[::\]:25"', f'"127.0.0.1:{server.port}"', text)
    text = re.sub(r"^listen (smtps|pop3s|local) .*\n", "", text, flags=re.M)
    server.conf.write_text(f'root = "{server.root}"\nerrors = 1000\n{text}')


def test_what_is_not_carried_over(moved):
    """All of it, and nothing else: .qmail files that Ampel defers, and what no file says."""
    site, _, _, listed = moved
    left = listed.partition("Not carried over, or not as it was:\n")[2].partition("\n\n")[0].splitlines()
    found = {line.split(": ")[0].strip() for line in left if DEFERRED in line}
    bad = {f"{site.homes}/{user(n)}/.qmail-open" for n in range(16, USERS, 20)}
    bad |= {f"{site.homes}/{user(n)}/.qmail-blank:1" for n in range(19, USERS, 20)}
    assert found == bad
    assert [line.split(": ")[0].strip() for line in left if DEFERRED not in line] == [
        "control/morercpthosts",
        "control/virtualdomains",
        "users of this host",
        "users/assign",
        "control/databytes",
        str(site.folder / "tcp.smtp"),
        "qmail-start",
        "conf-break",
        "passwords",
        "queue",
    ]


# ---- at RCPT ----


def send(server, token, addresses):
    """One message; address -> its reply."""
    with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as smtp:
        smtp.ehlo("client.example")
        assert smtp.mail(SENDER)[0] == 250
        replies = {}
        for address in addresses:
            code, text = smtp.rcpt(address)
            replies[address] = code, text.decode()
        if any(code == 250 for code, _ in replies.values()):
            message = f"From: {SENDER}\r\nSubject: test\r\nX-Token: {token}\r\n\r\nhello\r\n"
            assert smtp.data(message)[0] == 250
        return replies


def wrong_reply(expected, reply):
    code, text = reply
    return not text.startswith(CODES[expected]) or (code == 250) != (expected == 250)


# ---- what was delivered ----


def tokens(text):
    return re.findall(r"^X-Token: (\w+)$", text, re.M)


def receipt(text):
    """(token, to) of a message: the topmost Delivered-To is of the last hop."""
    (token,) = set(tokens(text))
    return token, re.search(r"^Delivered-To: (.*)$", text, re.M).group(1).lower()


def delivered_here(site):
    """[(token, kind, place, to)] of all homes."""
    found = []
    for home in [*site.homes.iterdir(), *(a[2] for a in site.accounts.values()), site.alias[2]]:
        for name in ("Maildir", "Ext", "Shop"):
            for path in maildir.files(home / name):
                token, to = receipt(path.read_text())
                found.append((token, "maildir", home / name, to))
        if (home / "Mailbox").exists():
            for mail in mailbox.mbox(home / "Mailbox", create=False):
                token, to = receipt(mail.as_string())
                found.append((token, "mbox", home / "Mailbox", to))
        if (home / "programs").exists():
            for line in (home / "programs").read_text().splitlines():
                token, to = line.split()
                found.append((token, "program", home, to.lower()))
    return found


def delivered_elsewhere(mx):
    """The same of what went to other hosts; a bounce names who did not get it."""
    found = []
    for t in mx.taken:
        text = t.data.decode().replace("\r\n", "\n")
        (token,) = set(tokens(text))
        if t.sender:
            found += [(token, "remote", t.sender.lower(), r.lower()) for r in t.recipients]
        else:
            assert t.recipients == [SENDER]
            for r in notification.read(text).recipients:
                found.append((token, "bounce", SENDER, r["Final-Recipient"].partition(";")[2].lower()))
    return found


def as_found(token, event):
    kind, *rest = event
    return (token, kind, *(r.lower() if isinstance(r, str) else r for r in rest))


def queued(server):
    listed = server.must("queue", "list", "--json")
    return collections.Counter(re.findall(r'"recipient":"([^"]*)"', listed.lower()))


def test_the_same_deliveries(moved):
    site, server, mx, _ = moved
    model = site.model()
    addresses = site.addresses()
    assert len(addresses) == qmail_site.ADDRESSES
    expected, deferred, wrong = collections.Counter(), collections.Counter(), {}
    for first in range(0, len(addresses), AT_ONCE):
        token = f"t{first}"
        chosen = addresses[first : first + AT_ONCE]
        for address, reply in send(server, token, chosen).items():
            answer = model.answer(address)
            if wrong_reply(answer, reply):
                wrong[address] = answer, reply
            events = model.deliver(address) if answer == 250 else []
            deferred.update(e[1].lower() for e in events if e[0] == "deferred")
            expected.update(as_found(token, e) for e in events if e[0] != "deferred")
        assert len(wrong) < AT_ONCE, wrong
    assert wrong == {}
    assert {e[2] for e in expected if e[1] == "bounce"} == {SENDER}
    # every kind of delivery, often
    kinds = collections.Counter(e[1] for e in expected.elements())
    assert all(kinds[kind] >= 50 for kind in ("maildir", "mbox", "program", "remote", "bounce")), kinds
    assert len(deferred) >= 50
    assert wait_until(lambda: queued(server) == deferred, DELIVERY_SECONDS, 0.5), queued(server) - deferred
    found = collections.Counter(delivered_here(site) + delivered_elsewhere(mx))
    assert (expected - found, found - expected) == ({}, {})
