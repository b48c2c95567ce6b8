"""Intervals: coverage by enumeration of every outcome, and other routes to the same ends."""

from __future__ import annotations

from inspect import unwrap
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from bbb_core.errors import InputError
from bbb_core.stats import binomial_interval, multinomial_intervals, tv_interval


@pytest.mark.parametrize("n", [1, 2, 7, 20, 53])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("side", ["both", "lower", "upper"])
def test_binomial_coverage_is_guaranteed(n, confidence, side):
    k = np.arange(n + 1)
    low, high = binomial_interval(k, n, confidence=confidence, side=side)
    grid = np.unique(np.concatenate([np.linspace(0, 1, 301), low + 1e-12, high - 1e-12]).clip(0, 1))
    inside = (low <= grid[:, None]) & (grid[:, None] <= high)
    coverage = (stats.binom.pmf(k, n, grid[:, None]) * inside).sum(axis=1)
    assert coverage.min() >= confidence - 1e-9


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 17), (50, 100), (999, 1000)])
def test_binomial_agrees_with_scipy(k, n):
    theirs = stats.binomtest(k, n).proportion_ci(0.9, method="exact")
    assert binomial_interval(k, n, confidence=0.9) == pytest.approx(
        (theirs.low, theirs.high), abs=1e-12
    )


def _outcomes(n, k):
    return [c for c in product(range(n + 1), repeat=k) if sum(c) == n]


@pytest.mark.parametrize(("n", "k"), [(3, 2), (12, 2), (4, 3), (12, 3), (6, 4)])
def test_multinomial_and_tv_coverage_are_guaranteed(n, k):
    outcomes = _outcomes(n, k)
    boxes = np.array([multinomial_intervals(c, confidence=0.8) for c in outcomes])
    target = np.full(k, 1 / k)
    ranges = np.array([tv_interval(c, target, confidence=0.8) for c in outcomes])
    shares = np.array(_outcomes(7, k)) / 7
    for s in np.vstack([shares, target, np.eye(k)]):
        mass = stats.multinomial.pmf(outcomes, n, s)
        inside = ((boxes[:, :, 0] <= s + 1e-12) & (s <= boxes[:, :, 1] + 1e-12)).all(axis=1)
        assert mass @ inside >= 0.8 - 1e-9
        distance = np.abs(s - target).sum() / 2
        inside = (ranges[:, 0] <= distance + 1e-12) & (distance <= ranges[:, 1] + 1e-12)
        assert mass @ inside >= 0.8 - 1e-9


def test_two_outcomes_lose_nothing():
    for k in range(11):
        low, high = binomial_interval(k, 10)
        box = multinomial_intervals([k, 10 - k])
        assert box[0].tolist() == pytest.approx([low, high], abs=1e-14)
        assert box[1].tolist() == pytest.approx([1 - high, 1 - low], abs=1e-14)
        ends = tv_interval([k, 10 - k], [0.3, 0.7])
        assert ends[0] == pytest.approx(max(low - 0.3, 0.3 - high, 0), abs=1e-12)
        assert ends[1] == pytest.approx(max(abs(low - 0.3), abs(high - 0.3)), abs=1e-12)


def _tv_range_by_programs(box, target):
    """Least TV by one linear program, largest by one program per set of outcomes."""
    k = len(target)
    eye, ones, zero = np.eye(k), np.ones((1, k)), np.zeros((1, k))
    program = optimize.linprog(  # s, t with t >= s - pi, t >= 0: least sum of t
        np.concatenate([np.zeros(k), np.ones(k)]),
        A_ub=np.hstack([eye, -eye]),
        b_ub=target,
        A_eq=np.hstack([ones, zero]),
        b_eq=[1],
        bounds=[*map(tuple, box), *[(0, None)] * k],
    )
    largest = 0.0
    for inside in product([0.0, 1.0], repeat=k):
        c = np.array(inside)
        best = optimize.linprog(-c, A_eq=ones, b_eq=[1], bounds=list(map(tuple, box)))
        largest = max(largest, -best.fun - c @ target)
    return program.fun, largest


@pytest.mark.parametrize("counts", [(3, 4, 9), (0, 0, 5), (10, 2, 3, 1), (0, 30, 5, 5, 2)])
def test_tv_interval_agrees_with_linear_programs(counts):
    k = len(counts)
    for target in (np.full(k, 1 / k), np.eye(k)[0], np.arange(k) / np.arange(k).sum()):
        expected = _tv_range_by_programs(multinomial_intervals(counts), target)
        assert tv_interval(counts, target) == pytest.approx(expected, abs=1e-9)


def test_many_outcomes_give_a_safe_upper_end(monkeypatch):
    from bbb_core.stats import intervals

    counts, target = [9, 1, 4, 0, 7, 2, 3], np.full(7, 1 / 7)
    exact = tv_interval(counts, target)
    monkeypatch.setattr(intervals, "ENUMERATED", 3)
    relaxed = tv_interval(counts, target)
    assert relaxed[0] == exact[0]
    assert exact[1] - 1e-12 <= relaxed[1] <= exact[1] + 0.05
    assert tv_interval(np.ones(40, int), np.full(40, 1 / 40))[1] <= 1


@given(st.lists(st.integers(0, 60), min_size=2, max_size=6).filter(sum), st.data())
def test_intervals_hold_the_observed_shares_and_follow_the_labels(counts, data):
    x = np.array(counts)
    box = multinomial_intervals(x)
    shares = x / x.sum()
    assert (box[:, 0] <= shares + 1e-12).all()
    assert (shares <= box[:, 1] + 1e-12).all()
    assert (box >= 0).all()
    assert (box <= 1).all()
    order = data.draw(st.permutations(range(len(x))))
    np.testing.assert_allclose(multinomial_intervals(x[order]), box[order], atol=1e-12)
    target = np.full(len(x), 1 / len(x))
    low, high = tv_interval(x, target)
    assert 0 <= low <= np.abs(shares - target).sum() / 2 + 1e-12
    assert np.abs(shares - target).sum() / 2 <= high + 1e-12 <= 1 + 1e-12
    wider = tv_interval(x, target, confidence=0.99)
    assert wider[0] <= low + 1e-12
    assert high <= wider[1] + 1e-12


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: binomial_interval(3, 2), "successes is 3 but trials is 2"),
        (lambda: binomial_interval(-1, 2), "successes holds -1"),
        (lambda: binomial_interval(0.5, 2), "successes holds 0.5"),
        (lambda: binomial_interval(0, 0), "trials is 0"),
        (lambda: binomial_interval(1, 2, confidence=95.0), "confidence is 95"),
        (lambda: unwrap(binomial_interval)(1, 2, side="left"), "side is 'left'"),
        (lambda: binomial_interval([1, np.nan], 2), "successes is nan"),
        (lambda: multinomial_intervals([5]), "counts has 1 values"),
        (lambda: multinomial_intervals([0, 0]), "counts are all zero"),
        (lambda: tv_interval([1, 2], [0.5, 0.6]), "target sums to 1.1"),
        (lambda: tv_interval([1, 2], [0.2, 0.3, 0.5]), "target has shape"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
