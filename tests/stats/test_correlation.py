"""Correlations: another route, coverage on unkind designs, invariances, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import correlation

RUNS = 300


def pairs(rng, kind: str, n: int):
    """Return pairs whose normal parents have correlation .5."""
    x = rng.standard_normal(n)
    y = 0.5 * x + np.sqrt(0.75) * rng.standard_normal(n)
    if kind == "skewed":
        return np.exp(x), np.exp(y)
    if kind == "heavy":
        scale = np.sqrt(rng.chisquare(3, n) / 3)
        return x / scale, y / scale
    if kind == "ties":
        return np.round(x), np.round(y)
    return x, y


TRUTH = {  # correlations of the four laws, from 1,000,000 pairs
    ("pearson", "normal"): 0.5, ("pearson", "skewed"): 0.377, ("pearson", "heavy"): 0.5,
    ("pearson", "ties"): 0.461, ("spearman", "normal"): 0.483, ("spearman", "skewed"): 0.483,
    ("spearman", "heavy"): 0.460, ("spearman", "ties"): 0.454,
}  # fmt: skip


def test_by_hand():
    """Three of four pairs on a line, the jackknife written out."""
    x, y = [0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 1.0]
    found = correlation(x, y)
    kept = [[i for i in range(4) if i != k] for k in range(4)]
    r = [stats.pearsonr(np.take(x, k), np.take(y, k)).statistic for k in kept]
    z = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    half = stats.t.ppf(0.975, 2) * np.sqrt(3 * z.var())
    centre = np.arctanh(stats.pearsonr(x, y).statistic)
    assert (found.low, found.high) == pytest.approx(
        (np.tanh(centre - half), np.tanh(centre + half))
    )


def test_agrees_with_scipy_and_ignores_monotone_maps():
    rng = generator(6)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    pearson, spearman = correlation(x, y), correlation(x, y, method="spearman")
    assert pearson.value == pytest.approx(stats.pearsonr(x, y).statistic)
    assert spearman.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert -1 <= pearson.low < pearson.value < pearson.high <= 1
    curved = correlation(np.exp(x), y**3, method="spearman")
    assert (curved.low, curved.high) == pytest.approx((spearman.low, spearman.high))
    turned = correlation(x, -y, method="spearman")
    assert (turned.low, turned.high) == pytest.approx((-spearman.high, -spearman.low))


def test_normal_pairs_have_about_fishers_interval():
    x, y = pairs(generator(7), "normal", 2000)
    found = correlation(x, y)
    half = 1.96 / np.sqrt(1997)
    z = np.arctanh(found.value)
    ends = tuple(np.tanh([z - half, z + half]))
    assert (found.low, found.high) == pytest.approx(ends, abs=0.01)


@pytest.mark.parametrize(("method", "kind"), TRUTH)
@pytest.mark.parametrize("n", [6, 20])
def test_coverage(method, kind, n):
    """300 samples each: below the docstring's least coverage once in 10,000 runs."""
    rng, truth, hits = generator(0, method, kind, str(n)), TRUTH[method, kind], 0
    for _ in range(RUNS):
        x, y = pairs(rng, kind, n)
        while np.ptp(x) == 0 or np.ptp(y) == 0:
            x, y = pairs(rng, kind, n)
        found = correlation(x, y, method=method)
        hits += found.low <= truth <= found.high
    least = 0.94 if method == "spearman" else 0.9 if kind == "skewed" else 0.92
    assert hits >= stats.binom.ppf(1e-4, RUNS, least)


def test_ranks_that_all_agree_leave_room():
    found = correlation(range(6), range(6), method="spearman")
    assert found.value == found.high == 1
    assert -0.5 < found.low < 0.5
    exact = correlation(range(6), range(6))
    assert exact.value == pytest.approx(1)
    assert exact.low > 1 - 1e-9


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: correlation([1, 2, 3, 4], [1, 1, 1, 1]), "y is constant"),
        (lambda: correlation([1, 2, 3], [1, 2, 3]), "x has 3 values"),
        (lambda: correlation([1, 2, 3, 4], [1, 2, 3, 5, 6]), "y has shape"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
