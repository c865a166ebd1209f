"""Many clients that send numbered messages and remember what was accepted."""

import random
import threading
import time

from wire import Closed, Wire


def message(number, rng):
    """Mostly small; some too large for the store's rows."""
    size = 200_000 if rng.random() < 0.03 else rng.randrange(200, 20_000)
    lines, left = [], size
    while left > 0:
        line = b"%016x" % rng.getrandbits(64) * rng.randrange(1, 5)
        lines.append(line)
        left -= len(line)
    head = b"From: sender@client.example\r\nX-Number: %s\r\n\r\n" % number.encode()
    return head + b"\r\n".join(lines) + b"\r\n"


class Senders:
    """
    A message that is not accepted is not sent again: the next has a new number. So
    every number may come once at most, and those in accepted must come.
    """

    def __init__(self, port, clients=20, recipient="alice@mx.example", pause=0.0):
        self.port = port
        self.recipient = recipient
        self.pause = pause
        self.sent = {}
        self.accepted = set()
        self.refused = set()  # replies that are neither 250 nor 4xx
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(clients)
        ]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        self._end.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"

    def _client(self, client):
        rng = random.Random(client)
        n = 0
        while not self._end.is_set():
            try:
                with Wire(self.port, timeout=30) as wire:
                    wire.hello()
                    while not self._end.is_set():
                        n += 1
                        self._send(wire, f"{client}-{n}", rng)
                        time.sleep(self.pause)
            except (AssertionError, Closed, OSError):
                time.sleep(0.05)

    def _send(self, wire, number, rng):
        data = message(number, rng)
        for line in ("MAIL FROM:<sender@client.example>", f"RCPT TO:<{self.recipient}>"):
            self._note(wire.command(line), 250)
        self._note(wire.command("DATA"), 354)
        self.sent[number] = data.replace(b"\r\n", b"\n")
        wire.send(data + b".\r\n")
        self._note(wire.reply(), 250)
        self.accepted.add(number)

    def _note(self, reply, wanted):
        """Anything else than wanted ends this connection; only 4xx is allowed."""
        if reply.code == wanted:
            return
        if not 400 <= reply.code < 500:
            self.refused.add(str(reply))
        raise Closed(reply)


def check(senders, mails):
    """Everything accepted is there, whole; nothing is there twice or damaged."""
    seen = {}
    for mail in mails:
        (number,) = mail.values(b"X-Number")
        number = number.decode()
        assert number not in seen, f"twice: {seen[number]} and {mail.path.name}"
        seen[number] = mail.path.name
        assert mail.original(b"From: sender@") == senders.sent[number], f"damaged: {mail.path}"
    lost = senders.accepted - set(seen)
    assert not lost, f"{len(lost)} of {len(senders.accepted)} accepted messages lost: {sorted(lost)[:10]}"
