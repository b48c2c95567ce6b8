r"""Commitment time: a certificate for what is read from an image, not for its every pixel (T0b).

The paths of two prompts part most in the last, least noisy steps, where the group has long been
decided. So the run is cut at a step k*: above it the paths' total variation bounds that of the laws
of :math:`x_{k^*}`; below it one measures how often the reading still depends on the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from bbb_core import checks, rng
from bbb_core.diffusion.path_tv import path_advantages
from bbb_core.diffusion.paths import step_terms
from bbb_core.diffusion.process import ImageStreams, draw_normal, require_noise
from bbb_core.diffusion.sampling import SchedulerProcess, to_images
from bbb_core.errors import InputError
from bbb_core.stats import binomial_interval
from bbb_core.stats.mean_limits import betting_limit

__all__ = [
    "Commitment",
    "CoupledRun",
    "commitment_certificate",
    "coupled_pair",
    "coupled_run",
    "law_bound",
]

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
    log_ratios
        What each step adds to the log-likelihood ratio of the path, prompt against other prompt,
        [n, K]; entry k - 1 belongs to step k (`bbb_core.diffusion.paths.step_terms`).
    """

    images: Tensor
    tails: Mapping[int, Tensor]
    predictions: Mapping[int, Tensor]
    log_ratios: Float64[Tensor, "n K"]


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
            predictions[step] = to_images(process.predicted(x, step, common))
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
    ends = {k: to_images(end) for k, end in zip(tails, done[1:], strict=True)}
    return CoupledRun(to_images(done[0]), ends, predictions, log_ratios)


def coupled_pair(
    process: SchedulerProcess, condition: Tensor, other: Tensor, common: Tensor, **options: Any
) -> tuple[CoupledRun, CoupledRun]:
    """Return `coupled_run` of each prompt beside the other one, from independent noise."""
    key = options.pop("key")
    return (
        coupled_run(process, condition, other, common, key=f"{key} 0", **options),
        coupled_run(process, other, condition, common, key=f"{key} 1", **options),
    )


def law_bound(
    runs: tuple[CoupledRun, CoupledRun], step: int, *, confidence: float, coins: np.random.Generator
) -> float:
    """Return a certified bound on the total variation of the laws of x_step (theorem T0).

    It holds at every n and for every model; `coins` are those of `path_advantages`.
    """
    first, second = (run.log_ratios[:, step:].sum(1).numpy() for run in runs)  # steps above `step`
    return betting_limit(
        path_advantages(first, second, coins=coins), bound=1.0, confidence=confidence
    )


@dataclass(frozen=True)
class Commitment:
    r"""A certified bound on how much the share of one reading can differ between two prompts.

    Attributes
    ----------
    step
        k*, chosen on separate samples.
    law_bound
        Bound on the total variation of the laws of x_{k*}; it holds by itself for a sampler that
        finishes every image under the common prompt from k* on.
    change_bound
        Upper limit of what the prompt still changes after k*.
    bound
        law_bound + change_bound, at most 1: certified at `confidence`.
    whole_bound
        Bound on the total variation of the images themselves, from all steps of the same paths:
        certified at `confidence`, by itself.
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
    law_bound: float
    change_bound: float
    bound: float
    whole_bound: float
    shares: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    common_shares: tuple[float, float]
    n: int
    confidence: float
    reader: Reader


def _upper(events: Bool[Tensor, "n"], alpha: float) -> float:
    count, n = int(events.sum()), len(events)
    return float(binomial_interval(count, n, confidence=1 - alpha, side="upper")[1])


def _evaluate(
    runs: tuple[CoupledRun, CoupledRun],
    step: int,
    read: Callable[[Tensor], Bool[Tensor, "n"]],
    *,
    reader: Reader,
    confidence: float,
    coins: np.random.Generator,
) -> Commitment:
    alpha = 1 - confidence
    n = len(runs[0].images)
    final = [read(run.images) for run in runs]
    ends = [run.tails[step] if reader == "tail" else run.predictions[step] for run in runs]
    early = [read(images) for images in ends]
    # Half of alpha for the law of x_k*, half for the four counts of changes.
    law = law_bound(runs, step, confidence=1 - alpha / 2, coins=coins)
    gained = [_upper(f & ~e, alpha / 8) for f, e in zip(final, early, strict=True)]
    lost = [_upper(~f & e, alpha / 8) for f, e in zip(final, early, strict=True)]
    change = max(gained[0] + lost[1], lost[0] + gained[1])
    shares = tuple(float(f.double().mean()) for f in final)
    low, high = _difference_interval(final, confidence)
    tails = [read(run.tails[step]).double().mean() for run in runs]
    return Commitment(
        step=step,
        law_bound=law,
        change_bound=min(1.0, change),
        bound=min(1.0, law + change),
        whole_bound=law_bound(runs, 0, confidence=confidence, coins=coins),
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

    The first term is bounded by the path TV of the steps above k* (theorem T0), the second is
    measured with exact intervals.

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
        Level of the bound, at every n and for every model.

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

    def at(count: int, chosen: Sequence[int], key: str) -> dict[int, Commitment]:
        runs = coupled_pair(
            process, condition, other, common, n=count, seed=seed, cuts=chosen, key=key
        )
        made = {}
        for k in chosen:
            coins = rng.generator(seed, "commitment coins", key, k)
            made[k] = _evaluate(runs, k, read, reader=reader, confidence=confidence, coins=coins)
        return made

    trial = at(checks.integer("pilot", pilot, low=20), cuts, "pilot")
    best = min(cuts, key=lambda k: trial[k].bound)
    return at(checks.integer("n", n, low=20), [best], "n")[best]
