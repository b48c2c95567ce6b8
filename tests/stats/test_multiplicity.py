"""Adjusted p-values against their definitions and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bbb_core.errors import InputError
from bbb_core.stats.multiplicity import benjamini_hochberg, holm

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def _holm_by_steps(p, alpha):
    """Reject the smallest p while it is at most alpha over the number that are left."""
    rejected = np.zeros(len(p), bool)
    for step, i in enumerate(np.argsort(p, kind="stable")):
        if p[i] * (len(p) - step) > alpha:
            break
        rejected[i] = True
    return rejected


@given(p_values, st.floats(0.001, 0.5))
def test_holm_rejects_what_the_procedure_rejects(p, alpha):
    assert (holm(p) <= alpha).tolist() == _holm_by_steps(np.array(p), alpha).tolist()


@given(p_values)
def test_benjamini_hochberg_agrees_with_scipy(p):
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), rtol=1e-12)


@given(p_values, st.data())
def test_adjusted_values_are_ordered_and_follow_the_labels(p, data):
    order = data.draw(st.permutations(range(len(p))))
    x = np.array(p)
    for adjust in (holm, benjamini_hochberg):
        adjusted = adjust(x)
        assert (adjusted >= x - 1e-15).all()
        assert (adjusted <= 1).all()
        np.testing.assert_allclose(adjust(x[order]), adjusted[order])
        assert (np.diff(adjusted[np.argsort(x, kind="stable")]) >= 0).all()
    assert (benjamini_hochberg(x) <= holm(x) + 1e-15).all()


@pytest.mark.parametrize("bad", [[0.1, np.nan], [], [1.2], [-0.1], [[0.1]]])
def test_bad_p_values_are_refused(bad):
    for adjust in (holm, benjamini_hochberg):
        with pytest.raises(InputError, match=r"^p "):
            adjust(bad)
