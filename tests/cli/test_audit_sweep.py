"""`bbb audit model --sweep`: draw, read, report, on a tiny checkpoint and a tiny pipeline."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import save_file

from bbb_core.cli import main
from bbb_core.diffusion.checkpoint import save_model
from bbb_core.diffusion.load import load_process
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.embedding import position
from bbb_core.rng import generator

NEUTRAL = ["a cook", "a mellow cook"]
GROUPS = {"man": "a male cook", "woman": "a female cook"}
WORDS = [f"--neutral={text}" for text in NEUTRAL]
WORDS += [f"--group={name}={text}" for name, text in GROUPS.items()]
FAST = ["--steps", 2]
SWEEP = ["--sweep", 5, "--images", 8]


def run(*arguments):
    return CliRunner().invoke(main, ["audit", "model", *map(str, arguments)])


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """Return the arguments that both calls share, for a random checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoint")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_denoiser(
            NetworkConfig(embedding_dim=6, resolution=8, channels=(8,), groups=4)
        )
        rows = torch.nn.functional.normalize(torch.randn(4, 6), dim=1)
        model.fit_conditions(rows)
        torch.nn.init.normal_(model.project.weight)
    save_model(folder, model, about={"data": "none"})
    texts = {"texts": json.dumps([*NEUTRAL, *GROUPS.values()])}
    save_file({"embeddings": rows}, folder / "rows.safetensors", texts)
    return [folder, "--encoder", f"table:{folder / 'rows.safetensors'}", *WORDS, *FAST]


@pytest.fixture(scope="module")
def drawn(line, tmp_path_factory):
    """Return the folder of a first call."""
    out = tmp_path_factory.mktemp("drawn") / "out"
    made = run(*line, *SWEEP, "--out", out)
    assert made.exit_code == 0, made.output
    return out


def filled(listed, place, readings):
    """Write the list with readings in place of its empty column."""
    listed.assign(group=readings).to_csv(place, index=False)
    return place


def law(listed, slope, switch, seed=0):
    """Return readings drawn from the law itself."""
    share = 1 / (1 + np.exp(-slope * (listed["position"] - switch)))
    return np.where(generator(seed, "readings").random(len(listed)) < share, "woman", "man")


def test_the_first_call_draws_and_lists(line, drawn):
    listed = pd.read_csv(drawn / "images.csv")
    assert list(listed.columns) == ["file", "position", "group"]
    assert listed["group"].isna().all()
    assert listed["position"].value_counts().to_dict() == dict.fromkeys(np.linspace(0, 1, 5), 8)
    assert not listed["position"].is_monotonic_increasing  # names do not tell the position
    assert listed["file"].is_monotonic_increasing
    manifest = json.loads((drawn / "manifest.json").read_text())
    assert set(listed["file"]) <= set(manifest["sha256"])
    assert "model.safetensors" in manifest["inputs"]
    _, encode = load_process(line[0], encoder=line[2], steps=2)
    p, a, b = encode([NEUTRAL[0], *GROUPS.values()])
    said = json.loads((drawn / "audit.json").read_text())
    assert said["prompts"][0]["position"] == pytest.approx(
        float(position(p[None], a[None], b[None]))
    )
    assert [row["prompt"] for row in said["prompts"]] == NEUTRAL


def test_pictures_at_the_ends_are_those_of_the_group_prompts(line, drawn):
    """Drawn anew from the group prompt's own embedding, with the point's noise."""
    from PIL import Image

    from bbb_core.diffusion.sampling import generate

    process, encode = load_process(line[0], encoder=line[2], steps=2)
    listed = pd.read_csv(drawn / "images.csv")
    for t, name, point in ((0, "man", 0), (1, "woman", 4)):
        again = generate(process, encode([GROUPS[name]]), 8, streams=[f"sweep {point}"])[0]
        pixels = (again * 255).round().byte().permute(0, 2, 3, 1).numpy()
        files = listed.loc[listed["position"] == t, "file"]
        for file, expected in zip(files, pixels, strict=True):
            assert (np.asarray(Image.open(drawn / file)) == expected).all()


