"""`ampel user`: the files of users and passwords, and the homes."""

import grp
import json
import os
import pty
import pwd
import random
import select
import shutil
import signal
import stat
import subprocess
import termios
import threading
import time
from pathlib import Path

import pytest

from server import NOBODY, STAGE, make_folder

TODAY = int(time.time() // 86400)
# All of "sesame".
SHA512 = (
    "$6$rounds=1000$saltsalt$5Oji4y.RQw4TBqlwXcGLBsxSL7.Pw5hdIpFnzMJTl.OaKsU3EiPTP5NseI3o"
    "KDT8iioErVqshwXGd40hlWBLx1"
)
MD5 = "$1$saltsalt$J3RStOYaRn/5Iz9DGbAnx1"
DES = "abnqrLigH.z/s"


class Trial:
    """A configuration below a folder of its own."""

    def __init__(self, folder):
        self.root = folder / "r"
        self.file = folder / "c"
        self.passwd = self.root / "etc" / "passwd"
        self.shadow = self.root / "etc" / "shadow"
        self.configure()

    def configure(self, more=""):
        self.file.write_text(f'hostname = "mx.example.org"\nroot = "{self.root}"\n{more}')

    def argv(self, *words):
        return [str(STAGE / "bin" / "ampel"), "-c", str(self.file), "user", *words]

    def user(self, *words, given=b"", before=()):
        """The finished process, which was given these bytes."""
        done = subprocess.run([*before, *self.argv(*words)], input=given, capture_output=True)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    def check(self, name, password):
        return self.user("check", name, given=password.encode() + b"\n").returncode

    def lines(self):
        """The shadow file, as fields by name."""
        rows = [line.split(":") for line in self.shadow.read_text().splitlines()]
        assert all(len(row) == 9 for row in rows)
        return {row[0]: row[1:] for row in rows}

    def home(self, name):
        return self.root / "lib" / "mail" / name


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path)


def owner():
    return pwd.getpwnam("_ampelmail").pw_uid if os.geteuid() == 0 else os.geteuid()


def test_add(trial):
    end = trial.user("add", "jo")
    assert end.returncode == 0, end.stderr
    fields = trial.passwd.read_text().rstrip("\n").split(":")
    assert fields[:3] == ["jo", "x", str(owner())]
    assert fields[5] == str(trial.home("jo"))
    for part in ["", "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"]:
        st = (trial.home("jo") / part).lstat()
        assert stat.S_ISDIR(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o700
        assert st.st_uid == owner()


def test_add_twice(trial):
    trial.user("add", "jo")
    before = trial.passwd.read_bytes()
    assert trial.user("add", "jo").returncode == 73
    assert trial.passwd.read_bytes() == before


@pytest.mark.parametrize("name", ["", "Jo", "../jo", "a/b", ".", "a b", "-a", "a:b", "a" * 32])
def test_bad_names(trial, name):
    assert trial.user("add", name).returncode == 65
    assert not trial.root.exists()


def test_remove_keeps_the_rest(trial):
    """The mail, comments, broken lines and a last line without its end."""
    trial.user("add", "jo")
    mail = trial.home("jo") / "Maildir" / "new" / "1"
    mail.write_text("x")
    line = trial.passwd.read_text()
    trial.passwd.write_text("# ours\n" + line + "broken\nal:x:7:7::/al:/bin/sh")
    end = trial.user("remove", "jo")
    assert end.returncode == 0
    assert str(trial.home("jo")) in end.stdout
    assert trial.passwd.read_text() == "# ours\nbroken\nal:x:7:7::/al:/bin/sh\n"
    assert mail.exists()
    assert trial.user("remove", "jo").returncode == 67
    again = trial.user("add", "jo")
    assert "was there before" in again.stdout
    assert mail.exists()


def test_add_behind_a_line_without_end(trial):
    trial.user("add", "jo")
    trial.passwd.write_text("al:x:7:7::/al:")
    trial.user("add", "bo")
    assert [line.split(":")[0] for line in trial.passwd.read_text().splitlines()] == ["al", "bo"]


def test_list(trial):
    assert trial.user("list").stdout == ""
    trial.user("add", "jo")
    trial.user("add", "al")
    names = [line.split()[0] for line in trial.user("list").stdout.splitlines()]
    assert names == ["jo", "al"]
    rows = [json.loads(line) for line in trial.user("list", "--json").stdout.splitlines()]
    assert [row["name"] for row in rows] == ["jo", "al"]
    assert rows[0]["home"] == str(trial.home("jo"))


def test_list_with_a_broken_line(trial):
    trial.user("add", "jo")
    trial.passwd.write_text("broken\n" + trial.passwd.read_text())
    end = trial.user("list")
    assert end.returncode == 65
    assert "passwd:1:" in end.stderr and end.stdout.startswith("jo ")


def test_link_in_place_of_a_home(trial, tmp_path):
    """Nothing behind the link is made or given away."""
    victim = tmp_path / "victim"
    victim.mkdir()
    trial.user("add", "jo")
    trial.home("al").symlink_to(victim)
    assert trial.user("add", "al").returncode == 73
    assert list(victim.iterdir()) == []
    assert victim.stat().st_uid == os.geteuid()
    assert "al" not in trial.user("list").stdout.split()


def test_many_at_once(trial):
    """No line is lost when several add at the same time."""
    trial.user("add", "first")
    command = [STAGE / "bin" / "ampel", "-c", trial.file, "user", "add"]
    running = [subprocess.Popen([*command, f"u{i}"], stdout=subprocess.DEVNULL) for i in range(8)]
    assert [one.wait() for one in running] == [0] * 8
    assert len(trial.passwd.read_text().splitlines()) == 9


def test_system_users(trial):
    trial.configure("users = system\n")
    end = trial.user("add", "jo")
    assert end.returncode == 78
    assert not trial.root.exists()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["add"],
        ["list", "x"],
        ["frob", "jo"],
        ["add", "a", "b"],
        ["passwd"],
        ["passwd", "jo", "sesame"],
        ["check"],
        ["check", "jo", "sesame"],
        ["import-shadow"],
        ["import-shadow", "--frob", "x"],
        ["import-shadow", "x", "y"],
    ],
)
def test_misuse(trial, words):
    assert trial.user(*words).returncode == 64


