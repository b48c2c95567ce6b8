"""Slope and switch from sweeps: closed forms, symmetries, coverage (law of inheritance)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from bbb_core.diffusion.calibration import calibrate
from bbb_core.errors import InputError
from bbb_core.rng import generator

POSITIONS = np.linspace(0, 1, 11)


def drawn(slope: float, switch: float, n: int, seed: int, clusters: int = 1) -> np.ndarray:
    """Return counts [clusters * 11, 2] from the law itself."""
    rng = generator(seed, "sweep", str(slope), str(switch))
    share = 1 / (1 + np.exp(-slope * (np.tile(POSITIONS, clusters) - switch)))
    b = rng.binomial(n, share)
    return np.stack([n - b, b], axis=1)


def test_two_positions_have_a_closed_form():
    # One picture's worth of Jeffreys' prior at each of two saturated positions adds 1/2 to each
    # count, so the estimate is the empirical log-odds with halves.
    found = calibrate([0, 1], [[30, 10], [15, 45]])
    low, high = math.log(10.5 / 30.5), math.log(45.5 / 15.5)
    assert found.slope.value == pytest.approx(high - low, abs=1e-8)
    assert found.switch.value == pytest.approx(-low / (high - low), abs=1e-8)
    assert found.n_units == 100


def log_likelihood(beta, positions, counts) -> float:
    """Of the law at [intercept, slope], picture by picture."""
    total = 0.0
    for t, (a, b) in zip(positions, counts, strict=True):
        eta = beta[0] + beta[1] * t
        total -= b * math.log1p(math.exp(-eta)) + a * math.log1p(math.exp(eta))
    return total


def information(beta, positions, counts) -> np.ndarray:
    """Return Fisher's information of [intercept, slope], picture by picture."""
    found = np.zeros((2, 2))
    for t, row in zip(positions, counts, strict=True):
        share = 1 / (1 + math.exp(-beta[0] - beta[1] * t))
        found += sum(row) * share * (1 - share) * np.outer([1, t], [1, t])
    return found


def place(found) -> np.ndarray:
    """Return [intercept, slope] of a calibration."""
    return np.array([-found.slope.value * found.switch.value, found.slope.value])


@pytest.mark.parametrize(
    ("positions", "counts"),
    [
        (POSITIONS, drawn(12, 0.8, 4, 3)),
        # one picture far away: a whole step of Newton's goes too far, and the next ones never come
        # back
        ([-0.5, -0.25, 24], [[9, 0], [46, 0], [0, 1]]),
    ],
    ids=["sweep", "lone"],
)
def test_the_estimate_maximises_the_likelihood_with_the_penalty_of_jeffreys(positions, counts):
    def loss(beta):
        penalty = np.linalg.slogdet(information(beta, positions, counts))[1] / 2
        return -log_likelihood(beta, positions, counts) - penalty

    best = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead", tol=1e-11)
    assert place(calibrate(positions, counts)) == pytest.approx(best.x, rel=1e-5)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_of_single_pictures_by_their_definitions(level):
    counts = drawn(9, 0.6, 8, 4)
    found = calibrate(POSITIONS, counts, confidence=level)
    assert (found.slope.confidence, found.switch.confidence) == (level, level)
    # slope: twice the likelihood lost at an end is the square of Student's quantile
    whole = optimize.minimize(
        lambda beta: -log_likelihood(beta, POSITIONS, counts), [0.0, 0.0], tol=1e-10
    )
    quantile = stats.t.ppf((1 + level) / 2, counts.sum() - 2)
    for slope in (found.slope.low, found.slope.high):
        held = optimize.minimize_scalar(
            lambda a, k=slope: -log_likelihood([a, k], POSITIONS, counts), bracket=(-9, 0)
        )
        assert 2 * (held.fun - whole.fun) == pytest.approx(quantile**2, rel=1e-4)
    # switch: at both ends the log-odds are q standard errors from zero
    beta = place(found)
    covariance = np.linalg.inv(information(beta, POSITIONS, counts))
    for end, sign in ((found.switch.low, -1), (found.switch.high, 1)):
        at = np.array([1, end])
        distance = beta @ at / math.sqrt(at @ covariance @ at)
        assert sign * distance == pytest.approx(stats.norm.ppf((1 + level) / 2), rel=1e-6)
    assert found.switch.low < found.switch.value < found.switch.high


@pytest.mark.parametrize("clusters", [3, 5])
def test_intervals_of_clusters_are_those_of_the_jackknife(clusters):
    counts = np.concatenate([drawn(10, 0.4 + 0.1 * c, 12, c) for c in range(clusters)])
    positions, labels = np.tile(POSITIONS, clusters), np.repeat(np.arange(clusters) + 7, 11)
    found = calibrate(positions, counts, clusters=labels)
    assert found.n_units == clusters
    whole, covariance = place(found), np.zeros((2, 2))
    for label in np.unique(labels):
        kept = labels != label
        moved = place(calibrate(positions[kept], counts[kept])) - whole
        covariance += (clusters - 1) / clusters * np.outer(moved, moved)
    q = stats.t.ppf(0.975, clusters - 1)
    reach = q * math.sqrt(covariance[1, 1])
    assert (found.slope.low, found.slope.high) == pytest.approx(
        (whole[1] - reach, whole[1] + reach), rel=1e-5
    )
    if reach < whole[1]:  # else the slope may be zero, and the switch lie anywhere
        for end, sign in ((found.switch.low, -1), (found.switch.high, 1)):
            at = np.array([1, end])
            assert sign * (whole @ at) == pytest.approx(
                q * math.sqrt(at @ covariance @ at), rel=1e-4
            )
    else:
        assert (found.switch.low, found.switch.high) == (-math.inf, math.inf)