def test_readings_from_a_known_law_find_it_again(line, drawn, tmp_path):
    """Nominal .95 intervals of a fixed draw: this seed's hold slope, switch and all shares."""
    slope, switch = 7.0, 0.6
    listed = pd.read_csv(drawn / "images.csv")
    readings = filled(listed, tmp_path / "list.csv", law(listed, slope, switch))
    out = tmp_path / "out"
    made = run(*line, *SWEEP, "--readings", readings, "--out", out)
    assert made.exit_code == 0, made.output
    said = json.loads((out / "audit.json").read_text())
    assert said["slope"]["low"] <= slope <= said["slope"]["high"]
    assert said["switch"]["low"] <= switch <= said["switch"]["high"]
    assert said["own"]["low"] <= slope * (0.5 - switch) <= said["own"]["high"]
    k, s = said["slope"]["value"], said["switch"]["value"]
    for row in said["prompts"]:
        true = 1 / (1 + math.exp(-slope * (row["position"] - switch)))
        assert row["low"] <= true <= row["high"]
        assert row["begotten"] == pytest.approx(k * (row["position"] - 0.5))
        assert row["own"] == pytest.approx(k * (0.5 - s))
        odds = row["begotten"] + row["own"]
        assert row["share"] == pytest.approx(1 / (1 + math.exp(-odds)))
    with safe_open(out / "balanced.safetensors", "pt") as file:
        rows, about = file.get_tensor("embeddings"), file.metadata()
    assert json.loads(about["names"]) == ["on the way", *(f"moved: {text}" for text in NEUTRAL)]
    assert json.loads(about["positions"]) == pytest.approx([s] * 3, abs=1e-5)
    _, encode = load_process(line[0], encoder=line[2], steps=2)
    p, a, b = encode([NEUTRAL[0], *GROUPS.values()])
    assert torch.allclose(rows[0], a + s * (b - a), atol=1e-5)
    t = said["prompts"][0]["position"]
    assert torch.allclose(rows[1], p + (s - t) * (b - a), atol=1e-5)
    manifest = json.loads((out / "manifest.json").read_text())
    assert {"balanced.safetensors", "prompts.csv", "points.csv"} <= set(manifest["sha256"])
    assert "--readings" in manifest["inputs"]
    assert "share of woman" in made.output
    assert "balanced.safetensors of --out" in made.output


def test_readings_of_a_study_are_taken(line, drawn, tmp_path):
    """Flat names, a column 'label', 'none' and 'unclear' for neither; no positions."""
    listed = pd.read_csv(drawn / "images.csv")
    label = law(listed, 9, 0.4).astype(object)
    label[:3] = ["none", "unclear", "none"]
    names = listed["file"].str.removeprefix("images/")
    place = tmp_path / "labels.csv"
    pd.DataFrame({"file": names, "label": label})[::-1].to_csv(place, index=False, sep=";")
    made = run(*line, *SWEEP, "--readings", place, "--json")
    assert made.exit_code == 0, made.output
    said = json.loads(made.stdout)
    assert said["neither"] == 3
    seen = pd.DataFrame(said["sweep"])[["read as man", "read as woman"]].to_numpy()
    kept = listed.assign(label=label)[3:]
    expected = pd.crosstab(kept["position"], kept["label"])[["man", "woman"]].to_numpy()
    assert (seen == expected).all()


def test_a_prompt_that_decides_nothing_gets_no_embedding(line, drawn, tmp_path):
    listed = pd.read_csv(drawn / "images.csv")
    half = listed.groupby("position").cumcount() % 2
    place = filled(listed, tmp_path / "list.csv", np.where(half == 0, "man", "woman"))
    made = run(*line, *SWEEP, "--readings", place, "--out", tmp_path / "out")
    assert made.exit_code == 0, made.output
    assert "slope may be zero" in made.output
    assert not (tmp_path / "out" / "balanced.safetensors").exists()
    said = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert said["switch"]["low"] is None
    assert said["balanced"] == []


def test_a_bend_and_swapped_names_are_said(line, drawn, tmp_path):
    listed = pd.read_csv(drawn / "images.csv")
    middle = listed["position"].between(0.2, 0.8)
    bent = filled(listed, tmp_path / "bent.csv", np.where(middle, "woman", "man"))
    assert "BENT" in run(*line, *SWEEP, "--readings", bent).output
    swapped = filled(listed, tmp_path / "swapped.csv", law(listed, -9, 0.4))
    made = run(*line, *SWEEP, "--readings", swapped)
    assert "The slope is negative" in made.output
    assert "BENT" not in made.output


def test_a_later_call_may_ask_for_other_neutral_prompts(line, drawn, tmp_path):
    listed = pd.read_csv(drawn / "images.csv")
    place = filled(listed, tmp_path / "list.csv", law(listed, 9, 0.4))
    one = [word for word in line if "mellow" not in str(word)]
    made = run(*one, *SWEEP, "--readings", place, "--json")
    assert [row["prompt"] for row in json.loads(made.stdout)["prompts"]] == NEUTRAL[:1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--seed", 1], "with other settings (--sweep"),
        (["--group=woman=a cook"], "with other group prompts"),
        (["--guidance", 2, "--group=woman=a cook"], "group prompts and with other settings"),
    ],
)
def test_readings_of_another_run_are_refused(line, drawn, tmp_path, change, said):
    listed = pd.read_csv(drawn / "images.csv")
    place = filled(listed, tmp_path / "list.csv", law(listed, 9, 0.4))
    words = [x for x in line if not (len(change) != 2 and str(x).startswith("--group=woman"))]
    made = run(*words, *SWEEP, *change, "--readings", place)
    assert made.exit_code == 2
    assert said in made.output
    assert made.output.count("\n") == 1


