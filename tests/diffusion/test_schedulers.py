"""Means and noise of every reproduced scheduler against diffusers' own `step`."""

from __future__ import annotations

import itertools
import warnings

import diffusers
import pytest
import torch
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers

from bbb_core import rng
from bbb_core.diffusion.noise import SampleStreams
from bbb_core.diffusion.process import require_noise
from bbb_core.diffusion.sampling import SchedulerProcess
from bbb_core.diffusion.scheduler import SAMPLERS, exchange, gaussian_steps
from bbb_core.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

SHAPE = (2, 4, 4)
PREDICTIONS = ("epsilon", "v_prediction", "sample")
STABLE_DIFFUSION = {
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1,
}  # fmt: skip
SPACINGS = ("leading", "trailing", "linspace")


class Fixed(SchedulerProcess):
    """A process whose network knows its input, the timestep and the condition."""

    def network_output(self, x, timestep, condition):
        return answer(x, timestep) + condition.view(-1, 1, 1, 1)

    def null(self):
        return torch.zeros(1)


def answer(x, timestep):
    return torch.tanh(1.7 * x + torch.flip(x, [-1])) + 0.001 * timestep.float().view(-1, 1, 1, 1)


def made(name, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # an algorithm that diffusers will drop
        return getattr(diffusers, name)(**settings)


def agree(scheduler, steps, *, eta=0.0, tolerance=1e-5):
    """Follow diffusers' own loop, and hold each of its steps against mean and sigma.

    Diffusers adds in single precision, so the tolerance is relative to the largest number.
    """
    process = Fixed(scheduler, image_shape=SHAPE, steps=steps, variance="scheduler", eta=eta)
    scheduler.set_timesteps(steps)
    g = rng.torch_generator(steps, "schedulers")
    x = torch.randn(3, *SHAPE, generator=g) * scheduler.init_noise_sigma
    start = process.initial(3, generators=SampleStreams(0, 3))
    unit = start / SampleStreams(0, 3).normal(SHAPE)
    assert torch.allclose(unit, torch.tensor(float(scheduler.init_noise_sigma)).double())
    extra = {"eta": eta} if "DDIM" in type(scheduler).__name__ else {}
    for i, t in enumerate(scheduler.timesteps):
        k = len(scheduler.timesteps) - i
        out = answer(scheduler.scale_model_input(x, t), t.expand(3))
        noise = torch.Generator().manual_seed(i)
        theirs = scheduler.step(out, t, x, generator=noise, **extra).prev_sample
        z = torch.randn(x.shape, generator=torch.Generator().manual_seed(i))
        ours = process.mean(x.double(), k, torch.zeros(1)) + process.sigmas[k - 1] * z
        x0 = process.predicted(x.double(), k, torch.zeros(1))
        largest = max(1.0, *(float(each.abs().max()) for each in (x, x0, theirs)))
        assert float((ours - theirs).abs().max()) < tolerance * largest, (k, t)
        x = theirs


def settings_of(name):
    """Yield configurations that touch every setting of the class."""
    for prediction, spacing in itertools.product(PREDICTIONS, SPACINGS):
        chosen = {"prediction_type": prediction, "timestep_spacing": spacing}
        yield chosen
        yield chosen | STABLE_DIFFUSION
    yield {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
    yield {"trained_betas": [0.01 * i for i in range(1, 41)], "num_train_timesteps": 40}
    for spacing in SPACINGS:
        yield {"prediction_type": "v_prediction", "timestep_spacing": spacing,
               "rescale_betas_zero_snr": True}  # fmt: skip
    if name in ("DDPMScheduler", "DDIMScheduler"):
        yield {"clip_sample": False}
        yield {"clip_sample_range": 0.6, "prediction_type": "v_prediction"}
    if name != "EulerAncestralDiscreteScheduler":
        for prediction in PREDICTIONS:
            yield {"prediction_type": prediction, "thresholding": True, "sample_max_value": 1.5,
                   "dynamic_thresholding_ratio": 0.8}  # fmt: skip


@pytest.mark.parametrize("steps", [1, 7, 20])
@pytest.mark.parametrize("variance", ["fixed_small", "fixed_small_log", "fixed_large"])
def test_ddpm(steps, variance):
    for settings in settings_of("DDPMScheduler"):
        agree(made("DDPMScheduler", variance_type=variance, **settings), steps)
    agree(made("DDPMScheduler", beta_schedule="sigmoid"), steps)


@pytest.mark.parametrize("steps", [1, 7, 20])
@pytest.mark.parametrize("eta", [0.1, 0.6, 1.0])
def test_ddim(steps, eta):
    for settings in settings_of("DDIMScheduler"):
        agree(made("DDIMScheduler", **settings), steps, eta=eta)
    settings = {"set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False}
    agree(made("DDIMScheduler", **settings), steps, eta=eta)


@pytest.mark.parametrize("steps", [1, 7, 20])
def test_euler_ancestral(steps):
    for settings in settings_of("EulerAncestralDiscreteScheduler"):
        scheduler = made("EulerAncestralDiscreteScheduler", **settings)
        if settings.get("prediction_type") == "sample":
            with pytest.raises(InputError, match="no network that predicts samples"):
                gaussian_steps(scheduler, steps)
        else:
            agree(scheduler, steps)


SOLVER = {"algorithm_type": "sde-dpmsolver++", "solver_order": 1}
SPREADS = ("use_karras_sigmas", "use_exponential_sigmas", "use_lu_lambdas", "use_beta_sigmas")


@pytest.mark.parametrize("steps", [2, 7, 20])
@pytest.mark.parametrize(
    "options",
    [
        {"final_sigmas_type": "zero"},
        {"final_sigmas_type": "sigma_min"},
        {"final_sigmas_type": "sigma_min", "algorithm_type": "sde-dpmsolver",
         "lambda_min_clipped": -5.1},  # beyond, diffusers loses its digits
        {"lambda_min_clipped": -5.1},
        *({spread: True} for spread in SPREADS),
    ],
)  # fmt: skip
def test_dpm_solver(steps, options):
    for settings in settings_of("DPMSolverMultistepScheduler"):
        scheduler = made("DPMSolverMultistepScheduler", **SOLVER | options | settings)
        scheduler.set_timesteps(steps)
        first, second = scheduler.timesteps[:2]
        if first == second:  # then diffusers' own loop loses the first level of noise
            with pytest.raises(InputError, match="one timestep twice"):
                gaussian_steps(scheduler, steps)
        else:
            agree(scheduler, steps)


@pytest.mark.parametrize("spread", SPREADS)
def test_a_last_step_that_goes_nowhere_is_refused(spread):
    options = SOLVER | {"final_sigmas_type": "sigma_min", spread: True}
    with pytest.raises(InputError, match="stays where it is in its last step"):
        gaussian_steps(made("DPMSolverMultistepScheduler", **options), 5)


def test_the_certified_variant_differs_in_the_last_step_alone():
    for name, (kind, fixed) in SAMPLERS.items():
        scheduler = made(kind, **fixed)
        own = Fixed(scheduler, image_shape=SHAPE, steps=9, variance="scheduler", eta=0.5)
        kept = Fixed(scheduler, image_shape=SHAPE, steps=9, eta=0.5)
        assert own.sigmas[0] == 0, name
        assert torch.equal(own.sigmas[1:], kept.sigmas[1:])
        require_noise(kept)
        bar = float(kept.coefficients.alpha_bar[0])
        units = 1 / bar if name == "euler-ancestral" else 1.0  # it does not shrink the signal
        assert float(kept.sigmas[0]) ** 2 == pytest.approx((1 - bar) * units)
        assert "noise in the last step" in kept.sampler
        x = torch.randn(3, *SHAPE, generator=rng.torch_generator(1)).double()
        assert torch.equal(kept.finish(x), kept.predicted(x, 1, torch.zeros(1)))
        assert own.finish(x) is x


def test_noise_of_the_scheduler_in_every_step_is_left_alone():
    """Stable Diffusion's DDIM configuration with eta adds noise to the end; so does fixed_large."""
    ddim = made("DDIMScheduler", set_alpha_to_one=False, steps_offset=1, clip_sample=False)
    ddpm = made("DDPMScheduler", variance_type="fixed_large", steps_offset=1)
    for scheduler, eta in ((ddim, 0.3), (ddpm, 0.0)):
        own = Fixed(scheduler, image_shape=SHAPE, steps=9, variance="scheduler", eta=eta)
        kept = Fixed(scheduler, image_shape=SHAPE, steps=9, eta=eta)
        require_noise(kept)
        assert torch.equal(own.sigmas, kept.sigmas)
        x = torch.ones(1, *SHAPE).double()
        assert kept.finish(x) is x
        assert "last step" not in kept.sampler


@pytest.mark.parametrize("kind", [kind.name for kind in KarrasDiffusionSchedulers])
def test_every_other_scheduler_of_pipelines_is_refused_by_name(kind):
    further = kind == "DPMSolverSDEScheduler"  # diffusers makes it with a further package only
    scheduler = type(kind, (), {})() if further else made(kind)
    if kind in ("DDPMScheduler", "EulerAncestralDiscreteScheduler"):
        assert gaussian_steps(scheduler, 5).name.startswith(kind)
        return
    with pytest.raises(InputError, match=rf"{kind}.*(adds no noise|not reproduced).*ask for a"):
        gaussian_steps(scheduler, 5)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("DDPMScheduler", {"variance_type": "learned_range"}, "variance_type 'learned_range'"),
        ("DDPMScheduler", {"variance_type": "fixed_large_log"}, "variance_type 'fixed_large_log'"),
        ("DDPMScheduler", {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
         "begins without signal"),
        ("DDPMScheduler", {"prediction_type": "flow"}, "prediction_type is 'flow'"),
        ("DDPMScheduler", {"timestep_spacing": "other"}, "cannot take 5 steps"),
        ("DDPMScheduler", {"steps_offset": 500}, "timesteps from 500 to 1300"),
        ("DDPMScheduler", {"num_train_timesteps": 4}, "steps is 5; pass at most 4"),
        ("DDIMScheduler", {"set_alpha_to_one": False}, "stays where it is in its last step"),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, "solver_order 2"),
        ("DPMSolverMultistepScheduler",
         {"algorithm_type": "sde-dpmsolver++", "solver_order": 1, "variance_type": "learned"},
         "variance_type 'learned'"),
        ("DPMSolverMultistepScheduler",
         {"algorithm_type": "sde-dpmsolver++", "solver_order": 1, "num_train_timesteps": 5,
          "timestep_spacing": "leading"}, "one timestep twice"),
    ],
)  # fmt: skip
def test_settings_that_are_not_reproduced_are_refused(name, settings, message):
    with pytest.raises(InputError, match=message):
        gaussian_steps(made(name, **settings), 5, eta=0.5)


def test_another_sampler_takes_over_the_noise_levels_and_nothing_else():
    given = made(
        "PNDMScheduler", beta_schedule="scaled_linear", beta_end=0.012, steps_offset=1,
        prediction_type="v_prediction", timestep_spacing="trailing",
    )  # fmt: skip
    for sampler, (kind, fixed) in SAMPLERS.items():
        scheduler = exchange(given, sampler)
        assert type(scheduler).__name__ == kind
        assert torch.equal(scheduler.alphas_cumprod, given.alphas_cumprod)
        for key in ("prediction_type", "timestep_spacing", "steps_offset"):
            assert scheduler.config[key] == given.config[key]
        assert not scheduler.config.get("clip_sample", False)
        assert {key: scheduler.config[key] for key in fixed} == fixed
        gaussian_steps(scheduler, 5, eta=1.0)
    clips = made("DDPMScheduler", clip_sample_range=2.0)
    assert exchange(clips, "ddim").config.clip_sample
    assert exchange(clips, "ddim").config.clip_sample_range == 2.0
    with pytest.raises(InputError, match="sampler is 'pndm'; choose one of ddpm, ddim"):
        exchange(given, "pndm")
    with pytest.raises(InputError, match="no variance-preserving noise levels"):
        exchange(made("FlowMatchEulerDiscreteScheduler"), "ddpm")


def test_a_step_of_ddim_by_hand():
    """Equation (12) of the paper, in its own letters, for eta = 1: the ancestral mean."""
    ddim = gaussian_steps(made("DDIMScheduler", clip_sample=False), 4, eta=1.0)
    ddpm = gaussian_steps(made("DDPMScheduler", clip_sample=False), 4)
    assert torch.allclose(ddim.data + ddim.raw, ddpm.data, atol=1e-6)
    assert torch.allclose(ddim.state, ddpm.state, atol=1e-6)
    assert torch.allclose(ddim.sigmas, ddpm.sigmas, atol=1e-6)
