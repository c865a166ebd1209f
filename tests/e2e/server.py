"""An Ampel in a folder of its own: its configuration, its users, its processes."""

import collections
import os
import pwd
import re
import secrets
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import certificates
import maildir
import processes
import wire

ROOT = Path(__file__).resolve().parents[2]
STAGE = Path(os.environ.get("AMPEL_STAGE", ROOT / "build" / "stage"))
START_SECONDS = 30
STOP_SECONDS = 40
NOBODY = 65534
EX_TEMPFAIL = 75  # sysexits(3)


_last_ports = collections.deque(maxlen=100)  # free still, but somebody's


def free_port():
    """
    Below those that the kernel gives to clients, and where several run beside each other, each from
    a range of its own: between here and the start of the server nobody takes it.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4
    first = 12000 + 5000 * worker
    while True:
        with socket.socket() as s:
            try:
                port = first + secrets.randbelow(5000)
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _last_ports:
            _last_ports.append(port)
            return port


def make_folder(prefix):
    """On a real disk, and every account may pass through it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=os.environ.get("AMPEL_TEST_DIR", "/var/tmp")))
    folder.chmod(0o755)
    return folder


def wait_until(claim, seconds=20, interval=0.02):
    """Whether claim() came true in that time; its last value."""
    deadline = time.monotonic() + seconds
    while True:
        value = claim()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(interval)


def list_text(values):
    return "{ " + ", ".join(f'"{v}"' for v in values) + " }"


