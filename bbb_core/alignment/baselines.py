"""Repairs of scores from the literature that know each row's group (theorem T5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.alignment.groups import group_table
from bbb_core.errors import InputError
from bbb_core.stats.rounding import rounding_error

__all__ = ["isotonic", "standardise_by_group"]


def standardise_by_group(scores: Any, groups: Any) -> np.ndarray:
    r"""Give every group the common mean and spread: :math:`\mu + \sigma (f - \mu_C)/\sigma_C`.

    It needs no truth, and so removes a gap that the truth may justify.

    Parameters
    ----------
    scores : array_like, shape [n]
    groups : sequence, shape [n]
        One attribute.

    Raises
    ------
    InputError
        If a group has one row, or scores that are constant up to rounding.

    Examples
    --------
    >>> standardise_by_group([0.0, 2.0, 1.0, 5.0], ["a", "a", "b", "b"]).round(3).tolist()
    [0.129, 3.871, 0.129, 3.871]
    """
    values = scores.detach().cpu().numpy() if hasattr(scores, "detach") else scores
    f = np.asarray(checks.vector("scores", values), dtype=np.float64)
    table = group_table(groups, len(f), order=1)
    out = f.copy()
    for name in table.names:
        rows = table.mask(name)
        spread = f[rows].std()
        if spread <= rounding_error(f[rows]):
            raise InputError(f"scores of group {name!r} are constant; leave that group out.")
        out[rows] = f.mean() + f.std() * (f[rows] - f[rows].mean()) / spread
    return out


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
