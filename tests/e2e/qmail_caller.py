"""A caller that speaks the side of qmail.c to the letter, and a queue program that keeps only what
came whole, as qmail-queue does."""

import fcntl
import json
import os
import signal

from server import STAGE

PROGRAM = STAGE / "bin" / "hi-q"
TEXT_FD = 6
TEXT_MAX = 255

# Keeps (message, envelope) by its process id, and only when both came whole; exits as it is told.
QUEUE = r"""#!/usr/bin/python3 -IS
import json, os, signal, sys
record = os.environ["RECORD"] + "/%d" % os.getpid()
def read(fd):
    pieces = []
    while piece := os.read(fd, 65536):
        pieces.append(piece)
    return b"".join(pieces)
fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd))
open(record + ".begun", "w").close()
message, envelope = read(0), read(1)
if not envelope.startswith(b"F") or not envelope.endswith(b"\0\0"):
    sys.exit(54)
if "QUEUE_TEXT" in os.environ:
    os.write(6, os.environ["QUEUE_TEXT"].encode())
if "QUEUE_SIGNAL" in os.environ:
    os.kill(os.getpid(), int(os.environ["QUEUE_SIGNAL"]))
code = int(os.environ.get("QUEUE_EXIT", "0"))
if code == 0:
    with open(record + ".new", "w") as f:
        json.dump({
            "message": message.decode("latin-1"), "envelope": envelope.decode("latin-1"),
            "argv": open("/proc/self/cmdline").read().split("\0")[:-1], "fds": fds,
            "env": dict(os.environ),
        }, f)
    os.rename(record + ".new", record + ".queued")
sys.exit(code)
"""


def _move_up(fd):
    """Another number for it, above all that the program is to have."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(fd)
    return moved


def _pipe():
    return [_move_up(fd) for fd in os.pipe()]


def envelope_of(sender, recipients):
    return b"F" + sender + b"\0" + b"".join(b"T" + r + b"\0" for r in recipients) + b"\0"


class Call:
    """
    One run of the program: the caller's ends of its pipes. with_text: descriptor 6 is a pipe, as
    notqmail has it. closed: descriptors of the program that are closed at its start; more: others
    that it has.
    """

    def __init__(self, env, argv=(), with_text=True, closed=(), stderr=os.devnull, more=(), keeps_signals=False):
        message, self.message = _pipe()
        envelope, self.envelope = _pipe()
        text, text_end = _pipe()
        self.text = text if with_text else None
        actions = [(os.POSIX_SPAWN_DUP2, message, 0), (os.POSIX_SPAWN_DUP2, envelope, 1)]
        actions.append((os.POSIX_SPAWN_OPEN, 2, str(stderr), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        if with_text:
            actions.append((os.POSIX_SPAWN_DUP2, text_end, TEXT_FD))
        actions += [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDONLY, 0) for fd in more]
        actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in closed]
        default = [] if keeps_signals else [signal.SIGPIPE]
        self.pid = os.posix_spawn(PROGRAM, ["hi-q", *argv], env, file_actions=actions, setsigdef=default)
        for fd in (message, envelope, text_end):
            os.close(fd)
        if not with_text:
            os.close(text)
        self.failed_to_write = False

    def _write(self, fd, content):
        view = memoryview(content)
        try:
            while view:
                view = view[os.write(fd, view) :]
        except BrokenPipeError:
            self.failed_to_write = True

    def _close(self, name):
        fd = getattr(self, name)
        if fd is not None:
            os.close(fd)
            setattr(self, name, None)

    def write_message(self, content, close=True):
        self._write(self.message, content)
        if close:
            self._close("message")

    def write_envelope(self, content, close=True):
        self._write(self.envelope, content)
        if close:
            self._close("envelope")

    def read_text(self):
        """To the end, as qmail.c does: a stray holder of the other end would hang it."""
        pieces = []
        while self.text is not None and (piece := os.read(self.text, 4096)):
            pieces.append(piece)
        self._close("text")
        return b"".join(pieces)

    def wait(self):
        """The exit code; a signal is negative."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def finish(self):
        """(exit code, text)"""
        for name in ("message", "envelope"):
            self._close(name)
        text = self.read_text()
        return self.wait(), text


class House:
    """Filters, a queue program, what it has kept, and the file of hi-q."""

    def __init__(self, folder):
        self.folder = folder
        self.record = folder / "record"
        self.record.mkdir()
        self.log = folder / "log"
        self.conf = folder / "hi-q.conf"
        self.queue = self.script("queue", QUEUE, shebang="")
        self.configure()

    def script(self, name, text, shebang="#!/bin/sh\n"):
        path = self.folder / name
        path.write_text(shebang + text + "\n")
        path.chmod(0o755)
        return path

    def configure(self, *filters, queue=True, **settings):
        """filters: (kind, program) or text of a block."""
        lines = [f'queue = "{self.queue}"'] if queue else []
        lines += [f"{name} = {value}" for name, value in settings.items()]
        for i, one in enumerate(filters):
            body = one if isinstance(one, str) else f'{one[0]} = "{one[1]}"'
            lines.append(f"filter f{i} {{\n{body}\n}}")
        self.conf.write_text("\n".join(lines) + "\n")

    def env(self, **more):
        return {"PATH": "/usr/bin:/bin", "HIQ_CONF": str(self.conf), "RECORD": str(self.record), **more}

    def call(self, env=(), **how):
        return Call(self.env(**dict(env)), stderr=self.log, **how)

    def send(self, message, envelope, env=(), **how):
        """All of qmail.c's part. (exit code, text)"""
        call = self.call(env, **how)
        call.write_message(message)
        call.write_envelope(envelope)
        return call.finish()

    def queued(self):
        """What the queue program has kept, oldest first."""
        paths = sorted(self.record.glob("*.queued"), key=lambda p: p.stat().st_mtime_ns)
        found = [dict(json.loads(path.read_text()), pid=int(path.stem)) for path in paths]
        for one in found:
            one["message"] = one["message"].encode("latin-1")
            one["envelope"] = one["envelope"].encode("latin-1")
        return found

    def begun(self):
        """How often the queue program was started."""
        return len(list(self.record.glob("*.begun")))

    def forget(self):
        for path in self.record.iterdir():
            path.unlink()
