"""Occupations of published data matched with those that have a US labour share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bbb_core.embedding.labour import shares_of

__all__ = ["labour_matches"]


def labour_matches(names: Sequence[str]) -> pd.DataFrame:
    """Match names with the occupations that have a US labour share, by name or head noun.

    Returns
    -------
    pandas.DataFrame
        Index ``occupation``; ``noun`` (of the labour table, else empty), ``match`` (``same name``,
        ``head noun`` or empty), ``share`` of women in [0, 1] (NaN without one).

    Examples
    --------
    >>> labour_matches(["Nurse", "civil engineer", "roofer"])["match"].tolist()
    ['same name', 'head noun', '']
    """
    rows = []
    for name in names:
        words = name.casefold().split()
        found = [
            (noun, kind)
            for noun, kind in ((" ".join(words), "same name"), (words[-1], "head noun"))
            if not np.isnan(shares_of([noun])[0])
        ]
        noun, kind = found[0] if found else ("", "")
        rows.append((noun, kind, float(shares_of([noun])[0]) if noun else np.nan))
    index = pd.Index(list(names), name="occupation")
    return pd.DataFrame(rows, columns=["noun", "match", "share"], index=index)
