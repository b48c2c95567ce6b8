"""Path divergences of many prompts in one pass."""

from __future__ import annotations

import pytest
import torch

from bbb_book.generators.path_divergences import path_divergences
from bbb_core import rng
from bbb_core.diffusion import DenoiserProcess, NetworkConfig, path_kl
from bbb_core.diffusion.network import build_denoiser

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
