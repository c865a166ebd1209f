"""
The DNS of a test: one nsd with the zones that the test writes, the root and the top-level
domains above them, signed where asked.

    zones = Zones({"example.net": ["@ MX 10 mx", "mx A 127.0.0.1"]}, signed={"example.net"})
    server = new_server(blocks=zones.block)

A record is a line of a zone file, relative to its zone; class and TTL may be left out. SOA and NS
come by themselves. What is signed is secure by way of zones.block, whose anchor is the key of
this root; everything else is proven to be insecure. Zones in `expired`, `forged` and `unknown_key`
are signed, and bogus: their signatures ended long ago, do not fit, or are by a key that the
zone above does not know.
"""

import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess

from server import make_folder, wait_until

NSD = "/usr/sbin/nsd"
PORT = 53 if os.geteuid() == 0 else 5353
ALGORITHM = "ECDSAP256SHA256"
LONG_AGO = ("20200101", "20200201")


def loopback():
    """An address of this host that no other test has, by chance."""
    return f"127.{1 + secrets.randbelow(250)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"


def run(folder, *argv):
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def parent(zone):
    return zone.partition(".")[2] or "."


class Zone:
    def __init__(self, name, records):
        self.name = name
        self.records = list(records)
        self.keys = None  # the base name of its files
        self.ds = None
        self.flaw = None


