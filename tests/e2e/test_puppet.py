"""
What somebody can do who has taken over a worker of port 25: any system call. Each
reading of somebody else's files or memory, and each signal, must fail.
"""

import os
import platform
import poplib
import signal
import stat
import struct

import processes
import pytest
from puppet import AT_FDCWD, DATA_AT, PROGRAM, Puppet, make_stage
from server import Server, make_folder
from wire import Wire

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="without root all programs share one uid"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls are those of x86-64"),
]

PTRACE_ATTACH = 16
CLONE_NEWUSER = 0x10000000
CLONE_NEWNS = 0x00020000
SIGNALS = (0, signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP)


@pytest.fixture(scope="module")
def server():
    assert PROGRAM.exists(), f"{PROGRAM} is missing: run scripts/build"
    folder = make_folder("ampel-puppet-")
    one = Server(
        folder=folder, listeners=("smtp", "smtps", "submission", "pop3s"), passwords={"alice": "secret"}
    )
    one.is_ours = True
    one.stage = make_stage(folder)
    one.start()
    one.queue_something()
    pop = poplib.POP3_SSL("localhost", one.ports["pop3s"], context=one.tls_context(), timeout=20)
    pop.user("alice")
    pop.pass_("secret")
    yield one
    pop.close()
    try:
        one.stop()
    finally:
        one.remove()


@pytest.fixture
def puppet(server):
    with Wire(server.port) as wire:
        wire.expect(220)
        yield Puppet(wire)


def secrets(server):
    """Everything below the server's folder that is not for everybody to read."""
    found = []
    for top in (server.root, server.folder / "tls"):
        for folder, _, names in os.walk(top):
            found += [os.path.join(folder, name) for name in names]
    for kind in ("shadow", ".key", "queue", "Maildir"):
        assert any(kind in path for path in found), f"no {kind} among {found}"
    return found + [str(server.conf), "/etc/shadow", "/etc/passwd", "/etc/ssl/private"]


def others(server, puppet):
    """The pids of ours that are not the puppet, the supervisor included."""
    own, _ = puppet.call("getpid")
    pids = [p for p in [server.supervisor(), *server.children()] if p != own]
    names = {processes.name(p) for p in pids}
    assert names >= {"ampel", "ampel-smtpd", "ampel-pop3d", "ampel-auth", "ampel-queue", "ampel-mailbox"}
    return pids


def test_the_strings_work(server, puppet):
    """Without this every refusal below could be the puppet's own fault."""
    uid, _ = puppet.call("getuid")
    assert uid == server.uid_of("_ampelsmtp")
    assert puppet.refused("kill", puppet.call("getpid")[0], 0) == ""
    fd, _ = puppet.open(".", os.O_RDONLY | os.O_DIRECTORY)
    assert fd >= 0, "its own empty folder can be opened"
    puppet.call("close", fd)


def test_no_file_can_be_read(server, puppet):
    assert len(secrets(server)) > 5
    for path in secrets(server):
        for way in (path, "../../../../../../../.." + path, "/proc/self/root" + path, "/proc/1/root" + path):
            fd, _ = puppet.open(way)
            assert fd < 0, f"{way} was opened"
            fd, _ = puppet.call("openat", AT_FDCWD, puppet.path(way), os.O_PATH)
            assert fd < 0, f"{way} was found"


def test_no_way_out_of_the_folder(puppet):
    for name, *arguments in (
        ("chroot", puppet.path(".")),
        ("unshare", CLONE_NEWUSER),
        ("unshare", CLONE_NEWNS),
        ("setuid", 0),
        ("setresuid", 0, 0, 0),
        ("setgroups", 0, 0),
    ):
        assert puppet.refused(name, *arguments) == "EPERM", name
    # a handle of eight bytes; what is wrong with it is looked at before who asks
    puppet.write(DATA_AT, struct.pack("Ii8x", 8, 1))
    assert puppet.refused("open_by_handle_at", AT_FDCWD, f"@{DATA_AT}", 0) in ("EPERM", "ESTALE", "EINVAL")
    puppet.write(DATA_AT, b"proc\0")
    assert puppet.refused("mount", f"@{DATA_AT}", puppet.path("."), f"@{DATA_AT}", 0, 0) == "EPERM"


