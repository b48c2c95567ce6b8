"""Bootstrap intervals: plain, by clusters, and crossed two-way, with bounded memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["Estimate", "bootstrap", "crossed_bootstrap"]

BLOCK = 2**21
"""Resampled values held at one time (16 MB per array)."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval: floats, or arrays of one shape for a vector statistic."""

    value: Any
    low: Any
    high: Any
    confidence: float = 0.95
    n_resamples: int = 0


def _plain(x: Any) -> Any:
    return float(x) if np.ndim(x) == 0 else np.asarray(x)


def _call(statistic: Callable, arrays: list[np.ndarray]) -> np.ndarray:
    """Apply `statistic` to blocks ``[b, n, ...]``, in one call if it takes an axis."""
    if _takes_axis(statistic):
        values = np.asarray(statistic(*arrays, axis=1), dtype=np.float64)
    else:
        values = np.array([statistic(*row) for row in zip(*arrays, strict=True)], dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError("statistic is not finite on a resample; make it defined on every one.")
    return values


def _takes_axis(statistic: Callable) -> bool:
    try:
        return "axis" in inspect.signature(statistic).parameters
    except (TypeError, ValueError):
        return False


def _ends(values: np.ndarray, level: float, units: int) -> np.ndarray:
    """Return the ends of the expanded percentile interval of the resampled `values` [b, ...].

    Resamples of m units vary by (m - 1) / m of what samples do, and their quantiles are normal
    where Student's are due; the tails are moved out by as much.
    """
    reach = special.stdtrit(units - 1, (1 + level) / 2) * np.sqrt(units / (units - 1))
    return np.quantile(values, special.ndtr(np.array([-reach, reach])), axis=0)


def bootstrap(
    statistic: Callable[..., Any],
    *arrays: Any,
    clusters: Any = None,
    n_resamples: int = 9999,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Estimate:
    """Return a statistic of observations with a bootstrap interval.

    Parameters
    ----------
    statistic
        ``statistic(*arrays) -> float or array``. If it takes ``axis`` (as `numpy.mean` does), it
        is called on blocks ``[b, n, ...]`` with ``axis=1``: much faster.
    arrays
        Observations along the first axis, equally many in each; row i of all is resampled together.
    clusters
        A label per observation (an occupation, a prompt). Whole clusters are then resampled, as
        observations that share a cluster are not independent.

    Raises
    ------
    InputError
        If there are fewer than two observations (or clusters), or unequally many per array.

    Notes
    -----
    The tails are those of the *expanded* percentile interval, moved out for few units. Simulated
    coverage at a nominal .95 with 6, 10, 20 and 60 units (400 samples each): medians .93 to .97
    and slopes .92 to .99 with normal, exponential and log-normal noise; means of normal units .92
    to .95, exponential .87, .89, .92, .94, log-normal .82, .87, .87, .90. For means take
    `mean_interval`, for correlations `correlation`, which cover more. Below six units no
    resampling does: the resamples of a statistic hardly leave the range of the units.

    References
    ----------
    :cite:`hesterberg2015` for the expansion; Field and Welsh (2007), ``field2007``, for clusters.

    Examples
    --------
    >>> from bbb_core.rng import generator
    >>> e = bootstrap(np.mean, np.arange(10.0), rng=generator(0), n_resamples=999)
    >>> e.value, e.low < 4.5 < e.high
    (4.5, True)
    """
    level = checks.confidence_level(confidence)
    b_total = checks.integer("n_resamples", n_resamples, low=1)
    if not arrays:
        raise InputError("arrays is empty; pass at least one array of observations.")
    data = [np.asarray(checks.finite("arrays", a), dtype=np.float64) for a in arrays]
    n = len(data[0]) if data[0].ndim else 0
    if n < 2 or any(a.ndim == 0 or len(a) != n for a in data):
        raise InputError("arrays need two or more observations each, equally many in all of them.")
    value = _call(statistic, [a[None] for a in data])[0]
    members = list(np.arange(n)[:, None]) if clusters is None else _members(clusters, n)
    values = np.concatenate(list(_resampled(statistic, data, members, b_total, rng)))
    low, high = _ends(values, level, len(members))
    return Estimate(_plain(value), _plain(low), _plain(high), level, b_total)


def _members(clusters: Any, n: int) -> list[np.ndarray]:
    labels = np.asarray(clusters)
    if labels.shape != (n,):
        raise InputError(
            f"clusters has shape {labels.shape}; pass one label per observation ({n})."
        )
    _, code = np.unique(labels, return_inverse=True)
    if code.max() == 0:
        raise InputError("clusters has one distinct label; pass at least two clusters.")
    return [np.flatnonzero(code == c) for c in range(code.max() + 1)]


def _resampled(
    statistic: Callable,
    data: list[np.ndarray],
    members: list[np.ndarray],
    b_total: int,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Give the statistic of resamples, in blocks of bounded memory; `members` are rows of units."""
    m = len(members)
    equal = len({len(x) for x in members}) == 1
    step = max(1, BLOCK // max(1, *(a.size for a in data)))
    for done in range(0, b_total, step):
        chosen = rng.integers(0, m, (min(step, b_total - done), m))
        if equal:  # [b, units, size] -> [b, n]
            rows = np.stack(members)[chosen].reshape(len(chosen), -1)
            yield _call(statistic, [a[rows] for a in data])
        else:  # resamples differ in length: one call each
            picks = (np.concatenate([members[c] for c in row]) for row in chosen)
            yield np.concatenate(
                [_call(statistic, [a[None, rows] for a in data]) for rows in picks]
            )


def crossed_bootstrap(
    statistic: Callable[[np.ndarray], Any],
    values: Any,
    *,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Estimate:
    """Return a statistic of a table with an interval over *both* its rows and its columns.

    Rows (say templates) and columns (say word pairs) are resampled independently of one another
    and the table is read where they cross: the pigeonhole bootstrap, which errs on the wide side
    with many rows and columns. One-way intervals that ignore either factor are too narrow.

    Parameters
    ----------
    statistic
        ``statistic(table) -> float or array`` for a table ``[rows, columns, ...]``.
    values
        ``[rows, columns, ...]``, at least 2 by 2.

    Notes
    -----
    The tails are moved out as in `bootstrap`, for the fewer of rows and columns. Where three rows
    make all the difference no interval of resampled rows covers more than .75, the chance that the
    truth lies between the least and the largest of them; for means take `crossed_mean_interval`.

    References
    ----------
    Owen (2007), ``owen2007`` in the references.

    Examples
    --------
    >>> from bbb_core.rng import generator
    >>> table = np.add.outer(np.arange(6.0), np.arange(4.0))
    >>> e = crossed_bootstrap(np.mean, table, rng=generator(0), n_resamples=500)
    >>> e.value, e.low < 4 < e.high
    (4.0, True)
    """
    level = checks.confidence_level(confidence)
    b_total = checks.integer("n_resamples", n_resamples, low=1)
    table = np.asarray(checks.finite("values", values), dtype=np.float64)
    if table.ndim < 2 or min(table.shape[:2]) < 2:
        raise InputError(f"values has shape {table.shape}; pass at least two rows and two columns.")
    value = np.asarray(statistic(table), dtype=np.float64)
    rows = rng.integers(0, table.shape[0], (b_total, table.shape[0]))
    columns = rng.integers(0, table.shape[1], (b_total, table.shape[1]))
    resampled = np.array(
        [statistic(table[np.ix_(r, c)]) for r, c in zip(rows, columns, strict=True)],
        dtype=np.float64,
    )
    if not np.isfinite(resampled).all():
        raise InputError("statistic is not finite on a resample; make it defined on every one.")
    low, high = _ends(resampled, level, min(table.shape[:2]))
    return Estimate(_plain(value), _plain(low), _plain(high), level, b_total)
