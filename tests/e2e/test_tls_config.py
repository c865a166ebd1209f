"""What `ampel check`, the start and `ampel status` say of certificates and of passwords."""

import grp
import json
import os
import pwd
import re
import shutil
from datetime import datetime, timedelta, timezone

import certificates
import processes
import pam_service
import pytest
from server import wait_until

CONFIG_BAD = 78
SHADOW = "alice:$y$j9T$VdzHBKC4Zq4pP3mMZEbvW0$X:20000:0:99999:7:::\n"
SELF_SIGNED = 'warning: no tls block applies to listener "smtp": a self-signed certificate is shown'

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")


def date(days):
    """So many days from now, as openssl writes it."""
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


def make(server, name="server", kind="ec", start=None, end=None):
    certificates.make(server.folder / "tls", name, kind=kind, start=start, end=end)


@pytest.fixture
def server(new_server):
    """With a certificate, not started."""
    return new_server(listeners=("smtp", "submission"), users=("alice",))


def check(server):
    """(exit code, lines)"""
    done = server.command("check")
    return done.returncode, done.stderr.splitlines()


def line_of(server, text):
    lines = server.conf.read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.startswith(text))


def mistakes(server):
    code, lines = check(server)
    found = [line for line in lines if ": warning: " not in line and ": note: " not in line]
    assert code == (CONFIG_BAD if found else 0), lines
    return found


# ---- ampel check: certificates and keys ----


def expire(server):
    make(server, start=date(-10), end=date(-1))
    return server.certificate, "expired"


def be_early(server):
    make(server, start=date(1), end=date(10))
    return server.certificate, "not valid yet"


def mismatch(server):
    make(server, "other")
    shutil.copy(server.folder / "tls" / "other.key", server.key)
    return server.key, "does not belong"


def weaken(server):
    make(server, kind="weak")
    return server.key, "weak"


def spoil_certificate(server):
    server.certificate.write_text("rubbish\n")
    return server.certificate, "no certificate"


def spoil_key(server):
    server.key.write_text("rubbish\n")
    return server.key, "no private key"


def lose_certificate(server):
    server.certificate.unlink()
    return server.certificate, "No such file"


def lose_key(server):
    server.key.unlink()
    return server.key, "No such file"


def make_folder_of_key(server):
    server.key.unlink()
    server.key.mkdir()
    return server.key, "is not a file"


def publish_key(server):
    server.key.chmod(0o644)
    return server.key, "everybody may read this private key"


@pytest.mark.parametrize(
    "harm",
    [
        expire,
        be_early,
        mismatch,
        weaken,
        spoil_certificate,
        spoil_key,
        lose_certificate,
        lose_key,
        make_folder_of_key,
        publish_key,
    ],
    ids=lambda harm: harm.__name__,
)
def test_check_of_a_certificate(server, harm):
    """One mistake, at the line of its block, that names the file."""
    assert mistakes(server) == []
    path, text = harm(server)
    (line,) = mistakes(server)
    assert line.startswith(f"{server.conf}:{line_of(server, 'tls')}: {path}: ")
    assert text in line


def test_a_group_may_read_a_key(server):
    server.key.chmod(0o640)
    assert mistakes(server) == []


def test_both_in_one_file(new_server):
    """As haproxy and others have it; the private key is shown to nobody."""
    server = new_server(listeners=("smtp",), users=())
    server.make_certificate()
    both = server.certificate.with_name("both.pem")
    both.write_text(server.certificate.read_text() + server.key.read_text())
    both.chmod(0o600)
    server.blocks = f'tls {{ certificate = "{both}"  key = "{both}" }}\n'
    server.write_conf()
    assert mistakes(server) == []
    server.start()
    assert "certificate: 29 days left" in server.must("status")


# ---- ampel check: passwords ----


@pytest.fixture
def shadow(server):
    """The file, with alice's line, as it should be."""
    server.add_users()
    path = server.passwd().with_name("shadow")
    path.write_text(SHADOW)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 0, grp.getgrnam("_ampelauth").gr_gid)
    return path


def test_good_shadow(server, shadow):
    assert check(server) == (0, [f'{server.conf}:{line_of(server, "listen smtp")}: warning: no filter '
                                 'applies to listener "smtp"'])  # fmt: skip


def test_broken_lines_of_shadow(server, shadow):
    shadow.write_text("# comment\n" + SHADOW + "bob:x\n\nB b:*:::::::\n" + SHADOW + "carl:*::::::soon:\n")
    places = [line.rpartition(": ")[0].split(": ")[0] for line in mistakes(server)]
    assert places == [f"{shadow}:{n}" for n in (3, 5, 6, 7)]


def test_hashes_are_not_shown(server, shadow):
    shadow.write_text("alice:secret:x\n")
    assert "secret" not in "\n".join(mistakes(server))