# ---- passwords ----


def test_no_password_at_first(trial):
    end = trial.user("add", "jo")
    assert "ampel user passwd jo" in end.stdout
    assert trial.lines() == {"jo": ["!", "", "", "", "", "", "", ""]}
    for password in ["!", "sesame"]:
        assert trial.check("jo", password) == 1


def test_passwd(trial):
    trial.user("add", "jo")
    end = trial.user("passwd", "jo", given=b"sesame\nnot this\n")
    assert end.returncode == 0, end.stderr
    line = trial.lines()["jo"]
    assert line[0].startswith("$y$j9T$")
    assert line[1] == str(TODAY)
    assert trial.check("jo", "sesame") == 0
    assert trial.check("jo", "sesame ") == 1
    assert trial.user("check", "jo", given=b"sesame").returncode == 0  # no LF
    trial.user("passwd", "jo", given=b"cave\n")
    assert trial.check("jo", "sesame") == 1
    assert trial.check("jo", "cave") == 0
    assert "sesame" not in end.stdout + end.stderr


def test_passwd_keeps_the_rest(trial):
    """Other lines, comments, broken ones; and the other fields of the line."""
    trial.user("add", "jo")
    trial.shadow.write_text(
        f"# ours\nal:{SHA512}:1::::::\njo:!:2:3:4:5:6:99999:8\nbroken\n\njo:{SHA512}:1::::::"
    )
    trial.user("passwd", "jo", given=b"cave\n")
    first, second, third, *others = trial.shadow.read_text().splitlines()
    assert (first, second) == ("# ours", f"al:{SHA512}:1::::::")
    fields = third.split(":")
    assert fields[0] == "jo" and fields[2:] == [str(TODAY), "3", "4", "5", "6", "99999", "8"]
    assert others == ["broken", ""]


