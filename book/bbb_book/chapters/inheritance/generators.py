"""Train one generator of the experiment, sweep it between group prompts, then draw and read.

`measure_generator` is an artefact function: plain data in, small tables out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bbb_book.chapters.inheritance.designs import Design, Prompts, fingerprint, open_prompts
from bbb_book.chapters.inheritance.ideal_generator import kernel_weights
from bbb_book.data import emoji
from bbb_book.generators import placements
from bbb_book.generators.placements import FURTHEST, swept_law
from bbb_book.generators.studies import drawings
from bbb_book.readers.nearest import NearestDrawing
from bbb_book.results.artefacts import Artefact, artefact
from bbb_core import device
from bbb_core.diffusion import (
    DenoiserProcess,
    NetworkConfig,
    TrainingConfig,
    TrainingSet,
    generate,
    train,
)
from bbb_core.diffusion.network import Denoiser
from bbb_core.diffusion.noise import ImageStreams

__all__ = [
    "DOSES",
    "PLACES",
    "SHOWN",
    "Settings",
    "generator_artefact",
    "measure_generator",
    "measured",
]

PLACES = {
    "neutral": "the prompt as it is",
    "projected": "without its part along the groups' common direction",
    "equalised": "moved in parallel to the way between the groups, to its middle (t = 1/2)",
    "averaged": "the middle of the way itself",
    "shifted": "moved in parallel to the way, to the occupation's own switch",
    "common switch": "on the way, at the generator's switch",
    "own switch": "on the way, at the occupation's own switch",
    "aligned": "as it is, with the groups' mean state where the group's word would stand",
}
"""Where prompts are placed; the last one for sequences of tokens alone."""
DOSES = (-0.3, -0.15, 0.15, 0.3)
"""Moves of the neutral prompt along the way, as parts of it; the outer ones across it, too."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes of the experiment: plain data, so that they can key an artefact.

    Attributes
    ----------
    steps, large_steps
        Training steps of a generator of 16 pixels and of larger ones.
    channels, large_channels
        Widths of their networks.
    batch, learning_rate, large_learning_rate
        Of the training.
    clip_steps
        Training steps of a small CLIP.
    reverse_steps
        Of the sampler.
    positions, n_sweep
        Points of the way between the groups, and images of each occupation at each.
    n_neutral, n_placed, n_dose
        Images per occupation of the neutral prompt, of each other placement, of each dose.
    guidance
        Weights of guidance tried on balanced generators with tokens, beside 1.
    guided_positions, n_guided_sweep, n_guided
        Points, images per point and images per neutral prompt with guidance.
    limit
        Distance to the nearest drawing beyond which an image is none (`NearestDrawing`).
    shown
        Images kept of each placement, of four occupations, and of each point of two sweeps.
    """

    steps: int = 900
    large_steps: int = 1200
    channels: tuple[int, ...] = (32, 64)
    large_channels: tuple[int, ...] = (32, 64, 96)
    batch: int = 32
    learning_rate: float = 5e-3
    large_learning_rate: float = 2e-3
    clip_steps: int = 250
    reverse_steps: int = 18
    positions: int = 11
    n_sweep: int = 6
    n_neutral: int = 24
    n_placed: int = 16
    n_dose: int = 8
    guidance: tuple[float, ...] = (3.0, 7.5)
    guided_positions: int = 7
    n_guided_sweep: int = 4
    n_guided: int = 16
    limit: float = 0.15
    shown: int = 2

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Return the settings among the parameters of a run, which bear their names."""
        said = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in said.items()})


SHOWN = ("judge", "cook", "astronaut", "firefighter")
"""Occupations whose pictures are kept."""


@lru_cache(maxsize=4)
def _reader(size: int, limit: float) -> NearestDrawing:
    return NearestDrawing(drawings(size).images, limit=limit)


