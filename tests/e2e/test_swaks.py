"""swaks, a stranger's SMTP client."""

import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("swaks"), reason="swaks is not installed")


@pytest.fixture(scope="module")
def server(module_server):
    return module_server().start()


def swaks(server, *arguments):
    return subprocess.run(
        [
            "swaks",
            "--server=127.0.0.1",
            f"--port={server.port}",
            "--from=sender@client.example",
            "--helo=client.example",
            *arguments,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("how", [[], ["--protocol=SMTP"], ["--pipeline"]], ids=repr)
def test_accepted(server, how):
    before = len(server.mail())
    done = swaks(server, "--to=alice@mx.example", "--body=from swaks", *how)
    assert done.returncode == 0, done.stdout
    mails = server.wait_for_mail(n=before + 1)
    assert any(b"from swaks" in mail.body for mail in mails)


def test_helo_is_traced_as_smtp(server):
    before = {mail.id for mail in server.mail()}
    assert swaks(server, "--to=alice@mx.example", "--protocol=SMTP").returncode == 0
    mails = server.wait_for_mail(n=len(before) + 1)
    (new,) = [mail for mail in mails if mail.id not in before]
    assert b" with SMTP id " in b" ".join(new.values(b"Received")[0].split())


def test_refused(server):
    done = swaks(server, "--to=nobody-here@mx.example")
    assert done.returncode == 24, done.stdout  # swaks: no recipient was accepted
    assert "550 5.1.1" in done.stdout


def test_no_auth(server):
    done = swaks(server, "--to=alice@mx.example", "--auth-user=alice", "--auth-password=x")
    assert done.returncode == 28, done.stdout  # swaks: AUTH is not offered
