"""Exact tests against brute force, ties, Monte Carlo validity, symmetries."""

from __future__ import annotations

import math
from fractions import Fraction
from inspect import unwrap
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import enumeration, permutation_test, sign_flip_test
from bbb_core.stats.correlations import correlation_test

ALTERNATIVES = ("greater", "less", "two-sided")


def _extreme(value, observed, alternative):
    if alternative == "two-sided":
        return abs(value) >= abs(observed)
    return value >= observed if alternative == "greater" else value <= observed


def _brute_splits(x, y, alternative):
    """Every split, in exact rational arithmetic."""
    pooled = [Fraction(v) for v in [*x, *y]]
    n, m, total = len(x), len(y), sum(pooled)

    def statistic(chosen):
        part = sum(pooled[i] for i in chosen)
        return part / n - (total - part) / m

    observed = statistic(range(n))
    splits = list(combinations(range(n + m), n))
    return sum(_extreme(statistic(c), observed, alternative) for c in splits) / len(splits)


def _brute_signs(d, alternative):
    d = [Fraction(v) for v in d]
    values = [
        sum(s * v for s, v in zip(signs, d, strict=True))
        for signs in product((1, -1), repeat=len(d))
    ]
    return sum(_extreme(v, sum(d), alternative) for v in values) / len(values)


numbers = st.one_of(
    st.integers(-5, 5),
    st.integers(-(2**20), 2**20).map(lambda k: k / 64),  # ties are exact in binary
)
samples = st.lists(numbers, min_size=1, max_size=5)


@given(samples, samples, st.sampled_from(ALTERNATIVES))
def test_exact_p_value_equals_brute_force(x, y, alternative):
    if len(x) + len(y) < 3:
        return
    result = permutation_test(x, y, alternative=alternative)
    assert result.exact
    assert result.n_permutations == math.comb(len(x) + len(y), len(x))
    assert result.p_value == pytest.approx(_brute_splits(x, y, alternative), abs=1e-12)


@given(st.lists(numbers, min_size=2, max_size=8), st.sampled_from(ALTERNATIVES))
def test_exact_sign_flips_equal_brute_force(d, alternative):
    result = sign_flip_test(d, alternative=alternative)
    assert result.exact
    assert result.n_permutations == 2 ** len(d)
    assert result.p_value == pytest.approx(_brute_signs(d, alternative), abs=1e-12)


@given(samples, samples)
def test_swapping_the_samples_swaps_the_alternative(x, y):
    if len(x) + len(y) < 3:
        return
    greater = permutation_test(x, y, alternative="greater").p_value
    assert permutation_test(y, x, alternative="less").p_value == pytest.approx(greater)
    both = permutation_test(x, y).p_value
    assert permutation_test(y, x).p_value == pytest.approx(both)
    assert permutation_test(x[::-1], y[::-1]).p_value == pytest.approx(both)
    assert 0 < both <= 1


def test_decimal_ties_count_as_ties():
    # 0.1 + 0.2 + 0.3 and 0.6 + 0.0 + 0.0 tie on paper but not in binary
    x, y = [0.1, 0.2, 0.3], [0.6, 0.0, 0.0]
    assert 0.1 + 0.2 + 0.3 != 0.6
    by_tenths = permutation_test([1, 2, 3], [6, 0, 0], alternative="greater").p_value
    assert permutation_test(x, y, alternative="greater").p_value == by_tenths
    shifted = permutation_test(np.add(x, 1e6), np.add(y, 1e6), alternative="greater")
    assert shifted.p_value == by_tenths


def test_no_difference_is_no_evidence():
    assert permutation_test([1, 1, 1], [1, 1]).p_value == 1
    assert permutation_test([0.1, 0.3], [0.3, 0.1]).p_value == 1
    assert sign_flip_test([0.0, 0.0]).p_value == 1


def test_large_splits_are_exact_and_agree_with_a_count_of_sums():
    # 0/1 data: the number of ones in x is hypergeometric, C(40, 20) splits
    from scipy import stats

    x, y = [1] * 14 + [0] * 6, [1] * 7 + [0] * 13
    result = permutation_test(x, y, alternative="greater")
    assert result.exact
    assert result.n_permutations == math.comb(40, 20)
    assert result.p_value == pytest.approx(stats.hypergeom.sf(13, 40, 21, 20), rel=1e-12)
    few = permutation_test([1, 1, 0], [1] * 9 + [0] * 188, alternative="greater")
    assert few.exact
    assert few.p_value == pytest.approx(stats.hypergeom.sf(1, 200, 11, 3), rel=1e-12)
    signs = sign_flip_test([1] * 30 + [-1] * 12, alternative="greater")
    assert signs.p_value == pytest.approx(stats.binom.sf(29, 42, 0.5), rel=1e-12)


def test_monte_carlo_agrees_with_enumeration(seeds, monkeypatch):
    # p is about .2; 4,000 draws have a standard deviation of .0063; 5 of them fail 6e-7 of the time
    rng = generator(3, "data")
    x, y = rng.normal(size=10) + 0.5, rng.normal(size=10)
    counted = {
        alternative: (
            permutation_test(x, y, alternative=alternative),
            sign_flip_test(x, alternative=alternative),
        )
        for alternative in ALTERNATIVES
    }
    monkeypatch.setattr(enumeration, "HALF_SUMS", 0)  # nothing is counted any more
    for seed in seeds:
        for alternative, exact in counted.items():
            options = {"n_permutations": 4000, "alternative": alternative}
            drawn = (
                permutation_test(x, y, **options, rng=generator(seed)),
                sign_flip_test(x, **options, rng=generator(seed)),
            )
            for one, other in zip(drawn, exact, strict=True):
                assert not one.exact
                assert other.exact
                assert one.n_permutations == 4000
                assert one.p_value == pytest.approx(other.p_value, abs=0.04)


def test_monte_carlo_p_value_is_never_zero():
    x, y = np.arange(50) + 1000.0, np.arange(50.0)
    result = permutation_test(x, y, n_permutations=99, rng=generator(0))
    assert result.p_value == 0.01
    assert not result.exact


def test_correlation_test_counts_every_pairing():
    assert correlation_test([1, 2, 3, 4], [10, 20, 30, 40]).p_value == pytest.approx(2 / 24)
    x, y = np.arange(8.0), np.array([1.0, 0, 2, 3, 5, 4, 7, 6])
    exact = correlation_test(x, y, method="spearman", alternative="greater")
    assert exact.exact
    assert exact.n_permutations == 40320
    many = correlation_test(np.tile(x, 3), np.tile(y, 3), n_permutations=500, rng=generator(0))
    assert many.p_value == pytest.approx(1 / 501)
    assert not many.exact


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: permutation_test([], [1, 2, 3]), "x has 0 values"),
        (lambda: permutation_test([1], [2]), "one value each"),
        (lambda: permutation_test([1, np.nan], [2]), "x is nan"),
        (lambda: permutation_test([[1, 2]], [2]), "x has shape"),
        (lambda: unwrap(permutation_test)([1, 2], [3], alternative="up"), "alternative is 'up'"),
        (lambda: permutation_test(range(60), range(1, 61)), "rng is missing"),
        (lambda: sign_flip_test([1]), "differences has 1 values"),
        (lambda: correlation_test([1, 1, 1, 1], [1, 2, 3, 4]), "x is constant"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
