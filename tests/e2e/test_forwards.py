"""ampel-queue and the messages that deliveries cause: stored with the end of the recipient, or not at all."""

import os
import queue
import time

import pytest

from frames import memory_file
from queue_house import OURS, SUCCESS, Recipient, base32
from server import wait_until

FAR = ["ann@far.example", "bob@near.example"]


class Delivery:
    """What comes for users waits for the test; what goes elsewhere is in house.jobs."""

    def __init__(self, new_house, **how):
        self.local = queue.SimpleQueue()
        self.house = new_house(on_job=self.on_job, **how)

    def on_job(self, job):
        (self.local if "user" in job.values else self.house.jobs).put(job)

    def next(self, seconds=20):
        return self.local.get(timeout=seconds)


@pytest.fixture
def delivery(new_house):
    def make(**how):
        made = Delivery(new_house, **how)
        made.house.start()
        return made

    return make


def is_finished(job):
    return wait_until(lambda: job.key in job.agent.finished)


def test_it_is_stored_with_the_end_of_its_recipient(delivery):
    d = delivery()
    d.house.submit(f"alice@{OURS}")
    job, ident = d.next(), d.house.new_id()
    text = "Delivered-To: alice@mx.example\nSubject: caf\xe9\n\nbody\n"
    job.forward(FAR + FAR[:1], ident, text, sender="Owner@mx.example")
    assert is_finished(job)
    jobs = sorted((d.house.next_job() for _ in FAR), key=lambda job: job.address)
    assert [job.address for job in jobs] == FAR  # the same one twice is one
    for one in jobs:
        assert (one.id, one.sender, one.body) == (ident, "Owner@mx.example", text)
        assert (one.values["notify"], one.values["orcpt"], one.values["ret"]) == (0, b"", 0)
        one.end("delivered")
    d.house.wait_empty()
    (line,) = d.house.log_lines("ev=forward")
    assert f"id={base32(job.id)}" in line and f"new={base32(ident)}" in line
    assert "rcpt=<alice@mx.example>" in line and "from=<Owner@mx.example>" in line and "recipients=3" in line


def test_to_many(delivery):
    d = delivery()
    d.house.submit(f"alice@{OURS}")
    targets = [f"joe{n}@far{n % 50}.example" for n in range(3000)]
    job = d.next()
    job.forward(targets, d.house.new_id())
    assert is_finished(job)
    got = set()
    while len(got) < len(targets):
        one = d.house.next_job()
        got.add(one.address)
        one.end("delivered")
    assert got == set(targets)


def test_to_one_of_ours(delivery):
    """It is routed as any other message, with its own reverse-path."""
    d = delivery(users=("alice", "bob"))
    d.house.submit(f"alice@{OURS}")
    d.next().forward([f"bob@{OURS}"], d.house.new_id(), sender="")
    second = d.next()
    assert (second.address, second.sender) == (f"bob@{OURS}", "")
    second.end("delivered")
    d.house.wait_empty()


def test_who_asked_is_told_that_it_arrived(delivery):
    """The notification and the forward are in one transaction."""
    d = delivery()
    ident = d.house.new_id()
    d.house.submit([Recipient(f"alice@{OURS}", notify=SUCCESS)], sender="sender@client.example")
    d.next().forward(FAR[:1], ident)
    jobs = {job.address: job for job in (d.house.next_job() for _ in range(2))}
    assert set(jobs) == {FAR[0], "sender@client.example"}
    assert jobs[FAR[0]].id == ident
    assert "Action: delivered" in jobs["sender@client.example"].body
    assert jobs["sender@client.example"].sender == ""


def test_what_the_store_refuses_is_tried_again(delivery):
    """It has another message of that id: the recipient is deferred, and nothing is lost."""
    d = delivery()
    ident = d.house.submit(f"alice@{OURS}")
    job = d.next()
    job.forward(FAR[:1], ident)
    assert is_finished(job)
    (row,) = d.house.rows()
    assert row["address"] == f"alice@{OURS}".encode() and row["attempts"] == 1
    assert b"could not be stored" in row["text"]
    assert not d.house.log_lines("ev=forward")
    d.house.retry_all()
    d.next().forward(FAR[:1], d.house.new_id())
    assert d.house.next_job().address == FAR[0]


def test_what_is_too_large_is_deferred(delivery):
    d = delivery(settings="message_size = 65536\n")
    d.house.submit(f"alice@{OURS}")
    job = d.next()
    job.forward(FAR[:1], d.house.new_id(), "x" * (2 * 65536 + 1024 * 1024 + 64 * 1024 + 1))
    assert is_finished(job)
    (row,) = d.house.rows()
    assert b"too large" in row["text"]


