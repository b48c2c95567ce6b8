"""Repair of a score by boosting over groups, from scores and truth alone (D5, T5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import stats

from bbb_core import checks, rng
from bbb_core.alignment.candidate_sets import CandidateSets, tabulate_errors
from bbb_core.alignment.confidence_limits import t_to_normal
from bbb_core.alignment.groups import GroupTable, group_table
from bbb_core.alignment.levels import assign_levels, level_edges
from bbb_core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Notion", "Repair", "Round", "apply_rounds", "next_round", "repair"]

MOST_STEPS = 100
"""Groups and cells that one round moves at most; the next round goes on from there."""

Notion = Literal["multiaccuracy", "multicalibration"]


@dataclass(frozen=True)
class Round:
    """One step: in level set v, the score of a row moves by the sum of its groups' steps."""

    edges: np.ndarray  # inner edges of the level sets of the score that the round meets
    steps: np.ndarray  # [levels, groups + 1]: zero for most; the last column moves everybody


@dataclass(frozen=True)
class Repair:
    """A fitted repair.

    Attributes
    ----------
    rounds : tuple of Round
    names : tuple of str
        Groups, in the order of the steps.
    notion, order
        As asked for.
    stopped : str
        Why the rounds ended.
    by_group : pandas.DataFrame
        A row per group, judged on rows that its repair was fitted without: ``group, n`` (such
        rows), ``moved`` (whether the returned rounds have a step of the group's own), and the mean
        of truth - score ``before`` and ``after`` with simultaneous limits ``before_low,
        before_high, after_low, after_high``. Below the minimum support these are what any truth in
        [0, 1] allows, and without a held-out row all are NaN.
    before, after : float
        Worst absolute signed error E[(f* - f) 1_C] on those rows: a summary in which a small group
        has little weight.
    evaluation_rows : numpy.ndarray
        Those rows.
    """

    rounds: tuple[Round, ...]
    names: tuple[str, ...]
    notion: Notion
    order: int
    stopped: str
    by_group: pd.DataFrame
    evaluation_rows: np.ndarray = field(repr=False)

    @property
    def before(self) -> float:
        """Worst absolute signed error before the repair."""
        return self._worst("before")

    @property
    def after(self) -> float:
        """Worst absolute signed error after the repair."""
        return self._worst("after")

    def _worst(self, stage: str) -> float:
        weighted = self.by_group["n"] * self.by_group[stage].abs()
        return float(weighted.max()) / len(self.evaluation_rows)

    def apply(self, scores: Any, groups: Any) -> np.ndarray:
        """Return repaired scores in [0, 1] of rows with the same attributes as in the fit.

        Groups that the fit did not see add no step of their own.
        """
        f = _scores("scores", scores)
        table = group_table(groups, len(f), order=self.order).aligned(self.names)
        return apply_rounds(f, table, self.rounds)


