"""
A local user cannot make delivery write outside of his home, or run as another, or stand still:
whatever lies in his home, and whatever he puts there while mail is delivered.

AMPEL_SWAPS: deliveries while files are swapped (150).
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

import maildir
from qmail_user import qmail_users, remove_path
from server import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes users of this host")

JOE, ANN = "ampelhostilejoe", "ampelhostileann"
SWAPS = int(os.environ.get("AMPEL_SWAPS", "150"))
AT_ONCE = 25  # messages between two looks at what became of them


class Outside:
    """
    What lies beside his home. He may write it all, so that only our own care keeps mail out of it:
    files, a Maildir, .qmail files that name them.
    """

    def __init__(self, joe):
        self.path = joe.server.folder / "outside"
        self.path.mkdir()
        for part in ("box", "box/tmp", "box/cur", "box/new"):
            (self.path / part).mkdir()
        (self.path / "file").write_text("")
        (self.path / "linked").write_text("")
        (self.path / "qmail").write_text(f"|touch {self.path}/ran\n{self.path}/file\n")
        for path in (self.path, *self.path.rglob("*")):
            joe.give(path)
        self.before = self.content()

    def content(self):
        return {
            str(path): path.read_bytes() if path.is_file() else sorted(os.listdir(path))
            for path in (self.path, *self.path.rglob("*"))
        }

    def is_untouched(self):
        return self.content() == self.before


@pytest.fixture(scope="module")
def people(module_server):
    server = module_server(users=(), settings={"users": "system", "program_timeout": "5s"})
    with qmail_users(server, JOE, ANN) as made:
        yield made


@pytest.fixture
def joe(people):
    with people[0].home_as_it_is() as joe:
        yield joe


@pytest.fixture
def ann(people):
    return people[1]


@pytest.fixture
def outside(joe):
    outside = Outside(joe)
    yield outside
    shutil.rmtree(outside.path)


def link(joe, name, target):
    (joe.home / name).symlink_to(target)
    joe.give(joe.home / name)


def fifo(joe, name):
    os.mkfifo(joe.home / name, 0o600)
    joe.give(joe.home / name)


def must_defer(joe, extension, why):
    outcome, line = joe.deliver(extension)
    assert outcome == "deferred" and why in line, line


# ---- files that are not what they seem ----


def test_qmail_file_is_a_link(joe, outside):
    link(joe, ".qmail-link", outside.path / "qmail")
    must_defer(joe, "link", ".qmail-link: is a symbolic link")
    assert outside.is_untouched()


def test_qmail_file_of_another(joe, ann):
    theirs = ann.put("theirs", "|touch /tmp/never\n", mode=0o644)
    try:
        os.link(theirs, joe.home / ".qmail-theirs")
        must_defer(joe, "theirs", ".qmail-theirs: belongs to somebody else")
    finally:
        theirs.unlink()


def test_qmail_file_is_a_fifo(joe):
    fifo(joe, ".qmail-fifo")
    must_defer(joe, "fifo", ".qmail-fifo: is no regular file")


def test_qmail_file_of_a_gigabyte(joe):
    large = joe.qmail("large", "")
    os.truncate(large, 1 << 30)
    must_defer(joe, "large", ".qmail-large: is too large")


def test_qmail_file_of_nuls(joe):
    nuls = joe.qmail("nuls", "")
    os.truncate(nuls, 1 << 20)
    must_defer(joe, "nuls", ".qmail-nuls, line 1: is not allowed there")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_qmail_file_that_others_may_write(joe, mode):
    joe.qmail("open", "|touch ran\n", mode=mode)
    must_defer(joe, "open", ".qmail-open: may be written by its group or others")
    assert not (joe.home / "ran").exists()


# ---- ways that lead out ----


def test_mbox(joe, ann, outside):
    """Each way to a file that is not in his home, or is not his alone."""
    theirs = ann.put("Mailbox", "theirs\n", mode=0o666)
    link(joe, "link", outside.path / "file")
    link(joe, "way", outside.path)
    link(joe, "dangling", outside.path / "new")
    os.link(outside.path / "linked", joe.home / "hard")
    os.link(theirs, joe.home / "theirs")
    fifo(joe, "fifo")
    joe.put("open", mode=0o660)
    try:
        for path, why in {
            "./link": "has a symbolic link on its way",
            "./way/file": "has a symbolic link on its way",
            "./dangling": "has a symbolic link on its way",
            "./way/../file": "has a symbolic link on its way",
            "./hard": "has another name",
            "./theirs": "belongs to somebody else",
            "./fifo": "No such device or address",
            "./open": "may be written by its group or others",
            f"./../{outside.path.name}/file": "lies outside of the home",
            f"{outside.path}/file": "lies outside of the home",
            f"{joe.home}/../{outside.path.name}/file": "lies outside of the home",
            f"{ann.home}/Mailbox": "lies outside of the home",
        }.items():
            joe.qmail("mbox", path + "\n")
            must_defer(joe, "mbox", why)
        assert outside.is_untouched()
        assert theirs.read_text() == "theirs\n"
    finally:
        theirs.unlink()


def test_maildir(joe, outside):
    link(joe, "link", outside.path / "box")
    link(joe, "way", outside.path)
    joe.make_maildir("half")
    (joe.home / "half" / "new").rmdir()
    link(joe, "half/new", outside.path / "box" / "new")
    for path, why in {
        "./link/": "the Maildir: Not a directory",
        "./way/box/": "has a symbolic link on its way",
        "./half/": "Maildir/new",
        f"./../{outside.path.name}/box/": "lies outside of the home",
        f"{outside.path}/box/": "lies outside of the home",
    }.items():
        joe.qmail("maildir", path + "\n")
        must_defer(joe, "maildir", why)
    assert outside.is_untouched()


def test_the_default_maildir(joe, outside):
    link(joe, "Maildir", outside.path / "box")
    joe.qmail("default", "./Maildir/\n")
    assert joe.deliver()[0] == "deferred"
    assert joe.deliver("default")[0] == "deferred"
    assert outside.is_untouched()


# ---- programs ----


def test_a_program_is_he_and_nobody_else(joe, ann):
    ann.put("secret", "of Ann\n")
    ann.home.chmod(0o755)
    try:
        joe.qmail("who", f"|(id -u; id -G; cat {ann.home}/secret; touch {ann.home}/new) >who 2>&1\n|exit 0\n")
        assert joe.deliver("who")[0] == "deferred", "touch failed, which is no success"
        lines = joe.read("who").splitlines()
        assert lines[:2] == [str(joe.uid), str(joe.gid)]
        assert [line.rpartition(": ")[2] for line in lines[2:]] == ["Permission denied"] * 2
        assert sorted(os.listdir(ann.home)).count("new") == 0
    finally:
        ann.home.chmod(0o700)


def test_a_program_cannot_change_the_message(joe):
    joe.qmail("change", "|echo x >/proc/self/fd/0\n")
    assert joe.deliver("change")[0] == "deferred"
    joe.qmail("change", "|(echo x >/proc/self/fd/0; truncate -s0 /proc/self/fd/0) 2>/dev/null; exit 0\n./Mailbox\n")
    assert joe.deliver("change")[0] == "delivered"
    assert joe.read("Mailbox").endswith("Subject: hello\n\nhello\n\n")


def test_a_program_that_says_much(joe, ann):
    joe.qmail("much", "|head -c 200000000 /dev/zero; exit 0\n")
    joe.qmail("ever", "|yes\n")
    message = joe.send("ever")
    assert joe.deliver("much")[0] == "delivered"
    assert ann.deliver()[0] == "delivered"
    outcome, line = joe.outcome_of(message)
    assert outcome == "deferred" and "was stopped" in line and len(line) < 1000
    joe.server.must("queue", "remove", message)


def test_a_program_that_kills_its_deliver(joe, ann):
    """He hurts himself; the others' mail goes on."""
    joe.qmail("kill", "|test -e mercy || kill -KILL $PPID; exit 0\n")
    message = joe.send("kill")
    for _ in range(3):
        assert ann.deliver()[0] == "delivered"
    joe.put("mercy")
    joe.server.wait_for_log(f"id={message}", "ev=delivered", seconds=60)
    assert joe.deliver()[0] == "delivered"


