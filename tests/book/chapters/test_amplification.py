"""Amplification: slope, copying, share more extreme."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from bbb_book.chapters.published_generations.amplification import (
    amplification,
    copying_more_extreme,
    log_odds_slope,
)
from bbb_core.errors import InputError
from bbb_core.rng import generator


def world(slope: float, *, m: int = 150, n: int = 250, seed: int = 0):
    """Synthetic counts whose generated log-odds are `slope` times the training log-odds."""
    rng = generator(seed, "amplification world")
    share = rng.uniform(0.05, 0.95, m)
    training = rng.binomial(20_000, share)
    generated = rng.binomial(n, special.expit(slope * special.logit(share)))
    return np.stack([20_000 - training, training], 1), np.stack([n - generated, generated], 1)


@pytest.mark.parametrize("slope", [0.5, 1.0, 1.6])
def test_slope_is_recovered(slope):
    """Standard error below 0.02 at 150 x 250 images; the band is five of them (rate < 1e-6)."""
    x, y = world(slope)
    assert log_odds_slope(x, y) == pytest.approx(slope, abs=0.1)


def test_slope_is_blind_to_names():
    x, y = world(1.3)
    assert log_odds_slope(x[:, ::-1], y[:, ::-1]) == pytest.approx(log_odds_slope(x, y), abs=1e-8)


def test_slope_solves_the_likelihood_equations():
    x, y = world(1.2, m=12)
    t = np.log((x[:, 1] + 0.5) / (x[:, 0] + 0.5))
    b = log_odds_slope(x, y)
    grid = np.linspace(-2, 2, 40_001)  # profile over the intercept
    n = y.sum(axis=1)

    def best(slope):
        eta = grid[:, None] + slope * t
        return (y[:, 1] * eta - n * np.logaddexp(0, eta)).sum(axis=1).max()

    assert best(b) >= max(best(b - 0.01), best(b + 0.01))


def test_interval_covers_copying():
    """40 worlds that copy: at a true coverage of 95 % fewer than 33 hits has probability 1e-3."""
    hits = 0
    for seed in range(40):
        x, y = world(1.0, m=60, seed=seed)
        found = amplification(x, y, n_resamples=199, rng=generator(seed))
        hits += found.slope.low <= 1 <= found.slope.high and found.excess.low <= 0.0001
    assert hits >= 33


def test_copying_expectation_agrees_with_simulation():
    """100,000 draws per prompt: standard error 0.0016, the band is five of them."""
    rng = generator(2, "copying")
    training = np.array([[90, 10], [50, 50], [30, 70], [0, 10], [97, 3]])
    expected = copying_more_extreme(training, 25)
    for row, value in zip(training, expected, strict=True):
        t = row[1] / row.sum()
        drawn = rng.binomial(25, t, 100_000) / 25
        seen = (np.abs(drawn - 0.5) > abs(t - 0.5) + 1e-9).mean()
        assert value == pytest.approx(seen, abs=0.009)
    assert expected[3] == 0


def test_amplifying_world_is_recognised():
    x, y = world(1.6)
    found = amplification(x, y, n_resamples=199, rng=generator(0))
    assert found.slope.low > 1
    assert found.excess.low > 0
    assert found.rank_correlation.low > 0.9


def test_bad_input():
    x, y = world(1.0, m=6)
    with pytest.raises(InputError, match="same prompts"):
        amplification(x, y[:5], rng=generator(0))
    with pytest.raises(InputError, match="at least 5"):
        amplification(x[:4], y[:4], rng=generator(0))
    with pytest.raises(InputError, match="equal log-odds"):
        log_odds_slope(np.tile([[5.0, 5.0]], (6, 1)), y.astype(float))
    separated = np.where(x[:, 1:] > x[:, :1], [[0.0, 9.0]], [[9.0, 0.0]])
    with pytest.raises(InputError, match="separate"):
        log_odds_slope(x.astype(float), separated)
