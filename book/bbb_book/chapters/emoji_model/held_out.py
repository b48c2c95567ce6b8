"""Combinations of occupation, group and tone that training never showed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.emoji_model.fidelity import exact_share
from bbb_book.data import emoji
from bbb_book.generators.studies import GROUPS, Study
from bbb_core.stats import mean_interval

__all__ = ["held_out_ratio", "held_out_table"]


def held_out_ratio(drawn: Mapping[str, Any], study: Study) -> dict[str, float]:
    r"""Return how often held-out tones are drawn, relative to the shown tones of the same prompt.

    1 means as often, 0 never. It is :math:`(k - 1)\, p / (1 - p)` for the share p of held-out
    tones among the k tones; the interval of p holds for these cells (exact) and for cells like
    them (`mean_interval`).
    """
    tones = np.asarray(drawn["named_tone_codes"])
    counts = []
    for cell in study.held_out:
        occupation, group, tone = cell.split("|")
        own = tones[emoji.OCCUPATIONS.index(occupation), GROUPS.index(group)]
        counts.append([(own == emoji.TONES.index(tone)).sum(), (own >= 0).sum()])
    hidden, read = np.array(counts).T
    read = read.clip(min=1)  # where nothing is read, one image that is not the tone
    exact, like = exact_share(int(hidden.sum()), int(read.sum())), mean_interval(hidden / read)
    ends = np.array([exact["value"], min(exact["low"], like.low), max(exact["high"], like.high)])
    ends = ends.clip(0, 1 - 1e-9)
    ratio = (len(emoji.TONES) - 1) * ends / (1 - ends)
    return {**dict(zip(("value", "low", "high"), ratio.tolist(), strict=True)), "n": len(counts)}


def held_out_table(drawn: Mapping[str, Any], study: Study) -> pd.DataFrame:
    """Return, per held-out combination, how many images of its prompt were read as it."""
    codes = np.asarray(drawn["named_tone_codes"])
    rows = {}
    for cell in study.held_out:
        occupation, group, tone = cell.split("|")
        own = codes[emoji.OCCUPATIONS.index(occupation), GROUPS.index(group)]
        count = int((own == emoji.TONES.index(tone)).sum())
        rows[f"{group} {occupation}, {tone}"] = {
            "drawn": f"{count} of {int((own >= 0).sum())}",
            "if as often as the others": f"{(own >= 0).sum() / len(emoji.TONES):.1f}",
        }
    return pd.DataFrame(rows).T.rename_axis("never shown in training")