def _trained(design: Design, prompts: Prompts, settings: Settings) -> Denoiser:
    """Train on captions that name a group; neutral prompts are never seen."""
    people, rows = drawings(design.size), prompts.rows[:, 1:].flatten(0, 1)
    image = torch.arange(len(people))
    pairs = torch.stack([image, image // len(emoji.TONES)], 1)
    woman = pairs[:, 1] % 2
    large = design.size > 16
    network = NetworkConfig(
        embedding_dim=rows.shape[-1],
        resolution=design.size,
        channels=settings.large_channels if large else settings.channels,
        conditioning=design.conditioning,
    )
    config = TrainingConfig(
        steps=settings.large_steps if large else settings.steps,
        batch=settings.batch,
        learning_rate=settings.large_learning_rate if large else settings.learning_rate,
        condition_noise=design.noise,
        precision="float32",
        seed=design.seed,
    )
    weights = torch.where(woman == 1, design.women, 1 - design.women)
    data = TrainingSet(people.images, rows, pairs, weights.float())
    return train(data, network, config, augmentation=emoji.augment, device="cpu").model


class _Hand:
    """A trained generator that draws for every occupation, and its reader."""

    def __init__(self, model: Denoiser, design: Design, settings: Settings) -> None:
        self.model, self.design, self.settings = model, design, settings

    def draw(self, rows: Tensor, n: int, name: str, *, guidance: float = 1.0) -> dict[str, Any]:
        """Draw n images for each of rows [20, *tokens, d]; placements share their noise."""
        process = DenoiserProcess(
            self.model, steps=self.settings.reverse_steps, guidance=guidance, batch=256
        )
        names = [f"{name} {o}" for o in emoji.OCCUPATIONS]
        images = generate(process, rows, n, seed=self.design.seed, streams=names)
        reading = _reader(self.design.size, self.settings.limit).read(images.flatten(0, 1))
        person = (reading.rows // len(emoji.TONES)).view(len(rows), n)
        group = torch.where(reading.near.view(len(rows), n), person % 2, torch.tensor(2))
        right = (person // 2 == torch.arange(len(rows))[:, None]) & (group < 2)
        kept = images[[emoji.OCCUPATIONS.index(o) for o in SHOWN], : self.settings.shown]
        return {
            "counts": torch.stack([(group == i).sum(1) for i in range(3)], 1).numpy(),
            "right": right.sum(1).numpy(),
            "sheet": (kept * 255).round().to(torch.uint8).numpy(),
        }

    def sweep(
        self, rows: Tensor, at: np.ndarray, n: int, name: str, *, guidance: float = 1.0
    ) -> dict[str, np.ndarray]:
        """Draw at every position of the way between the groups; no noise is shared."""
        _, man, woman = rows.unbind(1)
        parts = [
            self.draw(
                placements.on_line(man, woman, torch.full((len(man),), float(t))), n,
                f"{name} {i}", guidance=guidance,
            )
            for i, t in enumerate(at)
        ]  # fmt: skip
        return {k: np.stack([part[k] for part in parts], 1) for k in parts[0]}


def _first_step(model: Denoiser, prompts: Prompts, settings: Settings, seed: int) -> np.ndarray:
    """Return how near the first reverse step from man's to woman's that of neutral lies, [20]."""
    process = DenoiserProcess(model, steps=settings.reverse_steps, batch=256)
    n, step = 8, len(process.sigmas)
    x = process.initial(n, generators=ImageStreams(seed, n, "first step"))
    found = []
    for triple in prompts.rows:
        means = [process.mean(x, step, row.expand(n, *row.shape)).flatten(1) for row in triple]
        to_man, to_woman = ((means[0] - other).square().sum(1).mean() for other in means[1:])
        found.append(float(to_man / (to_man + to_woman)))
    return np.array(found)


def _rivals(model: Denoiser, design: Design, prompts: Prompts, settings: Settings) -> Any:
    """Return what else could foretell who is drawn, from neutral prompts and no picture, [20]."""
    neutral, man, woman = (rows.flatten(1).double() for rows in prompts.rows.unbind(1))
    cosine = torch.nn.functional.cosine_similarity
    to_man, to_woman = (neutral - man).norm(dim=1), (neutral - woman).norm(dim=1)
    captions = prompts.rows[:, 1:].flatten(0, 1).flatten(1).double()
    priors = np.tile([1 - design.women, design.women], len(neutral)) / len(neutral)
    weights = kernel_weights(
        neutral.numpy(), captions.numpy(), noise=design.noise * float(model.scale), priors=priors
    )
    return {
        "gap": (cosine(neutral, woman) - cosine(neutral, man)).numpy(),
        "distance_ratio": (to_man / (to_man + to_woman)).numpy(),
        "first_step": _first_step(model, prompts, settings, design.seed),
        "kernel": weights[:, 1::2].sum(1),
    }


def measure_generator(design: Design, settings: Settings) -> dict[str, Any]:
    """Train a generator, sweep it, place its prompts where the sweep says, and draw.

    Returns
    -------
    dict
        *Law*: ``positions`` and ``sweep`` counts [20, positions, 3] of man, woman, none;
        ``slope``, ``switch``, ``own_switches`` [20]; ``t`` of the neutral prompts [20].
        *Rivals*, what they say of each neutral prompt [20]: ``gap``, ``distance_ratio``,
        ``first_step``, ``kernel``.
        *Drawn*, by `PLACES`: ``placed`` counts, ``right`` readings of the occupation, ``placed_t``
        positions. *Moved*: ``along`` counts [doses, 20, 3] and ``along_t``; ``across`` counts.
        *Guided*: ``guided`` counts [weights, 20, 3], ``guided_right``; ``guided_positions`` and
        ``guided_sweep`` [weights, 20, positions, 3].
        Pictures as bytes: ``sheet`` [places, 4, shown, 3, size, size], ``sweep_sheet``.
        ``seconds`` of training and of drawing.
    """
    began = time.perf_counter()
    with device.threads(1):  # small batches: a second thread helps little
        prompts = open_prompts(design, clip_steps=settings.clip_steps)
        model = _trained(design, prompts, settings)
        trained = time.perf_counter()
        hand, neutral = _Hand(model, design, settings), prompts.rows[:, 0]
        man, woman = prompts.rows[:, 1], prompts.rows[:, 2]
        at = np.linspace(0, 1, settings.positions)
        sweep = hand.sweep(prompts.rows, at, settings.n_sweep, "sweep")
        slope, switch, own = swept_law(at, sweep["counts"])
        out: dict[str, Any] = {
            "t": placements.positions(neutral, man, woman).numpy(),
            "slope": slope, "switch": switch, "own_switches": own,
            "positions": at, "sweep": sweep["counts"], "sweep_right": sweep["right"],
            "sweep_sheet": sweep["sheet"][:2, :, 0],
        }  # fmt: skip
        out |= _rivals(model, design, prompts, settings)
        out |= _placed(hand, prompts, switch, own)
        out |= _dosed(hand, prompts)
        if settings.guidance and design.conditioning == "tokens" and design.women == 0.5:
            out |= _guided(hand, prompts)
    out["seconds"] = np.array([trained - began, time.perf_counter() - trained])
    return out


def _placed(hand: _Hand, prompts: Prompts, switch: float, own: np.ndarray) -> dict[str, Any]:
    neutral, man, woman = prompts.rows.unbind(1)
    half = torch.full((len(man),), 0.5)
    common = torch.full((len(man),), float(np.clip(switch, *FURTHEST)))
    each = torch.as_tensor(own)
    rows = {
        "neutral": neutral,
        "projected": placements.projected(neutral, man, woman),
        "equalised": placements.towards(neutral, man, woman, half),
        "averaged": placements.on_line(man, woman, half),
        "shifted": placements.towards(neutral, man, woman, each),
        "common switch": placements.on_line(man, woman, common),
        "own switch": placements.on_line(man, woman, each),
    }
    if prompts.aligned is not None:
        rows["aligned"] = prompts.aligned
    sizes = hand.settings
    made = {
        name: hand.draw(row, sizes.n_neutral if name == "neutral" else sizes.n_placed, "placed")
        for name, row in rows.items()
    }
    return {
        "placed": {k: v["counts"].tolist() for k, v in made.items()},
        "right": {k: v["right"].tolist() for k, v in made.items()},
        "placed_t": {k: placements.positions(row, man, woman).tolist() for k, row in rows.items()},
        "sheet": np.stack([v["sheet"] for v in made.values()]),
    }


def _dosed(hand: _Hand, prompts: Prompts) -> dict[str, np.ndarray]:
    neutral, man, woman = prompts.rows.unbind(1)
    n, m = hand.settings.n_dose, len(man)
    beside = placements.across(neutral, man, woman, seed=hand.design.seed)
    moved = [placements.shifted(neutral, man, woman, torch.full((m,), dose)) for dose in DOSES]
    along = [hand.draw(rows, n, "dose") for rows in moved]
    across = [hand.draw(neutral + dose * beside, n, "dose") for dose in (DOSES[0], DOSES[-1])]
    return {
        "along": np.stack([made["counts"] for made in along]),
        "along_t": np.stack([placements.positions(rows, man, woman).numpy() for rows in moved]),
        "across": np.stack([made["counts"] for made in across]),
    }


def _guided(hand: _Hand, prompts: Prompts) -> dict[str, np.ndarray]:
    sizes = hand.settings
    at = np.linspace(0, 1, sizes.guided_positions)
    neutral, swept = [], []
    for weight in sizes.guidance:
        neutral.append(hand.draw(prompts.rows[:, 0], sizes.n_guided, "guided", guidance=weight))
        swept.append(
            hand.sweep(prompts.rows, at, sizes.n_guided_sweep, "guided sweep", guidance=weight)
        )
    return {
        "guided": np.stack([made["counts"] for made in neutral]),
        "guided_right": np.stack([made["right"] for made in neutral]),
        "guided_sweep": np.stack([made["counts"] for made in swept]),
        "guided_positions": at,
    }


def generator_artefact(design: Design, settings: Settings) -> Artefact:
    """Return the artefact of `measure_generator`."""
    word = f"{design.encoder}-{design.conditioning}-{design.women:g}-{design.seed}"
    return artefact(
        f"inheritance-{word}-{design.size}",
        measure_generator,
        parameters={"design": design, "settings": settings},
        inputs={"encoder": fingerprint(design)},
    )


def measured(designs: Sequence[Design], settings: Settings) -> Iterator[tuple[Design, Artefact]]:
    """Yield every design with its artefact."""
    return ((design, generator_artefact(design, settings)) for design in designs)
