"""Encoders of the chapter "Does it generalise?": prompts as rows, and images beside them.

A spec is one of `bbb_core.embedding.load_encoder`, or ``clip:BIAS`` or ``clip:BIAS@WIDTH`` for a
small CLIP that is trained here on captions with a known bias.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_book.chapters.generalisation.image_tower import TowerConfig, train_image_tower
from bbb_book.data import emoji
from bbb_book.scorers.caption_bias import shares_of_men
from bbb_book.scorers.small_clip import SmallClip, train_small_clip
from bbb_core.errors import InputError

__all__ = ["GROUPS", "PromptSpace", "caption_batches", "fingerprint", "open_space", "split_spec"]

GROUPS = ("man", "woman")
KINDS = (None, *GROUPS)
"""Kinds of captions, in this order: neutral, man, woman."""
NOUNS = (*emoji.OCCUPATIONS, "person")
WIDTH = 64
"""Width of a small CLIP whose spec names none."""


@dataclass(frozen=True, eq=False)
class PromptSpace:
    """Prompts in one embedding, and the images that are scored there.

    Attributes
    ----------
    prompts
        Unit rows of neutral, man, woman per occupation.
    persons
        Unit rows of "a male person" and "a female person".
    embed_images
        Images [n, 3, size, size] to unit rows [n, d].
    """

    prompts: Float[Tensor, "occupations 3 d"]
    persons: Float[Tensor, "2 d"]
    embed_images: Callable[[Tensor], Tensor]


def split_spec(spec: str) -> tuple[str, int] | None:
    """Return caption bias and width of a ``clip:`` spec, None for every other encoder.

    Examples
    --------
    >>> split_spec("clip:men:0.8@32"), split_spec("clip:labour"), split_spec("minilm")
    (('men:0.8', 32), ('labour', 64), None)
    """
    kind, colon, rest = spec.partition(":")
    if kind != "clip" or not colon:
        return None
    bias, at, width = rest.partition("@")
    if at and not width.isdigit():
        raise InputError(f"encoder {spec!r} has width {width!r}; write clip:BIAS@64.")
    shares_of_men(bias)
    return bias, int(width) if at else WIDTH


@lru_cache(maxsize=8)
def _load(spec: str) -> Any:
    return importlib.import_module("bbb_core.embedding").load_encoder(spec)


def fingerprint(spec: str) -> str:
    """Return what identifies an encoder's rows; a small CLIP follows from its spec."""
    return spec if split_spec(spec) else str(_load(spec).fingerprint)


def _captions(template: str) -> list[str]:
    return [emoji.caption(noun, kind, template=template) for kind in KINDS for noun in NOUNS]


def caption_batches(
    drawings: emoji.EmojiPeople, shares: np.ndarray, *, kinds: Sequence[int] = (0, 1, 2)
) -> Callable[[torch.Generator], tuple[Tensor, Tensor]]:
    """Return a source of batches: each caption of some kinds once, with a drawing that fits it.

    Parameters
    ----------
    drawings
        Men and women in order of occupation, group and tone.
    shares
        How often a neutral caption comes with a man, per occupation.
    kinds
        Numbers in `KINDS` of the captions used.

    Returns
    -------
    callable
        From a generator to augmented images and the numbers of their captions, of 63.
    """
    men = torch.tensor([*shares, 0.5])
    tones, last = len(emoji.TONES), len(emoji.OCCUPATIONS)
    numbers = torch.cat([torch.arange(len(NOUNS)) + kind * len(NOUNS) for kind in kinds])

    def batch(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        u, place, tone = torch.rand(3, len(numbers), generator=generator)
        kind, noun = numbers // len(NOUNS), numbers % len(NOUNS)
        group = torch.where(kind == 0, (u >= men[noun]).long(), kind - 1)
        occupation = torch.where(noun == last, (place * last).long(), noun)
        rows = (occupation * 2 + group) * tones + (tone * tones).long()
        return emoji.augment(drawings.images[rows], generator=generator), numbers

    return batch


def open_space(
    spec: str, drawings: emoji.EmojiPeople, *, steps: int, seed: int
) -> tuple[PromptSpace, np.ndarray]:
    """Return an encoder's prompts with an image tower in the same space, and training losses.

    A model with images of its own (``open_clip:``) is used as it is. A small CLIP learns from all
    captions, the neutral ones with its caption bias. An encoder of texts alone gets a tower that
    is trained against its rows of captions that *name* a group; no neutral caption is seen, so
    what a neutral prompt scores follows from the text encoder's geometry.

    Parameters
    ----------
    spec
        See the module.
    drawings
        Men and women at the side length of the images.
    steps
        Training steps of the small CLIP or the tower.
    seed
        Of that training.
    """
    size, small = drawings.images.shape[-1], split_spec(spec)
    losses = np.empty(0)
    if small is not None:
        captions, (bias, width) = _captions("a photo of {}"), small
        model = SmallClip(
            size=size, patch=4, width=width, vision_layers=2, text_layers=2, steps=steps, seed=seed
        )
        source = caption_batches(drawings, shares_of_men(bias))

        def batches(generator: torch.Generator) -> tuple[Tensor, list[str]]:
            images, numbers = source(generator)
            return images, [captions[i] for i in numbers.tolist()]

        encoder, found = train_small_clip(model, captions, batches, name=spec)
        rows, embed, losses = encoder.encode_text(captions), encoder.encode_image, found.numpy()
    else:
        encoder = _load(spec)
        template = "{}" if encoder.level == "word" else "a photo of {}"
        rows = encoder.encode_text(_captions(template)).float()
        embed = getattr(encoder, "encode_image", None)
        if embed is None:
            source = caption_batches(drawings, np.full(20, 0.5), kinds=(1, 2))
            config = TowerConfig(size=size, width=WIDTH, steps=steps, seed=seed)
            tower, found = train_image_tower(config, rows, source)
            embed, losses = tower.encode_image, found.numpy()
    table = rows.float().unflatten(0, (len(KINDS), len(NOUNS))).transpose(0, 1)
    return PromptSpace(table[:-1], table[-1, 1:], embed), losses
