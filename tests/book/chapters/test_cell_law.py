"""Four cells foretold: a known law in place of a generator, and a generator of two steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_book.chapters.intersections import cell_law, figures, shaded_people
from bbb_book.chapters.intersections.group_law import inherited_shares
from bbb_book.chapters.intersections.shaded_people import CELLS, KINDS, CellStudy, simplex_mixtures
from bbb_core.rng import generator

ADDED = np.array([[g, s] for g in (0, 1) for s in (0, 1)], float)
"""Gender and shade of the four cells."""


def prompts() -> torch.Tensor:
    """Return rows [20, 9, 12]: cells near the corners of a parallelogram, the others inside it."""
    rng = generator(0, "prompts")
    inside = [[0.45, 0.3], [0.1, 0.4], [0.8, 0.4], [0.4, 0.1], [0.5, 0.7]]
    ways = rng.normal(size=(20, 2, 12))
    places = np.concatenate([ADDED, inside]) + rng.normal(size=(20, 9, 2)) * 0.03
    rows = rng.normal(size=(20, 1, 12)) + places @ ways + rng.normal(size=(20, 9, 12)) * 0.01
    return torch.from_numpy(rows).float()


def world(log_shares: np.ndarray, n: int = 24, seed: int = 0) -> dict[str, np.ndarray]:
    """Return what an ideal generator with this law would give for `measure_cells`."""
    places, mixtures = shaded_people._places(prompts()), simplex_mixtures(4)
    at = np.einsum("wj,ojk->owk", mixtures, places["coordinates"][:, :4])
    rng = generator(seed, "world")
    swept = rng.multinomial(6, inherited_shares(at, log_shares))
    drawn = rng.multinomial(n, inherited_shares(places["coordinates"][:, 4:], log_shares))
    counts = [np.pad(c, [(0, 0), (0, 0), (0, 1)]) for c in (swept, drawn)]
    return places | {
        "sweep": counts[0],
        "unnamed": counts[1][:, 0],
        "half": counts[1][:, 1:],
        "mixtures": mixtures,
    }


PRODUCT = -4 * np.abs(ADDED[:, None] - ADDED).sum(-1) + ADDED @ [1.0, -0.7]
JOINT = PRODUCT + np.array([1.2, -1.2, -1.2, 1.2])
"""The second draws men light and women dark more often than any product would."""


def test_mixtures_cover_the_simplex():
    points = simplex_mixtures(4)
    assert len(points) == 4 + 6 + 12 + 4 + 1
    assert len(np.unique(points.round(6), axis=0)) == len(points)
    assert points.sum(1) == pytest.approx(np.ones(27))
    assert points.min() == 0
    assert len(simplex_mixtures(3)) == 3 + 3 + 6 + 1


def test_places_are_those_of_gender_and_shade():
    places = shaded_people._places(prompts())
    at = places["coordinates"] @ ADDED  # what cells the coordinates name
    assert np.abs(at[:, :4] - ADDED).max() < 0.35  # noise of the corners, twelve standard errors
    assert np.abs(places["positions"][:, :4].mean((0,)) - ADDED).max() < 0.2
    assert places["coordinates"].sum(-1) == pytest.approx(np.ones((20, 9)))
    assert np.abs(places["positions"][:, 4].mean(0) - [0.45, 0.3]).max() < 0.2


def test_a_known_law_is_foretold_and_a_product_misses_what_it_cannot_say():
    made = {"a": world(JOINT), "b": world(JOINT, seed=1)}
    # Without the generators' noise: distances between the law itself and what is foretold.
    truth = inherited_shares(made["a"]["coordinates"][:, 4:], JOINT)
    gaps = np.abs(cell_law.foretold(made["a"]) - truth).sum(-1).mean((1, 2)) / 2
    assert gaps[0] < 0.08  # 3,240 pictures: about .02
    assert gaps[1] > 0.15
    for rival in (1, 2):
        found = cell_law.better_than(made, rival)
        assert found["low"] <= found["value"] <= found["high"] < 0
        assert found["n"] == 20


def test_where_cells_are_a_product_both_laws_agree():
    laws = cell_law.foretold(world(PRODUCT))
    assert np.abs(laws[0] - laws[1]).sum(-1).mean() / 2 < 0.1
    assert laws[2] == pytest.approx(np.full((20, 5, 4), 0.25))
    assert laws.sum(-1) == pytest.approx(np.ones((3, 20, 5)))


def test_unreadable_pictures_prove_nothing():
    made = world(JOINT)
    none = {name: np.zeros_like(made[name]) for name in ("sweep", "unnamed", "half")}
    for counts in none.values():
        counts[..., 4] = 1
    assert cell_law.better_than({"a": made | none}, 1)["value"] == 0
    assert cell_law.law_table({"a": made | none})["no cell"].tolist() == ["1.00"] * 3
    one = made["unnamed"].copy()
    one[3] = [0, 0, 0, 0, 24]
    assert (cell_law.distances(made | {"unnamed": one})[:, 3, 0] == 0).all()


def test_tables_and_figure_of_the_page():
    made = {"a": world(JOINT, n=2000)}
    level = cell_law.pooled(made["a"])
    assert len(level) == len(KINDS) * len(CELLS)
    sums = level.groupby("prompt")["drawn"].sum().to_numpy()
    assert sums == pytest.approx(np.ones(len(KINDS)))
    neither = level[level["prompt"] == "neither"]
    truth = inherited_shares(made["a"]["coordinates"][:, 4], JOINT).mean(0)
    assert neither["drawn"].to_numpy() == pytest.approx(truth, abs=0.015)  # six standard errors
    table = cell_law.law_table(made)
    assert table.index.get_level_values(1).tolist() == list(cell_law.NAMED)
    assert table["no cell"].tolist() == ["0.00"] * 3
    shown = figures.cell_law(made)
    assert shown is not None


def test_drawings_show_the_cell_that_captions_name():
    people = shaded_people.drawings(16)
    cells = shaded_people._cell_numbers(people)
    assert np.bincount(cells).tolist() == [40, 40, 40, 40, 80]
    assert cells[people.labels.index(("judge", "woman", "medium-dark"))] == 3
    assert cells[people.labels.index(("cook", "man", "default"))] == 4


def test_a_small_run_counts_every_picture(monkeypatch):
    monkeypatch.setattr(shaded_people, "_prompts", lambda _encoder: prompts())
    study = CellStudy(
        channels=(16, 32), steps=2, batch=4, reverse_steps=2, n_sweep=1, n_unnamed=3, n_half=2,
        limit=1.0,
    )  # fmt: skip
    made = shaded_people.measure_cells(study)
    assert made["sweep"].shape == (20, 27, 5)
    assert (made["sweep"].sum(-1) == 1).all()
    assert (made["unnamed"].sum(-1) == 3).all()
    assert (made["half"].sum(-1) == 2).all()
    assert 0 <= made["right"] <= 1
    again = shaded_people.measure_cells(study)
    assert (again["unnamed"] == made["unnamed"]).all()
