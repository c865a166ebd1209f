"""
Recipients of a site that comes from qmail, as they are answered at RCPT: virtual domains,
assignments, relayed domains. Those that exist by themselves; whom a .qmail file has to tell of is
elsewhere.
"""

import pytest

from server import wait_until
from wire import Wire

VIRTUAL = """# key:prepend
virt.example:alice
not@virt.example:
box@other.example:bob
.below.example:shop
"""
# of the users that the server has, "ID" is theirs
ASSIGN = """=carol:alice:ID:ID:HOME:::
=alice-info:bob:ID:ID:HOME:::
+bulk-:bob:ID:ID:HOME:::
+shop-:alice:ID:ID:HOME:::
.
"""


def assignments(server, text):
    """Of accounts that are there: those of alice."""
    line = next(l for l in server.passwd().read_text().splitlines() if l.startswith("alice:"))
    _, _, uid, _, _, home, _ = line.split(":")
    return text.replace("ID", uid).replace("HOME", home)


@pytest.fixture(scope="module")
def server(module_server):
    """Its files are in its own folder, readable for all."""
    server = module_server(aliases="info@virt.example: bob\nnews: alice\n")
    server.settings = {
        "virtual_domains": f'"{server.folder}/virtualdomains"',
        "assign": f'"{server.folder}/assign"',
        "relay_domains": '{ "relay.example", ".relay.example" }',
    }
    server.write_conf()
    server.add_users()
    (server.folder / "virtualdomains").write_text(VIRTUAL)
    (server.folder / "assign").write_text(assignments(server, ASSIGN))
    return server.start(add_users=False)


@pytest.fixture
def wire(server):
    with Wire(server.port) as wire:
        wire.hello()
        wire.expect(250, "MAIL FROM:<a@client.example>")
        yield wire


@pytest.mark.parametrize(
    "path",
    [
        "<alice@mx.example>",
        "<alice+tag@mx.example>",
        # assigned by itself, or by a prefix; case does not matter
        "<carol@mx.example>",
        "<Carol@MX.example>",
        "<bulk-a@mx.example>",
        "<BULK-any.thing@mx.example>",
        # what the virtual domain makes of it is assigned, or an alias of the address
        "<info@virt.example>",
        "<INFO@Virt.Example>",
        "<x@a.below.example>",
        "<postmaster@virt.example>",
        "<postmaster@a.below.example>",
        # others' mail that is passed on
        "<anybody@relay.example>",
        "<anybody@deep.below.relay.example>",
    ],
)
def test_these_exist(wire, path):
    wire.expect(250, f"RCPT TO:{path}")


@pytest.mark.parametrize(
    "path, code, status",
    [
        # users of our own have no dash extensions
        ("<alice-x@mx.example>", 550, "5.1.1"),
        ("<bulk@mx.example>", 550, "5.1.1"),
        ("<carol-x@mx.example>", 550, "5.1.1"),
        ("<nobody@virt.example>", 550, "5.1.1"),
        # an alias of our domains is none of virtual ones
        ("<news@virt.example>", 550, "5.1.1"),
        # an exception, an address of a domain that has no other, and what is below nothing
        ("<not@virt.example>", 550, "5.7.1"),
        ("<alice@other.example>", 550, "5.7.1"),
        ("<alice@below.example>", 550, "5.7.1"),
        ("<anybody@norelay.example>", 550, "5.7.1"),
    ],
)
def test_these_do_not(wire, path, code, status):
    reply = wire.command(f"RCPT TO:{path}")
    assert (reply.code, reply.status) == (code, status), reply


def answer(server, address):
    with Wire(server.port) as wire:
        wire.hello()
        wire.expect(250, "MAIL FROM:<a@client.example>")
        return wire.command(f"RCPT TO:<{address}>").code


def says(server, text):
    """Files are looked at when somebody asks: until the log has it."""
    return wait_until(
        lambda: answer(server, "unknown@mx.example") and server.log_lines(text), 5, 0.1
    )


def replace(path, text):
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.rename(path)


def test_changes_and_mistakes(server):
    """What is changed counts at once; what is broken is named and the old stays."""
    assign = server.folder / "assign"
    virtual = server.folder / "virtualdomains"
    whole, domains = assign.read_text(), virtual.read_text()
    try:
        assert answer(server, "dave@mx.example") == 550
        replace(assign, "=dave" + whole[len("=carol") :])
        assert wait_until(lambda: answer(server, "dave@mx.example") == 250, 5, 0.1)
        assert answer(server, "carol@mx.example") == 550

        replace(assign, "=dave:root:0:0:/root:::\n.\n")
        assert says(server, f"{assign}:1: uid or gid is 0")
        assert answer(server, "dave@mx.example") == 250
        replace(assign, whole)
        assert wait_until(lambda: answer(server, "carol@mx.example") == 250, 5, 0.1)

        replace(virtual, domains + "new.example\n")
        assert says(server, f"{virtual}:{len(domains.splitlines()) + 1}: expected key:prepend")
        assert answer(server, "info@virt.example") == 250
        replace(virtual, domains + "new.example:bulk\n")
        assert wait_until(lambda: answer(server, "x@new.example") == 250, 5, 0.1)
    finally:
        replace(assign, whole)
        replace(virtual, domains)
        wait_until(lambda: answer(server, "x@new.example") == 550, 5, 0.1)


def test_check(module_server):
    """All mistakes of both files, with their lines; a file that is not there."""
    server = module_server(users=())
    server.settings = {
        "virtual_domains": f'"{server.folder}/virtualdomains"',
        "assign": f'"{server.folder}/assign"',
    }
    server.write_conf()
    (server.folder / "virtualdomains").write_text("a.example:x\nb.example\n.:x\n")
    (server.folder / "assign").write_text("=a:a:0:1:/:::\n\n+b:b:1:1:/::\n")
    done = server.command("check")
    lines = [l.replace(f"{server.folder}/", "") for l in done.stderr.splitlines()]
    line_expected = (
        "expected =local:user:uid:gid:home:dash:ext: or +prefix:user:uid:gid:home:dash:ext:"
    )
    assert done.returncode == 78
    assert [l for l in lines if l.startswith(("assign", "virtualdomains"))] == [
        'assign: the last line is not ".": the end is missing',
        "assign:1: uid or gid is 0: root gets no mail; give it to somebody else",
        f"assign:2: {line_expected}",
        f"assign:3: {line_expected}",
        "virtualdomains:2: expected key:prepend",
        'virtualdomains:3: "." is neither user@domain, domain, .suffix nor empty',
    ]

    (server.folder / "assign").unlink()
    (server.folder / "virtualdomains").write_text("a.example:x\n")
    done = server.command("check")
    assert done.returncode == 78
    assert f"{server.folder}/assign: cannot be read: No such file or directory" in done.stderr
