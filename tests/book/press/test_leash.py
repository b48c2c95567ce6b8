"""Leashes: a process that is killed takes its children along."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

PARENTS = {
    "a child": """
import subprocess
from bbb_book.press.leash import leash, program
with leash() as held:
    subprocess.run(program({child!r}), stdin=held.end)
""",
    "a worker": """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from bbb_book.press.leash import follow_parent
if __name__ == "__main__":
    start = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=start, initializer=follow_parent) as pool:
        pool.submit(exec, {child!r}).result()
""",
}


@pytest.mark.parametrize("kind", PARENTS)
def test_children_end_with_their_parent(tmp_path, kind):
    flag = tmp_path / "flag"
    child = "import os, pathlib, time\n"
    child += f"pathlib.Path({str(flag)!r}).with_name('part').write_text(str(os.getpid()))\n"
    child += f"os.replace({str(tmp_path / 'part')!r}, {str(flag)!r})\ntime.sleep(60)"
    (tmp_path / "parent.py").write_text(PARENTS[kind].format(child=child))
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"])
    try:
        assert _until(flag.exists)
        number = int(flag.read_text())
        assert not _ended(number)
    finally:
        parent.kill()
        parent.wait()
    assert _until(lambda: _ended(number))


def test_a_child_that_ends_first_is_no_matter():
    code = (
        "import subprocess; from bbb_book.press.leash import leash, program\n"
        "with leash() as held: print(subprocess.run(program('pass'), stdin=held.end).returncode)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).stdout == b"0\n"


def _until(true, seconds=30):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


def _ended(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{number}/stat") as stat:  # one that ended, and that nobody waited for
        return stat.read().rpartition(")")[2].split()[0] == "Z"
