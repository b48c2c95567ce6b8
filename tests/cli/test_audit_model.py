"""`bbb audit model` on a tiny checkpoint and a tiny diffusers pipeline, both random."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from bbb_core.cli import main
from bbb_core.diffusion.checkpoint import save_model
from bbb_core.diffusion.load import load_process
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.diffusion.sampling import generate
from bbb_core.diffusion.scheduler import SAMPLERS
from bbb_core.errors import InputError

PROMPTS = {"neutral": "a cook", "man": "a male cook", "woman": "a female cook"}
WORDS = ["--neutral", PROMPTS["neutral"]]
WORDS += [f"--group={name}={text}" for name, text in list(PROMPTS.items())[1:]]
FAST = ["--steps", "3", "--paths", "20"]


def run(*arguments):
    return CliRunner().invoke(main, ["audit", "model", *map(str, arguments)])


TEXTS = {"texts": json.dumps(list(PROMPTS.values()))}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_denoiser(
            NetworkConfig(embedding_dim=6, resolution=8, channels=(8,), groups=4)
        )
        rows = torch.nn.functional.normalize(torch.randn(3, 6), dim=1)
        model.fit_conditions(rows)
        torch.nn.init.normal_(model.project.weight)
    save_model(folder, model, about={"data": "none"})
    save_file({"embeddings": rows}, folder / "rows.safetensors", TEXTS)
    return folder


def test_a_checkpoint_is_audited_and_its_images_listed(checkpoint, tmp_path):
    out = tmp_path / "out"
    encoder = f"table:{checkpoint / 'rows.safetensors'}"
    made = run(checkpoint, "--encoder", encoder, *WORDS, *FAST, "--images", 2, "--out", out)
    assert made.exit_code == 0, made.output
    assert "a cook" in made.output
    said = json.loads((out / "audit.json").read_text())
    assert [row["group"] for row in said["groups"]] == ["man", "woman"]
    assert all(0 <= row["tv_upper"] <= 1 for row in said["groups"])
    listed = pd.read_csv(out / "images.csv")
    assert listed["kind"].value_counts().to_dict() == {"neutral": 2, "man": 2, "woman": 2}
    manifest = json.loads((out / "manifest.json").read_text())
    assert set(listed["file"]) <= set(manifest["sha256"])
    assert {"model.safetensors"} <= set(manifest["inputs"])


def test_a_refuted_assumption_leaves_no_bound_that_rests_on_it(checkpoint, tmp_path):
    """Prompts with one embedding: whatever they draw, it is the same for both groups."""
    same = tmp_path / "same.safetensors"
    save_file({"embeddings": torch.eye(6)[[0, 0, 0]]}, same, TEXTS)
    words = [checkpoint, "--encoder", f"table:{same}", *WORDS, *FAST, "--paths", 64]
    out = tmp_path / "out"
    made = run(*words, "--out", out)
    assert made.exit_code == 0, made.output
    assert "Refuted" in made.output
    assert "at_least" not in made.output
    assert "tv_upper" in made.output
    assert "--images" in made.output
    said = json.loads((out / "audit.json").read_text())
    assert said["separation_refuted"] is True
    assert said["imbalance_at_least"] is None
    assert "--delta 0.05" in said["reason"]
    assert 0.4 < said["delta_at_least"] <= 0.5
    for row in said["groups"]:
        assert row["share_at_least"] is None
        assert row["imbalance_at_least"] is None
        assert 0 < row["tv_upper"] < 0.1
    assert pd.read_csv(out / "groups.csv")["share_at_least"].isna().all()
    half = json.loads(run(*words, "--delta", "0.5", "--json").stdout)
    assert half["separation_refuted"] is False
    assert half["reason"] is None
    assert all(row["share_at_least"] < 0.5 for row in half["groups"])


def test_a_diffusers_pipeline_brings_its_own_encoder(pipeline, tmp_path):
    out = tmp_path / "out"
    words = [*WORDS, *FAST, "--sampler", "ddpm", "--guidance", 2, "--images", 1]
    made = run(pipeline, *words, "--out", out, "--json")
    assert made.exit_code == 0, made.output
    said = json.loads(made.stdout)
    assert said["groups"][0]["kl_to"] > 0
    assert said["sampler"].endswith("in place of the pipeline's own PNDMScheduler")
    assert f"Sampler: {said['sampler']}." in (out / "report.txt").read_text()
    assert len(list((out / "images").glob("*.png"))) == 3
    inputs = json.loads((out / "manifest.json").read_text())["inputs"]
    assert any(name.startswith("unet/") and name.endswith(".safetensors") for name in inputs)
    with pytest.raises(InputError, match="brings its own"):
        load_process(pipeline, encoder="minilm")


def test_a_sampler_without_noise_is_not_replaced_in_silence(pipeline):
    made = run(pipeline, *WORDS, *FAST)
    assert made.exit_code == 2
    assert "PNDMScheduler adds no noise" in made.output
    assert "ddpm, ddim with eta above 0" in made.output
    made = run(pipeline, *WORDS, *FAST, "--sampler", "ddim")
    assert "eta = 0 adds no noise" in made.output
    assert run(pipeline, *WORDS, *FAST, "--sampler", "ddim", "--eta", 0.5).exit_code == 0


@pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_checkpoint_takes_every_sampler(checkpoint, sampler):
    encoder = f"table:{checkpoint / 'rows.safetensors'}"
    process, encode = load_process(checkpoint, encoder=encoder, sampler=sampler, steps=3, eta=1.0)
    assert SAMPLERS[sampler][0] in process.sampler
    assert generate(process, encode(["a cook"]), 2).isfinite().all()


def test_a_prompt_that_the_pipeline_would_cut_is_refused(pipeline):
    """Sixteen tokens are read; 'a cook' has six, the marks two more."""
    long = ["--neutral", "a cook a cook a cook", "--group=man=cook", "--group=woman=a cook"]
    made = run(pipeline, *long, *FAST, "--sampler", "ddpm")
    assert made.exit_code == 2
    assert "'a cook a cook a cook' has 17 tokens" in made.output
    assert "reads at most 16" in made.output
    assert made.output.count("\n") == 1


def test_nothing_of_the_folder_is_unpickled(pipeline, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(pipeline, copy)
    weights = next((copy / "unet").glob("*.safetensors"))
    weights.rename(weights.with_name("diffusion_pytorch_model.bin"))
    made = run(copy, *WORDS, *FAST)
    assert made.exit_code == 2
    assert "unet has no safetensors" in made.output
    assert made.output.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--neutral is missing"),
        (["--neutral", "a cook", "--group", "man=a male cook"], "at least two groups"),
        (["--neutral", "a cook", "--group", "man"], "NAME=PROMPT"),
        ([*WORDS, "--group", "man=again"], "twice"),
        ([*WORDS, "--images", "3"], "--out to write them to"),
        (WORDS, "encoder is missing"),
        ([*WORDS, "--encoder", "minilm"], "gives 384 numbers per prompt, the model takes 6"),
    ],
)
def test_bad_input_is_one_line(checkpoint, arguments, message):
    made = run(checkpoint, *arguments)
    assert made.exit_code == 2
    assert message in made.output
    assert made.output.count("\n") == 1


def test_a_folder_without_a_model_is_named(tmp_path):
    made = run(tmp_path, *WORDS)
    assert made.exit_code == 2
    assert "holds no model" in made.output
