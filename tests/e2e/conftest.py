"""Fixtures: a server of its own for each module or test, always stopped and removed."""

import fcntl
import os
import subprocess

import pytest

import spamd
from queue_house import House
from server import ROOT, STAGE, Server


# Of several workers none is to begin with these when the others are done.
LONGEST = ["test_tls.py", "test_hiq_program.py", "test_kill.py", "test_world.py", "test_auth_delays.py"]


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a few seconds")


def pytest_collection_modifyitems(items):
    rank = {name: n for n, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def ground():
    """A built tree; and as root the accounts that the server drops to."""
    if not (STAGE / "bin" / "ampel").exists():
        pytest.exit(f"{STAGE}/bin/ampel is missing: run scripts/build", 3)
    if os.geteuid() == 0:
        create = ROOT / "contrib" / "sysusers" / "create"
        with create.open("rb") as one_at_a_time:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            subprocess.run(
                [str(create)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )


def make_server():
    """A factory of servers and the function that ends them all."""
    made = []

    def factory(**kwargs):
        made.append(Server(**kwargs))
        return made[-1]

    def end():
        for one in made:
            try:
                one.stop()
            finally:
                one.remove()

    return factory, end


@pytest.fixture
def new_server():
    """Servers of one test, not started."""
    factory, end = make_server()
    yield factory
    end()


@pytest.fixture(scope="module")
def module_server():
    """The same for a whole module."""
    factory, end = make_server()
    yield factory
    end()


@pytest.fixture
def new_house():
    """Queues alone, of one test, not started."""
    made = []

    def factory(**kwargs):
        made.append(House(**kwargs))
        return made[-1]

    yield factory
    for one in made:
        one.remove()


@pytest.fixture(scope="module")
def real_spamd():
    """With the rules that make a message's colour known (spamd.TEST_RULES)."""
    one = spamd.Spamd(rules=spamd.TEST_RULES).start()
    yield one
    one.close()
