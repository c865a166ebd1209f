"""The hand inside tests/puppet: system calls made by a worker of port 25."""

import errno
import os
import shutil
from pathlib import Path

from server import ROOT, STAGE

PROGRAM = Path(os.environ.get("AMPEL_PUPPET", ROOT / "build" / "tests" / "puppet" / "ampel-smtpd-puppet"))
PATH_AT, DATA_AT = 0, 8192  # places in the puppet's memory
AT_FDCWD = -100


def make_stage(folder):
    """The built tree with the puppet in the place of ampel-smtpd."""
    stage = Path(folder) / "puppet-stage"
    shutil.copytree(STAGE, stage, symlinks=True)
    shutil.copy(PROGRAM, stage / "libexec" / "ampel" / "ampel-smtpd")
    return stage


class Puppet:
    """connection: an open wire.Wire behind the greeting."""

    # x86-64, include/uapi/asm/unistd_64.h
    NUMBERS = {
        "read": 0, "open": 2, "close": 3, "socket": 41, "connect": 42, "clone": 56, "fork": 57, "execve": 59,
        "kill": 62, "fcntl": 72, "getdents64": 217, "chdir": 80, "fchdir": 81, "mkdir": 83, "setuid": 105,
        "ptrace": 101, "getpid": 39, "getuid": 102, "rt_sigqueueinfo": 129, "chroot": 161, "mount": 165, "setgroups": 116,
        "setresuid": 117, "tgkill": 234, "openat": 257, "unshare": 272, "fstat": 5, "prctl": 157,
        "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_send_signal": 424, "pidfd_open": 434,
        "pidfd_getfd": 438, "setns": 308, "tkill": 200, "open_by_handle_at": 304,
    }  # fmt: skip

    def __init__(self, connection):
        self.connection = connection

    def ask(self, line):
        self.connection.send(f"PUPPET {line}\r\n".encode())
        reply = self.connection.read_line()
        assert reply.startswith("299 "), reply
        return reply[4:]

    def write(self, at, data):
        self.ask(f"w {at} {data.hex() or '00'}")

    def read(self, at, n):
        return bytes.fromhex(self.ask(f"r {at} {n}"))

    def call(self, name, *arguments):
        """(result, errno)"""
        words = " ".join(str(a) for a in arguments)
        result, number = self.ask(f"s {self.NUMBERS[name]} {words}").split()
        return int(result), int(number)

    def path(self, path):
        self.write(PATH_AT, os.fsencode(path) + b"\0")
        return f"@{PATH_AT}"

    def open(self, path, flags=os.O_RDONLY):
        return self.call("open", self.path(path), flags, 0)

    def refused(self, name, *arguments):
        """Why the kernel did not do it; "" when it did."""
        result, number = self.call(name, *arguments)
        return errno.errorcode[number] if result < 0 else ""
