"""Interactions of two attributes in a score, within strata: no truth needed (intersections)."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from bbb_core import checks, rng
from bbb_core import stats as tests
from bbb_core.alignment.confidence_limits import normal_to_t
from bbb_core.alignment.gap_noise import few_units
from bbb_core.errors import InputError
from bbb_core.stats.rounding import rounding_error

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["gap_interactions"]


def gap_interactions(
    scores: Any,
    first: Any,
    second: Any,
    *,
    within: Any,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Test whether the gap between two groups depends on a second attribute, within strata.

    .. math:: I_{ab,t} = \frac{1}{|S|} \sum_s \frac{1}{\sigma} \Bigl( g_{s,ab|t}
        - \frac{1}{k - 1} \sum_{t' \ne t} g_{s,ab|t'} \Bigr), \qquad
        g_{s,ab|t} = \bar f_{s,a,t} - \bar f_{s,b,t}

    Zero for every pair and level if the score of an intersection is the sum of its parts. Strata
    (occupations) that show every cell of the pair are the independent units of intervals and tests;
    see `gap_noise.few_units`.

    Parameters
    ----------
    scores : array_like, shape [n]
        Any scale; the unit of the result is the pooled standard deviation within strata.
    first, second : sequence, shape [n]
        Labels of the two attributes.
    within : sequence, shape [n]
        Stratum of each row.
    confidence : float
        Of the pointwise intervals.
    n_resamples, seed : int
        Random signings, where all cannot be counted, and their stream.

    Returns
    -------
    pandas.DataFrame
        A row per pair of labels of `first` and level of `second`: ``first, second, level,
        interaction, low, high, p_value, adjusted`` (Holm over the rows), ``strata``.

    Raises
    ------
    InputError
        If lengths differ, an attribute has one label, or no pair has two complete strata.

    Examples
    --------
    >>> f = [1.0, 0.0, 0.0, 0.0, 2.1, 1.0, 1.0, 1.0, 0.1, -1.0, -1.0, -1.1]
    >>> a, b = ["w", "m", "w", "m"] * 3, ["x", "x", "y", "y"] * 3
    >>> found = gap_interactions(f, a, b, within=np.repeat([0, 1, 2], 4))
    >>> found["level"].tolist(), bool(found["interaction"].iloc[0] < 0)
    (['x', 'y'], True)
    """
    import pandas as pd

    x = np.asarray(checks.vector("scores", scores, minimum=4), dtype=np.float64)
    level = checks.confidence_level(confidence)
    labels = {"first": first, "second": second, "within": within}
    codes, names = {}, {}
    for name, values in labels.items():
        values = np.asarray(values)
        if values.shape != x.shape:
            raise InputError(f"{name} has shape {values.shape}; pass one label per row ({len(x)}).")
        codes[name], found = pd.factorize(values, sort=True)
        names[name] = [str(label) for label in found]
        if len(found) < 2 or (codes[name] < 0).any():
            raise InputError(f"{name} has one label or missing ones; pass two or more, all known.")
    mean, rows, spread, farthest = _cell_means(x, codes, names)
    tested, values, used, reach = [], [], [], []
    for a, b in combinations(range(len(names["first"])), 2):
        gaps = mean[:, a] - mean[:, b]  # [strata, levels]
        complete = np.isfinite(gaps).all(axis=1)
        if complete.sum() < 2:
            continue
        others = gaps.shape[1] - 1
        size = rows[complete][:, [a, b]].mean(axis=(0, 1))
        for t, level_name in enumerate(names["second"]):
            own = gaps[:, t] - (gaps.sum(axis=1) - gaps[:, t]) / others
            tested.append((names["first"][a], names["first"][b], level_name))
            values.append(np.where(complete, own, 0.0))
            used.append(complete)
            reach.append(farthest / size[t])
    if not tested:
        raise InputError("within leaves no pair of groups in two complete strata; pass more rows.")
    step = np.array(reach) / spread
    noise = few_units(
        np.stack(values, axis=1) / spread, np.stack(used, axis=1), step, step, n_flips=n_resamples,
        rounding=4 * rounding_error(scores) / spread,  # differences of differences of means
        rng=rng.generator(seed, "gap interactions"),
    )  # fmt: skip
    low, high = noise.limits.interval(normal_to_t(stats.norm.isf((1 - level) / 2), noise.freedom))
    table = pd.DataFrame(tested, columns=["first", "second", "level"])
    return table.assign(
        interaction=noise.limits.estimate, low=low, high=high, p_value=noise.p_value,
        adjusted=tests.holm(noise.p_value), strata=noise.freedom + 1,
    )  # fmt: skip


def _cell_means(
    x: np.ndarray, codes: dict[str, np.ndarray], names: dict[str, list[str]]
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return means and rows of cells [strata, first, second], the pooled spread and the farthest.

    Means are NaN where a cell is empty. The farthest row is seen from the mean of its stratum.
    """
    shape = tuple(len(names[name]) for name in ("within", "first", "second"))
    cell = np.ravel_multi_index([codes[n] for n in ("within", "first", "second")], shape)
    count = np.bincount(cell, minlength=int(np.prod(shape)))
    total = np.bincount(cell, x, len(count))
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(shape)
    strata = codes["within"]
    centre = np.bincount(strata, x) / np.bincount(strata)
    centred = x - centre[strata]
    square = float((centred**2).sum())
    freedom = len(x) - shape[0]
    if freedom < 1 or square == 0:
        raise InputError("scores are constant within every stratum; that leaves no unit.")
    spread = float(np.sqrt(square / freedom))
    return mean, count.reshape(shape), spread, float(np.abs(centred).max())
