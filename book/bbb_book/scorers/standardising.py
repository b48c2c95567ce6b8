"""A repair of scores that knows groups but no truth: one mean and spread for all (theorem T5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.alignment.groups import group_table
from bbb_core.errors import InputError
from bbb_core.stats.rounding import rounding_error

__all__ = ["standardise_by_group"]


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
