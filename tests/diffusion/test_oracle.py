"""The oracle against autograd, numerical integration and sampling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from bbb_core.diffusion import (
    AffineWeights,
    GaussianMixtureOracle,
    Schedule,
    sample,
    two_group_oracle,
)
from bbb_core.diffusion.noise import SampleStreams
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


def test_score_is_the_gradient_of_the_log_density() -> None:
    oracle, condition = triangle(), tensor(0.2, 0.5, 0.3)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 2))).requires_grad_()
    for step in (0, 1, 6, 12):
        (gradient,) = torch.autograd.grad(oracle.log_density(x, condition, step).sum(), x)
        torch.testing.assert_close(oracle.score(x, condition, step), gradient)


def test_log_density_is_the_mixture_of_scipy_normals_and_each_row_has_its_condition() -> None:
    oracle = triangle()
    x = np.random.default_rng(1).normal(size=(5, 2))
    rows = torch.from_numpy(np.random.default_rng(2).dirichlet(np.ones(3), 5))
    for step in (0, 7):
        shrink, variance = oracle.level(step)
        expected = np.zeros(5)
        for j, mean in enumerate(oracle.means.numpy()):
            law = stats.multivariate_normal(shrink * mean, variance * np.eye(2))
            expected += rows[:, j].numpy() * law.pdf(x)
        got = oracle.density(torch.from_numpy(x), rows, step).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("step", [1, 5, 20])
def test_posterior_mean_by_integration(step: int) -> None:
    oracle, w = two_group_oracle(separation=3.0, steps=20), 0.3
    alpha_bar = float(oracle.schedule.alpha_bar[step - 1])

    def joint(x0: float, x: float) -> float:
        prior = w * stats.norm.pdf(x0, 1, 1 / 3) + (1 - w) * stats.norm.pdf(x0, -1, 1 / 3)
        return prior * stats.norm.pdf(x, np.sqrt(alpha_bar) * x0, np.sqrt(1 - alpha_bar))

    for x in (-1.3, 0.1, 0.9):
        mass = integrate.quad(joint, -4, 4, args=(x,), points=[x, -1, 1], limit=400)[0]
        first = integrate.quad(
            lambda x0, x=x: x0 * joint(x0, x), -4, 4, points=[x, -1, 1], limit=400
        )[0]
        got = oracle.posterior_mean(tensor([x]), tensor(w), step).item()
        assert got == pytest.approx(first / mass, abs=1e-8)


@pytest.mark.parametrize("step", [1, 2, 9])
def test_reverse_mean_by_bayes_rule_for_normals(step: int) -> None:
    """q(x_{k-1} | x_k, x_0) from the product of two normals, in precision form."""
    oracle = two_group_oracle(steps=9)
    schedule, x, c = oracle.schedule, tensor([0.37]), tensor(0.4)
    beta = float(schedule.betas[step - 1])
    before = float(schedule.alpha_bar[step - 2]) if step > 1 else 1.0
    clean = oracle.posterior_mean(x, c, step).item()
    if step == 1:
        assert oracle.mean(x, 1, c).item() == pytest.approx(clean)
        assert oracle.sigmas[0].item() == pytest.approx(np.sqrt(beta))
        assert schedule.sigmas("posterior")[0] == 0
        return
    precision = (1 - beta) / beta + 1 / (1 - before)
    mean = (np.sqrt(1 - beta) * 0.37 / beta + np.sqrt(before) * clean / (1 - before)) / precision
    assert oracle.mean(x, step, c).item() == pytest.approx(mean)
    assert oracle.sigmas[step - 1].item() == pytest.approx(precision**-0.5)
    assert schedule.sigmas("forward")[step - 1].item() == pytest.approx(np.sqrt(beta))


def test_alpha_bar_of_the_linear_schedule_does_not_depend_on_the_number_of_steps() -> None:
    coarse, fine = Schedule.linear(10).alpha_bar, Schedule.linear(40).alpha_bar
    torch.testing.assert_close(coarse, fine[3::4])
    assert coarse[-1].item() == pytest.approx(np.exp(-0.1 - 19.9 / 2))


def test_two_groups_in_closed_form() -> None:
    oracle = two_group_oracle(separation=1.5, dimension=3)
    inside = stats.norm.cdf(1.5)
    share = 0.3 * inside + 0.7 * (1 - inside)
    np.testing.assert_allclose(oracle.shares(tensor(0.3)), [share, 1 - share])
    line = two_group_oracle(separation=1.5)

    def difference(x: float) -> float:
        at = tensor([x])
        return abs((line.density(at, tensor(0.3)) - line.density(at, tensor(0.8))).item()) / 2

    expected = integrate.quad(difference, -6, 6, points=[0], limit=200)[0]
    assert oracle.total_variation(tensor(0.3), tensor(0.8)) == pytest.approx(expected, abs=1e-8)


def test_means_in_the_plane_have_no_exact_shares() -> None:
    with pytest.raises(InputError, match="means span 2 dimensions"):
        triangle().shares(tensor(0.2, 0.5, 0.3))


def test_three_groups_on_a_line() -> None:
    weights = AffineWeights.from_anchors(*[torch.eye(3, dtype=torch.float64)] * 2)
    oracle = GaussianMixtureOracle(tensor([2.0], [0.0], [-1.0]), 0.5, weights, Schedule.linear(5))
    z = stats.norm(0, 0.5)
    expected = [1 - z.cdf(1), z.cdf(1) - z.cdf(-0.5), z.cdf(-0.5)]
    np.testing.assert_allclose(oracle.cells[1], expected, atol=1e-12)
    w, v = tensor(0.5, 0.2, 0.3), tensor(0.2, 0.5, 0.3)
    grid = torch.linspace(-6, 7, 400_001, dtype=torch.float64)[:, None]
    gap = (oracle.density(grid, w) - oracle.density(grid, v)).abs().sum() * 13 / 400_000 / 2
    assert oracle.total_variation(w, v) == pytest.approx(gap.item(), abs=1e-8)


def test_a_sample_does_not_depend_on_its_batch() -> None:
    oracle, c = two_group_oracle(steps=6, dimension=2), tensor(0.4)
    whole = sample(oracle, c, 150, seed=3)
    torch.testing.assert_close(sample(oracle, c, 150, seed=3, batch=37), whole, rtol=0, atol=1e-13)
    part = sample(oracle, c, 20, seed=3, start=100)
    torch.testing.assert_close(part, whole[100:120], rtol=0, atol=1e-13)
    rows = torch.linspace(0.1, 0.9, 150, dtype=torch.float64)[:, None]
    mixed = sample(oracle, rows, 150, seed=3, batch=64)
    alone = sample(oracle, rows[70], 1, seed=3, start=70)
    torch.testing.assert_close(mixed[70:71], alone, rtol=0, atol=1e-13)
    assert not torch.equal(sample(oracle, c, 5, seed=4), whole[:5])


def test_sampler_draws_the_mixture_when_steps_are_many() -> None:
    """Mean and share within 5 standard errors plus 0.02 of discretisation; false fail < 2e-6."""
    oracle, c, n = two_group_oracle(steps=200, separation=3.0), tensor(0.7), 20_000
    x = sample(oracle, c, n, seed=0)
    share = (x[:, 0] > 0).double().mean().item()
    assert abs(share - oracle.shares(c)[0].item()) < 5 * np.sqrt(0.25 / n) + 0.02
    assert abs(x.mean().item() - 0.4) < 5 * x.std().item() / np.sqrt(n) + 0.02
    assert x.dtype == torch.float64


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: two_group_oracle(separation=0.0), "separation is 0"),
        (lambda: two_group_oracle().shares(tensor(1.2)), "condition gives the weight -0.2"),
        (lambda: two_group_oracle().shares(tensor(0.1, 0.2)), "condition has 2 dimensions"),
        (lambda: two_group_oracle().shares(tensor(np.nan)), "nan"),
        (lambda: two_group_oracle().level(101), "step is 101"),
        (lambda: Schedule(betas=tensor(1.0, 0.1)), "betas is 1"),
        (lambda: Schedule.linear(0), "steps is 0"),
        (lambda: sample(two_group_oracle(), tensor(0.5), 0), "n is 0"),
        (lambda: sample(two_group_oracle(), tensor([0.5], [0.6]), 3), "condition has 2 rows"),
        (lambda: AffineWeights(tensor([1.0], [0.0]), tensor(0.5, 0.5)), "matrix has a column"),
        (lambda: AffineWeights(tensor([1.0], [-1.0]), tensor(0.5, 0.6)), "offset sums to 1.1"),
        (
            lambda: AffineWeights.from_anchors(
                tensor([0.0], [1.0], [2.0]), tensor([1.0, 0], [0, 1.0], [1.0, 0])
            ),
            "affinely independent",
        ),
        (lambda: SampleStreams(0, 3, start=-1), "start is -1"),
    ],
)
def test_bad_input_names_the_argument(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()


def test_equal_means_are_refused() -> None:
    with pytest.raises(InputError, match="two equal rows"):
        GaussianMixtureOracle(tensor([1.0], [1.0]), 0.5, AffineWeights.scalar(), Schedule.linear(3))
