"""The golden mechanism: a number that changes in `bbb_core` turns the comparison red."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bbb_core
from bbb_book.press.execution import kernel_home
from bbb_book.press.golden import with_golden, write_golden
from bbb_core.errors import InputError

CHANGE = """

def binomial_interval(*args, _exact=binomial_interval, **options):
    low, high = _exact(*args, **options)
    return low, high + 0.01
"""


def nbval(notebook: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run nbval by itself, as `make test` does with the real chapters."""
    home = kernel_home(notebook.parent / "ipython")
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "--nbval-lax", str(notebook)],
        env={**os.environ, "IPYTHONDIR": str(home), **environment},
        cwd=notebook.parent,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def stored(executed, tmp_path):
    write_golden(executed, tmp_path / "golden")
    return tmp_path / "golden"


def test_equal_numbers_pass_and_a_changed_library_fails(executed, stored, tmp_path):
    notebook = with_golden(executed, stored, tmp_path / "nbval" / "sample.ipynb")
    done = nbval(notebook)
    assert done.returncode == 0, done.stdout
    copy = tmp_path / "changed" / "bbb_core"
    shutil.copytree(Path(bbb_core.__file__).parent, copy)
    with (copy / "stats" / "intervals.py").open("a") as handle:
        handle.write(CHANGE)
    done = nbval(notebook, PYTHONPATH=str(copy.parent))
    assert done.returncode == 1, done.stdout
    assert "sample-mean" in done.stdout
    assert "2 failed" in done.stdout  # a claim and a check with the same interval


def test_a_changed_golden_number_fails(executed, stored, tmp_path):
    path = stored / "sample.json"
    path.write_text(path.read_text().replace("0.987", "0.988"))
    notebook = with_golden(executed, stored, tmp_path / "nbval" / "sample.ipynb")
    assert "1 failed" in nbval(notebook).stdout


def test_a_missing_golden_file_fails(executed, tmp_path):
    with pytest.raises(InputError, match="has no golden file; run `make golden`"):
        with_golden(executed, tmp_path, tmp_path / "sample.ipynb")


def test_other_claims_than_the_stored_ones_fail(executed, stored, tmp_path):
    path = stored / "sample.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "cells": content["cells"][:1]}))
    with pytest.raises(InputError, match="records other claims"):
        with_golden(executed, stored, tmp_path / "sample.ipynb")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cells": 3}'])
def test_a_damaged_golden_file_fails(executed, tmp_path, text):
    (tmp_path / "sample.json").write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        with_golden(executed, tmp_path, tmp_path / "sample.ipynb")


def test_a_claim_in_an_untagged_cell_fails(executed, tmp_path):
    content = json.loads(executed.read_text())
    for cell in content["cells"]:
        cell["metadata"]["tags"] = [
            tag for tag in cell["metadata"].get("tags", []) if tag != "nbval-check-output"
        ]
    path = tmp_path / "sample.ipynb"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="lacks the tags nbval-check-output"):
        write_golden(path, tmp_path)


def test_a_claim_cell_shows_nothing_else(executed, tmp_path):
    content = json.loads(executed.read_text())
    cell = next(c for c in content["cells"] if "claim" in c["metadata"].get("tags", []))
    cell["outputs"].append({"output_type": "stream", "name": "stdout", "text": "0.123456789"})
    path = tmp_path / "sample.ipynb"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="shows something else"):
        write_golden(path, tmp_path)
