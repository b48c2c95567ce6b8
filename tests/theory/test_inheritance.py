"""The law of inheritance for two groups: Bayes' rule."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbb_core.errors import InputError
from bbb_core.theory.inheritance import inherited_log_odds, inherited_share

REALS = st.floats(-3, 3)


@given(REALS, REALS, REALS)
def test_the_two_parts_are_bayes_rule(position, slope, switch):
    begotten, own = inherited_log_odds(position, slope, switch)
    assert float(begotten + own) == pytest.approx(slope * (position - switch), abs=1e-9)
    assert float(inherited_log_odds(0.5, slope, switch)[0]) == 0
    assert float(inherited_log_odds(position, slope, 0.5)[1]) == 0
    share = float(inherited_share(position, slope, switch))
    assert float(inherited_share(1 - position, slope, 1 - switch)) == pytest.approx(1 - share)
    assert float(inherited_share(switch, slope, switch)) == 0.5


def test_a_position_is_a_number():
    with pytest.raises(InputError, match="position"):
        inherited_share(math.nan, 1, 0.5)
