"""`bbb audit alignment`: report, files, JSON, and one clear line for bad input."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest

from bbb_core.cli import main
from bbb_core.rng import generator


@pytest.fixture
def table(tmp_path):
    rng = generator(0, "command")
    n = 600
    truth = rng.random(n)
    gender = np.tile(["woman", "man"], n // 2)
    frame = pd.DataFrame(
        {
            "score": np.clip(truth - 0.1 * (gender == "woman"), 0, 1),
            "truth": truth,
            "gender": gender,
            "tone": rng.integers(0, 3, n),
            "prompt": np.repeat(np.arange(30), 20),
        }
    )
    path = tmp_path / "scores.csv"
    frame.to_csv(path, index=False)
    return path


def run(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["bbb", "audit", "alignment", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    captured = capsys.readouterr()
    return stop.value.code or 0, captured.out, captured.err


def test_report_names_the_worst_group(capsys, monkeypatch, table, tmp_path):
    out = tmp_path / "report"
    code, text, _ = run(
        capsys, monkeypatch, table, "--score", "score", "--truth", "truth", "--group", "gender",
        "--group", "tone", "--out", out,
    )  # fmt: skip
    assert code == 0
    assert "worst group: gender=woman, underrated" in text
    assert {f.name for f in out.iterdir()} == {
        "audit.json",
        "cells.csv",
        "groups.csv",
        "manifest.json",
        "report.txt",
    }


def test_gaps_without_truth(capsys, monkeypatch, table):
    code, text, _ = run(
        capsys, monkeypatch, table, "--score", "score", "--group", "gender", "--within", "prompt",
        "--json",
    )  # fmt: skip
    found = json.loads(text)
    assert code == 0
    assert found["tables"]["gaps"][0]["first"] == "gender=man"
    assert found["tables"]["gaps"][0]["gap"] > 0
    assert found["label-free bound"]["low"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--score", "score"], "--group is missing"),
        (["--score", "nope", "--group", "gender"], "no column 'nope'"),
        (["--score", "gender", "--group", "tone"], "pass numbers"),
        (["--score", "score", "--group", "gender", "--out", "."], "no empty folder"),
    ],
)
def test_bad_input_is_one_line(capsys, monkeypatch, table, arguments, message):
    code, _, err = run(capsys, monkeypatch, table, *arguments)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
