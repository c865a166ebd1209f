"""Processes as /proc shows them. Names come from comm, which anybody may read."""

import os


def _stat(pid):
    """(comm, state, parent) or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            head, _, rest = f.read().rpartition(")")
    except OSError:
        return None
    field = rest.split()
    return head.partition("(")[2], field[0], int(field[1])


def name(pid):
    stat = _stat(pid)
    return stat[0] if stat else None


def is_running(pid):
    """Neither gone nor a zombie."""
    stat = _stat(pid)
    return stat is not None and stat[1] != "Z"


def descendants(root):
    """The pids of all living descendants of root, not root itself."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := _stat(entry)) and stat[1] != "Z":
            children.setdefault(stat[2], []).append(int(entry))
    found, todo = [], list(children.get(root, []))
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def kill(pid, signal):
    """Calm when it is gone."""
    try:
        os.kill(pid, signal)
    except ProcessLookupError:
        pass
