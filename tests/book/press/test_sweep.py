"""`bbb sweep`: every point once, resumed, its claims in one table, bad input in one line."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from bbb_book.press import sweep as sweeps
from bbb_core.cli import main
from bbb_core.errors import InputError


def bbb(*words: str):
    return CliRunner().invoke(main, ["sweep", *words])


def test_a_grid_is_every_combination():
    made = sweeps.grid({"a": [1, 2], "b": ["x", "y", "z"]})
    assert len(made) == 6
    assert made[1] == {"a": 1, "b": "y"}
    with pytest.raises(InputError, match="at most 1000"):
        sweeps.grid({"a": list(range(40)), "b": list(range(40))})
    with pytest.raises(InputError, match="a=1 twice"):
        sweeps.grid({"a": [1, 1]})
    with pytest.raises(InputError, match="no axis"):
        sweeps.grid({})


def test_names_of_points_differ_where_their_words_do_not():
    assert sweeps.label({"a": "x y"}) != sweeps.label({"a": "x/y"})
    assert "/" not in sweeps.label({"a": "../../etc"})
    assert len(sweeps.label({"a": "word" * 100})) < 80


def test_a_sweep_runs_each_point_once_and_goes_on_where_it_stopped(book, tmp_path):
    out = tmp_path / "sweep"
    words = ["sample", "--preset", "ci", "--over", "tosses=50", "--out", str(out)]
    first = bbb(*words)
    assert first.exit_code == 0, first.output
    second = bbb(*words, "--over", "tosses=60")
    assert second.exit_code == 0, second.output
    assert "1 of 2 runs stand already" in second.output
    table = pd.read_csv(out / "claims.csv")
    assert set(table["tosses"]) == {50, 60}
    assert table.groupby("run")["id"].nunique().tolist() == [5, 5]
    assert json.loads((out / "sweep.json").read_text())["failed"] == []
    (sample := book / "sample.md").write_text(sample.read_text() + "\nMore text.\n")
    assert "stand already" not in bbb(*words).output


def test_an_interrupted_sweep_goes_on(book, tmp_path, monkeypatch):
    out, real = tmp_path / "sweep", sweeps._run
    words = ["sample", "--preset", "ci", "--over", "tosses=50", "--over", "tosses=60"]

    def interrupted(*arguments):
        if any("tosses=60" in word for word in arguments[0]):
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(sweeps, "_run", interrupted)
    assert bbb(*words, "--out", str(out)).exit_code == 130
    assert not json.loads((out / "sweep.json").read_text())["finished"]
    assert not (out / "claims.csv").exists()
    monkeypatch.setattr(sweeps, "_run", real)
    again = bbb(*words, "--out", str(out))
    assert again.exit_code == 0, again.output
    assert "1 of 2 runs stand already" in again.output
    assert set(pd.read_csv(out / "claims.csv")["tosses"]) == {50, 60}


def test_a_point_that_fails_leaves_the_others(book, tmp_path):
    path = book / "sample.md"
    path.write_text(path.read_text().replace("value=0.9871234", "value=1 / (tosses - 50)"))
    out = tmp_path / "sweep"
    made = bbb(
        "sample", "--preset", "ci", "--over", "tosses=50", "--over", "tosses=60",
        "--workers", "2", "--out", str(out),
    )  # fmt: skip
    assert made.exit_code == 1
    assert "1 of 2 runs failed" in made.output
    assert "ZeroDivisionError" in made.output
    assert set(pd.read_csv(out / "claims.csv")["tosses"]) == {60}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample"], "no axis"),
        (["smaple", "--over", "tosses=1"], "smaple"),
        (["sample", "--over", "toses=1"], "toses"),
        (["sample", "--over", "tosses=many"], "many"),
        (["sample", "--over", "tosses"], "--over tosses: write KEY=VALUE"),
        (["sample", "--over", "tosses=5", "-p", "tosses=6"], "both fixed"),
    ],
)
def test_bad_input_is_one_line(book, tmp_path, words, message):
    out = tmp_path / "out"
    made = bbb(*words, "--out", str(out))
    assert made.exit_code == 2
    assert message in made.stderr
    assert made.stderr.count("\n") == 1
    assert not out.exists()


def test_a_folder_of_other_things_is_left_alone(book, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    made = bbb("sample", "--over", "tosses=5", "--out", str(tmp_path))
    assert made.exit_code == 2
    assert "holds other files" in made.stderr
