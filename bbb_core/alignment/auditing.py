"""Audit of a continuous alignment score against a known truth (definition D5, T5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from bbb_core import checks, rng
from bbb_core.alignment.errors import ROUNDING, Reach, cluster_noise, row_noise
from bbb_core.alignment.findings import Audit, ErrorEstimate, Findings, Witness
from bbb_core.alignment.groups import group_table
from bbb_core.alignment.levels import Binning, assign_levels, level_edges
from bbb_core.alignment.sums import GroupSums, group_sums
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
    MC's terms are replaced by `noise.corrected_absolute`, whose mean is 0 under the null and never
    above the truth; both maxima are corrected for selection by `noise.median_corrected_maximum`.
    *Intervals and tests* take the quantile of the largest standardised noise of all groups with
    their correlation. A group's limits allow for the skewness of its residuals and for one more row
    (or cluster), imagined as far out as any may lie: where no event was seen, one may come
    (`skewed.Side`). If every truth is 0 or 1, level sets are tested against binomial counts, which
    bound those of every score that is right on average. *Sizes*: level sets where a group has fewer
    than 10 rows are left out of its MC; `uncovered` says how much that is.

    *Simulated* on fair scores (`experiments.audit_designs`, 400 samples of each design, groups that
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
    f, f_star = _inputs(scores, truth, scale)
    level = checks.confidence_level(confidence)
    checks.integer("n_draws", n_draws, low=100)
    support = checks.integer("minimum_support", minimum_support, low=2)
    table = group_table(groups, len(f), order=order)
    f, recalibration = _recalibrate(f, f_star, scale)
    edges = level_edges(f, level_sets, binning=binning)
    levels, n_levels = assign_levels(f, edges), len(edges) + 1
    residual = _residual(f, f_star)
    reach = Reach.of(residual, f_star)
    sums = group_sums(table, f, f_star, residual, levels, n_levels)
    supported = sums.count.sum(axis=1) >= support
    if not supported.any():
        raise InputError(f"groups have fewer than {support} rows each; lower minimum_support.")
    stream = rng.generator(seed, "audit")
    projection = _projection(sums, f, scale)
    if clusters is None:
        totals = np.array([*((residual**2 * f**i).sum() for i in range(3)), (residual**3).sum()])
        whole = None if projection is None else projection.sum(axis=2)
        noise = row_noise(sums, reach, whole, totals, n_draws, stream)
    else:
        noise = cluster_noise(
            table, sums, residual, f, levels, reach, projection, clusters, n_draws, stream
        )
    return Findings(table, sums, noise, supported, level).audit(edges, recalibration)


def _inputs(scores: Any, truth: Any, scale: str) -> tuple[np.ndarray, np.ndarray]:
    checks.choice("scale", scale, ("given", "shift-free", "affine-free"))
    arrays = []
    for name, x in (("scores", scores), ("truth", truth)):
        x = x.detach().cpu().numpy() if hasattr(x, "detach") else x
        check = checks.probability if scale == "given" or name == "truth" else checks.finite
        arrays.append(np.asarray(check(name, checks.vector(name, x, minimum=2)), np.float64))
    checks.same_shape(scores=arrays[0], truth=arrays[1])
    return arrays[0], arrays[1]


def _residual(f: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return truth - f, without what the rounding of either leaves of equal numbers."""
    residual = truth - f
    return np.where(np.abs(residual) > ROUNDING * max(1.0, np.abs(f).max()), residual, 0.0)


def _recalibrate(
    f: np.ndarray, truth: np.ndarray, scale: str
) -> tuple[np.ndarray, tuple[float, float]]:
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


def _projection(sums: GroupSums, f: np.ndarray, scale: str) -> np.ndarray | None:
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
