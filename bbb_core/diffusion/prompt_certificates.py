"""What is known of many prompts' pictures: certificates, and whether named groups are drawn."""

from __future__ import annotations

from typing import Any

import pandas as pd
from torch import Tensor

from bbb_core.diffusion.model_audit import audit_model
from bbb_core.diffusion.process import ReverseProcess
from bbb_core.stats.intervals import binomial_interval

__all__ = ["certified_prompts", "read_as_named"]


def certified_prompts(
    process: ReverseProcess, rows: Tensor, table: pd.DataFrame, *, confidence: float, **options: Any
) -> pd.DataFrame:
    """Return `audit_model`'s table of each family; all bounds of all prompts hold together.

    Parameters
    ----------
    process
        The generator; every step must add noise.
    rows
        The embeddings of the prompts, [m, ...].
    table
        A row per prompt, those of a family together: ``family``, its number; ``kind``,
        ``neutral`` or the name of a group; ``prompt``.
    confidence
        Level at which all rows hold together (Bonferroni over families, and groups in each).
    options
        Of `audit_model`: n, delta, seed.

    Returns
    -------
    pandas.DataFrame
        ``prompt``, the neutral one, ``group``, and the columns of `ModelAudit.by_group`.
    """
    each = 1 - (1 - confidence) / table["family"].nunique()
    parts = []
    for _, own in table.groupby("family"):
        neutral, *groups = own.index
        named = {str(own["kind"][i]): rows[i] for i in groups}
        found = audit_model(process, rows[neutral], named, confidence=each, **options).by_group
        found.insert(0, "prompt", own["prompt"][neutral])
        parts.append(found)
    return pd.concat(parts, ignore_index=True)


def read_as_named(table: pd.DataFrame, counts: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """Return how often the pictures of each group's prompt are read as that group.

    Where that is seldom, either the generator does not draw the group or the reader does not see
    it. Exact intervals hold for all rows together (Bonferroni).

    Parameters
    ----------
    table
        See `certified_prompts`.
    counts
        Readings: a row per prompt of `table`, a column per label.

    Returns
    -------
    pandas.DataFrame
        ``prompt``, the neutral one, ``group``, ``n``, ``read as named`` (share), ``low``, ``high``.
    """
    named = table["kind"] != "neutral"
    neutral = table[~named].set_index("family")["prompt"]
    each = 1 - (1 - confidence) / named.sum()
    made = []
    for i, row in table[named].iterrows():
        kind, prompt = row["kind"], neutral[row["family"]]
        right, n = int(counts.loc[i, kind]), int(counts.loc[i].sum())
        made.append((prompt, kind, n, right / n, *binomial_interval(right, n, confidence=each)))
    return pd.DataFrame(made, columns=["prompt", "group", "n", "read as named", "low", "high"])
