"""What comes back: one notification, to the right one, and nothing to nobody."""

import time

import pytest

import notification
from queue_house import DELAY, FAILURE, NEVER, OURS, SUCCESS, Recipient
from server import id_in, wait_until
from wire import Wire

ALICE = f"alice@{OURS}"
TEXT = "From: alice@mx.example\nSubject: hello there\nMessage-ID: <1@mx.example>\n\nthe body\n"
HOUR = 3600


def fail(job, text="550 5.1.1 no such user", status="5.1.1"):
    job.end("failed", status, text, host="mx.far.example [192.0.2.9]", is_reply=1)


def read_only(house):
    (job,) = house.wait_mail()
    return job, notification.read(job.body)


def nobody_is_told(house, seconds=0.5):
    house.wait_empty()
    time.sleep(seconds)
    house.wait_empty()
    assert not house.mail


# ---- failed ----


def test_what_fails_elsewhere(new_house):
    house = new_house().start()
    ident = house.submit("a@far.example", sender=ALICE, text=TEXT, envid="QQ314")
    fail(house.next_job())
    job, told = read_only(house)
    assert (job.sender, job.address) == ("", ALICE)
    assert told.mail["To"] == ALICE
    assert "550 5.1.1 no such user" in told.human and "mx.far.example" in told.human
    assert told.message["Original-Envelope-Id"] == "QQ314"
    (one,) = told.recipients
    assert one["Action"] == "failed" and one["Status"] == "5.1.1"
    assert one["Final-Recipient"] == "rfc822;a@far.example"
    assert one["Remote-MTA"].startswith("dns;mx.far.example")
    assert one["Diagnostic-Code"] == "smtp;550 5.1.1 no such user"
    assert "Subject: hello there" in told.original and "the body" in told.original
    house.wait_empty()
    (line,) = house.log_lines("ev=bounce")
    assert f"to=<{ALICE}>" in line
    new = line.split("new=")[1].split()[0]
    assert house.log_lines(f"id={new}", "ev=delivered")
    assert line.split("id=")[1].split()[0] == house.log_lines("ev=failed")[0].split("id=")[1].split()[0]
    assert ident and not house.log_lines("held")


def test_what_fails_here(new_house):
    """Between its acceptance and its delivery the user went."""
    house = new_house().start()
    house.submit(f"gone@{OURS}", sender=ALICE)
    _, told = read_only(house)
    assert told.recipient(f"gone@{OURS}")["Status"] == "5.1.1"
    house.wait_empty()


def test_a_user_that_the_supervisor_does_not_know(new_house):
    house = new_house(aliases={f"x@{OURS}": ([ALICE], "")}).start()
    house.users.discard("alice")
    house.submit(f"x@{OURS}", sender=f"postmaster@{OURS}")
    _, told = read_only(house)
    assert told.recipient(ALICE)["Action"] == "failed"


def test_the_sender_is_elsewhere(new_house):
    """The local part of a reverse-path is its own affair (VERP)."""
    house = new_house().start()
    house.submit(f"gone@{OURS}", sender="List-Owner+Member=Host@Lists.Example")
    job = house.next_job()
    assert job.address == "List-Owner+Member=Host@lists.example"
    assert job.sender == "" and job.values["notify"] == NEVER
    notification.read(job.body)
    job.end("delivered")
    house.wait_empty()


def test_recipients_that_fail_together_share_one(new_house):
    house = new_house().start()
    house.submit([f"a{n}@far.example" for n in range(5)] + [ALICE], sender=ALICE, text=TEXT)
    for n, job in enumerate([house.next_job() for _ in range(5)]):
        fail(job, f"550 {job.address}")
    house.wait_empty()
    jobs = house.wait_mail(2)
    (notice,) = [job for job in jobs if job.sender == ""]
    told = notification.read(notice.body)
    assert sorted(r["Final-Recipient"] for r in told.recipients) == [f"rfc822;a{n}@far.example" for n in range(5)]
    for n in range(5):
        assert f"550 a{n}@far.example" in told.human
    assert len(house.log_lines("ev=bounce")) == 5
    assert len({line.split("new=")[1].split()[0] for line in house.log_lines("ev=bounce")}) == 1


