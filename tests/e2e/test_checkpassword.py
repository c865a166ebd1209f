"""checkpassword(8): the classic interface, becoming the user, and who may run it."""

import os
import pwd
import random
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from server import NOBODY, ROOT, STAGE, make_folder

PROGRAM = STAGE / "bin" / "checkpassword"
UID, GID = 47110, 47111
OK, REFUSED, MISUSED, TROUBLE = 0, 1, 2, 111
YESTERDAY, TODAY, TOMORROW = (int(time.time() // 86400) + n for n in (-1, 0, 1))

is_root = os.geteuid() == 0
needs_root = pytest.mark.skipif(not is_root, reason="only root becomes another user")


def hash_of(password):
    return subprocess.check_output(
        ["openssl", "passwd", "-6", "-salt", "saltsalt", password], text=True
    ).strip()


SESAME = hash_of("sesame")
EMPTY = hash_of("")

# name: (uid, gid, the shadow line behind the name; None: no line)
USERS = {
    "cave": (UID, GID, f"{SESAME}:19000:0:99999:7:::"),
    "tomorrow": (UID, GID, f"{SESAME}:19000:0:99999:7::{TOMORROW}:"),
    "today": (UID, GID, f"{SESAME}:19000:0:99999:7::{TODAY}:"),
    "yesterday": (UID, GID, f"{SESAME}:19000:0:99999:7::{YESTERDAY}:"),
    "locked": (UID, GID, f"!{SESAME}:19000:0:99999:7:::"),
    "star": (UID, GID, "*:19000:0:99999:7:::"),
    "blank": (UID, GID, ":19000:0:99999:7:::"),
    "hollow": (UID, GID, f"{EMPTY}:19000:0:99999:7:::"),
    "broken": (UID, GID, f"{SESAME}:19000"),
    "lineless": (UID, GID, None),
    "toor": (0, GID, f"{SESAME}:19000:0:99999:7:::"),
    "wheel": (UID, 0, f"{SESAME}:19000:0:99999:7:::"),
    "homeless": (UID, GID, f"{SESAME}:19000:0:99999:7:::"),
}


class Trial:
    """Users and hashes below a folder, as AMPEL_ROOT has them."""

    def __init__(self, folder):
        self.folder = folder
        self.etc = folder / "etc"
        self.home = folder / "home"
        self.passwd, self.shadow = self.etc / "passwd", self.etc / "shadow"
        self.etc.mkdir()
        self.home.mkdir()
        self.passwd.write_text("# users\n" + "".join(map(self.passwd_line, USERS)))
        self.shadow.write_text(
            "".join(f"{name}:{line}\n" for name, (_, _, line) in USERS.items() if line)
            + f"ghost:{SESAME}:19000:0:99999:7:::\n"
        )
        self.passwd.chmod(0o644)
        self.shadow.chmod(0o640)

    def passwd_line(self, name):
        uid, gid, _ = USERS[name]
        home = self.home / "none" if name == "homeless" else self.home
        return f"{name}:x:{uid}:{gid}::{home}:/bin/{name}-shell\n"

    def run(self, text, *argv, unit=None, env=None, executable=PROGRAM, before=()):
        """The finished process, its descriptor 3 (or unit) being a pipe with text."""
        fd = 3 if unit is None else unit
        outside, inside = os.pipe()
        os.write(inside, text)
        os.close(inside)
        environment = {"PATH": os.environ["PATH"], "AMPEL_ROOT": str(self.folder), **(env or {})}
        if unit is not None:
            environment["CHECKPASSWORD_UNIT"] = str(unit)

        def place():
            os.dup2(outside, fd)

        try:
            return subprocess.run(
                [*before, executable, *argv],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                close_fds=False,
                preexec_fn=place,
                timeout=60,
                check=False,
            )
        finally:
            os.close(outside)

    def code(self, text, *argv, **more):
        """Its exit code; it says nothing."""
        done = self.run(text, *argv, **more)
        assert (done.stdout, done.stderr) == (b"", b"")
        return done.returncode


def triple(name, password):
    return f"{name}\0{password}\0xxx\0".encode()


@pytest.fixture(scope="module")
def trial():
    folder = make_folder("ampel-checkpassword-")
    yield Trial(folder)
    shutil.rmtree(folder)


@pytest.fixture
def own_trial():
    """One that a test may break."""
    folder = make_folder("ampel-checkpassword-")
    yield Trial(folder)
    shutil.rmtree(folder)


# ---- the answer ----


def test_self_test(trial):
    """The line of the man page, as it stands there."""
    page = (ROOT / "man" / "checkpassword.8").read_text()
    [line] = re.findall(r"^\$ (printf .*)$", page, re.M)
    done = subprocess.run(
        ["sh", "-c", line.replace(r"\e", "\\")],
        env={"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "AMPEL_ROOT": str(trial.folder)},
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"0\n", b"")


@pytest.mark.parametrize(
    "name, password, code",
    [
        ("cave", "sesame", OK),
        ("tomorrow", "sesame", OK),
        ("homeless", "sesame", OK),  # its home is not needed yet
        ("cave", "sesam", REFUSED),
        ("cave", "sesame ", REFUSED),
        ("cave", "Sesame", REFUSED),
        ("cave", "", REFUSED),
        ("cave", SESAME, REFUSED),
        ("Cave", "sesame", REFUSED),
        ("cav", "sesame", REFUSED),
        ("cave:x", "sesame", REFUSED),
        ("# users", "sesame", REFUSED),
        ("", "sesame", REFUSED),
        ("", "", REFUSED),
        ("nobody-here", "sesame", REFUSED),
        ("x" * 300, "sesame", REFUSED),
        ("ghost", "sesame", REFUSED),  # a hash without a user
        ("lineless", "sesame", REFUSED),
        ("today", "sesame", REFUSED),
        ("yesterday", "sesame", REFUSED),
        ("locked", "sesame", REFUSED),
        ("locked", "!" + SESAME, REFUSED),
        ("star", "sesame", REFUSED),
        ("star", "*", REFUSED),
        ("blank", "", REFUSED),
        ("blank", "sesame", REFUSED),
        ("hollow", "", REFUSED),
        ("broken", "sesame", REFUSED),
        ("toor", "sesame", REFUSED),
        ("wheel", "sesame", REFUSED),
        ("root", "sesame", REFUSED),
    ],
)
def test_check(trial, name, password, code):
    assert trial.code(triple(name, password), "-") == code


@pytest.mark.parametrize("name", ["toor", "wheel", "locked", "blank", "nobody-here"])
def test_no_program_for_the_refused(trial, name):
    assert trial.code(triple(name, "sesame"), "echo", "inside") == REFUSED
    assert trial.code(triple(name, ""), "echo", "inside") == REFUSED


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"cave",
        b"cave\0",
        b"cave\0sesame",
        b"cave\0sesame\0",
        b"cave\0sesame\0xxx",
        b"cave\nsesame\nxxx\n",
        b"cave\0sesame\0" + b"x" * 501 + b"\0",  # 513 bytes
        triple("cave", "sesame") + b"x" * 4096,
        b"\xff" * 512,
        random.Random(4096).randbytes(4096).replace(b"\0", b"x"),
    ],
    ids=range(11),
)
def test_garbled(trial, text):
    assert trial.code(text, "-") == MISUSED
    assert trial.code(text, "true") == MISUSED


def test_at_most_512_bytes(trial):
    whole = b"cave\0sesame\0" + b"x" * 499 + b"\0"
    assert len(whole) == 512
    assert trial.code(whole, "-") == OK
    more = triple("cave", "sesame")
    assert trial.code(more + b"y" * (512 - len(more)), "-") == OK
    assert trial.code(more + b"y" * (513 - len(more)), "-") == MISUSED


def test_no_program(trial):
    assert trial.code(triple("cave", "sesame")) == MISUSED


@pytest.mark.parametrize("unit", [0, 1, 2, 7, 63])
def test_unit(trial, unit):
    assert trial.run(triple("cave", "sesame"), "-", unit=unit).returncode == OK
    assert trial.run(triple("cave", "sesam"), "-", unit=unit).returncode == REFUSED


@pytest.mark.parametrize("unit", ["", "x", "-1", "3 ", "0x3", "99999999999999999999", "999"])
def test_bad_unit(trial, unit):
    env = {"CHECKPASSWORD_UNIT": unit}
    assert trial.code(triple("cave", "sesame"), "-", env=env) == MISUSED


def test_descriptor_not_open(trial):
    with subprocess.Popen(
        [PROGRAM, "-"], env={"AMPEL_ROOT": str(trial.folder)}, stdin=subprocess.DEVNULL
    ) as process:
        assert process.wait(10) == MISUSED


def test_slow_writer(trial):
    """Read to the end, however it comes."""
    with subprocess.Popen(
        [PROGRAM, "-"],
        stdin=subprocess.PIPE,
        bufsize=0,
        env={"AMPEL_ROOT": str(trial.folder), "CHECKPASSWORD_UNIT": "0"},
    ) as process:
        for byte in triple("cave", "sesame"):
            process.stdin.write(bytes([byte]))
            time.sleep(0.005)
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(10) == OK


def cpu_seconds(trial, name):
    outside, inside = os.pipe()
    os.write(inside, triple(name, "wrong"))
    os.close(inside)
    env = {"AMPEL_ROOT": str(trial.folder), "CHECKPASSWORD_UNIT": "0"}
    with subprocess.Popen([PROGRAM, "-"], stdin=outside, env=env) as process:
        os.close(outside)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == REFUSED
    return usage.ru_utime + usage.ru_stime


def test_time_does_not_tell_who_exists(own_trial):
    """By the CPU, which other work does not change; a hash of 100 times the usual rounds."""
    dear = subprocess.check_output(
        [
            "/usr/bin/python3",
            "-W",
            "ignore",
            "-c",
            "import crypt; print(crypt.crypt('sesame', '$6$rounds=500000$salt'))",
        ],
        text=True,
    ).strip()
    own_trial.shadow.write_text(own_trial.shadow.read_text().replace(SESAME, dear))
    known = cpu_seconds(own_trial, "cave")
    assert known > 0.05
    for name in ["nobody-here", "locked", "star", "blank", "lineless", "today", "toor", "root"]:
        assert 0.5 < cpu_seconds(own_trial, name) / known < 2, name


# ---- trouble ----


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o642, 0o620])
def test_shadow_open_to_others(own_trial, mode):
    own_trial.shadow.chmod(mode)
    assert own_trial.code(triple("cave", "sesame"), "-") == TROUBLE
    assert own_trial.code(triple("nobody-here", "sesame"), "-") == TROUBLE


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_passwd_open_to_others(own_trial, mode):
    own_trial.passwd.chmod(mode)
    assert own_trial.code(triple("cave", "sesame"), "-") == TROUBLE


