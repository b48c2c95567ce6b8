r"""The Gaussian steps of diffusers' stochastic schedulers, read from the scheduler itself (T0).

With the predicted image as the scheduler restricts it (:math:`\hat x_0`, clipped or thresholded)
and as the network gave it (:math:`\tilde x_0`), each reproduced class moves by

.. math:: x_{k-1} = A_k \hat x_0 + B_k x_k + C_k \tilde x_0 + \sigma_k z_k.

Classes that add no noise, or that look further back than one step, are refused by name: nothing
follows for their laws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from bbb_core import checks
from bbb_core.diffusion.schedule import Schedule
from bbb_core.errors import InputError

__all__ = ["SAMPLERS", "GaussianSteps", "exchange", "gaussian_steps"]

SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddpm": ("DDPMScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "euler-ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "sde-dpmsolver++": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "solver_order": 1},
    ),
}
"""Samplers that can be asked for: diffusers' class and the settings that make it stochastic."""

REMEDY = "; ask for a sampler that is certified: ddpm, ddim with eta above 0, euler-ancestral or "
REMEDY += "sde-dpmsolver++"
NEGLIGIBLE = 1e-5
"""Noise below this is none: a sampler in single precision does not resolve it."""
NOISELESS = (
    "DEISMultistepScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler", "IPNDMScheduler",
    "KDPM2DiscreteScheduler", "LMSDiscreteScheduler", "PNDMScheduler", "UniPCMultistepScheduler",
)  # fmt: skip
NOISE_LEVELS = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
    "prediction_type", "timestep_spacing", "steps_offset", "rescale_betas_zero_snr",
    "set_alpha_to_one", "clip_sample_range", "dynamic_thresholding_ratio", "sample_max_value",
)  # fmt: skip
"""Settings that every sampler of one model shares."""


@dataclass(frozen=True, eq=False)
class GaussianSteps:
    r"""What a scheduler does in each of its K steps; entry k - 1 of a tensor is step k.

    Attributes
    ----------
    name : str
        The scheduler and what it was told, for reports.
    timesteps : Tensor, shape [K]
        What the network is told: whole numbers, or fractions between two training timesteps.
    alpha_bar : Tensor, shape [K]
        Share of the signal in the network's input, in [0, 1).
    data, state, raw : Tensor, shape [K]
        A, B and C above.
    sigmas : Tensor, shape [K]
        Standard deviations of the noise that the scheduler adds.
    last : float
        Standard deviation of the forward process between x_0 and x_1: the noise that a certified
        sampler adds in the last step where the scheduler adds none.
    scale : Tensor, shape [K]
        The network sees :math:`x_k / \text{scale}_k`.
    start : float
        Standard deviation of x_K.
    restrict : callable or None
        Maps the predicted image to :math:`\hat x_0`, image by image.
    """

    name: str
    timesteps: Tensor
    alpha_bar: Float64[Tensor, "K"]
    data: Float64[Tensor, "K"]
    state: Float64[Tensor, "K"]
    raw: Float64[Tensor, "K"]
    sigmas: Float64[Tensor, "K"]
    last: float
    scale: Float64[Tensor, "K"]
    start: float
    restrict: Callable[[Tensor], Tensor] | None