def repair(
    scores: Any,
    truth: Any,
    groups: Any,
    *,
    notion: Notion = "multiaccuracy",
    level_sets: int = 10,
    order: int = 2,
    max_rounds: int = 10,
    minimum_support: int = 10,
    confidence: float = 0.95,
    held_out: float = 0.2,
    final: Literal["all", "held-out"] = "all",
    seed: int = 0,
) -> Repair:
    r"""Fit a post-processing that makes a score multiaccurate or multicalibrated.

    A round looks for the group C (or everybody; for multicalibration also: within one level set of
    the current score) whose error :math:`\sum_{i \in C} (f^*_i - f_i)` is least explained by
    chance, then for the next one given the first, and so on, as long as a simultaneous test
    rejects; then for families (all groups of one attribute) whose errors differ by more than
    chance although none stands out. What it found, :math:`C_1, \dots, C_k`, moves together,

    .. math::
        f \leftarrow \mathrm{clip}_{[0,1]}\Big(f + \sum_j w_j 1_{C_j}\Big), \qquad
        w = \arg\min_w \sum_i \Big(f^*_i - f_i - \sum_{j:\, i \in C_j} w_j\Big)^2
        + \sum_j \lambda_j w_j^2 ,

    shrunk as if steps were random (`next_round`): hardly where the evidence is strong, and a
    small group of a family by much. Rounds follow until nothing is left to move.

    *A group that nothing speaks against stays.* The test holds all groups and cells at half of
    ``1 - confidence`` (Bonferroni) and families at the other half, with limits for skewed noise
    (`confidence_limits.Side`): a small group of rare events is moved when its *events* suffice, not
    its rows.

    *Held out.* Rounds are fitted on a random share of the rows and every group's error is judged
    on the others, before and after. What is returned is fitted once more, on all rows, unless
    `final` says otherwise.

    Parameters
    ----------
    scores, truth : array_like, shape [n]
        In [0, 1].
    groups, order
        See `groups.group_table`.
    notion : {"multiaccuracy", "multicalibration"}
    level_sets : int
        Quantile level sets per round (multicalibration only).
    max_rounds : int
        Most rounds.
    minimum_support : int
        Groups and cells of fewer rows have no step of their own.
    confidence : float
        Of the family of tests, and of the limits in `Repair.by_group`.
    held_out : float
        Share of the rows that judge.
    final : {"all", "held-out"}
        Whether the returned rounds are fitted on all rows, or leave the evaluation part untouched.
    seed : int
        Of the split.

    Returns
    -------
    Repair

    Raises
    ------
    InputError
        If scores or truth lie outside [0, 1], shapes differ, or either part has under two rows.

    Notes
    -----
    Simulated with scores that are right, 200, 600 and 2,000 rows, three attributes with groups down
    to 3 %, and truth that is binary (rates .03 to .5), normal, beta(2, 18), mostly zero, heavy
    tailed, or ten times noisier in one group: any step at all in .000 to .028 of 250 fits each;
    the limits of all groups together miss in .000 to .032.

    With 600 rows of binary truth and one large group .10 off, unbiased groups of 4 % move by .004
    on average on fresh rows (by .04 where all groups are regressed at once with one ridge penalty),
    and the mean squared error falls from .0042 to .0016 (.0035). Biased groups: 5 % of the rows
    .23 off are left .13 off, 10 % .19 off .07, half of the rows .10 off .03; 5 % that are .10 off,
    which 600 rows cannot show, stay. Where *every* cell of two attributes is off by about .10, 600
    and 2,000 rows leave .087 and .054, hardly more than the one regression (.082 and .052).

    References
    ----------
    :cite:`kim2019multiaccuracy`, :cite:`hebertjohnson2018`; tested steps that are solved for
    together are ours.

    Examples
    --------
    >>> g = np.repeat(["a", "b"], 300)
    >>> f = np.tile(np.linspace(0.2, 0.7, 300), 2)
    >>> noise = np.tile([0.05, -0.05], 300)
    >>> found = repair(f, f + noise + np.where(g == "a", 0.1, 0.0), g)
    >>> found.by_group[["group", "moved"]].to_numpy().tolist()
    [['a', True], ['b', False]]
    >>> bool(found.after < 0.01 < 0.04 < found.before)
    True
    """
    f, f_star = _scores("scores", scores), _scores("truth", truth)
    checks.same_shape(scores=f, truth=f_star)
    checks.choice("notion", notion, ("multiaccuracy", "multicalibration"))
    checks.choice("final", final, ("all", "held-out"))
    count = 1 if notion == "multiaccuracy" else checks.integer("level_sets", level_sets, low=2)
    most = checks.integer("max_rounds", max_rounds, low=1)
    support = checks.integer("minimum_support", minimum_support, low=2)
    level = checks.confidence_level(confidence)
    table = group_table(groups, len(f), order=order)
    fit, judge = _split(len(f), held_out, rng.generator(seed, "repair"))

    def fitted(rows: np.ndarray) -> tuple[tuple[Round, ...], str]:
        """Return the rounds that some rows ask for, and why they ended."""
        moved, part = f[rows], table.take(rows)
        rounds: tuple[Round, ...] = ()
        for _ in range(most):
            found = next_round(moved, f_star[rows], part, count, support, level)
            if found is None:
                return rounds, "no group's error is larger than chance explains"
            moved, rounds = apply_rounds(moved, part, (found,)), (*rounds, found)
        return rounds, f"the most rounds allowed, {most}, were used"

    tried, stopped = fitted(fit)
    kept, stopped = fitted(np.arange(len(f))) if final == "all" else (tried, stopped)
    part = table.take(judge)
    stages = {"before": f[judge], "after": apply_rounds(f[judge], part, tried)}
    steps = np.concatenate([np.zeros((1, len(table.names))), *(r.steps[:, :-1] for r in kept)])
    by_group = tabulate_errors(part, stages, f_star[judge], support, level)
    by_group.insert(2, "moved", (steps != 0).any(axis=0))
    return Repair(kept, table.names, notion, order, stopped, by_group, judge)


