"""ampel-smtpd --stdio by hand: a folder like qmail's, a queue program, sessions on sockets and pipes."""

import os
import socket
import subprocess

import qmail_caller
from server import STAGE
from wire import Wire

SMTPD = STAGE / "libexec" / "ampel" / "ampel-smtpd"
PEER = {"PROTO": "TCP", "TCPREMOTEIP": "192.0.2.7", "TCPLOCALIP": "192.0.2.1"}


class Site(qmail_caller.House):
    """
    control/ of a qmail host called mx.example, whose rcpthosts has mx.example; and a queue program
    that keeps what came whole (qmail_caller.QUEUE).
    """

    def __init__(self, folder):
        super().__init__(folder)
        self.control_folder = folder / "control"
        self.control_folder.mkdir()
        self.control("me", "mx.example\n")
        self.control("rcpthosts", "mx.example\n")

    def control(self, name, text):
        """None: there is none."""
        path = self.control_folder / name
        if text is None:
            path.unlink()
        elif isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text)

    def environment(self, more):
        env = dict(PEER, **self.env(), QMAILQUEUE=str(self.queue), TMPDIR=str(self.folder))
        env.update(more)
        return {name: value for name, value in env.items() if value is not None}

    def argv(self, policy="smtp", *checker):
        return [str(SMTPD), "--stdio", "--policy", policy, "--control", str(self.control_folder), *map(str, checker)]

    def session(self, *, policy="smtp", checker=(), argv=None, **env):
        """One on a socket. env: None takes a variable away."""
        return Session(argv or self.argv(policy, *checker), self.environment(env), self.log)

    def pipe(self, text, *, argv=None, policy="smtp", checker=(), stdin=None, **env):
        """One whose input is all there, on a pipe or in the file stdin. (exit code, lines)"""
        with self.log.open("ab") as log:
            done = subprocess.run(
                argv or self.argv(policy, *checker),
                env=self.environment(env),
                **({"stdin": stdin} if stdin else {"input": text}),
                stdout=subprocess.PIPE,
                stderr=log,
                timeout=60,
                check=False,
            )
        return done.returncode, done.stdout.decode("ascii").split("\r\n")

    def logged(self, *parts):
        return [line for line in self.log.read_text().splitlines() if all(p in line for p in parts)]


class Session(Wire):
    """The client's end of a socket that is 0 and 1 of a program."""

    def __init__(self, argv, env, log):
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(30)
        self.buffer = b""
        with theirs, open(log, "ab") as err:
            self.process = subprocess.Popen(argv, env=env, stdin=theirs, stdout=theirs, stderr=err)

    def close(self):
        super().close()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()

    def end(self):
        """QUIT; the exit code."""
        self.expect(221, "QUIT")
        assert self.is_closed()
        self.socket.close()
        return self.process.wait(30)

    def send_message(self, *recipients, sender="sender@client.example", text=b"Subject: hello\r\n\r\nhello\r\n"):
        """From EHLO to the reply."""
        self.begin(*recipients, sender=sender)
        return self.data(text)


def records(envelope):
    """(reverse-path, recipients) of an envelope of qmail-queue's."""
    assert envelope.startswith(b"F") and envelope.endswith(b"\0\0"), envelope
    first, *others = envelope[:-2].split(b"\0")
    assert all(r.startswith(b"T") for r in others), envelope
    return first[1:].decode(), [r[1:].decode() for r in others]


def cdb_make(path, keys):
    """By tinycdb, a database of these keys."""
    lines = b"".join(b"+%d,0:%s->\n" % (len(key), key.encode()) for key in keys)
    subprocess.run(["cdb", "-c", "-t", str(path) + ".tmp", str(path)], input=lines + b"\n", check=True, timeout=60)
