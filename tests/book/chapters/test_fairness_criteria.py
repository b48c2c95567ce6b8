"""What the chapter on fairness criteria computes, by another route where there is one."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from bbb_book.chapters.fairness_criteria import criteria, small_samples
from bbb_book.chapters.fairness_criteria.lemma_trial import lemma_trial
from bbb_core.balance import representational_balance


def test_coverage_is_counted_over_every_sample():
    n, share = 7, 0.3
    expected = 0.0
    for k in range(n + 1):
        low, high = representational_balance({"a": k, "b": n - k}).interval
        if low - 1e-12 <= abs(share - 0.5) <= high + 1e-12:
            expected += comb(n, k) * share**k * (1 - share) ** (n - k)
    found = small_samples.interval_coverage(n, np.array([share]))
    assert found == pytest.approx([expected])
    grid = np.linspace(0, 1, 101)
    least = small_samples.least_coverage([7, 20], grid)
    assert 0.95 <= least == min(small_samples.interval_coverage(n, grid).min() for n in (7, 20))


def test_curves_have_a_column_per_size():
    curves = small_samples.coverage_curves([5, 9], confidence=0.8)
    assert curves.columns.tolist() == ["n = 5", "n = 9"]
    expected = small_samples.interval_coverage(9, np.array([0.25]), confidence=0.8)
    assert curves["n = 9"].loc[0.25] == pytest.approx(expected[0])


def test_two_images_of_a_balanced_generator_by_hand():
    row = small_samples.balanced_samples([2]).iloc[0]
    assert row["floor"] == pytest.approx(0.25)  # both alike with probability one half
    assert row["high"] == 0.5
    low, high = representational_balance({"a": 1, "b": 1}).share_intervals["a"]
    assert row["half_width"] == pytest.approx(max(0.5 - low, high - 0.5))


def test_one_group_only_is_the_largest_imbalance():
    assert small_samples.one_group_ratios([2, 5], n=3) == pytest.approx([1, 1])


def test_random_mixtures_stay_inside_the_lemma():
    trial = lemma_trial(100, seed=1)
    assert len(trial) > 50
    assert (trial["above"] <= 1 + 1e-6).all()
    assert (trial["below"] <= 1 + 1e-6).all()


def test_what_each_criterion_misses():
    table = criteria.criteria_table(criteria.counterexamples())
    assert table.to_numpy().tolist() == [[0, 0, 0], [0, 0, 0.5], [0, 0.5, 0], [1, 0.5, 0]]


def test_the_table_of_shares_is_text():
    toy = criteria.counterexamples()["other women"]
    table = criteria.shares_table(toy)
    assert table.loc["woman"].tolist() == ["0.500", "1.000", "0.000"]
