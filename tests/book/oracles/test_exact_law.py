"""The quadrature of the sampler's law, by other routes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from bbb_book.chapters.biased_embeddings.bound_ladder import tightness_table, weight
from bbb_book.chapters.biased_embeddings.certificate_coverage import random_oracle
from bbb_book.oracles.exact_law import exact_comparison
from bbb_book.oracles.lipschitz import largest_moves
from bbb_core.diffusion import sample, two_group_oracle
from bbb_core.errors import InputError
from bbb_core.theory import tv_bound_from_kl


def log_normal(y: np.ndarray, mean: np.ndarray, sigma: float) -> np.ndarray:
    return -((y - mean) ** 2) / (2 * sigma**2) - np.log(sigma)


def test_chain_rule_against_the_log_ratio_of_whole_paths() -> None:
    """KL of a two-step chain as a triple integral of log dP/dP', by Gauss-Hermite nodes."""
    oracle = two_group_oracle(separation=1.5, steps=2)
    c, other = weight(0.3), weight(0.6)
    nodes, weights = np.polynomial.hermite_e.hermegauss(90)
    weights = weights / weights.sum()
    sigma = oracle.sigmas.numpy()

    def mean(x: np.ndarray, step: int, condition: torch.Tensor) -> np.ndarray:
        flat = torch.from_numpy(x.reshape(-1, 1))
        return oracle.mean(flat, step, condition).numpy().reshape(x.shape)

    x2 = nodes[:, None, None]
    x1 = mean(x2, 2, c) + sigma[1] * nodes[None, :, None]
    x0 = mean(x1, 1, c) + sigma[0] * nodes[None, None, :]
    ratio = log_normal(x1, mean(x2, 2, c), sigma[1]) - log_normal(x1, mean(x2, 2, other), sigma[1])
    ratio = ratio + log_normal(x0, mean(x1, 1, c), sigma[0])
    ratio = ratio - log_normal(x0, mean(x1, 1, other), sigma[0])
    expected = np.einsum("i,j,k,ijk->", weights, weights, weights, ratio)
    exact = exact_comparison(oracle, c, other)
    assert exact.path_kl == pytest.approx(expected, abs=1e-6)
    assert exact.error < 1e-6


def test_one_step_by_scipy() -> None:
    oracle = two_group_oracle(separation=2.0, steps=1)
    c, other = weight(0.2), weight(0.7)
    sigma = oracle.sigmas[0].item()

    def density(y: float, condition: torch.Tensor) -> float:
        def inner(x: float) -> float:
            mean = oracle.mean(torch.tensor([[x]], dtype=torch.float64), 1, condition).item()
            return stats.norm.pdf(x) * stats.norm.pdf(y, mean, sigma)

        return integrate.quad(inner, -9, 9, limit=200)[0]

    exact = exact_comparison(oracle, c, other)
    for i in np.linspace(0, len(exact.grid) - 1, 7).astype(int)[1:-1]:
        y = exact.grid[i].item()
        assert exact.density[i].item() == pytest.approx(density(y, c), abs=1e-9)
        assert exact.other_density[i].item() == pytest.approx(density(y, other), abs=1e-9)
    spacing = (exact.grid[1] - exact.grid[0]).item()
    crude = (exact.density - exact.other_density).abs().sum().item() * spacing / 2
    assert exact.total_variation == pytest.approx(crude, abs=1e-4)


def test_more_dimensions_reduce_to_the_line() -> None:
    """Turn and lift the line: nothing changes, and samples in space agree."""
    line = two_group_oracle(separation=2.0, steps=12)
    rng = np.random.default_rng(5)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    across = np.cross(axis, rng.normal(size=3))
    means = torch.from_numpy(np.stack([axis, -axis]) + across)
    space = replace(line, means=means)
    c, other = weight(0.3), weight(0.5)
    flat, lifted = (exact_comparison(o, c, other) for o in (line, space))
    assert lifted.total_variation == pytest.approx(flat.total_variation, abs=1e-9)
    assert lifted.path_kl == pytest.approx(flat.path_kl, abs=1e-9)
    n = 20_000
    x = sample(space, c, n, seed=1)
    near = ((x - means[0]).norm(dim=1) < (x - means[1]).norm(dim=1)).double().mean().item()
    expected = lifted.shares[0].item()
    assert abs(near - expected) < 5 * np.sqrt(0.25 / n)  # false fail: 6e-7


