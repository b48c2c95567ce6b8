"""Divergences in one pass, the commitment certificate, and the adapter for pipelines."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bbb_book.generators.path_divergences import path_divergences
from bbb_core import rng
from bbb_core.diffusion.adapter import PipelineProcess
from bbb_core.diffusion.commitment import (
    CoupledRun,
    commitment_certificate,
    coupled_pair,
    coupled_run,
    law_bound,
)
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.diffusion.path_tv import certificate, path_advantages
from bbb_core.diffusion.paths import path_kl
from bbb_core.diffusion.sampling import DenoiserProcess, generate
from bbb_core.errors import InputError
from bbb_core.stats.mean_limits import betting_limit

STEPS = 6


@pytest.fixture(scope="module")
def process():
    config = NetworkConfig(embedding_dim=6, resolution=8, channels=(8, 16), groups=4)
    model = build_denoiser(config, seed=1)
    noise = torch.randn(model.project.weight.shape, generator=rng.torch_generator(9))
    model.project.weight.data.copy_(0.3 * noise)
    return DenoiserProcess(model, steps=STEPS)


@pytest.fixture(scope="module")
def prompts():
    return torch.randn(3, 6, generator=rng.torch_generator(5))


def bright(images):
    return images.mean((1, 2, 3)) > 0.5


def test_divergences_agree_with_path_kl(process, prompts):
    """Two independent samples of 64 paths: the means agree within five standard errors."""
    made = path_divergences(process, prompts[:1], prompts[None, 1:], n=64, seed=0)
    assert made.images.shape == (1, 64, 3, 8, 8)
    assert made.terms.shape == (1, 2, 64, STEPS)
    theirs = path_kl(process, prompts[0], prompts[2], n=64, seed=3)
    ours = made.terms[0, 1].sum(-1)
    error = float(ours.std()) * (2 / 64) ** 0.5
    assert abs(float(ours.mean()) - theirs.value) < 5 * error


def test_the_same_prompt_has_no_divergence(process, prompts):
    made = path_divergences(process, prompts[:1], prompts[None, :1], n=3, seed=0)
    assert made.terms.abs().max() < 1e-9


def test_divergences_cost_what_they_need(process, prompts):
    """1 + r network evaluations per step and path, and one for the last map."""
    before = process.evaluations
    path_divergences(process, prompts[:1], prompts[None, 1:], n=5, seed=0)
    assert process.evaluations - before == 5 * (3 * STEPS + 1)


def test_a_tail_under_the_own_prompt_changes_nothing(process, prompts):
    run = coupled_run(process, prompts[0], prompts[1], prompts[0], n=4, seed=0, cuts=[4, 1])
    for k in (4, 1):
        assert torch.allclose(run.tails[k], run.images, atol=1e-5)
    assert run.log_ratios.shape == (4, STEPS)


def test_the_law_bound_agrees_with_the_certificate(process, prompts):
    """Two independent samples: path TV within five standard errors, at two cuts."""
    near = prompts[0] + 0.2 * (prompts[1] - prompts[0])
    runs = coupled_pair(process, prompts[0], near, prompts[2], n=150, seed=0, cuts=[2], key="test")
    for stop in (0, 2):
        ours = [run.log_ratios[:, stop:].sum(1).numpy() for run in runs]
        values = path_advantages(*ours, coins=rng.generator(0, "coins"))
        theirs = certificate(process, prompts[0], near, n=150, seed=1, stop=stop)
        assert abs(values.mean() - theirs.tv) < 5 * values.std() * (2 / 300) ** 0.5
        bound = law_bound(runs, stop, confidence=0.9, coins=rng.generator(0, "coins"))
        assert bound == betting_limit(values, bound=1.0, confidence=0.9)


def test_a_tail_from_the_first_step_is_the_common_prompt(process, prompts):
    run = coupled_run(process, prompts[0], prompts[1], prompts[2], n=4, seed=0, cuts=[STEPS])
    whole = coupled_run(process, prompts[2], prompts[1], prompts[2], n=4, seed=0, cuts=[1])
    assert torch.allclose(run.tails[STEPS], whole.images, atol=1e-5)


@pytest.mark.parametrize("reader", ["tail", "predicted"])
def test_the_certificate_is_not_contradicted(process, prompts, reader):
    near = prompts[0] + 0.05 * (prompts[1] - prompts[0])
    made = commitment_certificate(
        process, prompts[0], near, read=bright, n=60, pilot=20, seed=0, reader=reader
    )
    assert 0 <= made.law_bound <= 1
    assert made.bound >= made.difference_interval[0]
    assert made.bound <= made.law_bound + made.change_bound + 1e-12
    low, high = made.difference_interval
    assert low <= made.difference <= high


def test_the_law_bound_counts_the_steps_above_the_cut_alone():
    ratios = torch.zeros(30, 4, dtype=torch.float64)
    ratios[:, 1] = 50.0  # step 2 tells everything
    runs = (CoupledRun(torch.zeros(30), {}, {}, ratios),) * 2
    coins = rng.generator(0, "coins")
    zeros = betting_limit(np.zeros(60), bound=1.0, confidence=0.9)
    assert law_bound(runs, 2, confidence=0.9, coins=coins) == zeros
    assert law_bound(runs, 1, confidence=0.9, coins=coins) == 1


def test_equal_prompts_cost_only_the_intervals(process, prompts):
    """No divergence and no change: what is left are limits of zeros, each at half of alpha."""
    made = commitment_certificate(
        process, prompts[0], prompts[0], read=bright, n=200, pilot=20, seed=0
    )
    zeros = np.zeros(400)
    assert made.law_bound == betting_limit(zeros, bound=1.0, confidence=1 - 0.05 / 2)
    assert made.whole_bound == betting_limit(zeros, bound=1.0, confidence=0.95)
    assert made.change_bound == pytest.approx(2 * (1 - (0.05 / 8) ** (1 / 200)), rel=1e-6)


def test_impossible_cuts_are_refused(process, prompts):
    with pytest.raises(InputError, match="cuts"):
        coupled_run(process, prompts[0], prompts[1], prompts[2], n=2, seed=0, cuts=[STEPS + 1])


@pytest.fixture(scope="module")
def pipeline():
    """Tiny random components of a latent text-to-image pipeline."""
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=12,
            attention_head_dim=4,
        )
        vae = AutoencoderKL(
            block_out_channels=(8,),
            norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D",),
            up_block_types=("UpDecoderBlock2D",),
        )
    scheduler = DDPMScheduler(beta_schedule="scaled_linear", clip_sample=False)
    return SimpleNamespace(unet=unet, scheduler=scheduler, vae=vae.eval())


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_any_pipeline_gets_a_certificate(pipeline, guidance):
    g = rng.torch_generator(2)
    prompts = torch.randn(2, 5, 12, generator=g)
    process = PipelineProcess(pipeline, null=torch.zeros(5, 12), steps=4, guidance=guidance)
    made = certificate(process, prompts[0], prompts[1], n=20, seed=0)
    assert made.forward.value > 0
    assert 0 < made.tv <= made.tv_bound <= 1
    x = process.initial(2, generators=[g, g])
    assert process.decode(process.mean(x, 1, prompts[0])).shape == (2, 3, 8, 8)
    assert generate(process, prompts, 2).shape == (2, 2, 4, 8, 8)


def test_pipelines_without_parts_are_refused():
    with pytest.raises(InputError, match="unet"):
        PipelineProcess(SimpleNamespace(scheduler=None), null=torch.zeros(1, 1))
