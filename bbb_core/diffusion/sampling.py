"""Reverse processes of a trained denoiser: certified ancestral sampling, and DDIM beside it.

Serves section T0 and the chapter "A diffusion model of emoji people".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from bbb_core import checks, progress
from bbb_core.diffusion.network import Denoiser
from bbb_core.diffusion.process import Generators, ImageStreams, draw_normal
from bbb_core.diffusion.schedule import Schedule, Variance
from bbb_core.diffusion.training import noise_scheduler
from bbb_core.errors import InputError

__all__ = ["DenoiserProcess", "SchedulerProcess", "generate", "to_images"]


def to_images(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Map states in [-1, 1] to intensities in [0, 1], float32; the same map for every prompt."""
    return ((x + 1) / 2).clamp(0, 1).float()


class SchedulerProcess(ABC):
    r"""A reverse process with the means of a diffusers scheduler (`ReverseProcess`).

    With the predicted :math:`\hat x_0(x, c)`, clipped where the scheduler clips, the mean of step
    k is :math:`\mu_k(x, c) = A_k \hat x_0 + B_k x`: diffusers' `DDPMScheduler.step` to rounding.
    A sub-class gives the network's output.

    Parameters
    ----------
    scheduler
        A diffusers scheduler with `alphas_cumprod` and integer timesteps.
    image_shape
        (channels, height, width) of a state.
    steps
        K, reverse steps; the training timesteps used are the scheduler's.
    guidance
        Weight w of classifier-free guidance: null + w (prompt - null); 1 is no guidance.
    variance
        "certified" keeps noise in the last step, so path KL bounds total variation;
        "posterior" is diffusers' default and adds none there.
    batch
        Images per network evaluation.

    Attributes
    ----------
    sigmas
        Standard deviations, float64 [K]; entry k - 1 belongs to step k.
    timesteps
        Training timesteps, [K]; entry k - 1 belongs to step k.
    evaluations
        Network evaluations of one image so far.

    Raises
    ------
    InputError
        When the scheduler's kind of prediction is unknown, or a number is out of range.
    """

    def __init__(
        self,
        scheduler: Any,
        *,
        image_shape: tuple[int, int, int],
        steps: int = 40,
        guidance: float = 1.0,
        variance: Variance = "certified",
        batch: int = 64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.kind = checks.choice(
            "scheduler.config.prediction_type",
            scheduler.config.prediction_type,
            ["v_prediction", "epsilon", "sample"],
        )
        self.image_shape = image_shape
        self.guidance = checks.number("guidance", guidance, low=0)
        self.batch = checks.integer("batch", batch, low=1)
        self.device = torch.device(device)
        scheduler.set_timesteps(checks.integer("steps", steps, low=1))
        self.timesteps = torch.as_tensor(scheduler.timesteps).flip(0).long().cpu()
        bars = scheduler.alphas_cumprod.double().cpu()[self.timesteps]
        before = torch.cat([torch.ones(1, dtype=torch.float64), bars[:-1]])
        self.schedule = Schedule(betas=1 - bars / before)
        self.sigmas: Float64[Tensor, "K"] = self.schedule.sigmas(variance)
        clips = getattr(scheduler.config, "clip_sample", False)
        self.clip = float(scheduler.config.clip_sample_range) if clips else None
        self.evaluations = 0

    @abstractmethod
    def network_output(self, x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """Return the network's prediction for images x [n, ...] and conditions [n, ...]."""

    @abstractmethod
    def null(self) -> Tensor:
        """Return the null condition of one image."""

    def initial(self, n: int, *, generators: Generators) -> Tensor:
        """Return x_K ~ N(0, I), the same for every condition."""
        return draw_normal(generators, n, self.image_shape).to(self.device, torch.float64)

    def _rows(self, condition: Tensor, n: int) -> Tensor:
        null = self.null()
        rows = condition if condition.ndim > null.ndim else condition.expand(n, *condition.shape)
        if len(rows) != n:
            raise InputError(f"condition has {len(rows)} rows for {n} images; pass n rows or one.")
        return rows.to(self.device, torch.float32)

    @torch.no_grad()
    def output(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return the guided prediction of a step, float64, in pieces of `batch` images."""
        rows = self._rows(condition, len(x))
        single = x.float()
        t = self.timesteps[step - 1].to(self.device)
        if self.guidance != 1:
            single = torch.cat([single, single])
            rows = torch.cat([rows, self.null().to(rows).expand_as(rows)])
        pieces = [
            self.network_output(part, t.expand(len(part)), c)
            for part, c in zip(single.split(self.batch), rows.split(self.batch), strict=True)
        ]
        self.evaluations += len(single)
        out = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
        if self.guidance == 1:
            return out.double()
        prompt, null = out.double().chunk(2)
        return null.lerp(prompt, self.guidance)

    def predicted(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return the predicted x_0, clipped as the sampler clips it."""
        bar = float(self.schedule.alpha_bar[step - 1])
        out = self.output(x, step, condition)  # a fresh tensor, so it is overwritten
        if self.kind == "v_prediction":
            x0 = out.mul_(-((1 - bar) ** 0.5)).add_(x, alpha=bar**0.5)
        elif self.kind == "epsilon":
            x0 = out.mul_(-((1 - bar) ** 0.5)).add_(x).div_(bar**0.5)
        else:
            x0 = out
        return x0 if self.clip is None else x0.clamp_(-self.clip, self.clip)

    def mean(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return mu_k(x, c), float64."""
        data, state = self.schedule.mean_coefficients
        x0 = self.predicted(x, step, condition)
        return x0.mul_(float(data[step - 1])).add_(x, alpha=float(state[step - 1]))

    def finish(self, x: Tensor) -> Tensor:
        """Clean x_0 by one denoising step under the null condition: the common last map.

        It does not depend on the prompt, so it cannot raise the total variation of two laws.
        """
        return self.predicted(x, 1, self.null())

    def ddim(
        self, condition: Tensor, n: int, *, generators: Generators
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield (k, x_k) of the deterministic DDIM sampler, k = K, ..., 0, for comparison.

        It adds no noise, so path KL says nothing about its law.
        """
        x = self.initial(n, generators=generators)
        bars = torch.cat([torch.ones(1, dtype=torch.float64), self.schedule.alpha_bar])
        for step in range(len(self.sigmas), 0, -1):
            yield step, x
            x0 = self.predicted(x, step, condition)
            bar, before = float(bars[step]), float(bars[step - 1])
            noise = (x - bar**0.5 * x0) / (1 - bar) ** 0.5
            x = before**0.5 * x0 + (1 - before) ** 0.5 * noise
        yield 0, x


class DenoiserProcess(SchedulerProcess):
    """The reverse process that a trained denoiser really runs.

    Parameters
    ----------
    network
        The denoiser; state and means are float64, the network computes in float32.
    scheduler
        A diffusers DDPMScheduler, by default the one of training.
    options
        Those of `SchedulerProcess`: steps, guidance, variance, batch.
    """

    def __init__(self, network: Denoiser, *, scheduler: Any = None, **options: Any) -> None:
        self.network = network.eval()
        super().__init__(
            noise_scheduler() if scheduler is None else scheduler,
            image_shape=network.config.image_shape,
            device=next(network.parameters()).device,
            **options,
        )

    def network_output(self, x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """Return the denoiser's v."""
        return self.network(x, timestep, condition)

    def null(self) -> Tensor:
        """Return the zero vector, [d], or one zero token, [1, d]."""
        zero = torch.zeros(self.network.config.embedding_dim)
        return zero[None] if self.network.config.conditioning == "tokens" else zero


def generate(
    process: SchedulerProcess,
    conditions: Float[Tensor, "m *tokens d"],
    n: int,
    *,
    seed: int = 0,
    streams: Sequence[str | int] | None = None,
    batch: int = 256,
    switch: tuple[int, Tensor] | None = None,
) -> Float[Tensor, "m n c h w"]:
    """Draw n images for each of m conditions: ancestral sampling, then the common last map.

    Image i of a condition depends on the seed, its stream's name and i; not on n, m or `batch`.

    Parameters
    ----------
    process
        The sampler.
    conditions
        One row per prompt.
    n
        Images per prompt.
    seed
        Seed of the noise.
    streams
        Name of each condition's noise, by default its row number, so that all images are
        independent. Conditions with one name share their noise (common random numbers).
    batch
        Images carried through the steps together, at least n per piece.
    switch
        (k, common): steps k, k - 1, ..., 1 use `common`, [m, d] or [d], in place of the prompt.

    Returns
    -------
    Tensor, shape [m, n, channels, height, width]
        Intensities in [0, 1], float32, on the CPU.
    """
    n, m = checks.integer("n", n, low=1), len(conditions)
    names = list(range(m)) if streams is None else list(streams)
    if len(names) != m:
        raise InputError(f"streams has {len(names)} names for {m} conditions; give one each.")
    together = max(1, batch // n)
    out = []
    bar = progress.bar(total=m * n, desc="generating")
    for start in range(0, m, together):
        rows = conditions[start : start + together]
        c = rows.repeat_interleave(n, 0)
        later, tail = 0, c
        if switch is not None:
            later, common = switch
            common = common.expand(m, *common.shape) if common.ndim < conditions.ndim else common
            tail = common[start : start + together].repeat_interleave(n, 0)
        noises = [ImageStreams(seed, n, "generate", s) for s in names[start : start + len(rows)]]
        x = torch.cat([process.initial(n, generators=s) for s in noises])
        for step in range(len(process.sigmas), 0, -1):
            x = process.mean(x, step, tail if step <= later else c)
            sigma = float(process.sigmas[step - 1])
            if sigma > 0:
                z = torch.cat([draw_normal(s, n, process.image_shape) for s in noises])
                x.add_(z.to(x.device), alpha=sigma)
        out.append(to_images(process.finish(x)).cpu().unflatten(0, (len(rows), n)))
        bar.update(len(c))
    bar.close()
    return torch.cat(out)
