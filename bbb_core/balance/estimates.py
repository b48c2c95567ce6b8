r"""Two estimates of the imbalance of each prompt that err to opposite sides (D2).

The measured (plug-in) imbalance of a finite sample is never negative, so a perfectly balanced
generator looks imbalanced too, by `shares.sampling_floor`. The split-half imbalance is zero on
average for a balanced generator, and never above the truth on average.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["count_table", "plug_in_imbalance", "split_half_imbalance", "split_halves"]


def count_table(name: str, counts: Any, target: Any | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Check counts ``[m, k]`` (a prompt per row) and their target; return both as float64.

    Raises
    ------
    InputError
        If a count is negative or not whole, a row is all zero, or the target does not fit.
    """
    x = np.asarray(checks.matrix(name, counts), dtype=np.float64)
    bad = (x < 0) | (x != np.floor(x))
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{name} row {row} holds {x[row, column]:g}; pass whole counts that are not negative."
        )
    if x.shape[1] < 2:
        raise InputError(f"{name} has one column; pass one column per group, at least two.")
    empty = np.flatnonzero(x.sum(axis=1) == 0)
    if empty.size:
        raise InputError(f"{name} row {int(empty[0])} counts nothing; remove that prompt.")
    k = x.shape[1]
    pi = np.full(k, 1 / k) if target is None else np.asarray(target, dtype=np.float64)
    pi = np.asarray(checks.distribution("target", pi), dtype=np.float64)
    if len(pi) != k:
        raise InputError(f"target has {len(pi)} shares but {name} has {k} columns; match them.")
    return x, pi


def plug_in_imbalance(counts: Any, *, target: Any | None = None) -> np.ndarray:
    r"""Return the TV distance between observed shares and the target, one value per prompt.

    :math:`\frac12 \sum_a \lvert c_a/n - \pi_a \rvert`, in [0, 1]; 0 is balanced. Its expectation
    is never below the true imbalance (Jensen), and equals the sampling floor at balance.

    Examples
    --------
    >>> plug_in_imbalance([[150, 50], [125, 125]]).tolist()
    [0.25, 0.0]
    """
    x, pi = count_table("counts", counts, target)
    return np.abs(x / x.sum(axis=1, keepdims=True) - pi).sum(axis=1) / 2


def split_half_imbalance(counts: Any, *, target: Any | None = None) -> np.ndarray:
    r"""Return an estimate of imbalance whose expectation is never above the truth, per prompt.

    Imbalance is :math:`\max_B (s(B) - \pi(B))` over sets of groups. One half of the images
    chooses the set, :math:`B = \{a : \hat s_{half}(a) > \pi_a\}`, the other half judges it, and T
    is the mean over all ways to halve the n images (the smaller half chooses):

    .. math:: T = \operatorname{mean}\bigl( \hat s_{rest}(B) - \pi(B) \bigr), \qquad
              E\,T \le \text{imbalance}, \quad E\,T = 0 \text{ at balance.}

    The plug-in value errs upwards, this one downwards: together they bracket the imbalance, and
    T never exceeds the plug-in value. It may be negative; it is meant to be averaged over prompts.
    A single image chooses nothing: T = 0.

    Examples
    --------
    >>> split_half_imbalance([[150, 100], [125, 125]]).round(3).tolist()
    [0.1, -0.025]
    """
    x, pi = count_table("counts", counts, target)
    shares, masses = split_halves(x, pi)
    return shares - masses


def split_halves(x: np.ndarray, pi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the mean share and target mass of the set that one half chooses, per prompt.

    The share is the other half's. Groups are chosen one by one, so a hypergeometric law per group
    replaces the sum over all ways to halve; `x` [m, k] and `pi` [k] as `count_table` gives them.
    """
    n = x.sum(axis=1).astype(np.int64)
    shares, masses = np.zeros(len(x)), np.zeros(len(x))
    for size in np.unique(n[n > 1]):
        rows, half = np.flatnonzero(n == size), int(size) // 2
        reach = min(half, int(10 + 3 * np.sqrt(size)))  # twelve standard deviations and more
        for a, aim in enumerate(pi):
            seen, place = np.unique(x[rows, a], return_inverse=True)
            drawn = np.floor(half * seen / size)[:, None] + np.arange(-reach, reach + 1)
            chance = _hypergeometric(drawn, int(size), seen[:, None], half)  # [seen, reached]
            chosen = chance * (drawn > half * aim + 1e-9 * half)
            rest = (seen[:, None] - drawn) / (size - half)
            shares[rows] += (chosen * rest).sum(axis=1)[place]
            masses[rows] += aim * chosen.sum(axis=1)[place]
    return shares, masses


def _hypergeometric(j: np.ndarray, n: int, c: np.ndarray, half: int) -> np.ndarray:
    """Return the chance that `half` of n images hold j of the c ones (fast where n is large)."""
    inside = (j >= np.maximum(0, half - n + c)) & (j <= np.minimum(c, half))
    j = np.where(inside, j, np.floor(half * c / n))
    parts = [_log_choose(c, j), _log_choose(n - c, half - j), -_log_choose(n, half)]
    return np.where(inside, np.exp(np.sum(np.broadcast_arrays(*parts), axis=0)), 0.0)


def _log_choose(n: Any, k: Any) -> Any:
    return special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)
