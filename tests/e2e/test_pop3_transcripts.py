"""The POP3 transcripts that the engine is tested with, against the live server."""

import os

import pop3_transcripts
import pytest
import transcripts
from pop3_transcripts import PASSWORD, USER

ALL = pop3_transcripts.read_all()
FIRST_SECOND = 1700000000  # the messages are a second apart, so that their order is known


@pytest.fixture(scope="module")
def server_for(module_server):
    """One server for all transcripts with the same settings."""
    running = {}

    def get(settings):
        key = tuple(sorted(settings.items()))
        if key not in running:
            running[key] = module_server(
                settings=settings, users=(USER,), listeners=("smtp", "pop3s"), passwords={USER: PASSWORD}
            ).start()
        return running[key]

    return get


def files(folder):
    found = [path for part in ("new", "cur") for path in (folder / part).iterdir()]
    return sorted(found, key=lambda path: path.name)


def fill(folder, messages):
    """These and no others, as the user's own."""
    owner = folder.stat()
    for path in files(folder):
        path.unlink()
    for number, message in enumerate(messages, 1):
        second = FIRST_SECOND + number
        path = folder / "new" / f"{second}.{number}.mx.example"
        path.write_bytes(message)
        os.chown(path, owner.st_uid, owner.st_gid)
        os.utime(path, (second, second))


def play(wire, transcript):
    for number, kind, text in transcript.steps:
        where = f"{transcript.name}:{number}"
        if kind == "send":
            try:
                wire.send(text)
            except (BrokenPipeError, ConnectionResetError):
                pass  # what the server said before it closed comes next
        elif kind == "expect":
            line = wire.read_line()
            assert transcripts.matches(text, line), f"{where}: wanted {text!r}, got {line!r}"
        elif kind == "closed":
            assert wire.is_closed(), f"{where}: still open"
            return
    assert wire.buffer == b"", f"{transcript.name}: more was said: {wire.buffer!r}"


def test_there_are_transcripts():
    assert ALL, f"none in {transcripts.FOLDER}"


@pytest.mark.parametrize("transcript", ALL, ids=lambda t: t.name)
def test_transcript(transcript, server_for):
    if reason := transcript.settings.get("engine-only"):
        pytest.skip(reason)
    server = server_for(transcript.settings)
    folder = server.maildir(USER)
    fill(folder, transcript.messages)
    with pop3_transcripts.TlsWire(server.ports["pop3s"]) as wire:
        play(wire, transcript)
    assert [path.read_bytes() for path in files(folder)] == transcript.left()
