"""Path divergences of a trained model between many prompts in one pass, with the generations.

Serves section T0b: the path KL as a geometry on embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from bbb_core import checks, progress
from bbb_core.diffusion.noise import ImageStreams, draw_normal
from bbb_core.diffusion.process import require_noise
from bbb_core.diffusion.sampling import SchedulerProcess
from bbb_core.errors import InputError

__all__ = ["PathDivergences", "path_divergences"]


@dataclass(frozen=True, eq=False)
class PathDivergences:
    r"""Divergences along sampled paths, and what these paths ended in.

    Attributes
    ----------
    images
        Generations of the m conditions, [m, n, c, h, w], intensities in [0, 1].
    terms
        [m, r, n, K]: step k of path i of condition c, against its j-th other condition c', is
        :math:`\lVert \mu_k(x_k, c) - \mu_k(x_k, c') \rVert^2 / (2 \sigma_k^2)`. The mean over
        paths, summed over k, estimates the path KL from c to c'; zero means equal laws.
    """

    images: Float[Tensor, "m n c h w"]
    terms: Float64[Tensor, "m r n K"]


@torch.no_grad()
def path_divergences(
    process: SchedulerProcess,
    conditions: Float[Tensor, "m *tokens d"],
    others: Float[Tensor, "m r *tokens d"],
    *,
    n: int,
    seed: int,
    streams: Sequence[str | int] | None = None,
) -> PathDivergences:
    """Draw n paths per condition and measure each step's divergence from r other conditions.

    It costs 1 + r network evaluations per step and path, and one for the last map.

    Raises
    ------
    InputError
        When shapes do not fit, or a step adds no noise.
    """
    require_noise(process)
    n, m, r = checks.integer("n", n, low=1), len(conditions), others.shape[1]
    if len(others) != m:
        raise InputError(f"others has {len(others)} rows for {m} conditions; give one each.")
    names = list(range(m)) if streams is None else list(streams)
    steps = len(process.sigmas)
    terms = torch.zeros(m, r, n, steps, dtype=torch.float64)
    images = []
    for i in progress.bar(range(m), desc="path divergences"):
        noises = ImageStreams(seed, n, "divergence", names[i])
        x = process.initial(n, generators=noises)
        prompts = torch.cat([conditions[i : i + 1], others[i]]).repeat_interleave(n, 0)
        for step in range(steps, 0, -1):
            means = process.mean(x.repeat(1 + r, 1, 1, 1), step, prompts).unflatten(0, (1 + r, n))
            sigma = float(process.sigmas[step - 1])
            gaps = (means[1:] - means[:1]).flatten(2).square().sum(2)
            terms[i, :, :, step - 1] = gaps.cpu() / (2 * sigma**2)
            x = means[0] + sigma * draw_normal(noises, n, process.image_shape).to(x)
        images.append(process.decode(process.finish(x)).cpu())
    return PathDivergences(torch.stack(images), terms)
