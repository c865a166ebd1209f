"""A user of this host, made for a test and removed again; only root makes one."""

import subprocess

from login import HASH


class HostUser:
    """His password is login.PASSWORD."""

    def __init__(self, name, folder):
        self.name = name
        self.home = folder / name
        run("useradd", "-m", "-d", self.home, "-s", "/bin/sh", "-p", HASH, name)
        self.home.chmod(0o700)

    def change(self, *options):
        """As usermod(8) has them."""
        run("usermod", *options, self.name)

    def remove(self):
        run("userdel", self.name)


def run(*argv):
    subprocess.run([str(word) for word in argv], check=True, capture_output=True, timeout=60)
