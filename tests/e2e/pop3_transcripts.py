"""The POP3 conversations of tests/transcripts, as its README describes them."""

import re
import ssl

import transcripts
from wire import Wire

USER, PASSWORD = "alice", "wonder land"
MESSAGE = re.compile(rb"# message(?:\*(\d+))?:(?: (.*))?", re.DOTALL)
SETTING = re.compile(rb"# ([a-z-]+): (.*)")
NAMES = ("errors", "failed", "unreadable", "broken", "engine-only")


class TlsWire(Wire):
    """TLS from the first byte, and any certificate will do."""

    encoding = "utf-8"

    def __init__(self, port, timeout=20):
        super().__init__(port, timeout)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)


class Transcript:
    def __init__(self, path):
        self.name = path.stem
        self.messages = []  # as they are stored
        self.settings = {}
        self.removed = None  # their numbers; None: no update
        self.steps = []
        in_head = True
        for number, raw in enumerate(path.read_bytes().split(b"\n"), 1):
            if raw.startswith(b"#") or not raw:
                if in_head:
                    self.take_setting(raw)
                continue
            in_head = False
            match = transcripts.LINE.fullmatch(raw)
            if not match:
                raise ValueError(f"{path}:{number}: {raw!r}")
            self.take_step(number, match[1].decode(), int(match[2] or 1), match[3] or b"")

    def take_setting(self, raw):
        if match := MESSAGE.fullmatch(raw):
            self.messages.append(transcripts.unescape(match[2] or b"") * int(match[1] or 1))
        elif (match := SETTING.fullmatch(raw)) and match[1].decode() in NAMES:
            self.settings[match[1].decode()] = match[2].decode()

    def take_step(self, number, kind, times, text):
        if kind == "C":
            self.steps.append((number, "send", text + b"\r\n"))
        elif kind == "R":
            self.steps.append((number, "send", transcripts.unescape(text) * times))
        elif kind == "S":
            self.steps += [(number, "expect", text.decode("utf-8"))] * times
        elif kind == "E":
            self.steps.append((number, "closed", None))
        elif kind == "D":
            self.removed = [int(n) for n in text.split()]
        else:
            raise ValueError(f"{self.name}:{number}: no such line: {kind}")

    def left(self):
        """What is in the maildrop when all is over."""
        removed = self.removed or []
        return [m for n, m in enumerate(self.messages, 1) if n not in removed]


def read_all():
    return [Transcript(path) for path in sorted(transcripts.FOLDER.glob("*.pop3"))]
