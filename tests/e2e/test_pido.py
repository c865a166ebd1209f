"""pido(8): a process id in a file, a program in its place, and one at a time."""

import fcntl
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import threading
import time

import pytest

from server import NOBODY, STAGE, make_folder, wait_until

PROGRAM = STAGE / "bin" / "pido"
RUNNING, MISUSED, TROUBLE, CANNOT_RUN, NOT_FOUND = 1, 100, 111, 126, 127
MANY = 50
SLEEP = ["sleep", "99"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder():
    path = make_folder("ampel-pido-")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start(folder):
    """Starts one, in the folder; all that still live are killed in the end."""
    started = []

    def begin(*argv, **more):
        process = subprocess.Popen([PROGRAM, *argv], cwd=folder, text=True, **more)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def run(folder, *argv, program=PROGRAM, **more):
    return subprocess.run(
        [program, *map(str, argv)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        **more,
    )


def failed(done, code, text):
    """With one line that says why, and nothing else."""
    assert (done.returncode, done.stdout) == (code, "")
    assert re.fullmatch(rf"pido: [^\n]*{text}[^\n]*\n", done.stderr), done.stderr
    return True


def recorded(path):
    return int(path.read_text())


def has_become(process, name):
    return wait_until(lambda: open(f"/proc/{process.pid}/comm").read().strip() == name)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


# ---- the file ----


def test_own_number(folder):
    done = run(folder, "a.pid", "sh", "-c", 'echo $$; cat a.pid; exit "$1"', "sh", 42)
    own, read = done.stdout.split()
    assert own == read
    assert (folder / "a.pid").read_text() == own + "\n"
    assert (done.returncode, done.stderr) == (42, "")
    assert files(folder) == ["a.pid"]


@pytest.mark.parametrize("umask", [0, 0o22, 0o77, 0o777])
@pytest.mark.parametrize("options", [[], ["-l"], ["-r"]])
def test_mode(folder, umask, options):
    assert run(folder, *options, "a.pid", "true", umask=umask).returncode == 0
    assert stat.S_IMODE((folder / "a.pid").stat().st_mode) == 0o644


@pytest.mark.parametrize("path", ["a.pid", "./a.pid", "sub/a.pid", "{folder}/a.pid"])
def test_paths(folder, path):
    (folder / "sub").mkdir()
    done = run(folder, path.format(folder=folder), "sh", "-c", "echo $$")
    found = folder / path.format(folder=folder)
    assert recorded(found) == int(done.stdout)
    assert not list(folder.rglob(".pido*"))


def test_elements_of_a_pipeline(folder):
    """Three, each is found by its file and ended by itself."""
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    line = "pido 1 sh -c 'cat; exit 11' | pido 2 cat | pido 3 sh -c 'cat; exit 13'"
    with subprocess.Popen(
        ["bash", "-c", line + '; echo "${PIPESTATUS[@]}"'],
        cwd=folder,
        env={"PATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as shell:
        names = [folder / str(n) for n in (1, 2, 3)]
        assert wait_until(lambda: all(name.exists() for name in names))
        pids = [recorded(name) for name in names]
        assert len(set(pids)) == 3
        parents = {re.search(r"PPid:\t(\d+)", open(f"/proc/{p}/status").read())[1] for p in pids}
        assert parents == {str(shell.pid)}
        shell.stdin.write("through all of them\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == "through all of them\n"
        os.kill(pids[1], signal.SIGTERM)
        shell.stdin.close()
        assert shell.stdout.read() == "11 143 13\n"


@pytest.mark.parametrize("options", [[], ["-l"], ["-r"]])
def test_never_half_a_file(folder, options):
    """Read without a pause while others are put in its place."""
    path = folder / "a.pid"
    assert run(folder, "a.pid", "true").returncode == 0
    seen, over = set(), threading.Event()

    def read():
        while not over.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    written = set()
    for _ in range(60):
        written.add(run(folder, *options, "a.pid", "sh", "-c", "echo $$").stdout)
    over.set()
    reader.join()
    assert "" not in written
    assert len(seen) > 5
    strangers = seen - written
    assert len(strangers) <= 1 and all(re.fullmatch(r"\d+\n", text) for text in seen)


@pytest.mark.parametrize("options", [[], ["-l"], ["-r"]])
def test_never_an_empty_file(folder, options):
    """Nor is the first one seen before it is complete."""
    path = folder / "a.pid"
    script = (
        f'n=0; while :; do rm -f a.pid; "{PROGRAM}" {" ".join(options)} a.pid true'
        " || exit 1; n=$((n+1)); test $n -lt 100 || exit 0; done"
    )
    with subprocess.Popen(["sh", "-c", script], cwd=folder) as writers:
        seen = 0
        while writers.poll() is None:
            try:
                assert re.fullmatch(r"\d+\n", path.read_text())
                seen += 1
            except FileNotFoundError:
                pass
    assert writers.returncode == 0
    assert seen > 5


def test_symbolic_link_is_not_followed(folder):
    target = folder / "target"
    target.write_text("precious\n")
    (folder / "a.pid").symlink_to(target)
    for option in ("-l", "-r"):
        failed(run(folder, option, "a.pid", "echo", "x"), TROUBLE, "a.pid: Too many levels")
    assert (folder / "a.pid").is_symlink()
    assert run(folder, "a.pid", "true").returncode == 0
    assert not (folder / "a.pid").is_symlink()
    assert target.read_text() == "precious\n"


def test_what_is_no_file_stays(folder):
    os.mkfifo(folder / "fifo")
    (folder / "sub").mkdir()
    for options in ([], ["-l"], ["-r"], ["-lr"]):
        for name in ("fifo", "sub", "/dev/null"):
            failed(run(folder, *options, name, "echo", "x"), TROUBLE, "not a file with a process")
    assert stat.S_ISFIFO((folder / "fifo").stat().st_mode)
    assert files(folder) == ["fifo", "sub"]


@needs_root
def test_folder_of_everybody(folder):
    """What another one has put there is neither written into nor trusted."""
    folder.chmod(0o1777)
    victim = folder / "victim"
    victim.write_text("precious\n")
    (folder / "a.pid").symlink_to(victim)
    os.lchown(folder / "a.pid", NOBODY, NOBODY)
    done = run(folder, "a.pid", "sh", "-c", "echo $$")
    assert (folder / "a.pid").lstat().st_uid == 0
    assert (folder / "a.pid").read_text() == done.stdout
    assert victim.read_text() == "precious\n"


# ---- the program finds all as it was ----

LOOK = r"""
import fcntl, os, resource, signal
signal_lines = [l for l in open("/proc/self/status") if l.startswith(("SigBlk", "SigIgn"))]
fds = {}
for name in os.listdir("/proc/self/fd"):
    try:
        fds[int(name)] = (os.readlink("/proc/self/fd/" + name), fcntl.fcntl(int(name), fcntl.F_GETFL))
    except OSError:
        pass
extra = [fd for fd, (path, _) in fds.items() if path.endswith("/a.pid")]
print((signal_lines, {fd: v for fd, v in fds.items() if fd not in extra}, os.environb,
       resource.getrlimit(resource.RLIMIT_NOFILE), os.umask(0), os.getcwd()))
print(extra)
"""


def looks(folder, before, options=None, limit=1024):
    """What LOOK tells behind `before`, with odd signals, descriptors and limits."""

    def prepare():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR2, signal.SIGTERM})
        os.umask(0o37)
        null = os.open("/dev/null", os.O_RDWR | os.O_APPEND)
        for fd in (5, 7, 60):
            os.dup2(null, fd)
        if null not in (5, 7, 60):
            os.close(null)

    done = subprocess.run(
        [*before, "/usr/bin/python3", "-I", "-c", LOOK],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "EMPTY": "", "ODD": "a\nb\xff"},
        preexec_fn=prepare,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        close_fds=False,
        timeout=30,
        check=True,
    )
    assert done.stderr == b""
    text, extra = done.stdout.decode().splitlines()
    return re.sub(r"pipe:\[\d+\]", "pipe", re.sub(r"/proc/\d+", "/proc/N", text)), extra


@pytest.mark.parametrize("limit", [1024, 100])
@pytest.mark.parametrize("options", [[], ["-r"], ["-l"], ["-lr"]])
def test_nothing_is_changed(folder, options, limit):
    straight, none = looks(folder, [], limit=limit)
    assert none == "[]"
    behind, extra = looks(folder, [PROGRAM, *options, "a.pid"], limit=limit)
    assert behind == straight
    if "-l" not in options and "-lr" not in options:
        assert extra == "[]"
    elif limit > 200:
        assert extra == "[200]"
    else:
        assert re.fullmatch(r"\[\d+\]", extra)


@pytest.mark.parametrize("options", ["", "-l", "-r"])
def test_closed_descriptors(folder, options):
    """Those stay closed, and what would be printed does not get into the file."""
    line = f'exec "{PROGRAM}" {options} a.pid sh -c "echo x; echo x >&2; ls /proc/self/fd >list"'
    subprocess.run(["sh", "-c", line + " 0<&- 1>&- 2>&-"], cwd=folder, check=False)
    assert re.fullmatch(r"\d+\n", (folder / "a.pid").read_text())
    held = (folder / "a.pid").read_text()
    line = f'exec "{PROGRAM}" {options} a.pid no-such-program 0<&- 1>&- 2>&-'
    assert subprocess.run(["sh", "-c", line], cwd=folder, check=False).returncode == NOT_FOUND
    assert held and not (folder / "a.pid").exists()


# ---- what fails ----


@pytest.mark.parametrize(
    "argv", [[], ["a.pid"], ["-x", "a.pid", "true"], ["-l"], ["-lx", "a.pid", "true"], ["--"]]
)
def test_misused(folder, argv):
    done = run(folder, *argv)
    assert (done.returncode, done.stdout) == (MISUSED, "")
    assert done.stderr == "usage: pido [-lr] pidfile program [argument ...]\n"
    assert files(folder) == []


def test_options_end(folder):
    """Those behind the file are the program's; a file may begin with a dash."""
    assert run(folder, "a.pid", "echo", "-l", "-x").stdout == "-l -x\n"
    assert run(folder, "--", "-l", "echo", "x").stdout == "x\n"
    assert recorded(folder / "-l")


@pytest.mark.parametrize("options", [[], ["-l"], ["-r"], ["-rl"]])
def test_program_cannot_be_run(folder, options):
    failed(run(folder, *options, "a.pid", "no-such-program"), NOT_FOUND, "no-such-program: No such")
    (folder / "plain").write_text("x")
    failed(run(folder, *options, "a.pid", "./plain"), CANNOT_RUN, "./plain: Permission denied")
    failed(run(folder, *options, "a.pid", "/"), CANNOT_RUN, "/: Permission denied")
    assert files(folder) == ["plain"]


@pytest.mark.parametrize("options", [[], ["-l"], ["-r"]])
@pytest.mark.parametrize("path", ["none/a.pid", "plain/a.pid", "", "x" * 256, "x/" * 2100 + "x"])
def test_file_cannot_be_made(folder, options, path):
    (folder / "plain").write_text("x")
    done = run(folder, *options, path, "echo", "x")
    failed(done, TROUBLE, "(No such file|Not a directory|too long)")
    assert files(folder) == ["plain"]


@needs_root
@pytest.mark.parametrize("options", [[], ["-l"], ["-r"]])
def test_not_allowed(folder, options):
    drop = ["--clear-groups", f"--reuid={NOBODY}", f"--regid={NOBODY}", PROGRAM]
    done = run(folder, *drop, *options, "a.pid", "echo", "x", program="setpriv")
    failed(done, TROUBLE, "a.pid: Permission denied")
    assert files(folder) == []


def test_disk_is_full(folder):
    """The old file stays as it was."""
    if subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("no mount namespace of its own")
    script = (
        "mount -t tmpfs -o size=4k,nr_inodes=10 none . && cd . && cd \"$PWD\" && echo 1 >a.pid; "
        f'"{PROGRAM}" "$@" a.pid echo x; echo $?; cat a.pid; ls -A'
    )
    for options in ([], ["-l"]):
        done = run(folder, "-m", "sh", "-c", script, "sh", *options, program="unshare")
        assert done.stdout.split() == [str(TROUBLE), "1", "a.pid"]
        assert done.stderr == "pido: a.pid: No space left on device\n"


# ---- -r ----


def test_refuses_when_recorded_is_alive(folder, start):
    first = start("a.pid", *SLEEP)  # any option will do
    assert has_become(first, "sleep")
    failed(run(folder, "-r", "a.pid", "echo", "x"), RUNNING, f"a.pid: process {first.pid} is")
    assert recorded(folder / "a.pid") == first.pid
    first.kill()
    first.wait()
    assert run(folder, "-r", "a.pid", "echo", "x").stdout == "x\n"
    assert files(folder) == ["a.pid"]


@needs_root
def test_refuses_for_the_process_of_another(folder):
    (folder / "a.pid").write_text(f"{os.getpid()}\n")
    os.chown(folder / "a.pid", NOBODY, NOBODY)
    os.chown(folder, NOBODY, NOBODY)
    drop = ["--clear-groups", f"--reuid={NOBODY}", f"--regid={NOBODY}", PROGRAM]
    done = run(folder, *drop, "-r", "a.pid", "echo", "x", program="setpriv")
    failed(done, RUNNING, f"process {os.getpid()} is running")


def test_zombie_is_not_alive(folder, start):
    first = start("a.pid", "true")
    state = f"/proc/{first.pid}/stat"
    assert wait_until(lambda: open(state).read().rpartition(")")[2].split()[0] == "Z")
    assert run(folder, "-r", "a.pid", "echo", "x").stdout == "x\n"


def test_own_number_is_left_from_before(folder):
    line = f'echo $$ >a.pid; exec "{PROGRAM}" -r a.pid echo x'
    assert run(folder, "-c", line, program="sh").stdout == "x\n"


@pytest.mark.parametrize(
    "text", ["x", "\n", "0\n", "-1\n", "12 \n", "1\n2\n", "99999999999999999999\n", "1" * 4096]
)
def test_something_else_is_recorded(folder, text):
    (folder / "a.pid").write_text(text)
    failed(run(folder, "-r", "a.pid", "echo", "x"), TROUBLE, "not a file with a process id")
    assert (folder / "a.pid").read_text() == text
    assert files(folder) == ["a.pid"]


def test_empty_file_is_nobodys(folder):
    (folder / "a.pid").touch()
    assert run(folder, "-r", "a.pid", "echo", "x").stdout == "x\n"


# ---- -l ----


def test_lock_for_life(folder, start):
    first = start("-l", "a.pid", *SLEEP)
    assert has_become(first, "sleep")
    for option in ("-l", "-r", "-lr"):
        failed(run(folder, option, "a.pid", "echo", "x"), RUNNING, f"process {first.pid} is running")
    assert recorded(folder / "a.pid") == first.pid
    assert files(folder) == ["a.pid"]
    first.kill()
    first.wait()
    assert run(folder, "-l", "a.pid", "echo", "x").stdout == "x\n"


def test_recorded_number_does_not_count(folder):
    """That of a living process, as after a restart of the host."""
    (folder / "a.pid").write_text(f"{os.getpid()}\n")
    failed(run(folder, "-lr", "a.pid", "echo", "x"), RUNNING, f"process {os.getpid()} is")
    assert run(folder, "-l", "a.pid", "echo", "x").stdout == "x\n"


def test_children_do_not_have_the_lock(folder, start):
    first = start("-l", "a.pid", "sh", "-c", "sleep 99 & echo $!; wait", stdout=subprocess.PIPE)
    child = int(first.stdout.readline())
    try:
        failed(run(folder, "-l", "a.pid", "echo", "x"), RUNNING, f"process {first.pid} is")
        first.kill()
        first.wait()
        assert os.path.realpath(f"/proc/{child}/fd/200").startswith(str(folder / "a.pid"))
        assert run(folder, "-l", "a.pid", "echo", "x").stdout == "x\n"
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_reader_can_keep_it_out(folder):
    """As the page says."""
    (folder / "a.pid").write_text("1\n")
    with (folder / "a.pid").open() as file:
        fcntl.lockf(file, fcntl.LOCK_SH)
        failed(run(folder, "-l", "a.pid", "echo", "x"), RUNNING, f"process {os.getpid()} is")


@pytest.mark.parametrize("option", ["-l", "-r", "-lr"])
@pytest.mark.parametrize("left", [None, "", "stale"])
def test_one_of_many(folder, start, option, left):
    """All at the same time: one runs, and the others know it."""
    path = folder / "a.pid"
    if left == "stale":
        assert run(folder, "a.pid", "true").returncode == 0
    elif left is not None:
        path.write_text(left)
    gate, opening = os.pipe()
    wait = f'read x; exec "{PROGRAM}" {option} a.pid sleep 99'
    pipes = {"stdin": gate, "stderr": subprocess.PIPE}
    many = [
        subprocess.Popen(["sh", "-c", wait], cwd=folder, text=True, **pipes) for _ in range(MANY)
    ]
    os.close(gate)
    try:
        os.close(opening)  # read ends, for all of them
        assert wait_until(lambda: sum(p.poll() is None for p in many) <= 1, 30)
        time.sleep(0.2)
        [one] = [p for p in many if p.poll() is None]
        assert recorded(path) == one.pid
        for p in many:
            if p is not one:
                assert p.wait() == RUNNING
                assert re.fullmatch(r"pido: a.pid: process \d+ is running\n", p.stderr.read())
        assert files(folder) == ["a.pid"]
    finally:
        for p in many:
            p.kill()
            p.communicate()


# Which fcntl locks the old file: each descriptor is moved first, with -l the new file is locked.
CALLS = {"-l": 4, "-r": 3, "-lr": 4}


def is_held_up(tracer, inode):
    """It has the old file open."""
    for child in open(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read().split():
        for fd in os.listdir(f"/proc/{child}/fd"):
            try:
                if os.stat(f"/proc/{child}/fd/{fd}").st_ino == inode:
                    return True
            except FileNotFoundError:  # closed since
                pass
    return False


@pytest.mark.parametrize("option", ["-l", "-r", "-lr"])
def test_lock_of_a_file_that_has_lost_its_name(folder, option):
    """One is held up between opening the old file and locking it; the other starts meanwhile."""
    old = folder / "a.pid"
    assert run(folder, "a.pid", "true").returncode == 0
    before = old.stat().st_ino
    hold_up = ["-e", "trace=fcntl", "-e", f"inject=fcntl:delay_enter=1s:when={CALLS[option]}"]
    slow = subprocess.Popen(
        ["strace", "-o", folder / "trace", *hold_up, PROGRAM, option, "a.pid", *SLEEP],
        cwd=folder,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},  # which needs ptrace for itself
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    fast = None
    try:
        assert wait_until(lambda: (folder / "trace").exists() and is_held_up(slow, before))
        fast = subprocess.Popen([PROGRAM, option, "a.pid", *SLEEP], cwd=folder)
        assert slow.wait(10) == RUNNING
        assert slow.stderr.read() == f"pido: a.pid: process {fast.pid} is running\n"
        assert fast.poll() is None and recorded(old) == fast.pid
        assert old.stat().st_ino != before
    finally:
        if slow.poll() is None:
            os.killpg(slow.pid, signal.SIGKILL)
        slow.communicate()
        if fast:
            fast.kill()
            fast.wait()
