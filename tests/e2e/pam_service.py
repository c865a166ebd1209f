"""PAM's file for the service of ampel-auth, of which a host has one."""

import contextlib
import fcntl
import os
from pathlib import Path

import pytest

FILE = Path("/etc/pam.d/ampel")


@contextlib.contextmanager
def held():
    """No other test has it meanwhile; it is not there before nor afterwards."""
    if os.geteuid() != 0:
        pytest.skip(f"only root writes {FILE}")
    folder = os.open(FILE.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if FILE.exists():
            pytest.skip(f"{FILE} is the administrator's")
        try:
            yield FILE
        finally:
            FILE.unlink(missing_ok=True)
    finally:
        os.close(folder)
