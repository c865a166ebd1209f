"""Dominic Sayers' 164 addresses as RCPT: none is taken, each gets one clean answer."""

import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from server import ROOT
from wire import Wire

SUITES = Path(os.environ.get("AMPEL_SUITES", ROOT.parent / "shared" / "suites"))
FILE = SUITES / "isemail" / "tests.xml"

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"{FILE} is not there")

# What RFC 5321 can carry is well-formed: the domain is just not ours. (The suite files
# IPV6DEPRECATED under deprecated syntax, but its meta.xml calls it valid for SMTP.)
WELL_FORMED = {
    "ISEMAIL_VALID",
    "ISEMAIL_DNSWARN_NO_MX_RECORD",
    "ISEMAIL_DNSWARN_NO_RECORD",
    "ISEMAIL_RFC5321_TLD",
    "ISEMAIL_RFC5321_TLDNUMERIC",
    "ISEMAIL_RFC5321_QUOTEDSTRING",
    "ISEMAIL_RFC5321_ADDRESSLITERAL",
    "ISEMAIL_RFC5321_IPV6DEPRECATED",
}
BARE_LF = re.compile(r"(?<!\r)\n")


def control(text):
    """The suite writes control characters as U+2400 and up."""
    return "".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x2421 else c for c in text)


def rows():
    if not FILE.exists():
        return []
    found = []
    for test in ElementTree.parse(FILE).iter("test"):
        address = control(test.findtext("address") or "")
        diagnosis = test.findtext("diagnosis")
        found.append(pytest.param(address, diagnosis, id=f"{test.get('id')}-{diagnosis}"))
    return found


@pytest.fixture(scope="module")
def server(module_server):
    return module_server().start()


@pytest.fixture
def wire(server):
    with Wire(server.port) as wire:
        wire.hello()
        wire.expect(250, "MAIL FROM:<a@client.example>")
        yield wire


@pytest.mark.parametrize("address, diagnosis", rows())
def test_address(wire, address, diagnosis):
    wire.send(f"RCPT TO:<{address}>\r\n".encode())
    if BARE_LF.search(address):
        wire.expect(500)
        assert wire.is_closed()
        return
    # a CRLF inside makes several lines of it, none of which is good
    codes = [wire.reply().code for _ in range(address.count("\r\n") + 1)]
    wanted = (550, 553) if diagnosis in WELL_FORMED else (500, 501, 553)
    assert all(code in wanted for code in codes), codes
    wire.expect(250, "NOOP")
    assert wire.command("DATA").code in (503, 554)
