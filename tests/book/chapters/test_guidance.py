"""Prompts that guidance turns round."""

from __future__ import annotations

import numpy as np

from bbb_book.chapters.imbalanced_generations import figures
from bbb_book.chapters.imbalanced_generations.guidance import reversals, reversed_leans

# Men, women, none of four prompts: turned, sharpened, in balance before, in balance after.
FIRST = {"neutral": np.array([[4, 6, 0], [4, 6, 0], [5, 5, 0], [2, 8, 0]])}
LAST = {"neutral": np.array([[8, 2, 0], [0, 10, 0], [0, 10, 0], [5, 5, 0]])}
GUIDED = {1.0: FIRST, 4.0: LAST}


def test_only_a_change_of_side_is_a_reversal():
    assert reversed_leans(GUIDED).tolist() == [True, False, False, False]
    assert reversed_leans(dict(reversed(GUIDED.items()))).tolist() == [True, False, False, False]
    assert reversals(GUIDED) == {"leaning": 3, "reversed": 1}


def test_the_mean_imbalance_has_an_axis_of_its_own():
    left, right = figures.guidance(GUIDED).get_axes()
    assert left.get_ylim()[0] < 0 == right.get_ylim()[0]
    assert [line.get_linestyle() for line in left.get_lines()].count("--") == 1
