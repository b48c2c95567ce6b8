"""One round of repair: which groups move, and how far (D5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bbb_core.alignment.errors import Reach
from bbb_core.alignment.groups import GroupTable
from bbb_core.alignment.levels import assign_levels, level_edges
from bbb_core.alignment.skewed import Limits, as_normal
from bbb_core.stats.rounding import rounding_error

__all__ = ["Round", "added", "cells_of", "next_round", "summed_errors"]

MOST_STEPS = 100
"""Groups and cells that one round moves at most; the next round goes on from there."""


@dataclass(frozen=True)
class Round:
    """One step: in level set v, the score of a row moves by the sum of its groups' steps.

    Parameters
    ----------
    edges : numpy.ndarray
        Inner edges of the level sets of the score that the round meets.
    steps : numpy.ndarray, shape [levels, groups + 1]
        Step of each group, zero for most; the last column moves everybody.
    """

    edges: np.ndarray
    steps: np.ndarray


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
    levels = assign_levels(f, edges)
    rows, error, limits = summed_errors(f, truth, table, levels, len(edges) + 1)
    weight = cells_of(table, levels, len(edges) + 1)(np.ones(len(f)))
    families = _families(table, rows, support)
    half = (1 - level) / 2  # of the level for single sets, the other half for families
    tails = half / max((rows >= support).sum(), 1), half / max(len(families), 1)
    chosen: list[int] = []
    overlaps: list[np.ndarray] = []  # rows that a chosen set shares with every other
    ridge: list[float] = []
    left, steps = error, np.zeros(0)
    while len(chosen) < MOST_STEPS:
        found = limits(left)
        score = as_normal(found.score(), len(f) - 1)
        score[rows < support] = 0.0
        score.flat[chosen] = 0.0
        best = _best(score.ravel(), families, *tails)
        if not best:
            break
        spread = found.inner.scale.flat[best] ** 2 / rows.flat[best] ** 2  # of mean errors
        alone = len(best) == 1
        typical = (score.flat[best] ** 2 - (0 if alone else 1)).sum() / (1 / spread).sum()
        chosen += best
        overlaps += [added(_inside(i, rows.shape, table) * weight, table).ravel() for i in best]
        ridge += (spread * rows.flat[best] / typical).tolist()
        gram = np.stack(overlaps)
        steps = np.linalg.solve(gram[:, chosen] + np.diag(ridge), error.flat[chosen])
        left = error - (steps @ gram).reshape(error.shape)
    if not chosen:
        return None
    made = np.zeros(error.shape)
    made.flat[chosen] = steps
    return Round(edges, made[: len(weight)] + made[len(weight) :].sum(axis=0))


def _families(table: GroupTable, rows: np.ndarray, support: int) -> list[np.ndarray]:
    """Return the places of disjoint sets that are tested together: one attribute, one level set."""
    place = np.arange(rows.size).reshape(rows.shape)
    kinds = list(dict.fromkeys(table.attributes))
    kind = np.array([kinds.index(a) for a in table.attributes])
    made = (
        place[level, :-1][(kind == k) & (rows[level, :-1] >= support)]
        for level in range(len(rows))
        for k in range(len(kinds))
    )
    return [family for family in made if len(family) > 1]


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


def cells_of(
    table: GroupTable, levels: np.ndarray, n_levels: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Return what adds up values of rows per level set and pattern, [levels, patterns]."""
    p = table.members.shape[1]
    cell = levels * p + table.patterns
    return lambda x: np.bincount(cell, x, n_levels * p).reshape(n_levels, p)


def added(cells: np.ndarray, table: GroupTable) -> np.ndarray:
    """Add up [levels, patterns] per group and for everybody; below them, over several level sets.

    The result has shape [levels, groups + 1], or [levels + 1, groups + 1] with two levels or more.
    """
    found = np.hstack([table.sums(cells), cells.sum(axis=1, keepdims=True)])
    return found if len(found) == 1 else np.vstack([found, found.sum(axis=0)])


def _inside(place: int, shape: tuple[int, ...], table: GroupTable) -> np.ndarray:
    """Return which cells [levels, patterns] make up one entry of an array of `added`."""
    level, group = divmod(place, shape[1])
    member = np.ones(table.members.shape[1])
    if group < len(table.names):
        member = table.members[[group]].toarray()[0]
    if shape[0] == 1:
        return member[None]
    every = level == shape[0] - 1
    return np.outer(np.ones(shape[0] - 1) if every else np.eye(shape[0] - 1)[level], member)


def summed_errors(
    f: np.ndarray, truth: np.ndarray, table: GroupTable, levels: np.ndarray, n_levels: int
) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], Limits]]:
    """Return rows and summed errors of all sets of `added`, and what puts limits to such sums."""
    r = truth - f
    r = np.where(np.abs(r) <= rounding_error(f, truth), 0.0, r)
    cells = cells_of(table, levels, n_levels)
    rows, first, second, third, score = (
        added(cells(x), table) for x in (np.ones_like(r), r, r**2, r**3, f)
    )
    n = np.maximum(rows, 1)
    variance = (second - first**2 / n) * n / np.maximum(n - 1, 1)
    skewed = third - 3 * first * second / n + 2 * first**3 / n**2
    below, above = Reach.of(r, truth).sides(score / n)
    return rows, first, lambda sums: Limits.of(sums, variance, skewed, below, above)
