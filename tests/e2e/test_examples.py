"""
The one-liners that the pages of the classic programs print in EXAMPLES, run as they stand
there: in a block of literal text a line with "$ " in front is given to the shell, what follows is
all that it prints, and "..." there stands for what differs each time. A block without "$ "
that begins with a program of ours, or printf, is a script, and its output is not shown;
where it ends with "echo $?" it is 0. Everything exits 0.
"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import spamd
from server import ROOT, STAGE, make_folder, wait_until
from test_checkpassword import Trial

PAGES = ["pido.8", "checkpassword.8", "hi-q.8", "ampel-spamc.8"]
ESCAPES = {r"\e": "\\", r"\-": "-", r"\&": "", r"\(aq": "'", r"\(dq": '"', r"\(ha": "^"}
SECONDS = 60
SPAMD_PORT = 783  # where spamc looks

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], check=False).returncode != 0,
    reason="no network namespace of its own: needs root and CAP_SYS_ADMIN",
)


# ---- what the pages say ----


def unescaped(text):
    return re.sub(r"\\(?:\(..|.)", lambda m: ESCAPES[m[0]], text)


def blocks(page):
    """The literal text of EXAMPLES, block by block."""
    section = re.search(r"^\.Sh EXAMPLES\n(.*?)(?=^\.Sh |\Z)", page, re.M | re.S)
    return re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", section[1], re.M | re.S)


def is_script(block):
    """Not a configuration, nor what somebody else's program is for."""
    word = re.match(r"(?:\w+=\S+ )*(\S+)", block)
    return bool(word) and (word[1] == "printf" or f"{word[1]}.8" in PAGES)


def one_liners(page):
    """[(line, what it prints or None)]; a line may go on behind a backslash."""
    found = []
    for block in map(unescaped, blocks(page)):
        if is_script(block):
            found.append((block, "0\n" if block.endswith("echo $?\n") else None))
        for piece in re.split(r"^\$ ", block, flags=re.M)[1:]:
            line = re.match(r"(?:.*\\\n)*.*\n", piece)[0]
            found.append((line.rstrip("\n"), piece[len(line) :]))
    return found


def is_installed(name):
    return f"'{name}'" in (ROOT / "man" / "meson.build").read_text()


def examples():
    for name in filter(is_installed, PAGES):
        for n, (line, output) in enumerate(one_liners((ROOT / "man" / name).read_text())):
            yield pytest.param(line, output, id=f"{name}-{n}")


def matches(printed, expected):
    """What the shell says of jobs that were killed does not count: it depends on the moment."""
    printed, expected = (
        re.sub(r"^(Terminated|Killed) *\n", "", text, flags=re.M) for text in (printed, expected)
    )
    return re.fullmatch(re.escape(expected).replace(re.escape("..."), ".*"), printed, re.S)


# ---- where they run ----


class World:
    """A host of its own as far as the network goes, with a spamd on the usual port."""

    def __init__(self):
        self.folder = make_folder("ampel-examples-")
        self.home = self.folder / "home"
        self.home.mkdir()
        self.trial = Trial(self.make("trial"))
        self.make_queue()
        self.processes = []
        self.inside = []
        holder = self.start("unshare", "-n", "sh", "-c", "ip link set lo up && exec sleep 3600")
        wait_until(lambda: Path(f"/proc/{holder.pid}/comm").read_text() == "sleep\n")
        self.inside = ["nsenter", "-n", "-t", str(holder.pid)]

    def make(self, name):
        (self.folder / name).mkdir()
        return self.folder / name

    def make_queue(self):
        """For hi-q: no filters, and a queue program that takes all, as any would."""
        queue = self.folder / "queue"
        queue.write_text("#!/bin/sh\ncat >/dev/null\ncat <&1 >/dev/null\n")
        queue.chmod(0o755)
        (self.folder / "hi-q.conf").write_text(f'queue = "{queue}"\n')

    def start(self, *argv):
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*self.inside, *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def run(self, line, seconds=SECONDS):
        """(exit code, all it printed)"""
        environment = {
            "PATH": f"{STAGE}/bin:{STAGE}/sbin:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "AMPEL_ROOT": str(self.trial.folder),
            "HIQ_CONF": str(self.folder / "hi-q.conf"),
        }
        with subprocess.Popen(
            [*self.inside, "sh", "-c", line],
            cwd=self.home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                printed, _ = process.communicate(timeout=seconds)
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        return process.returncode, printed

    def start_spamd(self):
        home = self.make("spamd-home")
        os.chown(home, spamd.NOBODY, spamd.NOBODY)
        listen = ["-i", "127.0.0.1", "-p", str(SPAMD_PORT), "-u", "nobody", f"-H{home}"]
        self.start(*spamd.arguments(listen, rules=spamd.TEST_RULES))
        ask = f"exec 2>&-; echo >/dev/tcp/127.0.0.1/{SPAMD_PORT}"
        if not wait_until(lambda: self.run(f"bash -c '{ask}'")[0] == 0, 60, 0.2):
            raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def close(self):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def world():
    one = World()
    try:
        if is_installed("ampel-spamc.8"):
            one.start_spamd()
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("line, output", examples())
def test_example(world, line, output):
    code, printed = world.run(line)
    assert code == 0, f"{line}\nprinted:\n{printed}"
    assert output is None or matches(printed, output), f"{line}\nprinted:\n{printed}"


@pytest.mark.parametrize("name", filter(is_installed, PAGES))
def test_page_has_some(name):
    assert one_liners((ROOT / "man" / name).read_text())


# ---- the reading of pages ----


def test_reads_blocks():
    page = (
        ".Sh EXAMPLES\nOne:\n.Bd -literal -offset indent\n$ printf 'a\\en' | \\e\n    cat\na\n"
        "$ true\n.Ed\n.Bd -literal\nfilter x {\n}\n.Ed\n.Bd -literal\nX=1 hi-q a\n.Ed\n"
        ".Sh SEE ALSO\n.Bd -literal\n$ no\n.Ed\n"
    )
    assert one_liners(page) == [
        ("printf 'a\\n' | \\\n    cat", "a\n"),
        ("true", ""),
        ("X=1 hi-q a\n", None),
    ]


def test_compares():
    assert matches("process 12 runs\n", "process ... runs\n")
    assert not matches("process 12 runs\nmore\n", "process ... runs\n")
    assert matches("Terminated\n143\n", "143\n")
    assert not matches("", "x\n")
    assert not matches("x\n", "")
