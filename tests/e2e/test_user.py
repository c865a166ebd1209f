"""`ampel user`: the file of users and the homes."""

import json
import os
import pwd
import stat
import subprocess

import pytest

from server import STAGE


class Trial:
    """A configuration below a folder of its own."""

    def __init__(self, folder):
        self.root = folder / "r"
        self.file = folder / "c"
        self.passwd = self.root / "etc" / "passwd"
        self.configure()

    def configure(self, more=""):
        self.file.write_text(f'hostname = "mx.example.org"\nroot = "{self.root}"\n{more}')

    def user(self, *words):
        return subprocess.run(
            [STAGE / "bin" / "ampel", "-c", self.file, "user", *words],
            capture_output=True,
            text=True,
        )

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


@pytest.mark.parametrize("words", [[], ["add"], ["list", "x"], ["frob", "jo"], ["add", "a", "b"]])
def test_misuse(trial, words):
    assert trial.user(*words).returncode == 64
