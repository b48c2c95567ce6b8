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
        "report.html",
        "report.json",
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
        (["--score", "gender", "--group", "tone"], "'woman' is no number"),
        (["--score", "score", "--group", "gender", "--out", "."], "it holds other files"),
    ],
)
def test_bad_input_is_one_line(capsys, monkeypatch, table, arguments, message):
    code, _, err = run(capsys, monkeypatch, table, *arguments)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


def written(tmp_path, text, name="scores.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def rows(labels, header="prompt,score,group", cell="{p},{score:.3f},{label}"):
    """Return a table of 240 rows over 8 prompts in which the k-th label scores k / 4 higher."""
    rng = generator(4, "rows")
    lines = [header]
    for i in range(240):
        k = i % len(labels)
        score = rng.standard_normal() + k / 4
        lines.append(cell.format(p=i // 30, score=score, label=labels[k]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "labels",
    [["White", "NA", "None", "nan"], ["null", "n/a", "NaN"], ["True", "False"], ["0", "1", "2"]],
    ids="-".join,
)
def test_labels_are_text_as_written(capsys, monkeypatch, tmp_path, labels):
    file = written(tmp_path, rows(labels))
    code, text, err = run(
        capsys, monkeypatch, file, "--score", "score", "--group", "group", "--json"
    )
    assert code == 0, err
    found = json.loads(text)
    counted = {row["group"]: row["n"] for row in found["tables"]["groups"]}
    assert counted == {f"group={label}": 240 // len(labels) for label in labels}
    assert found["empty cells"] == {"group": 0, "score": 0}


def test_rows_lost_are_counted_by_column(capsys, monkeypatch, tmp_path):
    lines = rows(["a", "b"]).splitlines()
    for i in (3, 4, 5):
        lines[i] = lines[i].rpartition(",")[0] + ","  # no group
    lines[7] = "1,,a"
    lines[9] = ",0.5,a"
    lines[11] = ",,"  # no row at all
    file = written(tmp_path, "\n".join(lines))
    arguments = (file, "--score", "score", "--group", "group", "--within", "prompt")
    _, text, _ = run(capsys, monkeypatch, *arguments)
    assert "237 images" in text
    assert "empty cells: 3 in 'group' (in no group of it), 1 in 'prompt' (rows left out)" in text
    _, text, _ = run(capsys, monkeypatch, *arguments, "--json")
    found = json.loads(text)
    assert found["empty cells"] == {"group": 3, "prompt": 1, "score": 1}
    assert sum(row["n"] for row in found["tables"]["groups"]) == 234


@pytest.mark.parametrize("kind", ["category", "boolean", "Int64", "string", "object"])
def test_columns_of_parquet_make_groups(capsys, monkeypatch, tmp_path, kind):
    values = {"boolean": [True, None, False], "Int64": [1, None, 2]}.get(kind, ["a", None, "b"])
    frame = pd.DataFrame({"s": np.arange(300.0) % 7, "g": pd.Series(values * 100, dtype=kind)})
    frame.to_parquet(tmp_path / "t.parquet")
    code, text, err = run(
        capsys, monkeypatch, tmp_path / "t.parquet", "--score", "s", "--group", "g", "--json"
    )
    assert code == 0, err
    found = json.loads(text)
    assert [row["n"] for row in found["tables"]["groups"]] == [100, 100]
    assert found["empty cells"]["g"] == 100


def test_list_valued_columns_get_one_line(capsys, monkeypatch, tmp_path):
    pd.DataFrame({"s": [1.0, 2.0], "g": [["a"], ["b"]]}).to_parquet(tmp_path / "t.parquet")
    code, _, err = run(capsys, monkeypatch, tmp_path / "t.parquet", "--score", "s", "--group", "g")
    assert code == 2
    assert "column 'g' holds list<" in err


@pytest.mark.parametrize("truth", [lambda i: 0, lambda i: 1, lambda i: int(i < 30)])
@pytest.mark.parametrize("size", [24, 60, 400])
def test_truth_without_events_reaches_the_writer_finite(capsys, monkeypatch, tmp_path, truth, size):
    rng = generator(5, "constant")
    lines = ["score,truth,gender"]
    lines += [f"{rng.random():.3f},{truth(i)},{'mw'[i % 2]}" for i in range(size)]
    file = written(tmp_path, "\n".join(lines))
    options = ("--score", "score", "--truth", "truth", "--group", "gender")
    code, text, err = run(capsys, monkeypatch, file, *options, "--json")
    if size == 24:  # no group has thirty rows
        assert code == 2
        assert "minimum_support" in err
        return
    found = json.loads(text)  # strict: no NaN
    for name in ("multiaccuracy error", "multicalibration error", "proportional error"):
        e = found[name]
        if e["reason"]:
            assert e["value"] is e["low"] is e["high"] is e["p_value"] is None
        else:
            assert e["low"] <= e["value"] <= e["high"]
    _, text, _ = run(capsys, monkeypatch, file, *options)
    assert ("not measurable" in text) == any(
        found[name]["reason"] for name in found if name.endswith("error")
    )
    assert "nan" not in text


@pytest.mark.parametrize("value", ["1e308", "9" * 400, "-1e200", "inf", "nan", "NA", "0x10", "1_0"])
def test_numbers_are_strict(capsys, monkeypatch, tmp_path, value):
    file = written(tmp_path, f"score,group\n0.5,a\n{value},b\n")
    code, _, err = run(capsys, monkeypatch, file, "--score", "score", "--group", "group", "--json")
    assert code == 2
    assert "line 3, column 'score': " in err
    assert len(err.strip().splitlines()) == 1


def test_separator_and_notation_are_said(capsys, monkeypatch, tmp_path):
    text = rows(["a", "b"], "prompt;score;group", "{p};{score:.3f};{label}").replace(".", ",")
    file = written(tmp_path, text)
    options = ("--score", "score", "--group", "group")
    code, _, err = run(capsys, monkeypatch, file, *options)
    assert (code, "like 1234,5 or 1.234,5 or 1 234,5, say that notation" in err) == (2, True)
    code, text, _ = run(capsys, monkeypatch, file, *options, "--notation", "1234,5", "--json")
    plain = written(tmp_path, rows(["a", "b"]), "plain.csv")
    _, same, _ = run(capsys, monkeypatch, plain, *options, "--json")
    assert json.loads(text)["tables"] == json.loads(same)["tables"]


def test_formulas_and_escapes_are_neutral_everywhere(capsys, monkeypatch, tmp_path):
    file = written(tmp_path, rows(["=1+1", "\x1b[2Jred"]))
    out = tmp_path / "out"
    code, text, _ = run(
        capsys, monkeypatch, file, "--score", "score", "--group", "group", "--out", out
    )
    assert code == 0
    for told in (text, (out / "groups.csv").read_text(), (out / "report.txt").read_text()):
        assert "\x1b" not in told
        assert "\\x1b[2Jred" in told


def alike(one, other):
    """Compare tables, which sums of parts may move by their rounding."""
    one, other = json.loads(one)["tables"], json.loads(other)["tables"]
    assert one.keys() == other.keys()
    for name, table in one.items():
        pd.testing.assert_frame_equal(pd.DataFrame(table), pd.DataFrame(other[name]), rtol=1e-12)


def clustered(tmp_path, name="s.feather"):
    """Return a table of 100 images, of one group and one prompt each, scored by three raters."""
    rng = generator(6, "clusters")
    image = np.repeat(np.arange(100), 3)
    frame = pd.DataFrame(
        {
            "img": [f"{i}.png" for i in image],
            "rater": ["a", "b", "c"] * 100,
            "caption": [f"p{i // 10}" for i in image],
            "gender": np.where(image % 2, "Male", "Female"),
            "clip_score": rng.standard_normal(100)[image] + 0.1 * rng.standard_normal(300),
            "human": rng.random(300),
        }
    )
    frame.to_feather(tmp_path / name)
    return tmp_path / name, frame


SCORES = ("--score-column", "clip_score", "--group-column", "gender", "--json")


def test_clusters_are_the_independent_units(capsys, monkeypatch, tmp_path):
    path, frame = clustered(tmp_path)
    by_image = frame.groupby("img", sort=False).first()
    by_image["clip_score"] = frame.groupby("img", sort=False)["clip_score"].mean()
    by_image.to_csv(tmp_path / "means.csv", index=False)
    _, text, _ = run(capsys, monkeypatch, path, *SCORES, "--cluster-column", "img")
    _, same, _ = run(capsys, monkeypatch, tmp_path / "means.csv", *SCORES)
    found, means = json.loads(text), json.loads(same)
    assert found["tables"]["gaps"][0] == pytest.approx(means["tables"]["gaps"][0])
    assert found["images"] == 100
    assert found["notes"] == ["300 rows are 100 clusters, which count once with their mean"]
    within = (*SCORES, "--prompt-column", "caption")
    _, text, _ = run(capsys, monkeypatch, path, *within, "--cluster-column", "img")
    _, same, _ = run(capsys, monkeypatch, path, *within)
    alike(text, same)  # prompts hold the images
    truth = (*SCORES, "--truth-column", "human", "--scale", "affine-free")
    _, text, _ = run(capsys, monkeypatch, path, *truth, "--cluster-column", "img")
    _, same, _ = run(capsys, monkeypatch, path, *truth, "--within", "img")
    assert json.loads(text)["tables"] == json.loads(same)["tables"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--group", "gender"], "--score is missing; name a column of FILE"),
        (["--group", "gender"], "(perhaps 'clip_score')"),
        (["--score", "clip_score"], "(perhaps 'gender'); it has 'img', 'rater'"),
        ([*SCORES, "--cluster-column", "rater"], "several groups of 'gender'; compare within them"),
        ([*SCORES, "--cluster-column", "rater", "--within", "caption"], "span several prompts of"),
        ([*SCORES, "--map", "Mail=man"], "--map names 'Mail', but the groups of FILE are"),
        ([*SCORES, "--map", "Male"], "--map 'Male' must be LABEL=NAME"),
        ([*SCORES, "--map", "Male=a", "--map", "Male=b"], "--map names 'Male' twice"),
        ([*SCORES, "--ignore", "Male"], "groups leave no pair"),
    ],
)
def test_unclear_columns_get_one_line_with_the_option(
    capsys, monkeypatch, tmp_path, options, message
):
    code, _, err = run(capsys, monkeypatch, clustered(tmp_path)[0], *options)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_labels_are_merged_and_set_aside(capsys, monkeypatch, tmp_path):
    path, frame = clustered(tmp_path)
    other = np.where(frame["gender"] == "Male", "M", "?")
    mixed = np.where(np.arange(300) % 4, frame["gender"], other)
    frame.assign(gender=mixed).to_feather(path)
    options = (*SCORES, "--map", "M=man", "--map", "Male=man", "--ignore", "?")
    _, text, _ = run(capsys, monkeypatch, path, *options)
    found = json.loads(text)
    women = int((mixed == "Female").sum())
    counted = {row["group"]: row["n"] for row in found["tables"]["groups"]}
    assert counted == {"gender=Female": women, "gender=man": 150}
    assert found["notes"] == [f"{150 - women} labels are '?': in no group"]
    assert found["empty cells"]["gender"] == 0


def test_prompts_that_are_also_groups_keep_their_labels(capsys, monkeypatch, tmp_path):
    """--map renames groups; the strata, and so the other gaps, stay."""
    path, _ = clustered(tmp_path)
    options = (*SCORES, "--group", "caption", "--within", "caption")
    caption = str(pd.read_feather(path)["caption"].iloc[0])
    _, text, _ = run(capsys, monkeypatch, path, *options)
    _, renamed, _ = run(capsys, monkeypatch, path, *options, "--map", f"{caption}=another")
    assert json.loads(text)["tables"]["gaps"] == json.loads(renamed)["tables"]["gaps"]
    assert "caption=another" in renamed


def test_a_folder_of_shards_is_one_table_with_every_hash(capsys, monkeypatch, tmp_path):
    path, frame = clustered(tmp_path)
    shards = tmp_path / "shards"
    shards.mkdir()
    for k in range(3):
        frame[k * 100 : (k + 1) * 100].to_parquet(shards / f"part-{k}.parquet")
    _, one, _ = run(capsys, monkeypatch, path, *SCORES)
    code, text, _ = run(capsys, monkeypatch, shards, *SCORES, "--out", tmp_path / "out")
    assert code == 0
    alike(text, one)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert list(manifest["inputs"]) == [f"file/part-{k}.parquet" for k in range(3)]


def test_the_help_shows_sections(capsys, monkeypatch):
    _, text, _ = run(capsys, monkeypatch, "--help")
    places = [text.index(title) for title in ("Columns of FILE:", "Labels and", "Other options:")]
    assert places == sorted(places)
    assert places[0] < text.index("--cluster-column COLUMN") < places[1] < text.index("--map ")
