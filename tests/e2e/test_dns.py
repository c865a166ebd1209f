"""ampel-dns and `ampel dns lookup`, with name servers of our own: honest and hostile ones."""

import concurrent.futures
import json
import os
import signal
import socket
import struct
import threading
import time

import pytest

import processes
from server import wait_until
from zones import PORT, Zones, loopback

GOOD, NONE, MISUSE, ABSENT, LATER = 0, 1, 64, 69, 75
PATIENCE = 30  # seconds, ampel-dns(8)
LARGE_SET = [f'big TXT "{i:04} {"x" * 240}"' for i in range(240)]  # 64 KiB is all a packet can be

ZONES = {
    "example.net": [
        "@ MX 10 mx",
        "@ MX 20 Backup.Example.NET.",
        "mx A 127.0.0.9",
        "mx AAAA 2001:db8::9",
        "_25._tcp.mx TLSA 3 1 1 " + "ab" * 32,
        '@ TXT "v=spf1 " "-all" "a\\"b\\\\c\\010"',
        "null MX 0 .",
        "chain1 CNAME chain2",
        *(f"chain{i} CNAME chain{i + 1}" for i in range(2, 7)),
        "chain7 A 127.0.0.7",
        *(f"long{i} CNAME long{i + 1}" for i in range(1, 20)),
        "long20 A 127.0.0.20",
        "round1 CNAME round2",
        "round2 CNAME round1",
        "self CNAME self",
        "away CNAME www.unsigned.example.",
        "astray CNAME nowhere.unsigned.example.",
        *LARGE_SET,
    ],
    "unsigned.example": ["www A 127.0.0.8", "to-signed CNAME mx.example.net."],
    "expired.example": ["@ MX 10 mx", "mx A 127.0.0.9"],
    "forged.example": ["@ MX 10 mx"],
    "stranger.example": ["@ MX 10 mx"],
    "9.9.9.in-addr.arpa": ["7 PTR host.example.net."],
}


@pytest.fixture(scope="module")
def zones():
    with Zones(
        ZONES,
        signed={"example.net"},
        expired={"expired.example"},
        forged={"forged.example"},
        unknown_key={"stranger.example"},
    ) as zones:
        yield zones


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module", params=["forward", pytest.param("from the root", marks=needs_root)])
def server(request, zones, module_server):
    block = zones.block if request.param == "forward" else zones.block_from_root
    return module_server(blocks=block).start()


def lookup(server, name, kind="A"):
    """(exit code, what came, as a dict)"""
    done = server.command("dns", "lookup", name, kind, "--json")
    assert done.stdout, f"{done.returncode} {done.stderr}\n{server.log()[-2000:]}"
    return done.returncode, json.loads(done.stdout)


