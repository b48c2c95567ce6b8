"""The worst cell by sample splitting: nothing from noise, a planted error, never too much.

Statistical tests: each states the chance with which it fails although the code is right.
"""

from __future__ import annotations

import numpy as np
import pytest

from bbb_book.chapters.intersections.held_out_worst_group import split_worst_error
from bbb_core.errors import InputError
from bbb_core.rng import generator


def test_by_hand():
    """Two folds of one row each per cell: both ways of choosing agree on cell b."""
    r = [0.1, 0.2, -0.5, -0.3]
    found = split_worst_error(r, ["a", "a", "b", "b"], folds=2, rng=generator(0))
    assert found == pytest.approx(0.4)


def test_noise_gives_zero_on_average():
    """100 samples of 40 cells without error; five standard errors."""
    stream, cells = generator(1, "null"), np.repeat(np.arange(40), 15)
    found = [
        split_worst_error(stream.standard_normal(600), cells, partitions=3, rng=stream)
        for _ in range(100)
    ]
    plug_in = np.abs(stream.standard_normal(600).reshape(40, 15).mean(1)).max()
    assert abs(np.mean(found)) < 5 * np.std(found) / 10
    assert plug_in > 0.4  # what a maximum of noise looks like


def test_planted_error_is_approached_from_below():
    """One cell of 20 is 1.0 off, se of a cell 0.2: found nearly always; five standard errors."""
    stream, cells = generator(2, "planted"), np.repeat(np.arange(20), 24)
    found = []
    for _ in range(60):
        r = stream.standard_normal(480) - 1.0 * (cells == 7)
        found.append(split_worst_error(r, cells, partitions=5, rng=stream))
    assert 0.85 < np.mean(found) < 1 + 5 * np.std(found) / np.sqrt(60)


def test_strata_are_spread_over_the_folds():
    """Each stratum holds a value of its own; spread over folds they cancel in every fold."""
    cells = np.repeat(["a", "b"], 12)
    strata = np.tile(np.repeat(np.arange(4), 3), 2)
    r = np.where(strata % 2 == 0, 1.0, -1.0)
    found = split_worst_error(r, cells, strata=strata, folds=3, rng=generator(3))
    assert found == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("cells", "words"), [(["a"] * 3, "labels"), (["a", "a", "a", "b"], "one of 1 rows")]
)
def test_bad_input(cells, words):
    with pytest.raises(InputError, match=words):
        split_worst_error([0.1, 0.2, 0.3, 0.4], cells, rng=generator(0))