def test_no_shadow(own_trial):
    own_trial.shadow.unlink()
    assert own_trial.code(triple("cave", "sesame"), "-") == TROUBLE


@pytest.mark.parametrize("file", ["passwd", "shadow"])
def test_no_file(own_trial, file):
    path = own_trial.etc / file
    path.unlink()
    path.mkdir()
    assert own_trial.code(triple("cave", "sesame"), "-") == TROUBLE
    path.rmdir()
    os.mkfifo(path, 0o600)
    assert own_trial.code(triple("cave", "sesame"), "-") == TROUBLE


def test_no_memory(own_trial):
    """Never "wrong password". yescrypt wants 16 MB."""
    hash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$2XG8TbeFGEUHepjXSRRwTEN/pknneEfp/PquC6DSDN4"
    own_trial.shadow.write_text(f"cave:{hash}:19000::::::\n")
    assert own_trial.code(triple("cave", "sesame"), "-") == OK
    little = ["prlimit", "--as=9000000"]
    assert own_trial.code(triple("cave", "sesame"), "-", before=little) == TROUBLE
    assert own_trial.code(triple("nobody-here", "sesame"), "-", before=little) == TROUBLE


@needs_root
def test_no_home_no_program(trial):
    assert trial.code(triple("homeless", "sesame"), "true") == TROUBLE
    assert trial.code(triple("cave", "sesame"), "no-such-program") == TROUBLE
    assert trial.code(triple("cave", "sesame"), str(trial.passwd)) == TROUBLE


