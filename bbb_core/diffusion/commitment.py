r"""Commitment time: a certificate for what is read from an image, not for its every pixel (T0b).

The path KL of the whole run is dominated by its last, least noisy steps, where the group has long
been decided. So the run is cut at a step k*: above it the path KL bounds the total variation of
the laws of :math:`x_{k^*}`; below it one measures how often the reading still depends on the
prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from bbb_core import checks, rng
from bbb_core.diffusion.limits import bootstrap_t_limits
from bbb_core.diffusion.process import ImageStreams, draw_normal
from bbb_core.diffusion.sampling import SchedulerProcess, to_images
from bbb_core.errors import InputError
from bbb_core.stats import binomial_interval
from bbb_core.theory import tv_bound_from_kl

__all__ = ["Commitment", "CoupledRun", "commitment_certificate", "coupled_run"]

Reader = Literal["tail", "predicted"]
"""How x_{k*} is read: finish the image under a common prompt, or predict x_0 from it at once."""


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
    terms
        Each step's divergence from the other prompt along each path, [n, K].
    """

    images: Tensor
    tails: Mapping[int, Tensor]
    predictions: Mapping[int, Tensor]
    terms: Float64[Tensor, "n K"]


def coupled_run(
    process: SchedulerProcess,
    condition: Tensor,
    other: Tensor,
    common: Tensor,
    *,
    n: int,
    seed: int,
    cuts: Sequence[int],
    key: str | int = 0,
) -> CoupledRun:
    """Run n paths of `condition`, with their divergence from `other` and their common tails.

    A tail from cut k starts at the path's own x_k and receives the path's own noise, so it is a
    function of (x_k, noise), and the noise has the same law under every prompt.
    """
    steps = len(process.sigmas)
    if not cuts or not all(1 <= k <= steps for k in cuts):
        raise InputError(f"cuts is {list(cuts)}; give steps from 1 to {steps}.")
    streams = ImageStreams(seed, n, "commitment", key)
    x = process.initial(n, generators=streams)
    tails: dict[int, Tensor] = {}
    predictions: dict[int, Tensor] = {}
    terms = torch.zeros(n, steps, dtype=torch.float64)
    for step in range(steps, 0, -1):
        if step in cuts:
            tails[step] = x
            predictions[step] = to_images(process.predicted(x, step, common))
        states = torch.cat([x, x, *tails.values()])
        prompts = torch.stack([condition, other, *[common] * len(tails)]).repeat_interleave(n, 0)
        means = process.mean(states, step, prompts).split(n)
        sigma = float(process.sigmas[step - 1])
        terms[:, step - 1] = (means[0] - means[1]).flatten(1).square().sum(1) / (2 * sigma**2)
        noise = sigma * draw_normal(streams, n, process.image_shape).to(x)
        x = means[0] + noise
        for k, mean in zip(list(tails), means[2:], strict=True):
            tails[k] = mean + noise
    done = process.finish(torch.cat([x, *tails.values()])).split(n)
    ends = {k: to_images(end) for k, end in zip(tails, done[1:], strict=True)}
    return CoupledRun(to_images(done[0]), ends, predictions, terms)


@dataclass(frozen=True)
class Commitment:
    r"""A certified bound on how much the share of one reading can differ between two prompts.

    Attributes
    ----------
    step
        k*, chosen on separate samples.
    kl_upper
        Upper limit of the path KL of steps K, ..., k* + 1 (the smaller of both directions).
    law_bound
        Bound on the total variation of the laws of x_{k*}; it holds by itself for a sampler that
        finishes every image under the common prompt from k* on.
    change_bound
        Upper limit of what the prompt still changes after k*.
    bound
        law_bound + change_bound, at most 1: certified at `confidence`.
    shares
        Measured shares of the reading under the two prompts.
    difference
        Their absolute difference, with its interval: the measurement that the bound is held
        against.
    common_shares
        Measured shares when both prompts finish under the common prompt.
    n, confidence, reader
        Paths per prompt; level of `bound` and of `difference_interval`; how x_{k*} was read.
    """

    step: int
    kl_upper: float
    law_bound: float
    change_bound: float
    bound: float
    shares: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    common_shares: tuple[float, float]
    n: int
    confidence: float
    reader: Reader


def _upper(events: Bool[Tensor, "n"], alpha: float) -> float:
    count, n = int(events.sum()), len(events)
    return float(binomial_interval(count, n, confidence=1 - 2 * alpha)[1])