def open_file():
    fd = os.memfd_create("open")
    os.write(fd, b"Subject: forward\n\nbody\n")
    return fd


MALFORMED = {
    "a file that may change": lambda job, ident: job.forward(FAR, ident, fds=[open_file()]),
    "another size": lambda job, ident: job.forward(FAR, ident, forward_size=1),
    "an address that is none": lambda job, ident: job.forward(["x@y.example\r\nRCPT TO:<a@b.example"], ident),
    "no file": lambda job, ident: job.forward(FAR, ident, fds=[]),
    "files without a forward": lambda job, ident: job.end("delivered", fds=[1]),
    "not delivered": lambda job, ident: job.end(
        "deferred", fds=[memory_file("x")], forward_id=ident, forward_size=1, n=0),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_deliver_is_not_believed(delivery, what):
    """It runs as the user. It is hung up on; the recipient comes to the next one."""
    d = delivery()
    d.house.submit(f"alice@{OURS}")
    job = d.next()
    MALFORMED[what](job, d.house.new_id())
    again = d.next()
    assert again.key == job.key and again.values["repeated"] and again.agent is not job.agent
    again.end("delivered")
    d.house.wait_empty()
    assert not d.house.log_lines("ev=forward")


def test_remote_forwards_nothing(delivery):
    d = delivery()
    d.house.submit("ann@far.example")
    job = d.house.next_job()
    job.forward(FAR, d.house.new_id())
    assert wait_until(lambda: [row["state"] for row in d.house.rows()] in ([0], [1]))
    assert not d.house.log_lines("ev=forward") and not job.agent.finished
    d.house.add_remote()
    assert d.house.next_job().address == "ann@far.example"


def test_the_queue_is_killed_meanwhile(new_house):
    """
    Whenever that is: deliver says its outcome again, as service/jobs does, and there is one message.
    The moments are spread over what the commit takes.
    """
    d = Delivery(new_house)
    house = d.house.start()
    kinds = set()
    for delay_ms in [0, 1, 2, 3, 5, 8, 12, 20, 40]:
        house.submit(f"alice@{OURS}")
        job, ident = d.next(), house.new_id()
        job.forward(FAR[:1], ident)
        time.sleep(delay_ms / 1000)
        house.kill()
        was_finished = job.key in job.agent.finished
        while not house.jobs.empty():
            house.jobs.get()
        house.start(deliver_jobs=[] if was_finished else [job.key])
        if not was_finished:
            job.agent = house.agents[0]
            job.forward(FAR[:1], ident)
            assert is_finished(job)
        one = house.next_job()
        assert (one.address, one.id) == (FAR[0], ident)
        one.end("delivered")
        house.wait_empty()
        assert house.jobs.empty() and d.local.empty()
        kinds.add(was_finished)
    assert False in kinds  # else nothing was tried


def test_an_outcome_while_the_lease_is_being_renewed(new_house):
    """HELLO and the outcome come together: the forward waits for the store."""
    d = Delivery(new_house)
    house = d.house.start()
    house.submit(f"alice@{OURS}")
    job = d.next()
    house.kill()
    house.start(deliver_jobs=[job.key])
    job.agent, ident = house.agents[0], house.new_id()
    job.forward(FAR[:1], ident)
    assert is_finished(job)
    one = house.next_job()
    assert (one.address, one.id) == (FAR[0], ident)
    one.end("delivered")
    house.wait_empty()
    assert house.jobs.empty()


# ---- a reverse-path for each recipient ----


def test_each_recipient_has_his_reverse_path(delivery):
    d = delivery(aliases={f"team@{OURS}": ([f"alice@{OURS}"], "")})
    verp = "List-@client.example-@[]"
    d.house.submit(["ann@far.example", "Bob@far.example", f"team@{OURS}"], sender=verp)
    jobs = [d.house.next_job() for _ in range(2)] + [d.next()]
    assert {job.address: job.sender for job in jobs} == {
        "ann@far.example": "List-ann=far.example@client.example",
        "Bob@far.example": "List-Bob=far.example@client.example",
        # the list knows the alias
        f"alice@{OURS}": f"List-team={OURS}@client.example",
    }
    assert {row["reverse_path"] for row in d.house.rows()} == {verp.encode()}
    for job in jobs[:2]:
        job.end("failed", "5.1.1", "nobody")
    jobs[2].end("delivered")
    notice = d.house.next_job()
    assert (notice.address, notice.sender) == ("List-@client.example", "")
    assert "-@[]" not in notice.body
    assert "ann@far.example" in notice.body and "Bob@far.example" in notice.body  # one for both
    notice.end("delivered")
    d.house.wait_empty()
