"""Linear models attain T1: the recursion against sampled chains, the table against the bounds."""

from __future__ import annotations

import numpy as np
import pytest

from bbb_book.chapters.biased_embeddings.linear_model import attained_table, carries, drawn_law


def test_the_law_by_sampling_the_chain() -> None:
    """200,000 chains; mean and spread within five standard errors."""
    rng, n = np.random.default_rng(3), 200_000
    constants, sigmas, condition = [0.5, 2.0, 1.0], [1.0, 0.7, 2.0], 0.4
    x = rng.normal(size=n)
    for k in (2, 1, 0):
        carry = carries(constants, sigmas)[k]
        x = carry * x + constants[k] * condition + sigmas[k] * rng.normal(size=n)
    mean, spread = drawn_law(condition, constants, sigmas)
    assert x.mean() == pytest.approx(mean, abs=5 * spread / np.sqrt(n))
    assert x.std() == pytest.approx(spread, abs=5 * spread / np.sqrt(2 * n))


def test_equality_for_every_number_of_steps() -> None:
    table = attained_table(steps=[1, 2, 7, 50, 400], seed=1, delta=0.02)
    np.testing.assert_allclose(table.sharp, table.exact, rtol=1e-9)
    np.testing.assert_allclose(table.guaranteed, table.share, rtol=1e-9)
    assert (table.exact < table.triangle).all()
    assert table.exact.nunique() == len(table)
