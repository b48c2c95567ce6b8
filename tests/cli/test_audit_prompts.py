"""`bbb audit model --prompts`: a table of prompts is drawn, read and reported at once."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from bbb_core.cli import audit_prompts, drawing, main
from bbb_core.cli.prompt_file import read_families
from bbb_core.diffusion.checkpoint import save_model
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.embedding import load_encoder
from bbb_core.report.comparisons import read_report

TABLE = "prompt,man,woman\na cook,a male cook,a female cook\na judge,a male judge,a female judge\n"
TEXTS = [cell for line in TABLE.splitlines()[1:] for cell in line.split(",")]
IMAGES = 3


def run(*arguments):
    return CliRunner().invoke(main, ["audit", "model", *map(str, arguments)])


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """Return the arguments that all calls share, for a random checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoint")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_denoiser(
            NetworkConfig(embedding_dim=6, resolution=8, channels=(8,), groups=4)
        )
        rows = torch.nn.functional.normalize(torch.randn(len(TEXTS), 6), dim=1)
        model.fit_conditions(rows)
        torch.nn.init.normal_(model.project.weight)
    save_model(folder, model, about={"data": "none"})
    save_file({"embeddings": rows}, folder / "rows.safetensors", {"texts": json.dumps(TEXTS)})
    (folder / "prompts.csv").write_text(TABLE)
    return [folder, "--encoder", f"table:{folder / 'rows.safetensors'}", "--steps", 2,
            "--prompts", folder / "prompts.csv", "--images", IMAGES]  # fmt: skip


@pytest.fixture(scope="module")
def drawn(line, tmp_path_factory):
    """Return the folder of a first call, whose pictures nobody has read."""
    out = tmp_path_factory.mktemp("drawn") / "out"
    made = run(*line, "--out", out)
    assert made.exit_code == 0, made.output
    return out


def filled(drawn, place, readings):
    listed = pd.read_csv(drawn / "images.csv")
    listed.assign(group=[readings[kind] for kind in listed["kind"]]).to_csv(place, index=False)
    return place


def test_the_first_call_lists_every_picture_in_an_order_that_tells_no_prompt(drawn):
    listed = pd.read_csv(drawn / "images.csv")
    assert listed["prompt"].value_counts().to_dict() == dict.fromkeys(TEXTS, IMAGES)
    assert list(listed.columns) == ["file", "prompt", "kind", "group"]
    assert listed["group"].isna().all()
    assert listed["file"].is_monotonic_increasing
    assert not listed["prompt"].is_monotonic_increasing
    assert {path.name for path in (drawn / "images").iterdir()} == {
        name.partition("/")[2] for name in listed["file"]
    }
    assert not (drawn / "report.html").exists()
    assert not (drawn.parent / "out.part").exists()


def test_readings_and_their_errors_make_one_report(line, drawn, tmp_path):
    """All neutral pictures are read as men: shares, correction and certificates are known."""
    place = filled(drawn, tmp_path / "list.csv", {"neutral": "man", "man": "man", "woman": "none"})
    errors = tmp_path / "errors.csv"
    errors.write_text("true,man,woman,none\nman,90,10,0\nwoman,10,90,0\nnone,0,0,100\n")
    out = tmp_path / "out"
    words = ["--readings", place, "--confusion", errors, "--paths", 20, "--out", out]
    made = run(*line, *words)
    assert made.exit_code == 0, made.output
    balance = pd.read_csv(out / "balance.csv")
    assert balance["prompt"].tolist() == ["a cook", "a judge"]
    assert (balance["share man"] == 1).all()
    assert (balance["imbalance"] == 0.5).all()
    corrected = pd.read_csv(out / "corrected.csv")
    assert (corrected["man share"] == 1).all()
    assert (corrected["low"] <= 0.5).all()
    named = pd.read_csv(out / "named.csv").set_index(["prompt", "group"])["read as named"]
    assert named.unstack().to_numpy().tolist() == [[1, 0], [1, 0]]
    bounds = pd.read_csv(out / "certificates.csv")
    assert len(bounds) == 4
    assert bounds["tv_upper"].between(0, 1).all()
    report = read_report(out)  # follows the schema
    assert report["kind"] == "generations"
    name = "mean imbalance over these prompts"
    names = [one["name"] for one in report["quantities"]]
    assert names == [name, f"{name}, corrected for the reader's errors"]
    assert [one["value"] for one in report["quantities"]] == pytest.approx([0.5, 0.5])
    page = (out / "report.html").read_text()
    assert "a judge" in page
    assert "tv_upper" in page
    failing = run(*line, *words[:4], "--paths", 0, "--fail-above", 0)
    assert (failing.exit_code == 1) == (report["quantities"][0]["low"] > 0)