def test_positions_may_lie_anywhere_on_the_line():
    """Moving and stretching the way moves the switch and shrinks the slope."""
    counts = drawn(8, 0.4, 20, 6)
    there, moved = calibrate(POSITIONS, counts), calibrate(3 + 2 * POSITIONS, counts)
    for part in ("value", "low", "high"):
        slope, switch = getattr(there.slope, part), getattr(there.switch, part)
        assert getattr(moved.slope, part) == pytest.approx(slope / 2, rel=1e-4)
        assert getattr(moved.switch, part) == pytest.approx(3 + 2 * switch, rel=1e-4)


def test_pictures_of_one_group_only_leave_the_slope_open():
    for counts in ([[10, 0], [10, 0]], [[0, 10], [0, 10]]):
        found = calibrate([0, 1], counts)
        assert (found.slope.low, found.slope.high) == (-math.inf, math.inf)
        assert found.slope.value == pytest.approx(0, abs=1e-8)


def test_swapping_the_groups_mirrors_the_law():
    counts = drawn(8, 0.4, 20, 1)
    there = calibrate(POSITIONS, counts)
    back = calibrate(1 - POSITIONS, counts[:, ::-1])
    assert back.slope.value == pytest.approx(there.slope.value, rel=1e-6)
    assert back.switch.value == pytest.approx(1 - there.switch.value, rel=1e-6)
    assert back.switch.low == pytest.approx(1 - there.switch.high, rel=1e-5)
    assert back.slope.high == pytest.approx(there.slope.high, rel=1e-4)


def test_many_pictures_find_the_law_and_foretell_shares():
    found = calibrate(POSITIONS, drawn(9, 0.7, 20_000, 2))
    assert found.slope.value == pytest.approx(9, rel=0.05)
    assert found.switch.value == pytest.approx(0.7, abs=0.01)
    assert found.share([0.7, 0.2]) == pytest.approx([0.5, 1 / (1 + math.exp(4.5))], abs=0.01)


def test_separated_groups_leave_the_slope_unbounded_above():
    found = calibrate([0, 0.5, 1], [[20, 0], [20, 0], [0, 20]])
    assert 0 < found.slope.low < found.slope.value < found.slope.high == math.inf
    assert 0.5 < found.switch.value < 1


def test_a_prompt_that_decides_nothing_has_no_switch():
    found = calibrate(POSITIONS, np.full((11, 2), 10))
    assert found.slope.low < 0 < found.slope.high
    assert (found.switch.low, found.switch.high) == (-math.inf, math.inf)


@pytest.mark.parametrize("clusters", [None, 12])
def test_intervals_hold_their_level(clusters):
    # 120 sweeps at .95: fewer than 103 covered has probability below 1e-4.
    hits = np.zeros(2)
    for seed in range(120):
        counts = drawn(10, 0.6, 6, seed, clusters or 1)
        labels = None if clusters is None else np.repeat(np.arange(clusters), 11)
        found = calibrate(np.tile(POSITIONS, clusters or 1), counts, clusters=labels)
        hits += [
            found.slope.low <= 10 <= found.slope.high,
            found.switch.low <= 0.6 <= found.switch.high,
        ]
    assert (hits >= 103).all(), hits


def test_clusters_that_differ_widen_the_interval():
    counts = np.concatenate([drawn(10, s, 12, 5) for s in (0.2, 0.4, 0.6, 0.8)])
    positions, labels = np.tile(POSITIONS, 4), np.repeat(list("abcd"), 11)
    alone = calibrate(positions, counts).switch
    together = calibrate(positions, counts, clusters=labels).switch
    assert together.high - together.low > 2 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("positions", "counts", "clusters", "said"),
    [
        ([0, 1], [[30, 0]], None, "counts has 1 rows and positions 2"),
        ([0, 1], [[30, -1], [0, 30]], None, "whole numbers"),
        ([0, 1], [[3, 0], [0, 3]], None, "at least 20"),
        ([0, 1], [[30.5, 1], [0, 30]], None, "whole numbers"),
        ([0, 1], [[10, 0], [0, 9]], None, "counts holds 19 pictures"),
        ([0.5, 0.5], [[30, 0], [0, 30]], None, "sweep from group to group"),
        ([0, 1], [[30, 10], [0, 0]], None, "sweep from group to group"),
        ([0, 1], [[30, 0], [0, 30]], ["a", "b"], "at least three"),
        ([0, 1], [[30, 0], [0, 30]], ["a"], "one label for each"),
        ([0, math.nan], [[30, 0], [0, 30]], None, "positions"),
    ],
)
def test_bad_sweeps_are_refused(positions, counts, clusters, said):
    with pytest.raises(InputError, match=said):
        calibrate(positions, counts, clusters=clusters)
