"""What every audit delivers to show and to judge: report files, summaries, --fail-above."""

from __future__ import annotations

import json

import jsonschema
import pandas as pd
import pytest
from click.testing import CliRunner

from bbb_core.cli import main
from bbb_core.report.comparisons import schema

COUNTS = "prompt,man,woman,none\ndoctor,60,38,2\nnurse,3,90,7\n=cook,50,50,0\n"


def run(command, *arguments):
    return CliRunner().invoke(main, ["audit", command, *map(str, arguments)])


@pytest.fixture
def counts(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text(COUNTS)
    return path


@pytest.fixture
def scores(tmp_path):
    path = tmp_path / "scores.csv"
    rows = [(f"p{i % 20}", "ab"[i // 20 % 2], i % 7 / 10 + 0.3 * (i // 20 % 2)) for i in range(400)]
    table = pd.DataFrame(rows, columns=["prompt", "group", "score"])
    table.assign(truth=table["score"] * 0.5).to_csv(path, index=False)
    return path


def test_the_report_lies_beside_the_tables_and_agrees_with_them(counts, tmp_path):
    found = run("generations", counts, "--out", tmp_path / "out")
    assert found.exit_code == 0, found.output
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    jsonschema.Draft202012Validator(schema()).validate(told)
    assert told["command"] == "bbb audit generations"
    assert told["parameters"]["file"] == str(counts)
    assert "out" not in told["parameters"]
    table = told["tables"]["balance"]
    read = pd.read_csv(tmp_path / "out" / "balance.csv")
    assert read["prompt"].tolist() == ["doctor", "nurse", "'=cook"]
    made = pd.DataFrame(table["rows"], columns=table["columns"])
    assert made["prompt"].tolist() == ["doctor", "nurse", "=cook"]
    pd.testing.assert_frame_equal(
        read.drop(columns="prompt"), made.drop(columns="prompt"), check_exact=True
    )
    page = (tmp_path / "out" / "report.html").read_text()
    assert told["answer"] in page
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {"report.html", "report.json"} <= set(manifest["sha256"])


def test_the_same_audit_gives_the_same_report(counts, tmp_path):
    for name in "ab":
        assert run("generations", counts, "--out", tmp_path / name).exit_code == 0
    for file in ("report.html", "report.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_report_that_cannot_be_rendered_leaves_nothing(counts, tmp_path, monkeypatch):
    monkeypatch.setenv("BBB_BOOK_URL", "javascript:x")
    before = {path.name for path in tmp_path.iterdir()}
    found = run("generations", counts, "--out", tmp_path / "out" / "deep")
    assert found.exit_code == 2
    assert "BBB_BOOK_URL" in found.stderr
    assert "doctor" in found.stdout
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("limit", "code"),
    [(None, 0), (0.5, 0), (0.2, 0), (0.1, 1), (0, 1), (-1, 2), ("nan", 2), ("x", 2)],
)
def test_generations_fail_when_the_whole_interval_lies_above(counts, tmp_path, limit, code):
    options = () if limit is None else ("--fail-above", limit)
    found = run("generations", counts, "--out", tmp_path / "out", *options)
    assert found.exit_code == code, found.output
    assert (tmp_path / "out").exists() == (code != 2)
    if code == 1:
        low = json.loads((tmp_path / "out" / "report.json").read_text())["quantities"][0]["low"]
        assert 0.1 < low < 0.2
        assert "doctor" in found.stdout
        assert found.stderr.startswith("Error: the mean imbalance over these prompts")
        assert found.stderr.count("\n") == 1


def test_one_prompt_is_judged_by_its_own_interval(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("prompt,man,woman\nx,0,20\n")
    low = 0.5 - 1 + (0.05 / 2) ** (1 / 20)  # Clopper and Pearson's limit of 20 of 20
    assert run("generations", path, "--fail-above", low - 0.01).exit_code == 1
    assert run("generations", path, "--fail-above", low + 0.01).exit_code == 0


def test_alignment_is_judged_with_and_without_truth(scores):
    gaps = [scores, "--score", "score", "--group", "group", "--within", "prompt"]
    assert run("alignment", *gaps, "--fail-above", 0.5).exit_code == 1
    assert run("alignment", *gaps, "--fail-above", 3).exit_code == 0
    audit = [scores, "--score", "score", "--truth", "truth", "--group", "group"]
    found = run("alignment", *audit, "--fail-above", 0.05)
    assert found.exit_code == 1
    assert "multiaccuracy error" in found.stderr


def test_what_was_not_measured_cannot_be_judged():
    line = ["--encoder", "glove", "--occupations", "nurse,cook", "--template", "{}"]
    found = run("embeddings", *line, "--pair", "she/he", "--fail-above", 0.1)
    assert found.exit_code == 2
    assert "nurse" in found.stdout
    assert "was not measured (One template and one pair" in found.stderr
    assert run("embeddings", *line, "--pair", "she/he").exit_code == 0
    line += ["--pair", "she/he", "--pair", "woman/man", "--pair", "her/his"]
    assert run("embeddings", *line, "--fail-above", 0).exit_code in (0, 1)
    assert run("embeddings", *line, "--fail-above", 1).exit_code == 0


def test_summaries_are_appended_where_asked(counts, tmp_path, monkeypatch):
    file, other = tmp_path / "summary.md", tmp_path / "other.md"
    file.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    assert run("generations", counts).exit_code == 0
    assert file.read_text().startswith("before\n## Balance of generated images\n")
    assert run("generations", counts, "--summary", other, "--fail-above", 0).exit_code == 1
    assert other.read_text().startswith("## Balance")
    assert file.read_text().count("##") == 1
    found = run("generations", counts, "--summary", tmp_path / "no" / "such.md")
    assert found.exit_code == 2
    assert "--summary" in found.stderr
    assert "doctor" in found.stdout
