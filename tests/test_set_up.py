"""`.ci/set-up`: two at once do the work of one, and a killed one keeps nobody waiting."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = f"""#!/usr/bin/env bash
# Stands in for Python: it makes and fills environments in no time, and says so.
case "$*" in
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  "-m pip --version" | "-m pip check") ;;
  "-m pip install --quiet --no-deps"*) ;;
  "-m pip install"*) echo begin >>calls.txt; sleep "${{SLOW:-0.3}}"; echo end >>calls.txt ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "set-up", tmp_path / ".ci" / "set-up")
    for name in ("requirements.txt", "constraints.txt", "pyproject.toml"):
        (tmp_path / name).write_text("numpy\n")
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def start(checkout, **environment):
    return subprocess.Popen(
        [checkout / ".ci" / "set-up", checkout / "python"],
        env={"PATH": "/usr/bin:/bin", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def calls(checkout):
    log = checkout / "calls.txt"
    return log.read_text().split() if log.exists() else []


def test_of_two_at_once_one_works_and_the_other_waits(checkout):
    runs = [start(checkout) for _ in range(2)]
    said = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert calls(checkout) == ["begin", "end"]
    assert start(checkout).communicate(timeout=60)[0] == ""
    (checkout / "requirements.txt").write_text("numpy\npandas\n")
    assert "installing" in start(checkout).communicate(timeout=60)[0]
    assert len(calls(checkout)) == 4


def test_a_killed_one_keeps_nobody_waiting(checkout):
    killed = start(checkout, SLOW="60")
    while not calls(checkout):
        time.sleep(0.05)
        assert killed.poll() is None, killed.communicate()
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    said, _ = (again := start(checkout)).communicate(timeout=60)
    assert again.returncode == 0, said
    assert calls(checkout) == ["begin", "begin", "end"]
