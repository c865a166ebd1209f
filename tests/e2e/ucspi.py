"""The classic chain: tcpserver with rules, stunnel in its inetd mode, and a program behind them."""

import contextlib
import os
import pwd
import subprocess

import certificates
from server import free_port, wait_until
from wire import connect


def compile_rules(folder, text):
    """By tcprules, as an administrator does it. Takes effect with the next connection."""
    cdb = folder / "rules.cdb"
    subprocess.run(["tcprules", cdb, folder / "rules.tmp"], input=text, text=True, check=True, timeout=60)
    return cdb


class Chain:
    """
    argv: the program at the end, behind stunnel if tls. rules: in tcprules' form. env: all that there
    is. What is said on descriptor 2 is in log; stunnel, unless it is in the foreground, makes the
    client of that. account: all of them run as that one, by tcpserver's -u. before: words that
    start tcpserver.
    """

    def __init__(
        self, folder, argv, *, env, rules=":allow\n", tls=True, foreground="yes", account=None, before=()
    ):
        self.folder = folder
        self.account = pwd.getpwnam(account) if account else None
        folder.mkdir(exist_ok=True)
        self.log = folder / "chain.log"
        self.port = free_port()
        self.authority = certificates.make_authority(folder)
        program = self.behind_stunnel(argv, foreground) if tls else [str(word) for word in argv]
        self.write_rules(rules)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *before, "tcpserver", *self.identity(), "-HR", "-l0", "-x", folder / "rules.cdb",
                    "127.0.0.1", str(self.port), *program,
                ],  # fmt: skip
                env={"PATH": "/usr/bin:/bin", **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert wait_until(self.listens)

    def identity(self):
        return [f"-u{self.account.pw_uid}", f"-g{self.account.pw_gid}"] if self.account else []

    def write_rules(self, text):
        compile_rules(self.folder, text)

    def behind_stunnel(self, argv, foreground):
        certificate, key = certificates.make(self.folder)
        if self.account:  # stunnel's key, and its log
            for path in (key, self.folder):
                os.chown(path, self.account.pw_uid, self.account.pw_gid)
        name = str(argv[0]).rpartition("/")[2]
        conf = self.folder / "stunnel.conf"
        conf.write_text(
            f"foreground = {foreground}\nsyslog = no\noutput = {self.folder}/stunnel.log\ndebug = warning\n"
            f"cert = {certificate}\nkey = {key}\nexec = {argv[0]}\n"
            f"execArgs = {' '.join([name, *map(str, argv[1:])])}\n"
        )
        return ["stunnel4", str(conf)]

    def listens(self):
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError), connect(self.port, 5):
            return True
        return False

    def logged(self, *parts):
        return [line for line in self.log.read_text("utf-8", "replace").splitlines() if all(p in line for p in parts)]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
