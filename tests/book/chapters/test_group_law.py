"""Coordinates of a prompt among several groups' prompts."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bbb_book.chapters.intersections.group_law import barycentric_coordinates
from bbb_core.embedding import position
from bbb_core.errors import InputError
from bbb_core.rng import generator


def at(*degrees):
    """Return unit rows in the plane at these angles."""
    angles = torch.tensor(degrees, dtype=torch.float64) * math.pi / 180
    return torch.stack([angles.cos(), angles.sin()], 1)


@given(st.integers(0, 1000))
def test_coordinates_of_two_groups_are_the_position(seed):
    p, a, b = torch.from_numpy(generator(seed, "rows").normal(size=(3, 4, 5)))
    found = barycentric_coordinates(p, torch.stack([a, b], 1))
    t = position(p, a, b)
    assert torch.allclose(found, torch.stack([1 - t, t], 1), atol=1e-7)


def test_coordinates_find_a_mixture_and_its_height_does_not_count():
    corners = torch.stack([at(10, 40), at(0, 90), at(50, 100)], 1)  # two rows of three corners
    corners = torch.cat([corners, torch.zeros(2, 3, 2, dtype=torch.float64)], 2)
    weights = torch.tensor([[0.2, 0.5, 0.3], [1.4, -0.1, -0.3]], dtype=torch.float64)
    mixed = torch.einsum("nm,nmd->nd", weights, corners)
    mixed[:, 2] = 5.0
    found = barycentric_coordinates(mixed, corners, tolerance=0.0)
    assert torch.allclose(found, weights, atol=1e-10)
    moved = barycentric_coordinates(3 * mixed + 1, 3 * corners + 1, tolerance=0.0)
    assert torch.allclose(moved, weights, atol=1e-9)
    order = [2, 0, 1]
    assert torch.allclose(
        barycentric_coordinates(mixed, corners[:, order], tolerance=0.0), weights[:, order]
    )


def test_directions_in_which_groups_hardly_spread_are_left_out():
    """A square whose corners rise and fall by a hair, and a prompt high above it."""
    rise = torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
    flat = torch.tensor([[0.0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]], dtype=torch.float64)
    bent = (flat + 0.01 * rise[:, None] * torch.tensor([0.0, 0, 1]))[None]
    p = torch.tensor([[0.25, 0.5, 1.0]], dtype=torch.float64)
    expected = torch.tensor([[0.375, 0.375, 0.125, 0.125]], dtype=torch.float64)
    assert torch.allclose(barycentric_coordinates(p, bent), expected)
    assert torch.allclose(barycentric_coordinates(p, flat[None], tolerance=0.0), expected)
    wild = barycentric_coordinates(p, bent, tolerance=0.0)
    assert torch.allclose(wild, expected + 25 * rise)


@pytest.mark.parametrize(
    ("p", "groups", "said"),
    [
        (torch.ones(2, 3), torch.ones(2, 1, 3), "at least two"),
        (torch.ones(1, 3), torch.ones(1, 2, 3), "one point in row 0"),
        (torch.ones(1, 2), torch.tensor([[[0.0, torch.nan], [1.0, 0.0]]]), "nan"),
    ],
)
def test_coordinates_of_bad_groups_are_refused(p, groups, said):
    with pytest.raises(InputError, match=said):
        barycentric_coordinates(p, groups)


def test_a_tolerance_is_a_part():
    with pytest.raises(InputError, match="tolerance"):
        barycentric_coordinates(torch.ones(1, 2), torch.eye(2)[None], tolerance=2.0)