class Server:
    """
    settings are written as they are (numbers, sizes, yes or no); blocks is text of
    the configuration, put at its end. With as_nobody all of it runs without root.

    listeners: their names; ports then has the port of each, of local its path, and those with TLS
    show certificate, signed by the authority of this server. own_tls: there is no tls block.
    passwords: of users, set before the start.
    """

    def __init__(
        self,
        folder=None,
        *,
        settings=None,
        blocks="",
        domains=("mx.example",),
        inside=(),
        users=("alice", "bob"),
        aliases="",
        port=None,
        listeners=("smtp",),
        passwords=None,
        own_tls=False,
        as_nobody=False,
        preexec=None,
    ):
        self.is_ours = folder is None
        self.folder = Path(folder) if folder else make_folder("ampel-test-")
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        self.root = self.folder / "root"
        self.conf = self.folder / "ampel.conf"
        self.log_path = self.folder / "log"
        self.ports = {name: free_port() for name in listeners if name != "local"}
        if "local" in listeners:
            self.ports["local"] = self.root / "run" / "local"
        if port:
            self.ports["smtp"] = port
        self.port = self.ports.get("smtp")
        self.passwords = dict(passwords or {})
        self.certificate = self.key = self.authority = None
        self.has_tls_block = not own_tls and set(listeners) - {"local"} != {"smtp"}
        self.settings = dict(settings or {})
        self.blocks = blocks
        self.domains = domains
        self.inside = inside
        self.users = users
        self.aliases = aliases
        self.as_nobody = as_nobody and os.geteuid() == 0
        self.preexec = preexec
        self.process = None
        self.stage = STAGE
        self.prepare()

    def prepare(self):
        self.root.mkdir(exist_ok=True)
        if self.as_nobody:
            # the checkout may lie where nobody may not look
            self.stage = self.folder / "stage"
            shutil.copytree(STAGE, self.stage, symlinks=True)
        if self.has_tls_block:
            self.make_certificate()
        self.write_conf()
        self.give_to_runner(self.folder, self.root)

    def give_to_runner(self, *paths):
        if self.as_nobody:
            for path in paths:
                os.chown(path, NOBODY, NOBODY)

    def make_certificate(self):
        tls = self.folder / "tls"
        self.authority = certificates.make_authority(tls)
        self.certificate, self.key = certificates.make(tls)
        self.give_to_runner(self.key)

    def write_conf(self):
        lines = [f'root = "{self.root}"', 'hostname = "mx.example"']
        if self.domains:
            lines.append(f"domains = {list_text(self.domains)}")
        if self.inside:
            lines.append(f"inside = {list_text(self.inside)}")
        lines += [f"{name} = {value}" for name, value in self.settings.items()]
        for name, port in self.ports.items():
            address = "" if name == "local" else f'address = {{ "127.0.0.1:{port}" }}'
            lines.append(f"listen {name} {{ {address} }}")
        if self.has_tls_block:
            lines.append(f'tls {{ certificate = "{self.certificate}"  key = "{self.key}" }}')
        self.conf.write_text("\n".join(lines) + "\n" + self.blocks)

    # ---- the command ----

    def argv(self, *words):
        argv = [str(self.stage / "bin" / "ampel"), "-c", str(self.conf), *words]
        if self.as_nobody:
            argv = [
                "setpriv",
                f"--reuid={NOBODY}",
                f"--regid={NOBODY}",
                "--clear-groups",
                *argv,
            ]
        return argv

    def command(self, *words, seconds=60, **more):
        """The finished process: returncode, stdout, stderr."""
        return subprocess.run(
            self.argv(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=seconds,
            check=False,
            **more,
        )

    def must(self, *words):
        done = self.command(*words)
        assert done.returncode == 0, f"ampel {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    # ---- its life ----

    def add_users(self):
        for user in self.users:
            self.must("user", "add", user)
        for user, password in self.passwords.items():
            self.set_password(user, password)

    def set_password(self, user, password):
        done = subprocess.run(
            self.argv("user", "passwd", user),
            input=password + "\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr}"

    def password_hash(self, user):
        for line in self.passwd().with_name("shadow").read_text().splitlines():
            if line.startswith(user + ":"):
                return line.split(":")[1]
        raise AssertionError(f"no line of {user}")

    def tls_context(self):
        """As a careful client has it: trusts the test's authority and nobody else."""
        return ssl.create_default_context(cafile=self.authority)

    def start(self, add_users=True):
        if add_users:
            self.add_users()
        if self.aliases:
            passwd = self.passwd()
            aliases = passwd.with_name("aliases")
            aliases.write_text(self.aliases)
            self.give_to_runner(aliases)
        self.launch()
        self.wait_for_greeting()
        return self

    def launch(self):
        """Start the supervisor and do not wait."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv("run"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=self.preexec,
                start_new_session=True,
            )

    def greets(self, name="smtp"):
        """Whether that listener does; under TLS without looking at whom it is."""
        careless = ssl.create_default_context()
        careless.check_hostname = False
        careless.verify_mode = ssl.CERT_NONE
        try:
            with wire.connect(self.ports[name], 5) as s:
                if name in ("smtps", "pop3s"):
                    s = careless.wrap_socket(s)
                with s:
                    return s.recv(512).startswith((b"220 ", b"+OK "))
        except OSError:
            return False

    def wait_for_greeting(self):
        def answers():
            assert self.process.poll() is None, (
                f"ampel run ended with {self.process.returncode}\n{self.log()[-3000:]}"
            )
            return all(map(self.greets, self.ports))

        assert wait_until(answers, START_SECONDS), f"no greeting\n{self.log()[-3000:]}"

    def stop(self, sig=signal.SIGTERM):
        """The supervisor's exit code; all its processes are gone afterwards."""
        if not self.process:
            return 0
        children = self.children()
        processes.kill(self.process.pid, sig)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"did not stop\n{self.log()[-3000:]}") from None
        finally:
            self.process = None
        left = lambda: [processes.name(p) for p in children if processes.is_running(p)]
        assert wait_until(lambda: not left(), 10), f"still running: {left()}"
        return code

    def kill_all(self):
        """KILL, the supervisor first, so that nothing is restarted."""
        if not self.process:
            return
        children = self.children()
        processes.kill(self.process.pid, signal.SIGKILL)
        for pid in children:
            processes.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        wait_until(lambda: not any(map(processes.is_running, children)), 10)

    def remove(self):
        """After stop; keeps the folder when AMPEL_TEST_KEEP is set."""
        self.kill_all()
        if self.is_ours and not os.environ.get("AMPEL_TEST_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- looking inside ----

    def supervisor(self):
        """Its pid; setpriv has become it by exec."""
        return self.process.pid

    def children(self):
        return processes.descendants(self.process.pid)

    def pids(self, program):
        """Of "smtpd", "queue", ..."""
        return [p for p in self.children() if processes.name(p) == f"ampel-{program}"]

    def log(self):
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def log_lines(self, *parts):
        return [line for line in self.log().splitlines() if all(p in line for p in parts)]

    def wait_for_log(self, *parts, seconds=20):
        lines = wait_until(lambda: self.log_lines(*parts), seconds)
        assert lines, f"no line with {parts}\n{self.log()[-3000:]}"
        return lines

    def uid_of(self, account):
        """What an account of ours is, when the server runs as root."""
        return pwd.getpwnam(account).pw_uid

    def queue_something(self):
        """A message that is in the Maildir of alice and one that is held in the queue."""
        for user in ("alice", "bob"):
            if user == "bob":
                self.must("stop", "send")
            with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as smtp:
                smtp.sendmail("sender@elsewhere.example", f"{user}@mx.example", "Subject: secret\n\nbody\n")
            self.wait_for_mail("alice")

    def passwd(self):
        """The server's own user file."""
        found = sorted(self.root.glob("etc/passwd"))
        assert len(found) == 1, f"user files below {self.root}: {found}"
        return found[0]

    def maildir(self, user):
        for line in self.passwd().read_text().splitlines():
            field = line.split(":")
            if field[0] == user:
                return Path(field[5]) / "Maildir"
        raise AssertionError(f"no user {user}")

    def mail(self, user="alice"):
        return maildir.read(self.maildir(user))

    def wait_for_mail(self, user="alice", n=1, seconds=20):
        """Exactly n messages."""
        wait_until(lambda: len(maildir.files(self.maildir(user))) >= n, seconds)
        found = self.mail(user)
        assert len(found) == n, f"{len(found)} messages of {user}, wanted {n}\n{self.log()[-3000:]}"
        return found

    def queued_ids(self):
        """Of all that is queued. A queue that is just starting is waited for."""

        def listed():
            done = self.command("queue", "list", "--json")
            return None if done.returncode == EX_TEMPFAIL else done

        done = wait_until(listed, START_SECONDS, 0.1)
        assert done and done.returncode == 0, f"queue list: {done}\n{self.log()[-3000:]}"
        return set(ID.findall(done.stdout))


ID = re.compile(r"\b[0-9a-v]{26}\b")


def id_in(reply):
    """The message id in a reply's text."""
    found = ID.search(str(reply))
    assert found, f"no id in {reply}"
    return found.group()
