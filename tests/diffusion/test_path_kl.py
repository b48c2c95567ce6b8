"""Path KL as a geometry, and the confidence limits of means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from bbb_book.chapters.biased_embeddings.assumption_breaks import LateDecision
from bbb_book.chapters.biased_embeddings.bound_ladder import weight, wrong_means_table
from bbb_book.oracles.exact_law import exact_comparison
from bbb_core.diffusion import SampleStreams, path_kl, path_kl_both, two_group_oracle
from bbb_core.diffusion.limits import betting_limit, bootstrap_t_limits
from bbb_core.errors import InputError

SURE = 1 - 1e-6
"""Level of an interval whose miss fails a test: false-fail rate 1e-6."""


def test_estimate_agrees_with_quadrature_step_by_step() -> None:
    oracle, c, other = two_group_oracle(separation=2.0, steps=25), weight(0.3), weight(0.6)
    exact = exact_comparison(oracle, c, other)
    result = path_kl(oracle, c, other, n=8000, seed=0, confidence=SURE)
    assert result.interval[0] <= exact.path_kl <= result.interval[1]
    assert result.steps.sum().item() == pytest.approx(result.value)
    torch.testing.assert_close(result.steps, exact.step_kl, rtol=0.15, atol=2e-3)
    there, back = path_kl_both(oracle, c, other, n=8000, seed=0, confidence=SURE)
    assert there.value == result.value
    assert back.interval[0] <= exact.path_kl_back <= back.interval[1]


def test_the_interval_holds_its_estimate() -> None:
    oracle, c = two_group_oracle(steps=10), weight(0.3)
    for other in (weight(0.3), weight(0.300001), weight(0.6)):
        result = path_kl(oracle, c, other, n=30, seed=0)
        assert 0 <= result.interval[0] <= result.value <= result.interval[1]
        assert result.n == 30


def test_more_dimensions_give_the_same_divergence() -> None:
    c, other = weight(0.3), weight(0.6)
    exact = exact_comparison(two_group_oracle(steps=10), c, other)
    lifted = two_group_oracle(steps=10, dimension=7)
    result = path_kl(lifted, c, other, n=4000, seed=1, confidence=SURE)
    assert result.interval[0] <= exact.path_kl <= result.interval[1]


def test_paths_do_not_depend_on_the_batch_nor_on_n() -> None:
    oracle, c, other = two_group_oracle(steps=5), weight(0.3), weight(0.6)
    whole = path_kl(oracle, c, other, n=300, seed=2)
    assert path_kl(oracle, c, other, n=300, seed=2, batch=70).value == pytest.approx(whole.value)
    assert whole.value != path_kl(oracle, c, other, n=300, seed=3).value


def test_stop_leaves_out_the_last_steps() -> None:
    oracle, c, other = two_group_oracle(steps=10, variance="posterior"), weight(0.3), weight(0.6)
    early = path_kl(oracle, c, other, n=200, seed=0, stop=4)
    late = path_kl(oracle, c, other, n=200, seed=0, stop=1)
    assert torch.equal(early.steps[:4], torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(early.steps[4:], late.steps[4:])
    assert early.value < late.value


def test_a_step_without_noise_is_refused_with_the_remedy() -> None:
    oracle = two_group_oracle(variance="posterior")
    with pytest.raises(InputError, match=r"step 1 \(sigma_1 = 0\).*certified"):
        path_kl(oracle, weight(0.3), weight(0.6), n=100, seed=0)


def test_late_decision_fools_the_noisy_steps() -> None:
    process = LateDecision(two_group_oracle(steps=10), middle=weight(0.5))
    result = path_kl(process, weight(0.6), weight(0.4), n=50, seed=0, stop=1)
    assert result.value == 0
    from bbb_core.diffusion import sample

    assert (sample(process, weight(0.6), 50) >= 0).all()
    assert (sample(process, weight(0.4), 50) <= 0).all()


def test_wrong_means_undercut_the_truth_and_right_means_do_not() -> None:
    table = wrong_means_table(separation=4.0, steps=25, w=0.49, other=0.51)
    assert (table.right_bound >= table.exact - table.error).all()
    assert (table.wrong_bound < table.exact).iloc[1:].all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 5}, "n is 5"),
        ({"confidence": 1.0}, "confidence is 1"),
        ({"stop": 10}, "stop is 10"),
        ({"seed": -1}, "seed is -1"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_bad_options(options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        path_kl(
            two_group_oracle(steps=10), weight(0.4), weight(0.6), **{"n": 30, "seed": 0} | options
        )


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


def test_streams_are_keyed() -> None:
    first, second = SampleStreams(0, 2, "a"), SampleStreams(0, 2, "b")
    assert not torch.equal(first.normal((1,)), second.normal((1,)))
    assert len(first) == 2
