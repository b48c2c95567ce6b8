"""Internal balance (D3): by hand, and the lemma on finite laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbb_book.chapters.fairness_criteria.internal_balance import (
    internal_imbalance,
    internal_share_bounds,
)
from bbb_core.errors import InputError

unit = st.floats(0.0, 1.0)


def test_internal_balance_by_hand() -> None:
    assert internal_imbalance([0.2, 0.5, 0.3]) == pytest.approx(0.3)
    assert internal_imbalance([0.2, 0.2]) == 0
    low, high = internal_share_bounds([0.4, 0.98, 0.01], delta=0.05)
    assert low.tolist() == pytest.approx([0.55, 0.0, 0.94])
    assert high.tolist() == pytest.approx([0.65, 0.07, 1.0])
    assert internal_share_bounds(0.4, delta=0.05, weight=0.6)[1] == pytest.approx(0.62)


@given(seed=st.integers(0, 10_000), w=unit)
def test_internal_share_lemma_on_finite_laws(seed: int, w: float) -> None:
    """Two groups' laws on four points; the last two points are read as neither or wrongly."""
    rng = np.random.default_rng(seed)
    cells = np.array([0, 1, 0, 2])  # point -> group a, b, or none (2)
    law_a, law_b = rng.dirichlet([5, 0.3, 2, 0.3]), rng.dirichlet([0.3, 5, 0.3, 0.5])
    delta = max(1 - law_a[cells == 0].sum(), 1 - law_b[cells == 1].sum())
    neutral = w * law_a + (1 - w) * law_b
    distance = np.abs(neutral - law_a).sum() / 2
    low, high = internal_share_bounds(distance, delta=min(delta, 1.0), weight=w)
    share = neutral[cells == 0].sum()
    assert low - 1e-12 <= share <= high + 1e-12


def test_both_sides_of_the_internal_share_lemma_are_attained() -> None:
    delta, w = 0.1, 0.3
    # left: group a's own law errs by delta, the other lies nowhere near it
    law_a, law_b = np.array([1 - delta, 0, delta]), np.array([0, 1.0, 0])
    neutral = w * law_a + (1 - w) * law_b
    low, _ = internal_share_bounds(np.abs(neutral - law_a).sum() / 2, delta=delta / w * w)
    assert neutral[0] >= low
    alone = np.abs(law_a - law_a).sum() / 2  # p = p_a: v = 1, share = 1 - delta
    assert internal_share_bounds(alone, delta=delta)[0] == pytest.approx(law_a[0])
    # right: b's errors fall into S_a on a point that a never draws
    law_a, law_b = np.array([1.0, 0, 0]), np.array([0, delta, 1 - delta])
    neutral = w * law_a + (1 - w) * law_b
    distance = np.abs(neutral - law_a).sum() / 2
    high = internal_share_bounds(distance, delta=delta, weight=w)[1]
    assert neutral[:2].sum() == pytest.approx(high)  # S_a: points 0 and 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: internal_imbalance([[0.1, 0.2]]), "distances has shape"),
        (lambda: internal_imbalance([0.1]), "distances has shape"),
    ],
)
def test_bad_input_names_the_argument(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
