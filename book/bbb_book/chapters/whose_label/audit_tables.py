"""Tables of the chapter on unknown labels: errors, the price of each approach, the mixture test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.whose_label.simulated_audits import APPROACHES
from bbb_book.chapters.whose_label.world import WITNESSES
from bbb_core.stats import binomial_interval

__all__ = [
    "error_levels",
    "error_table",
    "noticed_table",
    "price_table",
    "rates_table",
    "worst_count",
]


def error_levels(rates: Any) -> list[str]:
    """Return the mean error of the reader at every noise level, in words."""
    mean = (1 - np.asarray(rates)[:, 0] + np.asarray(rates)[:, 1]) / 2
    return [f"{100 * x:.0f} %" for x in mean]


def error_table(noises: Sequence[float], rates: Any, witnesses: Any, bounds: Any) -> pd.DataFrame:
    """Return the errors of reader and witnesses at every noise level, in per cent."""
    table = pd.DataFrame(
        {
            "noise": [f"{x:g}" for x in noises],
            "women misread": 1 - np.asarray(rates)[:, 0],
            "men misread": np.asarray(rates)[:, 1],
            "bound stated": np.asarray(bounds),
            "women misread, no labels": 1 - np.asarray(witnesses)[..., 0].mean(axis=1),
            "men misread, no labels": np.asarray(witnesses)[..., 1].mean(axis=1),
        }
    ).set_index("noise")
    return table.map(lambda x: f"{100 * x:.1f} %")


def noticed_table(
    found: Mapping[str, Any], shares: Sequence[float], *, repeats: int, confidence: float
) -> pd.DataFrame:
    """Return how often each witness says "no mixture", with exact intervals."""
    counts = np.asarray(found["noticed"])
    low, high = binomial_interval(counts, repeats, confidence=confidence)
    cases = [f"{x:.0%} of neither group" for x in shares] + ["group prompts draw one tone only"]
    cells = [
        [f"{k / repeats:.2f} [{a:.2f}, {b:.2f}]" for k, a, b in zip(*row, strict=True)]
        for row in zip(counts, low, high, strict=True)
    ]
    return pd.DataFrame(cells, index=pd.Index(cases, name="neutral prompt"), columns=WITNESSES)


def price_table(table: pd.DataFrame, rates: Any, *, share: float) -> pd.DataFrame:
    """Return the mean width of each approach's interval, smallest and largest audits, per level."""
    rows = table[table["share"] == share]
    wide = rows.assign(width=rows["high"] - rows["low"]).pivot_table(
        index="road", columns=["n", "level"], values="width"
    )
    sizes = [min(rows["n"]), max(rows["n"])]
    names = error_levels(rates)
    shown = [0, (len(names) - 1) // 2, len(names) - 1]
    return (
        pd.DataFrame(
            {
                f"n = {n}, error {names[k]}": wide[n, k].map("{:.2f}".format)
                for n in sizes
                for k in dict.fromkeys(shown)
            }
        )
        .reindex(APPROACHES)
        .rename_axis("method")
    )


def rates_table(noticed: Any, rows: Sequence[int], repeats: int) -> pd.DataFrame:
    """Return the counts of some cases as ``noticed`` of ``audits``, one row per case and score."""
    counts = np.asarray(noticed)[list(rows)].ravel()
    return pd.DataFrame({"noticed": counts, "audits": repeats})


def worst_count(table: pd.DataFrame, column: str, *, which: str) -> tuple[int, int]:
    """Return the ``largest`` or ``smallest`` count of a column over settings, and of how many."""
    rates = table[column] / table["audits"]
    row = table.loc[rates.idxmax() if which == "largest" else rates.idxmin()]
    return int(row[column]), int(row["audits"])