@pytest.mark.parametrize("mode, text", [(0o644, "everybody may read"), (0o642, "everybody may change")])
def test_everybodys_shadow(server, shadow, mode, text):
    shadow.chmod(mode)
    (line,) = mistakes(server)
    assert line.startswith(f"{shadow}: ")
    assert text in line


@as_root
def test_shadow_that_auth_cannot_read(server, shadow):
    shadow.chmod(0o600)
    (line,) = mistakes(server)
    assert line.startswith(f"{shadow}: _ampelauth may not read it")


@as_root
def test_shadow_that_another_group_can_read(server, shadow):
    os.chown(shadow, pwd.getpwnam("_ampelauth").pw_uid, grp.getgrnam("_ampelsmtp").gr_gid)
    (line,) = mistakes(server)
    assert line.startswith(f"{shadow}: a group that is not _ampelauth's")


def test_users_without_a_password(server):
    server.add_users()
    code, lines = check(server)
    assert code == 0
    assert f'{server.passwd()}:1: note: user "alice" has no password: ampel user passwd alice' in lines


@pytest.mark.parametrize("shadow_text", ["", "alice::20000::::::\n", "alice:!:20000::::::\n", "alice:*:::::::\n"])
def test_no_line_and_no_hash_are_the_same(server, shadow, shadow_text):
    shadow.write_text(shadow_text)
    assert any("has no password" in line for line in check(server)[1])


def test_a_locked_password_is_one(server, shadow):
    shadow.write_text(SHADOW.replace(":", ":!", 1))
    assert not any("note:" in line for line in check(server)[1])


def test_notes_in_json(server):
    server.add_users()
    found = [json.loads(line) for line in server.must("--json", "check").splitlines()]
    assert [(note["file"], note["line"]) for note in found if note["kind"] == "note"] == [(str(server.passwd()), 1)]


def test_without_passwords_nobody_misses_one(new_server):
    server = new_server(users=("alice",))
    server.add_users()
    assert not any("note:" in line for line in check(server)[1])


def test_program_that_is_missing(server):
    server.settings["password_check"] = '"/nonexistent/checkpassword -x"'
    server.write_conf()
    (line,) = mistakes(server)
    assert line == f"{server.conf}: /nonexistent/checkpassword: No such file or directory"


def test_program_that_is_none(server):
    plain = server.folder / "plain"
    plain.write_text("no program")
    server.settings["password_check"] = f'"{plain}"'
    server.write_conf()
    (line,) = mistakes(server)
    assert line == f"{server.conf}: {plain}: is not a program that can be run"


@as_root
def test_pam_without_a_service(server):
    server.settings["password_check"] = "pam"
    server.write_conf()
    with pam_service.held() as file:
        (line,) = mistakes(server)
    assert str(file) in line


@as_root
def test_account_of_the_program(server):
    server.settings["password_check"] = '"/bin/true"'
    server.settings["password_user"] = "nosuchuser"
    server.write_conf()
    (line,) = mistakes(server)
    assert "nosuchuser" in line
    server.settings["password_user"] = "root"
    server.write_conf()
    assert mistakes(server) == []


def test_system_users_may_have_our_passwords(server, shadow):
    server.settings["users"] = "system"
    server.write_conf()
    assert mistakes(server) == []


# ---- the certificate that the server makes ----


def self_made(server):
    folder = server.root / "lib" / "tls"
    return folder / "self-signed.pem", folder / "self-signed.key"


def test_first_start_makes_a_certificate(new_server):
    server = new_server(own_tls=True)
    assert any(SELF_SIGNED in line for line in check(server)[1])
    assert not self_made(server)[0].exists()
    server.start()
    server.wait_for_log(SELF_SIGNED)
    certificate, key = self_made(server)
    assert certificate.parent.stat().st_mode & 0o777 == 0o700
    assert key.stat().st_mode & 0o777 == 0o600
    days = re.search(r"self-signed certificate: (\d+) days left", server.must("status"))
    assert days and int(days.group(1)) > 365


def test_it_is_kept_until_the_name_changes(new_server):
    server = new_server(own_tls=True).start()
    first = [path.read_bytes() for path in self_made(server)]
    assert server.stop() == 0
    server.start(add_users=False)
    assert [path.read_bytes() for path in self_made(server)] == first
    server.conf.write_text(server.conf.read_text().replace('"mx.example"\n', '"new.example"\n', 1))
    server.must("reload")
    assert [path.read_bytes() for path in self_made(server)] != first


def test_half_a_pair_is_made_anew(new_server):
    server = new_server(own_tls=True).start()
    certificate, key = self_made(server)
    assert server.stop() == 0
    key.write_text("rubbish\n")
    before = certificate.read_bytes()
    server.start(add_users=False)
    assert certificate.read_bytes() != before


# ---- start, reload, status ----


