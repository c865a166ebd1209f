"""The transcripts that the engine is tested with, against the live server."""

import tempfile
from pathlib import Path

import pytest

import transcripts
from wire import Wire

ALL = transcripts.read_all()
LISTENERS = ("smtp", "smtps", "submission", "local")
PASSWORDS = {"alice": "wonderland"}
VARIABLES = ("RELAYCLIENT", "DATABYTES")


def write_rules(variables):
    """The value of the setting: a file that gives our clients these variables."""
    with tempfile.NamedTemporaryFile("w", prefix="ampel-rules-", dir="/var/tmp", delete=False) as rules:
        rules.write("127.:allow" + "".join(f',{name}="{value}"' for name, value in variables) + "\n")
    path = Path(rules.name)
    path.chmod(0o644)
    return path


@pytest.fixture(scope="module")
def server_for(module_server):
    """One server for all transcripts with the same settings."""
    running, files = {}, []

    def get(settings):
        settings = dict(settings)
        inside = ("127.0.0.0/8",) if settings.pop("inside", "no") == "yes" else ()
        variables = [(v, settings.pop(v.lower())) for v in VARIABLES if v.lower() in settings]
        key = (inside, *variables, *sorted(settings.items()))
        if key not in running:
            if variables:
                files.append(write_rules(variables))
                settings["rules"] = f'"{files[-1]}"'
            running[key] = module_server(
                settings=settings,
                inside=inside,
                users=("alice", "bob", "postmaster"),
                listeners=LISTENERS,
                passwords=PASSWORDS,
            ).start()
        return running[key]

    yield get
    for path in files:
        path.unlink()


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
