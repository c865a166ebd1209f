"""`ampel check`: every mistake at once, each with its file and line."""

import json
import subprocess

import pytest

from server import STAGE

GOOD = """hostname = "mx.example.org"
domains = { "example.org" }
root = "ROOT"
listen smtp { address = "127.0.0.1:2525" }
filter a { check = "/bin/true" }
"""
NO_TLS = 'warning: no tls block applies to listener "smtp": a self-signed certificate is shown'


@pytest.fixture
def check(tmp_path):
    """A function of the configuration's text: exit code, stdout, stderr, lines stripped of the path."""

    def run(text, *options):
        path = tmp_path / "c"
        path.write_text(text.replace("ROOT", str(tmp_path / "r")))
        end = subprocess.run(
            [STAGE / "bin" / "ampel", "-c", path, *options, "check"],
            capture_output=True,
            text=True,
        )
        strip = lambda out: out.replace(f"{tmp_path}/", "")
        return end.returncode, strip(end.stdout), strip(end.stderr)

    return run


@pytest.fixture
def etc(tmp_path):
    folder = tmp_path / "r" / "etc"
    folder.mkdir(parents=True)
    (folder / "passwd").write_text("jo:x:1000:1000::/home/jo:\n")
    return folder


def test_good(check, etc):
    assert check(GOOD) == (0, "c: ok\n", f"c:4: {NO_TLS}\n")


def mistakes(err):
    return [line for line in err.splitlines() if NO_TLS not in line]


def test_warnings(check):
    code, out, err = check('hostname = "a.example"\nroot = "ROOT"\nlisten smtp { address = "127.0.0.1:1" }\n')
    assert (code, out) == (0, "c: ok\n")
    assert err.splitlines() == [
        "c: warning: no domains are set: mail is taken for nobody",
        "c: warning: there are no users: ampel user add NAME",
        f"c:3: {NO_TLS}",
        'c:3: warning: no filter applies to listener "smtp"',
    ]


def test_passwords_of_system_users(check, tmp_path):
    """Nobody could log in: the file with their hashes is not theirs, and is not there."""
    text = GOOD + 'users = system\nlisten pop3s { address = "127.0.0.1:2" }\n'
    warning = 'c: warning: "password_check" is file, and there is no r/etc/shadow: nobody can log in; pam takes the passwords of this host'
    assert warning in check(text)[2].splitlines()
    assert warning not in check(text.replace("users = system\n", ""))[2]
    assert warning not in check(text + 'password_check = "/bin/true"\n')[2]
    assert warning not in check(GOOD + "users = system\n")[2]  # no listener asks for a password
    shadow = tmp_path / "r" / "etc" / "shadow"
    shadow.parent.mkdir(parents=True)
    shadow.touch(mode=0o600)
    assert warning not in check(text)[2]


def test_all_mistakes(check):
    """Of grammar and of meaning, in the order of lines."""
    code, out, err = check(GOOD.replace("hostname", "hostnmae") + 'inside = "0.0.0.0/0"\nx\nerrors = none\n')
    assert (code, out) == (78, "")
    assert err.splitlines() == [
        'c: "hostname" is not set',
        'c:1: unknown setting "hostnmae"; did you mean "hostname"?',
        'c:6: "0.0.0.0/0" would make this an open relay: strangers could send through it',
        'c:7: expected "=" or "{" behind "x"',
        'c:8: "errors" wants a number such as 20, not "none"',
    ]


def test_json(check):
    code, out, err = check(GOOD.replace("smtp {", "pop3 {"), "--json")
    found = json.loads(out)
    assert (code, err) == (78, "")
    assert (found["line"], found["kind"]) == (4, "mistake")
    assert "in the clear" in found["text"]


def test_programs(check, etc, tmp_path):
    (tmp_path / "plain").write_text("no program")
    code, out, err = check(
        GOOD
        + f'filter b {{ command = "{tmp_path}/none -x" }}\n'
        + f'filter c {{ check = "{tmp_path}/plain" }}\n'
        + f'helper d {{ command = "{tmp_path}" user = root }}\n'
    )
    assert code == 78
    # tmp_path itself is a folder, which the fixture's stripping leaves whole
    assert [line.split(": ", 1)[0] for line in mistakes(err)] == ["c:6", "c:7", "c:8"]
    assert "No such file" in err and "not a program" in err


def test_users_and_aliases(check, etc):
    with open(etc / "passwd", "a") as passwd:
        passwd.write("broken\nroot:x:0:0::/root:\njo:x:1:1::/x:\n")
    (etc / "aliases").write_text("a: jo\nx: y\ny: x\nl: :include:/nonexistent\na: jo\n")
    code, out, err = check(GOOD)
    assert (code, out) == (78, "")
    places = [line.split(": ", 1)[0] for line in mistakes(err)]
    assert places == [
        "r/etc/passwd:2",
        "r/etc/passwd:3",
        "r/etc/passwd:4",
        "r/etc/aliases:3",
        "r/etc/aliases:4",
        "r/etc/aliases:5",
    ]
    assert 'aliases:3: "y" leads to aliases only, in a circle' in err


@pytest.mark.parametrize("name", ["none", "."])
def test_unreadable(name, tmp_path):
    end = subprocess.run(
        [STAGE / "bin" / "ampel", "-c", tmp_path / name, "check"], capture_output=True, text=True
    )
    assert end.returncode == 78
    assert "cannot be read" in end.stderr