def test_samples_follow_the_exact_density() -> None:
    """Kolmogorov-Smirnov at level 1e-6."""
    oracle, c = two_group_oracle(separation=3.0, steps=8), weight(0.35)
    exact = exact_comparison(oracle, c, c)
    assert exact.total_variation == 0
    assert exact.path_kl == 0
    x = np.sort(sample(oracle, c, 5000, seed=2).flatten().numpy())
    spacing = (exact.grid[1] - exact.grid[0]).item()
    cumulative = torch.cumsum(exact.density, 0).numpy() * spacing
    expected = np.interp(x, exact.grid.numpy() + spacing / 2, cumulative)
    distance = np.abs(expected - (np.arange(5000) + 0.5) / 5000).max()
    assert distance < stats.kstwo.isf(1e-6, 5000)


def test_data_processing_on_random_oracles(seeds: list[int]) -> None:
    for seed in seeds:
        for i in range(4):
            oracle, c, other = random_oracle(np.random.default_rng([seed, i]))
            exact = exact_comparison(oracle, c, other)
            slack = exact.error + 1e-9
            assert exact.error < 1e-4
            assert exact.law_kl <= exact.path_kl + slack
            assert exact.law_kl_back <= exact.path_kl_back + slack
            bound = tv_bound_from_kl(max(0.0, min(exact.law_kl, exact.law_kl_back)))
            assert exact.total_variation <= bound + slack
            assert (exact.shares - exact.other_shares).abs().max() <= (
                exact.total_variation + slack
            )
            ceiling = ((largest_moves(oracle, c, other) / oracle.sigmas) ** 2).sum() / 2
            assert exact.path_kl <= float(ceiling)


def test_the_ratio_at_the_level_of_laws_obeys_the_proved_limit() -> None:
    """Many steps and w near 1/2: the law ratio is within 1 % of its ceiling and above one."""
    table = tightness_table(separations=[1.0, 2.0, 4.0], steps=[200], distance=0.01)
    assert (table.law_ratio > 1).all()
    assert (table.law_ratio < table.limit * 1.01).all()
    assert (table.path_ratio >= table.law_ratio).all()


def test_three_groups_on_a_line_have_three_cells() -> None:
    from bbb_core.diffusion import AffineWeights, GaussianMixtureOracle, Schedule

    eye = torch.eye(3, dtype=torch.float64)
    oracle = GaussianMixtureOracle(
        means=torch.tensor([[1.5], [-1.5], [0.0]], dtype=torch.float64),
        scale=0.2,
        weights=AffineWeights.from_anchors(eye, eye),
        schedule=Schedule.linear(60),
    )
    other = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    exact = exact_comparison(oracle, eye.mean(0), other)
    np.testing.assert_allclose(exact.shares.sum(), 1, atol=1e-8)
    np.testing.assert_allclose(exact.other_shares, [0.5, 0.3, 0.2], atol=0.02)
    np.testing.assert_allclose(exact.other_shares, oracle.shares(eye @ other), atol=0.02)


def test_noiseless_steps_and_planar_means_are_refused() -> None:
    c = weight(0.5)
    with pytest.raises(InputError, match="step 1"):
        exact_comparison(two_group_oracle(variance="posterior"), c, c)
    plane = replace(
        two_group_oracle(dimension=2),
        means=torch.tensor([[0.0, 0], [1, 0], [0, 1]], dtype=torch.float64),
    )
    with pytest.raises(InputError, match="span 2 dimensions"):
        exact_comparison(plane, c, c)
    with pytest.raises(InputError, match="not increasing"):
        exact_comparison(two_group_oracle(), c, c, boundaries=torch.tensor([1.0, 0.0]).double())
