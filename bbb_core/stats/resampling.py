"""Bootstrap intervals: plain, by clusters, and crossed two-way, with bounded memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import special, stats

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


def _interval(
    values: np.ndarray, value: Any, level: float, units: int, jackknife: np.ndarray | None
) -> tuple[Any, Any]:
    """Percentile ends of the resampled `values` [b, ...], or BCa ends if a jackknife is given.

    Resamples of m units vary by (m - 1) / m of what samples do, and their quantiles are normal
    where Student's are due; the tails are moved out by as much.
    """
    reach = stats.t.ppf((1 + level) / 2, units - 1) * np.sqrt(units / (units - 1))
    tails = special.ndtr(np.array([-reach, reach]))
    if jackknife is None:
        low, high = np.quantile(values, tails, axis=0)
        return low, high
    below = ((values < value).mean(axis=0) + (values <= value).mean(axis=0)) / 2
    bias = special.ndtri(below.clip(0.5 / len(values), 1 - 0.5 / len(values)))
    d = jackknife.mean(axis=0) - jackknife
    scale = (d**2).sum(axis=0) ** 1.5
    skew = np.divide((d**3).sum(axis=0), 6 * scale, out=np.zeros_like(scale), where=scale > 0)
    z = special.ndtri(tails).reshape(-1, *[1] * bias.ndim) + bias
    levels = special.ndtr(bias + z / (1 - skew * z))
    flat, at = values.reshape(len(values), -1), levels.reshape(2, -1)
    ends = np.array([np.quantile(flat[:, i], at[:, i]) for i in range(flat.shape[1])])
    return ends[:, 0].reshape(bias.shape), ends[:, 1].reshape(bias.shape)


def _blocks(n: int, width: int) -> Iterator[int]:
    step = max(1, BLOCK // max(1, width))
    for done in range(0, n, step):
        yield min(step, n - done)


def bootstrap(
    statistic: Callable[..., Any],
    *arrays: Any,
    clusters: Any = None,
    n_resamples: int = 9999,
    confidence: float = 0.95,
    rng: np.random.Generator,
    method: Literal["percentile", "bca"] = "percentile",
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
    method
        ``percentile``, or ``bca`` (bias-corrected and accelerated; the jackknife leaves out one
        observation or cluster at a time).

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
    Efron (1987), ``efron1987``; :cite:`hesterberg2015` for the expansion; Field and Welsh (2007)
    for clusters, ``field2007``.

    Examples
    --------
    >>> from bbb_core.rng import generator
    >>> e = bootstrap(np.mean, np.arange(10.0), rng=generator(0), n_resamples=999)
    >>> e.value, e.low < 4.5 < e.high
    (4.5, True)
    """
    level = checks.confidence_level(confidence)
    b_total = checks.integer("n_resamples", n_resamples, low=1)
    checks.choice("method", method, ("percentile", "bca"))
    if not arrays:
        raise InputError("arrays is empty; pass at least one array of observations.")
    data = [np.asarray(checks.finite("arrays", a), dtype=np.float64) for a in arrays]
    n = len(data[0]) if data[0].ndim else 0
    if n < 2 or any(a.ndim == 0 or len(a) != n for a in data):
        raise InputError("arrays need two or more observations each, equally many in all of them.")
    value = _call(statistic, [a[None] for a in data])[0]
    if clusters is None:
        units, blocks = n, _plain_resamples(statistic, data, b_total, rng)
        left_out: Any = (np.delete(np.arange(n), i) for i in range(n))
    else:
        members = _members(clusters, n)
        units, blocks = len(members), _cluster_resamples(statistic, data, members, b_total, rng)
        everyone = np.arange(n)
        left_out = (np.setdiff1d(everyone, m, assume_unique=True) for m in members)
    values = np.concatenate(list(blocks))
    jackknife = None
    if method == "bca":
        jackknife = np.array(
            [_call(statistic, [a[None, rows] for a in data])[0] for rows in left_out]
        )
    low, high = _interval(values, value, level, units, jackknife)
    return Estimate(_plain(value), _plain(low), _plain(high), level, b_total)


def _plain_resamples(
    statistic: Callable, data: list[np.ndarray], b_total: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    n, width = len(data[0]), max(a.size for a in data)
    for b in _blocks(b_total, width):
        rows = rng.integers(0, n, (b, n))
        yield _call(statistic, [a[rows] for a in data])


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


def _cluster_resamples(
    statistic: Callable,
    data: list[np.ndarray],
    members: list[np.ndarray],
    b_total: int,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    m = len(members)
    equal = len({len(x) for x in members}) == 1
    for b in _blocks(b_total, max(a.size for a in data)):
        chosen = rng.integers(0, m, (b, m))
        if equal:  # [b, clusters, size] -> [b, n]
            rows = np.stack(members)[chosen].reshape(b, -1)
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
    low, high = _interval(resampled, value, level, min(table.shape[:2]), None)
    return Estimate(_plain(value), _plain(low), _plain(high), level, b_total)
