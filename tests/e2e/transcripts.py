"""The conversations of tests/transcripts, as its README describes them."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "transcripts"
SIZE_MIN = 64 * 1024  # of message_size, ampel.conf(5)
SETTING = re.compile(r"# ([a-z_-]+): (.*)")
ESCAPE = re.compile(rb"\\(r|n|0|t|\\|x[0-9A-Fa-f]{2})")
SIMPLE = {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"t": b"\t", b"\\": b"\\"}
LINE = re.compile(rb"([A-Z])(?:\*(\d+))?:(?: (.*))?", re.DOTALL)


def unescape(text):
    def byte(match):
        name = match[1]
        return SIMPLE[name] if name in SIMPLE else bytes.fromhex(name[1:].decode())

    return ESCAPE.sub(byte, text)


def matches(pattern, line):
    """A * in the pattern stands for one word."""
    parts = [re.escape(part) for part in pattern.split("*")]
    return re.fullmatch(r"\S+".join(parts), line) is not None


class Transcript:
    def __init__(self, path):
        self.name = path.stem
        self.settings = {}
        self.steps = []
        in_head = True
        for number, raw in enumerate(path.read_bytes().split(b"\n"), 1):
            if raw.startswith(b"#") or not raw:
                match = SETTING.fullmatch(raw.decode("utf-8"))
                if in_head and match:
                    self.settings[match[1]] = match[2]
                continue
            in_head = False
            match = LINE.fullmatch(raw)
            if not match:
                raise ValueError(f"{path}:{number}: {raw!r}")
            self.steps.append((number, *self.step(match)))

    @staticmethod
    def step(match):
        kind, text = match[1].decode(), match[3] or b""
        if kind == "C":
            return "send", text + b"\r\n"
        if kind == "R":
            return "send", unescape(text) * int(match[2] or 1)
        if kind == "S":
            return "expect", text.decode("ascii")
        if kind == "T":
            return "handshake", None
        if kind == "E":
            return "closed", None
        return "engine", None

    def engine_only(self):
        """Why no live server can answer so, or None."""
        if "commit" in self.settings:
            return "the engine's test decides what becomes of the message"
        if int(self.settings.get("message_size", SIZE_MIN)) < SIZE_MIN:
            return "ampel.conf takes no message_size that small"
        return self.settings.get("engine-only")

    def listener(self):
        return self.settings.get("listener", "smtp")

    def server_settings(self):
        """What the server is configured with; the rest says how it is talked to."""
        return {k: v for k, v in self.settings.items() if k not in ("listener", "split")}


def read_all():
    return [Transcript(path) for path in sorted(FOLDER.glob("*.smtp"))]
