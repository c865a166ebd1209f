"""`ampel import qmail`: what becomes of each file, and what is said of it.

Each row of a table is a small site: its files, the settings that must be in the ampel.conf, and
all that the list has beyond what it says of every site.
"""

import os
import random
import re
import shutil
import subprocess

import pytest

from host_user import HostUser
from server import STAGE, make_folder

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

ME = {"control/me": "mx.example.org\n", "control/rcpthosts": "mx.example.org\n", "control/databytes": "1000000\n"}
BARE = {**ME, "control/databytes": None}  # without a limit, of which something is said
ALWAYS = ("users of this host: ", "qmail-start: ", "conf-break: ", "passwords: ", "queue: ", "alias: missing: ", "tcprules: ")
LEFT = "Not carried over, or not as it was:"


class Site:
    def __init__(self, folder):
        self.folder = folder
        self.qmail = folder / "qmail"
        self.conf = folder / "etc" / "ampel.conf"
        for part in (self.qmail, self.conf.parent, self.qmail / "control", self.qmail / "users"):
            part.mkdir()

    def write(self, files):
        for name, content in files.items():
            path = self.qmail / name
            path.parent.mkdir(exist_ok=True)
            if content is not None:
                path.write_bytes(content.encode() if isinstance(content, str) else content)

    def run(self, *options):
        return subprocess.run(
            [STAGE / "bin" / "ampel", "-c", self.conf, "import", "qmail", self.qmail, *options],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def imported(self, *options):
        """What was carried over, and what was not, beyond what is said of all."""
        done = self.run(*options)
        assert (done.returncode, done.stderr) == (0, ""), done
        self.carried, _, rest = done.stdout.partition(f"\n{LEFT}\n")
        left, _, self.end = rest.partition("\n\n")
        self.carried = [line.strip() for line in self.carried.splitlines()[1:]]
        lines = [line.strip().replace(f"{self.qmail}/", "").replace(f"{self.folder}/", "") for line in left.splitlines()]
        return [line for line in lines if not line.startswith(ALWAYS)]

    def settings(self):
        """The lines of the ampel.conf without comments, up to the listeners."""
        text = self.conf.read_text().partition("\nlisten ")[0]
        return [line for line in text.splitlines() if line and line[0] != "#"]

    def check(self):
        """ampel check is content; what it warned of."""
        self.conf.write_text(f'root = "{self.folder}/root"\n{self.conf.read_text()}')
        done = subprocess.run(
            [STAGE / "bin" / "ampel", "-c", self.conf, "check"], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr

    def beside(self, name):
        return (self.conf.parent / name).read_text()


@pytest.fixture
def site():
    folder = make_folder("ampel-import-")
    yield Site(folder)
    if not os.environ.get("AMPEL_TEST_KEEP"):
        shutil.rmtree(folder)


def cdb(records):
    """By tinycdb."""
    lines = b"".join(b"+%d,%d:%b->%b\n" % (len(k), len(v), k, v) for k, v in records) + b"\n"
    folder = make_folder("ampel-cdb-")
    subprocess.run(["cdb", "-c", folder / "cdb"], input=lines, check=True, timeout=60)
    content = (folder / "cdb").read_bytes()
    shutil.rmtree(folder)
    return content


SAID = {
    "rcpthosts": "control/rcpthosts: missing: this was an open relay: anybody could send to anybody; Ampel takes mail "
    "from strangers only for the domains of control/locals and control/virtualdomains: add others to relay_domains",
    "local": 'control/locals: "{}" is not in control/rcpthosts: strangers could not send there, now they can',
    "virtual": 'control/virtualdomains: "{}" is not in control/rcpthosts: strangers could not send there, now they can',
    "hostname": 'control/locals: does not have "mx.example.org": Ampel takes mail for its own hostname as for a local domain',
    "databytes": "control/databytes: {}: qmail had no limit; that of Ampel is 50M, message_size",
    "bounce": "control/doublebounceto: {} is no address: double bounces go to postmaster here; double_bounce_to changes that",
}

# name: files, settings, list
SITES = {
    "least": (ME, ['domains = { "mx.example.org" }', "message_size = 1000000"], []),
    "locals": (
        {**ME, "control/locals": "# ours\nA.example \nb.example\n\na.example\nx..y\n", "control/rcpthosts": "a.example\n"},
        ['domains = { "a.example", "b.example" }'],
        [
            'control/locals:6: "x..y" is no domain that mail can be sent to: left out',
            SAID["local"].format("b.example"),
            SAID["hostname"],
        ],
    ),
    "a virtual hostname": (
        {
            **ME,
            "control/locals": "a.example\n",
            "control/virtualdomains": "mx.example.org:jo\na@mx.example.org:jo\n.example.org:jo\n",
            "control/rcpthosts": "a.example\n.example.org\n",
        },
        ['domains = { "a.example" }'],
        [
            *(
                f'control/virtualdomains:{n}: "{key}" is of control/me: Ampel takes mail for its hostname as for a local domain; the line is left out'
                for n, key in ((1, "mx.example.org"), (2, "a@mx.example.org"))
            ),
            SAID["hostname"],
        ],
    ),
    "no rcpthosts": ({**ME, "control/rcpthosts": None}, ['domains = { "mx.example.org" }'], [SAID["rcpthosts"]]),
    "relay domains": (
        {
            **ME,
            "control/rcpthosts": "mx.example.org\nFar.example\n.far.example\nv.example\n.v.example\nfar.example\n-bad\n",
            "control/virtualdomains": "v.example:joe\n.v.example:jo\nx.v.example:\nout@v.example:\nx.y.example:\n",
        },
        # what is an exception goes on to others; of v.example only what is not out
        [
            "relay_domains = {",
            *(f'        "{name}",' for name in ("far.example", ".far.example", "x.v.example", "v.example")),
            "}",
        ],
        ['control/rcpthosts:7: "-bad" is no domain that mail can be sent to: left out'],
    ),
    "morercpthosts.cdb": (
        {**ME, "control/morercpthosts.cdb": cdb([(b"more.example", b""), (b".more.example", b"")])},
        ['relay_domains = { "more.example", ".more.example" }'],
        [],
    ),
    "morercpthosts without its cdb": (
        {**ME, "control/morercpthosts": "more.example\n"},
        ['relay_domains = { "more.example" }'],
        [
            "control/morercpthosts: qmail did not know it, since qmail-newmrh had made no database of it; Ampel now "
            "takes mail for its domains: look at relay_domains"
        ],
    ),
    "a database that is none": (
        {**ME, "control/morercpthosts.cdb": "no"},
        ['domains = { "mx.example.org" }'],
        ["control/morercpthosts.cdb: is no constant database: nothing of it is carried over"],
    ),
    "databytes missing": (BARE, [], [SAID["databytes"].format("missing")]),
    "databytes 0": ({**ME, "control/databytes": "0\n"}, [], [SAID["databytes"].format("0")]),
    "databytes small": (
        {**ME, "control/databytes": "1000\n"},
        ["message_size = 64k"],
        ["control/databytes: 1000 is less than message_size takes: it is 64k now"],
    ),
    "numbers": (
        {
            **ME,
            "control/timeoutsmtpd": "1200\n",
            "control/timeoutremote": "90 \n",
            "control/timeoutconnect": "60",
            "control/queuelifetime": "604800\n",
            "control/concurrencyremote": "40\n",
        },
        ["command_timeout = 20min", "queue_lifetime = 7d", "remote_connections = 40", "remote_timeout = 90s", "connect_timeout = 1min"],
        [],
    ),
    "numbers beyond": (
        {**ME, "control/timeoutremote": "99999999999999999999\n", "control/timeoutconnect": "18446744073709551615\n", "control/concurrencyremote": "0\n"},
        ["connect_timeout = 1h"],
        [
            'control/concurrencyremote: 0 held all mail for other hosts back; Ampel sends it: "ampel stop send" holds all deliveries',
            "control/timeoutremote: holds no number: qmail passed it over, too",
            "control/timeoutconnect: 18446744073709551615 is more than connect_timeout takes: it is 1h now",
        ],
    ),
    "doublebounceto empty": ({**ME, "control/doublebounceto": ""}, [], []),
    "doublebounceto one newline": ({**ME, "control/doublebounceto": "\n"}, ['double_bounce_to = "" # nobody'], []),
    "doublebounceto": ({**ME, "control/doublebounceto": "jo\n"}, ['double_bounce_to = "jo@mx.example.org"'], []),
    "doublebouncehost": (
        {**ME, "control/doublebouncehost": "admin.example\n"},
        ['double_bounce_to = "postmaster@admin.example"'],
        [],
    ),
    "doublebounceto an address": ({**ME, "control/doublebounceto": "a@b\n"}, [], [SAID["bounce"].format("a@b@mx.example.org")]),
    "smtproutes": (
        {
            **ME,
            "control/smtproutes": ":smart.example:26\nMX.far.example:\n.v6.example:[2001:db8::1]:465\n"
            "a.example:first\na.example:192.0.2.7\n",
        },
        [
            'route "*" { to = "[smart.example]:26" }',
            'route "mx.far.example" { }',
            'route ".v6.example" { to = "[2001:db8::1]:465" }',
            'route "a.example" { to = "[192.0.2.7]" }',
        ],
        [
            'control/smtproutes:4: "a.example" stands again in line 5, and that one counted',
            "control/smtproutes:3: on port 465 Ampel begins with TLS, qmail did not",
        ],
    ),
    "smtproutes that do nothing": (
        {**ME, "control/smtproutes": ":\nmx.example.org:smart.example\nnocolon\n..:x\nb.example:relay user word\nc.example:a b:c\n"},
        [],
        [
            'control/smtproutes:3: "nocolon" has no colon: qmail passed it over, too: left out',
            'control/smtproutes:1: "" says what holds without it: left out',
            'control/smtproutes:2: "mx.example.org" is a local domain, so it did nothing: left out',
            'control/smtproutes:4: ".." is no domain that mail can be sent to: left out',
            *(
                f'control/smtproutes:{n}: "{key}" has words behind the relay, of a patch; a route block has user and password_file for AUTH: left out'
                for n, key in ((5, "b.example"), (6, "c.example"))
            ),
        ],
    ),
    "files without a setting": (
        {
            **ME,
            "control/badmailfrom": "@spam.example\n",
            "control/helohost": "mx.example.org\n",
            "control/smtpgreeting": "other.example\n",
            "control/spfbehavior": "3\n",
            "control/odd\x1bfile": "",
            "users/include": "",
        },
        [],
        [
            "users/include: is for qmail-pw2u, which makes users/assign: what it did is in there; Ampel does not read it",
            "control/badmailfrom: its senders were refused; Ampel has no such list: a filter block with check can refuse them",
            "control/odd?file: is not of qmail itself but of a patch or a script: nothing of it is carried over",
            "control/smtpgreeting: Ampel greets with its hostname",
            "control/spfbehavior: SPF was checked; Ampel does not, a filter can",
        ],
    ),
}


@pytest.mark.parametrize("name", SITES)
def test_site(site, name):
    files, settings, said = SITES[name]
    site.write(files)
    assert site.imported() == said
    found = site.settings()
    assert found[0] == 'hostname = "mx.example.org"'
    assert [line for line in settings if line not in found] == []
    known = ("hostname", "domains", "virtual_domains", "users", "recipient_delimiter", "message_size")
    assert [line for line in found if line not in settings and not line.startswith(known)] == []


def test_virtualdomains(site):
    """Of lines for one key the last counts, as with qmail; the copy has no comments."""
    site.write(
        {
            **ME,
            "control/virtualdomains": "# c\nV.example:joe\n.s.example:lists\n\nx.s.example:\nInfo@p.example:joe-info\n:rest\n"
            "v.example:jim\nnocolon\nmx.example.org:jo\na@mx.example.org:jo\na b:c\nw.example:a b\nw.example:../x\n",
            "control/rcpthosts": "mx.example.org\nv.example\n.s.example\np.example\n",
        }
    )
    file = "control/virtualdomains"
    did_nothing = "is of control/locals, which comes first: the line did nothing and is left out"
    assert site.imported() == [
        f'{file}:2: "v.example" stands again in line 8, and that one counted',
        f'{file}:9: "nocolon" has no colon: qmail passed it over, too',
        f'{file}:10: "mx.example.org" {did_nothing}',
        f'{file}:11: "a@mx.example.org" {did_nothing}',
        f'{file}:12: "a b" is neither an address nor a domain that mail can be sent to: left out',
        f'{file}:13: "w.example" leads to what is no part of a name: left out',
        f'{file}:14: "w.example" leads to what is no part of a name: left out',
        f"{file}: the line without a key makes every domain ours: strangers could send to those of control/rcpthosts alone, now they can to all",
    ]
    assert site.beside("virtualdomains") == "v.example:jim\n.s.example:lists\nx.s.example:\ninfo@p.example:joe-info\n:rest\n"
    assert f'virtual_domains = "{site.conf.parent}/virtualdomains"' in site.settings()


def test_what_strangers_could_not(site):
    site.write({**ME, "control/locals": "mx.example.org\nx.example\n", "control/virtualdomains": "v.example:joe\n.v.example:jo\ne.v.example:\n"})
    assert site.imported() == [
        SAID["local"].format("x.example"),
        SAID["virtual"].format("v.example"),
        SAID["virtual"].format(".v.example"),
    ]


ASSIGN = "=jo:jo:1001:1001:{home}:::\n+jo-:jo:1001:1001:{home}:-::\n"
BROKEN = "=root:root:0:0:/root:::\n+r-:root:1000:0:/root:-::\n?x:a:1:1:/:::\n=short:a:1\n=rel:a:1:1:home:::\n=id:a:x:1:/h:::\n.\n=late:a:1:1:/h:::\n"


def test_assign(site):
    home = site.folder / "home"
    home.mkdir(mode=0o700)
    text = ASSIGN.format(home=home)
    site.write({**ME, "users/assign": text + BROKEN, "users/cdb": cdb([])})
    os.utime(site.qmail / "users" / "assign", (1, 1))
    if os.geteuid() == 0:
        os.chown(home, 1001, 1001)
        assert site.imported() == [
            'users/assign:3: "=root" is root: left out, root gets no mail; let an alias lead to a user',
            'users/assign:4: "+r-" is root: left out, root gets no mail; let an alias lead to a user',
            "users/assign:5: \"?x\" begins with neither '=' nor '+': left out",
            "users/assign:6: is no =local:user:uid:gid:home:dash:ext: nor the same with '+': left out",
            'users/assign:7: "=rel" has no absolute home: left out',
            'users/assign:8: "=id" has no uid or gid: left out',
        ]
    else:
        site.imported()
    assert site.beside("assign") == text + ".\n"
    assert f'assign = "{site.conf.parent}/assign"' in site.settings()


def test_assign_that_check_would_refuse(site):
    """Each line is left out, so that the rest is taken."""
    bad = [
        "=a::1001:1001:/nowhere:::",
        "=b:jo/joe:1001:1001:/nowhere:::",
        "=c:jo:1001:1001:/nowhere:/:::",
        "=d:jo:1001:1001:/nowhere:-:x/y:",
        f"=e:jo:1001:1001:/{'h' * 1100}:::",
    ]
    site.write({**ME, "users/assign": "\n".join([*bad, "=jo:jo:1001:1001:/nowhere:::", ".", ""])})
    said = site.imported()
    for line, row in enumerate(bad, 1):
        key = row.partition(":")[0]
        assert any(text.startswith(f'users/assign:{line}: "{key}" ') and text.endswith(": left out") for text in said), key
    assert site.beside("assign") == "=jo:jo:1001:1001:/nowhere:::\n.\n"
    site.check()


def test_assign_without_its_cdb(site):
    site.write({**ME, "users/assign": "=jo:jo:1001:1001:/nowhere:::\n"})
    assert site.imported() == [
        "users/assign: qmail did not know it, since qmail-newu had made no users/cdb of it; Ampel does: look at the file assign",
        'users/assign: has no last line ".": qmail-newu would not have taken it',
        "/nowhere: No such file or directory: Ampel defers mail for it",
    ]


def test_assign_newer_than_its_cdb(site):
    site.write({**ME, "users/assign": ".\n", "users/cdb": cdb([])})
    os.utime(site.qmail / "users" / "cdb", (1, 1))
    assert site.imported() == [
        "users/assign: is newer than users/cdb, which is what qmail used; Ampel uses this one: look at the file assign"
    ]


def test_cdb_alone(site):
    """users/cdb becomes a text again."""
    jo = b"\0".join((b"jo", b"1001", b"1001", b"/nowhere"))
    site.write(
        {
            **ME,
            "users/cdb": cdb(
                [
                    (b"!jo\0", jo + b"\0\0\0"),
                    (b"!jo-", jo + b"\0-\0pre-\0"),
                    (b"!root\0", b"root\x000\x000\0/root\0\0\0"),
                    (b"!" + b"x" * 400, jo),
                    (b"!short\0", b"jo"),
                    (b"", b"-"),
                ]
            ),
        }
    )
    assert site.imported() == [
        'users/cdb: "=root" is root: left out, root gets no mail; let an alias lead to a user',
        f'users/cdb: "!{"x" * 99}" is longer than a local part can be: left out',
        'users/cdb: "=short" has no uid or gid: left out',
        "/nowhere: No such file or directory: Ampel defers mail for it",
    ]
    assert site.beside("assign") == "=jo:jo:1001:1001:/nowhere:::\n+jo-:jo:1001:1001:/nowhere:-:pre-:\n.\n"


# ---- .qmail files ----


def defers(*lines):
    return [f"{line}: Ampel defers mail for it" for line in lines]


@as_root
def test_dot_qmail_files(site):
    home = site.folder / "home"
    home.mkdir()
    home.chmod(0o770)
    files = {
        "": "./Maildir/\n&jo\n|true\n./a/../mbox\n/var/mail/jo\n",
        "-blank": "\n./Maildir/\n",
        "-fine": f"{home}/Maildir/\n# /etc/mbox\n",
        "-forward": "+list\njo\n|true\n",
        "-large": "#" * 1024 * 1024 + "\n",
        "-open": "./Maildir/\n",
        "-other": "",
    }
    for name, text in files.items():
        (home / f".qmail{name}").write_text(text)
        (home / f".qmail{name}").chmod(0o666 if name == "-open" else 0o600)
        os.chown(home / f".qmail{name}", 1002 if name == "-other" else 1001, 1001)
    (home / ".qmail-link").symlink_to("/etc/shadow")
    os.mkfifo(home / ".qmail-pipe")
    os.chown(home, 1001, 1001)
    site.write({**ME, "users/assign": ASSIGN.format(home=home) + ".\n", "users/cdb": cdb([])})
    os.utime(site.qmail / "users" / "assign", (1, 1))
    outside = "this file or Maildir lies outside the home"
    assert site.imported() == defers(
        "home: may be written by its group or others",
        f"home/.qmail:4: {outside}",
        f"home/.qmail:5: {outside}",
        "home/.qmail-blank:1: the first line is blank",
        "home/.qmail-forward:3: this line cannot be carried out",
        "home/.qmail-large: is too large",
        "home/.qmail-link: is a symbolic link",
        "home/.qmail-open: may be written by its group or others",
        "home/.qmail-other: belongs to somebody else",
        "home/.qmail-pipe: is no regular file",
    )
    assert ".qmail: 9 files stay where they are" in site.carried


@as_root
def test_programs_of_qmail(site):
    """They are not in PATH any more, and what some hand to qmail's queue would stay there."""
    home = site.folder / "home"
    home.mkdir(mode=0o700)
    (home / ".qmail").write_text(
        "|bouncesaying 'gone'\n|/var/qmail/bin/preline /usr/bin/procmail\n| forward jo\n"
        "|/var/qmail/bin/forward\n&forward\n|forwarder x\n|QMAILQUEUE=q forward jo\n|except\n"
    )
    os.chown(home, 1001, 1001)
    os.chown(home / ".qmail", 1001, 1001)
    site.write({**ME, "users/assign": ASSIGN.format(home=home) + ".\n", "users/cdb": cdb([])})
    os.utime(site.qmail / "users" / "assign", (1, 1))
    lost = 'runs "bouncesaying" of qmail, which is not in PATH any more: name it by its whole path'
    queued = 'runs "forward", which hands mail to qmail\'s queue: what to write instead says ampel-qmail(7), COMPATIBILITY'
    assert site.imported() == [
        f"home/.qmail:1: {lost}",
        f"home/.qmail:3: {queued}",
        f"home/.qmail:4: {queued}",
        f"home/.qmail:8: {lost.replace('bouncesaying', 'except')}",
    ]


@as_root
def test_alias(site):
    user = HostUser("ampelimport", site.qmail)
    try:
        user.home.rename(site.qmail / "alias")
        site.write({**ME, "alias/.qmail-info": "\n"})
        os.chown(site.qmail / "alias" / ".qmail-info", *[os.stat(site.qmail / "alias").st_uid] * 2)
        home = site.qmail / "alias"
        blank = defers("alias/.qmail-info:1: the first line is blank")
        assert site.imported() == [
            'alias: the home of "ampelimport" is ampelimport, and there Ampel looks for .qmail files: '
            f"usermod -d alias ampelimport",
            *blank,
        ]  # fmt: skip
        assert 'alias_user = "ampelimport"' in site.settings()
        user.change("-d", home)
        assert site.imported("--force") == blank
    finally:
        user.remove()


def test_alias_of_nobody(site):
    site.write(ME)
    (site.qmail / "alias").mkdir()
    if os.geteuid() == 0:
        os.chown(site.qmail / "alias", 54321, 54321)
        assert site.imported() == [
            "alias: belongs to no account that mail can be delivered for: what is nobody's is refused; make an account "
            "alias with this home, and give it the folder"
        ]


# ---- rules ----

RULES = '127.:allow,RELAYCLIENT=""\n# c\n10.:allow,QMAILQUEUE="/bin/x",RELAYCLIENT="@out"\n:allow,FOO=/bar/,QMAILQUEUE="/bin/x",DATABYTES="9"\n'


def rules_setting(site):
    return f'        rules   = "{site.conf.parent}/rules"' in site.conf.read_text().splitlines()


def test_rules(site):
    site.write({**ME, "tcp.smtp": RULES, "rules.cdb": "x"})
    assert site.imported() == [
        'tcp.smtp:3: QMAILQUEUE="/bin/x", the first of 2, ran that program in front of the queue; Ampel has filter blocks for this, see ampel.conf(5)',
        'tcp.smtp:4: FOO="bar" means nothing to Ampel',
        "rules.cdb: was not looked at, tcp.smtp was taken; another one is named by --rules",
    ]  # fmt: skip
    assert site.beside("rules") == RULES
    assert rules_setting(site)


def test_rules_with_mistakes(site):
    site.write({**ME, "rules/smtp": "1.2.3.4:allow\nno rule\n1.2.3.4.5.6:deny\n:deny\n"})
    said = site.imported()
    assert [line.split(": ")[0] for line in said] == ["rules/smtp:2", "rules/smtp:3", "rules/smtp"]
    assert said[-1] == "rules/smtp: no rule sets RELAYCLIENT: no host may relay without a password"
    assert site.beside("rules") == "1.2.3.4:allow\n:deny\n"


def test_rules_by_name(site):
    one, two = site.folder / "one", site.folder / "two"
    one.write_text('1.1.1.1:allow,RELAYCLIENT=""')
    two.write_text(":deny\n")
    site.write(ME)
    assert site.imported("--rules", one, "--rules", two) == []
    assert site.beside("rules") == '1.1.1.1:allow,RELAYCLIENT=""\n:deny\n'
    assert site.imported("--force", "--rules", one, "--rules", site.folder / "none") == ["none: missing"]


def test_rules_as_cdb(site):
    subprocess.run(["tcprules", site.qmail / "tcp.smtp.cdb", site.qmail / "tmp"], input=RULES.encode(), check=True, timeout=60)
    site.write(ME)
    said = site.imported()
    assert said[0].startswith('tcp.smtp.cdb: QMAILQUEUE="/bin/x", ')
    assert site.conf.with_name("rules").read_bytes() == (site.qmail / "tcp.smtp.cdb").read_bytes()
    assert rules_setting(site)


def test_rules_that_make_an_open_relay(site):
    """The line is left out; of a database nothing is taken then, since it has no lines."""
    site.write({**ME, "tcp.smtp": '127.:allow,RELAYCLIENT=""\n:allow,RELAYCLIENT=""\n'})
    (said,) = site.imported()
    assert said.startswith("tcp.smtp:2: ") and said.endswith(": left out"), said
    assert site.beside("rules") == '127.:allow,RELAYCLIENT=""\n'
    (site.qmail / "tcp.smtp").unlink()
    site.write({"tcp.smtp.cdb": cdb([(b"127.", b"+RELAYCLIENT=\0"), (b"", b"+RELAYCLIENT=\0")])})
    (said,) = site.imported("--force")
    assert re.fullmatch(r"tcp\.smtp\.cdb: .*: nothing of it is carried over", said), said
    assert not rules_setting(site)


def test_without_rules(site):
    site.write(ME)
    site.imported()
    assert not rules_setting(site)
    assert not site.conf.with_name("rules").exists()


# ---- the command ----


def test_it_passes_check(site):
    """With the accounts of this host; all that a site has at once."""
    site.write({**all_files(), "users/assign": "=jo:jo:1001:1001:/nowhere:::\n.\n"})
    site.imported()
    warned = site.check()
    assert all(": warning: " in line or ": note: " in line for line in warned.splitlines()), warned


def test_it_is_only_shown(site):
    """-n: the file on standard output, the list beside it, and nothing is written."""
    site.write(ME)
    done = site.run("-n")
    assert done.returncode == 0
    assert done.stdout.startswith("# Ampel in the place of qmail")
    assert LEFT in done.stderr and LEFT not in done.stdout
    assert list(site.conf.parent.iterdir()) == []
    assert site.imported() == []
    assert site.conf.read_text() == done.stdout


def test_its_folder_is_not_there_yet(site):
    """It is made, but not by -n; others than root can read what lies there."""
    site.write(ME)
    site.conf.parent.rmdir()
    assert site.run("-n").returncode == 0
    assert not site.conf.parent.exists()
    before = os.umask(0o077)
    try:
        assert site.imported() == []
    finally:
        os.umask(before)
    assert site.conf.parent.stat().st_mode & 0o777 == 0o755
    site.conf = site.conf.parent / "deeper" / "still" / "ampel.conf"
    done = site.run()
    assert (done.returncode, done.stdout) == (1, "") and "deeper/still" in done.stderr


@pytest.mark.parametrize("name", ["ampel.conf", "virtualdomains"])
def test_nothing_is_overwritten(site, name):
    """Neither the ampel.conf nor what stands beside it, until --force says so."""
    site.write({**ME, "control/virtualdomains": "v.example:jo\n"})
    path = site.conf.with_name(name)
    path.write_text("mine\n")
    done = site.run()
    assert (done.returncode, done.stdout) == (73, "")
    assert done.stderr == f"ampel: {path}: exists; --force replaces it\n"
    assert [p.name for p in site.conf.parent.iterdir()] == [name]
    site.imported("--force")
    assert path.read_text() != "mine\n"


@pytest.mark.parametrize(
    "name, beside, text",
    [
        ("control/virtualdomains", "virtualdomains", "v.example:jo\n.v.example\n"),
        ("users/assign", "assign", "=jo:jo:1001:1001:/nowhere:::\n=root:root:0:0:/root:::\n.\n"),
        ("tcp.smtp", "rules", ":allow,FOO=1\n127.:allow\n"),
    ],
)
def test_nothing_of_qmails_is_changed(site, name, beside, text):
    """Not with --force either, by a link or in its own folder."""
    site.write({**ME, name: text})
    site.conf.with_name(beside).symlink_to(site.qmail / name)
    done = site.run("--force")
    assert (done.returncode, done.stdout) == (73, "")
    assert done.stderr == f"ampel: {site.conf.with_name(beside)}: is a file of qmail's, which is not changed\n"
    assert (site.qmail / name).read_text() == text
    assert not site.conf.exists()
    if name.startswith("control/"):
        site.conf = site.qmail / "control" / "ampel.conf"
        assert site.run("--force").returncode == 73
        assert (site.qmail / name).read_text() == text


@pytest.mark.parametrize("text", [None, "", "\n", "a b\n", "[1.2.3.4]\n"])
def test_no_hostname(site, text):
    site.write({"control/me": text})
    done = site.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert "control/me" in done.stderr
    assert not site.conf.exists()


def test_what_is_no_file(site):
    """A FIFO does not hold it up, a folder is said to be none, a link is followed."""
    site.write({"control/real": "mx.example.org\n", "control/rcpthosts": "mx.example.org\n"})
    os.mkfifo(site.qmail / "control" / "databytes")
    (site.qmail / "control" / "locals").mkdir()
    (site.qmail / "control" / "me").symlink_to("real")
    nothing = "is no regular file: nothing of it is carried over"
    assert site.imported() == [
        f"control/locals: {nothing}",
        SAID["hostname"],
        f"control/databytes: {nothing}",
        "control/real: is not of qmail itself but of a patch or a script: nothing of it is carried over",
    ]


def damage(content, chance):
    """Some bytes more, fewer or others."""
    content = bytearray(content.encode() if isinstance(content, str) else content)
    for _ in range(chance.choice((0, 1, 2, 8))):
        at = chance.randrange(len(content) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            content[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            content[at:at] = bytes([chance.choice(b'\n:=,"\0-+.@#[]/0')])
        elif kind == 2:
            del content[at : at + chance.randrange(9)]
        else:
            content[at:at] = content[: chance.randrange(40)]
    return bytes(content)


def all_files():
    files = {}
    for more, _, _ in SITES.values():
        files |= {name: content for name, content in more.items() if content is not None}
    jo = b"jo\x001001\x001001\0/nowhere\0\0\0"
    files |= {"users/cdb": cdb([(b"!jo\0", jo), (b"!jo-", jo)]), "users/assign": ASSIGN.format(home="/nowhere") + BROKEN}
    return files | {"control/virtualdomains": "v.example:jo\n.s.example:jo\ne.s.example:\na@b.example:jo\n:x\n", "tcp.smtp": RULES}


def test_damaged_files(site):
    """Whatever they hold: what is written passes check, and what is printed is printable."""
    chance, files = random.Random(6), all_files()
    for _ in range(40):
        for part in ("control", "users"):
            shutil.rmtree(site.qmail / part, ignore_errors=True)
        damaged = {name: damage(content, chance) for name, content in files.items() if chance.random() < 0.8}
        site.write({**damaged, "control/me": files["control/me"]})
        done = site.run("--force")
        assert done.returncode == 0, done
        assert re.fullmatch(r"[\n -~]*", done.stdout + done.stderr), done
        site.check()


def test_long_lists_are_cut(site):
    site.write({**ME, "control/locals": "a..b\n" * 1000})
    said = site.imported()
    assert len([line for line in said if line.startswith("control/locals:")]) == 21 + 1
    assert "control/locals: and 980 more of these" in said


@pytest.mark.parametrize("words", [(), ("qmail",), ("sendmail", "/etc"), ("qmail", "a", "b"), ("qmail", "a", "--rules"), ("qmail", "a", "-x")])
def test_misuse(words):
    done = subprocess.run([STAGE / "bin" / "ampel", "import", *words], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (64, "")
    assert "usage: ampel [-c FILE] import qmail DIR" in done.stderr
