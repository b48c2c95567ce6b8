r"""One certificate for every cell of a reading with many values (T0b, intersections).

A reading with 12 values is a function of the image like one with two. So one bound on the total
variation of the law of the *reading* bounds the change of every cell, of every union of cells and
of the imbalance at once; nothing is paid for the number of cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from bbb_core import checks, rng
from bbb_core.diffusion.commitment import CoupledRun, coupled_pair, law_bound
from bbb_core.diffusion.sampling import SchedulerProcess
from bbb_core.errors import InputError
from bbb_core.stats import binomial_interval, multinomial_intervals

__all__ = ["JointCommitment", "Reading", "joint_certificates", "reading_distance"]


@dataclass(frozen=True)
class Reading:
    """A reader of images with finitely many values.

    Attributes
    ----------
    read
        Takes images [n, c, h, w] with intensities in [0, 1] to codes 0, ..., outcomes - 1, [n].
    outcomes
        Number of values, "none of them" included.
    """

    read: Callable[[Tensor], Int[Tensor, "n"]]
    outcomes: int


@dataclass(frozen=True)
class JointCommitment:
    """A certified bound on the total variation of a reading's law between two prompts.

    Attributes
    ----------
    step
        k*, chosen on separate samples.
    law_bound
        Bound on the total variation of the laws of x_{k*}.
    change_bound
        Upper limit of what the prompt still changes in the reading after k*.
    bound
        Their sum, at most 1: certified at `confidence`.
    distance
        Total variation between the two observed laws of the reading.
    distance_interval
        Its interval; the lower end is what the bound is held against.
    counts
        Counts of the reading under both prompts, [2, outcomes].
    n, confidence
        Paths per prompt, level.
    """

    step: int
    law_bound: float
    change_bound: float
    bound: float
    distance: float
    distance_interval: tuple[float, float]
    counts: np.ndarray
    n: int
    confidence: float


def reading_distance(
    first: Int[np.ndarray, "k"], second: Int[np.ndarray, "k"], *, confidence: float = 0.95
) -> tuple[float, float, float]:
    r"""Return the TV distance of two samples' shares, with guaranteed limits.

    Each sample gets half of the error; with simultaneous intervals [l, h] and [l', h'] the
    distance of the laws is at least :math:`\max\{\sum (l - h')^+, \sum (l' - h)^+\}` and at most
    :math:`\min\{1, \sum (h - l')^+, \sum (h' - l)^+\}`.

    Examples
    --------
    >>> value, low, high = reading_distance(np.array([90, 10]), np.array([10, 90]))
    >>> round(value, 2), 0.5 < low < 0.8 < high <= 1.0
    (0.8, True)
    """
    level = 1 - (1 - checks.confidence_level(confidence)) / 2
    p, q = (multinomial_intervals(x, confidence=level) for x in (first, second))
    gap = np.abs(first / first.sum() - second / second.sum()).sum() / 2
    low = max((p[:, 0] - q[:, 1]).clip(min=0).sum(), (q[:, 0] - p[:, 1]).clip(min=0).sum())
    high = min((p[:, 1] - q[:, 0]).clip(min=0).sum(), (q[:, 1] - p[:, 0]).clip(min=0).sum(), 1.0)
    return float(gap), float(low), float(high)


def _evaluate(
    runs: tuple[CoupledRun, CoupledRun],
    step: int,
    reading: Reading,
    *,
    confidence: float,
    coins: np.random.Generator,
) -> JointCommitment:
    alpha, n = 1 - confidence, len(runs[0].images)
    final = [reading.read(run.images) for run in runs]
    early = [reading.read(run.tails[step]) for run in runs]
    # Half of alpha for the law of x_k*, half for the two counts of changes.
    law = law_bound(runs, step, confidence=1 - alpha / 2, coins=coins)
    changed = [int((f != e).sum()) for f, e in zip(final, early, strict=True)]
    limits = binomial_interval(changed, n, confidence=1 - alpha / 4, side="upper")
    change = float(limits[1].sum())
    counts = np.stack([np.bincount(f.numpy(), minlength=reading.outcomes) for f in final])
    value, low, high = reading_distance(counts[0], counts[1], confidence=confidence)
    return JointCommitment(
        step=step,
        law_bound=law,
        change_bound=min(1.0, change),
        bound=min(1.0, law + change),
        distance=value,
        distance_interval=(low, high),
        counts=counts,
        n=n,
        confidence=confidence,
    )


@torch.no_grad()
def joint_certificates(
    process: SchedulerProcess,
    condition: Tensor,
    other: Tensor,
    *,
    readings: Mapping[str, Reading],
    n: int,
    seed: int,
    pilot: int = 64,
    cuts: Sequence[int],
    common: Tensor | None = None,
    confidence: float = 0.95,
) -> dict[str, JointCommitment]:
    r"""Certify, per reader R, how far the law of its reading differs between two prompts.

    With a function r of :math:`x_{k^*}` and of noise that the prompt does not touch,

    .. math:: TV(R \mid c, c') \le TV(x_{k^*} \mid c, c') + P_c(R \ne r) + P_{c'}(R \ne r).

    r finishes the image under a common prompt with the path's own noise. The first term is
    bounded by the path TV of the steps above k* (theorem T0), the others are measured with exact
    intervals. The bound holds for every value of R and every set of values at once.

    Parameters
    ----------
    process
        A certified process (noise in every step).
    condition, other
        The two prompts' embeddings.
    readings
        Readers by name; all are evaluated on the same paths, each with its own k*.
    n, pilot
        Paths per prompt for the certificates, and separate ones on which k* is chosen.
    cuts
        Candidates for k*.
    common
        The prompt of the tails; by default the mean of the two.
    confidence
        Level of each reader's bound, at every n and for every model.

    Returns
    -------
    dict of str to JointCommitment

    Raises
    ------
    InputError
        When there is no reader, or a number is out of range.

    References
    ----------
    Data processing and theorem T0 of the book; `bbb_core.diffusion.commitment` for one set.
    """
    checks.confidence_level(confidence)
    if not readings:
        raise InputError("readings is empty; pass at least one reader.")
    middle = (condition + other) / 2 if common is None else common

    def runs(count: int, chosen: Sequence[int], key: str) -> tuple[CoupledRun, CoupledRun]:
        return coupled_pair(
            process, condition, other, middle, n=count, seed=seed, cuts=chosen, key=key
        )

    def at(made: tuple[CoupledRun, CoupledRun], step: int, name: str, key: str) -> JointCommitment:
        coins = rng.generator(seed, key, name, step)
        return _evaluate(made, step, readings[name], confidence=confidence, coins=coins)

    trial = runs(checks.integer("pilot", pilot, low=20), cuts, "joint pilot")
    best = {
        name: min(cuts, key=lambda k: at(trial, k, name, "joint pilot").bound) for name in readings
    }
    made = runs(checks.integer("n", n, low=20), sorted(set(best.values())), "joint")
    return {name: at(made, best[name], name, "joint") for name in readings}
