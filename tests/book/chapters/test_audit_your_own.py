"""The how-to: what is kept of a command, how it is shown, and the record against the commands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bbb_book.chapters.audit_your_own import audits, shown
from bbb_book.chapters.audit_your_own.by_hand import _alpha, _gap, _imbalance
from bbb_book.data import human_ratings, published
from bbb_core.cli import main

PAGE = (Path(__file__).parents[3] / "book" / "audit_your_own.md").read_text(encoding="utf-8")
RECORD = audits.stored_audits("published")


def test_every_command_of_the_record_stands_on_the_page():
    on_page = re.findall(r'shown\.terminal\(found, "(\w+)"\)', PAGE)
    assert on_page == list(dict.fromkeys(on_page))
    assert set(on_page) == set(audits.COMMANDS)
    outs = [shlex.split(command)[-1] for command in audits.COMMANDS.values() if "--out" in command]
    assert len(set(outs)) == len(outs)


def test_long_tables_lose_their_middle_and_wide_ones_all():
    long = "\n".join(["  name  x", *(f"row {i}  {i}" for i in range(30))])
    wide = "balance\n" + "\n".join("a  " + "b" * 100 for _ in range(4))
    said = audits._shortened(f"A sentence.\n\n{long}\n\n{wide}").split("\n\n")
    assert said[0] == "A sentence."
    assert said[1].split("\n")[3:6] == ["row 2  2", "...", "row 27  27"]
    assert said[2] == "balance: a wide table, left out here; it stands in the report"


def test_rows_of_a_picture_run_from_the_largest_to_the_least():
    rows = [["x", f"p{i}", i / 10, i / 10 - 1, i / 10 + 1] for i in range(100)]
    table = {
        "columns": ["same", "prompt", "v", "l", "h"],
        "rows": rows,
        "key": ["same", "prompt"],
        "estimate": ["v", "l", "h"],
    }
    made = audits._drawn({"tables": {"notes": {**table, "estimate": []}, "main": table}})
    assert len(made) == audits.DRAWN
    assert list(made["label"].iloc[[0, -1]]) == ["p99", "p0"]
    assert made["value"].is_monotonic_decreasing
    assert set(made["all"]) == {100}


def test_numbers_by_hand_on_cases_that_a_head_can_do():
    assert _imbalance("a\nman: 3, woman: 1, except: 0\nb\nman: 0, woman: 2, except: 9") == 0.375
    scores = pd.DataFrame(
        {"occupation": ["x", "x", "y", "y"], "asked": ["female", "male"] * 2,
         "ImageReward": [0.0, 2.0, 5.0, 7.0]}
    )  # fmt: skip
    assert _gap(scores) == pytest.approx(-2 / np.sqrt(2))
    readings = pd.DataFrame(
        {"model": "m", "rater": ["a", "b"] * 4, "picture": np.repeat([1, 2, 3, 4], 2),
         "gender": [1, 1, 1, 1, 1, 2, 2, 2]}
    )  # fmt: skip
    assert _alpha(readings) == pytest.approx(1 - 7 / 15 * 1)  # D_o = 1/4, D_e = 15/28


def test_the_page_reads_with_and_without_a_record():
    assert audits.stored_audits("none") is None
    for found in (None, RECORD):
        shown.show_numbers(found)
        for name in ("glove", "drawn", "change", "scores"):
            assert shown.forest(found, name).get_axes()
        assert len(shown.corrected(found)) == (1 if found is None else 5)
    assert shown.difference(None) == (None, None)
    most, n = shown.difference(RECORD)
    assert 0 <= most.value < 1e-6
    assert n == 4
    assert shown.ABSENT in repr(shown.terminal(None, "drawn"))


def test_other_tools_get_the_same_numbers_where_they_compute_the_same():
    found = {one["peer"]: one for one in shown._recorded_peers()}
    assert set(found) == {
        "wefe", "fairlearn", "multicalibration", "mcgrad", "torchmetrics", "diffusers"
    }  # fmt: skip
    for name in ("wefe", "fairlearn", "torchmetrics", "diffusers"):
        for row in found[name].get("rows", ()):
            if "p-value" not in row["quantity"]:
                assert row["here"] == pytest.approx(row["there"], abs=1e-5), row
    shown_rows = shown.peers()
    assert len(shown_rows) == sum(len(one.get("rows", ())) for one in found.values())
    assert list(shown.peers_times().index) == list(found)
    assert [shown._two_digits(x) for x in (0.954, 39.9, 26306.3)] == ["0.95", "40", "26,000"]


def test_what_a_terminal_shows_is_escaped():
    html = shown.Terminal("bbb", "a <b> & c\n\nx  y")._repr_html_()
    assert "<b>" not in html
    assert "a &lt;b&gt; &amp; c" in html
    assert html.count("pre-wrap") == 2
    assert html.count("overflow-x: auto") == 1


@pytest.mark.parametrize("word", ["drawn", "edited", "unnamed"])
def test_commands_say_today_what_was_recorded(word, tmp_path, monkeypatch, capsys):
    if not (human_ratings.available() and published.available("fair-diffusion-generated")):
        pytest.skip("the published files are not at hand (no network, no BBB_DATA_DIR)")
    for path in audits._files()["files"].values():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    command = audits.COMMANDS[word]
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command)[1:], prog_name="bbb")
    told = capsys.readouterr()
    text = told.err if ended.value.code else told.out
    again = "remove artefacts/own-audits-* (also from the cache) and run `make reference`"
    assert audits._shortened(text.strip()) == RECORD["said"][word]["text"], again
    if word in audits.REPORTS:
        report = json.loads((tmp_path / word / "report.json").read_text(encoding="utf-8"))
        pd.testing.assert_frame_equal(audits._drawn(report), RECORD[f"rows {word}"])
