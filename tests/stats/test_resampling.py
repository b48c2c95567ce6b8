"""Bootstrap: other routes, coverage at stated false-fail rates, memory blocks, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import bootstrap, crossed_bootstrap, resampling


def _mean(x):
    return float(x.mean())


def _slope(x, y, axis=-1):
    x = x - x.mean(axis=axis, keepdims=True)
    return (x * y).sum(axis=axis) / (x**2).sum(axis=axis)


def test_percentiles_agree_with_scipy():
    x = generator(1).gamma(2.0, size=40)
    reach = stats.t.ppf(0.975, 39) * np.sqrt(40 / 39)  # ours moves the tails out for few units
    level = 2 * stats.norm.cdf(reach) - 1
    ours = bootstrap(np.mean, x, rng=generator(2), n_resamples=20000)
    other = stats.bootstrap(
        (x,), np.mean, rng=generator(3), n_resamples=20000, method="percentile",
        confidence_level=level,
    )  # fmt: skip
    # Monte Carlo error of a quantile here is about .003
    assert ours.low == pytest.approx(other.confidence_interval.low, abs=0.02)
    assert ours.high == pytest.approx(other.confidence_interval.high, abs=0.02)
    assert ours.value == pytest.approx(x.mean())


def test_blocks_and_calls_do_not_change_the_answer(monkeypatch):
    x = generator(1).normal(size=30)
    whole = bootstrap(np.mean, x, rng=generator(5), n_resamples=500)
    monkeypatch.setattr(resampling, "BLOCK", 100)
    parts = bootstrap(np.mean, x, rng=generator(5), n_resamples=500)
    single = bootstrap(_mean, x, rng=generator(5), n_resamples=500)
    assert (whole.low, whole.high) == pytest.approx((parts.low, parts.high))
    assert (whole.low, whole.high) == pytest.approx((single.low, single.high))


def _coverage(interval, truth, seed, runs=300):
    hits = 0
    for run in range(runs):
        e = interval(generator(seed, "coverage", run))
        hits += e.low <= truth <= e.high
    return hits / runs


def test_plain_coverage(seeds):
    # true coverage of a 95 % percentile interval of a mean of 40 is about .94; 300 runs have a
    # standard deviation of .014, so below .88 happens less than once in 10,000 runs
    def interval(rng):
        return bootstrap(np.mean, rng.normal(size=40), rng=rng, n_resamples=400)

    assert _coverage(interval, 0.0, seeds[0]) > 0.88


@pytest.mark.parametrize("noise", ["normal", "exponential"])
def test_slopes_of_ten_pairs_are_covered(noise, seeds):
    """300 samples: the docstring's .92 is missed once in 10,000 runs."""

    def interval(rng):
        x = rng.standard_normal(10)
        made = rng.standard_normal(10) if noise == "normal" else rng.exponential(size=10)
        return bootstrap(_slope, x, x + made, rng=rng, n_resamples=999)

    assert _coverage(interval, 1.0, seeds[0]) >= stats.binom.ppf(1e-4, 300, 0.92) / 300


def test_clusters_matter(seeds):
    # 30 clusters of 5 that share their value: ignoring them covers about .60, heeding them .93
    def sample(rng):
        return np.repeat(rng.normal(size=30), 5) + 0.1 * rng.normal(size=150)

    labels = np.repeat(np.arange(30), 5)

    def naive(rng):
        return bootstrap(np.mean, sample(rng), rng=rng, n_resamples=300)

    def clustered(rng):
        return bootstrap(np.mean, sample(rng), clusters=labels, rng=rng, n_resamples=300)

    assert _coverage(naive, 0.0, seeds[0]) < 0.75
    assert _coverage(clustered, 0.0, seeds[0]) > 0.86


def test_crossed_resampling_covers_where_one_way_does_not(seeds):
    def table(rng):
        return rng.normal(size=(12, 1)) + rng.normal(size=(1, 12)) + rng.normal(size=(12, 12))

    def crossed(rng):
        return crossed_bootstrap(np.mean, table(rng), rng=rng, n_resamples=300)

    def one_way(rng):
        return bootstrap(np.mean, table(rng), rng=rng, n_resamples=300)

    def by_hand(t, axis):
        return t.mean(axis=tuple(range(axis, t.ndim)))

    assert _coverage(crossed, 0.0, seeds[0]) > 0.86
    rows = bootstrap(by_hand, table(generator(0)), rng=generator(1), n_resamples=200)
    assert rows.low < rows.value < rows.high
    assert (
        _coverage(
            lambda rng: bootstrap(by_hand, table(rng), rng=rng, n_resamples=300), 0.0, seeds[0]
        )
        < 0.86
    )


def test_unequal_clusters():
    x = np.arange(10.0)
    labels = list("aaabbccccd")
    e = bootstrap(np.mean, x, clusters=labels, rng=generator(0), n_resamples=500)
    assert e.low < e.value < e.high
    equal = bootstrap(_mean, x, clusters=list("aabbccddee"), rng=generator(0), n_resamples=300)
    assert equal.low < 4.5 < equal.high


def test_vector_statistics_and_several_arrays():
    rng = generator(4)
    x, y = rng.normal(size=(25, 3)), rng.normal(size=25)

    def both(a, b):
        return np.append(a.mean(axis=0), b.mean())

    e = bootstrap(both, x, y, rng=rng, n_resamples=200)
    assert e.value.shape == e.low.shape == e.high.shape == (4,)
    assert (e.low < e.high).all()


def test_constant_data_have_a_point_interval():
    e = bootstrap(np.mean, np.full(5, 2.5), rng=generator(0), n_resamples=50)
    assert e.low == e.high == e.value == 2.5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda r: bootstrap(np.mean, [1.0], rng=r), "two or more observations"),
        (lambda r: bootstrap(np.mean, rng=r), "arrays is empty"),
        (lambda r: bootstrap(np.mean, [1.0, np.inf], rng=r), "arrays is inf"),
        (lambda r: bootstrap(_mean, [1, 2], clusters=["a", "a"], rng=r), "one distinct label"),
        (lambda r: bootstrap(_mean, [1, 2], clusters=["a"], rng=r), "clusters has shape"),
        (lambda r: bootstrap(np.mean, [1, 2], n_resamples=0, rng=r), "n_resamples is 0"),
        (lambda r: bootstrap(lambda x: np.nan, [1, 2], rng=r), "statistic is not finite"),
        (lambda r: crossed_bootstrap(np.mean, [[1.0, 2.0]], rng=r), "two rows and two columns"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call(generator(0))
