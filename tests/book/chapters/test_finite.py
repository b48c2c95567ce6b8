"""Finite generators: definitions by another route, the lemma of D3, refusals."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbb_book.chapters.fairness_criteria.finite_generator import (
    FiniteGenerator,
    mixture,
    total_variation,
)
from bbb_book.chapters.fairness_criteria.internal_balance import internal_share_bounds
from bbb_core.balance import NONE
from bbb_core.errors import InputError

laws = (
    st.lists(st.integers(0, 9), min_size=4, max_size=4)
    .filter(sum)
    .map(lambda x: np.array(x) / sum(x))
)


@given(laws, laws)
def test_total_variation_is_the_largest_difference_over_sets(p, q):
    sets = chain.from_iterable(combinations(range(4), k) for k in range(5))
    largest = max(p[list(s)].sum() - q[list(s)].sum() for s in sets)
    assert total_variation(p, q) == pytest.approx(largest, abs=1e-12)
    assert total_variation(q, p) == total_variation(p, q)


@given(laws, laws, st.floats(0, 1))
def test_internal_shares_bracket_the_readers_shares_of_mixtures(p, q, w):
    groups = {"a": p, "b": q}
    g = FiniteGenerator(
        pictures="1234",
        readings=["a", "a", "b", "b"],
        neutral=mixture({"a": w, "b": 1 - w}, groups),
        groups=groups,
    )
    delta = g.separation()
    for group, weight in (("a", w), ("b", 1 - w)):
        low, high = internal_share_bounds(g.distances()[group], delta=delta, weight=weight)
        assert low - 1e-9 <= g.share(group) <= high + 1e-9


@given(laws, laws, laws)
def test_the_left_side_needs_no_mixture(neutral, p, q):
    g = FiniteGenerator(
        pictures="1234", readings=["a", NONE, "b", "b"], neutral=neutral, groups={"a": p, "b": q}
    )
    for group in ("a", "b"):
        assert g.internal_shares()[group] - g.separation() <= g.share(group) + 1e-9


def test_definitions_by_hand():
    g = FiniteGenerator(
        pictures=["1", "2", "3"],
        readings=["a", "b", NONE],
        neutral=[0.5, 0.25, 0.25],
        groups={"a": [1.0, 0.0, 0.0], "b": [0.0, 0.5, 0.5]},
    )
    assert g.shares() == {"a": 0.5, "b": 0.25, NONE: 0.25}
    assert g.separation() == 0.5
    assert g.imbalance() == 0.25
    assert g.imbalance({"a": 1.0, "b": 0.0}) == 0.5
    assert g.distances() == {"a": 0.5, "b": 0.5}
    assert g.internal_imbalance() == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"groups": {"a": [1.0, 0.0]}}, "fewer than two"),
        ({"neutral": [0.5, 0.6]}, "neutral sums to 1.1"),
        ({"neutral": [1.0]}, "neutral has 1 values"),
        ({"readings": ["a"]}, "differ in length"),
        ({"readings": ["a", "c"]}, "'c', which is no group"),
    ],
)
def test_bad_input_is_named(changes, words):
    good = {
        "pictures": ["1", "2"],
        "readings": ["a", "b"],
        "neutral": [0.5, 0.5],
        "groups": {"a": [1.0, 0.0], "b": [0.0, 1.0]},
    }
    with pytest.raises(InputError, match=words):
        FiniteGenerator(**{**good, **changes})


def test_mixtures_need_their_laws():
    with pytest.raises(InputError, match="lacks the group 'b'"):
        mixture({"a": 0.5, "b": 0.5}, {"a": [1.0]})