# ---- becoming the user ----


def said(trial, *argv, **more):
    done = trial.run(triple("cave", "sesame"), *argv, **more)
    assert done.returncode == 0, done
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


@needs_root
def test_becomes_the_user(trial):
    assert said(trial, "id", "-u") == [str(UID)]
    assert said(trial, "id", "-G") == [str(GID)]
    assert said(trial, "pwd") == [str(trial.home)]
    rows = said(trial, "grep", "-E", "^([UG]id|Groups):", "/proc/self/status")
    assert [row.split()[1:] for row in rows] == [[str(UID)] * 4, [str(GID)] * 4, [str(GID)]]


@needs_root
def test_root_is_gone_for_good(trial):
    attempt = "import os\ntry: os.setuid(0)\nexcept PermissionError: print('no')"
    assert said(trial, "/usr/bin/python3", "-c", attempt) == ["no"]


@needs_root
def test_environment(trial):
    env = {"USER": "x", "HOME": "/x", "TCPREMOTEIP": "192.0.2.1"}
    rows = dict(row.split("=", 1) for row in said(trial, "env", env=env))
    assert rows["USER"] == "cave"
    assert rows["HOME"] == str(trial.home)
    assert rows["SHELL"] == "/bin/cave-shell"
    assert rows["TCPREMOTEIP"] == "192.0.2.1"
    assert "sesame" not in str(rows)