def _scores(name: str, x: Any) -> np.ndarray:
    x = x.detach().cpu().numpy() if hasattr(x, "detach") else x
    return np.asarray(checks.probability(name, checks.vector(name, x)), dtype=np.float64)


def _split(n: int, share: float, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to fit on and the rows that judge."""
    judged = round(float(checks.probability("held_out", share)) * n)
    if min(judged, n - judged) < 2:
        raise InputError(f"held_out is {share:g} of {n} rows; leave two rows in either part.")
    rows = stream.permutation(n)
    return rows[judged:], rows[:judged]


def next_round(
    f: np.ndarray, truth: np.ndarray, table: GroupTable, count: int, support: int, level: float
) -> Round | None:
    r"""Return the steps of all sets of rows that a simultaneous test speaks against, if any.

    Sets are chosen one after the other, each given the steps of those before it. A set j with
    mean error :math:`e_j` of variance :math:`v_j` gets the ridge :math:`n_j v_j / \tau^2`, as a
    random step of variance :math:`\tau^2` would: :math:`\tau^2 = e_j^2` for a single set, the
    moment estimate :math:`\sum (z_j^2 - 1) / \sum v_j^{-1}` for a family.
    """
    edges = level_edges(f, count)
    sets = CandidateSets(table, assign_levels(f, edges), len(edges) + 1)
    rows, error, limits = sets.errors(f, truth)
    weight = sets.cells(np.ones(len(f)))
    families = sets.families(rows, support)
    half = (1 - level) / 2  # of the level for single sets, the other half for families
    tails = half / max((rows >= support).sum(), 1), half / max(len(families), 1)
    chosen: list[int] = []
    overlaps: list[np.ndarray] = []  # rows that a chosen set shares with every other
    ridge: list[float] = []
    left, steps = error, np.zeros(0)
    while len(chosen) < MOST_STEPS:
        # the set or family whose error is least explained by chance, given the steps so far
        found = limits(left)
        score = t_to_normal(found.score(), len(f) - 1)
        score[rows < support] = 0.0
        score.flat[chosen] = 0.0
        best = _best(score.ravel(), families, *tails)
        if not best:
            break
        # its ridge n v / tau^2, and all steps together: (G + diag ridge) w = e
        spread = found.inner.scale.flat[best] ** 2 / rows.flat[best] ** 2  # of mean errors
        alone = len(best) == 1
        typical = (score.flat[best] ** 2 - (0 if alone else 1)).sum() / (1 / spread).sum()
        chosen += best
        overlaps += [sets.totals(sets.inside(i) * weight).ravel() for i in best]
        ridge += (spread * rows.flat[best] / typical).tolist()
        gram = np.stack(overlaps)
        steps = np.linalg.solve(gram[:, chosen] + np.diag(ridge), error.flat[chosen])
        left = error - (steps @ gram).reshape(error.shape)
    if not chosen:
        return None
    made = np.zeros(error.shape)
    made.flat[chosen] = steps
    return Round(edges, made[: len(weight)] + made[len(weight) :].sum(axis=0))


def _best(score: np.ndarray, families: list[np.ndarray], tail: float, joint: float) -> list[int]:
    """Return the set, or else the family, least explained by chance; empty if all may be chance."""
    best = int(score.argmax())
    if 2 * stats.norm.sf(score[best]) < tail:
        return [best]
    chance = [stats.chi2.sf((score[places] ** 2).sum(), len(places)) for places in families]
    if chance and min(chance) < joint:
        family = families[int(np.argmin(chance))]
        return family[score[family] > 0].tolist()  # the others are chosen, or exactly right
    return []


def apply_rounds(f: np.ndarray, table: GroupTable, rounds: tuple[Round, ...]) -> np.ndarray:
    """Return the scores [n] after some rounds, clipped to [0, 1] after each."""
    for step in rounds:
        delta = step.steps[:, :-1] @ table.members + step.steps[:, -1:]  # [levels, patterns]
        f = np.clip(f + delta[assign_levels(f, step.edges), table.patterns], 0.0, 1.0)
    return f
