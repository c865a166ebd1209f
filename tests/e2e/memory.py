"""What a process holds: a core image without the core, as root may read it."""

import os

PIECE = 1024 * 1024


def _regions(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as f:
        for line in f:
            field = line.split(maxsplit=5)
            name = field[5].strip() if len(field) > 5 else ""
            if field[1][0] == "r" and name not in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                start, end = (int(x, 16) for x in field[0].split("-"))
                yield start, end, name


def places(pid, needle):
    """Where needle stands in the memory of a process: ["[heap]", ...]; gone is nowhere."""
    found = []
    try:
        memory = open(f"/proc/{pid}/mem", "rb", buffering=0)
    except OSError:
        return found
    with memory:
        for start, end, name in _regions(pid):
            if _holds(memory, start, end, needle):
                found.append(name or "anonymous")
    return found


def _holds(memory, start, end, needle):
    tail = b""
    for at in range(start, end, PIECE):
        try:
            memory.seek(at)
            piece = memory.read(min(PIECE, end - at))
        except (OSError, ValueError, OverflowError):
            return False
        if needle in tail + piece:
            return True
        tail = piece[-len(needle) :]
    return False


def shown(pid):
    """What anybody may see of it: its command line; and what it was started with."""
    text = b""
    for name in ("cmdline", "environ"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as f:
                text += f.read()
        except OSError:
            pass
    return text


def files_with(folder, needle):
    found = []
    for path, _, names in os.walk(folder):
        for name in names:
            whole = os.path.join(path, name)
            if os.path.isfile(whole) and not os.path.islink(whole):
                with open(whole, "rb") as f:
                    if needle in f.read():
                        found.append(whole)
    return found
