"""Shares that a sweep foretells, and the test of its line: closed forms, symmetries, coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import expit, logit

from bbb_core.diffusion.calibration import calibrate, fit_sweep
from bbb_core.diffusion.foretelling import foretold_share, lack_of_fit
from bbb_core.errors import InputError
from bbb_core.rng import generator

POSITIONS = np.linspace(0, 1, 6)


def drawn(slope: float, switch: float, n: int, seed: int) -> np.ndarray:
    b = generator(seed, "sweep").binomial(n, expit(slope * (POSITIONS - switch)))
    return np.stack([n - b, b], axis=1)


def test_values_are_those_of_the_calibration():
    counts, at = drawn(9, 0.6, 10, 1), [-0.5, 0.1, 0.6, 1.4]
    found = foretold_share(POSITIONS, counts, at)
    assert found.value == pytest.approx(calibrate(POSITIONS, counts).share(at), rel=1e-9)
    assert (found.low < found.value).all()
    assert (found.value < found.high).all()


@pytest.mark.parametrize("at", [0.0, 0.35, 1.0])
def test_the_interval_is_the_hull_of_two(at):
    """Likelihood ratio by minimising over both coefficients; Wald's from the fit's covariance."""
    counts = drawn(6, 0.5, 12, 2)
    found = foretold_share(POSITIONS, counts, [at], confidence=0.9)
    y, n = counts[:, 1], counts.sum(1)
    q = stats.t.ppf(0.95, n.sum() - 2)

    def loss(beta):
        eta = beta[0] + beta[1] * (POSITIONS - at)
        return float((n * np.logaddexp(0, eta) - y * eta).sum())

    best = optimize.minimize(loss, [0.0, 1.0], method="Nelder-Mead", tol=1e-12)

    def lost(a):
        held = optimize.minimize_scalar(lambda k: loss([a, k]), bracket=(0, 6), tol=1e-12)
        return 2 * (held.fun - best.fun) - q**2

    likely = [optimize.brentq(lost, *sorted((best.x[0], best.x[0] + d))) for d in (-9, 9)]
    fit = fit_sweep(POSITIONS, counts)
    row = np.array([1, at])
    reach = q * math.sqrt(row @ fit.covariance @ row)
    centre = row @ fit.beta
    assert logit(found.low[0]) == pytest.approx(min(likely[0], centre - reach), abs=1e-3)
    assert logit(found.high[0]) == pytest.approx(max(likely[1], centre + reach), abs=1e-3)


def test_swapping_the_groups_mirrors_the_shares():
    counts, at = drawn(8, 0.4, 8, 3), np.array([0.2, 0.9])
    there = foretold_share(POSITIONS, counts, at)
    back = foretold_share(1 - POSITIONS, counts[:, ::-1], 1 - at)
    assert back.value == pytest.approx(1 - there.value, abs=1e-6)
    assert back.low == pytest.approx(1 - there.high, abs=1e-4)


def test_separated_groups_leave_the_middle_open():
    found = foretold_share([0, 0.5, 1], [[20, 0], [20, 0], [0, 20]], [0.25, 0.75])
    assert found.low.tolist() == [0, 0]
    assert found.high[0] < 0.15
    assert found.high[1] == 1


def test_pictures_of_one_group_leave_what_lies_outside_open():
    found = foretold_share([0, 1], [[15, 0], [15, 0]], [0.5, 3])
    assert found.high[0] < 0.3
    assert found.high[1] == 1


@pytest.mark.parametrize(("slope", "switch", "at"), [(30, 0.45, 0.5), (4, 1.1, 1.2)])
def test_intervals_hold_their_level(slope, switch, at):
    # 40 sweeps of 24 pictures at .95: fewer than 30 covered has probability below 1e-5.
    true, hits = expit(slope * (at - switch)), 0
    for seed in range(40):
        found = foretold_share(POSITIONS, drawn(slope, switch, 4, seed), [at])
        hits += bool(found.low[0] <= true <= found.high[0])
    assert hits >= 30


def test_pearsons_statistic_of_a_flat_sweep_in_closed_form():
    """Counts that mirror about the middle of the way, and in total, have a flat fit: one half."""
    counts = [[6, 4], [3, 7], [6, 4], [4, 6], [7, 3], [4, 6]]
    positions = [0, 0.5, 1, 0, 0.5, 1]
    assert fit_sweep(positions, counts).beta == pytest.approx([0, 0], abs=1e-9)
    statistic = (4 * 1 + 2 * 4) / 2.5  # (y - 5)^2 / (10 / 4)
    assert lack_of_fit(positions, counts) == pytest.approx(stats.chi2.sf(statistic, 4))


def test_a_bend_is_seen_and_a_line_is_not():
    assert lack_of_fit(POSITIONS, [[9, 0], [0, 9], [0, 9], [9, 0], [9, 0], [0, 9]]) < 1e-3
    # 100 lines at .05, rejected in .09 at most: more than 25 has probability below 1e-5
    rejected = sum(lack_of_fit(POSITIONS, drawn(6, 0.5, 10, seed)) < 0.05 for seed in range(100))
    assert rejected <= 25


def test_two_positions_always_lie_on_a_line():
    assert math.isnan(lack_of_fit([0, 1], [[20, 3], [4, 16]]))
    assert math.isnan(lack_of_fit([0, 0.5, 1], [[20, 3], [0, 0], [4, 16]]))


@pytest.mark.parametrize(
    ("counts", "at", "said"),
    [
        ([[3, 0], [0, 3]], [0.5], "at least 20"),
        ([[30, 0], [0, 30]], [math.nan], "at"),
        ([[30, 0]], [0.5], "counts has 1 rows"),
    ],
)
def test_bad_input_is_refused(counts, at, said):
    with pytest.raises(InputError, match=said):
        foretold_share([0, 1], counts, at)
