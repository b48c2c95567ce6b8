"""Shares of women in occupations in the United States (embedding chapter).

The figures are facts of the US Bureau of Labor Statistics for 2015 and 2016, as tabulated with the
Winogender schemas (`rudinger2018`) for their sixty occupations; occupations without a
figure of their own carry the one of the nearest class there (a "doctor" that of physicians).
They describe one labour market in two years. They are a yardstick, not a target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.tables import read_table

__all__ = ["labour_shares", "shares_of"]


def labour_shares(path: str | Path | None = None) -> Mapping[str, float]:
    """Read the share of women by occupation, each in [0, 1].

    Parameters
    ----------
    path
        A table with the columns ``occupation,percent_women,year``; by default the vendored
        US figures (`rudinger2018`).

    Returns
    -------
    Mapping[str, float]
        Share of women; 0.5 is parity.

    Raises
    ------
    InputError
        When the file is missing or a row is malformed; the row is named.

    Examples
    --------
    >>> labour_shares()["plumber"]
    0.007
    """
    source = str(files("bbb_core.embedding") / "labour_shares.csv") if path is None else path
    table = read_table(
        source,
        name="labour shares",
        labels=["occupation"],
        numbers=["percent_women"],
        counts=["year"],
    )
    occupations, percent = table.keys("occupation"), table.numbers["percent_women"]
    year = table.counts["year"]
    for wrong, what in (
        (~((percent >= 0) & (percent <= 100)), "percent_women must lie in [0, 100]"),
        ((year < 1000) | (year > 9999), "year must have four digits"),
    ):
        if wrong.any():
            raise InputError(f"{table.place(int(wrong.argmax()))}: {what}; mend that row.")
    if not occupations:
        raise InputError(f"labour shares {source} holds no row; give at least one occupation.")
    shares = (percent / 100).round(6).tolist()
    return MappingProxyType(dict(zip(occupations, shares, strict=True)))


def shares_of(nouns: Iterable[str]) -> np.ndarray:
    """Return the share of women of each noun, NaN where none is known; case does not count.

    Examples
    --------
    >>> shares_of(["Plumber", "astronaut"])
    array([0.007,   nan])
    """
    shares = {noun.casefold(): share for noun, share in labour_shares().items()}
    return np.array([shares.get(" ".join(noun.casefold().split()), np.nan) for noun in nouns])
