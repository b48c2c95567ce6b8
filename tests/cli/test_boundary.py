"""The boundary: what happened decides the exit status, and one line says it."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tomllib
import zipfile
import zlib
from importlib import metadata
from pathlib import Path

import click
import pyarrow
import pytest
from click.testing import CliRunner
from packaging.utils import canonicalize_name
from pandas.errors import ParserError
from safetensors import SafetensorError

from bbb_book.press.failures import ChapterFailed
from bbb_core import cli
from bbb_core.cli import boundary
from bbb_core.errors import InputError


def bbb(*words, **options):
    """Run `bbb` as a process of its own; the commands used here import nothing heavy."""
    program = [sys.executable, "-c", "from bbb_core.cli import main; main()", *words]
    return subprocess.run(program, **{"capture_output": True, **options})


PLAN = ("study", "plan", "--half-width", "0.1")


@pytest.fixture
def command(monkeypatch):
    """Let `bbb study` be a command that does what it is given; call it and get the result."""

    def call(does):
        module = type(sys)("does")
        module.study = click.Command("study", callback=does)
        monkeypatch.setitem(sys.modules, "does", module)
        monkeypatch.setitem(cli._COMMANDS, "study", ("does", ""))
        return CliRunner().invoke(cli.main, ["study"])

    return call


def raising(error):
    def does():
        raise error

    return does


def oserror(number, *names):
    return OSError(number, os.strerror(number), *names)


TORCH_MEMORY = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...\nmore")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("FILE holds\n  nothing"), "FILE holds nothing"),
        (InputError("a\x1b[2Jb\u202ec"), "a\\x1b[2Jb\\u202ec"),
        (oserror(errno.ENOSPC), "No space left on device; make room"),
        (oserror(errno.EDQUOT, "a.csv"), "quota exceeded (a.csv); make room"),
        (oserror(errno.ELOOP, "a.csv"), "symbolic links (a.csv)"),
        (oserror(errno.ENAMETOOLONG, "a\udcff.csv"), "File name too long (a\\udcff.csv)"),
        (oserror(errno.EINVAL, "a.csv"), "Invalid argument (a.csv)"),
        (oserror(errno.EMFILE), "Too many open files"),
        (OSError("no file named model.safetensors"), "no file named model.safetensors"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "closed before all was printed"),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), "no UTF-8"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "is not utf-8 text"),
        (MemoryError("Unable to allocate 7.00 TiB"), "memory does not suffice (Unable to"),
        (MemoryError(), "memory does not suffice (no details)"),
        (TORCH_MEMORY, "memory does not suffice (DefaultCPUAllocator"),
        (OverflowError("Python int too large to convert to C long"), "a number is too large"),
        (ValueError("array is too big; ..."), "a number is too large"),
        (ModuleNotFoundError("open_clip", name="open_clip.model"), "'bbb_core[clip]' brings it"),
        (ModuleNotFoundError("papermill", name="papermill"), "'bbb_core[book]' brings it"),
        (EOFError("No data left in file"), "a file is damaged"),
        (json.JSONDecodeError("Expecting value", "", 0), "a file is damaged"),
        (zipfile.BadZipFile("File is not a zip file"), "a file is damaged"),
        (zlib.error("Error -3"), "a file is damaged"),
        (pyarrow.ArrowInvalid("Parquet magic bytes not found"), "a file is damaged"),
        (ParserError("Error tokenizing data"), "a file is damaged"),
        (SafetensorError("HeaderTooLarge"), "a file is damaged"),
        (sqlite3.OperationalError("disk I/O error"), "a file is damaged"),
    ],
)
def test_files_options_and_the_machine_get_one_line_and_2(command, error, said):
    result = command(raising(error))
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("bbb_core.nothing", name="bbb_core.nothing"),
        ValueError("x"),
        KeyError("text"),
        TypeError("x"),
        AssertionError(),
        ModuleNotFoundError(name="bbb_core.nothing"),
        RecursionError("maximum recursion depth exceeded"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        OverflowError("math range error"),
        oserror(errno.EBADF),
        oserror(errno.EINVAL),
        UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range(128)"),
    ],
)
def test_a_bug_is_a_traceback_marked_as_one_and_70(command, error):
    result = command(raising(error))
    assert result.exit_code == boundary.BUG == 70
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("This is a bug of bbb")


def test_a_traceback_moves_no_cursor(command):
    result = command(raising(KeyError("a\x1b[2Jb")))
    assert "\x1b" not in result.stderr


def test_what_was_run_and_failed_is_told_in_its_own_words(command):
    result = command(raising(ChapterFailed("chapter 'x' failed in the cell\n\n\t1 / 0")))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: chapter 'x' failed in the cell\n\n\t1 / 0\n"


def test_interruption_is_130(command):
    result = command(raising(KeyboardInterrupt()))
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr


def test_termination_is_143_and_unwinds(tmp_path, command):
    def does():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            (tmp_path / "tidied").touch()

    assert command(does).exit_code == 143
    assert (tmp_path / "tidied").exists()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_signal_that_somebody_ignores_stays_ignored(command):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert command(lambda: os.kill(os.getpid(), signal.SIGTERM)).exit_code == 0
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", ["9" * 19, "-" + "9" * 30, "9" * 5000])
def test_a_huge_number_is_refused_where_it_is_read(number):
    result = CliRunner().invoke(cli.main, [*PLAN, f"--readings={number}"])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: Invalid value for '--readings'")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("device", ["xpu", "cuda:", "tpu0", "", "\udcff"])
def test_a_device_that_nothing_here_runs_on_is_refused(device):
    words = ["audit", "embeddings", "--encoder", "minilm", "--device", device]
    result = CliRunner().invoke(cli.main, words)
    assert result.exit_code == 2
    assert "choose cpu, cuda, cuda:0, mps or auto" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [["stdy"], ["study", "plam"], [*PLAN, "--raedings=5"], ["study", "new"], [*PLAN, "more"],
     [*PLAN, "--error", "\x1b[2J"], ["--\x1b[2J"], [*PLAN, "--cant-tell"]],
)  # fmt: skip
def test_what_click_refuses_is_one_line_too(words):
    result = CliRunner().invoke(cli.main, words)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


def test_a_group_without_a_command_shows_its_help():
    result = CliRunner().invoke(cli.main, ["study"])
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device_as_standard_output_is_said():
    with open("/dev/full", "w") as full:
        done = bbb(*PLAN, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"No space left on device" in done.stderr


def test_a_reader_that_leaves_early_is_said():
    read, write = os.pipe()
    os.close(read)
    done = bbb(*PLAN, stdout=write, stderr=subprocess.PIPE, capture_output=False)
    os.close(write)
    assert done.returncode == 2
    assert done.stderr == b"Error: standard output was closed before all was printed.\n"


@pytest.mark.parametrize(("number", "status", "said"), [(1, 2, b"output is closed"), (2, 0, b"")])
def test_a_closed_stream_is_said_where_anybody_can_hear_it(number, status, said):
    run = "from bbb_core.cli import main; main()"
    close = f"import os, sys; os.close({number}); os.execv(sys.executable, "
    close += f"[sys.executable, '-c', {run!r}, *sys.argv[1:]])"
    done = subprocess.run([sys.executable, "-c", close, *PLAN], capture_output=True)
    assert done.returncode == status
    assert said in done.stderr
    assert (done.stdout == b"") == (number == 1)


def test_characters_that_the_terminal_lacks_are_spelled_out():
    code = "from bbb_core.cli.output import say; from bbb_core.cli import boundary; "
    code += "boundary.run(lambda: say('\\u2192 \\udcff'))"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.stdout == b"\\u2192 \\udcff\n", done.stderr


def test_a_working_directory_that_is_gone_is_said(tmp_path):
    (tmp_path / "gone").mkdir()
    (tmp_path / "counts.csv").write_text("prompt,man,woman\njudge,3,1\n")
    run = f"import os; os.chdir({str(tmp_path / 'gone')!r}); os.rmdir(os.getcwd()); "
    run += "from bbb_core.cli import main; main()"
    words = ("audit", "generations", str(tmp_path / "counts.csv"), "--out", "x")
    done = subprocess.run([sys.executable, "-c", run, *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "the working directory is gone" in done.stderr


def test_every_optional_package_is_told_by_its_extra():
    """The extras of the project bring what a message says that they bring."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    homes = metadata.packages_distributions()
    for module, extra in boundary._EXTRAS.items():
        asked = {re.split(r"[^\w.-]", one)[0] for one in project["optional-dependencies"][extra]}
        brought = {canonicalize_name(name) for name in asked}
        assert {canonicalize_name(name) for name in homes[module]} & brought, module
