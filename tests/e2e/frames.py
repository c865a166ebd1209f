"""Frames between our processes, and one of our programs with the test as its supervisor.

Types and fields come from src/proto/message.h itself.
"""

import array
import fcntl
import os
import re
import select
import socket
import struct
import subprocess

from server import ROOT, STAGE

FRAME_MAX = 64 * 1024
INTEGERS = {"u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q"}
TEXT = (ROOT / "src" / "proto" / "message.h").read_text()


def _messages():
    """By name: (type, [(kind, field)])."""
    block = TEXT[TEXT.index("#define MESSAGES(M)") : TEXT.index("enum message_type")]
    block = re.sub(r"/\*.*?\*/", "", block, flags=re.S)
    found = re.findall(r"\bM\(\w+, (\w+),((?:\s*\\?\n?\s*F\(\w+, \w+\))*)\)", block)
    return {
        name: (number, re.findall(r"F\((\w+), (\w+)\)", fields))
        for number, (name, fields) in enumerate(found, 1)
    }


MESSAGES = _messages()
NAMES = {number: name for name, (number, _) in MESSAGES.items()}


def enum(name):
    """The numbers of an enum of message.h."""
    body = re.search(rf"enum {name} {{(.*?)}}", TEXT, re.S)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    return {word.strip(): i for i, word in enumerate(body.split(",")) if word.strip()}


ROLES = enum("peer_role")
ANSWERS = enum("password_answer")


def encode(message, /, **values):
    number, fields = MESSAGES[message]
    out = struct.pack("<H", number)
    for kind, field in fields:
        value = values.pop(field, b"" if kind == "bytes" else 0)
        if kind == "bytes":
            value = value.encode() if isinstance(value, str) else value
            out += struct.pack("<I", len(value)) + value
        else:
            out += struct.pack(INTEGERS[kind], value)
    assert not values, values
    return out


def decode(frame):
    """(name, {field: value})"""
    name = NAMES[struct.unpack_from("<H", frame)[0]]
    at, values = 2, {}
    for kind, field in MESSAGES[name][1]:
        if kind == "bytes":
            (n,) = struct.unpack_from("<I", frame, at)
            values[field] = frame[at + 4 : at + 4 + n]
            at += 4 + n
        else:
            (values[field],) = struct.unpack_from(INTEGERS[kind], frame, at)
            at += struct.calcsize(INTEGERS[kind])
    assert at == len(frame), (name, frame)
    return name, values


class Channel:
    """One end of a socketpair that frames go over."""

    def __init__(self, end):
        self.socket = end
        end.settimeout(60)

    def send(self, message, /, *, fds=(), **values):
        luggage = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([encode(message, **values)], luggage)

    def receive(self):
        """(name, values, descriptors); the name is None at the end."""
        frame, luggage, flags, _ = self.socket.recvmsg(FRAME_MAX, socket.CMSG_SPACE(4 * 4))
        assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
        fds = array.array("i")
        for _, _, data in luggage:
            fds.frombytes(data)
        if not frame:
            return None, {}, []
        return *decode(frame), list(fds)

    def expect(self, name):
        got, values, fds = self.receive()
        assert got == name, (got, values)
        return (values, fds) if fds else values

    def is_silent(self, seconds):
        return not select.select([self.socket], [], [], seconds)[0]

    def close(self):
        self.socket.close()


def memory_file(text):
    """Sealed, as receivers want it."""
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, text.encode())
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return fd


def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Child:
    """A program of ours that takes the test for its supervisor."""

    def __init__(self, program, log_path):
        ours, theirs = pair()
        self.log_path = log_path
        with open(log_path, "ab") as log:
            # bash, since dash knows no descriptor above 9
            self.process = subprocess.Popen(
                ["/bin/bash", "-c", f'exec "$0" 3<&{theirs.fileno()}', STAGE / "libexec" / "ampel" / program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=[theirs.fileno()],
            )
        theirs.close()
        self.control = Channel(ours)
        self.generation = 0

    def configure(self, text, uid=None, **more):
        """None, or why it was refused."""
        self.generation += 1
        fd = memory_file(text)
        if uid is not None:
            more |= {"drop": 1, "uid": uid, "gid": uid}
        self.control.send("CONFIG", fds=[fd], generation=self.generation, name="test", **more)
        os.close(fd)
        name, values, _ = self.control.receive()
        if name == "REFUSED":
            return values["text"].decode()
        assert (name, values["generation"]) == ("PREPARED", self.generation)
        self.control.send("USE", generation=self.generation)
        assert self.control.expect("READY")["generation"] == self.generation
        return None

    def add_peer(self, role, serial=1):
        ours, theirs = pair()
        self.control.send("PEER", fds=[theirs.fileno()], role=ROLES[role], serial=serial, name=role)
        theirs.close()
        return Channel(ours)

    def stats(self):
        self.control.send("STATS", q=1)
        return self.control.expect("STATS")["text"].decode()

    def log(self):
        return self.log_path.read_text()

    def stop(self, seconds=20):
        """Its exit code."""
        self.control.send("STOP")
        return self.process.wait(seconds)

    def end(self):
        self.control.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
