"""The same Maildir seen by Ampel and by Debian's Dovecot over POP3."""

import os
import poplib
import random
import smtplib

import pytest
from dovecot import Dovecot
from server import free_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="both become the owner of the Maildir")

USER, PASSWORD = "alice", "secret"
poplib._MAXLINE = 1 << 20  # one of the messages has a longer line than it takes
CORNERS = (
    b"Subject: empty body\n\n",
    b"Subject: no empty line\n",
    b"Subject: dots\n\n.\n..\n...\n.x\n",
    b"Subject: no last line end\n\nbody",
    b"Subject: crlf on disk\r\n\r\nbody\r\n",
    b"Subject: bytes\n\n\xe4\xf6\xfc\xff\n",
    b"Subject: long\n\n" + b"x" * 100000 + b"\n",
    b"Subject: many lines\n\n" + b"y\n" * 50000,
    b"\nno header\n",
)


@pytest.fixture(scope="module")
def server(module_server):
    return module_server(listeners=("smtp", "pop3s"), passwords={USER: PASSWORD}).start()


@pytest.fixture(scope="module")
def dovecot(server):
    owner = os.stat(server.maildir(USER).parent)
    line = f"{USER}:{server.password_hash(USER)}:{owner.st_uid}:{owner.st_gid}::{server.maildir(USER).parent}"
    one = Dovecot(server.folder / "dovecot", [line], server.certificate, server.key, port=free_port())
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def maildir(server):
    """Some that Ampel delivered; some as others name them, with and without sizes."""
    folder = server.maildir(USER)
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as smtp:
        for i in range(5):
            smtp.sendmail("a@elsewhere.example", [f"{USER}@mx.example"], f"Subject: {i}\n\n{'line' * i}\n.dot\n")
    server.wait_for_mail(USER, 5)
    owner = os.stat(folder)
    for i, text in enumerate(CORNERS):
        wire = len(text) + text.count(b"\n") - text.count(b"\r\n")
        plain, sized = f"{1700000000 + i}.M{i}P7.host", f"{1700001000 + i}.M{i}P7.host,S={len(text)},W={wire}"
        for place, name in (("cur", f"{plain}:2,S"), ("new", plain + "b"), ("cur", f"{sized}:2,")):
            path = folder / place / name
            path.write_bytes(text)
            os.chown(path, owner.st_uid, owner.st_gid)
    return folder


def login(server, port):
    pop = poplib.POP3_SSL("localhost", port, context=server.tls_context(), timeout=30)
    pop.user(USER)
    pop.pass_(PASSWORD)
    return pop


def dump(pop):
    """STAT, and of every message its size and its text; sorted, for each has an order of its own."""
    stat = pop.stat()
    sizes = [int(line.split()[1]) for line in pop.list()[1]]
    texts = [b"\r\n".join(pop.retr(i)[1]) for i in range(1, stat[0] + 1)]
    return stat, sorted(zip(sizes, texts))


def test_stat_list_and_retr(server, dovecot, maildir):
    ours, theirs = login(server, server.ports["pop3s"]), login(server, dovecot.port)
    our_stat, our_messages = dump(ours)
    their_stat, their_messages = dump(theirs)
    ours.quit()
    theirs.quit()
    assert our_stat[0] == 5 + 3 * len(CORNERS)
    assert [text for _, text in our_messages] and len(our_messages) == len(their_messages)
    # Dovecot counts what is on disk, and a line end that is missing there is sent all the same
    for (our_size, our_text), (their_size, their_text) in zip(our_messages, their_messages):
        assert our_text == their_text
        assert our_size in (their_size, their_size + 2)


def test_sizes_are_what_is_sent(server, maildir):
    """
    W= in a name is believed, and whoever wrote it did not count a line end that is missing
    at the end of the file, which is sent all the same.
    """
    pop = login(server, server.ports["pop3s"])
    for line in pop.list()[1]:
        number, size = map(int, line.split())
        _, lines, _ = pop.retr(number)
        sent = sum(len(one) + 2 for one in lines)
        assert sent == size or (sent == size + 2 and lines[-1] in (b"body", b"Subject: no empty line"))
    pop.quit()


def test_uids_stay(server, dovecot, maildir):
    """Over sessions, over a restart, and when Dovecot moves new/ to cur/ and sets flags."""
    first = login(server, server.ports["pop3s"])
    uids = dict(line.split() for line in first.uidl()[1])
    assert len(set(uids.values())) == len(uids)
    first.close()
    other = login(server, dovecot.port)
    other.retr(1)
    other.quit()
    assert not list((maildir / "new").iterdir()), "Dovecot has moved them"
    server.must("restart")
    again = login(server, server.ports["pop3s"])
    assert dict(line.split() for line in again.uidl()[1]) == uids
    again.quit()


def test_what_ours_removes_dovecot_no_longer_lists(server, dovecot, maildir):
    ours, theirs = login(server, server.ports["pop3s"]), login(server, dovecot.port)
    before = theirs.stat()[0]
    theirs.quit()
    for number in random.Random(3).sample(range(1, before + 1), 5):
        ours.dele(number)
    ours.quit()
    theirs = login(server, dovecot.port)
    their_stat, their_messages = dump(theirs)
    theirs.quit()
    assert their_stat[0] == before - 5
    ours = login(server, server.ports["pop3s"])
    assert [text for _, text in dump(ours)[1]] == [text for _, text in their_messages]
    ours.quit()


def test_what_dovecot_removes_in_mid_session(server, dovecot, maildir):
    ours, theirs = login(server, server.ports["pop3s"]), login(server, dovecot.port)
    count = ours.stat()[0]
    theirs.dele(1)
    theirs.quit()
    gone = 0
    for number in range(1, count + 1):
        try:
            ours.retr(number)
        except poplib.error_proto as e:
            assert str(e).startswith("b'-ERR"), e
            gone += 1
    assert gone == 1
    ours.quit()
