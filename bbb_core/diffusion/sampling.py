"""Reverse processes of a trained denoiser: the samplers of diffusers, certified.

Serves section T0 and the chapter "A diffusion model of emoji people".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from bbb_core import checks, progress
from bbb_core.diffusion.network import Denoiser
from bbb_core.diffusion.noise import Generators, ImageStreams, draw_normal
from bbb_core.diffusion.scheduler import gaussian_steps
from bbb_core.diffusion.training import noise_scheduler
from bbb_core.errors import InputError

__all__ = ["DenoiserProcess", "SchedulerProcess", "generate"]


class SchedulerProcess(ABC):
    r"""A reverse process with the means and the noise of a diffusers scheduler (`ReverseProcess`).

    Means and noise are those of the scheduler's own ``step``, to float precision, clipping or
    thresholding and guidance included (`bbb_core.diffusion.scheduler`). One thing is added where
    the scheduler adds no noise in its last step, as most do: a certificate needs noise there, so
    the certified variant adds that of the forward process, and `finish` takes it away again by a
    map that ignores the prompt. A sub-class gives the network's output.

    Parameters
    ----------
    scheduler
        A diffusers scheduler of a reproduced kind, see `gaussian_steps`.
    image_shape
        (channels, height, width) of a state.
    steps
        K, reverse steps; the training timesteps used are the scheduler's.
    guidance
        Weight w of classifier-free guidance: null + w (prompt - null); 1 is no guidance.
    variance
        "certified": the scheduler's noise, and noise in the last step in any case, so that bounds
        on paths bound total variation. "scheduler": the scheduler's noise alone.
    eta
        Weight of DDIM's noise, in [0, 1]; other schedulers have none.
    batch
        Images per network evaluation.

    Attributes
    ----------
    coefficients
        Of all steps, `GaussianSteps`.
    sigmas
        Standard deviations, float64 [K]; entry k - 1 belongs to step k.
    timesteps
        Training timesteps, [K]; entry k - 1 belongs to step k.
    sampler
        What is sampled, in words, for reports.
    evaluations
        Network evaluations of one image so far.

    Raises
    ------
    InputError
        When the scheduler is not reproduced or adds no noise, or a number is out of range.
    """

    def __init__(
        self,
        scheduler: Any,
        *,
        image_shape: tuple[int, int, int],
        steps: int = 40,
        guidance: float = 1.0,
        variance: Literal["certified", "scheduler"] = "certified",
        eta: float = 0.0,
        batch: int = 64,
        device: torch.device | str = "cpu",
    ) -> None:
        checks.choice("variance", variance, ["certified", "scheduler"])
        self.image_shape = image_shape
        self.guidance = checks.number("guidance", guidance, low=0)
        self.batch = checks.integer("batch", batch, low=1)
        self.device = torch.device(device)
        self.coefficients = gaussian_steps(scheduler, steps, eta=eta)
        self.kind = scheduler.config.prediction_type
        self.timesteps = self.coefficients.timesteps
        self.sigmas: Float64[Tensor, "K"] = self.coefficients.sigmas.clone()
        self._finishes = variance == "certified" and float(self.sigmas[0]) == 0
        self.sampler = self.coefficients.name
        if self._finishes:
            self.sigmas[0] = self.coefficients.last
            self.sampler += ", with noise in the last step, removed under the null condition"
        self.evaluations = 0

    @abstractmethod
    def network_output(self, x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """Return the network's prediction for images x [n, ...] and conditions [n, ...]."""

    @abstractmethod
    def null(self) -> Tensor:
        """Return the null condition of one image."""

    def initial(self, n: int, *, generators: Generators) -> Tensor:
        """Return x_K, normal with the scheduler's spread, the same for every condition."""
        x = draw_normal(generators, n, self.image_shape).to(self.device, torch.float64)
        return x if self.coefficients.start == 1 else x.mul_(self.coefficients.start)

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
        single = self._input(x, step).float()
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

    def _input(self, x: Tensor, step: int) -> Tensor:
        """Return what the network sees of a state: signal and noise of total variance one."""
        scale = float(self.coefficients.scale[step - 1])
        return x if scale == 1 else x / scale

    def _unrestricted(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return the predicted x_0 as the network gives it, a fresh tensor."""
        bar = float(self.coefficients.alpha_bar[step - 1])
        out, seen = self.output(x, step, condition), self._input(x, step)
        if self.kind == "v_prediction":
            return out.mul_(-((1 - bar) ** 0.5)).add_(seen, alpha=bar**0.5)
        if self.kind == "epsilon":
            return out.mul_(-((1 - bar) ** 0.5)).add_(seen).div_(bar**0.5)
        return out

    def predicted(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return the predicted x_0, clipped or thresholded as the sampler does it."""
        x0, restrict = self._unrestricted(x, step, condition), self.coefficients.restrict
        return x0 if restrict is None else restrict(x0)

    def mean(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return mu_k(x, c), float64."""
        made = self.coefficients
        data, state, raw = (float(part[step - 1]) for part in (made.data, made.state, made.raw))
        if raw == 0:
            return self.predicted(x, step, condition).mul_(data).add_(x, alpha=state)
        x0 = self._unrestricted(x, step, condition)
        rest = x0 * raw
        kept = x0 if made.restrict is None else made.restrict(x0)
        return kept.mul_(data).add_(x, alpha=state).add_(rest)

    def finish(self, x: Tensor) -> Tensor:
        """Clean x_0 of the noise that the certified variant added in the last step.

        One denoising step under the null condition: it does not depend on the prompt, so it cannot
        raise the total variation of two laws. Where the scheduler's own noise is all there is, the
        image is left as it is.
        """
        return self.predicted(x, 1, self.null()) if self._finishes else x

    def decode(self, x: Tensor) -> Float[Tensor, "n channels height width"]:
        """Map states in [-1, 1] to intensities in [0, 1], float32; the same for every prompt."""
        return ((x + 1) / 2).clamp(0, 1).float()


class DenoiserProcess(SchedulerProcess):
    """The reverse process that a trained denoiser really runs.

    Parameters
    ----------
    network
        The denoiser; state and means are float64, the network computes in float32.
    scheduler
        A diffusers scheduler, by default the DDPMScheduler of training.
    options
        Those of `SchedulerProcess`: steps, guidance, variance, eta, batch.

    Examples
    --------
    >>> from bbb_core.diffusion.network import NetworkConfig, build_denoiser
    >>> config = NetworkConfig(embedding_dim=4, resolution=8, channels=(8, 8), groups=4)
    >>> DenoiserProcess(build_denoiser(config), steps=3).timesteps.tolist()
    [332, 666, 999]
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

    Examples
    --------
    >>> from bbb_core.diffusion.network import NetworkConfig, build_denoiser
    >>> config = NetworkConfig(embedding_dim=4, resolution=8, channels=(8, 8), groups=4)
    >>> process = DenoiserProcess(build_denoiser(config), steps=3)
    >>> generate(process, torch.eye(2, 4), 5).shape
    torch.Size([2, 5, 3, 8, 8])
    """
    n, m = checks.integer("n", n, low=1), len(conditions)
    names = list(range(m)) if streams is None else list(streams)
    if len(names) != m:
        raise InputError(f"streams has {len(names)} names for {m} conditions; give one each.")
    later, common = (0, conditions) if switch is None else switch
    common = common.expand_as(conditions)
    together = max(1, batch // n)
    out = []
    bar = progress.bar(total=m * n, desc="generating")
    for start in range(0, m, together):
        piece = slice(start, start + together)
        c, tail = (rows[piece].repeat_interleave(n, 0) for rows in (conditions, common))
        noises = [ImageStreams(seed, n, "generate", name) for name in names[piece]]
        x = torch.cat([process.initial(n, generators=own) for own in noises])  # x_K
        for step in range(len(process.sigmas), 0, -1):
            x = process.mean(x, step, tail if step <= later else c)  # mu_k(x_k, c)
            sigma = float(process.sigmas[step - 1])
            if sigma > 0:  # x_{k-1} = mu_k + sigma_k z_k
                z = torch.cat([draw_normal(own, n, process.image_shape) for own in noises])
                x.add_(z.to(x.device), alpha=sigma)
        out.append(process.decode(process.finish(x)).cpu().unflatten(0, (len(noises), n)))
        bar.update(len(c))
    bar.close()
    return torch.cat(out)
