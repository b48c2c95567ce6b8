"""Representational balance: coverage by enumeration, traps of the field, refusals."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bbb_core.balance import NONE, representational_balance, sampling_floor
from bbb_core.errors import InputError


def _samples(n, names):
    rows = [c for c in product(range(n + 1), repeat=len(names)) if sum(c) == n]
    return np.array(rows), [
        representational_balance(dict(zip(names, c, strict=True)), confidence=0.9) for c in rows
    ]


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c"), ("a", "b", NONE)])
@pytest.mark.parametrize("n", [1, 6, 13])
def test_interval_covers_the_imbalance_of_every_generator(names, n):
    rows, balances = _samples(n, names)
    ends = np.array([b.interval for b in balances])
    aim = np.array(list(balances[0].target.values()))
    grid = np.array([c for c in product(range(11), repeat=len(names)) if sum(c) == 10]) / 10
    for shares in grid:
        truth = np.abs(shares - aim).sum() / 2
        mass = stats.multinomial.pmf(rows, n, shares)
        covered = (ends[:, 0] <= truth + 1e-12) & (truth <= ends[:, 1] + 1e-12)
        assert mass @ covered >= 0.9 - 1e-9


@pytest.mark.parametrize(
    "target", [[0.5, 0.5], [0.3, 0.7], [0.2, 0.3, 0.5], [1.0, 0.0], [0.999, 0.001]]
)
@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_floor_is_the_mean_over_all_counts(target, n):
    k = np.arange(n + 1)
    direct = sum(stats.binom.pmf(k, n, p) @ np.abs(k / n - p) for p in target) / 2
    assert sampling_floor(n, target) == pytest.approx(direct, abs=1e-12)


def test_one_group_only_is_never_fair():
    for counts, target in [
        ({"woman": 0, "man": 20}, None),
        ({"man": 20}, {"woman": 0.5, "man": 0.5}),  # the absent group is named by the target only
    ]:
        b = representational_balance(counts, target=target)
        assert b.imbalance == b.epsilon == 0.5
        assert b.interval[0] > 0.3
        assert b.shares == {"woman": 0, "man": 1}
    assert representational_balance({"a": 0, "b": 0, "c": 9}).imbalance == pytest.approx(2 / 3)


def test_images_read_as_nobody_count():
    b = representational_balance({"woman": 10, "man": 10, NONE: 20})
    assert b.imbalance == 0.5
    assert b.epsilon == 0.25
    assert b.target == {"woman": 0.5, "man": 0.5, NONE: 0}
    only = representational_balance({"woman": 0, "man": 0, NONE: 3})
    assert only.imbalance == 1


@given(
    st.lists(st.integers(0, 200), min_size=2, max_size=5).filter(sum),
    st.floats(0.5, 0.99),
    st.randoms(use_true_random=False),
)
def test_bounds_and_relabelling(counts, confidence, random):
    names = [f"g{i}" for i in range(len(counts))]
    b = representational_balance(dict(zip(names, counts, strict=True)), confidence=confidence)
    assert 0 <= b.interval[0] <= b.imbalance + 1e-12
    assert b.imbalance <= b.interval[1] + 1e-12
    assert b.imbalance <= 1 - 1 / len(counts) + 1e-12
    assert b.epsilon <= b.imbalance + 1e-12
    assert 0 < b.floor < 1
    assert sum(b.shares.values()) == pytest.approx(1)
    shuffled = names[:]
    random.shuffle(shuffled)
    other = representational_balance(
        dict(zip(shuffled, counts, strict=True)), confidence=confidence
    )
    assert other.imbalance == pytest.approx(b.imbalance)
    assert other.interval == pytest.approx(b.interval)
    reordered = representational_balance(
        dict(sorted(zip(names, counts, strict=True), reverse=True)),
        confidence=confidence,
    )
    for name in names:
        assert reordered.share_intervals[name] == pytest.approx(b.share_intervals[name])


@pytest.mark.parametrize(
    ("counts", "target", "words"),
    [
        ({}, None, "counts is empty"),
        ({"a": 0, "b": 0}, None, "counts are all zero"),
        ({"a": -1, "b": 2}, None, r"counts\['a'\] is -1"),
        ({"a": 1.5, "b": 2}, None, "whole number"),
        ({"a": float("nan"), "b": 2}, None, "whole number"),
        ({"a": True, "b": 2}, None, "whole number"),
        ({"a": 3}, None, "single group 'a'"),
        ({NONE: 3}, None, "only the outcome"),
        ({"a": 3}, {"a": 1.0}, "target has a single group"),
        ({"a": 3, "c": 1}, {"a": 0.5, "b": 0.5}, "the group 'c', which target lacks"),
        ({"a": 3, "b": 1}, {"a": 0.5, "b": 0.6}, "target sums to 1.1"),
        ({"a": 3, "b": 1}, {"a": 0.5, "b": 0.4, NONE: 0.1}, "is positive"),
        ({"a": 3, "b": 1}, {"a": 1.5, "b": -0.5}, "target is 1.5"),
        ({"a": 3, "b": 1}, {}, "no mapping with groups"),
    ],
)
def test_bad_input_is_named(counts, target, words):
    with pytest.raises(InputError, match=words):
        representational_balance(counts, target=target)
