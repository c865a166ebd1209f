"""ampel-queue alone: the test is its supervisor, its lookup, and all who deliver for it."""

import dataclasses
import itertools
import os
import queue
import secrets
import selectors
import shutil
import signal
import struct
import threading
import time

from frames import ROLES, Channel, Child, memory_file, pair
from server import make_folder, wait_until

OURS = "mx.example"
KINDS = {"deferred": 0, "delivered": 1, "failed": 2}
ROUTES = {"unknown": 0, "elsewhere": 1, "user": 2, "expanded": 3}
CREDITS = 400  # src/queue/main.c gives more
NEVER, SUCCESS, FAILURE, DELAY = 1, 2, 4, 8
WANT_NO_USER, WANT_READY = 1, 2


def view(text):
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<I", len(data)) + data


def base32(bits):
    """An id as people see it."""
    digits = "0123456789abcdefghijklmnopqrstuv"
    number = int.from_bytes(bits, "big")  # 128 bits are 25.6 digits
    return "".join(digits[number >> (5 * i) & 31] for i in reversed(range(26)))


@dataclasses.dataclass(frozen=True)
class Recipient:
    address: str
    notify: int = 0
    orcpt: str = ""


def envelope(ident, sender, recipients, size, arrival_ms, ret=0, envid="", smtputf8=False):
    """As proto/envelope_wire.c writes it."""
    out = struct.pack("<B", 1) + ident + struct.pack("<Q", arrival_ms) + view(sender)
    out += struct.pack("<B", ret) + view(envid) + struct.pack("<BB", 1, smtputf8)
    out += view("") + view("smtp") + view("192.0.2.1") + view("") + view("client.example")
    out += struct.pack("<B", 1) + view("") + struct.pack("<Q", size)
    out += struct.pack("<BBQQQ", 0, 0, 0, 0, 0) + view("") * 4
    out += struct.pack("<I", len(recipients))
    for r in recipients:
        out += view(r.address) * 2 + view(r.orcpt) + struct.pack("<B", r.notify)
    return out


@dataclasses.dataclass
class Job:
    """What the queue wants delivered, and when it came."""

    agent: "Agent"
    values: dict
    body: str
    at: float

    @property
    def id(self):
        return self.values["id"]

    @property
    def key(self):
        return self.values["id"], self.values["recipient"]

    @property
    def address(self):
        return self.values["address"].decode()

    @property
    def sender(self):
        return self.values["reverse_path"].decode()

    @property
    def domain(self):
        return self.address.rpartition("@")[2]

    def end(self, kind, status="", text="", **more):
        """Its outcome; "4.2.1" or so."""
        digits = [int(d) for d in (status or {"delivered": "2.0.0"}.get(kind, "4.0.0")).split(".")]
        self.agent.say(
            "OUTCOME",
            token=self.values["token"],
            id=self.id,
            recipient=self.values["recipient"],
            kind=KINDS[kind],
            **{"class": digits[0]},
            subject=digits[1],
            detail=digits[2],
            text=text,
            **more,
        )

    def forward(self, targets, ident, text="Subject: forward\n\nbody\n", sender="", fds=None, **more):
        """It is delivered, and causes that message."""
        packed = b"".join(map(view, targets))
        files = [memory_file(text)] if fds is None else [os.dup(fd) for fd in fds]
        if len(packed) > 48 * 1024:
            files.append(memory_file(packed.decode()))
        values = {"forward_size": len(text.encode()), "n": len(targets), "is_large": len(files) > 1}
        values |= {"targets": b"" if values["is_large"] else packed}
        try:
            self.end("delivered", fds=files, forward_id=ident, forward_path=sender, **(values | more))
        finally:
            for fd in files:
                os.close(fd)


class Agent:
    """One end of a socket to the queue, as deliver or remote has it."""

    def __init__(self, channel):
        self.channel = channel
        self.finished = set()
        self.retries = 0
        self.lock = threading.Lock()

    def hello(self, jobs=()):
        packed = b"".join(view(ident) + struct.pack("<I", n) for ident, n in jobs)
        self.say("HELLO", n=len(jobs), jobs=packed)

    def say(self, message, fds=(), **values):
        with self.lock:
            self.channel.send(message, fds=fds, **values)


