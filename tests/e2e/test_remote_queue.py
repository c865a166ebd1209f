"""ampel-queue and who delivers to other hosts: what is handed over, limits, restarts."""

import queue
import time

import pytest

from queue_house import DELAY, FAILURE, OURS, Recipient
from server import wait_until

BASE, LEAST = 64, 20  # src/queue/shares.h
WINDOW = 1500  # src/queue/agent.c


def test_all_that_the_envelope_says_is_handed_over(new_house):
    house = new_house().start()
    text = "Subject: t\xe9\n\nbody\n"
    ident = house.submit(
        [Recipient("a@far.example", FAILURE | DELAY, "rfc822;orig@x.example"), Recipient("b@far.example")],
        text=text,
        ret=2,
        envid="QQ314",
        smtputf8=True,
    )
    jobs = sorted((house.next_job() for _ in range(2)), key=lambda job: job.address)
    first, second = (job.values for job in jobs)
    assert {job.id for job in jobs} == {ident}
    assert (first["notify"], first["orcpt"]) == (FAILURE | DELAY, b"rfc822;orig@x.example")
    assert (second["notify"], second["orcpt"]) == (0, b"")
    for values in (first, second):
        assert (values["ret"], values["envid"], values["smtputf8"], values["body"]) == (2, b"QQ314", 1, 1)
        assert values["reverse_path"] == b"sender@client.example"
        assert values["size"] == len(text.encode())
        assert not values["repeated"]
    assert {job.body for job in jobs} == {text}
    for job in jobs:
        job.end("delivered", text="250 2.0.0 ok", host="mx.far.example [192.0.2.9]", is_reply=1,
                protection="TLSv1.3 DANE")
    house.wait_empty()
    assert wait_until(lambda: house.remote.finished == {job.key for job in jobs})
    (line,) = house.log_lines("ev=delivered", "a@far.example")
    assert 'host="mx.far.example [192.0.2.9]"' in line and 'tls="TLSv1.3 DANE"' in line
    assert 'why="250 2.0.0 ok"' in line
    assert house.stop() == 0


def test_other_servers_words_are_made_printable(new_house):
    house = new_house().start()
    house.submit("a@far.example", sender=f"alice@{OURS}")
    house.next_job().end(
        "failed", "5.1.1", "550 no\r\nev=delivered rcpt=<x>\x1b[2J \xff" + "x" * 5000, is_reply=1
    )
    (notice,) = house.wait_mail()
    (line,) = house.log_lines("ev=failed")
    assert "550 no ev=delivered" in line and "\x1b" not in line
    assert "\x1b" not in notice.body and "\nev=delivered" not in notice.body


def test_without_a_remote_it_waits(new_house):
    house = new_house().start(remote=False)
    house.submit("a@far.example")
    house.submit(f"alice@{OURS}")
    house.wait_mail()
    time.sleep(0.3)
    assert [row["attempts"] for row in house.rows()] == [0]
    house.add_remote()
    house.next_job().end("delivered")
    house.wait_empty()
    assert not house.log_lines("ev=deferred")


def test_stop_without_a_remote(new_house):
    house = new_house().start(remote=False)
    house.submit("a@far.example")
    assert wait_until(lambda: [row["state"] for row in house.rows()] == [1])
    began = time.monotonic()
    assert house.stop() == 0
    assert time.monotonic() - began < 5
    (line,) = house.log_lines("ev=stop")
    assert "messages=1 queued=1 held=0 returned=1" in line
    house.start()
    house.next_job().end("delivered")
    house.wait_empty()


def test_a_remote_that_dies(new_house):
    """What it had comes to the next one, which is told that it may be there already."""
    house = new_house().start()
    for n in range(30):
        house.submit(f"a{n}@far.example")
    first = {house.next_job().key for _ in range(30)}
    house.remote.channel.socket.shutdown(2)
    house.add_remote()
    again = [house.next_job() for _ in range(30)]
    assert {job.key for job in again} == first
    assert all(job.values["repeated"] for job in again)
    for job in again:
        job.end("delivered")
    house.wait_empty()


