#!/usr/bin/python3
"""
Every check of the project, one after the other; started by scripts/test, which
installs what it needs. Prints a line for each, the end of the log of what failed,
what was skipped, and last "N passed, N failed".
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "build" / "test-logs"
FUZZ_SECONDS = 5
LOG_TAIL = 60
# With the fuzzers, which need the same objects.
SANITIZERS = ["-Dwerror=true", "-Doptimization=1", "-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"]


class Tally:
    def __init__(self):
        self.start = time.monotonic()
        self.passed = self.failed = 0
        self.skipped = []

    def line(self, text):
        print(f"[{time.monotonic() - self.start:4.0f}s] {text}", flush=True)

    def add(self, name, passed, failures, skips=(), log=None):
        """failures: [(name, text)]; a text that is empty means the end of the log."""
        self.passed += passed
        self.failed += len(failures)
        self.skipped += [f"{name}: {skip}" for skip in skips]
        counts = f"{passed} passed, {len(failures)} failed"
        self.line(f"{name}: {counts}" + (f", {len(skips)} skipped" if skips else ""))
        for test, text in failures:
            print(f"--- failed: {name}: {test}")
            print(tail(text) if text else tail(log.read_text("utf-8", "replace") if log else ""))

    def end(self):
        for skip in self.skipped:
            print(f"skipped: {skip}")
        print(f"{self.passed} passed, {self.failed} failed")
        return 0 if self.failed == 0 and self.passed > 0 else 1


def tail(text):
    return "\n".join(text.splitlines()[-LOG_TAIL:])


def run(name, argv, seconds, env=None):
    """(exit code, log); the code is a text when it ran too long or cannot run."""
    log = LOGS / (name.replace(" ", "-").replace("/", "-") + ".log")
    with log.open("wb") as out:
        try:
            process = subprocess.Popen(
                argv,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        except OSError as e:
            out.write(str(e).encode())
            return "cannot run", log
        try:
            return process.wait(seconds), log
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            out.write(f"\nkilled after {seconds} seconds\n".encode())
            return "timeout", log


def one(tally, name, argv, seconds, env=None):
    """A check that passes or fails as a whole. Whether it passed."""
    code, log = run(name, argv, seconds, env)
    failures = [] if code == 0 else [(f"exit code {code}", "")]
    tally.add(name, int(code == 0), failures, log=log)
    return code == 0


def read_junit(path):
    """(passed, [(name, text)], [skipped])"""
    passed, failures, skips = 0, [], []
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name')}".strip(".")
        bad = [e for e in case if e.tag in ("failure", "error")]
        skip = case.find("skipped")
        if bad:
            said = "\n".join(filter(None, [*(e.text for e in bad), case.findtext("system-out"), case.findtext("system-err")]))
            failures.append((name, said or bad[0].get("message")))
        elif skip is not None:
            skips.append(f"{name} ({skip.get('message')})" if skip.get("message") else name)
        else:
            passed += 1
    return passed, failures, skips


def counted(tally, name, argv, junit, seconds, env=None):
    """A runner of many tests that writes a JUnit file."""
    junit.unlink(missing_ok=True)
    code, log = run(name, argv, seconds, env)
    try:
        passed, failures, skips = read_junit(junit)
    except (OSError, ElementTree.ParseError) as e:
        tally.add(name, 0, [(f"no results: {e}", "")], log=log)
        return
    if code != 0 and not failures:
        failures.append((f"exit code {code}", ""))
    if passed + len(failures) == 0:
        failures.append(("nothing ran", ""))
    tally.add(name, passed, failures, skips, log)


# ---- the steps ----


def configure_and_compile(tally, folder, options, env=None):
    setup = ["meson", "configure"] if (ROOT / folder / "build.ninja").exists() else ["meson", "setup"]
    name = f"compile {folder}"
    code, log = run(f"configure {folder}", [*setup, folder, *options], 120, env)
    if code != 0:
        tally.add(name, 0, [("meson", "")], log=log)
        return False
    return one(tally, name, ["ninja", "-C", folder], 800)


def unit_tests(tally, folder):
    env = {
        "ASAN_OPTIONS": "abort_on_error=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    argv = ["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs"]
    junit = ROOT / folder / "meson-logs" / "testlog.junit.xml"
    counted(tally, f"unit tests {folder}", argv, junit, 420, env)


def compilers(tally):
    if one(tally, "build with gcc", ["scripts/build", "-Dwerror=true"], 600):
        unit_tests(tally, "build")
    # clang's warnings, and its sanitizers
    if configure_and_compile(tally, "build-asan", SANITIZERS, {"CC": "clang"}):
        unit_tests(tally, "build-asan")


def executables(folder):
    """Checks of the tree: every executable there."""
    found = sorted((ROOT / folder).glob("*"))
    return [path for path in found if path.is_file() and os.access(path, os.X_OK)]


def checks(tally):
    arguments = {"purity": ["build"]}
    found = executables("tests/checks")
    for path in found:
        one(tally, f"check {path.name}", [str(path), *arguments.get(path.name, [])], 120)
    if not found:
        tally.add("checks", 0, [("none in tests/checks", "")])


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, stdout=subprocess.PIPE, check=False
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    if not names:  # an unpacked release has no git
        names = [str(p.relative_to(ROOT)) for pattern in patterns for p in ROOT.glob(pattern)]
    return sorted(name for name in names if (ROOT / name).is_file())


def is_shell(name):
    with (ROOT / name).open("rb") as f:
        return f.readline(80).split(b" ")[0].strip() in (b"#!/bin/sh", b"#!/bin/bash")


def texts(tally):
    scripts = [n for n in tracked("scripts/*", "contrib/**", ".ci/*", "tests/**", "bench/*") if is_shell(n)]
    one(tally, "shellcheck", ["shellcheck", *scripts], 120)
    for page in tracked("man/*.[1-9]"):
        one(tally, f"mandoc {page}", ["mandoc", "-Tlint", "-Wwarning", page], 30)


def fuzz_one(target):
    corpus = ROOT / "tests" / "fuzz" / "corpus" / target.name.removeprefix("fuzz-")
    with tempfile.TemporaryDirectory() as found:
        argv = [str(target), f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-rss_limit_mb=2048"]
        argv += [f"-artifact_prefix={LOGS}/{target.name}-", found]
        argv += [str(corpus)] if corpus.is_dir() else []
        return run(target.name, argv, 60 + FUZZ_SECONDS)


def fuzz(tally):
    if not configure_and_compile(tally, "build-asan", SANITIZERS, {"CC": "clang"}):
        return
    targets = [t for t in executables("build-asan/tests/fuzz") if t.name.startswith("fuzz-")]
    if not targets:
        tally.add("fuzz", 0, [("no targets", "")])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for target, (code, log) in zip(targets, pool.map(fuzz_one, targets)):
            failures = [] if code == 0 else [(f"exit code {code}", "")]
            tally.add(target.name, int(code == 0), failures, log=log)


def end_to_end(tally):
    junit = LOGS / "e2e.xml"
    argv = ["/usr/bin/python3", "-m", "pytest", "-q", f"--junitxml={junit}", "-p", "no:cacheprovider", "tests/e2e"]
    # servers are started once a file, and most of the time is spent waiting
    argv += ["-n", "4", "--dist", "loadfile"]
    counted(tally, "tests/e2e", argv, junit, 900)


def faults(tally):
    one(tally, "tests/faults/run --short", ["tests/faults/run", "--short"], 300)


STEPS = {
    "compilers": compilers,
    "checks": checks,
    "texts": texts,
    "fuzz": fuzz,
    "e2e": end_to_end,
    "faults": faults,
}


def main():
    names = sys.argv[1:] or list(STEPS)
    if unknown := set(names) - set(STEPS):
        sys.exit(f"scripts/test: no such step: {', '.join(unknown)}; there are: {', '.join(STEPS)}")
    # a shell's background jobs ignore these two, and what is tested would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    tally = Tally()
    for name in names:
        STEPS[name](tally)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
