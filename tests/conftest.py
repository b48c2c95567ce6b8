"""Fixtures of every room: no test may leave global state changed or touch the user's cache."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

# The run-time type checker draws which item of a container it looks at from the module `random`:
# it gets a generator of its own, so that the guard below sees the library's draws only.
random.getrandbits = random.Random(0).getrandbits


def _global_state() -> dict[str, object]:
    state: dict[str, object] = {
        "the state of `random`": random.getstate(),
        "the state of `numpy.random`": repr(np.random.get_state()),  # noqa: NPY002
    }
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        state["the state of torch's generator"] = torch.get_rng_state().numpy().tobytes()
        state["torch's default dtype"] = torch.get_default_dtype()
        state["torch's thread count"] = torch.get_num_threads()
    return state


@pytest.fixture(autouse=True)
def _no_global_state_changes() -> Iterator[None]:
    """Fail a test that leaves a global generator, the default dtype or the threads changed."""
    before = _global_state()
    yield
    after = _global_state()
    changed = [name for name, value in before.items() if after[name] != value]
    if changed:
        pytest.fail(f"the test changed {', '.join(changed)}", pytrace=False)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point the cache at a temporary folder for the whole session."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BBB_CACHE_DIR", str(folder))
        patch.setenv("BBB_PROGRESS", "0")
        patch.delenv("BBB_RECOMPUTE", raising=False)
        patch.delenv("BBB_DEVICE", raising=False)
        patch.delenv("BBB_BOOK_URL", raising=False)
        patch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        yield folder


@pytest.fixture
def seeds() -> list[int]:
    """Three seeds in 0..999 from ``BBB_TEST_SEED`` (default 0), printed for a failed test."""
    base = int(os.environ.get("BBB_TEST_SEED", "0"))
    chosen = [int(s) for s in np.random.default_rng(base).integers(0, 1000, 3)]
    print(f"seeds: {chosen} (BBB_TEST_SEED={base})")
    return chosen


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a Stable Diffusion pipeline of random parts, as diffusers writes it."""
    import json

    import torch
    from diffusers import (
        AutoencoderKL,
        PNDMScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("pipeline")
    letters = sorted(set("acookmlefwn "))
    ends = [f"{letter}</w>" for letter in letters]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *ends]
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokens), hidden_size=8, intermediate_size=16, num_hidden_layers=1,
                num_attention_heads=2, max_position_embeddings=16, bos_token_id=0, eos_token_id=1,
            )
        )  # fmt: skip
        unet = UNet2DConditionModel(
            sample_size=8, in_channels=4, out_channels=4, layers_per_block=1,
            block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=8,
            attention_head_dim=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        )  # fmt: skip
        vae = AutoencoderKL(
            block_out_channels=(8,), norm_num_groups=4, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",), up_block_types=("UpDecoderBlock2D",),
        )  # fmt: skip
    StableDiffusionPipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer, unet=unet,
        scheduler=PNDMScheduler(
            beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder / "saved", safe_serialization=True)  # fmt: skip
    return folder / "saved"


CHROMIUM = os.environ.get("BBB_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; without one, or without Playwright, the test is skipped and says so."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; set BBB_CHROMIUM to one to test pages in it")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()