class Zones:
    def __init__(
        self,
        zones,
        signed=(),
        *,
        expired=(),
        forged=(),
        unknown_key=(),
        ttl=5,
        address=None,
    ):
        self.folder = make_folder("ampel-zones-")
        self.address = address or loopback()
        self.ttl = ttl
        self.serial = 1
        self.process = None
        self.zones = {name: Zone(name, records) for name, records in zones.items()}
        flaws = {"expired": expired, "forged": forged, "unknown_key": unknown_key}
        self.signed = set(signed).union(*flaws.values())
        for flaw, names in flaws.items():
            for name in names:
                self.zones[name].flaw = flaw
        self.add_parents()
        self.write_all()
        self.start()

    # ---- what a server's configuration needs ----

    @property
    def block(self):
        """nsd as the forwarder: it knows all there is."""
        anchor = f'  anchor = "{self.anchor}"' if self.signed else self.no_anchor()
        return f'dns {{ forward = {{ "{self.address}:{PORT}" }}{anchor} }}\n'

    @property
    def block_from_root(self):
        """From our root down, as on the Internet: only as root, on the port that is the DNS's."""
        assert PORT == 53
        anchor = f'  anchor = "{self.anchor}"' if self.signed else self.no_anchor()
        return f'dns {{ root_hints = "{self.hints}"{anchor} }}\n'

    def no_anchor(self):
        """The Internet's root has signed nothing here: a key of a zone that is not there."""
        self.write("none.key", "nowhere.invalid. IN DS 1 13 2 " + "0" * 64 + "\n")
        return f'  anchor = "{self.folder / "none.key"}"'

    @property
    def anchor(self):
        return self.folder / "root.key"

    @property
    def hints(self):
        return self.write("root.hints", f". 3600000 NS ns.root-servers.test.\nns.root-servers.test. 3600000 A {self.address}\n")

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    # ---- zones ----

    def add_parents(self):
        for name in list(self.zones):
            zone = name
            while zone != ".":
                zone = parent(zone)
                self.zones.setdefault(zone, Zone(zone, []))
                if name in self.signed:
                    self.signed.add(zone)
        self.zones.setdefault(".", Zone(".", []))

    def children(self, name):
        return [z for z in self.zones.values() if z.name != "." and self.above(z.name) == name]

    def above(self, name):
        """The zone that delegates it."""
        above = parent(name)
        while above not in self.zones:
            above = parent(above)
        return above

    def text(self, zone):
        origin = "." if zone.name == "." else zone.name + "."
        server = "ns.root-servers.test." if zone.name == "." else "ns." + origin
        lines = [
            f"$ORIGIN {origin}",
            f"$TTL {self.ttl}",
            f"@ SOA {server} hostmaster.{origin.lstrip('.')} {self.serial} 3600 600 86400 {self.ttl}",
            f"@ NS {server}",
            f"{server} A {self.address}",
            *zone.records,
        ]
        for child in self.children(zone.name):
            lines += [f"{child.name}. NS ns.{child.name}.", f"ns.{child.name}. A {self.address}"]
            if child.ds:
                lines.append(child.ds)
        return "\n".join(lines) + "\n"

    def file(self, zone):
        return "root.zone" if zone.name == "." else f"{zone.name}.zone"

    def make_keys(self, zone):
        zone.keys = run(self.folder, "ldns-keygen", "-k", "-a", ALGORITHM, zone.name)
        zone.ds = (self.folder / f"{zone.keys}.ds").read_text().strip()
        if zone.flaw == "unknown_key":
            other = run(self.folder, "ldns-keygen", "-k", "-a", ALGORITHM, zone.name)
            zone.ds = (self.folder / f"{other}.ds").read_text().strip()

    def write_zone(self, zone):
        path = self.folder / self.file(zone)
        path.write_text(self.text(zone))
        if zone.name not in self.signed:
            return
        dates = ("-i", LONG_AGO[0], "-e", LONG_AGO[1]) if zone.flaw == "expired" else ()
        run(self.folder, "ldns-signzone", *dates, path.name, zone.keys)
        signed = path.with_name(path.name + ".signed")
        lines = signed.read_text().splitlines()
        if zone.flaw == "forged":
            lines = [forge(line) for line in lines]
        signed.unlink()
        path.write_text("\n".join(lines) + "\n")

    def write_all(self):
        """The deepest first: a zone has the keys of those below it."""
        for zone in sorted(self.zones.values(), key=lambda z: -len(z.name.split(".")) * (z.name != ".")):
            if zone.name in self.signed:
                self.make_keys(zone)
            self.write_zone(zone)
        root = self.zones["."]
        if root.keys:
            self.write("root.key", (self.folder / f"{root.keys}.key").read_text())

    def replace(self, name, records):
        """Other records; what a resolver has kept lives on for ttl seconds."""
        self.serial += 1
        self.zones[name].records = list(records)
        self.write_zone(self.zones[name])
        self.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: self.serial_of(name) == self.serial, 10), f"{name} was not reloaded"

    # ---- nsd ----

    def start(self):
        if self.process:
            return self
        lines = [
            "server:",
            f"  ip-address: {self.address}@{PORT}",
            "  server-count: 1",
            '  username: ""',
            '  database: ""',
            f'  zonesdir: "{self.folder}"',
            f'  pidfile: "{self.folder}/nsd.pid"',
            f'  xfrdfile: "{self.folder}/xfrd"',
            f'  zonelistfile: "{self.folder}/zones"',
            f'  xfrdir: "{self.folder}"',
            f'  logfile: "{self.folder}/log"',
            "  rrl-ratelimit: 0",
            "  refuse-any: no",
            "remote-control:",
            "  control-enable: no",
        ]
        for zone in self.zones.values():
            lines += ["zone:", f'  name: "{zone.name}"', f'  zonefile: "{self.file(zone)}"']
        self.write("nsd.conf", "\n".join(lines) + "\n")
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [NSD, "-d", "-c", str(self.folder / "nsd.conf")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        answers = lambda: self.process.poll() is not None or self.serial_of(".") is not None
        wait_until(answers, 20)
        assert self.process.poll() is None and self.serial_of(".") is not None, self.log()
        return self

    def log(self):
        return "".join(
            (self.folder / name).read_text("utf-8", "replace")
            for name in ("output", "log")
            if (self.folder / name).exists()
        )

    def pause(self):
        """It answers no more, and nobody is told."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    def halt(self):
        """Nobody is there; start() begins anew."""
        if not self.process:
            return
        os.killpg(self.process.pid, signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def stop(self):
        self.halt()
        if not os.environ.get("AMPEL_TEST_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def serial_of(self, name):
        """What nsd says now, or None."""
        labels = [] if name == "." else name.split(".")
        asked = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
        query = struct.pack(">HHHHHH", 7, 0, 1, 0, 0, 0) + asked + struct.pack(">HH", 6, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.5)
            try:
                s.connect((self.address, PORT))
                s.send(query)
                answer = s.recv(4096)
            except OSError:
                return None
        if struct.unpack(">H", answer[6:8])[0] != 1:
            return None
        data = behind_name(answer[len(query) :])[10:]  # type, class, ttl, length
        return struct.unpack(">I", behind_name(behind_name(data))[:4])[0]


def behind_name(data):
    """A name ends with a zero byte or with a pointer."""
    while data[0] != 0 and data[0] < 192:
        data = data[1 + data[0] :]
    return data[1 if data[0] == 0 else 2 :]


def forge(line):
    """A signature in which one letter is another; the keys' own stay as they are."""
    fields = line.split()
    if len(fields) < 10 or fields[3] != "RRSIG" or fields[4] == "DNSKEY":
        return line
    last = fields[12]
    swapped = ("B" if last[10] == "A" else "A").join((last[:10], last[11:]))
    return line.replace(last, swapped)