@needs_root
def test_program_is_found_by_path(trial):
    bin = trial.folder / "bin"
    bin.mkdir()
    script = bin / "say-words"
    script.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 42\n')
    script.chmod(0o755)
    done = trial.run(
        triple("cave", "sesame"), "say-words", "-x", "", "a b", env={"PATH": f"{bin}:/bin"}
    )
    assert done.stdout == b"-x\n\na b\n"
    assert done.returncode == 42  # now it is the program's


@needs_root
@pytest.mark.parametrize("unit", [None, 5])
def test_descriptor_is_closed(trial, unit):
    script = f"import os; os.fstat({unit or 3})"
    done = trial.run(triple("cave", "sesame"), "/usr/bin/python3", "-c", script, unit=unit)
    assert done.returncode == 1 and b"Bad file descriptor" in done.stderr


@needs_root
def test_without_root_only_oneself(own_trial):
    program = own_trial.folder / "checkpassword"
    shutil.copy(PROGRAM, program)
    line = f"me:x:{NOBODY}:{NOBODY}::{own_trial.home}:\n"
    own_trial.passwd.write_text(own_trial.passwd.read_text() + line)
    own_trial.shadow.write_text(own_trial.shadow.read_text() + f"me:{SESAME}:::::::\n")
    os.chown(own_trial.shadow, NOBODY, NOBODY)
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    how = {"before": drop, "executable": program}
    done = own_trial.run(triple("me", "sesame"), "env", **how)
    assert done.returncode == 0 and b"\nSHELL=/bin/sh\n" in done.stdout
    assert own_trial.code(triple("cave", "sesame"), "-", **how) == OK
    assert own_trial.code(triple("cave", "sesame"), "id", **how) == TROUBLE


# ---- the users of this host ----


@pytest.fixture
def host(own_trial):
    """
    A host with a user of ours, in a mount namespace with an /etc of its own, and no user file
    of Ampel's. (A single file that is mounted over vanishes when another test adds a user.)
    """
    if not is_root or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("no mount namespace of its own: needs root and CAP_SYS_ADMIN")
    etc = own_trial.folder / "etc-of-host"
    etc.mkdir()
    for name in ("passwd", "shadow", "group", "nsswitch.conf"):
        shutil.copy(Path("/etc") / name, etc)
    own_trial.shadow.unlink()
    own_trial.passwd.unlink()
    lines = {
        "passwd": [
            f"ampeltest:x:{UID}:{GID}::{own_trial.home}:/bin/zsh",
            f"ampelgone:x:{UID}:{GID}::{own_trial.home}:/bin/zsh",
            f"ampelroot:x:0:{GID}::{own_trial.home}:/bin/zsh",
        ],
        "shadow": [
            f"ampeltest:{SESAME}:19000:0:99999:7:::",
            f"ampelgone:{SESAME}:19000:0:99999:7::{TODAY}:",
            f"ampelroot:{SESAME}:19000:0:99999:7:::",
        ],
        "group": [f"ampelextra:x:{GID + 1}:ampeltest", f"ampelother:x:{GID + 2}:"],
    }
    for name, more in lines.items():
        with (etc / name).open("a") as file:
            file.write("\n".join(more) + "\n")
    (etc / "shadow").chmod(0o640)
    script = f'mount --bind {shlex.quote(str(etc))} /etc && exec "$@"'
    own_trial.inside = ["unshare", "-m", "sh", "-c", script, "sh"]
    return own_trial


