"""`bbb audit embeddings`: a good run, and one line with status 2 for every bad input."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from bbb_core.cli import main
from bbb_core.embedding.labour import labour_shares
from bbb_core.io.writing import sha256
from bbb_core.prompts import GENDER_PAIRS, word_pair
from bbb_core.rng import generator

TEMPLATE, WOMAN, MAN = "a photo of a {}", "woman=a photo of a female {}", "man=a photo of a male {}"
GROUPS = ("--template", TEMPLATE, "--group", WOMAN, "--group", MAN)


def run(*args):
    return CliRunner().invoke(main, ["audit", "embeddings", *map(str, args)])


@pytest.fixture
def table(tmp_path):
    listed = run("--encoder", "table:x.safetensors", "--list-prompts", "--occupations",
                 "nurse,judge", *GROUPS)  # fmt: skip
    texts = listed.stdout.splitlines()
    rows = torch.from_numpy(generator(0).normal(size=(len(texts), 4)))
    save_file({"embeddings": rows}, tmp_path / "t.safetensors", {"texts": json.dumps(texts)})
    return tmp_path / "t.safetensors", texts, rows


def test_report_of_a_word_encoder(tmp_path):
    out = tmp_path / "report"
    result = run("--encoder", "glove", "--out", out)
    assert result.exit_code == 0
    assert "nurse" in result.stdout
    assert "Correlation with the US share of women in 60 occupations" in result.stdout
    assert " position " in result.stdout
    assert (out / "report.txt").read_text() == result.stdout
    said = json.loads((out / "audit.json").read_text())
    assert len(said["table"]) == 60
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["sha256"]["gaps.csv"] == sha256(out / "gaps.csv")
    assert "nurse" in (out / "gaps.csv").read_text()
    again = run("--encoder", "glove", "--out", out)
    assert again.exit_code == 2
    assert "holds other files" in again.stderr


def test_a_table_needs_just_the_prompts_that_are_listed(table):
    path, texts, rows = table
    result = run("--encoder", f"table:{path}", "--occupations", "nurse,judge", *GROUPS, "--json")
    assert result.exit_code == 0
    found = {row["occupation"]: row for row in json.loads(result.stdout)["table"]}
    unit = rows / rows.norm(dim=1, keepdim=True)
    nurse, woman, man = (
        unit[texts.index(f"a photo of a {word}nurse")] for word in ("", "female ", "male ")
    )
    assert found["nurse"]["gap"] == pytest.approx(float(nurse @ woman - nurse @ man), abs=1e-6)
    where = float((nurse - woman) @ (man - woman) / (man - woman).square().sum())  # 0 at the first
    assert found["nurse"]["position"] == pytest.approx(where, abs=1e-5)
    assert found["nurse"]["p"] is None
    assert found["judge"]["share_women"] is None


def test_three_groups_and_a_swap(table):
    listed = run(
        "--encoder",
        "glove",
        "--occupations",
        "nurse,judge",
        "--template",
        "{}",
        "--group",
        "a=tall {}",
        "--group",
        "b=short {}",
        "--group",
        "c=old {}",
        "--json",
    )
    said = json.loads(listed.stdout)
    assert list(said["contrasts"]) == ["a - b", "a - c"]
    swapped = run(
        "--encoder",
        "glove",
        "--occupations",
        "nurse,judge",
        "--template",
        "{}",
        "--group",
        "b=short {}",
        "--group",
        "a=tall {}",
        "--json",
    )
    value = json.loads(swapped.stdout)["table"][0]
    assert value["gap"] == pytest.approx(-said["table"][0]["gap"])
    assert value["beyond"] == pytest.approx(-said["table"][0]["beyond"])


G = ("--encoder", "glove")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "--encoder is missing"),
        (("--encoder", "bert"), "unknown"),
        (("--encoder", "table:none.npz"), "No such file"),
        (("--encoder", "open_clip:ViT-B-32/x.pt"), "convert"),
        ((*G, "--occupations", "nurse,nurse"), "repeats place 1"),
        ((*G, "--occupations", ""), "non-empty"),
        ((*G, "--occupations", "nurse,"), "non-empty"),
        ((*G, "--occupations", "nurse,zzxxq"), "zzxxq"),
        ((*G, "--occupations-file", "none.txt"), "cannot be read"),
        ((*G, "--occupations", "a", "--occupations-file", "b"), "exclude"),
        ((*G, "--template", "a photo"), "exactly once"),
        ((*G, "--template", "{}", "--template", "{}"), "more than once"),
        ((*G, "--pair", "female"), "two different words"),
        ((*G, "--pair", "he/she", "--pair", "he/she"), "more than once"),
        ((*G, "--template", "{}", "--group", "a=b {}"), "at least two"),
        ((*G, "--template", "{}", "--group", "a=b {}", "--group", "a=c {}"), "twice"),
        ((*G, "--template", "{}", "--group", "a", "--group", "b=c {}"), "NAME=PROMPT"),
        ((*G, "--template", "{}", "--group", "a=", "--group", "b=c {}"), "NAME=PROMPT"),
        ((*G, "--template", "{}", "--group", "a=x", "--group", "b=c {}"), "exactly once"),
        ((*G, "--template", "{}", "--group", "a=b {}", "--group", "c=b {}"), "same prompt"),
        ((*G, "--group", "a=b {}", "--group", "c=d {}"), "needs --template"),
        ((*G, "--template", "{}", "--group", "a=b {}", "--group", "c=d {}", "--pair", "x/y"),
         "exclude"),
        ((*G, "--confidence", "1.5"), "confidence"),
        ((*G, "--confidence", "nan"), "confidence"),
        ((*G, "--seed", "-1"), "seed"),
        ((*G, "--baseline", "zzxxq"), "zzxxq"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_with_status_2(tmp_path, args, message):
    out = tmp_path / "out"
    result = run(*args, "--out", out)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""
    assert not out.exists()


def test_bad_tables(table, tmp_path):
    path, texts, rows = table
    ask = ("--occupations", "nurse,judge", *GROUPS, "--out", tmp_path / "out")
    pickled, short, nan = tmp_path / "p.npz", tmp_path / "s.npz", tmp_path / "n.npz"
    np.savez(pickled, texts=np.array(texts, dtype=object), embeddings=rows.numpy())
    np.savez(short, texts=np.array(texts), embeddings=rows.numpy()[:-1])
    np.savez(nan, texts=np.array(texts), embeddings=np.where(rows < 0, np.nan, rows))
    for source, message in [(pickled, "pickled"), (short, "rows of"), (nan, "row 0")]:
        result = run("--encoder", f"table:{source}", *ask)
        assert result.exit_code == 2
        assert message in result.stderr
    result = run("--encoder", f"table:{path}", "--occupations", "cook", *GROUPS)
    assert result.exit_code == 2
    assert "no row for 'a photo of a cook'" in result.stderr
    assert not (tmp_path / "out").exists()


def occupations_of(*args):
    result = run(*G, *args, "--json")
    assert result.exit_code == 0, result.stderr
    return [row["occupation"] for row in json.loads(result.stdout)["table"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_occupations_file(tmp_path, encoding, end):
    file = tmp_path / "list.txt"
    lines = ("nurse  # the first", "", "# none", "judge\u00a0 \t", "engineer")
    file.write_bytes(end.join(lines).encode(encoding))
    result = run(*G, "--occupations-file", file, "--json")
    table = json.loads(result.stdout)["table"]
    assert [row["occupation"] for row in table] == ["nurse", "judge", "engineer"]
    shares = [row["share_women"] for row in table]
    assert shares == [labour_shares()["nurse"], None, labour_shares()["engineer"]]


def test_the_labour_share_of_a_noun_does_not_depend_on_its_case(tmp_path):
    result = run(*G, "--occupations", "Nurse,engineer,Doctor,plumber", "--json")
    said = json.loads(result.stdout)
    assert said["contrasts"]["first - second"]["labour"]["occupations"] == 4


def test_a_hash_within_a_word_is_no_comment(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("C# programmer # a comment\nnurse\n")
    assert occupations_of("--occupations-file", file) == ["C# programmer", "nurse"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no noun"),
        (b"# nothing\n", "names no noun"),
        (b"\xff\xfe", "names no noun"),
        ("infirmi\u00e8re".encode("latin-1"), "UTF-8"),
        ("caf\u00e9\ncafe\u0301\n".encode(), r"line 2 .* repeats line 1"),
        (b"nurse\njudge\nNurse \n", r"line 3 \('Nurse'\) repeats line 1 \('nurse'\)"),
        (b"nurse\njudge\x1b[2J\n", "line 2 .* control character"),
    ],
)
def test_bad_occupations_files_are_one_line(tmp_path, content, message):
    file = tmp_path / "list.txt"
    file.write_bytes(content)
    result = run(*G, "--occupations-file", file)
    assert result.exit_code == 2
    assert re.search(message, result.stderr)
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "."])
def test_occupations_come_from_a_regular_file(path):
    result = run(*G, "--occupations-file", path)
    assert result.exit_code == 2
    assert "name a file" in result.stderr


def constant_gaps(tmp_path):
    """Write a table in which every gap of every occupation is 0.5 up to float32."""
    options = ("--template", "a {}", "--template", "the {}", "--baseline", "none")
    ask = ("--occupations", "nurse,engineer,doctor,plumber", *options)
    texts = run("--encoder", "table:x.npz", "--list-prompts", *ask).stdout.splitlines()
    first = tuple(word_pair(pair)[0] for pair in GENDER_PAIRS)
    second = tuple(word_pair(pair)[1] for pair in GENDER_PAIRS)
    rows = []
    for text in texts:
        words = text.split()
        kind = 1 if words[1] in first else 2 if words[1] in second else 0
        rows.append([[1, 0, 0], [0.75**0.5, 0.5, 0], [0.75**0.5 - 0.5, 0, 0.93060486]][kind])
    rotation = np.linalg.qr(generator(1).normal(size=(3, 3)))[0]
    turned = {"embeddings": torch.tensor(np.array(rows) @ rotation)}
    save_file(turned, tmp_path / "c.safetensors", {"texts": json.dumps(texts)})
    return run("--encoder", f"table:{tmp_path / 'c.safetensors'}", *ask, "--json"), ask


def test_gaps_without_variation_get_words_and_no_p_value(tmp_path):
    result, ask = constant_gaps(tmp_path)
    said = json.loads(result.stdout)
    assert [row["p"] for row in said["table"]] == [None] * 4
    assert [row["gap"] for row in said["table"]] == pytest.approx([0.5] * 4, abs=1e-6)
    notes = said["contrasts"]["first - second"]
    assert notes["labour"] is None  # a correlation of rounding errors
    assert notes["beyond_baseline_holm"] is None
    text = run("--encoder", f"table:{tmp_path / 'c.safetensors'}", *ask).stdout
    assert "4 of 4 occupations have one gap" in text
    assert "nan" not in text.lower()


def test_no_cell_is_a_formula_and_no_line_a_command(tmp_path):
    out = tmp_path / "out"
    result = run(*G, "--occupations", "=1+nurse,@judge,engineer", "--template", "{}", "--out", out)
    assert result.exit_code == 0, result.stderr
    lines = (out / "gaps.csv").read_text().splitlines()
    assert lines[1].split(",")[0] == "'=1+nurse"
    assert lines[2].split(",")[0] == "'@judge"
    assert "'=1+nurse" in result.stdout
    said = json.loads((out / "audit.json").read_text())
    assert said["table"][0]["occupation"] == "=1+nurse"  # data stay what they are


def test_words_that_an_encoder_reads_alike_are_refused():
    ask = ("--encoder", "minilm", "--occupations", "nurse,judge", "--template", "a {}")
    for words in (("--pair", "Female/female"), ("--group", "a=a Fat {}", "--group", "b=a fat {}")):
        result = run(*ask, *words)
        assert result.exit_code == 2
        assert "one embedding" in result.stderr


def test_a_long_prompt_is_refused(tmp_path):
    long = "a photo, " * 120 + "of a {}"
    result = run("--encoder", "minilm", "--occupations", "nurse,engineer", "--template", long)
    assert result.exit_code == 2
    assert re.search(r"'a photo, .* \.\.\. .*' has \d+ tokens, .* at most 256", result.stderr)
    assert result.stdout == ""


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("kept")
    assert run(*G, "--out", tmp_path / "file").exit_code == 2
    assert run(*G, "--out", tmp_path / "file" / "below").exit_code == 2
    assert (tmp_path / "file").read_text() == "kept"