def test_an_interrupted_run_goes_on_and_draws_the_same(line, drawn, tmp_path, monkeypatch):
    saved, out = [], tmp_path / "out"
    monkeypatch.setattr(drawing, "PIECE", IMAGES)

    def broken(image, path, save=drawing.save_picture):
        saved.append(path)
        if len(saved) > 2 * IMAGES:
            raise KeyboardInterrupt
        save(image, path)

    with monkeypatch.context() as patch:
        patch.setattr(drawing, "save_picture", broken)
        assert run(*line, "--out", out).exit_code == 130
    part = tmp_path / "out.part"
    assert len(list(part.glob("*.png"))) == 2 * IMAGES
    assert not out.exists()
    other = run(*line, "--seed", 1, "--out", out)
    assert other.exit_code == 2
    assert "of another run" in other.output
    made = run(*line, "--out", out)
    assert f"({2 * IMAGES} kept" in made.output
    assert not part.exists()
    for path in (drawn / "images").iterdir():
        assert path.read_bytes() == (out / "images" / path.name).read_bytes()


class Brightness:
    """A stand-in for CLIP: bright pictures are women's."""

    def encode_text(self, texts):
        return torch.tensor([[0.5, 0.0] if " male" in text else [0.0, 1.0] for text in texts])

    def encode_image(self, images):
        return torch.stack([torch.ones(len(images)), images.mean((1, 2, 3))], 1)


def test_a_classifier_reads_what_was_saved(line, tmp_path, monkeypatch):
    def load(spec, **options):
        return Brightness() if spec == "open_clip:a/b" else load_encoder(spec, **options)

    monkeypatch.setattr("bbb_core.embedding.load_encoder", load)
    out = tmp_path / "out"
    made = run(*line, "--classifier", "open_clip:a/b", "--paths", 0, "--out", out)
    assert made.exit_code == 0, made.output
    listed = pd.read_csv(out / "images.csv")
    light = [np.asarray(Image.open(out / file)).mean() / 255 for file in listed["file"]]
    assert listed["group"].tolist() == ["woman" if x > 0.5 else "man" for x in light]
    neutral = listed[listed["kind"] == "neutral"]
    share = pd.read_csv(out / "balance.csv").set_index("prompt")["share woman"]
    for prompt, own in neutral.groupby("prompt"):
        assert share[prompt] == pytest.approx((own["group"] == "woman").mean())
    assert not (out / "certificates.csv").exists()
    assert not (out / "corrected.csv").exists()
    assert "error rates of this reader are not known" in (out / "report.html").read_text()


def test_the_built_in_generator_reads_its_own_pictures(tmp_path):
    nouns = tmp_path / "nouns.csv"
    nouns.write_text("occupation\npilot\nastronaut\n")
    out = tmp_path / "out"
    words = ["--prompts", nouns, "--images", 2, "--steps", 2, "--paths", 20, "--out", out]
    made = run("emoji", *words)
    assert made.exit_code == 0, made.output
    listed = pd.read_csv(out / "images.csv")
    assert {"a photo of an astronaut", "a photo of a male pilot"} <= set(listed["prompt"])
    assert set(listed["group"]) <= {"man", "woman", "none"}
    assert {"man share", "woman share", "none share"} <= set(pd.read_csv(out / "corrected.csv"))
    settings = json.loads((out / "manifest.json").read_text())["settings"]
    assert settings["folder"] == "emoji"
    assert settings["classifier"] == "emoji"
    report = (out / "report.html").read_text()
    data = re.findall(r'src="data:image/png;base64,([^"]+)" alt="a photo of a pilot', report)
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in data]
    own = listed[listed["prompt"] == "a photo of a pilot"].iloc[-1]
    here = [np.array_equal(one, np.asarray(Image.open(out / own["file"]))) for one in shown]
    assert sorted(here) == [False, True]
    said = rf'alt="a photo of a pilot, picture {here.index(True) + 1}"><span>{own["group"]}<'
    assert re.search(said, report)


