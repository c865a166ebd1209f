"""A qmail host of 50 domains and 1,000 users, the same every time, and what qmail does with
mail for it.

Site writes control/, users/ and alias/, the homes with their .qmail files, and names 2,000
addresses. Qmail is the expectation: a model in plain Python of how qmail routes and delivers,
written from the descriptions of qmail-send(8), qmail-users(5), qmail-getpw(8), dot-qmail(5) and
qmail-command(8). It reads the site's files as qmail would and knows nothing of Ampel; of programs it
knows those that the site has.
"""

import dataclasses
import os
from pathlib import Path

ME = "mx.site.example"
USERS, ADDRESSES = 1000, 2000
SENDER = "sender@elsewhere.example"
OTHERS_MAY_WRITE = 0o022
STICKY = 0o1000

# What .qmail files of the site run. The message has its token in a field.
APPEND = """|echo $(sed -n 's/^X-Token: //p') "$RECIPIENT" >> programs"""
EXITS = {f"|exit {code}": code for code in (0, 99, 100)}


# ---- the model ----


@dataclasses.dataclass(frozen=True)
class Owner:
    """Whom qmail-lspawn delivers for."""

    home: Path
    dash: str
    ext: str


def suffixes(domain):
    """".b.c" and ".c" of "a.b.c"."""
    parts = domain.split(".")
    return ["." + ".".join(parts[i:]) for i in range(1, len(parts))]


