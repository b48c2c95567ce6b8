"""Where the neutral prompt lies: structure and inequalities of T1 on small runs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from bbb_book.chapters.biased_embeddings.neutral_positions import (
    impure_prompts_table,
    late_decision_table,
    position_table,
    price_table,
    radius_table,
)
from bbb_core.errors import InputError


def test_guaranteed_shares_stay_below_the_drawn_share() -> None:
    table = position_table(
        positions=[0.02, 0.2, 0.5, 1.0], purity=0.95, separation=4.0, steps=30, n=300, seed=0
    )
    for form in ("lipschitz", "pair", "certified", "path"):
        assert (table[form] <= table.share).all()
    assert (table.lipschitz <= table.pair).all()
    assert (table.triangle <= table.lipschitz).all()
    assert table.share.is_monotonic_decreasing
    at_half = table[table.position == 0.5]
    np.testing.assert_allclose(at_half.imbalance, 0, atol=1e-9)
    np.testing.assert_allclose(table.radius, table.position * 0.9)


def test_inside_the_necessary_radius_balance_is_impossible() -> None:
    table = radius_table(purity=0.95, separation=4.0, steps=30, epsilon=0.1, points=4)
    assert (table.imbalance > 0.1).all()
    assert table.radius.iloc[-1] == table.necessary.iloc[0]
    # by hand, with delta the share of b under p_a
    delta = 0.5 - table.imbalance.iloc[0]
    product = table.necessary[0] * table.constant[0]
    assert product == pytest.approx((norm.isf(delta) - norm.ppf(0.6)) / 2)
    assert table.triangle[0] * table.constant[0] == pytest.approx(0.4 - delta)


def test_price_of_smoothness_is_paid_by_the_oracle() -> None:
    table = price_table(radii=[0.01, 0.1], purity=0.9, separation=4.0, steps=30)
    assert (table.triangle <= table.required).all()
    assert (table.required <= table.constant).all()
    delta = norm.sf(2 * 0.01 * table.required.iloc[0])  # T1 solved for delta
    assert table.triangle.iloc[0] == pytest.approx((0.5 - delta) / 0.01)
    np.testing.assert_allclose(table.required.iloc[0], 10 * table.required.iloc[1])


def test_impurity_must_be_counted() -> None:
    table = impure_prompts_table(purities=[0.6, 0.8], position=0.05, separation=4.0, steps=20)
    assert (table.without_delta > table.share).all()
    assert (table.with_delta <= table.share).all()


def test_late_decision() -> None:
    table = late_decision_table(steps=8, n=30, seed=0)
    assert table.share.tolist() == [1, 0]
    assert (table.noisy_kl == 0).all()


def test_purity_is_checked() -> None:
    with pytest.raises(InputError, match=r"purity is 0\.4"):
        position_table(positions=[0.1], purity=0.4, separation=4.0, steps=5, n=30, seed=0)