def test_more_than_one_can_name(new_house):
    house = new_house().start()
    house.submit([f"gone{n}@{OURS}" for n in range(250)], sender=ALICE)
    house.wait_empty(30)
    told = [notification.read(job.body) for job in house.wait_mail(3)]
    named = [r["Final-Recipient"] for one in told for r in one.recipients]
    assert sorted(named) == sorted(f"rfc822;gone{n}@{OURS}" for n in range(250))


def test_a_large_original_comes_back_as_its_header_section(new_house):
    house = new_house().start()
    text = TEXT + "x" * 70 + "\n"
    house.submit(f"gone@{OURS}", sender=ALICE, text=TEXT + ("x" * 70 + "\n") * 5000)
    _, told = read_only(house)
    assert "Subject: hello there" in told.original and "the body" not in told.original
    house.mail.clear()
    house.submit(f"gone@{OURS}", sender=ALICE, text=text, ret=2)
    _, told = read_only(house)
    assert "Subject: hello there" in told.original and "the body" not in told.original


def test_stop_does_not_wait_for_others_of_a_message(new_house):
    house = new_house().start()
    house.submit([f"a{n}@far.example" for n in range(3)], sender=ALICE)
    jobs = [house.next_job() for _ in range(3)]
    fail(jobs[0])
    assert wait_until(lambda: house.log_lines("ev=failed"))
    jobs[1].end("delivered")
    jobs[2].end("deferred", "4.2.1", "later")
    time.sleep(0.1)
    began = time.monotonic()
    assert house.stop() == 0
    assert time.monotonic() - began < 1.5
    house.start()
    read_only(house)


def test_what_cannot_be_told_is_not_over(new_house):
    """A path of such a length comes from nobody, and no notification can be made for it."""
    house = new_house().start()
    house.submit([f"gone@{OURS}", ALICE], sender="a" * 2000 + "@far.example")
    house.wait_mail()
    kept = lambda: [(row["attempts"], row["address"]) for row in house.rows()]
    assert wait_until(lambda: kept() == [(1, f"gone@{OURS}".encode())])
    assert house.log_lines("no notification of")
    assert not house.log_lines("ev=bounce")


# ---- nobody to tell ----


def test_a_null_reverse_path_is_the_postmasters(new_house):
    house = new_house().start()
    house.submit(f"gone@{OURS}", sender="", text=TEXT)
    job, told = read_only(house)
    assert (job.sender, job.address) == ("", f"postmaster@{OURS}")
    assert "Subject: hello there" in told.original
    assert len(house.log_lines("ev=double-bounce")) == 1
    house.wait_empty()


def test_bounce_double_bounce_and_the_third(new_house):
    house = new_house(users=["alice"]).start()
    ident = house.submit(f"gone@{OURS}", sender=f"gone-too@{OURS}")
    nobody_is_told(house)
    assert ident
    assert len(house.log_lines("ev=bounce")) == 1
    (double,) = house.log_lines("ev=double-bounce")
    assert f"to=<postmaster@{OURS}>" in double
    (third,) = house.log_lines("ev=discarded")
    assert double.split("new=")[1].split()[0] in third


def test_the_postmaster_may_be_elsewhere(new_house):
    house = new_house(settings='double_bounce_to = "ops@far.example"\n').start()
    house.submit(f"gone@{OURS}", sender="")
    job = house.next_job()
    assert (job.sender, job.address) == ("", "ops@far.example")
    fail(job)
    nobody_is_told(house)
    assert len(house.log_lines("ev=discarded")) == 1


def test_double_bounces_can_be_discarded(new_house):
    house = new_house(settings='double_bounce_to = ""\n').start()
    house.submit(f"gone@{OURS}", sender="")
    nobody_is_told(house)
    assert len(house.log_lines("ev=discarded")) == 1


# ---- delays ----