# ---- swapped while it is looked at ----

# As joe, until it is killed: what a line or we ourselves name becomes something else, all the time.
SWAPPER = r"""
import os, random, shutil, sys

home, outside = sys.argv[1:]
os.chdir(home)
chance = random.Random(1)

def file(name, text):
    with open(name, "w") as f:
        f.write(text)
    os.chmod(name, 0o600)

def folder(name):
    for part in ("", "/tmp", "/cur", "/new"):
        os.mkdir(name + part, 0o700)

def half(name):
    folder(name)
    part = chance.choice(("tmp", "cur", "new"))
    os.rmdir(f"{name}/{part}")
    os.symlink(f"{outside}/box/{part}", f"{name}/{part}")

def nested(name):
    os.mkdir(name, 0o700)
    file(name + "/file", "")

CHOICES = {
    ".qmail-swap": [
        lambda n: file(n, "./Mailbox\n"),
        lambda n: file(n, "./box/\n"),
        lambda n: file(n, "./deep/file\n"),
        lambda n: file(n, "./Maildir/\n./Mailbox\n"),
        lambda n: os.symlink(f"{outside}/qmail", n),
        lambda n: os.mkfifo(n, 0o600),
    ],
    "Mailbox": [
        lambda n: file(n, ""),
        lambda n: file(n, "From here on\n"),
        lambda n: os.symlink(f"{outside}/file", n),
        lambda n: os.link(f"{outside}/linked", n),
        lambda n: os.mkfifo(n, 0o600),
    ],
    "box": [folder, folder, half, lambda n: os.symlink(f"{outside}/box", n)],
    "deep": [nested, nested, lambda n: os.symlink(outside, n)],
    "Maildir": [folder, folder, half, lambda n: os.symlink(f"{outside}/box", n)],
}

def remove(path):
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except OSError:
        pass

count = 0
while True:
    count += 1
    name = chance.choice(list(CHOICES))
    fresh, old = f"made-{count}", f"old-{count}"
    try:
        chance.choice(CHOICES[name])(fresh)
        try:
            os.rename(fresh, name)
        except OSError: # a folder is in its place, or it is one
            os.rename(name, old)
            os.rename(fresh, name)
    except OSError:
        pass
    remove(fresh)
    remove(old)
"""


