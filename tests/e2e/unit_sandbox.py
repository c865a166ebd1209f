"""
What a systemd unit forbids, put upon a process without systemd: its capabilities and its system
calls. A stand-in: name spaces, mounts and address families are not tried.
"""

import ctypes
import re
import struct
import subprocess
from pathlib import Path

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_CAPBSET_DROP = 24
EPERM = 1
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBERS = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
CAPABILITIES = Path("/usr/include/linux/capability.h")


def values(unit, name):
    """Of all lines NAME=..., split at blanks; an empty one starts anew."""
    found = []
    for line in unit.read_text().splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and key == name:
            found = found + value.split() if value else []
    return found


def defines(header, prefix):
    pattern = re.compile(rf"#define {prefix}(\w+)\s+(\d+)\s*$", re.MULTILINE)
    return {name: int(number) for name, number in pattern.findall(header.read_text())}


def calls(words):
    """The system calls of a filter; "@set" is looked up in systemd."""
    found = set()
    for word in words:
        if not word.startswith("@"):
            found.add(word)
            continue
        shown = subprocess.run(
            ["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        found |= calls(line.strip() for line in shown[1:] if line.startswith(" ") and "#" not in line)
    return found


def program(numbers):
    """BPF: these numbers pass, others are EPERM. Meant for one architecture, as the test is."""
    code = [struct.pack("HBBI", LOAD, 0, 0, 0)]
    for number in sorted(numbers):
        code.append(struct.pack("HBBI", JUMP_IF_EQUAL, 0, 1, number))
        code.append(struct.pack("HBBI", RETURN, 0, 0, RET_ALLOW))
    code.append(struct.pack("HBBI", RETURN, 0, 0, RET_ERRNO | EPERM))
    return code


def preexec(unit):
    """A function for subprocess: in the child, and for all that it starts."""
    known = defines(NUMBERS, "__NR_")
    kept = {name.lower() for name in values(unit, "CapabilityBoundingSet")}
    dropped = [n for name, n in defines(CAPABILITIES, "CAP_").items() if f"cap_{name.lower()}" not in kept]
    code = program(known[name] for name in calls(values(unit, "SystemCallFilter")) if name in known)
    text = ctypes.create_string_buffer(b"".join(code))
    filter_ = struct.pack("HxxxxxxP", len(code), ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)

    def enter():
        # Without no_new_privs, as in the unit: root may.
        if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "seccomp")
        for number in dropped:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)

    return enter, text, kept
