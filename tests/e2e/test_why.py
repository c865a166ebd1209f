"""ampel why ID: the story of one message."""

import json
import re
import smtplib
import subprocess

import pytest


@pytest.fixture(scope="module")
def server(module_server):
    return module_server(users=("alice",)).start()


def send(server, *recipients):
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as smtp:
        smtp.ehlo("client.example")
        smtp.mail("sender@elsewhere.example")
        for recipient in recipients:
            smtp.rcpt(recipient)
        code, text = smtp.data(b"Subject: x\r\n\r\nx\r\n")
    assert code == 250
    return re.search(rb"id ([0-9a-z]{26})", text)[1].decode()


def why(server, *args, **more):
    return server.command("why", *args, **more)


def test_log_lines_have_their_time(server):
    """In a file, that is: journald and syslog have clocks."""
    send(server, "alice@mx.example")
    server.wait_for_log("ev=delivered")
    for line in server.log().splitlines():
        if "ev=" in line:
            assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (id|ev)=", line), line


def test_story_of_a_delivered_message(server):
    ident = send(server, "alice@mx.example")
    server.wait_for_log(f"id={ident}", "ev=delivered")
    done = why(server, ident, "--log", str(server.log_path))
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert re.search(r"^20\S+Z  accepted from <sender@elsewhere.example> at 127.0.0.1", told[0])
    assert "answered 250" in told[0]
    assert re.search(r"delivered <alice@mx.example> 2\.\d\.\d", done.stdout)
    assert told[-1] == "now  nothing of it is in the queue"


def test_what_waits_is_told(server):
    server.must("stop", "send")
    try:
        ident = send(server, "alice@mx.example")
        done = why(server, ident, "--log", str(server.log_path))
        assert re.search(r"^now  <alice@mx.example> waits, the next attempt is due 20\S+Z, attempts: 0$", done.stdout, re.M)
    finally:
        server.must("start", "send")


def test_json_for_programs(server):
    ident = send(server, "alice@mx.example")
    server.wait_for_log(f"id={ident}", "ev=delivered")
    done = why(server, ident, "--log", str(server.log_path), "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["ev"] for line in told} == {"accept", "delivered"}
    assert all(line["id"] == ident for line in told)


def test_log_from_a_pipe(server):
    ident = send(server, "alice@mx.example")
    server.wait_for_log(f"id={ident}", "ev=delivered")
    lines = "".join(f"Nov 25 07:00:00 host ampel[9]: {line.split(' ', 1)[1]}\n" for line in server.log_lines(f"id={ident}"))
    done = subprocess.run(server.argv("why", ident, "--log", "-"), input=lines, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("Nov 25 07:00:00  accepted"), done.stdout


def test_unknown_and_misspelt_ids(server):
    done = why(server, "0" * 26, "--log", str(server.log_path))
    assert done.returncode == 1 and "nothing is known" in done.stderr
    done = why(server, "abc")
    assert done.returncode == 64 and "no message id" in done.stderr


def test_forged_fields_do_not_tell_stories(server):
    """A stranger's text that looks like our log is a value, not a line."""
    victim = send(server, "alice@mx.example")
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as smtp:
        smtp.ehlo("client.example")
        smtp.docmd(f"MAIL FROM:<a@b.example> id={victim} ev=failed")
    server.wait_for_log(f"id={victim}", "ev=delivered")
    done = why(server, victim, "--log", str(server.log_path))
    assert "failed" not in done.stdout


def test_log_of_a_server_in_the_background_is_found(server):
    """It lies in the state folder, and so does the one before it."""
    ident = send(server, "alice@mx.example")
    server.wait_for_log(f"id={ident}", "ev=delivered")
    place = server.root / "lib" / "log"
    first, second = server.log_lines(f"id={ident}")
    place.with_name("log.1").write_text(first + "\n")
    place.write_text(second + "\n")
    try:
        told = why(server, ident).stdout
    finally:
        place.unlink()
        place.with_name("log.1").unlink()
    assert told.index("accepted from") < told.index("delivered <alice@mx.example>")
    done = why(server, ident)
    assert "the log goes to stderr" in done.stderr
