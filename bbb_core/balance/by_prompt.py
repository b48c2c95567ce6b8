"""Balance of many prompts at once: simultaneous intervals, adjusted tests, changes (D2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bbb_core import checks
from bbb_core.balance.confusion import Confusion
from bbb_core.balance.estimates import count_table, plug_in_imbalance
from bbb_core.balance.labels import UnexplainedCounts, correct_labels
from bbb_core.balance.shares import sampling_floor
from bbb_core.errors import InputError
from bbb_core.stats import holm, tv_interval

__all__ = ["balance_by_prompt", "balance_p_values", "change_by_prompt", "corrected_by_prompt"]


def balance_p_values(counts: Any, *, target: Any | None = None) -> np.ndarray:
    r"""Return, per prompt, the p-value of "the shares are exactly the target".

    Each group's count is binomial under the hypothesis, so the doubled exact tail
    :math:`2 \min(P(X \le c_a), P(X \ge c_a))` is valid; over k > 2 groups the smallest one is
    multiplied by k (Bonferroni). Valid at every sample size. Outcomes with target 0 (*none of
    these*) are left out: the test is about the shares among images that show a group, and a
    prompt without any such image has p = 1.

    Examples
    --------
    >>> balance_p_values([[0, 10], [5, 5]]).round(5).tolist()
    [0.00195, 1.0]
    """
    x, pi = count_table("counts", counts, target)
    x, pi = x[:, pi > 0], pi[pi > 0]
    n = x.sum(axis=1, keepdims=True)
    lower, upper = stats.binom.cdf(x, n, pi), stats.binom.sf(x - 1, n, pi)
    groups = x.shape[1]
    smallest = 2 * np.minimum(lower, upper).min(axis=1) * (1 if groups == 2 else groups)
    return np.minimum(smallest, 1.0)


def balance_by_prompt(
    counts: Any,
    *,
    prompts: Sequence[str] | None = None,
    target: Any | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Return imbalance, simultaneous interval and adjusted test, one row per prompt.

    Parameters
    ----------
    counts
        Whole numbers, shape ``[m, k]``: images of prompt i read as group a (*none of these* may
        be one more column, with target 0).
    prompts
        Names of the rows, all different.
    target
        Target shares ``[k]``; uniform if not given.
    confidence
        With this probability *all* the intervals cover together, whatever the shares (exact
        intervals, Bonferroni over prompts).

    Returns
    -------
    pandas.DataFrame
        Index ``prompt``; columns ``n``, ``imbalance`` (in [0, 1]; 0 is balanced), ``low``,
        ``high``, ``floor`` (expected imbalance at balance), ``p``, ``p_holm``.

    Examples
    --------
    >>> table = balance_by_prompt([[20, 0], [11, 9]], prompts=["a", "b"])
    >>> table["imbalance"].round(3).to_dict()
    {'a': 0.5, 'b': 0.05}
    """
    x, pi = count_table("counts", counts, target)
    index = _index(prompts, len(x))
    level = 1 - (1 - checks.confidence_level(confidence)) / len(x)
    ends = np.array([tv_interval(row, pi, confidence=level) for row in x])
    p = balance_p_values(x, target=pi)
    n = x.sum(axis=1)
    columns = {
        "n": n.astype(np.int64),
        "imbalance": plug_in_imbalance(x, target=pi),
        "low": ends[:, 0],
        "high": ends[:, 1],
        "floor": sampling_floor(n, target=pi),
        "p": p,
        "p_holm": holm(p),
    }
    return pd.DataFrame(columns, index=index)


