"""The symmetrised denoiser is equivariant, whatever the denoiser."""

from __future__ import annotations

import pytest
import torch

from bbb_book.data.procedural import turn_groups
from bbb_book.generators.symmetrised import SymmetrisedProcess
from bbb_core import rng
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.diffusion.sampling import DenoiserProcess, generate


def turn_axes(c, order):
    turned = c.clone()
    turned[..., -order:] = c[..., -order:].roll(1, dims=-1)
    return turned


@pytest.fixture(scope="module")
def network():
    config = NetworkConfig(embedding_dim=6, resolution=8, channels=(8, 16), groups=4)
    model = build_denoiser(config, seed=1)
    noise = torch.randn(model.project.weight.shape, generator=rng.torch_generator(9))
    model.project.weight.data.copy_(noise)
    return model


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_means_are_equivariant(network, order, guidance):
    def sigma(x):
        return turn_groups(x, group_count=order)

    def tau(c):
        return turn_axes(c, order)

    options = {"steps": 4, "guidance": guidance}
    made = SymmetrisedProcess(network, sigma=sigma, tau=tau, order=order, **options)
    x = torch.randn(2, 3, 8, 8, generator=rng.torch_generator(1)).double()
    c = torch.randn(6, generator=rng.torch_generator(2))
    for step in (4, 2, 1):
        turned = made.mean(sigma(x), step, tau(c))
        assert torch.allclose(turned, sigma(made.mean(x, step, c)), atol=1e-5)
    plain = DenoiserProcess(network, **options)
    assert not torch.allclose(
        plain.mean(sigma(x), 2, tau(c)), sigma(plain.mean(x, 2, c)), atol=1e-3
    )


def test_a_fixed_embedding_is_drawn_in_balance(network):
    """Each path has its mirror image: with tau c = c, turned noise gives the turned image."""
    made = SymmetrisedProcess(network, sigma=turn_groups, tau=lambda c: turn_axes(c, 2), steps=3)
    c = torch.tensor([[0.3, -0.2, 0.1, 0.4, 0.5, 0.5]])
    images = generate(made, c, 4)
    assert images.shape == (1, 4, 3, 8, 8)
    x = torch.randn(2, 3, 8, 8, generator=rng.torch_generator(3)).double()
    mirrored = made.mean(turn_groups(x), 3, c[0])
    assert torch.allclose(mirrored, turn_groups(made.mean(x, 3, c[0])), atol=1e-5)
