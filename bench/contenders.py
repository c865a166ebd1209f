"""The servers that bench/accept compares: each in a fresh folder, with one mailbox."""

import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import sys
import time
from pathlib import Path

from meter import Group

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

RECIPIENT = "alice@mx.example"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_greeting(port, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                if s.recv(200).startswith(b"220"):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"no greeting on port {port}")


class Contender:
    """start(), then new is the watched folder and port answers; stop()."""

    name = "?"
    loggers = ()

    def __init__(self, folder):
        self.folder = Path(folder)
        self.port = free_port()
        self.group = Group(self.name)
        self.new = None

    def start(self):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def warm_up(self):
        """One message all the way, so that starting up is not measured."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
            client.sendmail("load@client.example", RECIPIENT, b"Subject: warm-up\r\n\r\n")
        deadline = time.monotonic() + 30
        while not (self.new.is_dir() and any(self.new.iterdir())):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: the first message was not delivered")
            time.sleep(0.05)


class Postfix(Contender):
    """
    Debian's Postfix as a private instance: its defaults, but no DNS, mailboxes by
    virtual(8), and nothing outside of the folder.
    """

    name = "postfix"
    loggers = ("postlogd",)
    uid = 65534

    MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

    def settings(self):
        return {
            "compatibility_level": "3.6",
            "queue_directory": self.folder / "spool",
            "data_directory": self.folder / "data",
            "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "maillog_file": self.folder / "log",
            "maillog_file_prefixes": self.folder,
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "myhostname": "mx.example",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "smtpd_peername_lookup": "no",
            "smtp_dns_support_level": "disabled",
            "biff": "no",
            "virtual_mailbox_domains": "mx.example",
            "virtual_mailbox_base": self.folder / "mail",
            "virtual_mailbox_maps": f"inline:{{ {RECIPIENT}=alice/ }}",
            "virtual_uid_maps": f"static:{self.uid}",
            "virtual_gid_maps": f"static:{self.uid}",
        }

    def start(self):
        owner = pwd.getpwnam("postfix").pw_uid
        etc = self.folder / "etc"
        for name, uid in (("etc", 0), ("spool", 0), ("data", owner), ("mail", self.uid)):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, uid, -1)
        (etc / "main.cf").write_text(
            "".join(f"{k} = {v}\n" for k, v in self.settings().items())
        )
        (etc / "master.cf").write_text(self.MASTER.format(port=self.port))
        self.new = self.folder / "mail" / "alice" / "new"
        self.process = subprocess.Popen(
            ["/usr/sbin/postfix", "-c", str(etc), "start-fg"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "start").open("wb"),
            preexec_fn=self.group.enter,
            start_new_session=True,
        )
        self.group.root_pid = self.process.pid
        wait_for_greeting(self.port)

    def stop(self):
        subprocess.run(
            ["/usr/sbin/postfix", "-c", str(self.folder / "etc"), "stop"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.group.kill()
            self.process.wait()
        self.group.close()


class Ampel(Contender):
    """build/stage, no filters, durable; limits as for a trusted load."""

    name = "ampel"

    def start(self):
        from server import Server

        self.server = Server(
            folder=self.folder / "ampel",
            settings={"sessions": 5000, "sessions_per_address": 5000},
            port=self.port,
            users=("alice",),
            preexec=self.group.enter,
        )
        self.server.start()
        self.group.root_pid = self.server.process.pid
        self.new = self.server.maildir("alice") / "new"

    def stop(self):
        self.server.stop()
        self.group.close()


def fresh_parent(base):
    """
    A folder whose subfolders each begin in a block group of their own: ext4 makes
    files more slowly where others were just deleted.
    """
    parent = Path(base) / f"ampel-bench-{os.getpid()}"
    parent.mkdir(mode=0o755)
    if shutil.which("chattr"):
        subprocess.run(
            ["chattr", "+T", str(parent)], stderr=subprocess.DEVNULL, check=False
        )
    return parent
