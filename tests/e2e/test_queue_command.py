"""`ampel queue`: what the administrator sees of the queue and does with it."""

import json
import os
import re

import pytest

from server import id_in, wait_until
from wire import Wire

MESSAGE = b"From: a@client.example\r\nSubject: queued\r\n\r\nstay a while\r\n"
UNKNOWN = "0" * 26


@pytest.fixture
def server(new_server):
    """It accepts and does not deliver."""
    server = new_server().start()
    server.must("stop", "send")
    return server


def send(server, *recipients):
    with Wire(server.port) as wire:
        wire.begin(*recipients)
        reply = wire.data(MESSAGE)
        assert reply.code == 250, reply
        return id_in(reply)


def rows(server, *words):
    return [json.loads(line) for line in server.must("queue", *words, "--json").splitlines()]


def test_empty(server):
    assert rows(server, "list") == []
    assert server.must("queue", "list").strip() == "the queue is empty"


def test_stopped_send_accepts_and_keeps(server):
    ident = send(server, "alice@mx.example", "bob@mx.example")
    found = rows(server, "list")
    assert [row["id"] for row in found] == [ident, ident]
    assert [row["recipient"] for row in found] == ["alice@mx.example", "bob@mx.example"]
    assert {row["from"] for row in found} == {"sender@client.example"}
    assert {row["state"] for row in found} == {"queued"}
    assert all(row["size"] > len(MESSAGE) for row in found)
    assert not server.mail("alice") and not server.mail("bob")
    server.must("start", "send")
    server.wait_for_mail("alice")
    server.wait_for_mail("bob")
    assert wait_until(lambda: not server.queued_ids())


def test_show_and_cat(server):
    ident, other = send(server), send(server)
    assert [row["id"] for row in rows(server, "show", ident)] == [ident]
    text = server.must("queue", "show", ident)
    assert ident in text and other not in text and "<alice@mx.example>" in text
    body = server.must("queue", "cat", ident)
    assert body.startswith("Received: from client.example")
    assert body.endswith("\n" + MESSAGE.decode().replace("\r\n", "\n"))


def test_hold_and_release(server):
    held, free = send(server), send(server)
    server.must("queue", "hold", held)
    assert {row["id"]: row["state"] for row in rows(server, "list")} == {
        held: "held",
        free: "queued",
    }
    server.must("start", "send")
    (mail,) = server.wait_for_mail()
    assert mail.id == free
    assert wait_until(lambda: server.queued_ids() == {held})
    server.must("queue", "release", held)
    assert {mail.id for mail in server.wait_for_mail(n=2)} == {held, free}


def test_held_outlives_a_restart(server):
    held = send(server)
    server.must("queue", "hold", held)
    server.stop()
    server.start(add_users=False)
    assert [row["state"] for row in rows(server, "list")] == ["held"]
    server.must("queue", "retry", held)
    assert server.wait_for_mail()[0].id == held


def test_queued_outlives_a_restart(server):
    """`stop send` ends with the process: a new one delivers."""
    ident = send(server)
    server.stop()
    server.start(add_users=False)
    assert server.wait_for_mail()[0].id == ident


def test_remove(server):
    gone, stays = send(server), send(server)
    server.must("queue", "remove", gone)
    assert server.queued_ids() == {stays}
    server.must("start", "send")
    assert server.wait_for_mail()[0].id == stays


@pytest.mark.parametrize("word", ["show", "cat", "hold", "release", "retry", "remove"])
@pytest.mark.parametrize("ident", [UNKNOWN, "nonsense", ""], ids=repr)
def test_no_such_message(server, word, ident):
    done = server.command("queue", word, ident)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1 or "usage" in done.stderr
    assert done.stdout == ""


def test_more_than_a_page(server):
    idents = {send(server) for _ in range(120)}
    found = rows(server, "list")
    assert [row["id"] for row in found] == sorted(idents)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", found[0]["arrived"])


def test_server_that_does_not_run(new_server):
    server = new_server()
    server.add_users()
    done = server.command("queue", "list")
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1


def test_why_a_user_cannot_be_delivered_for(new_server):
    """The supervisor's words are kept with the recipient."""
    server = new_server(as_nobody=os.geteuid() == 0).start()
    with server.passwd().open("a") as users:
        users.write("carol:x:12345:12345::/nonexistent:/usr/sbin/nologin\n")
    for _ in range(20):  # other frames come in between
        send(server, "carol@mx.example", "alice@mx.example", "bob@mx.example")
    server.wait_for_mail("alice", 20)
    wait_until(lambda: all(row["text"] for row in rows(server, "list")), 20)
    texts = {row["text"] for row in rows(server, "list")}
    assert texts == {"4.3.0 started without root, cannot become this user"}
