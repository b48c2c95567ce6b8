"""The whole chain with one embedding: prompts, generations, scores, mitigations.

Serves the chapter "Does it generalise?". `measure_chain` is an artefact function: plain data in,
small tables out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bbb_book.chapters.generalisation.chain_encoders import (
    GROUPS,
    PromptSpace,
    fingerprint,
    open_space,
)
from bbb_book.data import emoji
from bbb_book.readers.nearest import NearestDrawing
from bbb_book.results.artefacts import artefact
from bbb_core import device
from bbb_core.diffusion import (
    DenoiserProcess,
    NetworkConfig,
    TrainingConfig,
    TrainingSet,
    generate,
    train,
)

__all__ = ["ChainSettings", "chain_artefacts", "measure_chain"]


@dataclass(frozen=True, kw_only=True)
class ChainSettings:
    """Sizes of one chain: plain data, so that it can key an artefact.

    Attributes
    ----------
    size, channels, steps, batch, learning_rate
        Of the generator and its training.
    scorer_steps
        Training steps of the small CLIP or of the image tower.
    n_neutral, n_group, n_averaged
        Images per neutral prompt, per prompt that names a group, and per averaged prompt.
    reverse_steps
        Of the sampler.
    """

    size: int = 16
    channels: tuple[int, ...] = (32, 64)
    steps: int = 900
    batch: int = 32
    learning_rate: float = 5e-3
    scorer_steps: int = 250
    n_neutral: int = 24
    n_group: int = 10
    n_averaged: int = 8
    reverse_steps: int = 18


@lru_cache(maxsize=2)
def _drawings(size: int) -> tuple[emoji.EmojiPeople, NearestDrawing]:
    drawings = emoji.load_emoji_people(size=size, groups=GROUPS)
    return drawings, NearestDrawing(drawings.images)


def _generator(space: PromptSpace, settings: ChainSettings, seed: int) -> DenoiserProcess:
    """Train on captions that name a group; neutral prompts are never seen."""
    drawings, _ = _drawings(settings.size)
    rows = space.prompts[:, 1:].flatten(0, 1)
    image = torch.arange(len(drawings))
    pairs = torch.stack([image, image // len(emoji.TONES)], 1)
    network = NetworkConfig(
        embedding_dim=rows.shape[1], resolution=settings.size, channels=settings.channels
    )
    config = TrainingConfig(
        steps=settings.steps, batch=settings.batch, learning_rate=settings.learning_rate,
        condition_noise=0.15, precision="float32", seed=seed,
    )  # fmt: skip
    data = TrainingSet(drawings.images, rows, pairs, torch.ones(len(pairs)))
    run = train(data, network, config, augmentation=emoji.augment, device="cpu")
    return DenoiserProcess(run.model, steps=settings.reverse_steps)


def _read(images: Tensor, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return codes of group (2: none) and occupation of images [..., 3, size, size]."""
    reading = _drawings(size)[1].read(images.flatten(0, -4))
    person = reading.rows // len(emoji.TONES)
    group = torch.where(reading.near, person % 2, torch.tensor(2))
    shape = images.shape[:-3]
    return group.reshape(shape).numpy(), (person // 2).reshape(shape).numpy()


def _counts(codes: np.ndarray) -> np.ndarray:
    """Return how often man, woman and none were read, over the last axis."""
    return np.stack([(codes == i).sum(-1) for i in range(3)], -1)


def measure_chain(spec: str, settings: ChainSettings, seed: int) -> dict[str, Any]:
    """Run the chain once: open the space, train a generator, draw, read, and score.

    Parameters
    ----------
    spec
        See `chain_encoders`.
    settings
    seed
        Of all training and all noise.

    Returns
    -------
    dict
        ``prompts`` [20, 3, d]; counts of man, woman, none: ``neutral`` and ``averaged`` [20, 3],
        ``group`` [20, 2, 3]; ``read_group``, ``read_occupation`` codes of the images of group
        prompts [20, 2, n]; ``right_neutral``: share of neutral images read as the occupation asked
        for; ``scores``: cosines of those images with every prompt [20, 2, n, 20, 3]; ``persons``:
        with "a male person", "a female person" [20, 2, n, 2]; ``sheet`` pictures as bytes;
        ``losses`` of the scorer; ``seconds`` of scorer, generator, sampling and scoring.
    """
    clock = [time.perf_counter()]
    with device.threads(1):  # small batches: a second thread helps little
        drawings, _ = _drawings(settings.size)
        space, losses = open_space(spec, drawings, steps=settings.scorer_steps, seed=seed)
        clock.append(time.perf_counter())
        process = _generator(space, settings, seed)
        clock.append(time.perf_counter())

        def draw(rows: Tensor, n: int, name: str) -> Tensor:
            names = [f"{name} {i}" for i in range(len(rows))]
            return generate(process, rows, n, seed=seed, streams=names)

        groups = space.prompts[:, 1:]
        neutral = draw(space.prompts[:, 0], settings.n_neutral, "neutral")
        middle = torch.nn.functional.normalize(groups.mean(1), dim=1)
        averaged = draw(middle, settings.n_averaged, "averaged")
        named = draw(groups.flatten(0, 1), settings.n_group, "named").unflatten(0, (-1, 2))
        clock.append(time.perf_counter())
        v = space.embed_images(named.flatten(0, 2)).unflatten(0, named.shape[:3])
        scores = torch.einsum("ogid,pkd->ogipk", v.float(), space.prompts)
        persons = torch.einsum("ogid,kd->ogik", v.float(), space.persons)
        clock.append(time.perf_counter())
    read_group, read_occupation = _read(named, settings.size)
    neutral_group, neutral_occupation = _read(neutral, settings.size)
    asked = np.arange(len(emoji.OCCUPATIONS))[:, None]
    return {
        "prompts": space.prompts.numpy(),
        "neutral": _counts(neutral_group),
        "averaged": _counts(_read(averaged, settings.size)[0]),
        "group": _counts(read_group),
        "read_group": read_group.astype(np.int8),
        "read_occupation": read_occupation.astype(np.int8),
        "right_neutral": float(((neutral_occupation == asked) & (neutral_group < 2)).mean()),
        "scores": scores.numpy().astype(np.float32),
        "persons": persons.numpy().astype(np.float32),
        "sheet": (neutral[:, :2] * 255).round().to(torch.uint8).numpy(),
        "losses": losses,
        "seconds": np.diff(clock),
    }


def chain_artefacts(
    specs: Sequence[str], seeds: Sequence[int], settings: ChainSettings
) -> Iterator[tuple[str, int, Any]]:
    """Yield (spec, seed, artefact of the chain) for every pair, seeds inside specs."""
    for spec in specs:
        word = "".join(c if c.isalnum() else "-" for c in spec)[-40:].strip("-")
        for seed in seeds:
            yield (
                spec,
                seed,
                artefact(
                    f"chain-{word}-{seed}",
                    measure_chain,
                    parameters={"spec": spec, "settings": settings, "seed": seed},
                    inputs={"encoder": fingerprint(spec)},
                ),
            )
