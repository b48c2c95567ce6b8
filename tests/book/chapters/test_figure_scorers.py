"""Scorers of procedural figures: captions decide the sign, the world decides nothing."""

from __future__ import annotations

import numpy as np
import pytest

from bbb_book.chapters.alignment_auditing import figure_audits
from bbb_book.chapters.alignment_auditing.figure_scorers import measure_figure_scorer
from bbb_core.errors import InputError


def test_captions_decide_the_sign():
    """Gaps at shares .9 and .1 are about two deviations apart; seeds are fixed."""
    gaps = {}
    for share in (0.1, 0.9):
        made = measure_figure_scorer(share, steps=80, n=20, seed=0)
        assert made["right"][:, 1].mean() > 0.9
        gaps[share] = figure_audits.figure_gap({share: [made]}, share)["value"]
    assert gaps[0.9] > 0.5
    assert gaps[0.1] < -0.5


def test_a_gap_by_hand():
    scores = np.zeros((2, 2, 4, 2))
    scores[:, 0, :, 0] = [1, 1, 3, 3]  # red, mean 2
    scores[:, 1, :, 0] = [0, 0, 2, 2]  # green, mean 1
    scores[..., 1] = [[1, 2, 3, 4], [1, 2, 3, 4]]
    made = {0.8: [{"scores": scores, "text_gap": np.ones(2), "right": np.ones((8, 2), bool)}]}
    spread = np.std([1, 1, 3, 3, 0, 0, 2, 2])
    assert figure_audits.figure_gap(made, 0.8)["value"] == pytest.approx(1 / spread)
    assert figure_audits.figure_gap(made, 0.8, "subclass-score")["value"] == 0
    assert figure_audits.figure_table(made).loc["80 %", "shape read"] == "1.00"


def test_a_share_is_a_probability():
    with pytest.raises(InputError, match="share"):
        measure_figure_scorer(1.5, steps=2, n=2, seed=0)
