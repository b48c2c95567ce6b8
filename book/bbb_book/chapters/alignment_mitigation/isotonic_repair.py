"""Isotonic regression of truth on score, for everybody or for each group (theorem T5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.alignment.groups import group_table

__all__ = ["isotonic"]


def isotonic(
    scores: Any, truth: Any, groups: Any, *, new_scores: Any, new_groups: Any
) -> np.ndarray:
    """Fit an increasing map from score to truth per group and apply it to new scores.

    Parameters
    ----------
    scores, truth : array_like, shape [n]
    groups : sequence, shape [n], or None
        One attribute; None fits one map for everybody.
    new_scores, new_groups
        Where to apply it; groups without a fit take the common map.

    Returns
    -------
    numpy.ndarray
        Values in the range of `truth`.

    References
    ----------
    :cite:`zadrozny2002`.

    Examples
    --------
    >>> f, truth, groups = [0.1, 0.2, 0.1, 0.2], [0.3, 0.5, 0.1, 0.2], ["a", "a", "b", "b"]
    >>> new = isotonic(f, truth, groups, new_scores=[0.15, 0.15], new_groups=["a", "b"])
    >>> new.round(2).tolist()
    [0.4, 0.15]
    """
    from sklearn.isotonic import IsotonicRegression

    x, y, new = (
        np.asarray(checks.vector(name, v), dtype=np.float64)
        for name, v in (("scores", scores), ("truth", truth), ("new_scores", new_scores))
    )
    checks.same_shape(scores=x, truth=y)
    out = IsotonicRegression(out_of_bounds="clip").fit(x, y).predict(new)
    if groups is None:
        return np.asarray(out)
    table, others = group_table(groups, len(x), order=1), group_table(new_groups, len(new), order=1)
    for name in set(table.names) & set(others.names):
        rows, there = table.mask(name), others.mask(name)
        fitted = IsotonicRegression(out_of_bounds="clip").fit(x[rows], y[rows])
        out[there] = fitted.predict(new[there])
    return np.asarray(out)
