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
from pathlib import Path
from types import MappingProxyType

import numpy as np

from bbb_core.errors import InputError

__all__ = ["labour_shares", "shares_of"]

_COLUMNS = ["occupation", "percent_women", "year"]


def labour_shares(path: str | Path | None = None) -> Mapping[str, float]:
    """Read the share of women by occupation, each in [0, 1].

    Parameters
    ----------
    path
        A CSV file with the columns ``occupation,percent_women,year``; by default the vendored
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
    source = files("bbb_core.data") / "labour_shares.csv" if path is None else Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"labour shares {source} cannot be read as UTF-8 text: {error}.") from None
    rows = list(csv.reader(text.splitlines()))
    if not rows or rows[0] != _COLUMNS:
        raise InputError(f"labour shares {source} must start with the line {','.join(_COLUMNS)}.")
    shares: dict[str, float] = {}
    for number, row in enumerate(rows[1:], start=2):
        place = f"labour shares {source}, line {number}"
        if len(row) != len(_COLUMNS):
            raise InputError(f"{place}: {len(_COLUMNS)} cells expected, {len(row)} found.")
        occupation, percent, year = row
        try:
            value = float(percent)
        except ValueError:
            value = float("nan")
        if not 0.0 <= value <= 100.0:
            raise InputError(f"{place}: percent_women must lie in [0, 100], not {percent!r}.")
        if not (year.isdigit() and len(year) == 4):
            raise InputError(f"{place}: year must have four digits, not {year!r}.")
        if not occupation or occupation in shares:
            raise InputError(f"{place}: occupation {occupation!r} is empty or was named before.")
        shares[occupation] = round(value / 100.0, 6)
    if not shares:
        raise InputError(f"labour shares {source} holds no row; give at least one occupation.")
    return MappingProxyType(shares)


def shares_of(nouns: Iterable[str]) -> np.ndarray:
    """Return the share of women of each noun, NaN where none is known; case does not count.

    Examples
    --------
    >>> shares_of(["Plumber", "astronaut"])
    array([0.007,   nan])
    """
    shares = {noun.casefold(): share for noun, share in labour_shares().items()}
    return np.array([shares.get(" ".join(noun.casefold().split()), np.nan) for noun in nouns])
