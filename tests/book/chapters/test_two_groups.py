"""Closed forms for two groups: brute force, the general functions, exact coverage (T7)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bbb_book.chapters.fairness_criteria.finite_generator import FiniteGenerator, mixture
from bbb_book.chapters.fairness_criteria.internal_balance import internal_share_bounds
from bbb_book.chapters.whose_label import two_groups as two
from bbb_core.balance.labels import correct_labels
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import binomial_interval

UNIT = st.floats(0, 1, allow_nan=False).map(lambda x: round(x, 3))
RANGE = st.tuples(UNIT, UNIT).map(sorted)


@settings(max_examples=150, deadline=None)
@given(q=RANGE, t=RANGE, f=RANGE)
def test_compatible_shares_are_those_of_a_grid_search(q, t, f):
    """For a fixed share the attainable rates are an interval: compare it with [q-, q+]."""
    s = np.linspace(0, 1, 2001)
    lowest = s * t[0] + (1 - s) * f[0]
    highest = s * t[1] + (1 - s) * f[1]
    possible = s[(lowest <= q[1] + 1e-12) & (highest >= q[0] - 1e-12)]
    low, high = two.compatible_shares(q, t, f)
    if len(possible) == 0:
        assert np.isnan(low) or high - low < 1 / 2000
    else:
        slack = 1 / 2000 + 1e-9
        assert np.isnan(low) or (abs(low - possible[0]) <= slack)
        assert np.isnan(high) or (abs(high - possible[-1]) <= slack)
        assert not np.isnan(low) or possible[-1] - possible[0] <= slack


def test_corrected_shares_equal_the_linear_program():
    rng = generator(3, "two groups")
    for _ in range(25):
        a, b = int(rng.integers(15, 31)), int(rng.integers(0, 16))
        k = int(rng.integers(0, 41))
        table = {"a": {"a": a, "b": 30 - a}, "b": {"a": b, "b": 30 - b}}
        low, high = two.corrected_shares(k, 40, seen_a=a, n_a=30, seen_b=b, n_b=30)
        if a == b:  # the general function refuses a singular table
            continue
        if np.isnan(low):
            with pytest.raises(InputError, match="cannot come from"):
                correct_labels({"a": k, "b": 40 - k}, table)
            continue
        found = correct_labels({"a": k, "b": 40 - k}, table, method="exact")
        # the general function widens its range to hold the estimate
        ends = min(float(low), found.shares["a"]), max(float(high), found.shares["a"])
        assert found.interval["a"] == pytest.approx(ends, abs=1e-6)


@pytest.mark.parametrize("error", [0.0, 0.07, 0.4])
def test_bounds_without_refusals_widen_the_exact_interval(error):
    for k in (0, 3, 20, 40):
        low, high = binomial_interval(k, 40)
        ends = np.clip([(low - error) / (1 - error), high / (1 - error)], 0, 1)
        assert np.allclose(two.bounded_shares(k, 40, error=error), ends)


def test_bounds_with_refusals_hold_for_every_reader_and_are_sharp():
    """Readers that misread at most e of a group and refuse at will, without sampling noise."""
    e, n = 0.1, 10**9
    widest = {}
    for s, lost, gained, r_a, r_b in itertools.product(
        (0.2, 0.5, 0.8), (0, e), (0, e), (0, 0.3), (0, 0.3)
    ):
        q_a = s * (1 - lost - r_a) + (1 - s) * gained
        r = s * r_a + (1 - s) * r_b
        low, high = two.bounded_shares(round(q_a * n), n, error=e, refused=round(r * n))
        assert low - 1e-4 <= s <= high + 1e-4
        widest.setdefault(s, []).append((s - low, high - s))
    for gaps in widest.values():
        assert np.min(gaps, axis=0) == pytest.approx([0, 0], abs=2e-4)  # both ends are attained


def test_exact_coverage_by_counting_every_audit():
    """No simulation: all counts of q, t and f, with their probabilities."""
    n, m = 12, 8
    k, a, b = np.meshgrid(np.arange(n + 1), np.arange(m + 1), np.arange(m + 1), indexing="ij")
    low, high = two.corrected_shares(k, n, seen_a=a, n_a=m, seen_b=b, n_b=m)
    for s, t, f in itertools.product((0.0, 0.1, 0.5, 0.9), (0.6, 0.95), (0.05, 0.4)):
        p = (
            stats.binom.pmf(k, n, two.reading_rate(s, t, f))
            * stats.binom.pmf(a, m, t)
            * stats.binom.pmf(b, m, f)
        )
        assert p.sum() == pytest.approx(1)
        assert p[(low <= s + 1e-9) & (high >= s - 1e-9)].sum() >= 0.95


def test_drift_pays_for_rates_that_moved():
    """t and f 0.1 off: the plain interval ends up beside the truth, the wider one holds it."""
    q = round(two.reading_rate(0.5, 0.8, 0.1) * 10**7)
    shown = {"seen_a": 9 * 10**6, "n_a": 10**7, "seen_b": 2 * 10**6, "n_b": 10**7}
    low, high = two.corrected_shares(q, 10**7, **shown)
    assert high < 0.5
    assert high == pytest.approx((0.45 - 0.2) / 0.7, abs=2e-3)
    low, high = two.corrected_shares(q, 10**7, drift=0.1, **shown)
    assert low <= 0.5 <= high
    ends = (0.45 - 0.3) / (1.0 - 0.3), (0.45 - 0.1) / (0.8 - 0.1)  # q, f and t at their ends
    assert np.allclose((low, high), ends, atol=3e-3)


def test_correction_inverts_the_reading():
    s = np.linspace(0, 1, 11)
    assert two.corrected_value(two.reading_rate(s, 0.85, 0.3), 0.85, 0.3) == pytest.approx(s)
    assert np.isnan(two.corrected_value(0.4, 0.5, 0.5))
    assert two.corrected_value(0.1, 0.9, 0.2) == 0  # moved into [0, 1]


def test_leaky_shares_hold_on_finite_laws_and_are_attained():
    """Women's prompt leaks delta, men's obeys (and the reverse): both ends are reached."""
    for leak in ((0.2, 0.0), (0.0, 0.2), (0.2, 0.2)):
        laws = {"a": [1 - leak[0], leak[0]], "b": [leak[1], 1 - leak[1]]}
        for w in (0.0, 0.3, 1.0):
            g = FiniteGenerator(
                pictures=["1", "2"],
                readings=["a", "b"],
                neutral=mixture({"a": w, "b": 1 - w}, laws).tolist(),
                groups=laws,
            )
            low, high = two.leaky_shares(w, w, leak=g.separation())
            assert low - 1e-12 <= g.share("a") <= high + 1e-12
    assert two.leaky_shares(0.3, 0.3, leak=0.2)[0] == pytest.approx(0.3 * 0.8)
    assert two.leaky_shares(0.3, 0.3, leak=0.2)[1] == pytest.approx(0.3 + 0.7 * 0.2)
    v = internal_share_bounds(0.0, delta=0.2)[0]  # the lemma of D3 at w = 1 agrees
    assert v == pytest.approx(two.leaky_shares(1, 1, leak=0.2)[0])


def test_refusal_moves_odds_by_the_ratio_of_answer_rates():
    for s, a, b in itertools.product((0.1, 0.5, 0.8), (0.3, 0.9), (0.45, 0.6)):
        u = two.answered_share(s, a, b)
        odds = u / (1 - u) * b / a
        assert odds / (1 + odds) == pytest.approx(s)
        low, high = two.shares_from_odds(u, u, ratio=max(a / b, b / a))
        assert low - 1e-12 <= s <= high + 1e-12
        assert min(abs(low - s), abs(high - s)) < 1e-12  # the bound is attained
    assert np.isnan(two.answered_share(0.5, 0.0, 0.0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: two.compatible_shares([0.6, 0.5], [1, 1], [0, 0]), "q has a low end"),
        (lambda: two.compatible_shares(0.5, [1, 1], [0, 0]), "q has shape"),
        (lambda: two.bounded_shares(1, 2, error=1.0), "error reaches 1"),
        (lambda: two.shares_from_odds(0.1, 0.2, ratio=0.5), "ratio"),
        (lambda: two.reading_rate(1.5, 0.9, 0.1), "share"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
