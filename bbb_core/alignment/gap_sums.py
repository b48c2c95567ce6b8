"""Gaps of a score between groups from sums over rows, for tables larger than the memory (T6).

What `gaps.group_gaps` takes from rows are sums per stratum and labels, of scores less the means of
their strata; here these are given. Both make the same numbers up to the rounding of sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from bbb_core import checks, rng
from bbb_core.alignment.confidence_limits import Limits, t_to_normal
from bbb_core.alignment.gap_noise import GapNoise, few_units
from bbb_core.alignment.gaps import GroupGaps, _pair_table, _pairs, _per_stratum
from bbb_core.alignment.groups import GroupTable
from bbb_core.errors import InputError

__all__ = ["ScoreSums", "gaps_from_sums"]


@dataclass(frozen=True)
class ScoreSums:
    """Scores less the means of their strata, summed over the rows of cells.

    The rows of a cell lie in one stratum and have the same labels.

    Parameters
    ----------
    table : GroupTable
        The groups of each cell.
    strata : numpy.ndarray, shape [cells]
        The stratum of each cell, in 0 .. k - 1.
    within : bool
        Whether strata are the independent units; otherwise there is one, and rows are.
    means : numpy.ndarray, shape [k]
        Mean score of each stratum.
    rows : numpy.ndarray, shape [cells]
    powers : numpy.ndarray, shape [4, cells]
        Sums of the centred scores, of their squares, cubes and fourth powers.
    least, largest : float
        Of the centred scores.
    rounding : float
        Differences below it, in the scale of the scores, count as zero.
    """

    table: GroupTable
    strata: np.ndarray
    within: bool
    means: np.ndarray
    rows: np.ndarray
    powers: np.ndarray
    least: float
    largest: float
    rounding: float


def gaps_from_sums(
    sums: ScoreSums,
    *,
    margin: float = 0.0,
    minimum_support: int = 10,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> GroupGaps:
    """Compare the mean scores of groups, in standard deviations within strata.

    Parameters, definitions and promises are those of `group_gaps` with the unit ``within-sd``.

    Raises
    ------
    InputError
        If scores are constant within strata, or no two groups can be compared.
    """
    level = checks.confidence_level(confidence)
    n_resamples = checks.integer("n_resamples", n_resamples, low=100)
    margin = checks.number("margin", margin, low=0)
    k, n, table = len(sums.means), int(sums.rows.sum()), sums.table
    square = float(sums.powers[1].sum())
    if n <= k or square <= 1e-24 * max(1.0, float(sums.means @ sums.means)):
        raise InputError("scores are constant within every stratum; that leaves no unit.")
    scale = float(np.sqrt(square / (n - k)))
    count, total = (
        _per_stratum(table, values, sums.strata, k) for values in (sums.rows, sums.powers[0])
    )
    first, second = np.array(_pairs(table, count, minimum_support)).T
    stream = rng.generator(seed, "gaps")
    if sums.within:
        noise = _strata_noise(sums, count, total / scale, scale, first, second, stream)
    else:
        noise = _rows_noise(sums, scale, first, second)
    frame = _pair_table(table, noise, first, second, level, noise.draws(n_resamples, stream))

    # what every truth with this margin leaves at least (T6)
    each = count.sum(axis=0)
    share = each / n
    harmonic = 1 / (1 / share[first] + 1 / share[second])
    frame["strata"] = ((count[:, first] > 0) & (count[:, second] > 0)).sum(axis=0)
    frame["bound"] = (frame["gap"].abs() - margin).clip(lower=0) * harmonic
    closest = np.maximum(frame["family_low"], -frame["family_high"]).clip(lower=0)
    low = float(((closest - margin).clip(lower=0) * harmonic).max())
    by_group = pd.DataFrame(
        {
            "group": table.names, "n": each.astype(int), "share": share,
            "mean": total.sum(axis=0) / each / scale,
        }
    )  # fmt: skip
    return GroupGaps(frame, by_group, float(frame["bound"].max()), low, "within-sd", scale)


def _strata_noise(
    sums: ScoreSums,
    count: np.ndarray,
    total: np.ndarray,
    scale: float,
    first: np.ndarray,
    second: np.ndarray,
    stream: np.random.Generator,
) -> GapNoise:
    """Return the noise of mean differences within strata; see `gap_noise.strata_noise`."""
    k = len(sums.means)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    used = (count[:, first] > 0) & (count[:, second] > 0)
    difference = np.where(used, mean[:, first] - mean[:, second], 0.0)
    size = [(count[:, g] * used).sum(axis=0) / used.sum(axis=0) for g in (first, second)]
    down, up = -sums.least / scale, sums.largest / scale
    below = np.maximum(down / size[0], up / size[1])
    above = np.maximum(up / size[0], down / size[1])
    squares = np.bincount(sums.strata, sums.powers[1], k)
    sizes = np.bincount(sums.strata, sums.rows, k)
    excess = (squares / scale**2 - (sizes - 1)) / (sizes - 1).sum()
    gap = difference.sum(axis=0) / used.sum(axis=0)
    return few_units(
        difference, used, below, above,
        extra=-gap / 2 * excess[:, None], rounding=sums.rounding / scale, rng=stream,
    )  # fmt: skip


def _rows_noise(sums: ScoreSums, scale: float, first: np.ndarray, second: np.ndarray) -> GapNoise:
    """Return the noise of differences of means of rows; see `gap_noise.rows_noise`."""
    n = int(sums.rows.sum())
    units = (sums.rows, *(p / scale**i for i, p in enumerate(sums.powers[:3], start=1)))
    count, total, squares, cubes = (
        _per_stratum(sums.table, values, sums.strata, 1)[0] for values in units
    )
    count = np.maximum(count, 1)
    mean, freedom = total / count, np.maximum(count - 1, 1)
    variance = (squares - count * mean**2).clip(0) / (count * freedom)
    third = (cubes - 3 * mean * squares + 2 * count * mean**3) / count**3
    gap = mean[first] - mean[second]
    gap = np.where(np.abs(gap) > sums.rounding / scale, gap, 0.0)
    both = variance[first] + variance[second]
    down, up = (mean - sums.least / scale) / count, (sums.largest / scale - mean) / count
    # the unit is a root of a mean square, estimated from the same rows
    shared = (cubes - mean * squares) / count
    fourth = float(sums.powers[3].sum()) / n / scale**4
    whole = both - gap * (shared[first] - shared[second]) / n + gap**2 / 4 * (fourth - 1) / n
    limits = Limits.widened(
        gap, whole.clip(0), third[first] - third[second],
        np.maximum(down[first], up[second]), np.maximum(up[first], down[second]),
    )  # fmt: skip
    terms = variance**2 / freedom
    welch = np.divide(
        both**2, terms[first] + terms[second],
        out=np.minimum(freedom[first], freedom[second]), where=both > 0,
    )  # fmt: skip
    parts, pair = np.zeros((len(count), len(gap))), np.arange(len(gap))
    parts[first, pair], parts[second, pair] = np.sqrt(variance[first]), -np.sqrt(variance[second])
    return GapNoise(limits, welch, 2 * stats.norm.sf(t_to_normal(limits.score(), welch)), parts)
