"""Lipschitz constants of the oracle's reverse means: attained by two groups, never exceeded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_book.oracles.exact_law import exact_comparison
from bbb_book.oracles.lipschitz import lipschitz_constants
from bbb_core import theory
from bbb_core.diffusion import AffineWeights, GaussianMixtureOracle, Schedule, two_group_oracle
from bbb_core.errors import InputError


def tensor(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def triangle(scale: float = 0.4, steps: int = 12) -> GaussianMixtureOracle:
    eye = torch.eye(3, dtype=torch.float64)
    turns = torch.arange(3, dtype=torch.float64) * (2 * torch.pi / 3)
    return GaussianMixtureOracle(
        means=torch.stack([turns.cos(), turns.sin()], 1),
        scale=scale,
        weights=AffineWeights.from_anchors(eye, eye),
        schedule=Schedule.linear(steps),
    )


def test_pair_constants_are_attained_by_two_groups() -> None:
    oracle = two_group_oracle(separation=2.0, steps=15)
    pair = tensor([0.2], [0.6])
    constants = lipschitz_constants(oracle, pair, scope="pair")
    x = torch.linspace(-8, 8, 40_001, dtype=torch.float64)[:, None]
    for step in range(1, 16):
        moved = (oracle.mean(x, step, pair[0]) - oracle.mean(x, step, pair[1])).abs().max() / 0.4
        ratio = moved.item() / constants[step - 1].item()
        assert ratio <= 1 + 1e-9
        # at high noise the sup lies outside the grid
        assert ratio > 0.999 or oracle.schedule.alpha_bar[step - 1] < 0.05


def test_hull_constants_bound_all_pairs_and_the_derivative_is_attained() -> None:
    oracle = two_group_oracle(separation=2.0, steps=15)
    constants = lipschitz_constants(oracle, tensor([0.1], [0.4], [0.6]))
    x = torch.linspace(-8, 8, 20_001, dtype=torch.float64)[:, None]
    for step in (1, 4, 8):
        slope = (oracle.mean(x, step, tensor(0.1)) - oracle.mean(x, step, tensor(0.1001))) / 1e-4
        assert slope.abs().max().item() == pytest.approx(constants[step - 1].item(), rel=2e-3)
    for a, b in ((0.1, 0.6), (0.3, 0.5)):
        chord = lipschitz_constants(oracle, tensor([a], [b]), scope="pair")
        assert (chord <= constants * (1 + 1e-12)).all()


def test_constants_of_many_groups_hold_at_random_points(seeds: list[int]) -> None:
    """An upper bound, not attained in general: it may never be exceeded."""
    oracle = triangle()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        corners = torch.from_numpy(rng.dirichlet(np.ones(3) * 2, 3) * 0.94 + 0.02)
        hull = lipschitz_constants(oracle, corners)
        x = torch.from_numpy(rng.normal(size=(2000, 2)) * 2)
        for _ in range(5):
            a, b = torch.from_numpy(rng.dirichlet(np.ones(3), 2)) @ corners
            pair = lipschitz_constants(oracle, torch.stack([a, b]), scope="pair")
            for step in (1, 6, 12):
                move = (oracle.mean(x, step, a) - oracle.mean(x, step, b)).norm(dim=1).max()
                move = move / (a - b).norm()
                assert move <= pair[step - 1] * (1 + 1e-9)
                assert pair[step - 1] <= hull[step - 1] * (1 + 1e-9)


def test_zero_weights_have_finite_pair_and_infinite_hull_constants() -> None:
    oracle = two_group_oracle(steps=5)
    pair = tensor([0.0], [0.5])
    assert torch.isfinite(lipschitz_constants(oracle, pair, scope="pair")).all()
    assert torch.isinf(lipschitz_constants(oracle, pair)).all()


def test_callable_weights_have_pair_constants_only() -> None:
    oracle = GaussianMixtureOracle(
        means=tensor([1.0], [-1.0]),
        scale=0.5,
        weights=lambda c: torch.softmax(c, -1),
        schedule=Schedule.linear(5),
    )
    pair = tensor([0.0, 1.0], [1.0, 0.0])
    assert lipschitz_constants(oracle, pair, scope="pair").shape == (5,)
    with pytest.raises(InputError, match="weights is no AffineWeights"):
        lipschitz_constants(oracle, pair)


def test_one_condition_has_no_constant() -> None:
    with pytest.raises(InputError, match="two different rows"):
        lipschitz_constants(two_group_oracle(), tensor([0.5]))


@pytest.mark.parametrize(("separation", "steps"), [(0.5, 10), (1.0, 1), (2.0, 5), (4.0, 20)])
def test_no_oracle_exceeds_the_sharp_form(separation: float, steps: int) -> None:
    """T1 with exact constants of the pair: total variation, and the share of both groups."""
    oracle = two_group_oracle(separation=separation, steps=steps)
    for w, other in ((0.5, 0.7), (0.2, 0.9), (0.01, 0.02)):
        pair = tensor([w], [other])
        moves = lipschitz_constants(oracle, pair, scope="pair").numpy()
        constant, r = theory.lipschitz_constant(moves, oracle.sigmas.numpy()), abs(w - other)
        exact = exact_comparison(oracle, *pair)
        room = 1e-9 + exact.error
        assert exact.total_variation <= theory.lipschitz_tv_bound(constant, r) + room
        shares = exact.shares.clamp(0, 1).numpy(), exact.other_shares.clamp(0, 1).numpy()
        for known, bounded in (shares, shares[::-1]):
            least = theory.share_lower_bound(constant, r, delta=1 - known)
            assert (bounded >= least - room).all()
