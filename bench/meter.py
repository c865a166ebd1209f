"""What a contender costs: CPU of all its processes, and their memory."""

import json
import os
import signal
import subprocess
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """(comm, parent, CPU seconds with reaped children) of a process, or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            head, _, rest = f.read().rpartition(")")
    except OSError:
        return None
    field = rest.split()
    cpu = sum(int(t) for t in field[11:15]) / TICK
    return head.partition("(")[2], int(field[1]), cpu


def tree(root):
    """The pids of root and all its living descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(name)):
            children.setdefault(stat[1], []).append(int(name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_of_program(pids, name):
    """CPU seconds of the processes among pids that run that program."""
    stats = [_stat(pid) for pid in pids]
    return sum(s[2] for s in stats if s and s[0] == name)


def pss_bytes(pids):
    """Proportional set size: shared pages are counted once in the sum."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                for line in f:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
                        break
        except OSError:
            pass  # it has ended
    return total


def _cgroup2_mount():
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            before, _, after = line.partition(" - ")
            if after.startswith("cgroup2 "):
                return before.split()[4]
    return None


class Group:
    """
    The processes of one contender. A cgroup where that is possible: it also
    counts what has ended unseen. Else the process tree, as /proc shows it.
    """

    def __init__(self, name):
        self.root_pid = None
        self.folder = None
        mount = _cgroup2_mount()
        if mount:
            folder = f"{mount}/{name}-{os.getpid()}"
            try:
                os.mkdir(folder)
                self.folder = folder
                self._usage()
            except OSError:
                self.folder = None

    def _usage(self):
        with open(f"{self.folder}/cpu.stat", encoding="ascii") as f:
            for line in f:
                if line.startswith("usage_usec "):
                    return int(line.split()[1]) / 1e6
        raise OSError("no usage_usec")

    def enter(self):
        """In a child before exec (a preexec_fn)."""
        if self.folder:
            with open(f"{self.folder}/cgroup.procs", "w", encoding="ascii") as f:
                f.write("0")

    def how(self):
        return "cgroup" if self.folder else "/proc"

    def pids(self):
        if self.folder:
            with open(f"{self.folder}/cgroup.procs", encoding="ascii") as f:
                return [int(line) for line in f]
        return tree(self.root_pid) if self.root_pid else []

    def cpu(self):
        if self.folder:
            return self._usage()
        return sum(s[2] for s in map(_stat, self.pids()) if s)

    def kill(self):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def close(self):
        """Once its processes are gone."""
        for _ in range(50):
            if not self.folder:
                return
            try:
                os.rmdir(self.folder)
                return
            except OSError:
                time.sleep(0.1)


class PeakMemory:
    """The largest sum of PSS over the time of a with block."""

    def __init__(self, group, interval=0.1):
        self.group = group
        self.interval = interval
        self.peak = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def _sample(self):
        while not self._end.is_set():
            self.peak = max(self.peak, pss_bytes(self.group.pids()))
            self._end.wait(self.interval)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def run_json(argv):
    """Run a tool that prints JSON; whatever its exit code says."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    return json.loads(done.stdout or b"{}")
