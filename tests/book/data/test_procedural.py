"""Procedural figures: known labels and an exact symmetry."""

from __future__ import annotations

import pytest
import torch

from bbb_book.data import procedural as p
from bbb_core.errors import InputError


def figures(groups: int, *, seed: int = 0, size: int = 16, noise: float = 0.03):
    labels = torch.arange(8 * groups)
    g = torch.Generator().manual_seed(seed)
    return p.procedural_figures(
        labels % 8, labels // 8, group_count=groups, size=size, noise=noise, generator=g
    )


@pytest.mark.parametrize("groups", [2, 3, 5])
@pytest.mark.parametrize("size", [8, 16, 33])
def test_groups_are_read_back(groups, size):
    made = figures(groups, size=size)
    assert made.images.shape == (8 * groups, max(3, groups), size, size)
    assert torch.equal(p.read_groups(made.images, group_count=groups), made.groups)


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_sigma_takes_one_group_to_the_next(groups):
    """Without noise the turned image is exactly the image drawn with the next group's label."""
    labels = torch.arange(8)
    first, second = (
        p.procedural_figures(
            labels,
            torch.full((8,), g),
            group_count=groups,
            noise=0.0,
            generator=torch.Generator().manual_seed(1),
        ).images
        for g in (groups - 1, 0)
    )
    assert torch.equal(p.turn_groups(first, group_count=groups), second)


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_sigma_is_an_isometry_of_order_k(groups):
    images = figures(groups).images
    turned = images
    for _ in range(groups):
        turned = p.turn_groups(turned, group_count=groups)
    assert torch.equal(turned, images)
    reading = p.read_groups(p.turn_groups(images, group_count=groups), group_count=groups)
    assert torch.equal(reading, (p.read_groups(images, group_count=groups) + 1) % groups)


def test_shapes_differ():
    flat = figures(2, noise=0.0).images[:8].flatten(1)
    assert torch.cdist(flat, flat).add(torch.eye(8) * 9).min() > 0.5


def test_an_even_image_is_none_of_the_groups():
    assert p.read_groups(torch.full((1, 3, 8, 8), 0.5)).tolist() == [-1]


def test_wrong_labels_are_refused():
    g = torch.Generator()
    one = torch.tensor([0])
    with pytest.raises(InputError, match="groups"):
        p.procedural_figures(one, torch.tensor([2]), generator=g)
    with pytest.raises(InputError, match="channels"):
        p.turn_groups(torch.zeros(1, 3, 8, 8), group_count=4)