def test_readings_of_another_model_are_refused(line, drawn, tmp_path):
    import shutil

    other = tmp_path / "other"
    shutil.copytree(line[0], other)
    (other / "note.json").write_text("{}")
    listed = pd.read_csv(drawn / "images.csv")
    place = filled(listed, tmp_path / "list.csv", law(listed, 9, 0.4))
    made = run(other, *line[1:], *SWEEP, "--readings", place)
    assert made.exit_code == 2
    assert "was drawn by another model or encoder; repeat the line" in made.output


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: t.assign(group=""), "names a group for 0 of 40 pictures; at least 20"),
        (lambda t: t.assign(group=["man"] * 19 + [""] * 21), "a group for 19 of 40 pictures"),
        (lambda t: t.assign(group="Man"), "'Man' is no group; write 'man' or 'woman'"),
        (lambda t: t[:-2], "lacks 2 of 40 pictures"),
        (lambda t: pd.concat([t, t[:1]]), "stands twice"),
        (lambda t: t.replace(t["file"][3], "images/cat.png"), "line 5: 'cat.png' is no picture"),
        (lambda t: t.drop(columns="group"), "no column 'group'"),
        (lambda t: t.drop(columns="file"), "no column 'file'"),
    ],
)
def test_bad_lists_are_one_line(line, drawn, tmp_path, spoil, said):
    listed = pd.read_csv(drawn / "images.csv").assign(group="man")
    spoil(listed).to_csv(tmp_path / "list.csv", index=False)
    made = run(*line, *SWEEP, "--readings", tmp_path / "list.csv", "--out", tmp_path / "out")
    assert made.exit_code == 2
    assert said in made.output
    assert made.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sweep", 5, "--images", 8], "name a folder for them by --out"),
        (["--sweep", 1, "--images", 30], "--sweep is 1; pass at least 2"),
        (["--sweep", 5], "--sweep needs --images, 4 or more"),
        (["--sweep", 5, "--images", 3], "draws 15 pictures; at least 20"),
        (["--sweep", 1000, "--images", 100], "more than 99999 pictures"),
        ([*SWEEP, "--group=other=a cook"], "--group is given 3 times"),
        ([*SWEEP, "--delta", 0.1], "--delta belongs to the certificate"),
        ([*SWEEP, "--paths", 64], "--paths belongs to the certificate"),
        ([*SWEEP, "--neutral", NEUTRAL[0]], "'a cook' is given twice"),
        (["--readings", "list.csv"], "--readings needs --sweep"),
        ([], "--neutral is given 2 times"),
    ],
)
def test_options_that_do_not_go_together(line, tmp_path, arguments, said):
    out = [] if "name a folder" in said else ["--out", tmp_path / "out"]
    made = run(*line, *arguments, *out)
    assert made.exit_code == 2
    assert said in made.output
    assert made.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_group_prompts_of_one_embedding_are_refused_before_drawing(line, tmp_path):
    words = [x for x in line if not str(x).startswith("--group")]
    same = ["--group=man=a cook", "--group=woman=a cook"]
    made = run(*words, *same, *SWEEP, "--out", tmp_path / "out")
    assert made.exit_code == 2
    assert "one point" in made.output
    none = run(*words, "--group=none=a cook", same[0], *SWEEP, "--out", tmp_path / "out")
    assert "'none' is a reading that names no group" in none.output


def test_a_pipeline_goes_the_same_way(pipeline, tmp_path):
    """Token by token, as its encoder lays them out: the points hold 16 rows of 8 numbers."""
    line = [pipeline, "--sampler", "ddpm", *WORDS[:1], *WORDS[2:], *FAST]
    line += ["--sweep", 3, "--images", 7]
    first = run(*line, "--out", tmp_path / "drawn")
    assert first.exit_code == 0, first.output
    listed = pd.read_csv(tmp_path / "drawn" / "images.csv")
    place = filled(listed, tmp_path / "list.csv", law(listed, 9, 0.5))
    made = run(*line, "--readings", place, "--out", tmp_path / "out")
    assert made.exit_code == 0, made.output
    said = json.loads((tmp_path / "out" / "audit.json").read_text())
    with safe_open(tmp_path / "out" / "balanced.safetensors", "pt") as file:
        rows = file.get_tensor("embeddings")
    assert rows.shape == (2, 16, 8)
    _, encode = load_process(pipeline, sampler="ddpm", steps=2)
    a, b = encode(list(GROUPS.values()))
    assert torch.allclose(rows[0], a + said["switch"]["value"] * (b - a), atol=1e-4)
