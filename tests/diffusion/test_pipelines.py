"""Pipelines from folders: drawn as diffusers draws them, and never a way to run code."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings

import diffusers
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bbb_core.diffusion.load import load_process
from bbb_core.errors import InputError

STEPS = 4
OWN = [
    ("DDPMScheduler", {}, {}),
    ("DDPMScheduler", {"variance_type": "fixed_large", "clip_sample": True}, {}),
    ("DDPMScheduler", {"prediction_type": "v_prediction", "timestep_spacing": "trailing"}, {}),
    ("DDIMScheduler", {}, {"eta": 1.0}),
    ("DDIMScheduler", {"set_alpha_to_one": False, "prediction_type": "sample"}, {"eta": 0.4}),
    ("EulerAncestralDiscreteScheduler", {"beta_schedule": "scaled_linear"}, {}),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "solver_order": 1}, {}),
]


@pytest.fixture
def copy(pipeline, tmp_path):
    shutil.copytree(pipeline, tmp_path / "copy")
    return tmp_path / "copy"


def change(path, **said):
    path.write_text(json.dumps(json.loads(path.read_text()) | said))


def with_scheduler(folder, name, said):
    change(folder / "model_index.json", scheduler=["diffusers", name])
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({"_class_name": name} | said))


@pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")
@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize(("name", "said", "options"), OWN)
def test_latents_are_those_that_diffusers_draws(copy, name, said, options, guidance):
    """The whole loop of the pipeline class, from the same start and with the same noise.

    The configurations lack what their class has a default for, `clip_sample` among it.
    """
    with_scheduler(copy, name, said)
    process, encode = load_process(
        copy, steps=STEPS, guidance=guidance, variance="scheduler", **options
    )
    rows = encode(["a cook", "a male cook"])
    start = torch.randn(2, *process.image_shape, generator=torch.Generator().manual_seed(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        theirs = diffusers.StableDiffusionPipeline.from_pretrained(copy, safety_checker=None)
    theirs.set_progress_bar_config(disable=True)
    latents = theirs(
        prompt_embeds=rows,
        negative_prompt_embeds=process.null().expand_as(rows),
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        latents=start.clone(),
        generator=torch.Generator().manual_seed(4),
        output_type="latent",
        **options,
    ).images
    noise = torch.Generator().manual_seed(4)
    x = start.double() * process.coefficients.start
    for step in range(STEPS, 0, -1):
        x = process.mean(x, step, rows)
        if process.sigmas[step - 1] > 0:
            x = x + process.sigmas[step - 1] * torch.randn(start.shape, generator=noise)
    largest = max(1.0, float(latents.abs().max()))
    assert float((x - latents).abs().max()) < 1e-4 * largest
    images = theirs.vae.decode(latents / theirs.vae.config.scaling_factor).sample
    assert torch.allclose(process.decode(latents), (images / 2 + 0.5).clamp(0, 1), atol=1e-6)


def test_a_file_that_says_nothing_of_clipping_switches_none_on(copy):
    with_scheduler(copy, "PNDMScheduler", {"beta_schedule": "scaled_linear"})
    process, _ = load_process(copy, sampler="ddpm", steps=STEPS)
    assert process.coefficients.restrict is None
    assert "PNDMScheduler" in process.sampler
    far = torch.full((1, *process.image_shape), 40.0).double()
    assert float(process.predicted(far, 1, process.null()).abs().max()) > 20


# --- folders that somebody sent -------------------------------------------------------------------

EVIL = """
from pathlib import Path
Path({canary!r}).write_text("code of the folder was run")
class Evil: pass
class CLIPTextModel: pass
UNet2DConditionModel = AutoencoderKL = CLIPTokenizer = PNDMScheduler = Evil
"""


class Canary:
    """Unpickled, it writes the canary file."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return (open, (str(self.canary), "w"))


