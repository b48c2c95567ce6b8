"""What rounding leaves of equal numbers: the floor below which no test sees a difference."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks

__all__ = ["rounding_error", "snapped"]

COMPUTED = 64
"""Units in the last place by which numbers computed in float64 may miss: sums of a few hundred."""
STORED = 4
"""The same for numbers that came in a lower precision, in units of that precision."""


def rounding_error(*values: Any) -> float:
    r"""Return the distance below which values of this size and precision count as equal.

    It is :math:`\max_x |x|` times 64 :math:`\epsilon` of float64, or 4 :math:`\epsilon` of the
    values' own type where that is coarser (float32 :math:`1.2 \cdot 10^{-7}`).

    Examples
    --------
    >>> 0.1 + 0.2 - 0.3 > 0, 0.1 + 0.2 - 0.3 < rounding_error([0.3])
    (True, True)
    >>> rounding_error(np.float32([0.5, 1.0])) == 4 * 2**-23
    True
    """
    found = [0.0]
    for x in values:
        array = np.asarray(checks.finite("values", x))
        steps = COMPUTED * float(np.finfo(np.float64).eps)
        if array.dtype.kind == "f":
            steps = max(steps, STORED * float(np.finfo(array.dtype).eps))
        found.append(steps * float(np.abs(array).max(initial=0.0)))
    return max(found)


def snapped(values: np.ndarray, width: float) -> np.ndarray:
    """Return the values with runs that lie within `width` of their least member made equal to it.

    Examples
    --------
    >>> snapped(np.array([0.3, 0.1 + 0.2, 0.5]), 1e-9).tolist()
    [0.3, 0.3, 0.5]
    """
    levels, place = np.unique(values, return_inverse=True)
    kept = levels.copy()
    for i in range(1, len(levels)):
        if levels[i] - kept[i - 1] <= width:
            kept[i] = kept[i - 1]
    return kept[place]
