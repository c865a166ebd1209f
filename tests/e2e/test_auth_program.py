"""password_check = a program with the interface of checkpassword."""

import os
import shutil
import subprocess
import time

import pytest

import login
import processes
from host_user import HostUser
from login import PASSWORD, log_in, new_source
from server import STAGE, wait_until

LISTENERS = ("smtps", "pop3s")
CONFIG_BAD = 78
TIMEOUT_SECONDS = 30  # src/auth/check_program.c

# The answer by the name; what it was given is written down when it is let.
SCRIPT = """#!/bin/sh
given=$(tr '\\0' '\\n' <&3; echo .)
name=$(printf '%s' "$given" | head -n 1)
word=$(printf '%s' "$given" | sed -n 2p)
if [ "$name" = witness ]; then
	{ printf '%s\\n' "$given"; id -u; env; ls -l /proc/self/fd; } > NOTES
fi
case $name in
alice|bob|witness) [ "$word" = "WORD" ]; exit ;;
noisy) echo secret; echo secret >&2; exit 0 ;;
refused) exit 1 ;;
misused) exit 2 ;;
trouble) exit 111 ;;
odd) exit 77 ;;
killed) kill -9 $$ ;;
hanging) sleep 1000 & exec sleep 1000 ;;
esac
exit 1
"""
NAMES = ("alice", "bob", "witness", "noisy", "refused", "misused", "trouble", "odd", "killed", "hanging")


def program(server, text=SCRIPT):
    """One whose text names its notes and the one right password."""
    path = server.folder / "program"
    path.write_text(text.replace("NOTES", str(server.folder / "notes" / "of")).replace("WORD", PASSWORD))
    path.chmod(0o755)
    notes = server.folder / "notes"
    notes.mkdir(exist_ok=True)
    notes.chmod(0o777)
    return path


def configure(server, command, **settings):
    server.settings.update(password_check=f'"{command}"', **settings)
    server.write_conf()
    return server


@pytest.fixture(scope="module")
def server(module_server):
    one = module_server(listeners=("smtp", *LISTENERS), users=NAMES)
    return configure(one, program(one)).start()


def words(server, user, password=PASSWORD):
    return [log_in(server, user, password, listener, new_source()) for listener in LISTENERS]


# ---- what its answer means ----


@pytest.mark.parametrize(
    "user, word",
    [
        ("alice", "yes"),
        ("noisy", "yes"),
        ("refused", "no"),
        ("nobody-here", "no"),
        ("misused", "later"),
        ("trouble", "later"),
        ("odd", "later"),
        ("killed", "later"),
    ],
)
def test_exit_codes(server, user, word):
    assert words(server, user) == [word, word]


def test_the_password_counts(server):
    assert words(server, "bob") == ["yes", "yes"]
    assert words(server, "bob", "wrong") == ["no", "no"]
    assert words(server, "Bob@MX.example") == ["yes", "yes"]


def test_the_log_says_why(server):
    words(server, "trouble")
    words(server, "killed")
    server.wait_for_log("ev=login", "result=later", 'why="exit code 111"')
    server.wait_for_log("ev=login", "result=later", 'why="killed by signal 9"')


def test_what_it_is_given(server):
    """Name and password on descriptor 3; else nothing, and nothing of ours."""
    assert log_in(server, "witness", PASSWORD, "smtps", new_source()) == "yes"
    name, word, stamp, dot, uid, *rest = (server.folder / "notes" / "of").read_text().splitlines()
    assert (name, word, stamp, dot) == ("witness", PASSWORD, "", ".")
    assert int(uid) == (server.uid_of("_ampelauth") if os.geteuid() == 0 else os.geteuid())
    variables = {line.partition("=")[0] for line in rest if "=" in line and "->" not in line}
    assert variables <= {"PATH", "PWD", "OLDPWD", "SHLVL", "_"}  # the others are the shell's
    open_files = dict(line.split()[-3::2] for line in rest if " -> " in line)
    assert open_files["0"] == open_files["2"] == "/dev/null"
    # 1 is the notes, 3 the pipe it has read, which the shell's child has too, and one is ls'
    assert set(open_files) <= {"0", "1", "2", "3", "4"}


@pytest.mark.slow
def test_one_that_hangs(server):
    """Others do not wait for it, and with it go those that it has started."""
    started = time.monotonic()
    sessions = [login.Session(server, listener, new_source()) for listener in LISTENERS]
    for session in sessions:
        session.begin_login("hanging")
    assert words(server, "alice") == ["yes", "yes"]
    assert not any(session.has_answer() for session in sessions)
    (auth,) = server.pids("auth")
    hanging = processes.descendants(auth)
    assert len(hanging) >= 2 * len(LISTENERS)
    assert [login.word_of(session.read_line()) for session in sessions] == ["later", "later"]
    assert time.monotonic() - started >= TIMEOUT_SECONDS * 0.9
    assert wait_until(lambda: not any(map(processes.is_running, hanging)))
    server.wait_for_log(f'why="no answer in {TIMEOUT_SECONDS} s"')
    for session in sessions:
        session.close()


