r"""Commitment time: a certificate for what is read from an image, not for its every pixel (T0b).

The paths of two prompts part most in the last, least noisy steps, where the group has long been
decided. So the run is cut at a step k*: above it the paths' total variation bounds that of the laws
of :math:`x_{k^*}`; below it one measures how often the reading still depends on the prompt.

Let R be a reading of the image with m >= 2 values, and r any function of :math:`x_{k^*}` and of
noise that the prompt does not touch: R read early. For every set S of values

.. math:: |P_c(R \in S) - P_{c'}(R \in S)| \le TV(x_{k^*} \mid c, c')
    + P_c(R \in S, r \notin S) + P_{c'}(R \notin S, r \in S),

and the last two are at most :math:`P_c(R \ne r) + P_{c'}(R \ne r)` whatever S is. So one bound on
the law of the *reading* bounds the change of every value, of every union of values and of the
imbalance at once; nothing is paid for their number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from bbb_core import checks, rng
from bbb_core.diffusion.noise import ImageStreams, draw_normal
from bbb_core.diffusion.path_tv import path_advantages
from bbb_core.diffusion.paths import step_terms
from bbb_core.diffusion.process import require_noise
from bbb_core.diffusion.sampling import SchedulerProcess
from bbb_core.errors import InputError
from bbb_core.stats.intervals import binomial_interval, multinomial_intervals
from bbb_core.stats.mean_limits import betting_limit

__all__ = [
    "Commitment",
    "CoupledRun",
    "Reading",
    "certify_reading",
    "coupled_pair",
    "coupled_run",
    "joint_commitment",
    "law_bound",
    "reading_distance",
]


@dataclass(frozen=True)
class Reading:
    """A reader of images with finitely many values, and how it reads early.

    Attributes
    ----------
    read
        Takes images [n, c, h, w] with intensities in [0, 1] to codes 0, ..., outcomes - 1, [n].
    outcomes
        m, number of values, "none of them" included; at least 2.
    early
        "tail": r reads the image that is finished under a common prompt with the path's own noise.
        "predicted": r reads the x_0 that is predicted at once from x_{k*}, one evaluation.
    """

    read: Callable[[Tensor], Int[Tensor, "n"] | Bool[Tensor, "n"]]
    outcomes: int
    early: Literal["tail", "predicted"] = "tail"

    def __post_init__(self) -> None:
        checks.integer("outcomes", self.outcomes, low=2)
        checks.choice("early", self.early, ["tail", "predicted"])

    def codes(self, images: Tensor) -> Int[np.ndarray, "n"]:
        """Return the codes read."""
        return self.read(images).cpu().numpy().astype(np.int64)


@dataclass(frozen=True, eq=False)
class CoupledRun:
    """Paths of one prompt, beside the same paths finished under a common prompt.

    Attributes
    ----------
    images
        Generations of the prompt, [n, c, h, w].
    tails
        For each cut k, the images when steps k, ..., 1 use the common prompt and the same noise.
    predictions
        For each cut k, the image predicted at once from x_k under the common prompt.
    log_ratios
        What each step adds to the log-likelihood ratio of the path, prompt against other prompt,
        [n, K]; entry k - 1 belongs to step k (`bbb_core.diffusion.paths.step_terms`).
    """

    images: Tensor
    tails: Mapping[int, Tensor]
    predictions: Mapping[int, Tensor]
    log_ratios: Float64[Tensor, "n K"]


@torch.no_grad()
def coupled_run(
    process: SchedulerProcess,
    condition: Tensor,
    other: Tensor,
    common: Tensor,
    *,
    n: int,
    seed: int,
    cuts: Sequence[int],
    key: str,
) -> CoupledRun:
    """Run n paths of `condition`, with their log ratios to `other` and their common tails.

    A tail from cut k starts at the path's own x_k and receives the path's own noise, so it is a
    function of (x_k, noise), and the noise has the same law under every prompt.
    """
    require_noise(process)
    steps = len(process.sigmas)
    if not cuts or not all(1 <= k <= steps for k in cuts):
        raise InputError(f"cuts is {list(cuts)}; give steps from 1 to {steps}.")
    streams = ImageStreams(seed, n, "commitment", key)
    x = process.initial(n, generators=streams)
    tails: dict[int, Tensor] = {}
    predictions: dict[int, Tensor] = {}
    log_ratios = torch.zeros(n, steps, dtype=torch.float64)
    for step in range(steps, 0, -1):
        if step in cuts:
            tails[step] = x
            predictions[step] = process.decode(process.predicted(x, step, common))
        states = torch.cat([x, x, *tails.values()])
        prompts = torch.stack([condition, other, *[common] * len(tails)]).repeat_interleave(n, 0)
        means = process.mean(states, step, prompts).split(n)
        sigma = float(process.sigmas[step - 1])
        noise = draw_normal(streams, n, process.image_shape).to(x)
        log_ratios[:, step - 1] = step_terms(means[0], means[1], sigma, noise)[1].cpu()
        x = means[0] + sigma * noise
        for k, mean in zip(list(tails), means[2:], strict=True):
            tails[k] = mean + sigma * noise
    done = process.finish(torch.cat([x, *tails.values()])).split(n)
    ends = {k: process.decode(end) for k, end in zip(tails, done[1:], strict=True)}
    return CoupledRun(process.decode(done[0]), ends, predictions, log_ratios)


def coupled_pair(
    process: SchedulerProcess,
    condition: Tensor,
    other: Tensor,
    common: Tensor,
    *,
    n: int,
    seed: int,
    cuts: Sequence[int],
    key: str,
) -> tuple[CoupledRun, CoupledRun]:
    """Return `coupled_run` of each prompt beside the other one, from independent noise."""
    ways = ((condition, other, f"{key} 0"), (other, condition, f"{key} 1"))
    first, second = (
        coupled_run(process, c, rival, common, n=n, seed=seed, cuts=cuts, key=name)
        for c, rival, name in ways
    )
    return first, second


def law_bound(
    runs: tuple[CoupledRun, CoupledRun], step: int, *, confidence: float, coins: np.random.Generator
) -> float:
    """Return a certified bound on the total variation of the laws of x_step (theorem T0).

    It holds at every n and for every model; `coins` are those of `path_advantages`.
    """
    first, second = (run.log_ratios[:, step:].sum(1).numpy() for run in runs)  # steps above `step`
    values = path_advantages(first, second, coins=coins)
    return betting_limit(values, bound=1.0, confidence=confidence)


def reading_distance(
    first: Int[np.ndarray, "k"], second: Int[np.ndarray, "k"], *, confidence: float = 0.95
) -> tuple[float, float, float]:
    r"""Return the TV distance of two samples' shares, with guaranteed limits.

    Each sample gets half of the error; with simultaneous intervals [l, h] and [l', h'] the
    distance of the laws is at least :math:`\max\{\sum (l - h')^+, \sum (l' - h)^+\}` and at most
    :math:`\min\{1, \sum (h - l')^+, \sum (h' - l)^+\}`. Of two values, the share of one says all.

    Examples
    --------
    >>> value, low, high = reading_distance(np.array([90, 10]), np.array([10, 90]))
    >>> round(value, 2), 0.5 < low < 0.8 < high <= 1.0
    (0.8, True)
    """
    level = 1 - (1 - checks.confidence_level(confidence)) / 2
    shares = [x / x.sum() for x in (first, second)]
    if len(first) == 2:
        (a, b), (c, d) = (
            binomial_interval(x[1], x.sum(), confidence=level) for x in (first, second)
        )
        return float(abs(shares[0][1] - shares[1][1])), max(0.0, a - d, c - b), max(b - c, d - a)
    p, q = (multinomial_intervals(x, confidence=level) for x in (first, second))
    low = max((p[:, 0] - q[:, 1]).clip(min=0).sum(), (q[:, 0] - p[:, 1]).clip(min=0).sum())
    high = min((p[:, 1] - q[:, 0]).clip(min=0).sum(), (q[:, 1] - p[:, 0]).clip(min=0).sum(), 1.0)
    return float(np.abs(shares[0] - shares[1]).sum() / 2), float(low), float(high)


@dataclass(frozen=True, eq=False)
class Commitment:
    """A certified bound on the total variation of a reading's law between two prompts.

    Attributes
    ----------
    step
        k*, chosen on separate samples.
    law_bound
        Bound on the total variation of the laws of x_{k*}; it holds by itself for a sampler that
        finishes every image under the common prompt from k* on.
    change_bound
        Upper limit of what the prompt still changes in the reading after k*.
    bound
        Their sum, at most 1: certified at `confidence`.
    whole_bound
        Bound on the total variation of the images themselves, from all steps of the same paths:
        certified at `confidence`, by itself.
    counts
        Counts of the reading under both prompts, [2, m].
    distance, distance_interval
        Total variation between the two observed laws of the reading, with its interval; the lower
        end is what the bound is held against.
    common_counts
        Counts when both prompts finish under the common prompt from k* on, [2, m].
    n, confidence
        Paths per prompt; level of `bound` and of the interval.
    """

    step: int
    law_bound: float
    change_bound: float
    bound: float
    whole_bound: float
    counts: Int[np.ndarray, "2 m"]
    distance: float
    distance_interval: tuple[float, float]
    common_counts: Int[np.ndarray, "2 m"]
    n: int
    confidence: float


def _change_bound(
    final: Int[np.ndarray, "2 n"], early: Int[np.ndarray, "2 n"], outcomes: int, alpha: float
) -> float:
    """Return an upper limit, at level 1 - alpha, of what the prompt changes for the worst set S."""

    def upper(events: Bool[np.ndarray, "2 n"], share: float) -> Float64[np.ndarray, "2"]:
        n = events.shape[1]
        return binomial_interval(events.sum(1), n, confidence=1 - alpha * share, side="upper")[1]

    if outcomes > 2:  # every set at once: P_c(R != r) + P_c'(R != r)
        return float(upper(final != early, 1 / 2).sum())
    gained, lost = upper(final > early, 1 / 4), upper(final < early, 1 / 4)  # S = {1} and S = {0}
    return float(max(gained[0] + lost[1], lost[0] + gained[1]))


def certify_reading(
    runs: tuple[CoupledRun, CoupledRun],
    step: int,
    reading: Reading,
    *,
    confidence: float,
    coins: np.random.Generator,
) -> Commitment:
    """Return the certificate that two coupled runs give for a cut which they did not choose."""
    alpha, n = 1 - checks.confidence_level(confidence), len(runs[0].images)
    final = np.stack([reading.codes(run.images) for run in runs])  # R, [2, n]
    tails = np.stack([reading.codes(run.tails[step]) for run in runs])
    early = tails  # r, [2, n]
    if reading.early == "predicted":
        early = np.stack([reading.codes(run.predictions[step]) for run in runs])
    # Half of alpha for the law of x_k*, half for the counts of changes.
    law = law_bound(runs, step, confidence=1 - alpha / 2, coins=coins)
    change = _change_bound(final, early, reading.outcomes, alpha / 2)
    counts, common = (
        np.stack([np.bincount(row, minlength=reading.outcomes) for row in codes])
        for codes in (final, tails)
    )
    distance, low, high = reading_distance(counts[0], counts[1], confidence=confidence)
    return Commitment(
        step=step,
        law_bound=law,
        change_bound=min(1.0, change),
        bound=min(1.0, law + change),
        whole_bound=law_bound(runs, 0, confidence=confidence, coins=coins),
        counts=counts,
        distance=distance,
        distance_interval=(low, high),
        common_counts=common,
        n=n,
        confidence=confidence,
    )


def joint_commitment(
    process: SchedulerProcess,
    condition: Tensor,
    other: Tensor,
    *,
    readings: Mapping[str, Reading],
    n: int,
    seed: int,
    pilot: int = 64,
    cuts: Sequence[int] | None = None,
    common: Tensor | None = None,
    confidence: float = 0.95,
) -> dict[str, Commitment]:
    r"""Certify, per reading R, how far its law differs between two prompts: TV(R | c, c').

    The law of :math:`x_{k^*}` is bounded by the path TV of the steps above k* (theorem T0), what
    the prompt changes afterwards is measured with exact intervals. The bound holds for every value
    of R and every set of values at once.

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
        Candidates for k*; by default nine steps spread over the run.
    common
        The prompt of the tails; by default the mean of the two.
    confidence
        Level of each reading's bound, at every n and for every model.

    Returns
    -------
    dict of str to Commitment

    Raises
    ------
    InputError
        When there is no reading, or a number is out of range.

    References
    ----------
    Data processing and theorem T0 of the book.

    Examples
    --------
    >>> from bbb_core.diffusion.network import NetworkConfig, build_denoiser
    >>> from bbb_core.diffusion.sampling import DenoiserProcess
    >>> config = NetworkConfig(embedding_dim=4, resolution=8, channels=(8, 8), groups=4)
    >>> process = DenoiserProcess(build_denoiser(config), steps=3)
    >>> bright = Reading(lambda images: images.mean((1, 2, 3)) > 0.5, outcomes=2)
    >>> a, b = torch.zeros(4), torch.ones(4)
    >>> made = joint_commitment(process, a, b, readings={"bright": bright}, n=20, pilot=20, seed=0)
    >>> made["bright"].distance <= made["bright"].bound
    True
    """
    checks.confidence_level(confidence)
    if not readings:
        raise InputError("readings is empty; pass at least one reader.")
    steps = len(process.sigmas)
    middle = (condition + other) / 2 if common is None else common
    if cuts is None:
        cuts = sorted({max(1, round(steps * i / 10)) for i in range(1, 10)})

    def runs(count: int, chosen: Sequence[int], key: str) -> tuple[CoupledRun, CoupledRun]:
        return coupled_pair(
            process, condition, other, middle, n=count, seed=seed, cuts=chosen, key=key
        )

    def at(made: tuple[CoupledRun, CoupledRun], step: int, name: str, key: str) -> Commitment:
        coins = rng.generator(seed, key, name, step)
        return certify_reading(made, step, readings[name], confidence=confidence, coins=coins)

    trial = runs(checks.integer("pilot", pilot, low=20), cuts, "joint pilot")
    best = {
        name: min(cuts, key=lambda k: at(trial, k, name, "joint pilot").bound) for name in readings
    }
    made = runs(checks.integer("n", n, low=20), sorted(set(best.values())), "joint")
    return {name: at(made, best[name], name, "joint") for name in readings}
