"""A real spamd with Debian's rules, no network and no Bayes."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from server import free_port, wait_until

SPAMD = "/usr/sbin/spamd"
RULES = "/usr/share/spamassassin"
NOBODY = 65534

# For tests: messages whose colour is known whatever Debian's rules think of them (they
# take a point off what comes from this very machine).
TEST_RULES = (
    "body TEST_YELLOW /\\bplease-be-yellow\\b/",
    "score TEST_YELLOW 7",
    "describe TEST_YELLOW a test wants yellow",
    "body TEST_GREEN /\\bplease-be-green\\b/",
    "score TEST_GREEN -20",
    "describe TEST_GREEN a test wants green",
)
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


def arguments(listen, children=2, rules=()):
    lines = ("use_bayes 0", *rules)
    argv = [
        SPAMD,
        "-L",
        "-x",
        f"-m{children}",
        f"-C{RULES}",
        "--siteconfigpath=/etc/spamassassin",
        "-s",
        "stderr",
        *listen,
    ]
    return argv + [f"--cf={line}" for line in lines]


class Spamd:
    def __init__(self, *, unix=False, children=2, rules=()):
        self.folder = Path(tempfile.mkdtemp(prefix="ampel-spamd-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        home = self.folder / "home"
        home.mkdir()
        if os.geteuid() == 0:
            os.chown(home, NOBODY, NOBODY)
            os.chown(self.folder, NOBODY, NOBODY)
        self.port = None if unix else free_port()
        self.address = str(self.folder / "spamd.sock") if unix else f"127.0.0.1:{self.port}"
        if unix:
            listen = [f"--socketpath={self.address}", "--socketmode=0666"]
        else:
            listen = ["-i", "127.0.0.1", "-p", str(self.port)]
        listen += ["-r", str(self.folder / "pid"), f"-H{home}"]
        if os.geteuid() == 0:
            listen += ["-u", "nobody"]
        self.argv = arguments(listen, children, rules)
        self.process = None

    def _connect(self):
        if self.port:
            return socket.create_connection(("127.0.0.1", self.port), 120)
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(120)
        s.connect(self.address)
        return s

    def answers(self):
        try:
            with self._connect() as s:
                s.sendall(b"PING SPAMC/1.5\r\n\r\n")
                return s.recv(100).startswith(b"SPAMD/") and True
        except OSError:
            return False

    def start(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if not wait_until(self.answers, 60, 0.1):
            raise RuntimeError((self.folder / "log").read_text()[-2000:])
        return self

    def stop(self):
        """Gone with its children; its address is free again."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            if not self.port:
                Path(self.address).unlink(missing_ok=True)

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def score(self, message):
        """(score as text, symbols) of bytes, with the SYMBOLS request."""
        with self._connect() as s:
            s.sendall(
                b"SYMBOLS SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(message) + message
            )
            s.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        head, _, symbols = answer.partition(b"\r\n\r\n")
        for line in head.splitlines():
            if line.startswith(b"Spam:"):
                score = line.partition(b";")[2].partition(b"/")[0].strip()
                return score.decode(), symbols.decode("latin-1").strip()
        raise RuntimeError(f"spamd said {answer[:200]!r}")
