"""The nearest-drawing reader."""

from __future__ import annotations

import pytest
import torch

from bbb_book.data import emoji
from bbb_book.readers.nearest import NearestDrawing
from bbb_core.errors import InputError


def test_augmented_drawings_are_read_as_themselves():
    """Seeds vary the augmentation; a misreading of group or occupation has not been seen."""
    people = emoji.load_emoji_people(size=32, groups=["man", "woman"])
    reader = NearestDrawing(people.images)
    moved = emoji.augment(people.images, generator=torch.Generator().manual_seed(1))
    reading = reader.read(moved)
    assert reading.near.all()
    groups = reading.labels([label[1] for label in people.labels])
    agree = [a == label[1] for a, label in zip(groups, people.labels, strict=True)]
    assert sum(agree) >= 0.99 * len(agree)


def test_noise_is_none_of_them():
    people = emoji.load_emoji_people(size=16, occupations=["judge"])
    noise = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    assert NearestDrawing(people.images).read(noise).labels(["x"] * 18) == ["none"] * 5


def test_other_sizes_are_refused():
    reader = NearestDrawing(torch.zeros(2, 3, 8, 8))
    with pytest.raises(InputError, match="resize"):
        reader.read(torch.zeros(1, 3, 9, 9))
