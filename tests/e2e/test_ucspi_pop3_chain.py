"""
tcpserver -x rules.cdb -> stunnel -> ampel-pop3d --stdio -> checkpassword, as a qmail site has
it: all of it as one account, which alone can run the set-uid checkpassword; real clients.
"""

import os
import poplib
import re
import shutil
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

import processes
from pop3_site import GID, UID, Site
from pop3_transcripts import PASSWORD, USER, TlsWire
from server import ROOT, wait_until
from ucspi import Chain
from wire import Closed, Wire

PROGRAMS = ("tcpserver", "tcprules", "stunnel4", "unshare")
ACCOUNT = "_ampelpop"
DENIED = "127.0.0.66"
RULES = f"{DENIED}:deny\n127.:allow\n:deny\n"
AT_ONCE = 8
MESSAGES = [f"Subject: number {n}\n\n.a line with a dot\nthe end of {n}\n".encode() for n in range(3)]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root has accounts"),
    pytest.mark.skipif(not all(map(shutil.which, PROGRAMS)), reason=f"needs {', '.join(PROGRAMS)}"),
]


class QmailSite(Site):
    """
    Its user is one of the host, in a mount namespace with another /etc.
    checkpassword is installed as its page says.
    """

    def __init__(self):
        super().__init__()
        self.guarded = self.folder / "guarded"
        page = (ROOT / "man" / "checkpassword.8").read_text()
        section = page[page.index(".Ss For one account only") :]
        commands = re.search(r"\.Bd .*?\n(.*?)\.Ed", section, re.S)[1].replace(r"\e", "\\")
        subprocess.run(
            ["sh", "-ec", commands.replace("/usr/local/lib/checkpassword", str(self.guarded))],
            env={"PATH": f"{self.folder}:{os.environ['PATH']}"},
            check=True,
        )
        self.chains = []

    def inside(self):
        """
        Words that run others there. Not single files: a bind mount on one ends when the host replaces
        the file, as useradd does.
        """
        etc = self.folder / "etc"
        for name in ("nsswitch.conf", "ld.so.cache"):
            shutil.copy(Path("/etc") / name, etc)
        return ["unshare", "--mount", "sh", "-c", f'mount --bind {etc} /etc && exec "$@"', "sh"]

    def chain(self, *checker, **more):
        name = f"chain{len(self.chains)}"
        words = checker or (self.guarded / "checkpassword",)
        one = Chain(
            self.folder / name,
            [self.folder / "ampel-pop3d", "--stdio", "--control", self.folder / "control", *words],
            env={},
            account=ACCOUNT,
            before=self.inside(),
            rules=RULES,
            **more,
        )
        self.chains.append(one)
        return one

    def remove(self):
        for one in self.chains:
            one.stop()
        super().remove()


@pytest.fixture(scope="module")
def site():
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        pytest.skip("no mount namespace of its own: needs CAP_SYS_ADMIN")
    one = QmailSite()
    try:
        if os.statvfs(one.folder).f_flag & os.ST_NOSUID:
            pytest.skip("the disk of this test has no set-uid programs")
        yield one
    finally:
        one.remove()


@pytest.fixture(scope="module")
def running(site):
    return site.chain()


@pytest.fixture
def chain(site, running):
    """With three messages."""
    site.fill(MESSAGES)
    return running


def pop3(chain, password=PASSWORD):
    context = ssl.create_default_context(cafile=chain.authority)
    one = poplib.POP3_SSL("localhost", chain.port, context=context, timeout=30)
    one.user(USER)
    one.pass_(password)
    return one


