"""Columns of scores that cannot be scores are found: constant, reversed, unrelated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bbb_book.chapters.real_alignment_scores.screening import screen_scores
from bbb_core.errors import InputError
from bbb_core.rng import generator


def test_screening_finds_planted_defects():
    rng = generator(4)
    stratum = np.repeat(np.arange(20), 25)
    quality = rng.standard_normal(500)
    columns = {f"s{i}": quality + rng.standard_normal(500) for i in range(3)}
    columns |= {"flat": np.ones(500), "turned": -quality, "noise": rng.standard_normal(500)}
    found = screen_scores(pd.DataFrame(columns), within=stratum).set_index("column")
    assert found["finding"].to_dict() == {
        "s0": "plausible", "s1": "plausible", "s2": "plausible",
        "flat": "constant", "turned": "reversed", "noise": "unrelated",
    }  # fmt: skip


def test_screening_needs_strata_to_resample():
    columns = pd.DataFrame(generator(5).standard_normal((40, 4)))
    with pytest.raises(InputError, match="within has 5 strata; pass at least 6"):
        screen_scores(columns, within=np.arange(40) % 5)