AUTO = {"auto_map": {"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"}}
REMOTE = {"trust_remote_code": True}
HOSTILE = [
    ("model_index.json", {"_class_name": ["evil", "Evil"]}),
    ("model_index.json", {"_class_name": "evil"}),
    ("model_index.json", {"custom_pipeline": "evil"}),
    ("model_index.json", {"unet": ["evil", "Evil"]}),
    ("model_index.json", {"unet": ["diffusers", "Evil"]}),
    ("model_index.json", {"unet": ["diffusers.utils", "load_image"]}),
    ("model_index.json", {"vae": ["builtins", "eval"]}),
    ("model_index.json", {"text_encoder": ["transformers", "AutoModel"]}),
    ("model_index.json", {"tokenizer": ["transformers", "AutoTokenizer"]}),
    ("model_index.json", {"scheduler": ["evil", "PNDMScheduler"]}),
    ("model_index.json", {"scheduler": ["diffusers", "CMStochasticIterativeScheduler"]}),
    ("model_index.json", {"scheduler": [{"a": 1}, ["b"]]}),
    ("model_index.json", {"evil": ["evil", "Evil"]}),
    *((f"{part}/config.json", AUTO) for part in ("unet", "vae", "text_encoder")),
    *((f"{part}/config.json", REMOTE) for part in ("unet", "vae", "text_encoder")),
    ("tokenizer/tokenizer_config.json", AUTO),
    ("tokenizer/tokenizer_config.json", REMOTE),
    ("scheduler/scheduler_config.json", AUTO),
    ("scheduler/scheduler_config.json", REMOTE),
    ("unet/config.json", {"quantization_config": {"quant_method": "bitsandbytes"}}),
    ("text_encoder/config.json", {"quantization_config": {"quant_method": "gptq"}}),
    ("text_encoder/config.json", {"_attn_implementation": "evil/kernel"}),
    ("unet/config.json", {"layers_per_block": 10**9}),
    ("unet/config.json", {"block_out_channels": [8, 10**12]}),
    ("unet/config.json", {"sample_size": 10**6}),
    ("text_encoder/config.json", {"num_hidden_layers": 10**7}),
    ("scheduler/scheduler_config.json", {"num_train_timesteps": 10**12}),
]


@pytest.mark.parametrize(("file", "said"), HOSTILE)
def test_no_key_of_a_folder_runs_code_or_takes_memory(copy, tmp_path, file, said):
    canary = tmp_path / "canary"
    for folder in (copy, *(each for each in copy.iterdir() if each.is_dir())):
        for name in ("evil.py", "pipeline.py", "modeling_evil.py", "__init__.py"):
            (folder / name).write_text(EVIL.format(canary=str(canary)))
    load_process(copy, sampler="ddpm", steps=2)  # files alone do nothing
    change(copy / file, **said)
    with pytest.raises(InputError) as refused:
        load_process(copy, sampler="ddpm", steps=2)
    assert "\n" not in str(refused.value)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("part", "stem"),
    [
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "pytorch_model"),
    ],
)
@pytest.mark.parametrize("how", ["bin", "renamed", "shard", "outside"])
def test_no_weights_are_unpickled(copy, tmp_path, part, stem, how):
    canary = tmp_path / "canary"
    evil = pickle.dumps(Canary(canary))
    weights = next((copy / part).glob("*.safetensors"))
    if how == "bin":
        weights.unlink()
        (copy / part / f"{stem}.bin").write_bytes(evil)
    elif how == "renamed":
        weights.write_bytes(evil)
    else:
        shard = "evil.bin" if how == "shard" else "../../evil.safetensors"
        (copy / part / "evil.bin").write_bytes(evil)
        index = copy / part / f"{weights.name}.index.json"
        index.write_text(json.dumps({"metadata": {}, "weight_map": {"a": shard}}))
    with pytest.raises(InputError, match=r"safetensors|header") as refused:
        load_process(copy, sampler="ddpm", steps=2)
    assert "\n" not in str(refused.value)
    assert not canary.exists()


def test_an_adapter_is_refused(copy):
    said = {"peft_type": "LORA", "base_model_name_or_path": "somebody/else"}
    (copy / "text_encoder" / "adapter_config.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match="adds an adapter"):
        load_process(copy, sampler="ddpm")


def test_a_network_for_other_inputs_is_named(copy):
    change(copy / "unet" / "config.json", out_channels=8)
    with pytest.raises(InputError) as refused:
        load_process(copy, sampler="ddpm")
    assert "\n" not in str(refused.value)
    change(copy / "unet" / "config.json", out_channels=4, addition_embed_type="text_time")
    with pytest.raises(InputError, match="cannot be loaded as a Stable Diffusion pipeline"):
        load_process(copy, sampler="ddpm")


FILES = [
    "model_index.json", "unet/config.json", "vae/config.json", "text_encoder/config.json",
    "tokenizer/tokenizer_config.json", "scheduler/scheduler_config.json",
]  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6),
    st.lists(st.integers(-3, 99) | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(-3, 99), max_size=2),
)  # fmt: skip


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(file=st.sampled_from(FILES), at=st.integers(0, 99), value=VALUES)
def test_any_value_of_any_setting_gives_a_process_or_one_line(
    pipeline, tmp_path_factory, file, at, value
):
    folder = tmp_path_factory.mktemp("fuzz") / "copy"
    shutil.copytree(pipeline, folder)
    said = json.loads((folder / file).read_text())
    change(folder / file, **{sorted(said)[at % len(said)]: value})
    refused = ""
    try:
        load_process(folder, sampler="ddpm", steps=2)
    except InputError as error:
        refused = str(error)
    assert "\n" not in refused
