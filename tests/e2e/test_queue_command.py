"""`ampel queue`: what the administrator sees of the queue and does with it."""

import json
import os
import re
import sqlite3

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


@pytest.fixture
def keeper(new_server):
    """It cannot become carol, so her mail is deferred again and again."""
    keeper = new_server(as_nobody=os.geteuid() == 0, domains=("mx.example", "other.example")).start()
    with keeper.passwd().open("a") as users:
        users.write("carol:x:12345:12345::/nonexistent:/usr/sbin/nologin\n")
    return keeper


def are_deferred(server):
    return all(row["attempts"] and row["state"] == "queued" for row in rows(server, "list"))


def test_retry_of_everything(keeper):
    assert keeper.must("queue", "retry") == "nothing waits\n"
    held = send(keeper, "carol@mx.example")
    for _ in range(2):
        send(keeper, "carol@mx.example", "carol@other.example")
    assert wait_until(lambda: are_deferred(keeper))
    keeper.must("queue", "hold", held)
    before = {(row["id"], row["recipient"]): row["attempts"] for row in rows(keeper, "list")}
    assert keeper.must("queue", "retry") == "4 recipients are due now\n"
    assert wait_until(
        lambda: all(
            row["attempts"] == before[row["id"], row["recipient"]] + (row["id"] != held)
            for row in rows(keeper, "list")
        )
    )
    assert {row["id"]: row["state"] for row in rows(keeper, "list")}[held] == "held"


def make_older(server, minutes):
    """The messages in the order of ids, so many minutes each; the server does not run."""
    queue = sqlite3.connect(server.root / "spool" / "queue.sqlite")
    idents = [ident for ident, in queue.execute("SELECT id FROM message ORDER BY id")]
    assert len(idents) == len(minutes)
    for ident, age in zip(idents, minutes):
        queue.execute(
            "UPDATE message SET arrival_ms = arrival_ms - ? WHERE id = ?", (age * 60000, ident)
        )
    queue.commit()
    queue.close()


def test_shape(keeper):
    assert [line.split()[0] for line in keeper.must("queue", "shape").splitlines()] == ["T", "TOTAL"]
    assert rows(keeper, "shape") == []
    minutes = [0, 4, 6, 11, 39, 641, 1279, 1281, 2000]
    for _ in minutes:
        send(keeper, "carol@mx.example")
    send(keeper, "carol@other.example", "carol@MX.example")
    assert wait_until(lambda: are_deferred(keeper))
    keeper.stop()
    make_older(keeper, [*minutes, 100])
    keeper.start(add_users=False)
    head, total, first, second = (line.split() for line in keeper.must("queue", "shape").splitlines())
    assert head == ["T", "5", "10", "20", "40", "80", "160", "320", "640", "1280", "1280+"]
    assert total == ["TOTAL", "11", "2", "1", "1", "1", "0", "2", "0", "0", "2", "2"]
    assert first == ["mx.example", "10", "2", "1", "1", "1", "0", "1", "0", "0", "2", "2"]
    assert second == ["other.example", "1", "0", "0", "0", "0", "0", "1", "0", "0", "0", "0"]
    found = rows(keeper, "shape")
    assert [row["destination"] for row in found] == ["mx.example", "other.example"]
    assert list(found[0]["ages"].items())[:2] == [("5", 2), ("10", 1)]
    assert found[0]["ages"]["older"] == 2 and found[0]["total"] == 10
    for ident in keeper.queued_ids():
        keeper.must("queue", "hold", ident)
    assert rows(keeper, "shape") == []


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