@pytest.mark.parametrize("outcome", ["delivered", "failed", "deferred"])
def test_the_queue_dies(new_house, outcome):
    """Nothing that remote holds is leased again; what it says afterwards is taken."""
    house = new_house().start()
    for n in range(10):
        house.submit(f"a{n}@far.example", sender=f"alice@{OURS}")
    jobs = [house.next_job() for _ in range(10)]
    house.kill()
    house.start(remote_jobs=[job.key for job in jobs[:7]])
    # three it has lost: they come again
    lost = [house.next_job() for _ in range(3)]
    assert {job.key for job in lost} == {job.key for job in jobs[7:]}
    assert all(job.values["repeated"] for job in lost)
    time.sleep(0.3)
    assert house.jobs.empty()
    for job in jobs[:7]:
        job.agent = house.remote
    for job in jobs[:7] + lost:
        job.end(outcome, {"delivered": "2.0.0", "failed": "5.1.1", "deferred": "4.2.1"}[outcome], "so")
    if outcome == "deferred":
        assert wait_until(lambda: [row["attempts"] for row in house.rows()] == [1] * 10)
        return
    house.wait_empty()
    if outcome == "failed":
        # all that the notification needs is known after the restart
        for notice in house.wait_mail(10):
            assert notice.sender == ""
            assert "@far.example" in notice.body and "Subject: test" in notice.body


def test_nothing_is_leased_before_every_hello(new_house):
    house = new_house().start()
    house.submit("a@far.example")
    job = house.next_job()
    house.kill()
    house.start(remote="silent")
    house.submit(f"alice@{OURS}")
    time.sleep(0.5)
    assert not house.mail and house.jobs.empty()
    house.remote.hello([job.key])
    house.wait_mail()
    job.agent = house.remote
    job.end("delivered")
    house.wait_empty()
    assert house.jobs.empty()


def median_delays(house, n=50):
    """Of mail to others and to us, from its acceptance on, in seconds."""
    others, ours = [], []
    for i in range(n):
        began = time.monotonic()
        house.submit(f"b@alive{i % 5}.example")
        job = house.next_job()
        others.append(time.monotonic() - began)
        assert job.domain == f"alive{i % 5}.example"
        job.end("delivered")
        before = len(house.mail)
        began = time.monotonic()
        house.submit(f"alice@{OURS}")
        assert wait_until(lambda: len(house.mail) > before, 5, 0.001)
        ours.append(time.monotonic() - began)
    return sorted(others)[n // 2], sorted(ours)[n // 2]


def take_all(house, seconds=0.3):
    """What is handed over until no more comes."""
    jobs = []
    while True:
        try:
            jobs.append(house.next_job(seconds))
        except queue.Empty:
            return jobs


def test_a_dead_destination_keeps_nobody_waiting(new_house):
    """10,000 messages to a host that takes no connection were queued before."""
    house = new_house().start()
    without = median_delays(house)
    for n in range(10000):
        house.submit(f"a{n}@dead.example", wait=False)
    assert wait_until(lambda: len(house.results) >= 10100, 60)
    held = take_all(house)
    assert len(held) == BASE
    beside = median_delays(house)
    print("median delay, others and ours:", [f"{x * 1000:.1f} ms" for x in without + beside])
    assert all(b < 2 * w + 0.005 for w, b in zip(without, beside))
    # remote finds out, and then says so at once of each
    for job in held:
        job.end("deferred", "4.4.1", "no answer", is_down=1)
    seen = {job.key for job in held}
    began = time.monotonic()
    while len(seen) < 10000:
        job = house.next_job()
        assert job.key not in seen
        seen.add(job.key)
        job.end("deferred", "4.4.1", "no answer", is_down=1)
        assert house.jobs.qsize() < BASE
    print(f"{(time.monotonic() - began) / len(seen) * 1e6:.0f} us for each that was deferred")


def test_a_destination_that_takes_gets_more(new_house):
    """And one that defers gets less."""
    house = new_house().start()
    for n in range(6000):
        house.submit(f"a{n}@fast.example", wait=False)
    sizes = []
    while sum(sizes) < 6000 and (jobs := take_all(house)):
        sizes.append(len(jobs))
        for job in jobs:
            job.end("delivered")
    assert sum(sizes) == 6000
    assert sizes[0] == BASE and BASE < max(sizes) <= WINDOW and sizes[3] > sizes[1], sizes
    house.wait_empty()
    for n in range(200):
        house.submit(f"a{n}@fast.example", wait=False)
    batches = []
    while LEAST not in batches and len(batches) < 40:
        batches.append(len(jobs := take_all(house)))
        for job in jobs:
            job.end("deferred", "4.7.0", "too many")
        if not jobs:
            house.retry_all()
    assert batches[0] == 200 and LEAST in batches, batches


def test_one_remote_has_a_window(new_house):
    """However many destinations there are; and our own users have room beside them."""
    house = new_house().start()
    for n in range(4000):
        house.submit(f"a@x{n}.example", wait=False)
    held = take_all(house, 1)
    assert len(held) == WINDOW
    house.submit(f"alice@{OURS}")
    house.wait_mail()
    for job in held:
        job.end("delivered")
    while held := take_all(house):
        for job in held:
            job.end("delivered")
    house.wait_empty()