def fstat(puppet, fd):
    """(device, inode, mode), or None when it is not open. struct stat of x86-64."""
    if puppet.refused("fstat", fd, f"@{DATA_AT}"):
        return None
    data = puppet.read(DATA_AT, 144)
    return (*struct.unpack_from("QQ", data), *struct.unpack_from("I", data, 24))


def test_no_descriptor_leads_elsewhere(puppet):
    """
    Sockets, pipes, the loop's own. The one folder is that of the chroot itself, which libuv
    opens behind the chroot as a spare descriptor; ".." does not lead out of it.
    """
    fd, _ = puppet.open("/", os.O_RDONLY | os.O_DIRECTORY)
    root = fstat(puppet, fd)
    puppet.call("close", fd)
    for fd in range(64):
        found = fstat(puppet, fd)
        if found is None:
            continue
        assert not stat.S_ISBLK(found[2]), f"descriptor {fd} is a device"
        if stat.S_ISDIR(found[2]):
            assert found == root, f"descriptor {fd} is a folder outside"
            above, _ = puppet.call("openat", fd, puppet.path("../.."), os.O_RDONLY)
            assert fstat(puppet, above) == root
            puppet.call("close", above)
        if stat.S_ISREG(found[2]):
            flags, _ = puppet.call("fcntl", fd, 3)
            assert flags & os.O_ACCMODE == os.O_WRONLY, f"descriptor {fd} is a file that can be read"


def test_no_memory_of_others_can_be_read(server, puppet):
    local, remote = DATA_AT, DATA_AT + 64
    for pid in others(server, puppet):
        puppet.write(DATA_AT + 1024, struct.pack("QQ", 0, 0))
        puppet.write(local, struct.pack("QQ", 4096, 64))
        puppet.write(remote, struct.pack("QQ", 0x400000, 64))
        assert puppet.refused("process_vm_readv", pid, f"@{local}", 1, f"@{remote}", 1, 0) == "EPERM"
        assert puppet.refused("process_vm_writev", pid, f"@{local}", 1, f"@{remote}", 1, 0) == "EPERM"
        assert puppet.refused("ptrace", PTRACE_ATTACH, pid, 0, 0) == "EPERM"
        fd, _ = puppet.call("pidfd_open", pid, 0)
        if fd >= 0:
            assert puppet.refused("pidfd_getfd", fd, 3, 0) == "EPERM"
            assert puppet.refused("setns", fd, CLONE_NEWNS) in ("EPERM", "EINVAL")
            puppet.call("close", fd)
        for name in ("mem", "environ", "maps", "fd/3", "cwd", "root"):
            assert puppet.open(f"/proc/{pid}/{name}")[0] < 0


def test_no_other_process_can_be_signalled(server, puppet):
    pids = others(server, puppet)
    for pid in pids:
        for number in SIGNALS:
            assert puppet.refused("kill", pid, number) == "EPERM", processes.name(pid)
            assert puppet.refused("tgkill", pid, pid, number) == "EPERM"
            assert puppet.refused("tkill", pid, number) == "EPERM"
        fd, _ = puppet.call("pidfd_open", pid, 0)
        if fd >= 0:
            assert puppet.refused("pidfd_send_signal", fd, signal.SIGKILL, 0, 0) == "EPERM"
            puppet.call("close", fd)
    assert set(pids) <= {server.supervisor(), *server.children()}, "one of them is gone"


def test_nothing_can_be_started(puppet):
    for path in ("/bin/sh", "/usr/bin/su", "/proc/self/exe"):
        puppet.write(DATA_AT, b"\0" * 16)
        assert puppet.refused("execve", puppet.path(path), f"@{DATA_AT}", f"@{DATA_AT}") in ("ENOENT", "EPERM")
