"""The neighbours of ampel-remote, ampel-fetch and ampel-lookup, by hand: DNS and policies as a test wants them."""

import ipaddress
import threading

from frames import enum

RESULTS = enum("dns_result")
MODES = enum("sts_mode")
TYPES = {"A": 1, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}


def name_data(name):
    if name == ".":
        return b"\0"
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record_data(type, text):
    """As zone files have it, to the data of a record."""
    if type == "MX":
        preference, name = text.split()
        return int(preference).to_bytes(2, "big") + name_data(name)
    if type == "PTR":
        return name_data(text)
    if type == "TLSA":
        usage, selector, matching, association = text.split()
        return bytes([int(usage), int(selector), int(matching)]) + bytes.fromhex(association)
    if type == "TXT":
        data = text.encode()
        return b"".join(bytes([len(part)]) + part for part in (data[i : i + 255] for i in range(0, len(data), 255)))
    return ipaddress.ip_address(text).packed


def listed(items):
    return b"".join(len(item).to_bytes(4, "little") + item for item in items)


class Answers(threading.Thread):
    """Of one neighbour: question by question, until the program is gone."""

    def __init__(self, channel):
        super().__init__(daemon=True)
        self.channel = channel
        channel.socket.settimeout(None)
        self.asked = []
        self.start()

    def run(self):
        try:
            while True:
                name, values, _ = self.channel.receive()
                if name is None:
                    return
                self.answer(values)
        except OSError:
            pass


class Dns(Answers):
    """
    zone: {"far.example MX": ["10 a.far.example", ...]}. A key may end with " secure"; a value
    may be a result, "DNS_BOGUS", or a CNAME, ("alias", "a.far.example"). What is not there is not.
    Without a zone it dies of the first question.
    """

    def __init__(self, channel, zone, ttl=300):
        self.zone, self.ttl = zone, ttl
        super().__init__(channel)

    def find(self, key):
        for found, is_secure in ((key, 0), (key + " secure", 1)):
            if found in self.zone:
                return self.zone[found], is_secure
        return "DNS_NO_DATA" if any(k.startswith(key.split()[0] + " ") for k in self.zone) else "DNS_NO_NAME", 0

    def answer(self, values):
        if self.zone is None:
            self.channel.close()
            raise OSError("told to die")
        name = values["name"].decode()
        type = {n: t for t, n in TYPES.items()}[values["type"]]
        self.asked.append(f"{name} {type}")
        found, is_secure = self.find(f"{name} {type}")
        canonical = name
        if isinstance(found, tuple):
            canonical = found[1]
            found, second = self.find(f"{canonical} {type}")
            is_secure &= second
        if isinstance(found, str):
            self.channel.send("DNS", q=values["q"], result=RESULTS[found], is_secure=is_secure, ttl=self.ttl, canonical=canonical)
            return
        records = [record_data(type, text) for text in found]
        self.channel.send(
            "DNS", q=values["q"], result=RESULTS["DNS_FOUND"], is_secure=is_secure, ttl=self.ttl,
            canonical=canonical, n=len(records), records=listed(records),
        )  # fmt: skip


class Policies(Answers):
    """{"far.example": ("STS_ENFORCE", ["*.far.example"])}"""

    def __init__(self, channel, policies):
        self.policies = policies
        super().__init__(channel)

    def answer(self, values):
        domain = values["domain"].decode()
        self.asked.append(domain)
        mode, patterns = self.policies.get(domain, ("STS_NONE", []))
        self.channel.send(
            "POLICY", q=values["q"], mode=MODES[mode], n=len(patterns), patterns=listed([p.encode() for p in patterns])
        )
