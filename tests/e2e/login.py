"""Logging in by raw bytes, over each listener that takes passwords; and the shadow file."""

import base64
import itertools
import os
import select

from wire import Wire

PASSWORD = "secret"  # what all hashes below are of
HASH = (
    "$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LE"
    "v0DRY/x8v0/crpIjl8NJSAqXV/"
)
# A second or more, of one processor.
SLOW_HASH = (
    "$6$rounds=5000000$saltsalt$L.A0/uSS.wqLsJHWNVnD8bIjxI.mE0T8DBe48K6.JgEqKNAxAEBuxHO"
    "o/dp8YeUlkqrGGiOq029z/zs.pI8YP."
)
# Nobody will see its end.
ENDLESS_HASH = SLOW_HASH.replace("rounds=5000000", "rounds=900000000")

LISTENERS = ("smtps", "submission", "pop3s")
TIMEOUT_SECONDS = 60
ANSWERS = {
    "235 2.7.0 ": "yes",
    "+OK ": "yes",
    "535 5.7.8 ": "no",
    "-ERR [AUTH] ": "no",
    "454 4.7.0 ": "later",
    "-ERR [SYS/TEMP] ": "later",
}


def word_of(line):
    """What an answer means: "yes", "no", "later"."""
    words = [word for start, word in ANSWERS.items() if line.startswith(start)]
    assert words, f"no answer to a login: {line!r}"
    return words[0]


_numbers = itertools.count(1)


def new_source():
    """An address that no attempt has come from."""
    number = os.getpid() % 4096 * 4096 + next(_numbers)
    return f"127.{number >> 16 & 255}.{number >> 8 & 255}.{1 + number % 254}"


class Session(Wire):
    """As far as the login. The certificate is not looked at."""

    encoding = "utf-8"

    def __init__(self, server, listener="smtps", source="127.0.0.1", helo="client.example"):
        super().__init__(server.ports[listener], TIMEOUT_SECONDS, source)
        self.is_pop3 = listener == "pop3s"
        if listener == "submission":
            self.expect(220)
            self.expect(220, "STARTTLS")
        self.handshake()
        if self.is_pop3:
            assert self.read_line().startswith("+OK ")
            return
        if listener == "smtps":
            self.expect(220)
        self.expect(250, f"EHLO {helo}")

    def line(self, text):
        """The one line that answers."""
        self.send(text.encode() + b"\r\n")
        return self.read_line()

    def begin_login(self, user, password=PASSWORD):
        """All that the client says; nobody has waited for the answer."""
        if self.is_pop3:
            assert self.line(f"USER {user}").startswith("+OK ")
            self.send(f"PASS {password}\r\n".encode())
        else:
            text = base64.b64encode(f"\0{user}\0{password}".encode())
            self.send(b"AUTH PLAIN " + text + b"\r\n")

    def log_in(self, user, password=PASSWORD):
        """The word of the answer."""
        self.begin_login(user, password)
        return word_of(self.read_line())

    def has_answer(self):
        return bool(self.buffer or select.select([self.socket], [], [], 0)[0])


def answer(server, user, password=PASSWORD, listener="smtps", source="127.0.0.1"):
    """The line."""
    with Session(server, listener, source) as session:
        session.begin_login(user, password)
        return session.read_line()


def log_in(server, user, password=PASSWORD, listener="smtps", source="127.0.0.1"):
    """The word of the answer."""
    return word_of(answer(server, user, password, listener, source))


# ---- the shadow file ----


def shadow(server):
    return server.passwd().with_name("shadow")


def remove_line(server, user):
    path = shadow(server)
    kept = [line for line in path.open() if not line.startswith(user + ":")]
    path.write_text("".join(kept))


def set_line(server, user, stored=HASH, expire=""):
    """As an administrator writes it by hand."""
    remove_line(server, user)
    with shadow(server).open("a") as file:
        file.write(f"{user}:{stored}:20000:::::{expire}:\n")