def gaussian_steps(scheduler: Any, steps: int, *, eta: float = 0.0) -> GaussianSteps:
    """Return the steps of a diffusers scheduler, to float precision those of its ``step``.

    Parameters
    ----------
    scheduler
        A DDPMScheduler (variance types "fixed_small", "fixed_small_log", "fixed_large"), a
        DDIMScheduler, an EulerAncestralDiscreteScheduler, or a DPMSolverMultistepScheduler of order
        1 and type "sde-dpmsolver++" or "sde-dpmsolver". Its timesteps are set.
    steps
        K.
    eta
        DDIM's, in [0, 1]: the weight of the noise.

    Raises
    ------
    InputError
        When the class, or a setting of it, is not reproduced or adds no noise; when a number is out
        of range.

    References
    ----------
    :cite:`ho2020` (DDPM), :cite:`song2021` (the continuous form); the formulas are those of
    diffusers :cite:`vonplaten2022`, against whose ``step`` the tests hold every mean and sigma.

    Examples
    --------
    >>> from diffusers import DDPMScheduler
    >>> made = gaussian_steps(DDPMScheduler(clip_sample=False), 4)
    >>> made.timesteps.tolist(), float(made.sigmas[0])
    ([0, 250, 500, 750], 0.0)
    """
    kind = type(scheduler).__name__
    if kind not in _STEPS:
        problem = "adds no noise" if kind in NOISELESS else "takes steps that are not reproduced"
        raise InputError(f"{kind} {problem}, so nothing about its images can be certified{REMEDY}.")
    config = scheduler.config
    trained = int(config.num_train_timesteps)
    steps = checks.integer("steps", steps, low=1, high=trained)
    checks.choice(
        "scheduler.config.prediction_type",
        config.prediction_type,
        ["v_prediction", "epsilon", "sample"],
    )
    try:
        scheduler.set_timesteps(steps)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{kind} cannot take {steps} steps ({reason}); change steps.") from None
    timesteps = scheduler.timesteps.flip(0).cpu()
    low, high = float(timesteps.min()), float(timesteps.max())
    if low < 0 or high > trained - 1:
        raise InputError(
            f"{kind} takes timesteps from {low:g} to {high:g}, trained were 0 to {trained - 1}; "
            "change steps, or steps_offset of its configuration."
        )
    if len(timesteps) > 1 and timesteps[-1] == timesteps[-2]:
        raise InputError(f"{kind} begins with one timestep twice in {steps} steps; take fewer.")
    made = _STEPS[kind](scheduler, timesteps, checks.number("eta", eta, low=0, high=1))
    if config.prediction_type == "epsilon" and float(made.alpha_bar.min()) == 0:
        raise InputError(
            f"{kind} begins without signal (rescale_betas_zero_snr), where predicted noise tells "
            "no image; use a network that predicts v, or timestep_spacing leading."
        )
    sigmas = torch.where(made.sigmas < NEGLIGIBLE, 0.0, made.sigmas)
    if float(sigmas[0]) == 0 and made.last < NEGLIGIBLE:
        raise InputError(
            f"{kind} stays where it is in its last step, so no noise can be there; change "
            "steps_offset, set_alpha_to_one or final_sigmas_type of its configuration."
        )
    return replace(made, sigmas=sigmas)


def _restriction(scheduler: Any) -> Callable[[Tensor], Tensor] | None:
    config = scheduler.config
    if config.get("thresholding", False):
        return scheduler._threshold_sample
    if config.get("clip_sample", False):
        limit = float(config.clip_sample_range)
        return lambda x0: x0.clamp_(-limit, limit)
    return None


def _plain(name: str, scheduler: Any, timesteps: Tensor, **tensors: Any) -> GaussianSteps:
    """Return steps whose state is scaled like the training images."""
    ones = torch.ones(len(timesteps), dtype=torch.float64)
    values: dict[str, Any] = {"raw": 0 * ones, "scale": ones, "start": 1.0}
    values |= {"restrict": _restriction(scheduler)} | tensors
    return GaussianSteps(name=name, timesteps=timesteps, **values)


def _ddpm(scheduler: Any, timesteps: Tensor, eta: float) -> GaussianSteps:
    variance = scheduler.config.variance_type
    if variance not in ("fixed_small", "fixed_small_log", "fixed_large"):
        raise InputError(
            f"DDPMScheduler has variance_type {variance!r}, which is not reproduced; set it to "
            "fixed_small or fixed_large."
        )
    bars = scheduler.alphas_cumprod.double().cpu()[timesteps]
    before = torch.cat([torch.ones(1, dtype=torch.float64), bars[:-1]])
    schedule = Schedule(betas=1 - bars / before)
    data, state = schedule.mean_coefficients
    sigmas = schedule.sigmas("forward" if variance == "fixed_large" else "posterior").clone()
    if int(timesteps[0]) == 0:
        sigmas[0] = 0
    return _plain(
        f"DDPMScheduler, {variance}, {len(bars)} steps",
        scheduler,
        timesteps,
        alpha_bar=schedule.alpha_bar,
        data=data,
        state=state,
        sigmas=sigmas,
        last=float(schedule.betas[0]) ** 0.5,
    )


def _ddim(scheduler: Any, timesteps: Tensor, eta: float) -> GaussianSteps:
    if eta == 0:
        raise InputError(
            "DDIMScheduler with eta = 0 adds no noise, so nothing about its images can be "
            f"certified{REMEDY}."
        )
    config, all_bars = scheduler.config, scheduler.alphas_cumprod.double().cpu()
    bars = all_bars[timesteps]
    # The step back is the same everywhere, so it may lead elsewhere than to the next timestep.
    earlier = timesteps - config.num_train_timesteps // scheduler.num_inference_steps
    final = float(scheduler.final_alpha_cumprod)
    before = torch.where(earlier >= 0, all_bars[earlier.clamp(min=0)], final)
    sigmas = eta * ((1 - before) / (1 - bars) * (1 - bars / before)).clamp(min=0).sqrt()
    direction = ((1 - before - sigmas**2).clamp(min=0) / (1 - bars)).sqrt()
    return _plain(
        f"DDIMScheduler, eta {eta:g}, {len(bars)} steps",
        scheduler,
        timesteps,
        alpha_bar=bars,
        data=before.sqrt(),
        state=direction,
        raw=-direction * bars.sqrt(),
        sigmas=sigmas,
        last=(1 - float(bars[0] / before[0])) ** 0.5,
    )


