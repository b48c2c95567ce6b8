"""Confusion matrices: counts, exact intervals, and what must be refused."""

from __future__ import annotations

import numpy as np
import pytest

from bbb_core.balance.confusion import Confusion, confusion_matrix
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import binomial_interval

TABLE = {"a": {"a": 8, "b": 1, "none": 1}, "b": {"b": 20}}


def test_counts_and_rates():
    found = confusion_matrix(["a"] * 4 + ["b"], ["a", "a", "b", "none", "b"], groups=["a", "b"])
    assert found.labels == ("a", "b", "none")
    np.testing.assert_array_equal(found.counts, [[2, 1, 1], [0, 1, 0]])
    np.testing.assert_allclose(found.rates, [[0.5, 0.25, 0.25], [0, 1, 0]])
    assert Confusion.from_counts(TABLE).counts.tolist() == [[8, 1, 1], [0, 20, 0]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((["a"], ["a", "b"]), "one per image"),
        ((["a", "c"], ["a", "a"]), "true\\[1\\] is 'c'"),
        ((["a", "a"], ["a", "a"]), "no image of group 'b'"),
    ],
)
def test_bad_readings(arguments, words):
    with pytest.raises(InputError, match=words):
        confusion_matrix(*arguments, groups=["a", "b"])


def test_unexpected_label_is_never_a_zero():
    with pytest.raises(InputError, match="read\\[1\\] is 'c'"):
        confusion_matrix(["a", "b"], ["a", "c"], groups=["a", "b"], labels=["a", "b"])


@pytest.mark.parametrize(
    "table",
    [
        {"a": {"a": 3}, "b": {}},
        {"a": {"a": 3}, "b": {"b": 0}},
        {"a": {"a": 3}},
        {"a": {"a": 3}, "b": {"b": -1}},
        {"a": {"a": 3}, "b": {"b": 1.5}},
    ],
)
def test_hostile_tables(table):
    with pytest.raises(InputError):
        Confusion.from_counts(table)


def test_intervals_of_two_labels_are_exact_binomial_ones():
    """Bonferroni over the groups; each row of two labels is one binomial."""
    ends = Confusion.from_counts({"a": {"a": 8, "b": 2}, "b": {"b": 20}}).intervals()
    assert ends[0, 0] == pytest.approx(binomial_interval(8, 10, confidence=0.975))
    assert ends[1, 1] == pytest.approx((0.0125 ** (1 / 20), 1))  # no failure


def test_intervals_hold_for_all_groups_together():
    """600 matrices of two groups: all rates in at least 95 % (below 92.4 %: rate < 0.005)."""
    rng = generator(0, "rates")
    held = 0
    for _ in range(600):
        right = rng.uniform(0.7, 1.0, 2)
        hits = rng.binomial(40, right)
        table = {g: {g: int(h), o: int(40 - h)} for g, o, h in zip("ab", "ba", hits, strict=True)}
        ends = Confusion.from_counts(table).intervals()[[0, 1], [0, 1]]
        held += ((ends[:, 0] <= right) & (right <= ends[:, 1])).all()
    assert held / 600 >= 0.924


def test_names_must_match_the_table():
    with pytest.raises(InputError, match="not \\(2, 3\\)"):
        Confusion(groups=("a", "b"), labels=("a", "b", "c"), counts=np.eye(2, dtype=int))
    with pytest.raises(InputError, match="a name once"):
        Confusion(groups=("a", "a"), labels=("a", "b"), counts=np.eye(2, dtype=int))
