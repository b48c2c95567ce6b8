"""The generator that comes with the library, ``emoji``, and a reader of what it draws.

Its folder holds weights, how they were trained, and how often the reader errs; nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from bbb_core.balance.confusion import Confusion
from bbb_core.balance.shares import NONE

__all__ = ["EMOJI", "READER", "EmojiReader", "described", "emoji_reader"]

EMOJI = Path(__file__).parent / "models" / "emoji"
READER = "reader.safetensors"


def described() -> dict[str, Any]:
    """Return the manifest of ``emoji``: encoder, templates of prompts, occupations, training.

    Examples
    --------
    >>> described()["templates"]["woman"]
    'a photo of a female {}'
    """
    return dict(json.loads((EMOJI / "manifest.json").read_text(encoding="utf-8")))


@dataclass(frozen=True, eq=False)
class EmojiReader:
    """A small network that reads the group of emoji people, or *none of these*.

    Attributes
    ----------
    weights
        Of three convolutions, a hidden layer, the groups' logits and the log-odds of *none*.
    groups
        Names of the groups, in the order of the logits.
    limit
        An image is read as none when its log-odds of *none* exceed this.
    confusion
        How readers of this kind read drawings in skin tones that they were not trained on, and
        images of nobody. Generated images are other images: that it errs alike is an assumption.
    """

    weights: Mapping[str, Tensor]
    groups: tuple[str, ...]
    limit: float
    confusion: Confusion

    @torch.no_grad()
    def read(self, images: Float[Tensor, "n 3 h w"]) -> list[str]:
        """Return a group, or ``none``, for images with intensities in [0, 1]."""
        x = 2 * images.float() - 1
        for layer in (0, 4, 8):
            x = nn.functional.conv2d(x, *self._of(f"trunk.{layer}"), padding=1)
            x = nn.functional.group_norm(x, 8, *self._of(f"trunk.{layer + 1}"))
            x = nn.functional.avg_pool2d(x.relu(), 2)
        x = nn.functional.adaptive_avg_pool2d(x, 4).flatten(1)
        x = nn.functional.linear(x, *self._of("trunk.14")).relu()
        best = nn.functional.linear(x, *self._of("heads.1")).argmax(1).tolist()
        odds = nn.functional.linear(x, *self._of("none"))[:, 0].tolist()
        return [
            NONE if odd > self.limit else self.groups[i] for i, odd in zip(best, odds, strict=True)
        ]

    def _of(self, layer: str) -> tuple[Tensor, Tensor]:
        return self.weights[f"{layer}.weight"], self.weights[f"{layer}.bias"]


@lru_cache(maxsize=1)
def emoji_reader() -> EmojiReader:
    """Return the reader that comes with ``emoji``.

    Raises
    ------
    InputError
        When its file is missing or damaged.

    Examples
    --------
    >>> emoji_reader().confusion.groups
    ('man', 'woman', 'none')
    """
    from bbb_core.diffusion.checkpoint import read_tensors

    tensors, said = read_tensors(EMOJI / READER)
    names = (*said["groups"], NONE)
    counts = np.array(said["confusion"], dtype=int)
    return EmojiReader(
        weights={name: value.float() for name, value in tensors.items()},
        groups=tuple(said["groups"]),
        limit=float(said["limit"]),
        confusion=Confusion(groups=names, labels=names, counts=counts),
    )
