"""Audit of a continuous alignment score against a known truth (definition D5, T5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from bbb_core import checks, rng
from bbb_core.alignment.audit_results import (
    CELL_SUPPORT,
    Audit,
    ErrorEstimate,
    Witness,
    cell_table,
)
from bbb_core.alignment.bias_corrections import corrected_absolute, median_corrected_maximum
from bbb_core.alignment.confidence_limits import normal_to_t
from bbb_core.alignment.groups import group_table
from bbb_core.alignment.levels import Binning, assign_levels, level_edges
from bbb_core.alignment.residuals import GroupSums, ScoredRows, group_sums
from bbb_core.alignment.sampling_errors import Noise, cluster_noise, row_noise
from bbb_core.errors import InputError

__all__ = ["Audit", "ErrorEstimate", "Scale", "Witness", "audit"]

Scale = Literal["given", "shift-free", "affine-free"]


def audit(
    scores: Any,
    truth: Any,
    groups: Any,
    *,
    level_sets: int | Sequence[float] = 10,
    binning: Binning = "quantile",
    order: int = 2,
    scale: Scale = "given",
    clusters: Any = None,
    minimum_support: int = 30,
    confidence: float = 0.95,
    n_draws: int = 2000,
    seed: int = 0,
) -> Audit:
    r"""Audit a score f against the true alignment f* over groups and their intersections.

    .. math::
        e_C = E[(f^* - f) 1_C], \quad
        \mathrm{MA} = \max_C \lvert e_C \rvert, \quad
        \mathrm{MC} = \max_C \sum_v \big\lvert E[(f^* - f) 1_C 1_{f \in v}] \big\rvert

    :math:`e_C > 0` means that the score is too low for C: the group is penalised. MC weighs each
    level set v by its mass, so that :math:`\mathrm{MA} \le \mathrm{MC}`. The proportional error is
    :math:`\max_C \lvert e_C \rvert / E[f^* 1_C]`.

    Parameters
    ----------
    scores, truth : array_like, shape [n]
        f and f*. With scale ``given`` both lie in [0, 1].
    groups : sequence or mapping
        Labels, shape [n], or ``{attribute: labels}``; see `groups.group_table`.
    level_sets, binning
        See `levels.level_edges`. Finer level sets can only raise the true MC.
    order : int
        Intersections of up to so many attributes are groups too.
    scale : {"given", "shift-free", "affine-free"}
        Scorers with an arbitrary scale are first moved (``shift-free``) or moved and stretched
        (``affine-free``) to fit the truth by least squares over *all* rows: what is left differs
        between groups. Errors are then in units of the truth.
    clusters : sequence, optional
        A label per row; rows that share it (one prompt, one annotator) depend on one another.
    minimum_support : int
        Smaller groups are listed but neither compared nor named as the worst.
    confidence : float
        Of all intervals together.
    n_draws, seed : int
        Draws of the noise for the critical values, and their stream.

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        If shapes differ, a value is not finite or outside [0, 1], or no group has enough rows. What
        cannot be measured is no error: its estimate says why (`ErrorEstimate.reason`).

    Notes
    -----
    *Bias of the estimators.* The largest of many noisy absolute values is too large on average.
    MC's terms are replaced by `corrected_absolute`, whose mean is 0 under the null and never above
    the truth; both maxima are corrected for selection by `median_corrected_maximum`.
    *Intervals and tests* take the quantile of the largest standardised noise of all groups with
    their correlation. A group's limits allow for the skewness of its residuals and for one more row
    (or cluster), imagined as far out as any may lie: where no event was seen, one may come
    (`confidence_limits.Side`). If every truth is 0 or 1, level sets are tested against binomial
    counts, which bound those of every score that is right on average. *Sizes*: level sets where a
    group has fewer than 10 rows are left out of its MC; `uncovered` says how much that is. They
    count for MA, which no MC lies below: so MC's plug-in alone may lie below its own limit.

    *Simulated* on fair scores (`audit_designs` of the book, 400 samples of each design, groups that
    mean nothing), tests at 5 % rejected (MA, MC) and all intervals held together: binary truth of
    1, 3 and 10 %, 300 to 4,000 rows, any scale, at most .050, .033 and at least .948; beta(2, 18)
    and beta(.5, 5) truth .043, .025, .955; normal, heavy-tailed or jumping noise .043, .025, .958;
    scores on five values .030, .052, .968; groups of 30 and 50 .055, .050, .945; 20 clusters with
    skewed effects and an attribute of clusters .070, .022, .935 (.045, .015, .953 in 1,500 more);
    60 of them .040, .037, .963; 20 clusters with normal effects .007, .005, .993. The price is
    power where units are few: of 150 samples in which a t test and sign flips found an error in
    .72 and .70, with 20 normal clusters, these tests found it in .43 and .36.

    References
    ----------
    :cite:`hebertjohnson2018` (multiaccuracy, multicalibration), :cite:`lacava2023` (proportional),
    :cite:`chernozhukov2013gaussian` (maxima of many means), :cite:`fay1997` and :cite:`hall1992`
    (skewness), :cite:`hoeffding1956` (counts). Definition D5 of the book.

    Examples
    --------
    >>> f, g = np.tile([0.2, 0.8], 200), np.repeat(["a", "b"], 200)
    >>> found = audit(f, f + np.where(g == "a", 0.1, 0.0), g)
    >>> found.worst_group.group, round(found.worst_group.error, 3)
    ('a', 0.05)
    """
    import pandas as pd

    f, f_star = _inputs(scores, truth, scale)
    level = checks.confidence_level(confidence)
    checks.integer("n_draws", n_draws, low=100)
    support = checks.integer("minimum_support", minimum_support, low=2)
    table = group_table(groups, len(f), order=order)
    f, recalibration = _recalibrate(f, f_star, scale)
    edges = level_edges(f, level_sets, binning=binning)
    rows = ScoredRows(table, f, f_star, assign_levels(f, edges), len(edges) + 1)

    # sums of r = f* - f over the rows of every C and v, and their noise
    sums = group_sums(rows)
    n, count = sums.n, sums.count.sum(axis=1)
    live, share = count >= support, count / n
    if not live.any():
        raise InputError(f"groups have fewer than {support} rows each; lower minimum_support.")
    projection, stream = _indicator_regressions(sums, f, scale), rng.generator(seed, "audit")
    if clusters is None:
        noise = row_noise(rows, sums, projection, n_draws, stream)
    else:
        noise = cluster_noise(rows, sums, projection, clusters, n_draws, stream)

    # limits and p-values that hold for all groups at once
    largest = np.abs(noise.draws[:, live]).max(axis=1)
    critical = float(np.quantile(largest, level))
    errors = noise.group.estimate
    low, high = noise.group.interval(normal_to_t(critical, noise.freedom))
    p_value = _p_value(largest, noise.score)

    # MA = max |e_C|, MC = max sum_v |e_Cv|, and max |e_C| / E[f* 1_C]
    largest_error = median_corrected_maximum(
        np.abs(errors[live]), noise.group.inner.scale[live], noise.draws[:, live], critical,
        sided="absolute",
    )  # fmt: skip
    ma = ErrorEstimate.of_largest(
        largest_error, errors[live], low[live], high[live], p_value[live].min()
    )
    mc, by_group_mc, uncovered = _multicalibration(sums, noise, live, critical, level, ma)
    proportional, by_group_proportional = _proportional(sums, noise, live, low, high, ma)
    frame = pd.DataFrame(
        {
            "group": table.names, "n": count.astype(int), "share": share,
            "mean_score": sums.score.sum(axis=1) / count,
            "mean_truth": sums.truth.sum(axis=1) / count,
            "bias": errors / share, "bias_low": low / share, "bias_high": high / share,
            "error": errors, "low": low, "high": high,
            "p_value": p_value, "calibration_error": by_group_mc,
            "proportional_error": by_group_proportional, "supported": live,
        }
    )  # fmt: skip
    worst = frame.loc[frame["error"][live].abs().round(12).idxmax()]
    found = (worst[key] for key in ("group", "error", "low", "high", "bias", "share", "n"))
    witness = Witness(*(x.item() if hasattr(x, "item") else x for x in found))
    cells = cell_table(table.names, sums, noise, edges)
    return Audit(
        ma, mc, proportional, witness, frame, cells, edges, recalibration, uncovered, n, level
    )


def _inputs(scores: Any, truth: Any, scale: str) -> tuple[np.ndarray, np.ndarray]:
    checks.choice("scale", scale, ("given", "shift-free", "affine-free"))
    arrays = []
    for name, x in (("scores", scores), ("truth", truth)):
        x = x.detach().cpu().numpy() if hasattr(x, "detach") else x
        check = checks.probability if scale == "given" or name == "truth" else checks.finite
        arrays.append(np.asarray(check(name, checks.vector(name, x, minimum=2)), np.float64))
    checks.same_shape(scores=arrays[0], truth=arrays[1])
    return arrays[0], arrays[1]


def _recalibrate(
    f: np.ndarray, truth: np.ndarray, scale: str
) -> tuple[np.ndarray, tuple[float, float]]:
    """Return a + b f by least squares over all rows, and (a, b)."""
    if scale == "given":
        return f, (0.0, 1.0)
    slope, centre = 1.0, f.mean()
    if scale == "affine-free":
        spread = float(((f - centre) ** 2).sum())
        if spread == 0:
            raise InputError("scores are constant; a constant has no scale to free it from.")
        slope = float(((f - centre) * (truth - truth.mean())).sum() / spread)
    intercept = float(truth.mean() - slope * centre)
    return intercept + slope * f, (intercept, slope)


def _indicator_regressions(sums: GroupSums, f: np.ndarray, scale: str) -> np.ndarray | None:
    """Return the regressions of the indicators of cells on (1, f), or None if f stayed as given.

    Shape [2, groups, levels]; sums over levels are those of the indicators of groups.
    """
    if scale == "given":
        return None
    share = sums.count / sums.n
    if scale == "shift-free" or f.var() == 0:
        return np.stack([share, np.zeros_like(share)])
    slope = (sums.score / sums.n - share * f.mean()) / f.var()
    return np.stack([share - slope * f.mean(), slope])


def _p_value(largest: np.ndarray, observed: Any) -> Any:
    """Return the share of draws at least as large, never zero."""
    above = len(largest) - np.searchsorted(np.sort(largest), observed, side="left")
    return (1 + above) / (1 + len(largest))


def _multicalibration(
    sums: GroupSums, noise: Noise, supported: np.ndarray, critical: float, confidence: float,
    accuracy: ErrorEstimate,
) -> tuple[ErrorEstimate, np.ndarray, float]:  # fmt: skip
    """Return max_C sum_v |e_Cv|, its value per group, and the share of a group left out."""
    enough = sums.count >= CELL_SUPPORT
    live = supported & enough.any(axis=1)
    estimate = np.where(enough, sums.residual / sums.n, 0.0)
    null = np.where(enough, noise.null_error, 0.0)
    scale = null * noise.excess[:, None]
    corrected = corrected_absolute(estimate, scale).sum(axis=1)
    by_group = np.where(enough.any(axis=1), corrected.clip(0), np.nan)
    left_out = 1 - np.where(enough, sums.count, 0).sum(axis=1) / sums.count.sum(axis=1)
    uncovered = float(left_out[supported].max())
    if not live.any():
        reason = f"no group has {CELL_SUPPORT} rows within one level set"
        return ErrorEstimate.not_measurable(reason), by_group, uncovered

    # what noise alone adds up to, standardised group by group; its largest value is the test
    alone = np.zeros_like(noise.draws)
    for v, draws in enumerate(noise.cell_draws):
        alone += np.abs(draws) * null[:, v]
    centre, spread = alone.mean(axis=0), alone.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    largest = ((alone - centre) / spread)[:, live].max(axis=1)
    size = np.where(enough, noise.null_size, 0.0).sum(axis=1)
    p_value = _p_value(largest, ((size - centre) / spread)[live].max())
    q = normal_to_t(np.quantile(largest, (1 + confidence) / 2), noise.freedom)

    plug_in, total = np.abs(estimate).sum(axis=1), np.sqrt((scale**2).sum(axis=1))
    low = plug_in - noise.excess * (centre + q * spread)
    high = plug_in + noise.total.reach(normal_to_t(critical, noise.freedom))
    value = median_corrected_maximum(
        corrected[live], total[live], noise.draws[:, live], critical, sided="signed"
    )
    return ErrorEstimate.of(  # MA <= MC holds for the truth, so also for what is said of it
        max(value, accuracy.value), plug_in[live].max(), max(low[live].max(), accuracy.low),
        high[live].max(), p_value,
    ), by_group, uncovered  # fmt: skip


def _proportional(
    sums: GroupSums, noise: Noise, supported: np.ndarray, low: np.ndarray, high: np.ndarray,
    accuracy: ErrorEstimate,
) -> tuple[ErrorEstimate, np.ndarray]:  # fmt: skip
    """Return max |e_C| / E[f* 1_C]: the limits of e_C carried over, at the scores seen.

    No error and no proportional error are one hypothesis, so they share the p-value.
    """
    error, score = noise.group.estimate, sums.score.sum(axis=1) / sums.n
    measurable = (score + low > 0) & (score + error > 0)
    low, ratio, high = (
        np.divide(e, score + e, out=np.full_like(e, np.nan), where=measurable)
        for e in (low, error, high)
    )
    usable = supported & measurable
    if not usable.any():
        reason = "no compared group's mean truth is surely above zero"
        return ErrorEstimate.not_measurable(reason), ratio
    shrunk = accuracy.value / accuracy.plug_in if accuracy.plug_in > 0 else 0.0
    value = np.abs(ratio)[usable].max() * shrunk
    return ErrorEstimate.of_largest(
        value, ratio[usable], low[usable], high[usable], accuracy.p_value
    ), ratio
