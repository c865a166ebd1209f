"""
A host for ampel-pop3d --stdio: its programs, a control folder, and one user with a Maildir; and
sessions on sockets.
"""

import os
import shutil
import socket
import subprocess

import maildir
import processes
from pop3_transcripts import PASSWORD, USER
from server import STAGE, make_folder, wait_until
from wire import Wire

UID, GID = 47120, 47121
CLIENT = "192.0.2.77"
FIRST_SECOND = 1700000000  # the messages are a second apart, so that their order is known


class StdioWire(Wire):
    """The other end of its socket."""

    encoding = "utf-8"

    def __init__(self, ours):
        ours.settimeout(60)
        self.socket = ours
        self.buffer = b""

    def line(self, command):
        self.send(command.encode() + b"\r\n")
        return self.read_line()

    def log_in(self, password=PASSWORD):
        assert self.read_line() == "+OK mx.example POP3"
        assert self.line(f"USER {USER}") == "+OK and the password?"
        return self.line(f"PASS {password}")

    def fetch(self, number):
        """A message as it was sent, without its dots."""
        assert self.line(f"RETR {number}").startswith("+OK ")
        lines = []
        while (line := self.read_line()) != ".":
            lines.append(line.removeprefix(".") + "\n")
        return "".join(lines).encode()


class Site:
    """The programs, a control folder, and one user with a Maildir, whose password is PASSWORD."""

    def __init__(self):
        self.folder = make_folder("ampel-stdio-pop3-")
        self.home = self.folder / "alice"
        self.maildir = self.home / "Maildir"
        for name in ("tmp", "new", "cur"):
            (self.maildir / name).mkdir(parents=True)
        control = self.folder / "control"
        control.mkdir()
        (control / "me").write_text("mx.example \nnot this\n")
        for name in ("ampel-pop3d", "ampel-mailbox"):
            shutil.copy(STAGE / "libexec" / "ampel" / name, self.folder)
        shutil.copy(STAGE / "bin" / "checkpassword", self.folder)
        self.write_users()
        self.own()
        self.log_path = self.folder / "log"
        self.started = []

    def write_users(self):
        etc = self.folder / "etc"
        etc.mkdir()
        (etc / "passwd").write_text(f"{USER}:x:{UID}:{GID}::{self.home}:/bin/sh\n")
        hashed = subprocess.check_output(["openssl", "passwd", "-6", PASSWORD], text=True).strip()
        (etc / "shadow").touch(0o600)
        (etc / "shadow").write_text(f"{USER}:{hashed}:19000:0:99999:7:::\n")

    def own(self):
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, UID, GID)

    def fill(self, messages):
        """These and no others, as the user's own."""
        for path in self.files():
            path.unlink()
        for number, message in enumerate(messages, 1):
            path = self.maildir / "new" / f"{FIRST_SECOND + number}.{number}.mx.example"
            path.write_bytes(message)
            os.chown(path, UID, GID)

    def files(self):
        return maildir.files(self.maildir)

    def texts(self):
        return [path.read_bytes() for path in self.files()]

    def checker(self, name, text):
        """A program of the test's."""
        path = self.folder / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def argv(self, *words):
        return [str(self.folder / "ampel-pop3d"), "--stdio", *map(str, words)]

    def start(self, *words, stdin=None, stdout=None, stderr=None, env=None, before=()):
        """A process and, unless stdin is given, the wire to it."""
        words = words or (self.folder / "checkpassword",)
        ours, theirs = socket.socketpair()
        with theirs, self.log_path.open("ab") as log:
            process = subprocess.Popen(
                [*before, *self.argv("--control", self.folder / "control", *words)],
                stdin=theirs if stdin is None else stdin,
                stdout=theirs if stdout is None else stdout,
                stderr=log if stderr is None else theirs,
                env={"PATH": os.environ["PATH"], "AMPEL_ROOT": str(self.folder), "TCPREMOTEIP": CLIENT,
                     **(env or {})},
            )  # fmt: skip
        self.started.append(process)
        if stdin is None:
            return process, StdioWire(ours)
        ours.close()
        return process

    def log(self):
        return self.log_path.read_text()

    def log_line(self, *parts):
        lines = wait_until(lambda: [l for l in self.log().splitlines() if all(p in l for p in parts)])
        assert lines, f"no line with {parts}\n{self.log()}"
        return lines[-1]

    def remove(self):
        for process in self.started:
            process.kill()
            process.wait()
        if not os.environ.get("AMPEL_TEST_KEEP"):
            shutil.rmtree(self.folder)


def mailboxes(process):
    return [pid for pid in processes.descendants(process.pid) if processes.name(pid) == "ampel-mailbox"]