def lines_of(path):
    """A list of control/."""
    if not path.exists():
        return []
    lines = (line.rstrip(" \t") for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


class Qmail:
    """accounts: name -> home, of this host. alias: the home of the alias user."""

    def __init__(self, folder, accounts, alias):
        control = folder / "control"
        self.me = (control / "me").read_text().strip()
        self.locals = set(lines_of(control / "locals"))
        self.rcpthosts = set(lines_of(control / "rcpthosts")) | set(lines_of(control / "morercpthosts"))
        self.virtual = dict(line.split(":", 1) for line in lines_of(control / "virtualdomains"))
        self.accounts, self.alias = accounts, alias
        self.assigned = {}
        for line in (folder / "users" / "assign").read_text().split("\n.\n")[0].splitlines():
            key, _, _, _, home, dash, ext, _ = line.split(":")
            self.assigned.setdefault(key.lower(), Owner(Path(home), dash, ext))

    # ---- whose it is ----

    def local_part(self, address):
        """What qmail-send hands to qmail-lspawn, or None: another host's."""
        local, at, host = address.rpartition("@")
        if not at:
            local, host = address, self.me
        low = host.lower()
        if low in self.locals:
            return local
        for key in (f"{local}@{host}".lower(), low, *suffixes(low), ""):
            if key in self.virtual:
                owner = self.virtual[key]
                return f"{owner}-{local}" if owner else None
        return None

    def owner(self, local):
        """users/assign, else the host's accounts, else alias."""
        low = local.lower()
        exact = self.assigned.get("=" + low)
        if exact:
            return exact
        for n in range(len(low), -1, -1):
            wild = self.assigned.get("+" + low[:n])
            if wild:
                return dataclasses.replace(wild, ext=wild.ext + local[n:])
        if low in self.accounts:
            return Owner(self.accounts[low], "", "")
        for n in reversed([i for i, c in enumerate(local) if c == "-"]):
            if low[:n] in self.accounts:
                return Owner(self.accounts[low[:n]], "-", local[n + 1 :])
        return Owner(self.alias, "-", local)

    @staticmethod
    def file(owner):
        """The .qmail file, or None."""
        safe = owner.ext.lower().replace(".", ":")
        names = [owner.dash + safe]
        names += [owner.dash + safe[:n] + "default" for n in range(len(safe), -1, -1) if n == 0 or safe[n - 1] == "-"]
        if not owner.dash and not owner.ext:
            names = [""]
        paths = [owner.home / (".qmail" + name) for name in names]
        return next((path for path in paths if path.exists()), None)

    # ---- at RCPT, from a stranger ----

    def is_accepted_domain(self, address):
        host = address.rpartition("@")[2].lower()
        return any(key in self.rcpthosts for key in (host, *suffixes(host)))

    def answer(self, address):
        """250; 550, nobody is there; "relay", not for strangers."""
        if not self.is_accepted_domain(address):
            return "relay"
        local = self.local_part(address)
        if local is None:
            return 250
        owner = self.owner(local)
        return 250 if not owner.dash or self.file(owner) else 550

    # ---- delivery ----

    def deliver(self, address, sender=SENDER):
        """
        What becomes of it: ("maildir", folder, to), ("mbox", file, to), ("program", home, to), where to
        is what Delivered-To and RECIPIENT say, LOCAL@HOST; ("remote", sender, address),
        ("bounce", to, address), ("deferred", address).
        """
        local = self.local_part(address)
        if local is None:
            return [("remote", sender, address)]
        owner = self.owner(local)
        host = address.rpartition("@")[2] or self.me
        to = f"{local}@{host}"
        path = self.file(owner)
        if path is None:
            return [("bounce", sender, address)] if owner.dash else [("maildir", owner.home / "Maildir", to)]
        modes = owner.home.stat().st_mode, path.stat().st_mode
        text = path.read_text()
        if modes[0] & (OTHERS_MAY_WRITE | STICKY) or modes[1] & OTHERS_MAY_WRITE or text[:1] == "\n":
            return [("deferred", address)]
        if not text:
            return [("maildir", owner.home / "Maildir", to)]
        events, forwards, code = self.obey(text, owner.home, to)
        if code == 100:
            return [*events, ("bounce", sender, address)]
        new_sender = self.new_sender(owner, local, host, sender)
        for forward in forwards:
            events += self.deliver_forward(forward, new_sender)
        return events

    @staticmethod
    def new_sender(owner, local, host, sender):
        name = ".qmail" + owner.dash + owner.ext.lower().replace(".", ":")
        if not sender or not (owner.home / f"{name}-owner").exists():
            return sender
        if (owner.home / f"{name}-owner-default").exists():
            return f"{local}-owner-@{host}-@[]"
        return f"{local}-owner@{host}"

    @staticmethod
    def obey(text, home, to):
        """What its lines do themselves, to whom it goes on, and the exit code that ended it."""
        events, forwards, code = [], [], 0
        for line in text.splitlines():
            line = line.rstrip(" \t")
            if not line or line[0] in "#+":
                continue
            if line[0] == "|":
                if line == APPEND:
                    events.append(("program", home, to))
                code = EXITS.get(line, 0)
            elif line[0] in "./":
                kind = "maildir" if line.endswith("/") else "mbox"
                events.append((kind, home / line, to))
            else:
                forwards.append(line.removeprefix("&"))
            if code:
                break
        return events, forwards, code

    def deliver_forward(self, address, sender):
        if "@" not in address:
            address = f"{address}@{self.me}"
        if sender.endswith("-@[]"):
            base, host = sender.removesuffix("-@[]").split("@")
            local, _, domain = address.rpartition("@")
            sender = f"{base}{local}={domain}@{host}"
        return self.deliver(address, sender)


# ---- the site ----

LOCALS = [ME, *(f"l{n}.example" for n in range(1, 10))]
VIRTUAL = [f"v{n}.example" for n in range(25)]
BELOW = ["a.s0.example", "b.s0.example", "a.s1.example", "a.b.s2.example"]
EXCEPTION = "x.s0.example"
PARTIAL = [f"p{n}.example" for n in range(5)]
RELAYED = [f"r{n}.example" for n in range(4)]
FOREIGN = "f0.example"
DOMAINS = [*LOCALS, *VIRTUAL, *BELOW, EXCEPTION, *PARTIAL, *RELAYED, FOREIGN]


def user(n):
    return f"u{n % USERS:04}"


def profile(n):
    """The .qmail files of user n, name -> text. A Maildir is made where a line names one."""
    there = f"{user(n + 1)}@{LOCALS[n % 10]}"
    return [
        {},
        {"": "# kept\n./Maildir/\n"},
        {"": "./Mailbox\n"},
        {"": f"{APPEND}\n"},
        {"": f"&{there}\n"},
        {"-lists": f"&{there}\n&friend{n}@r1.example\n", "-lists-owner": "./Maildir/\n"},
        {"-default": "./Ext/\n"},
        {"-a:b": "./Ext/\n"},
        {"-sub-default": "./Ext/\n", "-sub-x": "./Mailbox\n"},
        {"": "", "-empty": ""},
        {"": "# nothing\n", "-default": "# nothing\n"},
        {"": "./Maildir/\n|exit 100\n./Ext/\n", "-no": "|exit 100\n"},
        {"": f"{APPEND}\n|exit 99\n./Ext/\n", "-seen": "|exit 0\n./Ext/\n"},
        {"": f"friend{n}@r2.example\n", "-verp": f"friend{n}@r2.example\n", "-verp-owner": "", "-verp-owner-default": ""},
        {"": f"nobody{n}@{LOCALS[1]}\n"},
        {"": f"./Maildir/\n&{there}\n{APPEND}\n./Mailbox\n"},
        {"": "./Maildir/\n", "-open": "./Maildir/\n"},
        {"": f"+list\n{there}\n&{user(n + 3)}\n", "-default": "+list\n"},
        {"-default": f"&{user(n + 3)}-deeper@{LOCALS[3]}\n", "-sub-default": "./Mailbox \n"},
        {"": "./Maildir/  \n", "-blank": "\n./Maildir/\n"},
    ][n % 20]


# An extension for each: of those that the profile has, and of those that it has not.
EXTENSIONS = [
    "", "", "x", "y", "z-default", "lists", "any-thing", "a.b", "SUB-x", "empty", "what", "no", "seen", "verp",
    "default", "z", "open", "list-x", "sub-y", "blank",
]  # fmt: skip
HAS_WILDCARD = 4  # all but every so many-th user have extensions


class Site:
    """
    accounts: name -> (uid, gid, home), of this host; users are theirs in turn. alias the same of
    the alias user. relay: "host:port" that takes what goes out.
    """

    def __init__(self, folder, homes, accounts, alias, relay):
        self.folder, self.homes, self.accounts, self.alias, self.relay = folder, homes, accounts, alias, relay
        self.names = sorted(accounts)
        self.entries = []
        self.write_control()
        for n in range(USERS):
            self.add_user(n)
        self.add_teams()
        self.add_host_users()
        self.add_alias()
        self.write("users/assign", [*self.entries, "."])

    # ---- files ----

    def write(self, name, lines):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))

    def make_home(self, home, owner, files):
        uid, gid, _ = owner
        home.mkdir(mode=0o700, exist_ok=True)
        os.chown(home, uid, gid)
        for name, text in files.items():
            path = home / (".qmail" + name)
            path.write_text(text)
            path.chmod(0o664 if name == "-open" else 0o600)
            os.chown(path, uid, gid)
            for line in text.split():
                if line.startswith("./") and line.endswith("/"):
                    for part in ("", "tmp", "new", "cur"):
                        (home / line / part).mkdir(mode=0o700, exist_ok=True)
                        os.chown(home / line / part, uid, gid)

    def write_control(self):
        virtual = ["# domains of customers"]
        virtual += [f"{domain}:{self.virtual_owner(n)}" for n, domain in enumerate(VIRTUAL)]
        virtual += [".s0.example:shop-s0", f"{EXCEPTION}:", ".s1.example:" + user(6), ".b.s2.example:" + user(26)]
        virtual += [f"info@{domain}:{user(20 * n + 6)}" for n, domain in enumerate(PARTIAL)]
        accepted = [*LOCALS, *VIRTUAL, ".s0.example", ".s1.example", "a.b.s2.example", *PARTIAL]
        self.write("control/me", [ME])
        self.write("control/locals", [*LOCALS, "# that is all  "])
        self.write("control/virtualdomains", virtual)
        self.write("control/rcpthosts", accepted)
        self.write("control/morercpthosts", RELAYED)
        self.write("control/smtproutes", [f":{self.relay}"])
        self.write("tcp.smtp", ["127.:allow", ":deny"])

    def virtual_owner(self, n):
        """Of users with extensions, of nobody (alias), of accounts of the host, of teams."""
        return [user(20 * n + 6), f"shop{n}", f"{self.names[n % len(self.names)]}-shop", "team-a", "team-b"][n // 5]

    def add_user(self, n):
        name, home = user(n), self.homes / user(n)
        account = self.names[n % len(self.names)]
        uid, gid, _ = self.accounts[account]
        self.make_home(home, self.accounts[account], profile(n))
        self.entries.append(f"={name}:{account}:{uid}:{gid}:{home}:::")
        if n % HAS_WILDCARD or n % 20 in (8, 12, 16):
            self.entries.append(f"+{name}-:{account}:{uid}:{gid}:{home}:-::")

    def add_teams(self):
        """The longest wins; what stands behind a wildcard goes behind its ext; of two the first counts."""
        account = self.names[0]
        uid, gid, _ = self.accounts[account]
        for team, files in (
            ("team", {"-default": "./Ext/\n", "-all-boss": "./Mailbox\n"}),
            ("teama", {"-of-a-sales": "./Maildir/\n", "-of-a-default": f"&{user(1)}\n"}),
        ):
            self.make_home(self.homes / team, self.accounts[account], files)
        self.entries += [
            f"+team-:{account}:{uid}:{gid}:{self.homes}/team:-:all-:",
            f"+team-a-:{account}:{uid}:{gid}:{self.homes}/teama:-:of-a-:",
            f"=team-a-boss:{account}:{uid}:{gid}:{self.homes}/team:-:all-boss:",
            f"={user(0)}:{account}:{uid}:{gid}:{self.homes}/team:::",
        ]

    def add_host_users(self):
        for name in self.names:
            self.make_home(
                self.accounts[name][2],
                self.accounts[name],
                {"-shop-default": "./Shop/\n", "-shop-sales": f"&{user(2)}@{LOCALS[2]}\n", "-news": "./Mailbox\n"},
            )

    def add_alias(self):
        files = {f"-shop{n}-default": f"{user(20 * n + 1)}\n" for n in range(5, 10)}
        files |= {f"-shop{n}-info": "./Shop/\n" for n in range(5, 10)}
        files |= {"-shop-s0-default": f"&{user(3)}\n", "-sales": f"&{user(2)}\n&{user(3)}@{LOCALS[4]}\n"}
        files |= {f"-role{n}": f"{user(n)}\n" for n in range(20)}
        self.make_home(self.alias[2], self.alias, files)

    # ---- what is asked ----

    def addresses(self):
        """2,000 of them, none twice."""
        found = [f"{user(n)}@{LOCALS[n % 10]}" for n in range(0, 1000, 2)]
        found += [f"{user(n)}-{EXTENSIONS[n % 20] or 'none'}@{LOCALS[n // 20 % 10]}" for n in range(1000)]
        for domain in VIRTUAL:
            found += [f"{name}@{domain}" for name in ("info", "sales", "boss", "Web.Master", "a-b-c", "x", "y", "z")]
        for domain in (*BELOW, EXCEPTION, *PARTIAL, *RELAYED, FOREIGN):
            found += [f"{name}@{domain}" for name in ("info", "sales", "Info-x", "someone")]
        for name in self.names:
            found += [f"{name}{ext}@{LOCALS[3]}" for ext in ("", "-news", "-News", "-shop-x", "-shop-sales", "-nothing")]
        found += [f"role{n}@{LOCALS[n % 10]}" for n in range(25)]
        found += [f"{name}@{domain}" for domain in LOCALS for name in ("sales", "Sales-x", "team-x", "team-a-boss")]
        found += [f"{user(n).upper()}@{LOCALS[n // 20 % 10].upper()}" for n in range(1, USERS, 2)]
        return list({address.lower(): address for address in found}.values())[:ADDRESSES]

    def model(self):
        accounts = {name: home for name, (_, _, home) in self.accounts.items()}
        return Qmail(self.folder, accounts, self.alias[2])
