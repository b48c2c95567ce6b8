"""From labelled images to the balance of each prompt, with all that is uncertain (human study)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bbb_core import checks as check
from bbb_core.balance.shares import NONE, representational_balance
from bbb_core.errors import InputError
from bbb_core.study.design import UNCLEAR

__all__ = ["balance_table", "counts_by_prompt", "posterior_range", "unclear_bounds"]


def counts_by_prompt(
    labels: pd.Series, prompts: pd.Series, *, outcomes: tuple[str, ...]
) -> pd.DataFrame:
    """Count the labels of the images of each prompt.

    Parameters
    ----------
    labels, prompts
        Label and prompt per image, with one index.
    outcomes
        Groups, then ``none`` if it was offered: the columns that the audits read.

    Returns
    -------
    pandas.DataFrame
        Rows: prompts in order of first appearance. Columns: `outcomes`, then ``unclear``.
    """
    if not labels.index.equals(prompts.index):
        raise InputError("labels and prompts have other images; give both one index.")
    columns = [*outcomes, UNCLEAR]
    unknown = sorted(set(labels) - set(columns))
    if unknown:
        raise InputError(f"labels holds {unknown[0]!r}, which is no outcome; add it to outcomes.")
    table = pd.crosstab(prompts, labels).reindex(columns=columns, fill_value=0)
    table = table.loc[list(dict.fromkeys(prompts))]
    return table.rename_axis(index="prompt", columns=None)


def unclear_bounds(
    counts: Mapping[str, int], unclear: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return an interval of the imbalance that holds whatever the unclear images show.

    They are given to the outcome that raises the imbalance most, and shared out so that it is
    least; the ends are those of the exact intervals in the two cases. Without unclear images it
    is the interval of `representational_balance`. The upper end looks at every single outcome;
    the lower end is exact for two outcomes.

    Examples
    --------
    >>> low, high = unclear_bounds({"man": 60, "woman": 20}, 20)
    >>> round(low, 3), round(high, 3)
    (0.0, 0.373)
    """
    number = check.integer("unclear", unclear, low=0)
    groups = [name for name in counts if name != NONE]
    total = sum(counts.values()) + number
    filled = dict(counts)
    for _ in range(number):  # the image goes where most is lacking
        needy = min(groups, key=lambda name: filled[name])
        filled[needy] += 1
    cases = [filled, *({**counts, name: counts[name] + number} for name in counts)]
    if total == 0:
        return 0.0, 1 - 1 / len(groups) if NONE not in counts else 1.0
    ends = [representational_balance(case, confidence=confidence).interval for case in cases]
    return min(low for low, _ in ends), max(high for _, high in ends)


def posterior_range(
    posterior: pd.DataFrame,
    *,
    groups: tuple[str, ...],
    confidence: float = 0.95,
    n_draws: int = 2000,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return the range of the imbalance of *these* images when labels are drawn from posteriors.

    It shows what the uncertainty of the labels alone does, with the images held fixed. It
    believes the model of Dawid and Skene, whose readers err independently of one another; with
    few readings its posteriors are too sure of themselves.
    """
    level = check.confidence_level(confidence)
    if posterior.empty:
        raise InputError("posterior has no image; nothing was labelled.")
    names = list(posterior.columns)
    p = posterior.to_numpy(dtype=np.float64)
    edges = np.cumsum(p, axis=1)[:, :-1]  # [n, k - 1]
    u = rng.random((n_draws, len(p)))
    drawn = (u[:, :, None] > edges).sum(axis=2)  # [draws, n]
    shares = np.stack([(drawn == i).mean(axis=1) for i in range(len(names))], axis=1)
    target = np.array([1 / len(groups) if name in groups else 0.0 for name in names])
    absent = sum(1 / len(groups) for group in groups if group not in names)
    imbalance = (np.abs(shares - target).sum(axis=1) + absent) / 2
    low, high = np.quantile(imbalance, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def balance_table(
    labels: pd.DataFrame,
    posterior: pd.DataFrame,
    prompts: pd.Series,
    *,
    groups: tuple[str, ...],
    outcomes: tuple[str, ...],
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Measure the balance of each prompt.

    Columns: ``images``, ``unclear``, ``share GROUP``..., ``imbalance`` with the exact interval
    ``low`` and ``high`` over images (labels taken as they are), ``labels low`` and ``labels high``
    (images taken as they are, see `posterior_range`), and ``any low`` and ``any high`` (whatever
    the unclear images show, see `unclear_bounds`). The exact intervals hold for all prompts
    together. A prompt of which nothing could be read has only the last two.
    """
    table = counts_by_prompt(labels["label"], prompts, outcomes=outcomes)
    each = 1 - (1 - check.confidence_level(confidence)) / len(table)
    rows = {}
    for prompt, row in table.iterrows():
        counted = {name: int(row[name]) for name in outcomes}
        number, unclear = sum(counted.values()), int(row[UNCLEAR])
        found: dict[str, float] = {"images": number, "unclear": unclear}
        if number:
            made = representational_balance(counted, confidence=each)
            mine = prompts.index[prompts == prompt].intersection(posterior.index)
            certain = mine[labels.loc[mine, "label"] != UNCLEAR]
            drop = [name for name in (UNCLEAR,) if name in posterior.columns]
            p = posterior.loc[certain].drop(columns=drop)
            p = p.div(p.sum(axis=1), axis=0)
            ends = posterior_range(p, groups=groups, confidence=confidence, rng=rng)
            found |= {f"share {name}": made.shares[name] for name in outcomes}
            found |= {"imbalance": made.imbalance, "low": made.interval[0]}
            found |= {"high": made.interval[1], "labels low": ends[0], "labels high": ends[1]}
        low, high = unclear_bounds(counted, unclear, confidence=each)
        rows[prompt] = found | {"any low": low, "any high": high}
    names = ["images", "unclear", *(f"share {name}" for name in outcomes), "imbalance", "low"]
    names += ["high", "labels low", "labels high", "any low", "any high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("prompt")
