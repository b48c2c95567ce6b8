"""Shares of women in occupations in the United States (embedding chapter).

The figures are facts of the US Bureau of Labor Statistics for 2015 and 2016, as tabulated with the
Winogender schemas (`rudinger2018`) for their sixty occupations; occupations without a
figure of their own carry the one of the nearest class there (a "doctor" that of physicians).
They describe one labour market in two years. They are a yardstick, not a target.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from importlib.resources import files
from types import MappingProxyType

import numpy as np

__all__ = ["labour_shares", "shares_of"]


def labour_shares() -> Mapping[str, float]:
    """Return the US share of women by occupation (`rudinger2018`), in [0, 1]; 0.5 is parity.

    Examples
    --------
    >>> labour_shares()["plumber"]
    0.007
    """
    text = (files("bbb_core.embedding") / "labour_shares.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return MappingProxyType(
        {row["occupation"]: round(float(row["percent_women"]) / 100, 6) for row in rows}
    )


def shares_of(nouns: Iterable[str]) -> np.ndarray:
    """Return the share of women of each noun, NaN where none is known; case does not count.

    Examples
    --------
    >>> shares_of(["Plumber", "astronaut"])
    array([0.007,   nan])
    """
    shares = {noun.casefold(): share for noun, share in labour_shares().items()}
    return np.array([shares.get(" ".join(noun.casefold().split()), np.nan) for noun in nouns])