@pytest.mark.parametrize(
    "password, is_fit",
    [
        (b"x", True),
        (b"x" * 255, True),
        ("pässwörd ☂ :,\"'\\".encode(), True),
        (b" ", True),
        (b"\xff\x80", True),
        (b"", False),
        (b"x" * 256, False),
        (b"x" * 100000, False),
        (b"sesame\r", False),
        (b"a\tb", False),
        (b"a\0b", False),
        (b"\0", False),
        (b"a\x7fb", False),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_a_password_may_be(trial, password, is_fit):
    trial.user("add", "jo")
    before = trial.shadow.read_bytes()
    end = trial.user("passwd", "jo", given=password + b"\n")
    if is_fit:
        assert end.returncode == 0, end.stderr
        assert trial.user("check", "jo", given=password + b"\n").returncode == 0
    else:
        assert end.returncode == 65
        assert trial.shadow.read_bytes() == before
        assert trial.user("check", "jo", given=password + b"\n").returncode == 65
    for file in (trial.passwd, trial.shadow):
        assert len(password) < 3 or password not in file.read_bytes()


@pytest.mark.parametrize("verb", ["passwd", "check"])
def test_no_such_user(trial, verb):
    trial.user("add", "jo")
    for name in ["al", "", "j", "../jo"]:
        assert trial.user(verb, name, given=b"sesame\n").returncode == 67
    assert list(trial.lines()) == ["jo"]


def test_states(trial):
    """What list shows and what check says."""
    states = {
        "set": f"{SHA512}:1::::::",
        "later": f"{SHA512}:1:::::{TODAY + 1}:",
        "gone": f"{SHA512}:1:::::{TODAY}:",
        "locked": f"!{SHA512}:1::::::",
        "star": "*:1::::::",
        "blank": ":1::::::",
        "odd": "$zz$x:1::::::",
        "missing": None,
    }
    for name in states:
        trial.user("add", name)
    trial.shadow.write_text("".join(f"{k}:{v}\n" for k, v in states.items() if v))
    rows = [json.loads(line) for line in trial.user("list", "--json").stdout.splitlines()]
    assert {row["name"]: row["password"] for row in rows} == {
        "set": "set",
        "later": "set",
        "gone": "expired",
        "locked": "locked",
        "star": "none",
        "blank": "none",
        "odd": "broken",
        "missing": "none",
    }
    assert [line.split()[2] for line in trial.user("list").stdout.splitlines()] == [
        row["password"] for row in rows
    ]
    for name in states:
        assert trial.check(name, "sesame") == (0 if name in ("set", "later") else 1)


def test_remove_takes_the_password(trial):
    trial.user("add", "jo")
    trial.user("add", "al")
    trial.user("passwd", "jo", given=b"sesame\n")
    trial.user("remove", "jo")
    assert list(trial.lines()) == ["al"]


def test_an_old_password_opens_nothing(trial):
    """Left behind by a remove that was killed, or by hand."""
    trial.user("add", "al")
    with trial.shadow.open("a") as file:
        file.write(f"jo:{SHA512}:1::::::\n")
    trial.user("add", "jo")
    assert trial.lines()["jo"][0] == "!"


# ---- the file ----


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to an account")
def test_shadow_is_for_auth(trial):
    trial.user("add", "jo")
    for _ in range(2):
        st = trial.shadow.stat()
        assert stat.S_IMODE(st.st_mode) == 0o640
        assert (st.st_uid, st.st_gid) == (0, grp.getgrnam("_ampelauth").gr_gid)
        trial.user("passwd", "jo", given=b"sesame\n")
    assert stat.S_IMODE(trial.passwd.stat().st_mode) == 0o644


@pytest.fixture
def nobody():
    """A trial without root; the words before its commands as `before`."""
    folder = make_folder("ampel-user-")
    trial = Trial(folder)
    trial.before = []
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        trial.before = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    yield trial
    shutil.rmtree(folder)


def test_without_root(nobody):
    assert nobody.user("add", "jo", before=nobody.before).returncode == 0
    end = nobody.user("passwd", "jo", given=b"sesame\n", before=nobody.before)
    assert end.returncode == 0, end.stderr
    st = nobody.shadow.stat()
    assert stat.S_IMODE(st.st_mode) == 0o600
    assert st.st_uid == (NOBODY if os.geteuid() == 0 else os.geteuid())
    assert nobody.user("check", "jo", given=b"sesame\n", before=nobody.before).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads every file")
def test_shadow_closed_to_the_caller(nobody):
    """list works for everybody; nothing else does."""
    nobody.user("add", "jo")
    end = nobody.user("list", before=nobody.before)
    assert end.returncode == 0 and end.stdout.split()[2] == "unknown"
    for verb in ("check", "passwd"):
        end = nobody.user(verb, "jo", given=b"sesame\n", before=nobody.before)
        assert end.returncode == 73 and "Permission denied" in end.stderr


def test_account_missing(trial, tmp_path):
    """Says what makes it, and leaves nothing behind."""
    namespace = ["unshare", "-m"]
    if os.geteuid() != 0 or subprocess.run([*namespace, "true"]).returncode != 0:
        pytest.skip("no mount namespace of its own: needs root and CAP_SYS_ADMIN")
    others = tmp_path / "passwd"
    lines = Path("/etc/passwd").read_text().splitlines(True)
    others.write_text("".join(line for line in lines if not line.startswith("_ampelauth:")))
    hide = [*namespace, "sh", "-c", f'mount --bind {others} /etc/passwd && exec "$@"', "sh"]
    end = trial.user("add", "jo", before=hide)
    assert end.returncode == 78
    assert "_ampelauth" in end.stderr and "contrib/sysusers/create" in end.stderr
    assert not trial.passwd.exists() and not trial.shadow.exists()
    assert not trial.home("jo").exists()


def test_many_passwords_at_once(trial):
    """Two loops, each over users of its own: no change is lost."""
    names = [f"u{i}" for i in range(4)]
    for name in names:
        trial.user("add", name)
    codes = []

    def loop(own):
        for turn in range(3):
            for name in own:
                end = trial.user("passwd", name, given=f"{name}-{turn}\n".encode())
                codes.append(end.returncode)

    threads = [threading.Thread(target=loop, args=(names[i::2],)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 12
    assert list(trial.lines()) == names
    assert [trial.check(name, f"{name}-2") for name in names] == [0] * 4


def test_killed_in_between(trial):
    """Whenever it is: the files are whole, and the password is the old or the new one."""
    trial.user("add", "al")
    trial.user("add", "jo")
    trial.user("passwd", "jo", given=b"p0\n")
    started = time.monotonic()
    trial.user("passwd", "jo", given=b"p0\n")
    usual_seconds = time.monotonic() - started
    mode = trial.shadow.stat().st_mode
    possible, killed = {"p0"}, 0
    for turn in range(1, 25):
        words = ("add", f"n{turn}") if turn % 3 == 0 else ("passwd", "jo")
        with subprocess.Popen(
            trial.argv(*words),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        ) as process:
            process.stdin.write(f"p{turn}\n".encode())
            process.stdin.close()
            time.sleep(random.uniform(0, 1.2) * usual_seconds)
            process.kill()
            if process.wait() == -signal.SIGKILL:
                killed += 1
            elif words[0] == "passwd":
                possible = set()
        if words[0] == "passwd":
            possible.add(f"p{turn}")
        lines = trial.lines()
        users = [line.split(":") for line in trial.passwd.read_text().splitlines()]
        assert all(len(user) == 7 for user in users)
        assert {user[0] for user in users} <= set(lines)
        assert trial.shadow.stat().st_mode == mode
        assert lines["jo"][0].startswith("$y$")
    assert killed >= 3
    assert 0 in [trial.check("jo", password) for password in sorted(possible)]
    assert trial.user("passwd", "jo", given=b"last\n").returncode == 0
    assert trial.check("jo", "last") == 0


# ---- the terminal ----


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(argv[0], argv)
        self.shown = b""

    def read(self, seconds=10):
        """False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            got = os.read(self.fd, 4096)
        except OSError:  # EIO: nobody has it any more
            return False
        self.shown += got
        return got != b""

    def expect(self, text):
        deadline = time.monotonic() + 10
        while text not in self.shown:
            assert time.monotonic() < deadline and self.read(1), (text, self.shown)
        self.shown = self.shown.split(text, 1)[1]

    def type(self, text):
        # the question comes when there is no echo any more
        assert not self.echoes()
        os.write(self.fd, text)

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self):
        """The exit code, negative for a signal; and all that was shown since."""
        while self.read():
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_terminal(trial):
    trial.user("add", "jo")
    terminal = Terminal(trial.argv("passwd", "jo"))
    terminal.expect(b"New password of jo: ")
    terminal.type(b"sesame\n")
    terminal.expect(b"Again: ")
    secrets = [Path(f"/proc/{terminal.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    assert not any(b"sesame" in secret for secret in secrets)
    terminal.type(b"sesame\n")
    terminal.expect(b"jo: the password is set")
    assert b"sesame" not in terminal.shown
    assert terminal.end() == 0
    assert trial.check("jo", "sesame") == 0
    terminal = Terminal(trial.argv("check", "jo"))
    terminal.expect(b"Password of jo: ")
    terminal.type(b"sesame\n")
    terminal.expect(b"jo: yes")
    assert terminal.end() == 0


def test_terminal_editing(trial):
    """The terminal's own rub-out works."""
    trial.user("add", "jo")
    terminal = Terminal(trial.argv("passwd", "jo"))
    terminal.expect(b"New password of jo: ")
    terminal.type(b"sesamx\x7fe\n")
    terminal.expect(b"Again: ")
    terminal.type(b"wrong\x15sesame\n")
    terminal.expect(b"the password is set")
    assert terminal.end() == 0
    assert trial.check("jo", "sesame") == 0


@pytest.mark.parametrize(
    "first, second, why",
    [
        (b"sesame\n", b"sesamx\n", b"not twice the same"),
        (b"\n", None, b"none"),
        (b"\x04", None, b"none"),
        (b"x" * 256 + b"\n", None, b"longer than 255 bytes"),
        (b"a\tb\n", None, b"control character"),
        (b"sesame\n", b"\n", b"none"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_terminal_refuses(trial, first, second, why):
    trial.user("add", "jo")
    terminal = Terminal(trial.argv("passwd", "jo"))
    terminal.expect(b"New password of jo: ")
    terminal.type(first)
    if second:
        terminal.expect(b"Again: ")
        terminal.type(second)
    terminal.expect(why)
    assert terminal.echoes()
    assert terminal.end() == 65
    assert trial.lines()["jo"][0] == "!"


@pytest.mark.parametrize(
    "how, number",
    [
        (b"\x03", signal.SIGINT),
        (b"\x1c", signal.SIGQUIT),
        (None, signal.SIGTERM),
        (None, signal.SIGHUP),
    ],
)
def test_signal_restores_the_terminal(trial, how, number):
    trial.user("add", "jo")
    terminal = Terminal(trial.argv("passwd", "jo"))
    terminal.expect(b"New password of jo: ")
    terminal.type(b"sesa")
    # we have the terminal open, too: it outlives the command
    keep = os.open(f"/proc/{terminal.pid}/fd/0", os.O_RDWR | os.O_NOCTTY)
    if how:
        terminal.type(how)
    else:
        os.kill(terminal.pid, number)
    _, status = os.waitpid(terminal.pid, 0)
    assert os.waitstatus_to_exitcode(status) == -number
    assert terminal.echoes()
    os.close(keep)
    os.close(terminal.fd)
    assert trial.lines()["jo"][0] == "!"


def test_stop_and_go_on(trial):
    """Control-Z gives the terminal back; then the question comes again."""
    trial.user("add", "jo")
    # its session is orphaned, where Control-Z does nothing: a shell stands above it
    terminal = Terminal(["/bin/sh", "-c", 'set -m; "$@"; fg; exit', "sh", *trial.argv("passwd", "jo")])
    terminal.expect(b"New password of jo: ")
    terminal.type(b"sesa\x1a")
    terminal.expect(b"New password of jo: ")
    terminal.type(b"sesame\n")
    terminal.expect(b"Again: ")
    terminal.type(b"sesame\n")
    terminal.expect(b"the password is set")
    assert terminal.end() == 0
    assert trial.check("jo", "sesame") == 0


# ---- import ----


def test_import(trial, tmp_path):
    here = ["strong", "md5", "des", "locked", "none", "odd", "has", "haslocked", "dates", "twice"]
    for name in here:
        trial.user("add", name)
    lines = trial.shadow.read_text()
    lines = lines.replace("has:!:", f"has:{DES}:").replace("haslocked:!:", f"haslocked:!{DES}:")
    trial.shadow.write_text("# ours\n" + lines)
    mode = trial.shadow.stat().st_mode
    file = tmp_path / "shadow"
    file.write_text(
        f"root:{SHA512}:1:0:9:7:::\n"
        f"strong:{SHA512}:1:0:9:7:::\n"
        f"md5:{MD5}:2:0:9:7:::\n"
        f"des:{DES}:3:0:9:7:::\n"
        f"locked:!{SHA512}:4:0:9:7:::\n"
        "none:*:5:0:9:7:::\n"
        "odd:$zz$x:6:0:9:7:::\n"
        f"has:{SHA512}:7:0:9:7:::\n"
        f"haslocked:{SHA512}:8:0:9:7:::\n"
        f"dates:{SHA512}:9:8:7:6:5:4:3\n"
        f"twice:{SHA512}:1:::::: \n"
        f"twice:{MD5}:1::::::\n"
    )
    end = trial.user("import-shadow", str(file))
    assert end.returncode == 0, end.stderr
    said = [line.split(": ", 1) for line in end.stdout.splitlines()]
    assert [(name, text.split(",")[0].split(";")[0]) for name, text in said] == [
        ("root", "skipped"),
        ("strong", "taken"),
        ("md5", "taken"),
        ("des", "taken"),
        ("locked", "skipped"),
        ("none", "skipped"),
        ("odd", "skipped"),
        ("has", "kept"),
        ("haslocked", "kept"),
        ("dates", "taken"),
        ("twice", "taken"),
        ("twice", "skipped"),
    ]
    assert [name for name, text in said if "weak" in text] == ["md5", "des"]
    assert "no such user" in said[0][1]
    assert trial.shadow.read_text().startswith("# ours\n")
    trial.shadow.write_text(trial.shadow.read_text().removeprefix("# ours\n"))
    assert trial.shadow.stat().st_mode == mode
    after = trial.lines()
    assert set(after) == set(here)
    hashes = {name: line[0] for name, line in after.items()}
    assert hashes == {
        "strong": SHA512,
        "md5": MD5,
        "des": DES,
        "locked": "!",
        "none": "!",
        "odd": "!",
        "has": DES,
        "haslocked": "!" + DES,
        "dates": SHA512,
        "twice": SHA512,
    }
    assert after["dates"][1:] == ["9", "8", "7", "6", "5", "4", "3"]
    assert trial.check("md5", "sesame") == 0
    assert trial.check("dates", "sesame") == 1  # expired there, and here
    assert not any(hash in end.stdout + end.stderr for hash in (SHA512, MD5, DES))
    end = trial.user("import-shadow", "--force", str(file))
    assert end.returncode == 0
    assert trial.lines()["has"][0] == trial.lines()["haslocked"][0] == SHA512
    assert trial.lines()["twice"][0] == SHA512
    assert trial.lines()["locked"][0] == "!"


def test_import_of_broken_lines(trial, tmp_path):
    """The good ones are taken; the others are named."""
    trial.user("add", "jo")
    file = tmp_path / "shadow"
    file.write_text(f"# theirs\nDebian-x:*:1::::::\njo:{SHA512}:1::::::\njo:{MD5}\n")
    end = trial.user("import-shadow", str(file))
    assert end.returncode == 65
    assert [line.split(":")[1] for line in end.stderr.splitlines()] == ["2", "4"]
    assert trial.check("jo", "sesame") == 0


def test_import_of_nothing(trial, tmp_path):
    trial.user("add", "jo")
    before = trial.shadow.stat().st_ino
    assert trial.user("import-shadow", str(tmp_path / "none")).returncode == 66
    assert trial.user("import-shadow", str(tmp_path)).returncode == 66
    empty = tmp_path / "empty"
    empty.write_text("")
    assert trial.user("import-shadow", str(empty)).returncode == 0
    assert trial.shadow.stat().st_ino == before


def test_import_of_many(trial, tmp_path):
    """In seconds, not in minutes."""
    trial.user("add", "jo")
    names = [f"u{i}" for i in range(20000)]
    trial.passwd.write_text("".join(f"{name}:x:7:7::/home/{name}:\n" for name in names))
    file = tmp_path / "shadow"
    file.write_text("".join(f"{name}:{SHA512}:1::::::\n" for name in names))
    started = time.monotonic()
    assert trial.user("import-shadow", str(file)).returncode == 0
    assert len(trial.lines()) == 20001
    rows = trial.user("list").stdout.splitlines()
    assert [row.split()[2] for row in rows] == ["set"] * 20000
    assert time.monotonic() - started < 20