def _euler_ancestral(scheduler: Any, timesteps: Tensor, eta: float) -> GaussianSteps:
    """Return its steps in its own units, x_0 plus sigma times noise."""
    if scheduler.config.prediction_type == "sample":
        raise InputError("EulerAncestralDiscreteScheduler takes no network that predicts samples.")
    levels = scheduler.sigmas.double().cpu().flip(0)  # [K + 1], from zero noise
    after, before = levels[1:], levels[:-1]
    sigmas = before * (1 - (before / after) ** 2).clamp(min=0).sqrt()
    down = (before / after) ** 2  # sigma_down / sigma
    return _plain(
        f"EulerAncestralDiscreteScheduler, {len(after)} steps",
        scheduler,
        timesteps,
        alpha_bar=1 / (after**2 + 1),
        data=1 - down,
        state=down,
        sigmas=sigmas,
        last=float(after[0]),
        scale=(after**2 + 1).sqrt(),
        start=float(scheduler.init_noise_sigma),
    )


def _dpm_solver(scheduler: Any, timesteps: Tensor, eta: float) -> GaussianSteps:
    config = scheduler.config
    kind = config.algorithm_type
    if kind not in ("sde-dpmsolver", "sde-dpmsolver++"):
        raise InputError(
            f"DPMSolverMultistepScheduler with algorithm_type {kind!r} adds no noise, so nothing "
            f"about its images can be certified{REMEDY}."
        )
    wanted = {"solver_order": 1, "variance_type": None, "use_flow_sigmas": False}
    for name, value in wanted.items():
        if config[name] != value:
            raise InputError(
                f"DPMSolverMultistepScheduler has {name} {config[name]!r}, which is not "
                f"reproduced; set it to {value}."
            )
    levels = scheduler.sigmas.double().cpu().flip(0)  # [K + 1]: noise over signal
    alphas = 1 / (levels**2 + 1).sqrt()
    (a0, a1), (s0, s1) = ((v[:-1], v[1:]) for v in (alphas, levels * alphas))  # to, from
    shrink = (s0 / a0) * (a1 / s1)  # exp(-h), zero where no noise is left
    if kind == "sde-dpmsolver++":
        data, state = a0 * (1 - shrink**2), s0 / s1 * shrink
        sigmas = s0 * (1 - shrink**2).clamp(min=0).sqrt()
    else:
        rest = s0 * (1 / shrink - 1)
        data, state = 2 * rest * a1 / s1, a0 / a1 - 2 * rest / s1
        sigmas = s0 * (1 / shrink**2 - 1).clamp(min=0).sqrt()
    return _plain(
        f"DPMSolverMultistepScheduler, {kind}, order 1, {len(a0)} steps",
        scheduler,
        timesteps,
        alpha_bar=a1**2,
        data=data,
        state=state,
        sigmas=sigmas,
        last=max(0.0, 1 - float(a1[0] / a0[0]) ** 2) ** 0.5,
    )


_STEPS: dict[str, Callable[[Any, Tensor, float], GaussianSteps]] = {
    "DDIMScheduler": _ddim,
    "DDPMScheduler": _ddpm,
    "DPMSolverMultistepScheduler": _dpm_solver,
    "EulerAncestralDiscreteScheduler": _euler_ancestral,
}


def exchange(scheduler: Any, sampler: str) -> Any:
    """Return a named sampler (`SAMPLERS`) on a scheduler's noise levels.

    What the given class does not do (clip, threshold) the new one does not either, unless the
    configuration asks for it; numbers that the configuration lacks are the defaults of the given
    class, not of the new one.

    Raises
    ------
    InputError
        When the sampler is unknown, or the given scheduler is of another family.

    Examples
    --------
    >>> from diffusers import PNDMScheduler
    >>> made = exchange(PNDMScheduler(steps_offset=1), "ddpm")
    >>> type(made).__name__, made.config.clip_sample, made.config.steps_offset
    ('DDPMScheduler', False, 1)
    """
    import diffusers

    name, fixed = SAMPLERS[checks.choice("sampler", sampler, SAMPLERS)]
    if not hasattr(scheduler, "alphas_cumprod") or "beta_schedule" not in scheduler.config:
        raise InputError(
            f"{type(scheduler).__name__} has no variance-preserving noise levels that another "
            "sampler could take over; pass a pipeline with a DDPM-like scheduler."
        )
    given = scheduler.config
    settings = {key: given[key] for key in NOISE_LEVELS if key in given}
    settings |= {key: given.get(key, False) for key in ("clip_sample", "thresholding")} | fixed
    made = getattr(diffusers, name)
    known = made().config
    return made(**{key: value for key, value in settings.items() if key in known})
