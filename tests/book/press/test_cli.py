"""The command line: good runs, every kind of bad input, interruption; nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from bbb_book.press.delivery import require_place
from bbb_core.cli import main

HEAVY = ("torch", "transformers", "matplotlib", "sphinx", "papermill", "jupytext", "scipy")


def bbb(*words: str):
    return CliRunner().invoke(main, list(words))


def bad(*words: str) -> str:
    """Run `bbb` with bad input; give its one line."""
    result = bbb(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_help_names_the_commands_and_loads_nothing_heavy():
    program = (
        "import sys; from bbb_core.cli import main; main(['--help'], standalone_mode=False); "
        f"sys.exit(any(name in sys.modules for name in {HEAVY!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for name in ("audit", "book", "chapter"):
        assert name in done.stdout


def test_list_shows_names_types_defaults_and_meanings(book):
    shown = bbb("chapter", "list").output
    assert "sample  A sample chapter" in shown
    assert 'words: list[str] = ["heads", "tails"]' in shown
    assert "number of tosses" in shown


def test_list_as_json(book):
    (found,) = json.loads(bbb("chapter", "list", "--json").output)
    assert found["name"] == "sample"
    assert found["parameters"][0] == {
        "name": "tosses",
        "type": "int",
        "default": 400,
        "help": "number of tosses",
    }


def test_a_run_leaves_notebook_page_claims_and_manifest(book, tmp_path):
    out = tmp_path / "deep" / "run"
    words = ("chapter", "run", "sample", "-p", "tosses=50", "-p", "words=a,b", "--out", str(out))
    result = bbb(*words)
    assert result.exit_code == 0, result.output
    assert {p.name for p in out.iterdir()} == {
        "sample.ipynb",
        "html",
        "claims.json",
        "manifest.json",
    }
    claims = json.loads((out / "claims.json").read_text())["claims"]
    assert [(claim["id"], claim["n"]) for claim in claims] == [
        ("sample-mean", 50),
        ("sample-largest", None),
        ("sample-later", None),
        ("sample-whole", None),
        ("sample-level", 50),
    ]
    assert "sample-mean: 0.50 [0.36, 0.64] share; mixed" in result.stdout
    assert "sample-later: not measured (data not at hand)" in result.stdout
    facts = json.loads((out / "manifest.json").read_text())
    assert facts["not_measured"] == {"sample-later": "data not at hand"}
    assert facts["parameters"]["words"] == ["a", "b"]
    assert facts["machine"]["device"] in ("cpu", "cuda", "mps")
    assert len(facts["inputs"]["source_sha256"]) == 64
    page = (out / "html" / "sample.html").read_text()
    assert "Theorem 1" in page
    assert "n = 50" in page
    assert [p.name for p in out.parent.iterdir()] == ["run"]

    again = bbb("chapter", "run", "sample", "-p", "tosses=60", "--out", str(out))
    assert again.exit_code == 0, again.output
    assert json.loads((out / "manifest.json").read_text())["parameters"]["tosses"] == 60


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sampel",), "did you mean 'sample'"),
        (("../sample",), "no chapter"),
        (("sample", "-p", "toses=3"), "did you mean 'tosses'"),
        (("sample", "-p", "tosses=3.5"), "whole number"),
        (("sample", "-p", "tosses"), "KEY=VALUE"),
        (("sample", "-p", "=3"), "KEY=VALUE"),
        (("sample", "-p", "tosses=3", "-p", "tosses=4"), "given twice"),
        (("sample", "-p", "bias=nan"), "finite number"),
        (("sample", "-p", "name=\udcff"), "no text"),
        (("sample", "-p", 'words=["a"'), "not JSON"),
        (("sample", "--preset", "tiny"), "no preset"),
    ],
)
def test_bad_words_write_nothing(book, tmp_path, words, said):
    out = tmp_path / "run"
    assert said in bad("chapter", "run", *words, "--out", str(out))
    assert not out.exists()


def test_foreign_folders_and_files_are_left_alone(book, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    (folder / "manifest.json").write_text('{"made_by": "bbb chapter run", "chapter": "sample"}')
    assert "holds other files" in bad("chapter", "run", "sample", "--out", str(folder))
    assert (folder / "thesis.txt").read_text() == "years of work"
    assert "it is no folder" in bad("chapter", "run", "sample", "--out", str(folder / "thesis.txt"))
    below = folder / "thesis.txt" / "run"
    assert "thesis.txt is no folder" in bad("chapter", "run", "sample", "--out", str(below))
    assert "cannot be written" in bad("chapter", "run", "sample", "--out", "/proc/nowhere/run")


def test_a_failing_chapter_shows_the_cell_and_exits_1(book, tmp_path):
    path = book / "sample.md"
    path.write_text(path.read_text().replace("value=0.9871234", "value=[]"))
    result = bbb("chapter", "run", "sample", "--out", str(tmp_path / "new" / "run"))
    assert result.exit_code == 1
    assert "value=[]" in result.stderr
    assert "must be one number" in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_book_that_is_missing_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("BBB_BOOK", str(tmp_path))
    assert "set BBB_BOOK" in bad("chapter", "list")


@pytest.fixture
def slow(book, tmp_path):
    """A chapter that waits for a minute, once it has named its processes in the file returned."""
    path, flag = book / "sample.md", tmp_path / "flag"
    wait = (
        "import os, pathlib, time\n"
        f"flag = pathlib.Path({str(flag)!r})\n"
        "flag.with_name('part').write_text(f'{os.getpid()} {os.getppid()}')\n"
        "flag.with_name('part').rename(flag)\n"
        "time.sleep(60)\n"
    )
    path.write_text(path.read_text().replace("heads = round", wait + "heads = round"))
    return flag


def started(flag, *words):
    """Start `bbb` as a job of its own; return it with the processes that its chapter names."""
    # a job in the background may inherit that it ignores the key; a user's shell does not
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    process = subprocess.Popen(
        [sys.executable, "-c", heard + "from bbb_core.cli import main; main()", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONFAULTHANDLER": ""},
    )
    assert until(lambda: flag.exists() or process.poll() is not None)
    assert flag.exists(), process.communicate()
    return process, [int(number) for number in flag.read_text().split()]


def until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
    return true()


def ended(number):
    try:
        with open(f"/proc/{number}/stat") as stat:  # a process nobody waited for is one that ended
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(slow, tmp_path, number):
    place = tmp_path / "place"
    place.mkdir()
    process, _ = started(slow, "chapter", "run", "sample", "--out", str(place / "run"))
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    assert b"Traceback" not in said
    assert list(place.iterdir()) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes in /proc")
def test_what_a_killed_run_leaves_is_tidied_up_by_the_next(slow, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    words = ("chapter", "run", "sample", "--out", str(place / "run"))
    process, (kernel, _) = started(slow, *words)
    process.kill()
    process.communicate()
    assert until(lambda: ended(kernel), seconds=30)
    assert [path.name[:5] for path in place.iterdir()] == [".bbb."]
    require_place(place / "run")  # as the next run does
    assert list(place.iterdir()) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes in /proc")
def test_a_killed_sweep_takes_its_runs_along(slow, tmp_path):
    words = ("sweep", "sample", "--over", "tosses=50", "--out", str(tmp_path / "sweep"))
    process, (kernel, run) = started(slow, *words)
    process.kill()
    process.communicate()
    assert until(lambda: ended(run) and ended(kernel), seconds=30)
    left = {path.name for path in (tmp_path / "sweep").iterdir()}
    assert left == {"sweep.json"}  # the run was told to leave, and tidied up
