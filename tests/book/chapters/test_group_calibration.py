"""The law of inheritance for several groups: closed forms, two groups, recovery of a known law."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import optimize, stats

from bbb_book.chapters.intersections.group_calibration import calibrate_groups
from bbb_book.chapters.intersections.group_law import inherited_shares
from bbb_core.diffusion.calibration import calibrate
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.theory import inherited_share

CORNERS = np.eye(3)
LAW = np.array([[2.0, -1.5, 0.5], [-1.0, 1.5, -0.5], [-2.0, 0.0, 3.0]])
"""Logarithms of shares at three prompts, up to a number in each row."""


def grid(m: int, parts: int = 4) -> np.ndarray:
    """Return the points of a simplex whose coordinates are multiples of 1 / parts."""
    steps = itertools.product(range(parts + 1), repeat=m)
    return np.array([point for point in steps if sum(point) == parts]) / parts


def drawn(law: np.ndarray, at: np.ndarray, n: int, seed: int) -> np.ndarray:
    return generator(seed, "groups").multinomial(n, inherited_shares(at, law))


def beta(found: np.ndarray) -> np.ndarray:
    """Return log-odds against the first group, [m, m - 1]."""
    return found[:, 1:] - found[:, :1]


def likelihood(slopes, at, counts) -> tuple[float, np.ndarray]:
    """Return log-likelihood and information of `beta`, picture by picture."""
    total, m = 0.0, at.shape[1]
    information = np.zeros((m * (m - 1), m * (m - 1)))
    for x, y in zip(at, counts, strict=True):
        odds = np.exp([0.0, *(x @ slopes)])
        p = odds / odds.sum()
        total += sum(k * math.log(share) for k, share in zip(y, p, strict=True))
        spread = np.diag(p[1:]) - np.outer(p[1:], p[1:])
        information += sum(y) * np.kron(np.outer(x, x), spread)
    return total, information


def test_pictures_at_the_corners_have_a_closed_form():
    # A saturated point has one picture's prior of Jeffreys: one half is added to each count.
    counts = np.array([[38, 1, 1], [2, 36, 2], [0, 0, 40]])
    logs = np.log(counts + 0.5)
    assert calibrate_groups(CORNERS, counts) == pytest.approx(
        logs - logs.mean(1, keepdims=True), abs=1e-7
    )


@pytest.mark.parametrize("seed", range(3))
def test_two_groups_have_the_slope_and_the_switch_of_the_binary_law(seed):
    rng, t = generator(seed, "two"), np.linspace(-0.2, 1.1, 9)
    b = rng.binomial(7, inherited_share(t, rng.uniform(4, 15), rng.uniform(0.2, 0.9)))
    at, counts = np.stack([1 - t, t], 1), np.stack([7 - b, b], 1)
    slopes = beta(calibrate_groups(at, counts))[:, 0]
    binary = calibrate(t, counts)
    assert slopes[1] - slopes[0] == pytest.approx(binary.slope.value, rel=1e-6)
    assert -slopes[0] / (slopes[1] - slopes[0]) == pytest.approx(binary.switch.value, rel=1e-6)
    shares = inherited_shares(at, calibrate_groups(at, counts))
    assert shares[:, 1] == pytest.approx(binary.share(t), abs=1e-7)


def test_the_estimate_maximises_the_likelihood_with_the_penalty_of_jeffreys():
    at = grid(3)
    counts = drawn(LAW, at, 3, 1)

    def loss(flat):
        total, information = likelihood(flat.reshape(3, 2), at, counts)
        return -total - np.linalg.slogdet(information)[1] / 2

    best = optimize.minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-6})
    assert beta(calibrate_groups(at, counts)) == pytest.approx(best.x.reshape(3, 2), abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_a_known_law_is_recovered(seed):
    # The squared distance from the truth, in units of Fisher's information, is chi-square in large
    # samples: 15 points x 400 pictures. Each seed fails by chance once in 10,000.
    at = grid(3)
    counts = drawn(LAW, at, 400, seed)
    missed = (beta(calibrate_groups(at, counts)) - beta(LAW)).ravel()
    information = likelihood(beta(LAW), at, counts)[1]
    assert missed @ information @ missed < stats.chi2.ppf(1 - 1e-4, len(missed))


def test_few_pictures_of_four_groups_foretell_the_centre():
    # 35 points x 12 pictures, shares at the centre .29, .24, .21, .27. Over 1,000 simulated sweeps
    # the total variation between foretold and true shares had mean .042 and was .11 at most.
    law = np.array([[3.0, 0, 0, 0], [0, 2.5, 0, 0], [0, 0.5, 2.5, 0], [0, 0, 0, 3.5]])
    law[:, 0] += 0.2
    at = grid(4)
    for seed in range(3):
        found = calibrate_groups(at, drawn(law, at, 12, seed))
        gap = inherited_shares([0.25] * 4, found) - inherited_shares([0.25] * 4, law)
        assert np.abs(gap).sum() / 2 < 0.13


def test_renaming_groups_renames_the_law():
    at, order = grid(3), [2, 0, 1]
    counts = drawn(LAW, at, 5, 2)
    found = calibrate_groups(at, counts)
    turned = calibrate_groups(at[:, order], counts[:, order])
    assert turned == pytest.approx(found[np.ix_(order, order)], abs=1e-6)


def test_pictures_in_a_plane_decide_the_law_there_alone():
    """Four groups at the corners of a parallelogram: no coordinates along + - - +."""
    off = np.array([1.0, -1.0, -1.0, 1.0])
    at = grid(4) - (grid(4) @ off)[:, None] * off / 4
    law = np.log(np.eye(4) * 9 + 1)
    counts = drawn(law, at, 6, 3)
    found = calibrate_groups(at, counts)
    assert off @ found == pytest.approx(np.zeros(4), abs=1e-9)
    expected = counts.sum(0)  # Jeffreys' pull aside, the margins of a logit are those drawn
    fitted = 6 * inherited_shares(at, found).sum(0)
    assert fitted == pytest.approx(expected, abs=3)


def test_a_direction_in_which_rows_hardly_vary_is_left_out():
    """Parallelograms that are flat in nearly one direction: their pictures say nothing along it."""
    off, rng = np.array([1.0, -1.0, -1.0, 1.0]), generator(0, "bent")
    flat = grid(4) - (grid(4) @ off)[:, None] * off / 4
    at = flat + rng.normal(size=(len(flat), 1)) * 0.005 * off
    counts = drawn(np.log(np.eye(4) * 9 + 1), flat, 6, 3)
    found, plain = calibrate_groups(at, counts), calibrate_groups(flat, counts)
    assert np.abs(found - plain).max() < 0.05
    assert np.abs(off @ calibrate_groups(at, counts, tolerance=0.0)).max() > 5


def test_complete_separation_stays_finite():
    found = calibrate_groups(CORNERS, np.eye(3, dtype=int) * 30)
    assert np.isfinite(found).all()
    assert np.diag(inherited_shares(CORNERS, found)) == pytest.approx([30.5 / 31.5] * 3)
    alone = calibrate_groups(grid(3), np.array([[4, 0, 0]] * 15))  # one group, wherever one asks
    assert (inherited_shares(grid(3), alone)[:, 0] > 0.8).all()


def test_points_without_pictures_change_nothing():
    at = grid(3)
    counts = drawn(LAW, at, 5, 4)
    more = np.concatenate([at, [[5.0, -3.0, -1.0]]]), np.concatenate([counts, [[0, 0, 0]]])
    assert calibrate_groups(*more) == pytest.approx(calibrate_groups(at, counts), abs=1e-9)


def test_a_tolerance_is_a_part():
    with pytest.raises(InputError, match="tolerance is 2"):
        calibrate_groups(CORNERS, np.full((3, 3), 9), tolerance=2.0)


@pytest.mark.parametrize(
    ("coordinates", "counts", "said"),
    [
        (CORNERS, np.ones((2, 3)), r"counts \(2, 3\)"),
        (np.ones((3, 1)), np.full((3, 1), 9), "groups"),
        (CORNERS * 0.5, np.full((3, 3), 9), "sum to 0.5 in row 0"),
        (CORNERS, -np.full((3, 3), 9), "negative"),
        (CORNERS, np.full((3, 3), 2.5), "broken"),
        (CORNERS, np.full((3, 3), 2), "18 pictures"),
        (np.full((3, 3), 1 / 3), np.full((3, 3), 9), "at one point"),
        (CORNERS * math.nan, np.full((3, 3), 9), "nan"),
    ],
)
def test_bad_input_is_refused(coordinates, counts, said):
    with pytest.raises(InputError, match=said):
        calibrate_groups(coordinates, counts)
