"""Repairs of the literature that know each row's group: common mean and spread, isotonic maps."""

from __future__ import annotations

import numpy as np
import pytest

from bbb_book.chapters.alignment_mitigation.isotonic_repair import isotonic
from bbb_book.scorers.standardising import standardise_by_group
from bbb_core.errors import InputError
from bbb_core.rng import generator


def test_groups_get_one_mean_and_one_spread():
    f, group = generator(9).random(100), np.array(["a", "b"] * 50)
    out = standardise_by_group(f + (group == "a"), group)
    assert out[group == "a"].mean() == pytest.approx(out[group == "b"].mean())
    assert out[group == "a"].std() == pytest.approx(out[group == "b"].std())


def test_scores_that_rounding_parts_have_no_spread():
    with pytest.raises(InputError, match="'b' are constant"):
        standardise_by_group([0.1, 0.5, 0.3, 0.1 + 0.2], ["a", "a", "b", "b"])


def test_an_increasing_truth_is_fitted_exactly():
    f, group = generator(9).random(100), np.array(["a", "b"] * 50)
    assert np.allclose(isotonic(f, f**2, group, new_scores=f, new_groups=group), f**2)
