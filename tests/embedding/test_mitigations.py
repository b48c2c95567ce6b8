"""Repairs of embeddings: what they promise, by hand and by the problem that they solve."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_core import embedding
from bbb_core.errors import InputError
from bbb_core.rng import generator


def unit(seed: int, n: int, d: int = 6) -> torch.Tensor:
    rows = torch.from_numpy(generator(seed, "unit", n).standard_normal((n, d)))
    return rows / rows.norm(dim=1, keepdim=True)


def test_nothing_is_left_along_a_direction_that_is_projected_out():
    rows, directions = unit(5, 20), unit(6, 2)
    out = embedding.project_out(rows, directions)
    assert float((out @ directions.T).abs().max()) < 1e-12
    assert torch.allclose(out.norm(dim=1), torch.ones(20, dtype=torch.float64))
    once_more = embedding.project_out(rows, torch.cat([directions, directions.sum(0)[None]]))
    assert torch.allclose(once_more, out)


def test_no_strength_is_the_projection_and_strength_joins_pairs():
    rows, directions = unit(5, 20), unit(6, 2)
    out = embedding.project_out(rows, directions)
    none = embedding.calibrated_projection(rows, directions, (rows[:3], rows[3:6]), strength=0.0)
    assert torch.allclose(none, out)
    pairs = unit(7, 3), unit(8, 3)
    apart = [
        (lambda a, b: float((a - b).norm()))(
            *(embedding.calibrated_projection(x, directions, pairs, strength=s) for x in pairs)
        )
        for s in (0.0, 1.0, 1000.0)
    ]
    assert apart[0] > apart[1] > apart[2]


def test_the_calibrated_projection_solves_its_problem():
    """Its derivative: (P - P_0) + lambda / |S| sum P d d^T = 0, rows of P up to their length."""
    d, directions, (first, second), strength = 6, unit(6, 2), (unit(7, 3), unit(8, 3)), 5.0
    difference = first - second
    gram = strength / 3 * difference.T @ difference
    p0 = torch.eye(d, dtype=torch.float64) - torch.linalg.pinv(directions) @ directions
    solved = torch.linalg.solve(torch.eye(d, dtype=torch.float64) + gram, p0, left=False)
    rows = unit(9, 4)
    expected = rows @ solved.T
    found = embedding.calibrated_projection(rows, directions, (first, second), strength=strength)
    assert torch.allclose(found, expected / expected.norm(dim=1, keepdim=True))


def test_groups_are_moved_to_one_mean_and_rows_without_a_label_stay():
    rows, groups = unit(5, 21), [*(["a", "b"] * 10), None]
    centred = embedding.centre_by_group(rows, groups)
    means = [rows[:20][i::2].mean(dim=0) for i in range(2)]
    expected = rows[0] + (means[1] - means[0]) / 2
    assert torch.allclose(centred[0], expected / expected.norm())
    assert torch.allclose(centred[20], rows[20])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: embedding.project_out([[1.0, 0.0]], [[2.0, 0.0]]), "row 0 vanishes"),
        (lambda: embedding.project_out([[1.0, 0.0]], [[1.0]]), "directions has 1 columns"),
        (lambda: embedding.centre_by_group([[1.0, 0.0]], ["a", "b"]), "one label per row"),
        (lambda: embedding.centre_by_group([[1.0, 0.0]], [np.nan]), "no labelled row"),
        (
            lambda: embedding.calibrated_projection(
                [[1.0, 0.0]], [[0.0, 1.0]], ([[1.0, 0.0]], [[1.0, 0.0]]), strength=-1.0
            ),
            "strength is -1",
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
