"""`bbb audit generations`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bbb_core.balance.confusion import Confusion
from bbb_core.balance.count_files import read_confusion, read_counts
from bbb_core.cli import main
from bbb_core.errors import InputError

COUNTS = "prompt,man,woman,none\ndoctor,60,38,2\nnurse,3,90,7\n"
LABELS = "prompt,group\n" + "doctor,man\n" * 6 + "nurse,woman\n" * 4 + "doctor,woman\n" * 2
CONFUSION = "true,man,woman,none\nman,95,3,2\nwoman,4,94,2\nnone,5,5,90\n"


def run(*arguments: object):
    return CliRunner().invoke(main, ["audit", "generations", *map(str, arguments)])


@pytest.fixture
def file(tmp_path):
    def write(text: str, name: str = "counts.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_counts(file):
    found = run(file(COUNTS), "--json")
    assert found.exit_code == 0, found.output
    told = json.loads(found.output)
    doctor, nurse = told["tables"]["balance"]
    assert doctor["imbalance"] == pytest.approx(0.12)
    assert nurse["low"] > 0.3
    assert told["target"] == {"man": 0.5, "woman": 0.5, "none": 0.0}
    assert told["mean corrected"]["low"] <= told["mean corrected"]["value"]


def test_labels_and_published_text(file):
    table = read_counts(file(LABELS)).counts
    assert table.loc["doctor"].to_dict() == {"man": 6, "woman": 2}
    assert run(file(LABELS)).exit_code == 0
    text = "baker\nman: 30, woman: 10, except: 0\ncook\nman: 20, woman: 20, except: 0\n"
    found = run(file(text, "a.txt"))
    assert found.exit_code == 0
    assert "baker" in found.output


def test_target_before_confusion_and_out(file, tmp_path):
    counts, confusion = file(COUNTS), file(CONFUSION, "confusion.csv")
    out = tmp_path / "out"
    found = run(
        counts,
        "--target",
        "man=0.6,woman=0.4",
        "--before",
        counts,
        "--confusion",
        confusion,
        "--out",
        out,
    )
    assert found.exit_code == 0, found.output
    assert sorted(p.name for p in out.iterdir()) == [
        "audit.json",
        "balance.csv",
        "change.csv",
        "corrected.csv",
        "manifest.json",
        "report.html",
        "report.json",
        "report.txt",
    ]
    manifest = json.loads((out / "manifest.json").read_text())
    assert len(manifest["inputs"]) == 3
    assert set(manifest["sha256"]) == {p.name for p in out.iterdir()} - {"manifest.json"}
    told = json.loads((out / "audit.json").read_text())
    assert told["target"]["man"] == 0.6
    assert all(row["verdict"] == "not resolved" for row in told["tables"]["change"])


def test_one_prompt_has_no_mean(file):
    found = run(file("prompt,man,woman\ndoctor,60,38\n"), "--json")
    assert "mean" not in json.loads(found.output)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "no column 'prompt'"),
        ("prompt,man\nx,1\n", "two or more columns"),
        ("prompt,man,man\nx,1,2\n", "two columns 'man'"),
        ("prompt,man,woman\n", "no prompt"),
        ("prompt,group\n", "no image"),
        ("prompt,group\nx,\n", "no image"),
        ("prompt,man,woman\nx,1\n", "line 2"),
        ("prompt,man,woman\nx,1,-2\n", "line 2"),
        ("prompt,man,woman\nx,1,2\n\nx,1,2\n", "line 4"),
        ("prompt,man,woman\nx,1,nan\n", "line 2"),
        ("prompt,man,woman\nx,0,0\n", "line 2"),
        ('prompt,man,woman\n"x,1,2\n', "no valid CSV"),
        ("prompt,man,woman\nx,1,\n", "line 2, column 'woman'"),
        ("prompt,man,woman\n,1,1\n", "line 2: prompt is empty"),
        ('prompt,man,woman\nx,"1,200",3\n', "written like 1,234.5, say that notation"),
        ("prompt;man;woman\nx;1.200;3\n", "written like 1.234,5, say that notation"),
        ("prompt,man,woman\nx," + "9" * 5000 + ",3\n", "no whole number"),
        ("image,gender,age\nx,man,3\n", "perhaps 'gender' or 'age'"),
        ("prompt,man,none\nx,1,2\n", "at least two"),
    ],
)
def test_bad_files_are_one_line_and_status_2(file, text, words):
    found = run(file(text))
    assert found.exit_code == 2
    assert found.stderr.startswith("Error: ")
    assert found.stderr.count("\n") == 1
    assert words in found.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--target", "man=0.5"], "woman"),
        (["--target", "man=0.5,woman=0.6"], "sum"),
        (["--target", "man=x,woman=0.5"], "NAME=SHARE"),
        (["--target", "cat=1,man=0,woman=0"], "cat"),
        (["--confidence", "1.5"], "confidence"),
        (["--before", "absent.csv"], "absent.csv"),
    ],
)
def test_bad_options_write_nothing(file, tmp_path, options, words):
    out = tmp_path / "out"
    found = run(file(COUNTS), *options, "--out", out)
    assert found.exit_code == 2
    assert words in found.stderr
    assert not out.exists()


def test_binary_and_full_folder(file, tmp_path):
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00prompt")
    assert "UTF-8" in run(path).stderr
    assert run(file(COUNTS), "--out", tmp_path).exit_code == 2
    (tmp_path / "empty").mkdir()
    assert "holds no table; name a file" in run(tmp_path / "empty").stderr


def test_confusion_files(file):
    found = read_confusion(file(CONFUSION))
    assert isinstance(found, Confusion)
    assert found.groups == ("man", "woman", "none")
    for bad in ("true,a\n", "true,a,b\nx,1,1\n", "true,a,b\nx,1,1\nx,1,1\n", "true,a,b\na,1,b\n"):
        with pytest.raises(InputError):
            read_confusion(file(bad))


def test_labels_are_text_and_lost_images_are_counted(file):
    lines = ["image,prompt,group"] + ["x,nurse,NA"] * 7 + ["x,nurse,None"] * 5
    lines += ["x,judge,NA"] * 3 + ["x,judge,none"] * 2 + ["x,judge,"] * 4 + ["x,,NA", ",,"]
    path = file("\n".join(lines))
    table = read_counts(path)
    assert table.counts.to_dict("index") == {
        "nurse": {"NA": 7, "None": 5, "none": 0},
        "judge": {"NA": 3, "None": 0, "none": 2},
    }
    told = json.loads(run(path, "--json").output)
    assert told["images"] == 17
    assert told["empty cells"] == {"file": {"prompt": 1, "group": 4}}
    assert told["target"] == {"NA": 0.5, "None": 0.5, "none": 0.0}
    report = run(path).output
    assert "empty cells: 1 in 'prompt' (rows left out), 4 in 'group' (rows left out)" in report
    assert "'None' and 'none' are written differently" in report


def test_confusion_of_groups_called_na(file):
    counts = file("prompt,NA,null\nnurse,60,40\njudge,30,70\n")
    confusion = file("\ufefftrue;NA;null\r\nNA;95;5\r\nnull;4;96\r\n", "confusion.csv")
    told = json.loads(run(counts, "--confusion", confusion, "--json").output)
    row = told["tables"]["corrected"][0]
    assert row["NA low"] <= 0.6 <= row["NA high"]
    assert row["NA share"] + row["null share"] == pytest.approx(1)


def test_notation_is_said(file):
    path = file("prompt;man;woman\nnurse;1.200;300\njudge;150;1.350\n")
    told = json.loads(run(path, "--notation", "1.234,5", "--json").output)
    assert told["images"] == 3000
    plain = file("prompt,man,woman\nnurse,1200,300\njudge,150,1350\n", "plain.csv")
    assert told["tables"] == json.loads(run(plain, "--json").output)["tables"]


def test_too_many_prompts_and_groups_are_refused(file):
    lines = ["prompt,group", *(f"p{i},g{i}" for i in range(1001))]
    assert "1001 prompts and 1001 groups" in run(file("\n".join(lines))).stderr


def test_columns_are_named_by_options(file, tmp_path):
    long = ["occupation;sex;n", "doctor;M;60", "doctor;F;38", "nurse;M;3", "nurse;F;90"]
    options = ("--prompt-column", "occupation", "--group-column", "sex", "--count-column", "n")
    names = ("--map", "M=man", "--map", "F=woman")
    found = run(file("\n".join(long), "long.csv"), *options, *names, "--json")
    plain = file("prompt,man,woman\ndoctor,60,38\nnurse,3,90\n")
    same = json.loads(run(plain, "--json").output)
    assert json.loads(found.output)["tables"]["balance"] == [
        pytest.approx(row) for row in same["tables"]["balance"]
    ]
    rows = ["file_name,text,sex", *("a.png,nurse,F" for _ in range(9)), "b.png,nurse,unsure"]
    beside = tmp_path / "images"
    beside.mkdir()
    (beside / "metadata.csv").write_text("\n".join([*rows, "c.png,nurse,M"]))
    options = ("--prompt-column", "text", "--group-column", "sex", "--ignore", "unsure")
    found = run(beside, *options, "--out", tmp_path / "out")
    assert found.exit_code == 0, found.output
    assert "1 images are 'unsure': not counted" in found.output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert list(manifest["inputs"]) == ["file/metadata.csv"]
    refused = run(beside)
    assert "--prompt-column (perhaps 'text' or 'file_name')" in refused.stderr.replace(
        "'file_name' or 'text'", "'text' or 'file_name'"
    )