def test_users_of_the_host(host):
    def run(name, password, *argv):
        return host.run(triple(name, password), *argv, before=host.inside)

    assert run("ampeltest", "sesame", "-").returncode == OK
    assert run("ampeltest", "sesam", "-").returncode == REFUSED
    assert run("ampelgone", "sesame", "-").returncode == REFUSED
    assert run("ampelroot", "sesame", "-").returncode == REFUSED
    assert run("nobody-here", "sesame", "-").returncode == REFUSED
    assert run("ampeltest", "sesame", "id", "-u").stdout.split() == [str(UID).encode()]
    groups = run("ampeltest", "sesame", "id", "-G").stdout.split()
    assert sorted(map(int, groups)) == [GID, GID + 1]
    assert b"SHELL=/bin/zsh\n" in run("ampeltest", "sesame", "env").stdout


# ---- for one account only ----


def commands_of_page():
    page = (ROOT / "man" / "checkpassword.8").read_text()
    section = page[page.index(".Ss For one account only"):]
    return re.search(r"\.Bd .*?\n(.*?)\.Ed", section, re.S)[1].replace(r"\e", "\\")


def test_set_uid_for_one_account(host):
    """The commands of the page: that account gets in, nobody else does."""
    account = pwd.getpwnam("_ampelpop")
    other = pwd.getpwnam("_ampelsmtp")
    folder = host.folder / "guarded"
    commands = commands_of_page()
    assert "/usr/local/lib/checkpassword" in commands
    subprocess.run(
        ["sh", "-ec", commands.replace("/usr/local/lib/checkpassword", str(folder))],
        env={"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"},
        check=True,
    )
    program = folder / "checkpassword"
    assert (folder.stat().st_mode & 0o7777, folder.stat().st_uid) == (0o500, account.pw_uid)
    assert (program.stat().st_mode & 0o7777, program.stat().st_uid) == (0o4755, 0)
    if os.statvfs(folder).f_flag & os.ST_NOSUID:
        pytest.skip("the disk of this test has no set-uid programs")

    def run(uid, gid, name, *argv, env=None):
        # setpriv has root's capabilities until its exec, which would enter any folder
        who = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        before = [*host.inside, *who, "sh", "-c", 'exec "$@"', "sh"]
        return host.run(
            triple(name, "sesame"), *argv, executable=program, before=before, env=env
        )

    def run_as(entry, *more, **env):
        return run(entry.pw_uid, entry.pw_gid, *more, **env)

    done = run_as(account, "ampeltest", "id", "-u")
    assert (done.returncode, done.stdout.split()) == (0, [str(UID).encode()])
    assert run_as(account, "ampelroot", "-").returncode == REFUSED
    # Nobody else, not even with the account's group or root's: the shell cannot run it.
    for uid, gid in [
        (other.pw_uid, other.pw_gid),
        (NOBODY, NOBODY),
        (NOBODY, account.pw_gid),
        (NOBODY, 0),
        (UID, GID),
    ]:
        done = run(uid, gid, "ampeltest", "id", "-u")
        assert (done.returncode, done.stdout) == (126, b"")
        assert b"Permission denied" in done.stderr
    # A folder of the caller's choice counts for nothing there.
    host.passwd.write_text(f"mine:x:{UID}:{GID}::{host.home}:\n")
    host.shadow.write_text(f"mine:{SESAME}:::::::\n")
    host.shadow.chmod(0o600)
    trial = {"AMPEL_ROOT": str(host.folder)}
    assert host.code(triple("mine", "sesame"), "-", env=trial) == OK
    assert run_as(account, "mine", "-", env=trial).returncode == REFUSED


def test_what_it_is_linked_with():
    """No event loop, no TLS: what a program does not link, it cannot be talked into doing."""
    text = subprocess.check_output(["readelf", "-d", PROGRAM], text=True)
    names = set(re.findall(r"\(NEEDED\).*\[(\w+)\.so", text))
    assert "libcrypt" in names
    assert not names & {"libuv", "libssl", "libcrypto", "libsqlite3", "libpam"}