def test_the_server_stops_while_one_hangs(new_server):
    one = new_server(listeners=("smtp", "smtps"), users=("hanging",))
    configure(one, program(one)).start()
    with login.Session(one) as session:
        session.begin_login("hanging")
        (auth,) = one.pids("auth")
        assert wait_until(lambda: processes.descendants(auth))
        hanging = processes.descendants(auth)
        assert one.stop() == 0
    assert wait_until(lambda: not any(map(processes.is_running, hanging))), "it outlives the server"


def test_a_program_that_changes(server):
    """The next attempt asks what is there then."""
    path = server.folder / "program"
    kept = path.read_text()
    path.write_text("#!/bin/sh\nexit 1\n")
    try:
        assert words(server, "alice") == ["no", "no"]
        path.chmod(0o644)
        assert words(server, "alice") == ["later", "later"]
        path.unlink()
        assert words(server, "alice") == ["later", "later"]
    finally:
        path.write_text(kept)
        path.chmod(0o755)
    assert words(server, "alice") == ["yes", "yes"]


# ---- which one is taken ----


def refusal(server, command, **settings):
    """What `ampel run` says that does not start."""
    done = configure(server, command, **settings).command("run")
    assert done.returncode == CONFIG_BAD, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def unstarted(new_server):
    return new_server(listeners=("smtp", "smtps"))


def test_one_that_accepts_everybody(unstarted):
    said = refusal(unstarted, "/bin/true")
    assert "/bin/true accepts any password" in said


def test_one_that_is_missing(unstarted):
    said = refusal(unstarted, "/nonexistent/checkpassword /bin/true")
    assert "password_check: /nonexistent/checkpassword: it cannot be started: No such file" in said


def test_one_that_cannot_be_run(unstarted):
    path = program(unstarted)
    path.chmod(0o644)
    assert f"password_check: {path}: it cannot be started: Permission denied" in refusal(unstarted, path)
    path.write_text("#!/nonexistent/interpreter\n")
    path.chmod(0o755)
    assert f"password_check: {path}: it cannot be started: No such file" in refusal(unstarted, path)


def test_an_account_that_is_missing(unstarted):
    if os.geteuid() != 0:
        pytest.skip("without root it runs as we do")
    said = refusal(unstarted, program(unstarted), password_user='"ampel-nobody-here"')
    assert "ampel-nobody-here" in said


def test_one_that_has_trouble_at_the_start(unstarted):
    """That may pass: a line is logged, and attempts are deferred until it does."""
    path = program(unstarted, "#!/bin/sh\nexit 111\n")
    configure(unstarted, path).start()
    unstarted.wait_for_log(f"password_check: {path}: exit code 111")
    assert log_in(unstarted, "alice") == "later"
    program(unstarted)
    assert log_in(unstarted, "alice", source=new_source()) == "yes"


# ---- ours ----


@pytest.fixture
def own_program(unstarted):
    """The checkout may lie where others may not look."""
    return shutil.copy(STAGE / "bin" / "checkpassword", unstarted.folder / "checkpassword")


def test_our_own_for_the_users_of_a_file(unstarted, own_program):
    command = f"/usr/bin/env AMPEL_ROOT={unstarted.root} {own_program} -"
    unstarted.passwords = {"alice": "correct horse"}
    configure(unstarted, command).start()
    assert log_in(unstarted, "alice", "correct horse") == "yes"
    assert log_in(unstarted, "alice", "wrong", source=new_source()) == "no"
    assert log_in(unstarted, "nobody-here", source=new_source()) == "no"
    login.shadow(unstarted).chmod(0o644)
    assert log_in(unstarted, "alice", "correct horse", source=new_source()) == "later"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes users")
def test_our_own_for_the_users_of_this_host(unstarted, own_program):
    """As root it becomes the user and runs what stands behind it."""
    if os.path.exists("/etc/ampel/passwd"):
        pytest.skip("here it takes the users of /etc/ampel")
    user = HostUser("ampel-test-program", unstarted.folder)
    try:
        configure(unstarted, f"{own_program} /bin/true", password_user="root", users="system")
        unstarted.start(add_users=False)
        assert log_in(unstarted, user.name) == "yes"
        assert log_in(unstarted, user.name, "wrong", source=new_source()) == "no"
        user.change("--lock")
        assert log_in(unstarted, user.name, source=new_source()) == "no"
    finally:
        user.remove()
    assert subprocess.run(["id", user.name], capture_output=True, check=False).returncode != 0