def _evaluate(
    runs: tuple[CoupledRun, CoupledRun],
    step: int,
    read: Callable[[Tensor], Bool[Tensor, "n"]],
    *,
    reader: Reader,
    confidence: float,
    seed: int,
) -> Commitment:
    alpha = 1 - confidence
    n = len(runs[0].images)
    final = [read(run.images) for run in runs]
    ends = [run.tails[step] if reader == "tail" else run.predictions[step] for run in runs]
    early = [read(images) for images in ends]
    # Half of alpha for the two directions of KL, half for the four counts of changes.
    uppers = []
    for i, run in enumerate(runs):
        sums = run.terms[:, step:].sum(1).numpy()
        if sums.max() == 0:
            uppers.append(0.0)
            continue
        stream = rng.generator(seed, "commitment limits", i)
        limit = bootstrap_t_limits(sums, confidence=1 - alpha / 4, rng=stream)[1]
        uppers.append(max(float(limit), 0.0))
    law = float(tv_bound_from_kl(min(uppers)))
    gained = [_upper(f & ~e, alpha / 8) for f, e in zip(final, early, strict=True)]
    lost = [_upper(~f & e, alpha / 8) for f, e in zip(final, early, strict=True)]
    change = max(gained[0] + lost[1], lost[0] + gained[1])
    shares = tuple(float(f.double().mean()) for f in final)
    low, high = _difference_interval(final, confidence)
    tails = [read(run.tails[step]).double().mean() for run in runs]
    return Commitment(
        step=step,
        kl_upper=min(uppers),
        law_bound=law,
        change_bound=min(1.0, change),
        bound=min(1.0, law + change),
        shares=(shares[0], shares[1]),
        difference=abs(shares[0] - shares[1]),
        difference_interval=(low, high),
        common_shares=(float(tails[0]), float(tails[1])),
        n=n,
        confidence=confidence,
        reader=reader,
    )


def _difference_interval(final: list[Tensor], confidence: float) -> tuple[float, float]:
    """Return limits of |p - q| from two exact intervals, each at half the error."""
    ends = [
        binomial_interval(int(f.sum()), len(f), confidence=1 - (1 - confidence) / 2) for f in final
    ]
    (a, b), (c, d) = ends
    return max(0.0, float(a - d), float(c - b)), max(float(b - c), float(d - a))


@torch.no_grad()
def commitment_certificate(
    process: SchedulerProcess,
    condition: Tensor,
    other: Tensor,
    *,
    read: Callable[[Tensor], Bool[Tensor, "n"]],
    n: int,
    seed: int,
    pilot: int = 64,
    cuts: Sequence[int] | None = None,
    common: Tensor | None = None,
    reader: Reader = "tail",
    confidence: float = 0.95,
) -> Commitment:
    r"""Certify how much the share of a reading differs between two prompts.

    For a set S of images (those that `read` marks) and any function r of (x_{k*}, noise),

    .. math:: |D_c(S) - D_{c'}(S)| \le TV(x_{k^*} | c, c') + \max\{
        P_c(S, \neg r) + P_{c'}(\neg S, r),\; P_c(\neg S, r) + P_{c'}(S, \neg r) \}.

    The first term is bounded by path KL (theorem T0), the second is measured with exact intervals.

    Parameters
    ----------
    process
        A certified process (noise in every step).
    condition, other
        The two prompts' embeddings.
    read
        Marks the images (intensities in [0, 1]) that are read as the group.
    n
        Paths per prompt for the certificate.
    pilot
        Paths per prompt, separate ones, on which k* is chosen.
    cuts
        Candidates for k*; by default nine steps spread over the run.
    common
        The prompt of the tails; by default the mean of the two.
    reader
        "tail": r finishes the image under the common prompt with the path's own noise.
        "predicted": r looks at the predicted x_0, one network evaluation.
    confidence
        Level of the bound; the limits of the KL are asymptotic (bootstrap-t), the others exact.

    Returns
    -------
    Commitment

    Raises
    ------
    InputError
        When a number is out of range.
    """
    checks.confidence_level(confidence)
    checks.choice("reader", reader, ["tail", "predicted"])
    steps = len(process.sigmas)
    common = (condition + other) / 2 if common is None else common
    if cuts is None:
        cuts = sorted({max(1, round(steps * i / 10)) for i in range(1, 10)})

    def both(count: int, chosen: Sequence[int], key: str) -> tuple[CoupledRun, CoupledRun]:
        run = [
            coupled_run(process, a, b, common, n=count, seed=seed, cuts=chosen, key=f"{key} {i}")
            for i, (a, b) in enumerate([(condition, other), (other, condition)])
        ]
        return run[0], run[1]

    options = {"reader": reader, "confidence": confidence, "seed": seed}
    trial = both(checks.integer("pilot", pilot, low=20), cuts, "pilot")
    best = min(cuts, key=lambda k: _evaluate(trial, k, read, **options).bound)
    return _evaluate(both(checks.integer("n", n, low=20), [best], "n"), best, read, **options)
