"""The generators of the registered experiment, and the prompts that they are asked for."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from bbb_book.chapters.generalisation.chain_encoders import caption_batches, split_spec
from bbb_book.data import emoji
from bbb_book.generators.studies import GROUPS, drawings
from bbb_book.scorers.caption_bias import shares_of_men
from bbb_book.scorers.small_clip import SmallClip, token_states, train_small_clip
from bbb_core import checks
from bbb_core.embedding.e5 import e5_available

__all__ = ["Design", "Prompts", "available", "fingerprint", "open_prompts", "registered"]

KINDS = (None, *GROUPS)


@dataclass(frozen=True, kw_only=True)
class Design:
    """One generator of the experiment.

    Attributes
    ----------
    encoder
        ``minilm``, ``e5``, ``glove``, or ``clip:BIAS``: a small CLIP trained here.
    conditioning
        "pooled": one vector per prompt; "tokens": a sequence of token states, by cross-attention.
    women
        Share of women among the training pictures.
    noise
        Caption noise of training, in units of the embeddings' spread.
    seed
        Of all training.
    size
        Side of the images in pixels.
    """

    encoder: str
    conditioning: Literal["pooled", "tokens"]
    women: float
    noise: float
    seed: int
    size: int

    @property
    def kind(self) -> str:
        """Encoder and conditioning: what decides where prompts lie."""
        return f"{self.encoder}, {self.conditioning}"

    def __str__(self) -> str:
        return f"{self.kind}, {self.women:g} women, noise {self.noise:g}, seed {self.seed}"


def registered(at_most: int | None = None) -> tuple[Design, ...]:
    """Return the registered generators, or the first of them, in the order of registration."""
    cast = {"women": float, "noise": float, "seed": int, "size": int}
    with (Path(__file__).parent / "designs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [f.name for f in fields(Design)]
    made = tuple(Design(**{k: cast.get(k, str)(row[k]) for k in names}) for row in rows)
    most = len(made) if at_most is None else at_most
    return made[: checks.integer("at_most", most, low=1, high=len(made))]


def available(designs: Sequence[Design]) -> tuple[Design, ...]:
    """Return the designs whose encoder this platform has: E5 is a wheel for some."""
    return tuple(d for d in designs if d.encoder != "e5" or e5_available())


@dataclass(frozen=True, eq=False)
class Prompts:
    """Embeddings of every occupation's prompts: one row, or one row of each token.

    Attributes
    ----------
    rows
        Neutral, man, woman. Sequences end in zero rows, which a generator does not hear.
    aligned
        Neutral prompts with room for the word that names a group, filled with the mean of the two
        groups' states there, so that tokens of one role stand at one place. None for pooled rows.
    """

    rows: Float[Tensor, "occupations 3 *tokens d"]
    aligned: Float[Tensor, "occupations tokens d"] | None


def fingerprint(design: Design) -> str:
    """Return what identifies an encoder's rows; a small CLIP follows from its spec."""
    return design.encoder if split_spec(design.encoder) else str(_load(design.encoder).fingerprint)


@lru_cache(maxsize=8)
def _load(spec: str) -> Any:
    return importlib.import_module("bbb_core.embedding").load_encoder(spec)


def open_prompts(design: Design, *, clip_steps: int) -> Prompts:
    """Return the prompts of a design; a small CLIP is trained first, on neutral captions too."""
    spec, pooled = design.encoder, design.conditioning == "pooled"
    small = split_spec(spec)
    if small is not None:
        encoder, states = _small_clip(design, *small, steps=clip_steps), token_states
    else:
        encoder = _load(spec)
        states = type(encoder).token_states if not pooled else None
    word = getattr(encoder, "level", "sentence") == "word"
    texts = _texts("{}" if word else "a photo of {}")
    if pooled:
        return Prompts(encoder.encode_text(texts).float().unflatten(0, (-1, 3)), None)
    found = [states(encoder, text) for text in texts]
    longest = max(len(one) for one in found)
    table = torch.stack([_padded(one, longest) for one in found]).float().unflatten(0, (-1, 3))
    aligned = [_aligned(*found[i : i + 3]) for i in range(0, len(found), 3)]
    return Prompts(table, torch.stack([_padded(one, longest) for one in aligned]).float())


def _texts(template: str) -> list[str]:
    return [emoji.caption(o, g, template=template) for o in emoji.OCCUPATIONS for g in KINDS]


def _small_clip(design: Design, bias: str, width: int, *, steps: int) -> Any:
    people, size = drawings(design.size), design.size
    captions = [
        emoji.caption(noun, kind) for kind in KINDS for noun in (*emoji.OCCUPATIONS, "person")
    ]
    source = caption_batches(people, shares_of_men(bias))
    model = SmallClip(
        size=size, patch=4, width=width, vision_layers=2, text_layers=2, steps=steps,
        seed=design.seed,
    )  # fmt: skip

    def batches(generator: torch.Generator) -> tuple[Tensor, list[str]]:
        images, numbers = source(generator)
        return images, [captions[i] for i in numbers.tolist()]

    return train_small_clip(model, captions, batches, name=design.encoder)[0]


def _padded(states: Tensor, length: int) -> Tensor:
    return torch.cat([states, states.new_zeros(length - len(states), *states.shape[1:])])


def _aligned(neutral: Tensor, man: Tensor, woman: Tensor) -> Tensor:
    """Return the neutral states with the groups' mean state where their word stands."""
    checks.same_shape(man=man, woman=woman)
    slot = int((man - woman).norm(dim=-1).argmax())  # the states differ most at the word itself
    return torch.cat([neutral[:slot], (man + woman)[slot : slot + 1] / 2, neutral[slot:]])