@pytest.fixture
def with_tls(new_server):
    """One listener, which needs no passwords, and a certificate."""
    server = new_server(users=())
    server.make_certificate()
    server.blocks = f'tls {{ certificate = "{server.certificate}"  key = "{server.key}" }}\n'
    server.write_conf()
    return server


def test_days_left(with_tls):
    with_tls.start()
    assert re.search(r"^smtp +running +pid \d+ 127\S+, certificate: 29 days left$", with_tls.must("status"), re.M)
    lines = [json.loads(line) for line in with_tls.must("--json", "status").splitlines()]
    assert [line["text"].partition(", ")[2] for line in lines if line["service"] == "smtp"] == [
        "certificate: 29 days left"
    ]
    make(with_tls, end=date(10.5))
    assert "29 days left" in with_tls.must("status"), "that of the certificate in use"
    with_tls.must("reload")
    assert ", WARNING: certificate: 10 days left" in with_tls.must("status")


def test_the_first_that_expires_counts(with_tls):
    make(with_tls, "second", end=date(20.5))
    second = with_tls.folder / "tls" / "second"
    with_tls.blocks += f'tls second {{ certificate = "{second}.pem"  key = "{second}.key" }}\n'
    make(with_tls, "third", end=date(5.5))
    third = with_tls.folder / "tls" / "third"
    with_tls.blocks += f'tls third {{ certificate = "{third}.pem"  key = "{third}.key"  listeners = {{ "smtps" }} }}\n'
    with_tls.write_conf()
    with_tls.start()
    assert ", certificate: 20 days left" in with_tls.must("status")


def test_an_expired_certificate_is_a_warning(with_tls):
    """The server works on: mail without TLS is still better than none."""
    make(with_tls, start=date(-10), end=date(-1))
    with_tls.start()
    with_tls.wait_for_log("warning: ", str(with_tls.certificate), "expired")
    assert ", WARNING: certificate: has expired" in with_tls.must("status")
    make(with_tls)
    with_tls.must("reload")
    assert ", certificate: 29 days left" in with_tls.must("status")
    make(with_tls, start=date(5), end=date(10))
    with_tls.must("reload")
    with_tls.wait_for_log("warning: ", str(with_tls.certificate), "not valid yet")


def test_no_start_without_its_key(with_tls):
    with_tls.key.unlink()
    done = with_tls.command("run")
    assert done.returncode == CONFIG_BAD
    assert f"{with_tls.key}: No such file" in done.stderr


def test_reload_keeps_what_works(with_tls):
    with_tls.start()
    make(with_tls, "other")
    shutil.copy(with_tls.folder / "tls" / "other.key", with_tls.key)
    done = with_tls.command("reload")
    assert done.returncode == CONFIG_BAD
    assert f"{with_tls.key}: " in done.stderr
    assert ", certificate: 29 days left" in with_tls.must("status")


def test_a_worker_that_died_gets_the_keys_in_use(with_tls):
    """Not what has become of the files meanwhile."""
    with_tls.start()
    with_tls.key.unlink()
    (worker,) = with_tls.pids("smtpd")
    processes.kill(worker, 9)
    assert wait_until(lambda: with_tls.pids("smtpd") not in ([], [worker]))
    with_tls.wait_for_greeting()


# ---- who runs ----


def test_start_succeeds_when_tls_listeners_answer(new_server):
    server = new_server(listeners=("smtp", "smtps", "submission", "pop3s"))
    try:
        out = server.must("start")
        assert [line.split()[:2] for line in out.splitlines()] == [
            [name, "ok"] for name in ("send", "smtp", "smtps", "submission", "pop3s")
        ]
        assert server.must("status").count("certificate: 29 days left") == 4
    finally:
        server.command("stop", seconds=200)


@as_root
def test_every_privilege_has_its_account(new_server):
    server = new_server(listeners=("smtp", "smtps", "submission", "pop3s")).start()
    # an undumpable process's folder in /proc is root's: who it is stands inside
    owner = lambda pid: pwd.getpwuid(
        int(re.search(r"^Uid:\t(\d+)", open(f"/proc/{pid}/status").read(), re.M).group(1))
    ).pw_name
    assert sorted(map(owner, server.pids("smtpd"))) == ["_ampelsmtp", "_ampelsubmit", "_ampelsubmit"]
    assert list(map(owner, server.pids("pop3d"))) == ["_ampelpop"]
    assert list(map(owner, server.pids("auth"))) == ["_ampelauth"]


def test_without_passwords_nobody_checks_any(with_tls):
    with_tls.start()
    assert with_tls.pids("auth") == []


def test_how_passwords_are_checked_needs_a_start(with_tls):
    with_tls.start()
    with_tls.settings["password_check"] = '"/bin/true"'
    with_tls.write_conf()
    done = with_tls.command("reload")
    assert done.returncode == CONFIG_BAD
    assert "how passwords are checked has changed" in done.stderr