ANSWERS = [
    # name, type, exit code, result, state, canonical name, records
    ("example.net", "MX", GOOD, "found", "secure", "", ["10 mx.example.net", "20 backup.example.net"]),
    ("EXAMPLE.net.", "mx", GOOD, "found", "secure", "", ["10 mx.example.net", "20 backup.example.net"]),
    ("mx.example.net", "A", GOOD, "found", "secure", "", ["127.0.0.9"]),
    ("mx.example.net", "AAAA", GOOD, "found", "secure", "", ["2001:db8::9"]),
    ("_25._tcp.mx.example.net", "TLSA", GOOD, "found", "secure", "", ["3 1 1 " + "ab" * 32]),
    ("example.net", "TXT", GOOD, "found", "secure", "", ['"v=spf1 " "-all" "a\\"b\\\\c\\010"']),
    ("null.example.net", "MX", GOOD, "found", "secure", "", ["0 ."]),
    ("chain1.example.net", "A", GOOD, "found", "secure", "chain7.example.net", ["127.0.0.7"]),
    ("chain1.example.net", "CNAME", GOOD, "found", "secure", "", ["chain2.example.net"]),
    ("chain1.example.net", "MX", NONE, "no such records", "secure", "chain7.example.net", []),
    ("away.example.net", "A", GOOD, "found", "insecure", "www.unsigned.example", ["127.0.0.8"]),
    ("astray.example.net", "A", NONE, "no such name", "insecure", "nowhere.unsigned.example", []),
    ("to-signed.unsigned.example", "A", GOOD, "found", "insecure", "mx.example.net", ["127.0.0.9"]),
    ("www.unsigned.example", "A", GOOD, "found", "insecure", "", ["127.0.0.8"]),
    ("www.unsigned.example", "MX", NONE, "no such records", "insecure", "", []),
    ("not-there.unsigned.example", "A", NONE, "no such name", "insecure", "", []),
    ("not-there.example.net", "A", NONE, "no such name", "secure", "", []),
    ("mx.example.net", "MX", NONE, "no such records", "secure", "", []),
    ("no-such-tld-at-all", "MX", NONE, "no such name", "secure", "", []),
    ("7.9.9.9.in-addr.arpa", "PTR", GOOD, "found", "insecure", "", ["host.example.net"]),
    ("expired.example", "MX", LATER, "bogus", "bogus", "", []),
    ("mx.expired.example", "TXT", LATER, "bogus", "bogus", "", []),
    ("forged.example", "MX", LATER, "bogus", "bogus", "", []),
    ("stranger.example", "MX", LATER, "bogus", "bogus", "", []),
]


@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: f"{row[0]} {row[1]}")
def test_answers(server, row):
    name, kind, code, result, state, canonical, records = row
    got_code, got = lookup(server, name, kind)
    assert (got["result"], got["state"]) == (result, state), got
    assert got_code == code
    assert sorted(got["records"]) == sorted(records)
    assert got["name"] == name.removesuffix(".")
    assert got["type"] == kind.upper()
    assert bool(got["text"]) == (result == "bogus")
    if result != "bogus":
        assert got["canonical"] == (canonical or name.lower().removesuffix("."))
        assert 0 < got["ttl"] <= 5


@pytest.mark.parametrize(
    ("name", "why"),
    [("expired.example", "expired"), ("forged.example", "verification failed"), ("stranger.example", "DS")],
)
def test_why_it_is_bogus(server, name, why):
    done = server.command("dns", "lookup", name, "MX")
    assert done.returncode == LATER
    assert done.stdout.startswith("bogus: ") and why in done.stdout
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("name", ["round1", "self", "long1"])
def test_chain_without_an_end(server, name):
    code, got = lookup(server, f"{name}.example.net")
    assert (code, got["result"], got["records"]) == (LATER, "try later", [])
    assert got["text"] == "no name server gave an answer (SERVFAIL)"


def test_large_answer(server):
    """It comes by TCP, and does not fit into one of our own frames."""
    code, got = lookup(server, "big.example.net", "TXT")
    assert (code, got["state"]) == (GOOD, "secure")
    assert sorted(got["records"]) == sorted(line.removeprefix("big TXT ") for line in LARGE_SET)
    assert sum(map(len, got["records"])) > 57 * 1024


def test_for_people(server):
    done = server.command("dns", "lookup", "chain1.example.net", "A")
    assert done.returncode == GOOD
    head, record = done.stdout.splitlines()
    assert head.startswith("found, secure, ttl ") and head.endswith(", canonical name chain7.example.net")
    assert record == "127.0.0.7"


@pytest.mark.parametrize(
    "words",
    [
        ("a b.example", "A"),
        ("-c.example", "A"),
        ("bücher.example", "A"),
        ("a..example", "A"),
        ("a\n.example", "A"),
        ("", "A"),
        ("x" * 64 + ".example", "A"),
        ("example.net", "ANY"),
        ("example.net", "15"),
        ("example.net",),
        (),
    ],
    ids=repr,
)
def test_misuse(server, words):
    done = server.command("dns", "lookup", *words)
    assert (done.returncode, done.stdout) == (MISUSE, "")
    assert len(done.stderr.splitlines()) in (1, 2)


