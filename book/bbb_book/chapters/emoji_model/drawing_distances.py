"""Distances between drawings and generations: the drawn person, and copies of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from bbb_book.chapters.emoji_model.fidelity import exact_share
from bbb_book.data import emoji
from bbb_book.generators.people import reader
from bbb_book.generators.studies import drawings
from bbb_core import rng

__all__ = [
    "distances_to_drawings",
    "group_distances",
    "near_training",
    "person_nearer_to_man",
    "person_ratios",
]


def person_ratios(size: int) -> pd.DataFrame:
    """Return per occupation the mean distance of the drawn person to the man and to the woman."""
    people = emoji.load_emoji_people(size=size)
    flat = people.images.reshape(len(emoji.OCCUPATIONS), 3, len(emoji.TONES), -1)
    person, man, woman = flat.unbind(1)
    rms = [(person - other).square().mean(-1).sqrt().mean(-1) for other in (man, woman)]
    return pd.DataFrame(
        {"man": rms[0].numpy(), "woman": rms[1].numpy()}, index=list(emoji.OCCUPATIONS)
    )


def person_nearer_to_man(size: int) -> dict[str, float]:
    """Return the share of occupations whose drawn person is nearer to the man."""
    table = person_ratios(size)
    return exact_share(int((table["man"] < table["woman"]).sum()), len(table))


def group_distances(drawn: Mapping[str, Any]) -> np.ndarray:
    """Return the distances of group-prompt images to the nearest drawing."""
    counts = np.asarray(drawn["group"])
    return np.asarray(drawn["distance"])[:, -int(counts[0].sum()) :]


def near_training(drawn: Mapping[str, Any], *, size: int) -> dict[str, float]:
    """Return the share of group-prompt images within the reader's limit of a training drawing."""
    far = group_distances(drawn)
    return exact_share(int((far <= reader(size).limit).sum()), far.size)


def distances_to_drawings(
    drawn: Mapping[str, Any], *, size: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return distances to the nearest drawing: of moved drawings, generations, other people.

    The first and the last are yardsticks: training drawings that were moved a little, against the
    bank of the reader; and each drawing against those of another occupation or group.
    """
    people = drawings(size)
    source = rng.torch_generator(seed, "yardstick of distances")
    moved = reader(size).read(emoji.augment(people.images, generator=source))
    flat = people.images.flatten(1)
    apart = torch.cdist(flat, flat) / flat.shape[1] ** 0.5
    who = [label[:2] for label in people.labels]
    same = torch.tensor([[a == b for b in who] for a in who])
    return {
        "training drawing, moved": moved.distances.numpy(),
        "generation": group_distances(drawn).ravel(),
        "nearest drawing of someone else": apart.masked_fill(same, torch.inf).min(1).values.numpy(),
    }
