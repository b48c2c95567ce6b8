"""Training of a denoiser: every random number of a step comes from the seed and that step."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bbb_core import checks, progress, rng
from bbb_core.diffusion.network import Denoiser, NetworkConfig, build_denoiser
from bbb_core.errors import InputError

__all__ = ["TrainingConfig", "TrainingRun", "TrainingSet", "noise_scheduler", "train"]

Precision = Literal["float32", "bfloat16"]
Augmentation = Callable[..., Tensor]


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a training run, given network and data.

    Attributes
    ----------
    steps, batch
        Optimiser steps, and images per step over all processes.
    learning_rate, warmup
        Peak of AdamW's rate; steps of linear rise. A cosine falls to zero at the end.
    weight_decay
        AdamW's.
    ema
        Decay of the running average of the weights, which is the model that samples.
    condition_dropout
        Share of captions replaced by the null condition (classifier-free guidance).
    condition_noise
        Standard deviation of normal noise added to embeddings, in units of their own spread: what
        no caption distinguishes, the network learns to ignore, so unseen prompts stay drawable.
    train_timesteps
        Noise levels of the squared-cosine schedule.
    precision
        Arithmetic of the network; weights and optimiser stay in float32.
    seed
        Decides initial weights, batches, augmentation and noise.
    """

    steps: int = 1500
    batch: int = 64
    learning_rate: float = 2e-3
    warmup: int = 50
    weight_decay: float = 0.01
    ema: float = 0.995
    condition_dropout: float = 0.1
    condition_noise: float = 0.5
    train_timesteps: int = 1000
    precision: Precision = "bfloat16"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "train_timesteps"):
            checks.integer(name, getattr(self, name), low=1)
        checks.integer("warmup", self.warmup, low=0)
        checks.number("learning_rate", self.learning_rate, low=0)
        checks.number("condition_noise", self.condition_noise, low=0)
        checks.probability("ema", self.ema)
        checks.probability("condition_dropout", self.condition_dropout)
        checks.choice("precision", self.precision, ["float32", "bfloat16"])

    def average(self, slow: Tensor, fast: Tensor, seen: Tensor | int) -> Tensor:
        """Return the running average after `seen` + 1 weights; a young one forgets faster."""
        return slow.lerp(fast, 1 - min(self.ema, int(seen) / (9 + int(seen))))

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0.

        Examples
        --------
        >>> config = TrainingConfig(steps=100, warmup=10, learning_rate=1e-2)
        >>> [round(config.rate(step), 4) for step in (0, 9, 50, 100)]
        [0.001, 0.0098, 0.005, 0.0]
        """
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        return self.learning_rate * rise * (1 + math.cos(math.pi * step / self.steps)) / 2


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Images, prompt embeddings, and which image is shown under which prompt, how often.

    Attributes
    ----------
    images
        Intensities in [0, 1].
    conditions
        One embedding per caption, [m, d], or one per token, [m, tokens, d].
    pairs
        Rows (image, caption) that training may draw.
    weights
        Positive; pair i is drawn with probability weights[i] / sum(weights).
    """

    images: Float[Tensor, "n c h w"]
    conditions: Float[Tensor, "m *tokens d"]
    pairs: Int[Tensor, "p 2"]
    weights: Float[Tensor, "p"]

    def __post_init__(self) -> None:
        if len(self.pairs) == 0 or len(self.pairs) != len(self.weights):
            raise InputError(
                f"weights has {len(self.weights)} values, pairs {len(self.pairs)}; give one each."
            )
        top = self.pairs.max(0).values.tolist()
        if top[0] >= len(self.images) or top[1] >= len(self.conditions) or self.pairs.min() < 0:
            raise InputError(
                f"pairs name image {top[0]} and caption {top[1]}, but there are "
                f"{len(self.images)} images and {len(self.conditions)} captions; correct the rows."
            )
        if not (self.weights > 0).all():
            raise InputError("weights hold a value that is not positive; leave such pairs out.")

    def draw(
        self, n: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n *tokens d"]]:
        """Draw n (image, embedding) pairs with replacement."""
        rows = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        image, caption = self.pairs[rows].unbind(1)
        return self.images[image], self.conditions[caption]


def noise_scheduler(train_timesteps: int = 1000) -> Any:
    """Return diffusers' DDPM scheduler with the squared-cosine schedule and v-prediction."""
    from diffusers import DDPMScheduler

    return DDPMScheduler(
        num_train_timesteps=train_timesteps,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=True,
    )


@lru_cache
def _alpha_bars(train_timesteps: int) -> Tensor:
    return noise_scheduler(train_timesteps).alphas_cumprod


def training_batch(
    data: TrainingSet,
    config: TrainingConfig,
    step: int,
    *,
    augmentation: Augmentation | None,
    spread: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return (x_t, t, c, v) of one step; a function of data, configuration and step alone.

    `spread` is the unit of `TrainingConfig.condition_noise`.
    """
    g = rng.torch_generator(config.seed, "training step", step)
    images, condition = data.draw(config.batch, generator=g)
    if augmentation is not None:
        images = augmentation(images, generator=g)
    x0 = images * 2 - 1
    noise = torch.randn(x0.shape, generator=g)
    # Stratified noise levels: one per equal part of the range, so a batch's loss varies less.
    u = (torch.arange(config.batch) + torch.rand(config.batch, generator=g)) / config.batch
    t = (u * config.train_timesteps).long().clamp(max=config.train_timesteps - 1)
    kept = torch.rand(config.batch, generator=g) >= config.condition_dropout
    jitter = torch.randn(condition.shape, generator=g) * (config.condition_noise * spread)
    real = (condition != 0).any(-1, keepdim=True)  # padding tokens stay zero
    condition = (condition + jitter * real) * kept.view(-1, *[1] * (condition.ndim - 1))
    bar = _alpha_bars(config.train_timesteps)[t].view(-1, 1, 1, 1)
    xt = bar.sqrt() * x0 + (1 - bar).sqrt() * noise
    return xt, t, condition, bar.sqrt() * noise - (1 - bar).sqrt() * x0


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A finished run: the averaged model, the loss per step, the time in seconds.

    `snapshots` holds the averaged weights after the steps that were asked for.
    """

    model: Denoiser
    config: TrainingConfig
    losses: tuple[float, ...]
    seconds: float
    snapshots: dict[int, dict[str, Tensor]]


def train(
    data: TrainingSet,
    network: NetworkConfig,
    config: TrainingConfig,
    *,
    start: Denoiser | None = None,
    augmentation: Augmentation | None = None,
    snapshots: Sequence[int] = (),
    device: str | None = None,
) -> TrainingRun:
    """Train a denoiser by v-prediction and return its running average.

    Parameters
    ----------
    data
        What is shown under which prompt.
    network
        Shape of the network.
    config
        The run.
    start
        A model to go on from (fine-tuning); by default fresh weights from the seed.
    augmentation
        Called as ``augmentation(images, generator=...)`` on the images [batch, c, h, w] of a step.
    snapshots
        Steps, from 1 to ``config.steps``, after which the averaged weights are kept as well.
    device
        See `bbb_core.device.pick`. Several processes (``accelerate launch``) share each batch.

    Returns
    -------
    TrainingRun
        Its `model` is the average, in evaluation mode.

    Raises
    ------
    InputError
        When `start` is another network, or a number is out of range.

    Examples
    --------
    >>> images, prompts = torch.linspace(0, 1, 768).view(4, 3, 8, 8), torch.eye(2, 4)
    >>> shown = torch.tensor([[0, 0], [1, 0], [2, 1], [3, 1]])  # (image, prompt)
    >>> data = TrainingSet(images, prompts, shown, torch.ones(4))
    >>> network = NetworkConfig(embedding_dim=4, resolution=8, channels=(8, 8), groups=4)
    >>> run = train(data, network, TrainingConfig(steps=2, batch=4), device="cpu")
    >>> len(run.losses), run.model.config == network
    (2, True)
    """
    from accelerate import Accelerator
    from torch.optim.swa_utils import AveragedModel

    for step in snapshots:
        checks.integer("snapshots", step, low=1, high=config.steps)
    if start is not None and start.config != network:
        raise InputError("start has another shape than network; pass network=start.config.")
    accelerator = Accelerator(cpu=device == "cpu")
    model = build_denoiser(network, seed=config.seed)
    if start is None:
        model.fit_conditions(data.conditions)
    else:
        model.load_state_dict(start.state_dict())
        model.widen_span(data.conditions)
    model.to(accelerator.device)
    ema = AveragedModel(model, avg_fn=config.average).requires_grad_(False)
    average = cast(Denoiser, ema.module)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        config.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=config.weight_decay,
    )
    losses: list[float] = []
    kept: dict[int, dict[str, Tensor]] = {}
    ema.n_averaged.fill_(1)  # the weights before the first step count, too
    wrapped, optimizer = accelerator.prepare(model, optimizer)
    mine = slice(accelerator.process_index, None, accelerator.num_processes)
    half = config.precision == "bfloat16"
    began = time.perf_counter()
    spread = float(model.scale)
    wrapped.train()
    bar = progress.bar(range(config.steps), desc="training")
    for step in bar:
        for group in optimizer.param_groups:
            group["lr"] = config.rate(step)
        batch = training_batch(data, config, step, augmentation=augmentation, spread=spread)
        xt, t, condition, v = (part[mine].to(accelerator.device) for part in batch)
        low = torch.autocast(accelerator.device.type, torch.bfloat16)
        with low if half else contextlib.nullcontext():
            predicted = wrapped(xt, t, condition)
        loss = (predicted - v).square().mean()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(wrapped.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.update_parameters(model)
        losses.append(float(accelerator.reduce(loss.detach(), "mean")))
        if step % 10 == 0:
            bar.set_postfix(loss=f"{sum(losses[-50:]) / len(losses[-50:]):.4f}")
        if step + 1 in snapshots:
            kept[step + 1] = {k: v.detach().cpu().clone() for k, v in average.state_dict().items()}
    seconds = time.perf_counter() - began
    return TrainingRun(average.eval(), config, tuple(losses), seconds, kept)