def run(*argv, code=0):
    done = subprocess.run(
        [str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == code, f"{argv[0]}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def secret_file(path, text):
    path.touch(0o600)
    path.write_text(text)
    return path


# ---- clients ----


def test_poplib(site, chain):
    one = pop3(chain)
    assert one.stat() == (3, sum(len(m.replace(b"\n", b"\r\n")) for m in MESSAGES))
    assert len(one.list()[1]) == 3
    assert one.uidl()[1] == [f"{n} {path.name}".encode() for n, path in enumerate(site.files(), 1)]
    assert b"\n".join(one.retr(2)[1]) + b"\n" == MESSAGES[1]
    one.dele(1)
    one.dele(3)
    one.quit()
    assert site.texts() == [MESSAGES[1]]
    assert [path.stat().st_uid for path in site.files()] == [UID]


def test_curl(site, chain, tmp_path):
    conf = secret_file(tmp_path / "config", f'user = "{USER}:{PASSWORD}"\n')
    curl = ("curl", "-sS", "--cacert", chain.authority, "-K", conf)
    url = f"pop3s://localhost:{chain.port}"
    assert len(run(*curl, f"{url}/").splitlines()) == 3
    assert run(*curl, f"{url}/2") == MESSAGES[1].replace(b"\n", b"\r\n")
    run(*curl, f"{url}/2", "--request", "DELE", "--head")
    assert site.texts() == [MESSAGES[0], MESSAGES[2]]
    wrong = secret_file(tmp_path / "wrong", f'user = "{USER}:wrong"\n')
    run("curl", "-sS", "--cacert", chain.authority, "-K", wrong, f"{url}/", code=67)


def test_mpop(site, chain, tmp_path):
    box = tmp_path / "Maildir"
    for name in ("new", "cur", "tmp"):
        (box / name).mkdir(parents=True)
    conf = secret_file(
        tmp_path / "mpoprc",
        f"account default\nhost localhost\nport {chain.port}\ntls on\ntls_starttls off\n"
        f'tls_trust_file {chain.authority}\nuser {USER}\npassword "{PASSWORD}"\n'
        f"delivery maildir {box}\nuidls_file {tmp_path}/uidls\nreceived_header off\nkeep off\n",
    )
    run("mpop", "-C", conf)
    assert sorted(file.read_bytes() for file in (box / "new").iterdir()) == MESSAGES
    assert site.texts() == []


def test_fetchmail(site, chain, tmp_path):
    out = tmp_path / "out"
    conf = secret_file(
        tmp_path / "fetchmailrc",
        f"set no bouncemail\npoll localhost service {chain.port} proto pop3 uidl\n"
        f'  user {USER} password "{PASSWORD}" ssl sslproto "tls1.2+" sslcertck sslcertfile {chain.authority}\n'
        f'  no rewrite no keep mda "cat >> {out}"\n',
    )
    run("fetchmail", "--nodetach", "--pidfile", tmp_path / "pid", "-i", tmp_path / "ids", "-f", conf)
    text = out.read_bytes()
    assert all(f"Subject: number {i}\n".encode() in text for i in range(3))
    assert site.texts() == []


def test_several_at_once(site, chain):
    """Each session has processes of its own; those of one user share his Maildir."""
    got = []

    def fetch():
        one = pop3(chain)
        got.append([b"\n".join(one.retr(n)[1]) + b"\n" for n in (1, 2, 3)])
        one.quit()

    threads = [threading.Thread(target=fetch) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got == [MESSAGES] * AT_ONCE


# ---- who is who ----


def test_who_runs_as_whom(site, chain):
    """Of what touches the network, nothing is root or the user."""
    account = chain.account
    one = pop3(chain)
    owners = {}
    for pid in processes.descendants(chain.process.pid):
        status = Path(f"/proc/{pid}/status").read_text()
        ids = {field: set(re.search(rf"^{field}:\t(.*)$", status, re.M)[1].split()) for field in ("Uid", "Gid")}
        owners.setdefault(processes.name(pid), []).append((ids["Uid"], ids["Gid"]))
    ours = ({str(account.pw_uid)}, {str(account.pw_gid)})
    assert owners.pop("ampel-mailbox") == [({str(UID)}, {str(GID)})]
    assert owners.pop("ampel-pop3d") == [ours]
    assert owners and all(ids == [ours] for ids in owners.values()), owners
    one.quit()
    assert wait_until(lambda: processes.descendants(chain.process.pid) == [])


def test_log(chain):
    pop3(chain).quit()
    line = wait_until(lambda: chain.logged("ev=pop3 "))[-1]
    assert f"ev=pop3 peer=127.0.0.1 user={USER} messages=3 fetched=0 octets=0 removed=0 ms=" in line
    assert not any(PASSWORD in line for line in chain.logged(""))


def test_log_never_goes_to_the_client(site):
    """stunnel in the background makes descriptor 2 the client; nothing is said there but replies."""
    with TlsWire(site.chain(foreground="no").port) as wire:
        wire.send(f"USER {USER}\r\nPASS {PASSWORD}\r\nNOOP\r\nQUIT\r\n".encode())
        said = [wire.read_line() for _ in range(5)]
        assert said == [
            "+OK mx.example POP3", "+OK and the password?", "+OK logged in", "+OK done nothing", "+OK bye",
        ]  # fmt: skip
        assert wire.is_closed()


# ---- who does not get in ----


def test_wrong_password(site, chain):
    with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\]"):
        pop3(chain, "wrong")
    assert site.texts() == MESSAGES


def test_denied(chain):
    """By a rule: no program is started, nothing is said."""
    with Wire(chain.port, source=DENIED) as wire, pytest.raises(Closed):
        wire.read_line()


@pytest.mark.parametrize("checker", [["/bin/true"], ["true", "checkpassword"], ["/nonexistent/checkpassword"]])
def test_fails_closed(site, checker):
    one = site.chain(*checker)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/TEMP\]"):
        pop3(one)
    assert one.logged("ev=login", "result=later", f'why="{checker[0]}: ')


def test_no_checker(site):
    one = site.chain("--policy", "pop3s")
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/PERM\]"):
        pop3(one)
    assert one.logged("ampel-pop3d: expected a checkpassword program")