class LogTail:
    """What is new in a log that becomes long."""

    LINE = re.compile(r"id=(\w+) ev=(delivered|deferred|failed) ")

    def __init__(self, server):
        self.file = server.log_path.open()
        self.rest = ""
        self.known = {}

    def outcomes(self, messages):
        """The first of each."""

        def are_there():
            lines, _, self.rest = (self.rest + self.file.read()).rpartition("\n")
            for message, outcome in self.LINE.findall(lines):
                self.known.setdefault(message, outcome)
            return all(message in self.known for message in messages)

        assert wait_until(are_there, 60)
        return [self.known[message] for message in messages]


def test_files_swapped_during_deliveries(joe, ann, outside):
    hers = len(maildir.files(ann.home / "Maildir"))
    rounds = -(-SWAPS // AT_ONCE)
    seen = {"delivered": 0, "deferred": 0, "failed": 0}
    log = LogTail(joe.server)
    with subprocess.Popen(
        joe.as_him(sys.executable, "-I", "-c", SWAPPER, joe.home, outside.path), cwd="/"
    ) as swapper:
        try:
            assert wait_until((joe.home / ".qmail-swap").exists)
            for _ in range(rounds):
                sent = [joe.send("swap" if i % 3 else "") for i in range(AT_ONCE)]
                for outcome in log.outcomes(sent):
                    seen[outcome] += 1
                assert ann.deliver()[0] == "delivered"
            assert swapper.poll() is None
        finally:
            swapper.kill()
    assert seen["delivered"] > rounds and seen["deferred"] > rounds and not seen["failed"], seen
    assert outside.is_untouched()
    assert len(maildir.files(ann.home / "Maildir")) == hers + rounds
    # and all is well again
    for name in ("Maildir", "Mailbox"):
        remove_path(joe.home / name)
    assert joe.deliver()[0] == "delivered"