def test_server_that_does_not_run(new_server, zones):
    server = new_server(blocks=zones.block)
    done = server.command("dns", "lookup", "example.net", "MX")
    assert (done.returncode, done.stdout) == (ABSENT, "")


@needs_root
def test_it_is_locked_in(server):
    (pid,) = server.pids("dns")
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    assert status["Uid"].split() == [str(server.uid_of("_ampeldns"))] * 4
    assert os.path.realpath(f"/proc/{pid}/root") != "/"
    for task in os.listdir(f"/proc/{pid}/task"):
        text = open(f"/proc/{pid}/task/{task}/status").read()
        assert "NoNewPrivs:\t1" in text and f"Uid:\t{server.uid_of('_ampeldns')}\t" in text
    for fd in os.listdir(f"/proc/{pid}/fd"):
        assert not os.path.isdir(f"/proc/{pid}/fd/{fd}")


# ---- what happens meanwhile ----


def begin(server, *names, kind="A"):
    """Lookups at the same time: their futures."""
    pool = concurrent.futures.ThreadPoolExecutor(len(names))
    return [pool.submit(server.command, "dns", "lookup", name, kind) for name in names]


def test_killed(new_server, zones):
    server = new_server(blocks=zones.block).start()
    assert lookup(server, "mx.example.net")[0] == GOOD
    zones.pause()
    try:
        waiting = begin(server, "not-asked-yet.example.net")
        time.sleep(0.3)
        (pid,) = server.pids("dns")
        processes.kill(pid, signal.SIGKILL)
        done = waiting[0].result(10)
    finally:
        zones.resume()
    assert (done.returncode, done.stderr) == (LATER, "ampel: the resolver ended meanwhile\n")
    assert wait_until(lambda: server.command("dns", "lookup", "mx.example.net", "A").returncode == GOOD, 10)
    assert server.pids("dns") != [pid]


def test_silent_forwarder(new_server, zones):
    server = new_server(blocks=zones.block).start()
    zones.pause()
    try:
        began = time.monotonic()
        code, got = lookup(server, "mx.example.net")
        took = time.monotonic() - began
    finally:
        zones.resume()
    assert (code, got["result"]) == (LATER, "try later")
    assert got["text"]
    assert took < PATIENCE + 2
    answers = lambda: server.command("dns", "lookup", "mx.example.net", "A").returncode == GOOD
    assert wait_until(answers, 60, 1)


def test_reload_with_another_forwarder(new_server, zones):
    with Zones({"example.net": ["@ MX 10 elsewhere"]}, ttl=3600) as other:
        server = new_server(blocks=other.block).start()
        assert lookup(server, "example.net", "MX")[1]["records"] == ["10 elsewhere.example.net"]
        (pid,) = server.pids("dns")
        # what was learnt from the one is not believed of the other
        server.blocks = other.block.replace(other.address, zones.address)
        server.write_conf()
        server.must("reload")
        code, got = lookup(server, "null.example.net", "MX")
        assert (code, got["records"]) == (GOOD, ["0 ."])
        assert len(lookup(server, "example.net", "MX")[1]["records"]) == 2
        assert server.pids("dns") == [pid]


def test_changed_zone(new_server):
    """What was learnt holds as long as it says, not longer."""
    with Zones({"example.net": ["@ MX 10 old"]}, signed={"example.net"}, ttl=1) as own:
        server = new_server(blocks=own.block).start()
        assert lookup(server, "example.net", "MX")[1]["records"] == ["10 old.example.net"]
        own.replace("example.net", ["@ MX 10 new", "www A 127.0.0.1"])
        fresh = lambda: lookup(server, "example.net", "MX")[1]["records"] == ["10 new.example.net"]
        assert wait_until(fresh, 5, 0.2)
        assert lookup(server, "www.example.net")[1]["state"] == "secure"


