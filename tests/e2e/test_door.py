"""What a listener allows, how long it waits, and that its last word is heard."""

import socket
import threading
import time

import pytest

from wire import Closed, Wire

BEGIN = b"EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<alice@mx.example>\r\n"
LINE = b"x" * 900 + b"\r\n"


@pytest.fixture
def started(new_server):
    return lambda **settings: new_server(settings=settings).start()


def greeted(server):
    wire = Wire(server.port)
    assert wire.reply().code == 220
    return wire


def rest_of(wire):
    """All that comes until the server closes; a reset is an error."""
    data = wire.buffer
    while piece := wire.socket.recv(65536):
        data += piece
    return data.decode()


def begin_data(server):
    wire = Wire(server.port)
    wire.send(BEGIN + b"DATA\r\n")
    while wire.reply().code != 354:
        pass
    return wire


def test_sessions_of_one_address(started):
    server = started(sessions_per_address=2)
    one, two = greeted(server), greeted(server)
    three = Wire(server.port)
    assert three.reply().status == "4.7.0"
    assert three.is_closed()
    one.expect(221, "QUIT")
    one.close()
    time.sleep(0.5)
    greeted(server).close()
    two.expect(250, "NOOP")


def greeted_at_last(server):
    """The session by which the start was verified may not have ended yet."""
    for _ in range(100):
        wire = Wire(server.port)
        if wire.reply().code == 220:
            return wire
        wire.close()
        time.sleep(0.1)
    raise AssertionError("no place became free")


def test_sessions_in_all(started):
    server = started(sessions=1)
    one = greeted_at_last(server)
    two = Wire(server.port)
    assert two.reply().status == "4.3.2"
    one.expect(250, "NOOP")


def test_who_does_not_read_is_closed(started):
    """The replies that wait for him are bounded, and so is the time."""
    server = started(command_timeout="1s")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.settimeout(10)
        with pytest.raises(OSError):
            while True:
                client.send(b"EHLO client.example\r\n" * 1000)
    greeted(server).expect(250, "NOOP")


def test_silent_client(started):
    wire = greeted(started(command_timeout="1s"))
    assert wire.reply().status == "4.4.2"
    assert wire.is_closed()


def test_silent_in_data(started):
    wire = begin_data(started(data_timeout="1s"))
    wire.send(b"Subject: never ends\r\n")
    assert wire.reply().status == "4.4.2"
    assert wire.is_closed()


def test_session_timeout(started):
    """However busy the client is."""
    wire = greeted(started(session_timeout="2s"))
    with pytest.raises(Closed):
        for _ in range(100):
            if wire.command("NOOP").status == "4.4.2":
                wire.read_line()
            time.sleep(0.1)


def test_message_memory(started):
    """Four messages at once, three of which find no memory and lie on disk; all arrive."""
    server = started(message_memory="1M")
    wires = [begin_data(server) for _ in range(4)]
    for wire in wires:
        wire.send(b"Subject: large\r\n\r\n" + LINE * 700)
    time.sleep(0.3)
    for wire in wires:
        wire.send(b".\r\n")
    for wire in wires:
        wire.expect(250)
    mails = server.wait_for_mail(n=4)
    assert {mail.body for mail in mails} == {LINE.replace(b"\r\n", b"\n") * 700}


def test_last_reply_is_heard(started):
    """Though much that the client sends behind it is never read."""
    wire = begin_data(started())
    wire.send(b"one\ntwo\r\n.\r\n" + b"junk\r\n" * 20000)
    assert rest_of(wire).startswith("550 5.6.0 ")


def test_refused_message_has_its_line(started):
    server = started()
    wire = begin_data(server)
    wire.send(b"one\ntwo\r\n.\r\n")
    wire.expect(550)
    (line,) = server.wait_for_log("ev=reject", "code=550")
    assert " id=" in line
    assert "from=<a@client.example>" in line
    assert "rcpt=<alice@mx.example>" in line


def test_reload_spares_who_is_there(started):
    server = started()
    old = begin_data(server)
    server.settings["message_size"] = "64k"
    server.write_conf()
    server.must("reload")
    old.send(b"Subject: large\r\n\r\n" + LINE * 100 + b".\r\n")
    old.expect(250)
    new = greeted(server)
    assert "SIZE 65536" in new.command("EHLO client.example").texts


def test_stop_lets_a_message_end(started):
    server = started()
    idle = greeted(server)
    busy = begin_data(server)
    stopping = threading.Thread(target=server.must, args=("stop",))
    stopping.start()
    assert idle.reply().status == "4.3.2"
    assert idle.is_closed()
    busy.send(b"Subject: last\r\n.\r\n")
    busy.expect(250)
    assert busy.reply().status == "4.3.2"
    stopping.join()
