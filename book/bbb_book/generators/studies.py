"""Generators of emoji people: the studies that the chapters train, each stored as an artefact.

Kept apart from the measurements, so that a change there does not ask for training again.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_book.data import emoji
from bbb_book.results.artefacts import Artefact, artefact
from bbb_core import checks, rng
from bbb_core.diffusion.network import Denoiser, NetworkConfig, build_denoiser
from bbb_core.diffusion.training import TrainingConfig, TrainingSet, train

__all__ = [
    "GROUPS",
    "Regime",
    "Study",
    "Tuning",
    "drawings",
    "held_out_cells",
    "model_of",
    "planted_shares",
    "prompt_embeddings",
    "study_artefact",
    "train_model",
    "training_of",
]

GROUPS = ("man", "woman")
"""Groups that prompts name here; the drawn "person" takes no part in training."""
Regime = Literal["unseen", "balanced", "skewed"]


@dataclass(frozen=True)
class Study:
    """One trained generator: plain data, so that it can key an artefact.

    Attributes
    ----------
    encoder, template
        Text encoder and sentence of the prompts.
    size, channels, layers
        Image side in pixels; width per level and blocks per level of the network.
    steps, batch, learning_rate, seed
        Of the training run.
    held_out
        "occupation|group|tone" cells that training never shows.
    """

    encoder: str = "minilm"
    template: str = "a photo of {}"
    size: int = 32
    channels: tuple[int, ...] = (32, 64, 96)
    layers: int = 1
    steps: int = 1500
    batch: int = 64
    learning_rate: float = 2e-3
    seed: int = 0
    held_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tuning:
    """Training that goes on from a study's model with neutral captions among the others.

    Attributes
    ----------
    regime
        "balanced": neutral captions stand under men and women alike; "skewed": under women in the
        planted share of the occupation.
    steps
        Further steps.
    share
        Share of neutral captions.
    """

    regime: Regime = "balanced"
    steps: int = 300
    share: float = 0.5


def held_out_cells() -> tuple[str, ...]:
    """Return ten combinations of occupation, group and tone, five per group, for the second model.

    Each occupation loses one tone of one group, so every prompt keeps five legitimate answers.
    """
    cells = (
        ("judge", "woman", "dark"),
        ("cook", "man", "light"),
        ("pilot", "woman", "medium"),
        ("student", "man", "dark"),
        ("farmer", "woman", "light"),
        ("astronaut", "man", "medium"),
        ("guard", "woman", "dark"),
        ("artist", "man", "medium-light"),
        ("scientist", "woman", "medium-dark"),
        ("detective", "man", "light"),
    )
    return tuple("|".join(cell) for cell in cells)


def study_artefact(name: str, function: Any, **parameters: Any) -> Artefact:
    """Return an artefact of a study; its key also holds the fingerprint of the study's encoder.

    The encoder's code is not part of the key: the fingerprint changes whenever its rows may. The
    rows themselves would differ in their last digit from one processor to the next.
    """
    inputs = {"encoder": _encoder(parameters["study"].encoder).fingerprint}
    return artefact(name, function, parameters=parameters, inputs=inputs)


@lru_cache(maxsize=8)
def _encoder(spec: str) -> Any:
    return importlib.import_module("bbb_core.embedding").load_encoder(spec)


@lru_cache(maxsize=8)
def prompt_embeddings(encoder: str, template: str) -> Float[Tensor, "occupations 3 d"]:
    """Return E(p) for every occupation: neutral, man, woman, in this order."""
    kinds = (None, *GROUPS)
    texts = [emoji.caption(o, g, template=template) for o in emoji.OCCUPATIONS for g in kinds]
    return _encoder(encoder).encode_text(texts).float().unflatten(0, (-1, len(kinds)))


def planted_shares(seed: int) -> dict[str, float]:
    """Return the share of women under each occupation's neutral caption in the skewed regime.

    The levels .1, .3, .5, .7, .9 are dealt to the occupations at random, so they are independent
    of the encoder.
    """
    levels = np.resize([0.1, 0.3, 0.5, 0.7, 0.9], len(emoji.OCCUPATIONS))
    dealt = rng.generator(seed, "planted shares").permutation(levels)
    return dict(zip(emoji.OCCUPATIONS, dealt.tolist(), strict=True))


@lru_cache(maxsize=4)
def drawings(size: int) -> emoji.EmojiPeople:
    """Return the drawings of men and women that generators are trained on."""
    return emoji.load_emoji_people(size=size, groups=GROUPS)


def _training_set(study: Study, tuning: Tuning | None) -> TrainingSet:
    people = drawings(study.size)
    table = prompt_embeddings(study.encoder, study.template)
    column = {None: 0, "man": 1, "woman": 2}
    shares = planted_shares(study.seed)
    pairs, weights, used = [], [], {}

    def add(image: int, row: tuple[int, int], weight: float) -> None:
        if weight > 0:
            pairs.append([image, used.setdefault(row, len(used))])
            weights.append(weight)

    neutral = 0.0 if tuning is None else checks.probability("share", tuning.share)
    for i, (occupation, group, tone) in enumerate(people.labels):
        if f"{occupation}|{group}|{tone}" in study.held_out:
            continue
        o = emoji.OCCUPATIONS.index(occupation)
        add(i, (o, column[group]), 1 - neutral)
        if tuning is not None:
            women = shares[occupation] if tuning.regime == "skewed" else 0.5
            add(i, (o, 0), 2 * neutral * (women if group == "woman" else 1 - women))
    rows = torch.stack([table[o, c] for o, c in used])
    return TrainingSet(people.images, rows, torch.tensor(pairs), torch.tensor(weights))


def _network(study: Study) -> NetworkConfig:
    d = prompt_embeddings(study.encoder, study.template).shape[-1]
    return NetworkConfig(
        embedding_dim=d, resolution=study.size, channels=study.channels, layers=study.layers
    )


def _pack(state: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([state[k].detach().flatten().half() for k in sorted(state)])


def _unpack(flat: Tensor, study: Study) -> Denoiser:
    model = build_denoiser(_network(study))
    state, at = {}, 0
    for k, old in sorted(model.state_dict().items()):
        state[k] = flat[at : at + old.numel()].view(old.shape).float()
        at += old.numel()
    model.load_state_dict(state)
    return model.eval()


def train_model(study: Study, tuning: Tuning | None, snapshots: Sequence[int]) -> dict[str, Any]:
    """Train one generator (artefact function): averaged weights in half precision, losses, time."""
    config = TrainingConfig(
        steps=study.steps, batch=study.batch, learning_rate=study.learning_rate, seed=study.seed
    )
    start = None
    if tuning is not None:
        start = model_of(study)
        config = replace(
            config,
            steps=tuning.steps,
            learning_rate=study.learning_rate / 2,
            seed=study.seed + 1000,
        )
    run = train(
        _training_set(study, tuning),
        _network(study),
        config,
        start=start,
        augmentation=emoji.augment,
        snapshots=snapshots,
    )
    out: dict[str, Any] = {"weights": _pack(run.model.state_dict())}
    out |= {f"weights-{step}": _pack(state) for step, state in run.snapshots.items()}
    return out | {"losses": np.array(run.losses), "seconds": run.seconds}


def training_of(
    study: Study, tuning: Tuning | None = None, *, snapshots: Sequence[int] = ()
) -> Artefact:
    """Return the artefact of a study's training: weights, losses and seconds."""
    name = f"people-model-{study.encoder}-{study.seed}" + ("" if tuning is None else "-tuned")
    return study_artefact(name, train_model, study=study, tuning=tuning, snapshots=list(snapshots))


def model_of(
    study: Study,
    tuning: Tuning | None = None,
    *,
    snapshots: Sequence[int] = (),
    at: int | None = None,
) -> Denoiser:
    """Return the trained generator of a study, from its artefact (trained now if there is none)."""
    made = training_of(study, tuning, snapshots=snapshots)
    return _unpack(made["weights" if at is None else f"weights-{at}"], study)