def test_reload_without_a_change_keeps_the_cache(new_server):
    with Zones({"example.net": ["@ MX 10 mx"]}, ttl=3600) as own:
        server = new_server(blocks=own.block).start()
        assert lookup(server, "example.net", "MX")[0] == GOOD
        own.halt()
        server.must("reload")
        assert lookup(server, "example.net", "MX")[0] == GOOD


def test_reload_while_somebody_waits(new_server, zones):
    """The old one still answers what it was asked."""
    with Hostile(lambda q: [q.answer(A, b"\x01\x02\x03\x04")], delay=1) as hostile:
        server = new_server(blocks=hostile.block(zones)).start()
        waiting = begin(server, "www.unsigned.example")
        assert wait_until(lambda: hostile.asked("www.unsigned.example"), 5)
        server.blocks = server.blocks.replace(hostile.address, zones.address)
        server.write_conf()
        server.must("reload")
        assert lookup(server, "www.unsigned.example")[1]["records"] == ["127.0.0.8"]
        assert "1.2.3.4" in waiting[0].result(20).stdout


@pytest.fixture
def silent():
    """It answers nothing at all."""
    with Hostile(lambda q: []) as one:
        yield one


def wait_for_question(server, silent, name):
    """Somebody waits for an answer that does not come."""
    waiting = begin(server, name)
    assert wait_until(lambda: silent.names, 5)
    return waiting[0]


def test_two_reloads_while_somebody_waits(new_server, zones, silent):
    """Two caches are enough: who still waits for the first is told to try later."""
    server = new_server(blocks=silent.block(zones)).start()
    waiting = wait_for_question(server, silent, "www.unsigned.example")
    for again in ("", f', "{zones.address}:{PORT}"'):
        server.blocks = silent.block(zones).replace(
            f'"{silent.address}:{PORT}"', f'"{zones.address}:{PORT}"{again}'
        )
        server.write_conf()
        server.must("reload")
    done = waiting.result(5)
    assert (done.returncode, done.stdout) == (LATER, "try later: the configuration has changed\n")
    assert lookup(server, "www.unsigned.example")[0] == GOOD


def test_stop_while_somebody_waits(new_server, zones, silent):
    server = new_server(blocks=silent.block(zones)).start()
    waiting = wait_for_question(server, silent, "www.unsigned.example")
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10
    assert waiting.result(5).returncode == LATER


def test_reload_with_another_anchor_is_refused(new_server, zones):
    server = new_server(blocks=zones.block).start()
    server.blocks = zones.block.replace(str(zones.anchor), "/usr/share/dns/root.key")
    server.write_conf()
    done = server.command("reload")
    assert done.returncode == 78
    assert "anchor" in done.stdout + done.stderr and "stop and a start" in done.stdout + done.stderr
    assert lookup(server, "example.net", "MX")[1]["state"] == "secure"


@pytest.mark.parametrize(
    "text",
    ["", "; nothing\n", "example.net. IN A 127.0.0.1\n", ". IN DS 1 2\n", "rubbish\n", None],
    ids=repr,
)
def test_anchor_that_is_none(new_server, zones, text):
    path = zones.folder / "anchor-of-a-test"
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text)
    server = new_server(blocks=zones.block.replace(str(zones.anchor), str(path)))
    server.add_users()
    server.launch()
    assert "anchor" in server.wait_for_log("ampel-dns: dns: ")[0]


# ---- hostile servers ----

A, CNAME, PTR, MX, TXT, AAAA = 1, 5, 12, 15, 16, 28
POINTER = b"\xc0\x0c"  # to the name of the question


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class Query:
    def __init__(self, packet):
        self.id = packet[:2]
        end = packet.index(b"\0", 12) + 1
        self.question = packet[12 : end + 4]
        self.labels = packet[12:end]
        self.kind = struct.unpack(">H", packet[end : end + 2])[0]

    @property
    def name(self):
        text, rest = [], self.labels
        while rest[0]:
            text.append(rest[1 : 1 + rest[0]].decode().lower())
            rest = rest[1 + rest[0] :]
        return ".".join(text)

    def packet(self, *records, ident=None, flags=0x8180, question=None, extra=()):
        counts = struct.pack(">HHHH", 1, len(records), 0, len(extra))
        head = (ident or self.id) + struct.pack(">H", flags) + counts
        return head + (question or self.question) + b"".join(records) + b"".join(extra)

    def answer(self, kind, data, **more):
        return self.packet(record(kind, data), **more)


