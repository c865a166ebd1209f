"""tests/checks/man-options finds what is missing, in the program or in its page."""

import shutil
import subprocess

import pytest

from server import ROOT

CHECK = ROOT / "tests" / "checks" / "man-options"


@pytest.fixture
def sources(tmp_path):
    for name in ("src", "man"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def said(sources):
    done = subprocess.run([CHECK, sources], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == (1 if done.stdout else 0)
    return done.stdout.splitlines()


def change(sources, path, old, new):
    text = (sources / path).read_text()
    assert text.count(old) == 1
    (sources / path).write_text(text.replace(old, new))


def test_nothing_is_missing(sources):
    assert said(sources) == []


@pytest.mark.parametrize(
    "path, old, new, complaint",
    [
        # gone from the program, or new in it
        ("src/tools/pido.c", '"+lr"', '"+l"', "man/pido.8: has -r, which"),
        ("src/tools/pido.c", '"+lr"', '"+lrx:"', "man/pido.8: does not know -x"),
        ("src/tools/pido.c", '"+lr"', "NULL", "src/tools/pido.c: the options of getopt are NULL"),
        ("src/tools/pido.c", '"+lr"', "x()", "src/tools/pido.c: the options of getopt are x"),
        ("src/tools/sendmail_options.c", "['t'] = TAKES_NOTHING", "['t'] = 0", "has -t, which"),
        ("src/ampel/cmd_why.c", '"--log"', '"log"', "man/ampel.8: has --log, which"),
        ("src/ampel/cmd_why.c", '"--log"', '"--journal"', "man/ampel.8: does not know --journal"),
        # gone from the page, or new in it
        ("man/pido.8", ".It Fl r\n", ".It r\n", "man/pido.8: does not explain -r"),
        ("man/pido.8", ".It Fl r\n", ".It Fl r , w\n", "man/pido.8: has -w, which"),
        ("man/sendmail.8", ".Fl A , B , D ,", ".Fl A , D ,", "man/sendmail.8: does not know -B"),
        ("man/ampel.8", ".It Fl -json\n", ".It json\n", "man/ampel.8: does not explain --json"),
        ("man/checkpassword.8", "There are no options.\n", "", "checkpassword: its options cannot"),
    ],
)
def test_finds(sources, path, old, new, complaint):
    change(sources, path, old, new)
    assert any(complaint in line for line in said(sources))


def test_page_that_is_not_there(sources):
    (sources / "man" / "pido.8").unlink()
    assert said(sources) == ["man/pido.8: is not there"]