def test_a_warning_comes_once(new_house):
    house = new_house().start()
    house.submit("a@far.example", sender=ALICE, text=TEXT, age_s=5 * HOUR)
    house.next_job().end("deferred", "4.4.1", "connection timed out")
    _, told = read_only(house)
    (one,) = told.recipients
    assert one["Action"] == "delayed" and one["Status"] == "4.4.1" and "Will-Retry-Until" in one
    assert "connection timed out" in told.human
    for _ in range(2):
        house.retry_all()
        house.next_job().end("deferred", "4.4.1", "connection timed out")
    assert wait_until(lambda: [row["attempts"] for row in house.rows()] == [3])
    # nor after a restart
    house.kill()
    house.start()
    house.retry_all()
    house.next_job().end("deferred", "4.4.1", "connection timed out")
    assert wait_until(lambda: [row["attempts"] for row in house.rows()] == [4])
    time.sleep(0.5)
    assert len(house.mail) == 1 and len(house.log_lines("ev=warning")) == 1


UNATTENDED = "List-Id: <l.example>\n" + TEXT


@pytest.mark.parametrize(
    "why, more",
    [
        ("young", {"age_s": 3 * HOUR}),
        ("off", {"settings": "delay_warning = 0s\n"}),
        ("a list", {"text": UNATTENDED}),
        ("no sender", {"sender": ""}),
        ("never", {"recipients": [Recipient("a@far.example", NEVER)]}),
        ("failures only", {"recipients": [Recipient("a@far.example", FAILURE)]}),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_no_warning(new_house, why, more):
    house = new_house(settings=more.pop("settings", "")).start()
    house.submit(**{"recipients": "a@far.example", "sender": ALICE, "text": TEXT, "age_s": 5 * HOUR} | more)
    house.next_job().end("deferred", "4.4.1", "connection timed out")
    assert wait_until(lambda: [row["attempts"] for row in house.rows()] == [1])
    time.sleep(0.5)
    assert not house.mail and not house.log_lines("ev=warning")


def test_a_warning_that_is_asked_for(new_house):
    house = new_house(settings="delay_warning = 1h\n").start()
    house.submit([Recipient("a@far.example", DELAY)], sender=ALICE, age_s=2 * HOUR)
    house.next_job().end("deferred", "4.4.1", "so")
    _, told = read_only(house)
    assert told.recipients[0]["Action"] == "delayed"


# ---- what NOTIFY asks for ----


def test_never(new_house):
    house = new_house().start()
    house.submit([Recipient("a@far.example", NEVER)], sender=ALICE)
    fail(house.next_job())
    nobody_is_told(house)
    assert house.log_lines("ev=failed")


def test_success(new_house):
    """Here, elsewhere, and there with a server that reports for itself."""
    house = new_house().start()
    orcpt = "rfc822;Other@x.example"
    house.submit(
        [
            Recipient(f"postmaster@{OURS}", SUCCESS, orcpt),
            Recipient("a@far.example", SUCCESS),
            Recipient("b@far.example", SUCCESS),
            Recipient("c@far.example"),
        ],
        sender=ALICE,
        text=TEXT,
    )
    for job in [house.next_job() for _ in range(3)]:
        job.end("delivered", "2.0.0", "250 ok", is_reply=1, is_handed_on=job.address.startswith("b"))
    house.wait_empty()
    told = [notification.read(job.body) for job in house.mail if job.sender == ""]
    found = {r["Final-Recipient"]: (r["Action"], r.get("Original-Recipient")) for one in told for r in one.recipients}
    assert found == {
        f"rfc822;postmaster@{OURS}": ("delivered", orcpt),
        "rfc822;a@far.example": ("relayed", None),
    }
    assert len(house.log_lines("ev=success")) == 2


def test_an_alias_passes_on_what_was_asked(new_house):
    """RFC 3461 section 5.2.7: its recipients report, it does not."""
    house = new_house(aliases={f"both@{OURS}": ([f"postmaster@{OURS}", "a@far.example"], "")}).start()
    house.submit([Recipient(f"both@{OURS}", SUCCESS | FAILURE, f"rfc822;Both@{OURS}")], sender=ALICE)
    job = house.next_job()
    assert (job.values["notify"], job.values["orcpt"]) == (SUCCESS | FAILURE, f"rfc822;Both@{OURS}".encode())
    fail(job)
    house.wait_empty()
    told = [notification.read(job.body) for job in house.mail if job.sender == ""]
    found = {r["Final-Recipient"]: (r["Action"], r["Original-Recipient"]) for one in told for r in one.recipients}
    assert found == {
        f"rfc822;postmaster@{OURS}": ("delivered", f"rfc822;Both@{OURS}"),
        "rfc822;a@far.example": ("failed", f"rfc822;Both@{OURS}"),
    }


def test_who_wrote_to_an_alias_knows_its_name(new_house):
    house = new_house(aliases={f"sales@{OURS}": (["private@far.example"], "")}).start()
    house.submit(f"sales@{OURS}", sender=ALICE)
    fail(house.next_job())
    _, told = read_only(house)
    assert told.recipient("private@far.example")["Original-Recipient"] == f"rfc822;sales@{OURS}"


def test_a_list_reports_to_its_owner(new_house):
    """And to the sender that it took the message, if he asked."""
    owner = f"postmaster@{OURS}"
    house = new_house(aliases={f"list@{OURS}": (["a@far.example"], owner)}).start()
    house.submit([Recipient(f"list@{OURS}", SUCCESS | FAILURE, "rfc822;l@x.example")], sender=ALICE)
    job = house.next_job()
    assert (job.sender, job.values["notify"], job.values["orcpt"]) == (owner, 0, b"")
    fail(job)
    house.wait_empty()
    by_address = {job.address: notification.read(job.body) for job in house.wait_mail(2)}
    assert by_address[ALICE].recipients[0]["Action"] == "expanded"
    assert by_address[owner].recipients[0]["Action"] == "failed"


def test_an_alias_loop_ends(new_house):
    """No recipient comes twice, so it goes nowhere, and nobody is told forever."""
    house = new_house(
        aliases={f"a@{OURS}": ([f"b@{OURS}"], ""), f"b@{OURS}": ([f"a@{OURS}", f"gone@{OURS}"], "")}
    ).start()
    house.submit(f"a@{OURS}", sender=ALICE)
    _, told = read_only(house)
    assert [r["Final-Recipient"] for r in told.recipients] == [f"rfc822;gone@{OURS}"]
    house.wait_empty()


# ---- kills ----


def test_killed_between_failure_and_notification(new_house):
    """Whenever it dies: each sender is told, and of one recipient once."""
    house = new_house().start()
    wanted = set()
    for n in range(120):
        house.submit(f"gone{n}@{OURS}", sender=ALICE, wait=False)
        wanted.add(f"rfc822;gone{n}@{OURS}")
    for n in range(6):
        time.sleep(0.03)
        house.kill()
        house.start()
    # what was not accepted before a kill was never promised
    house.wait_empty(30)
    accepted = {line.split("rcpt=<")[1].split(">")[0] for line in house.log_lines("ev=failed")}
    told = {}
    for job in house.mail:
        (one,) = notification.read(job.body).recipients
        told.setdefault(one["Final-Recipient"], set()).add(job.id)
    assert {f"rfc822;{address}" for address in accepted} == set(told) <= wanted
    assert all(len(ids) == 1 for ids in told.values())


# ---- a whole server ----


def test_of_a_whole_server(new_server):
    """A user is removed while mail for him waits; his correspondent hears of it."""
    server = new_server(users=("alice", "bob")).start()
    server.must("stop", "send")
    with Wire(server.port) as wire:
        wire.begin("bob@mx.example", sender="alice@mx.example")
        ident = id_in(wire.data(b"Subject: to bob\r\n\r\nbody\r\n"))
    server.must("user", "remove", "bob")
    server.must("start", "send")
    (mail,) = server.wait_for_mail("alice")
    assert mail.values(b"Return-Path") == [b"<>"]
    told = notification.read((mail.header + b"\n" + mail.body).decode())
    assert told.recipient("bob@mx.example")["Status"] == "5.1.1"
    server.wait_for_log(f"id={ident}", "ev=bounce")
    assert not server.queued_ids()
