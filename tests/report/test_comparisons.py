"""Two reports side by side: differences by hand, and what is refused."""

from __future__ import annotations

import copy
import json

import pytest
from click.testing import CliRunner

from bbb_core.balance import representational_balance
from bbb_core.balance.by_prompt import change_by_prompt
from bbb_core.cli import main
from bbb_core.errors import InputError
from bbb_core.report import compare, read_report

A = "prompt,man,woman\nx,80,20\ny,60,40\nonly A,5,5\n"
B = "prompt,man,woman\ny,50,50\nx,50,50\nonly B,5,5\n"


def run(*arguments):
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


def plain(kind="gaps", rows=(("p", 0.3, 0.2, 0.4),), quantity=(0.3, 0.2, 0.4), **more):
    """Return a report with one table, as it is read."""
    names = ["name", "value", "low", "high"]
    return {
        "$schema": "urn:bbb-core:report:1", "kind": kind, "title": "t", "answer": "a",
        "confidence": 0.95, "caveats": [], "definitions": [], "like": {}, "command": None,
        "parameters": {}, "versions": {},
        "quantities": [dict(zip(names, ("q", *quantity), strict=True)) | {"reason": ""}],
        "tables": {"gaps": {"columns": names, "key": names[:1], "estimate": names[1:],
                            "rows": [list(row) for row in rows]}},
    } | more  # fmt: skip


@pytest.fixture
def folders(tmp_path):
    for name, text in (("a", A), ("b", B)):
        (tmp_path / f"{name}.csv").write_text(text)
        made = run("generations", tmp_path / f"{name}.csv", "--out", tmp_path / name)
        assert made.exit_code == 0, made.output
    return tmp_path / "a", tmp_path / "b"


def test_intervals_are_subtracted():
    old = plain(rows=[("p", 0.3, 0.2, 0.4), ("gone", 1, 1, 1)])
    new = plain(rows=[("new", 0, 0, 0), ("p", 0.1, 0.05, None)], quantity=(0.1, 0.05, 0.15))
    made = compare(old, new)
    (q,) = made.quantities
    assert (q.name, q.value, q.low, q.high) == (
        "difference of the q", pytest.approx(-0.2), pytest.approx(-0.35), pytest.approx(-0.05)
    )  # fmt: skip
    assert made.confidence == pytest.approx(0.9)
    (row,) = made.tables["differences"].frame.to_dict("records")
    assert (row["a"], row["b"]) == (0.3, 0.1)
    assert row["low"] == pytest.approx(-0.35)
    assert row["high"] != row["high"]
    assert made.caveats[0] == "Compared are 1 rows that both have, of 2 in A and 2 in B."
    assert "differ: B is lower" in made.answer
    assert "are not shown to differ" in compare(old, old).answer


def test_generations_are_paired_by_prompt(folders):
    made = compare(*map(read_report, folders))
    frame = made.tables["differences"].frame.set_index("prompt")
    assert frame["a"].to_dict() == pytest.approx({"x": 0.3, "y": 0.1})
    assert frame["difference"].to_dict() == pytest.approx({"x": -0.3, "y": -0.1})
    by_hand = change_by_prompt([[80, 20], [60, 40]], [[50, 50], [50, 50]], prompts=["x", "y"])
    assert frame[["low", "high"]].to_numpy() == pytest.approx(by_hand[["low", "high"]].to_numpy())
    (q,) = made.quantities
    assert q.low < -0.2 < q.high < 0
    assert made.confidence == 0.95
    assert any("2 rows that both have, of 3 in A and 3 in B" in text for text in made.caveats)


def test_embeddings_are_paired_by_occupation():
    columns = ["contrast", "occupation", "beyond", "family_low", "family_high"]

    def gaps(*values):
        rows = [["c", f"o{i}", x, x - 0.1, x + 0.1] for i, x in enumerate(values)]
        table = {"columns": columns, "key": columns[:2], "estimate": columns[2:], "rows": rows}
        return plain("embeddings", tables={"gaps": table})

    made = compare(gaps(0.3, -0.3, 0.1), gaps(-0.1, 0.1, 0.1))
    first, second = made.quantities
    assert first.name == "mean difference of the absolute gaps"
    assert first.value == pytest.approx((-0.2 - 0.2 + 0) / 3)
    assert first.low < first.value < first.high
    assert second.value == 0
    frame = made.tables["differences"].frame
    assert frame["difference"].tolist() == pytest.approx([-0.4, 0.4, 0.0])
    assert frame["high"].tolist() == pytest.approx([-0.2, 0.6, 0.2])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (plain("generations"), "differ in kind"),
        (plain(confidence=0.9), "differ in confidence"),
        (plain(like={"unit": "rank"}), "differ in unit"),
        (plain(quantity=(1, 1, 1)) | {"quantities": [{"name": "r", "value": 1, "low": 1,
                                                      "high": 1, "reason": ""}]}, "no quantity"),
        (plain(rows=[("p", "<b>\x1b", 0, 0)]), "where a number should be"),
    ],
)  # fmt: skip
def test_unlike_reports_are_refused(other, words):
    with pytest.raises(InputError, match=words):
        compare(plain(), other)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("[1]", "is not of type 'object'"),
        ("{" * 100_000, "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"a": NaN}', "no JSON"),
        (json.dumps(plain() | {"$schema": "urn:bbb-core:report:9"}), "was expected"),
        (json.dumps(plain("generations")), "lacks one of prompt, n"),
        (json.dumps(plain(rows=[("p", 1, 1, 1), ("p", 2, 2, 2)])), "two rows of one name"),
        (json.dumps(plain(rows=[("p", 1, 1)])), "another length"),
    ],
)
def test_files_that_are_no_report_are_one_line_and_status_2(tmp_path, text, words):
    bad, good = tmp_path / "bad.json", tmp_path / "good.json"
    bad.write_text(text)
    good.write_text(json.dumps(plain()))
    found = run("compare", good, bad, "--out", tmp_path / "out")
    assert found.exit_code == 2
    assert words in found.stderr
    assert found.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_command_reports_and_judges(folders, tmp_path):
    out = tmp_path / "out"
    found = run("compare", *folders, "--out", out, "--fail-above", 0)
    assert found.exit_code == 0, found.output
    assert "change of the mean imbalance: -0." in found.stdout
    assert {"report.html", "report.json", "differences.csv"} <= {p.name for p in out.iterdir()}
    worse = run("compare", folders[1], folders[0] / "report.json", "--fail-above", 0)
    assert worse.exit_code == 1
    assert "lies above 0 (--fail-above)" in worse.stderr
    assert run("compare", folders[1], folders[0], "--fail-above", 0.5).exit_code == 0
    again = run("compare", out, out)
    assert again.exit_code == 2
    assert "compare audits" in again.stderr
    assert run("compare", folders[0], tmp_path / "absent").exit_code == 2


def test_what_is_written_is_what_is_compared(tmp_path):
    made = representational_balance({"a": 30, "b": 70}).report()
    file = tmp_path / "report.json"
    file.write_text(json.dumps(made.to_json()))
    read = read_report(file)
    assert compare(read, made).quantities[0].value == 0
    other = copy.deepcopy(read)
    other["like"]["target"]["a"] = 0.4
    with pytest.raises(InputError, match="differ in target"):
        compare(read, other)