class House:
    """
    users: names at OURS; everybody else there is unknown, other domains are elsewhere.
    aliases: address to (targets, owner). on_job(job): called for each; when it does nothing the
    job stays open. What is delivered to users is kept in `mail`.
    """

    def __init__(self, *, settings="", users=("alice", "postmaster"), aliases=None, on_job=None):
        self.folder = make_folder("ampel-queue-")
        self.settings = settings
        self.users = set(users)
        self.aliases = aliases or {}
        self.on_job = on_job or self.deliver
        self.mail = []
        self.jobs = queue.SimpleQueue()
        self.log_path = self.folder / "log"
        self.child = self.thread = None
        self.serials = itertools.count(1)

    # ---- its life ----

    def start(self, remote=True, remote_jobs=(), deliver_jobs=()):
        """
        remote "silent": it is there and has not said HELLO. deliver_jobs: what one that outlived the
        last queue has; it is the first of agents.
        """
        self.child = Child("ampel-queue", self.log_path)
        store = self.folder / "store"
        store.mkdir(mode=0o700, exist_ok=True)
        self.selector = selectors.DefaultSelector()
        self.wakeup = pair()
        self.agents = []
        self.results = {}
        self.numbers = itertools.count(1)
        self.text = f'hostname = "{OURS}"\ndomains = {{ "{OURS}" }}\n{self.settings}'
        self.child.generation = 1
        fd = memory_file(self.text)
        self.child.control.send("CONFIG", fds=[fd], generation=1, name="test", directory=str(store))
        os.close(fd)
        assert self.child.control.expect("PREPARED")
        self.watch(self.child.add_peer("ROLE_LOOKUP"), self.on_lookup)
        self.smtpd = self.child.add_peer("ROLE_SMTPD")
        self.watch(self.smtpd, self.on_smtpd)
        self.remote = None
        if remote:
            self.add_remote(remote_jobs, remote == "silent")
        if deliver_jobs:
            self.add_deliver(self.child.add_peer("ROLE_DELIVER", next(self.serials)), deliver_jobs)
        self.child.control.send("USE", generation=1)
        assert self.child.control.expect("READY")
        self.watch(self.child.control, self.on_control)
        self.watch(Channel(self.wakeup[1]), lambda *_: None)
        self.is_running = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def watch(self, channel, handler):
        self.selector.register(channel.socket, selectors.EVENT_READ, (channel, handler))
        self.wakeup[0].send(b"x")

    def run(self):
        while self.is_running:
            for key, _ in self.selector.select(1):
                channel, handler = key.data
                if channel.socket is self.wakeup[1]:
                    channel.socket.recv(1)
                    continue
                try:
                    name, values, fds = channel.receive()
                except OSError:
                    name = None
                if name is None:
                    self.selector.unregister(channel.socket)
                    continue
                try:
                    handler(channel, name, values, fds)
                except OSError:  # the queue is gone
                    pass
                finally:
                    for fd in fds:
                        os.close(fd)

    def join(self):
        self.is_running = False
        self.wakeup[0].send(b"x")
        if self.thread:
            self.thread.join(20)
            assert not self.thread.is_alive()
        for key in list(self.selector.get_map().values()):
            key.data[0].close()

    def stop(self):
        """As the supervisor does; its exit code."""
        code = self.child.stop()
        self.join()
        return code

    def kill(self):
        self.child.process.send_signal(signal.SIGKILL)
        self.child.process.wait()
        self.join()

    def remove(self):
        if self.child and self.child.process.poll() is None:
            self.kill()
        if not os.environ.get("AMPEL_TEST_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- who is asked ----

    def add_remote(self, jobs=(), is_silent=False):
        channel = self.child.add_peer("ROLE_REMOTE", next(self.serials))
        self.remote = Agent(channel)
        self.watch(channel, self.agent_handler(self.remote))
        if not is_silent:
            self.remote.hello(jobs)
        return self.remote

    def add_deliver(self, channel, jobs=()):
        agent = Agent(channel)
        self.watch(channel, self.agent_handler(agent))
        agent.hello(jobs)
        self.agents.append(agent)

    def agent_handler(self, agent):
        def handle(_, name, values, fds):
            if name == "FINISHED":
                agent.finished.add((values["id"], values["recipient"]))
                return
            if name == "RETRY_ALL":
                agent.retries += 1
                return
            assert name in ("DELIVER", "REMOTE"), name
            body = os.pread(fds[0], 1 << 20, 0).decode("utf-8", "replace")
            self.on_job(Job(agent, values, body, time.monotonic()))

        return handle

    def deliver(self, job):
        """To a user of ours at once; what goes elsewhere waits in `jobs`."""
        if "user" in job.values:
            self.mail.append(job)
            job.end("delivered")
        else:
            self.jobs.put(job)

    def on_control(self, channel, name, values, fds):
        if name != "WANT_DELIVER":
            return
        user = values["user"].decode()
        if user not in self.users:
            channel.send("DELIVER_FOR", user=user, result=WANT_NO_USER, text="there is no such user")
            return
        serial = next(self.serials)
        ours, theirs = pair()
        channel.send("PEER", fds=[theirs.fileno()], role=ROLES["ROLE_DELIVER"], serial=serial, name=user)
        theirs.close()
        self.add_deliver(Channel(ours))
        channel.send("DELIVER_FOR", user=user, result=WANT_READY, serial=serial)

    def on_lookup(self, channel, name, values, fds):
        assert name == "ASK_ROUTE"
        address = values["address"].decode()
        local, _, domain = address.rpartition("@")
        more = {}
        if address in self.aliases:
            targets, owner = self.aliases[address]
            kind = "expanded"
            more = {"targets": b"".join(map(view, targets)), "owner": owner}
        elif domain != OURS:
            kind = "elsewhere"
        elif local.lower() in self.users:
            kind, more = "user", {"user": local.lower()}
        else:
            kind = "unknown"
        channel.send("ROUTE", q=values["q"], kind=ROUTES[kind], **more)

    def on_smtpd(self, channel, name, values, fds):
        if name == "RESULT":
            self.results[values["q"]] = values["code"]

    # ---- what the test does ----

    def new_id(self):
        return struct.pack(">Q", int(time.time() * 1000))[2:] + secrets.token_bytes(10)

    def submit(self, recipients, sender="sender@client.example", text=None, age_s=0, wait=True, **more):
        """The id of a message that is accepted."""
        text = text or "From: sender@client.example\nSubject: test\n\nbody\n"
        arrival_ms = int((time.time() - age_s) * 1000)
        ident = struct.pack(">Q", arrival_ms)[2:] + secrets.token_bytes(10)
        if isinstance(recipients, str):
            recipients = [recipients]
        recipients = [r if isinstance(r, Recipient) else Recipient(r) for r in recipients]
        wire = envelope(ident, sender, recipients, len(text.encode()), arrival_ms, **more)
        q = next(self.numbers)
        assert wait_until(lambda: q - len(self.results) < CREDITS, 30, 0.001), self.log()[-3000:]
        fd = memory_file(text)
        self.smtpd.send("SUBMIT", fds=[fd], q=q, envelope=wire)
        os.close(fd)
        if wait:
            self.wait_accepted(q)
        return ident

    def wait_accepted(self, q):
        assert wait_until(lambda: q in self.results, 30, 0.001), self.log()[-3000:]
        assert self.results[q] == 250, self.results[q]

    def next_job(self, seconds=20):
        """The next one that goes elsewhere."""
        return self.jobs.get(timeout=seconds)

    def wait_mail(self, n=1, seconds=20):
        """Exactly n notifications or other messages to users."""
        wait_until(lambda: len(self.mail) >= n, seconds)
        assert len(self.mail) == n, f"{len(self.mail)} messages\n{self.log()[-3000:]}"
        return self.mail[:]

    def rows(self):
        """What is in the queue."""
        channel = self.child.add_peer("ROLE_ADMIN")
        found = []
        channel.send("ASK_ROWS", limit=200)
        while True:
            name, values, _ = channel.receive()
            if name != "ROW":
                channel.close()
                return found
            found.append(values)

    def wait_empty(self, seconds=20):
        assert wait_until(lambda: not self.rows(), seconds, 0.05), f"{self.rows()}\n{self.log()[-3000:]}"

    def retry_all(self):
        self.child.control.send("RETRY_ALL")

    def log(self):
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def log_lines(self, *parts):
        return [line for line in self.log().splitlines() if all(p in line for p in parts)]