def test_the_built_in_generator_needs_no_other_word(tmp_path):
    made = run("emoji", "--steps", 2, "--paths", 20, "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["prompts"]["woman"] == "a photo of a female pilot"
    own = run("emoji", "--neutral", "a nurse", "--steps", 2)
    assert own.exit_code == 2
    assert "--group" in own.output
    other = run("emoji", "--encoder", "e5")
    assert other.exit_code == 2
    assert "brings its encoder" in other.output
    out = tmp_path / "out"
    swept = run("emoji", "--sweep", 5, "--images", 6, "--steps", 2, "--out", out)
    assert swept.exit_code == 0, swept.output
    listed = pd.read_csv(out / "images.csv")
    assert len(listed) == 30
    assert set(listed["group"]) <= {"man", "woman", "none"}
    listed.assign(group=["woman" if x > 0.5 else "man" for x in listed["position"]]).to_csv(
        tmp_path / "list.csv"
    )
    words = ["--sweep", 5, "--images", 6, "--steps", 2, "--readings", tmp_path / "list.csv"]
    assert "Slope" in run("emoji", *words).output


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("prompt,man\na cook,a male cook\n", [], "at least two groups"),
        ("prompt,man,woman\na cook,a male cook,\n", [], "line 2: woman is empty"),
        ("prompt,man,woman\na cook,a cook,a b\n", [], "are the same prompt"),
        ("prompt,man,woman\na,b,c\na,d,e\n", [], "stands twice"),
        ("prompt,none,woman\na,b,c\n", [], "may not be called 'none'"),
        ("noun\ncook\n", [], "no column 'occupation'"),
        ("occupation\ncook\n", [], "as templates"),
        ("occupation\ncook\n", ["--neutral=a cook", "--group=m=a {}", "--group=w=the {}"], "{}"),
        (TABLE, ["--neutral=a {}"], "leave them out"),
        (TABLE, ["--sweep", 5], "two audits"),
        (TABLE, ["--images", 0], "--images"),
        (TABLE, ["--images", 50_000], "more than"),
        (TABLE, ["--paths", 7], "--paths"),
        (TABLE, ["--delta", 2], "--delta"),
        (TABLE, ["--classifier", "eyes"], "is unknown"),
        ("prompt,men,women\na,b,c\n", ["--classifier", "emoji"], "man and woman only"),
        (TABLE, ["--classifier", "emoji", "--readings", "x"], "give one of them"),
        (TABLE, ["--fail-above", 0.1], "--classifier or --readings"),
    ],
)
def test_bad_input_is_one_line_and_draws_nothing(line, tmp_path, text, words, said):
    file, out = tmp_path / "prompts.csv", tmp_path / "out"
    file.write_text(text)
    made = run(*line[:5], "--prompts", file, "--images", 1, "--out", out, *words)
    assert made.exit_code == 2, made.output
    assert said in made.output
    assert len(made.output.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.csv"]


def test_a_json_file_and_an_occupation_beside_prompts_are_read(tmp_path):
    file = tmp_path / "prompts.json"
    row = {"occupation": "cook", "neutral": "a cook", "man": "a male cook", "woman": "a mrs cook"}
    file.write_text(json.dumps([row]))
    options = {"prompts": file, "neutral": (), "groups": (), "separator": None}
    (found,) = read_families(options | {"notation": "1234.5"}, own=False)
    assert found.neutral == "a cook"
    assert found.names == ("man", "woman")


def test_options_of_prompts_alone_are_refused_elsewhere(line):
    for words in (["--classifier", "emoji"], ["--confusion", "x"]):
        made = run(*line[:5], *words)
        assert made.exit_code == 2
        assert "belongs to --prompts" in made.output
    assert audit_prompts.MOST < 10**5  # five digits number the pictures