def record(kind, data, name=POINTER, ttl=300, length=None):
    size = len(data) if length is None else length
    return name + struct.pack(">HHIH", kind, 1, ttl, size) + data


class Hostile:
    """A server by UDP that says to each query what the test wants, and nothing to those for DNSSEC."""

    def __init__(self, answers, delay=0):
        self.answers = answers
        self.delay = delay
        self.address = loopback()
        self.names = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, PORT))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                packet, client = self.socket.recvfrom(4096)
            except OSError:
                return
            query = Query(packet)
            self.names.append(query.name)
            threading.Timer(self.delay, self.send, (query, client)).start()

    def send(self, query, client):
        for packet in self.answers(query):
            try:
                self.socket.sendto(packet, client)
            except OSError:
                return

    def asked(self, name):
        return self.names.count(name)

    def block(self, zones):
        return f'dns {{ forward = {{ "{self.address}:{PORT}" }} {zones.no_anchor()} }}\n'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


WORDS = {
    # what the server does, for the name that the test asks
    "wrong-id": lambda q: [
        q.answer(A, b"\x06\x06\x06\x06", ident=bytes([q.id[0] ^ 1, q.id[1]])),
        q.answer(A, b"\x01\x02\x03\x04"),
    ],
    "other-question": lambda q: [
        q.packet(
            record(A, b"\x06\x06\x06\x06"), question=wire("other.test.example") + b"\0\1\0\1"
        ),
        q.answer(A, b"\x01\x02\x03\x04"),
    ],
    "cut": lambda q: [q.answer(A, b"\x01\x02\x03\x04")[:-3]],
    "cut-head": lambda q: [q.answer(A, b"\x01\x02\x03\x04")[:9]],
    "counts": lambda q: [q.id + struct.pack(">HHHHH", 0x8180, 1, 65535, 0, 0) + q.question],
    "truncated": lambda q: [q.packet(flags=0x8380)],
    "pointer-to-itself": lambda q: [
        q.packet(record(A, b"\1\2\3\4", name=struct.pack(">H", 0xC000 | (12 + len(q.question)))))
    ],
    "five-bytes": lambda q: [q.answer(A, b"\x01\x02\x03\x04\x05")],
    "three-bytes": lambda q: [q.answer(A, b"\x01\x02\x03")],
    "length": lambda q: [q.packet(record(A, b"\1\2\3\4", length=4000))],
    "servfail": lambda q: [q.packet(flags=0x8182)],
    "refused": lambda q: [q.packet(flags=0x8185)],
    "formerr": lambda q: [q.packet(flags=0x8181)],
    "unknown-code": lambda q: [q.packet(flags=0x818F)],
    "dot": lambda q: [q.answer(MX, b"\0\x0a" + b"\x04mx.a\x07example\0")],
    "newline": lambda q: [q.answer(MX, b"\0\x0a" + b"\x04mx\na\x07example\0")],
    "nul": lambda q: [q.answer(MX, b"\0\x0a" + b"\x04mx\0a\x07example\0")],
    "escape": lambda q: [q.answer(PTR, b"\x04\x1b[2J\x07example\0")],
    "dash": lambda q: [q.answer(PTR, b"\x0f-oProxyCommand=\x07example\0")],
    "cname-newline": lambda q: [
        q.packet(
            record(CNAME, b"\x03a\nb\0"),
            record(A, b"\1\2\3\4", name=b"\x03a\nb\0"),
        )
    ],
    "txt": lambda q: [q.answer(TXT, b"\x07\x1b[2J\n\"\\")],
    "txt-overrun": lambda q: [q.answer(TXT, b"\x20short")],
    "mx-short": lambda q: [q.answer(MX, b"\0")],
    "mx-garbage": lambda q: [q.answer(MX, b"\0\x0a\x02mx\0garbage")],
    "ttl": lambda q: [q.packet(record(A, b"\1\2\3\4", ttl=0xFFFFFFFF))],
    "poison": lambda q: [
        q.packet(
            record(A, b"\1\2\3\4"),
            record(A, b"\6\6\6\6", name=wire("victim.test.example")),
            extra=[record(A, b"\6\6\6\6", name=wire("victim.test.example"))],
        )
    ],
    "victim": lambda q: [q.answer(A, b"\1\2\3\4")],
}


