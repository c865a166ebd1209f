"""The transcripts that the engine is tested with, against the live server."""

import pytest

import transcripts
from wire import Wire

ALL = transcripts.read_all()
LISTENERS = ("smtp", "smtps", "submission", "local")
PASSWORDS = {"alice": "wonderland"}


@pytest.fixture(scope="module")
def server_for(module_server):
    """One server for all transcripts with the same settings."""
    running = {}

    def get(settings):
        settings = dict(settings)
        inside = ("127.0.0.0/8",) if settings.pop("inside", "no") == "yes" else ()
        key = (inside, tuple(sorted(settings.items())))
        if key not in running:
            running[key] = module_server(
                settings=settings,
                inside=inside,
                users=("alice", "bob", "postmaster"),
                listeners=LISTENERS,
                passwords=PASSWORDS,
            ).start()
        return running[key]

    return get


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
        elif kind == "handshake":
            wire.handshake()
        elif kind == "closed":
            assert wire.is_closed(), f"{where}: still open"
            return
    assert wire.buffer == b"", f"{transcript.name}: more was said: {wire.buffer!r}"


def test_there_are_transcripts():
    assert ALL, f"none in {transcripts.FOLDER}"


@pytest.mark.parametrize("transcript", ALL, ids=lambda t: t.name)
def test_transcript(transcript, server_for):
    if reason := transcript.engine_only():
        pytest.skip(reason)
    server = server_for(transcript.server_settings())
    with Wire(server.ports[transcript.listener()]) as wire:
        if transcript.listener() == "smtps":
            wire.handshake()
        play(wire, transcript)