def change_by_prompt(
    before: Any,
    after: Any,
    *,
    prompts: Sequence[str] | None = None,
    target: Any | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    r"""Return how the imbalance of each prompt changes between two samples.

    The change is imbalance after minus imbalance before. Its interval subtracts the two exact
    intervals, each at level :math:`1 - \alpha/2m`, so that all m intervals cover together.

    Returns
    -------
    pandas.DataFrame
        Index ``prompt``; columns ``before``, ``after``, ``change`` (in [-1, 1]; 0 is no change),
        ``low``, ``high`` and ``verdict``: ``further`` from balance when ``low > 0``, ``closer``
        when ``high < 0``, else ``not resolved``.

    Examples
    --------
    >>> table = change_by_prompt([[90, 10], [55, 45]], [[52, 48], [50, 50]], prompts=["a", "b"])
    >>> table["verdict"].to_dict()
    {'a': 'closer', 'b': 'not resolved'}
    """
    x, pi = count_table("before", before, target)
    y, _ = count_table("after", after, pi)
    if x.shape != y.shape:
        raise InputError(f"after has shape {y.shape} but before has {x.shape}; pair the prompts.")
    half = 1 - (1 - checks.confidence_level(confidence)) / 2
    old = balance_by_prompt(x, prompts=prompts, target=pi, confidence=half)
    new = balance_by_prompt(y, prompts=prompts, target=pi, confidence=half)
    low, high = new["low"] - old["high"], new["high"] - old["low"]
    verdict = np.select([low > 0, high < 0], ["further", "closer"], default="not resolved")
    columns = {
        "before": old["imbalance"],
        "after": new["imbalance"],
        "change": new["imbalance"] - old["imbalance"],
        "low": low,
        "high": high,
        "verdict": verdict,
    }
    return pd.DataFrame(columns)


def corrected_by_prompt(
    counts: pd.DataFrame,
    confusion: Confusion,
    *,
    target: Mapping[str, float],
    confidence: float = 0.95,
) -> pd.DataFrame:
    r"""Return shares and imbalance of the true groups, corrected for the errors of the reader.

    The shares s are those of `bbb_core.balance.correct_labels`, all prompts together (Bonferroni).
    The imbalance is :math:`\sum_a (s_a - \pi_a)^+ = \sum_a (\pi_a - s_a)^+`, so intervals [l, h]
    of the shares bound it: from below by the larger of :math:`\sum (l_a - \pi_a)^+` and
    :math:`\sum (\pi_a - h_a)^+`, from above by the smaller of :math:`\sum (h_a - \pi_a)^+` and
    :math:`\sum (\pi_a - l_a)^+`. It holds whenever those of the shares do.

    Parameters
    ----------
    counts
        Readings: a row per prompt, a column per label.
    confusion
        How the reader reads images of each true group.
    target
        Target shares by true group; a group that it lacks has 0.

    Returns
    -------
    pandas.DataFrame
        Index ``prompt``; for each true group ``NAME share``, ``NAME low``, ``NAME high``; then
        ``imbalance``, ``low``, ``high``. Missing (NaN) where no shares at all explain the readings.

    Raises
    ------
    InputError
        If a label was never met in the confusion matrix, or the reader tells no groups apart.

    Examples
    --------
    >>> errors = Confusion.from_counts({"a": {"a": 90, "b": 10}, "b": {"a": 20, "b": 80}})
    >>> read = pd.DataFrame({"a": [90], "b": [10]}, index=pd.Index(["x"], name="prompt"))
    >>> made = corrected_by_prompt(read, errors, target={"a": 0.5, "b": 0.5})
    >>> made.loc["x", ["a share", "imbalance"]].round(3).tolist()
    [1.0, 0.5]
    """
    level = 1 - (1 - checks.confidence_level(confidence)) / len(counts)
    pi = np.array([target.get(group, 0.0) for group in confusion.groups])
    ends = ("share", "low", "high")
    rows = []
    for _, row in counts.iterrows():
        try:
            made = correct_labels(row.to_dict(), confusion, confidence=level)
        except UnexplainedCounts:
            rows.append([np.nan] * (3 * len(pi) + 3))
            continue
        s = np.array([(made.shares[g], *made.interval[g]) for g in confusion.groups])  # [groups, 3]
        over, under = (s.T - pi).clip(min=0).sum(axis=1), (pi - s.T).clip(min=0).sum(axis=1)
        distance = [over[0], max(over[1], under[2]), min(over[2], under[1], 1.0)]
        rows.append([*s.ravel(), *distance])
    names = [f"{group} {end}" for group in confusion.groups for end in ends]
    columns = [*names, "imbalance", "low", "high"]
    return pd.DataFrame(rows, columns=columns, index=counts.index.rename("prompt"))


def _index(prompts: Sequence[str] | None, n: int) -> pd.Index:
    names = list(range(n)) if prompts is None else list(prompts)
    if len(names) != n:
        raise InputError(f"prompts has {len(names)} names but counts has {n} rows; match them.")
    index = pd.Index(names, name="prompt")
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise InputError(f"prompts holds {twice!r} twice; add the rows up or rename one.")
    return index