def scripted(q):
    word = q.name.split(".")[0]
    return WORDS[word](q) if word in WORDS else [q.packet(flags=0x8183)]


@pytest.fixture(scope="module")
def besieged(zones, module_server):
    with Hostile(scripted) as hostile:
        yield module_server(blocks=hostile.block(zones)).start()


@pytest.mark.parametrize(
    ("word", "kind", "records"),
    [
        ("wrong-id", "A", ["1.2.3.4"]),
        ("ttl", "A", ["1.2.3.4"]),
        ("txt", "TXT", ['"\\027[2J\\010\\"\\\\"']),
        ("dot", "MX", ["(malformed)"]),
        ("newline", "MX", ["(malformed)"]),
        ("nul", "MX", ["(malformed)"]),
        ("escape", "PTR", ["(malformed)"]),
        ("dash", "PTR", ["(malformed)"]),
    ],
)
def test_hostile_answers_with_something_in_them(besieged, word, kind, records):
    code, got = lookup(besieged, f"{word}.test.example", kind)
    assert (code, got["state"], got["records"]) == (GOOD, "insecure", records)
    text = besieged.command("dns", "lookup", f"{word}.test.example", kind).stdout
    assert len(text.splitlines()) == 2 and text.replace("\n", "").isprintable()
    assert got["ttl"] <= 86400


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("other-question", "A"),
        ("cut", "A"),
        ("cut-head", "A"),
        ("counts", "A"),
        ("truncated", "A"),
        ("pointer-to-itself", "A"),
        ("five-bytes", "A"),
        ("three-bytes", "A"),
        ("length", "A"),
        ("servfail", "A"),
        ("refused", "A"),
        ("formerr", "A"),
        ("unknown-code", "A"),
        ("cname-newline", "A"),
        ("txt-overrun", "TXT"),
        ("mx-short", "MX"),
        ("mx-garbage", "MX"),
    ],
)
def test_hostile_answers_with_nothing_in_them(besieged, word, kind):
    began = time.monotonic()
    done = besieged.command("dns", "lookup", f"{word}.test.example", kind)
    assert done.returncode == LATER or done.stdout.splitlines()[1:] == ["(malformed)"]
    assert done.stdout.replace("\n", "").isprintable()
    assert time.monotonic() - began < PATIENCE + 2
    assert len(besieged.pids("dns")) == 1


def test_poison(besieged):
    assert lookup(besieged, "poison.test.example")[1]["records"] == ["1.2.3.4"]
    assert lookup(besieged, "victim.test.example")[1]["records"] == ["1.2.3.4"]


def test_it_is_still_the_same_process(besieged):
    """None of them made it die."""
    assert besieged.log_lines("ampel-dns", "ended") == []
    assert lookup(besieged, "wrong-id.test.example")[0] == GOOD


def test_the_same_question_goes_out_once(new_server, zones):
    with Hostile(lambda q: [q.answer(A, b"\1\2\3\4")], delay=0.3) as slow:
        server = new_server(blocks=slow.block(zones)).start()
        names = ["www.test.example", "WWW.test.example", "www.test.example."] * 3
        for done in begin(server, *names):
            assert "1.2.3.4" in done.result(20).stdout
        assert slow.asked("www.test.example") == 1
