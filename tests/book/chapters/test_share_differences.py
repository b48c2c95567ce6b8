"""Differences of shares under the symmetry: claims and bounds from counts that are planted."""

from __future__ import annotations

import numpy as np
import pytest

from bbb_book.chapters.sufficient_condition_at_work import figures, share_differences
from bbb_core.stats import binomial_interval

LEANS = [0.0, 0.1, 0.5]


def made(n=100):
    """Two shapes: the trained model draws the first group, the symmetrised one is even."""
    trained = [[[80, 20, 0], [60, 40, 0], [10, 90, 0]], [[70, 20, 10], [50, 50, 0], [0, 100, 0]]]
    even = [[[52, 48, 0], [40, 60, 0], [10, 90, 0]], [[44, 56, 0], [30, 70, 0], [20, 80, 0]]]
    return {
        "counts": np.array([trained, even]) * n // 100,
        "kl": np.array([0.0, 0.1, 2.0])[None, :, None] * np.ones((2, 3, 5)),
        "defect": np.full((2, 5), 0.02),
        "sheet": np.zeros((2, 2, 3, 2, 3, 8, 8), np.uint8),
        "names": ["disc", "square"],
    }


def test_differences_count_none_as_an_outcome():
    gaps = share_differences.absolute_differences(made())
    assert gaps.shape == (2, 2, 3)
    assert gaps[0, 1, 0] == pytest.approx(0.5)


def test_the_worst_shape_has_joint_limits():
    found = share_differences.neutral_worst(made(), LEANS)
    assert (found["value"], found["n"]) == (0.12, 100)
    assert found["low"] == 0
    # by hand: four exact intervals, of two shares in two shapes, at 1 - .05 / 4 each
    first, second = (binomial_interval(k, 100, confidence=1 - 0.05 / 4) for k in (44, 56))
    assert found["high"] == pytest.approx(second[1] - first[0])


def test_pooled_shapes_name_the_side():
    even = share_differences.neutral_even(made(), LEANS)
    assert even["value"] == pytest.approx(-0.04)  # 96 of the first group, 104 of the second
    plain = share_differences.neutral_plain(made(), LEANS)
    assert plain["value"] == pytest.approx(0.55)
    assert 0 < plain["low"] < plain["value"] < plain["high"]
    assert even["n"] == plain["n"] == 200


def test_bounds_come_from_the_mean_path_kl():
    bounds = share_differences.path_kl_bounds(made())
    expected = [0, 0.05**0.5, (1 - np.exp(-2)) ** 0.5]  # Pinsker's, then Bretagnolle and Huber's
    assert bounds == pytest.approx(np.array([expected, expected]))
    assert share_differences.bound_margin(made()) == pytest.approx(0.0)
    broken = made(n=1000)
    broken["kl"][:] = 0.0
    assert share_differences.bound_margin(broken) < -0.5  # 700 of 1000 apart, and no divergence


def test_imbalance_rises_with_the_lean():
    found = share_differences.rank_correlation(made(), LEANS)
    assert found == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 2}


def test_tables_and_figures_of_the_page():
    table = share_differences.reflection_table(made(), LEANS)
    assert table["path KL"].tolist() == ["0.00", "0.10", "2.00"]
    assert table["Lambda"].iloc[0] == ""
    defects = share_differences.defect_table(made(), LEANS)
    assert defects.loc["disc"].tolist() == ["0.02", "0.20", "0.60"]
    left, right = figures.curve(made(), LEANS).axes
    assert len(right.lines) == len(left.lines) + 1  # the bound
    figures.pictures(made(), LEANS)
