"""Shares of women in occupations in the United States (embedding chapter).

The figures are facts of the US Bureau of Labor Statistics for 2015 and 2016, as tabulated with the
Winogender schemas (`rudinger2018`) for their sixty occupations; occupations without a
figure of their own carry the one of the nearest class there (a "doctor" that of physicians).
They describe one labour market in two years. They are a yardstick, not a target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from types import MappingProxyType

import numpy as np

from bbb_core.io.tables import read_table

__all__ = ["labour_shares", "shares_of"]


def labour_shares() -> Mapping[str, float]:
    """Return the US share of women by occupation (`rudinger2018`), in [0, 1]; 0.5 is parity.

    Examples
    --------
    >>> labour_shares()["plumber"]
    0.007
    """
    file = str(files("bbb_core.embedding") / "labour_shares.csv")
    table = read_table(file, labels=["occupation"], numbers=["percent_women"])
    shares = (table.numbers["percent_women"] / 100).round(6).tolist()
    return MappingProxyType(dict(zip(table.keys("occupation"), shares, strict=True)))


def shares_of(nouns: Iterable[str]) -> np.ndarray:
    """Return the share of women of each noun, NaN where none is known; case does not count.

    Examples
    --------
    >>> shares_of(["Plumber", "astronaut"])
    array([0.007,   nan])
    """
    shares = {noun.casefold(): share for noun, share in labour_shares().items()}
    return np.array([shares.get(" ".join(noun.casefold().split()), np.nan) for noun in nouns])
