"""Confidence limits of a mean: coverage at every n, sides, and the hardest laws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bbb_core.errors import InputError
from bbb_core.stats.mean_limits import betting_limit, bootstrap_t_limits


def most_misses(trials: int, rate: float) -> int:
    """Largest count that a procedure with this miss rate exceeds with probability below 1e-5."""
    return int(stats.binom.isf(1e-5, trials, rate))


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("p", [0.02, 0.5])
def test_betting_limits_cover_coins(p: float, upper: bool, seeds: list[int]) -> None:
    """Coins are the hardest law on a range; false-fail rate 1e-5 per case."""
    rng, misses, trials = np.random.default_rng(seeds), 0, 400
    for _ in range(trials):
        values = (rng.random(200) < p).astype(float) * 3
        limit = betting_limit(values, bound=3.0, confidence=0.9, upper=upper)
        misses += limit < 3 * p if upper else limit > 3 * p
    assert misses <= most_misses(trials, 0.1)


def test_betting_limits_tighten_and_respect_the_range() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.beta(1, 20, 200), rng.beta(1, 20, 20_000)
    assert betting_limit(few, bound=1.0) > betting_limit(many, bound=1.0) > 1 / 21
    assert betting_limit(many, bound=1.0, upper=False) < 1 / 21
    assert betting_limit(many, bound=1.0) < 1.05 / 21
    assert betting_limit(np.ones(50), bound=1.0) == pytest.approx(1)
    assert betting_limit(np.zeros(50), bound=0.0) == 0
    with pytest.raises(InputError, match="values holds 2"):
        betting_limit(np.array([0.1, 2.0]), bound=1.0)


def test_betting_limits_stay_on_their_side_of_the_mean() -> None:
    """Bets grow when the values calm down above the mean: the capital alone would pass it."""
    restless = np.concatenate([np.tile([0.0, 0.8], 5000), np.full(10_000, 0.6)])
    for values in (restless, 1 - restless):
        low, high = (betting_limit(values, bound=1.0, upper=upper) for upper in (False, True))
        assert low <= values.mean() <= high


def test_bootstrap_limits_reach_further_to_the_long_tail() -> None:
    """The ends of the studentised statistic change places: the other way round covers less."""
    values = stats.expon.ppf((np.arange(40) + 0.5) / 40)
    low, high = bootstrap_t_limits(values, rng=np.random.default_rng(0))
    assert high - values.mean() > 1.3 * (values.mean() - low)
    mirrored = bootstrap_t_limits(-values, rng=np.random.default_rng(0))
    assert mirrored == pytest.approx((-high, -low))


def test_bootstrap_limits_of_skewed_values_are_near_their_level(seeds: list[int]) -> None:
    """Exponential values, n = 60, level 0.95: miss rate below 0.09; false-fail rate 1e-5."""
    rng, misses, trials = np.random.default_rng(seeds), 0, 200
    for _ in range(trials):
        _, high = bootstrap_t_limits(rng.exponential(size=60), n_resamples=300, rng=rng)
        misses += high < 1
    assert misses <= most_misses(trials, 0.09)
    assert bootstrap_t_limits(np.ones(30), rng=rng) == (1.0, 1.0)
