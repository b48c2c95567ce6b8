"""`bbb audit labels`: what it prints and writes, what reads on from it, and what it refuses."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from bbb_core.cli import main

ROWS = [
    {"picture": f"{i}.png", "worker": r, "gender": 1 + (i >= 9) + (i >= 15),
     "asked": "nurse" if i % 2 else "judge"}
    for i in range(20) for r in "xyz"
]  # fmt: skip
ROWS[0] = ROWS[0] | {"gender": 2}
COLUMNS = ("--image", "picture", "--rater", "worker", "--answer", "gender")
NAMED = ("--map", "1=man", "--map", "2=woman", "--none", "3", "--prompt", "asked")


def run(*arguments: object, audit: str = "labels"):
    return CliRunner().invoke(main, ["audit", audit, *map(str, arguments)])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ratings.csv"
    pd.DataFrame(ROWS).to_csv(path, index=False)
    return path


def test_the_audit_of_generations_reads_on(file, tmp_path):
    out = tmp_path / "out"
    found = run(file, *COLUMNS, *NAMED, "--out", out)
    assert found.exit_code == 0, found.output
    assert "60 readings of 20 images by 3 raters" in found.output
    names = {"labels.csv", "errors.csv", "shares.csv", "counts.csv", "confusion.csv"}
    assert names < {path.name for path in out.iterdir()}
    counts = pd.read_csv(out / "counts.csv")
    assert counts.columns.tolist() == ["prompt", "man", "none", "woman"]
    assert counts[["man", "woman"]].sum().tolist() == [9, 6]
    assert pd.read_csv(out / "errors.csv")["readings"].max() == 60  # three raters share a table
    on = run(out / "counts.csv", "--confusion", out / "confusion.csv", "--json",
             audit="generations")  # fmt: skip
    assert on.exit_code == 0, on.output
    corrected = json.loads(on.output)["tables"]["corrected"]
    assert [row["prompt"] for row in corrected] == ["judge", "nurse"]
    assert all(0 <= row["man low"] <= row["man share"] <= row["man high"] <= 1 for row in corrected)


def test_every_kind_of_table_says_the_same(file, tmp_path):
    table = pd.DataFrame(ROWS)
    table.to_csv(tmp_path / "ratings.tsv", index=False, sep="\t")
    table.to_json(tmp_path / "ratings.json", orient="records")
    table.to_json(tmp_path / "ratings.jsonl", orient="records", lines=True)
    table.to_parquet(tmp_path / "ratings.parquet")
    said = {path.suffix: run(path, *COLUMNS, *NAMED, "--json") for path in tmp_path.iterdir()}
    assert {one.exit_code for one in said.values()} == {0}, [one.output for one in said.values()]
    assert len(said) == 5
    assert len({one.output for one in said.values()}) == 1


def test_the_seed_is_an_argument(file):
    first, again, other = (
        json.loads(run(file, *COLUMNS, "--json", "--seed", seed).output) for seed in (1, 1, 2)
    )
    assert first == again
    assert first["alpha"]["value"] == other["alpha"]["value"]
    assert first["alpha"] != other["alpha"]


def test_empty_cells_are_counted_and_left_out(tmp_path):
    path = tmp_path / "some.csv"
    table = pd.DataFrame(ROWS).astype({"gender": object})
    table.loc[3, "gender"] = None
    table.to_csv(path, index=False)
    found = json.loads(run(path, *COLUMNS, "--json").output)
    assert (found["readings"], found["empty cells"]["gender"]) == (59, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no column 'image'.*--image 'picture' --rater 'worker' --answer 'gender'"),
        ((*COLUMNS[:4], "--answer", "worker"), "must name different columns"),
        ((*COLUMNS, "--map", "7=man"), r"no answer is '7'.*\['1', '2', '3'\]"),
        ((*COLUMNS, "--map", "1"), "'1' must be LABEL=NAME"),
        ((*COLUMNS, "--map", "1=man", "--none", "1"), "'1' must get one name"),
        ((*COLUMNS, "--map", "1=prompt"), "'prompt' would be taken for a column"),
        ((*COLUMNS, "--none", "1", "--none", "2", "--none", "3"), "only the answer"),
        ((*COLUMNS, "--confidence", "2"), "confidence"),
    ],
)
def test_bad_options_get_one_line(file, arguments, words):
    found = run(file, *arguments)
    assert found.exit_code == 2
    assert pd.Series([found.output.replace("\n", " ")]).str.contains(words).all(), found.output
    assert found.output.count("Error:") == 1


def test_bad_files_get_one_line_and_leave_nothing(tmp_path):
    out = tmp_path / "out"
    twice = tmp_path / "twice.csv"
    pd.DataFrame([*ROWS, ROWS[4]]).to_csv(twice, index=False)
    empty = tmp_path / "empty.csv"
    empty.write_text("picture,worker,gender\n")
    nested = tmp_path / "nested.json"
    nested.write_text('[{"picture": [1], "worker": "x", "gender": 1}]')
    for path, words in ((twice, "'y' reads image '1.png' twice"), (empty, "there is none"),
                        (nested, "record 1, column 'picture': a list")):  # fmt: skip
        found = run(path, *COLUMNS, "--out", out)
        assert found.exit_code == 2, found.output
        assert words in found.output.replace("\n", " ")
        assert not out.exists()
