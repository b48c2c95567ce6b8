"""Interactions of two attributes in a score, within strata: no truth needed (intersections)."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from bbb_core import checks, rng
from bbb_core import stats as tests
from bbb_core.errors import InputError

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
    (occupations) that show every cell of the pair are the independent units: their signs are
    flipped for the p-value, they are resampled for the interval.

    Parameters
    ----------
    scores : array_like, shape [n]
        Any scale; the unit of the result is the pooled standard deviation within strata.
    first, second : sequence, shape [n]
        Labels of the two attributes.
    within : sequence, shape [n]
        Stratum of each row.
    confidence, n_resamples, seed
        Of the pointwise intervals and of the random streams.

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
    mean, spread = _cell_means(x, codes, names)
    error = 4 * tests.rounding_error(scores) / spread  # of a difference of differences of means
    stream = rng.generator(seed, "gap interactions")
    rows = []
    for a, b in combinations(range(len(names["first"])), 2):
        gaps = mean[:, a] - mean[:, b]  # [strata, levels]
        gaps = gaps[np.isfinite(gaps).all(axis=1)] / spread
        if len(gaps) < 2:
            continue
        k = gaps.shape[1]
        for t in range(k):
            own = gaps[:, t] - (gaps.sum(axis=1) - gaps[:, t]) / (k - 1)
            made = tests.bootstrap(
                np.mean, own, n_resamples=n_resamples, confidence=level, rng=stream
            )
            p = tests.sign_flip_test(own, rng=stream, resolution=error).p_value
            pair = (names["first"][a], names["first"][b], names["second"][t])
            rows.append((*pair, made.value, made.low, made.high, p, len(own)))
    if not rows:
        raise InputError("within leaves no pair of groups in two complete strata; pass more rows.")
    columns = ["first", "second", "level", "interaction", "low", "high", "p_value", "strata"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(7, "adjusted", tests.holm(table["p_value"]))
    return table


def _cell_means(
    x: np.ndarray, codes: dict[str, np.ndarray], names: dict[str, list[str]]
) -> tuple[np.ndarray, float]:
    """Return means [strata, first, second], NaN where a cell is empty, and the pooled spread."""
    shape = tuple(len(names[name]) for name in ("within", "first", "second"))
    cell = np.ravel_multi_index([codes[n] for n in ("within", "first", "second")], shape)
    count = np.bincount(cell, minlength=int(np.prod(shape)))
    total = np.bincount(cell, x, len(count))
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(shape)
    strata = codes["within"]
    centre = np.bincount(strata, x) / np.bincount(strata)
    square = float(((x - centre[strata]) ** 2).sum())
    freedom = len(x) - shape[0]
    if freedom < 1 or square == 0:
        raise InputError("scores are constant within every stratum; that leaves no unit.")
    return mean, float(np.sqrt(square / freedom))
