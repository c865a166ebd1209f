"""When what was deferred is tried again, and when no more. The whole week: tests/unit/mail/retry.c."""

import signal
import time

import notification
import processes
from queue_house import OURS
from server import wait_until
from wire import Wire

ALICE = f"alice@{OURS}"
SLACK = 1.0  # seconds that a busy machine may take


def defer(job, text="451 try later"):
    job.end("deferred", "4.2.1", text, host="mx.far.example", is_reply=1)


def due_in(house):
    """Seconds until each is due, as the queue has it."""
    return sorted(row["due_ms"] / 1000 - time.time() for row in house.rows())


def wait_deferred(house, n=1):
    assert wait_until(lambda: [row["attempts"] > 0 for row in house.rows()] == [True] * n)


def test_the_first_wait(new_house):
    """20 squared for others, 10 squared for us, a tenth more at most."""
    house = new_house(on_job=lambda job: defer(job)).start()
    house.submit("a@far.example")
    house.submit(ALICE)
    wait_deferred(house, 2)
    ours, others = due_in(house)
    assert 100 - SLACK <= ours <= 110 and 400 - SLACK <= others <= 440


def test_a_short_life(new_house):
    """The last attempt is at the end of it; then its sender hears the last reason."""
    house = new_house(settings="queue_lifetime = 3s\n").start()
    house.submit("a@far.example", sender=ALICE)
    first = house.next_job()
    defer(first, "451 the first")
    second = house.next_job()
    assert 2.9 - SLACK <= second.at - first.at <= 3 + SLACK
    defer(second, "451 the second")
    (job,) = house.wait_mail()
    told = notification.read(job.body)
    (one,) = told.recipients
    assert one["Action"] == "failed"
    # RFC 3463 section 3.5: the actual problem, not that time expired
    assert one["Status"] == "4.2.1" and one["Diagnostic-Code"] == "smtp;451 the second"
    assert "the first" not in job.body
    house.wait_empty()
    (line,) = house.log_lines("ev=failed")
    assert "expired=yes" in line


def test_what_is_due_sooner_does_not_wait_for_the_later(new_house):
    house = new_house(settings="queue_lifetime = 60s\n").start()
    house.submit("late@far.example")
    defer(house.next_job())
    wait_deferred(house)
    house.submit("soon@far.example", age_s=57)
    first = house.next_job()
    defer(first)
    second = house.next_job()
    assert second.address == "soon@far.example"
    assert second.at - first.at <= 3 + SLACK


def test_a_restart_hastens_nothing(new_house):
    house = new_house(settings="queue_lifetime = 4s\n").start()
    house.submit("a@far.example")
    first = house.next_job()
    defer(first)
    wait_deferred(house)
    house.kill()
    house.start()
    assert house.next_job().at - first.at >= 4 - 0.1 - SLACK


def test_everything_is_due_now(new_house):
    house = new_house().start()
    for n in range(300):
        house.submit(f"a{n}@x{n % 30}.example", wait=False)
    for _ in range(300):
        defer(house.next_job())
    wait_deferred(house, 200)
    house.retry_all()
    seen = {house.next_job().key for _ in range(300)}
    assert len(seen) == 300
    # what is out already is not meant
    house.retry_all()
    time.sleep(0.3)
    assert house.jobs.empty()
    assert wait_until(lambda: house.log_lines("300 recipients are due now"))


def test_alarm_and_term_of_a_whole_server(new_server):
    server = new_server().start()
    server.must("stop", "send")
    with Wire(server.port) as wire:
        wire.begin("alice@mx.example", "bob@mx.example")
        assert wire.data(b"Subject: x\r\n\r\nbody\r\n").code == 250
    processes.kill(server.supervisor(), signal.SIGALRM)
    server.wait_for_log("2 recipients are due now")
    assert processes.is_running(server.supervisor())
    server.stop()
    (line,) = server.log_lines("ev=stop")
    assert "messages=1 queued=2 held=0 returned=0" in line
