"""Interactions of a score and audits at intersections.

Statistical tests: each states the chance with which it fails although the code is right.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bbb_book.chapters.intersections import published_tables
from bbb_book.chapters.intersections.gap_interactions import gap_interactions
from bbb_book.chapters.intersections.published_intersections import (
    audit_published_intersections,
    measure_intersections,
    restored,
)
from bbb_book.data.published import SCORERS
from bbb_book.results.storage import load, store
from bbb_core.errors import InputError
from bbb_core.rng import generator


def design(strata, repeats=1):
    grid = np.stack(
        np.meshgrid(range(strata), range(2), range(3), range(repeats), indexing="ij"), -1
    ).reshape(-1, 4)
    return grid[:, 0], np.array(["m", "w"])[grid[:, 1]], np.array(["x", "y", "z"])[grid[:, 2]]


def test_interaction_by_hand():
    """Gap m - w is 2 at x and 1 at y and z in both strata; scaled by the spread within strata."""
    s, a, b = design(2)
    f = np.where((a == "m") & (b == "x"), 2.0, np.where(a == "m", 1.0, 0.0)) + 5 * s
    found = gap_interactions(f, a, b, within=s).set_index("level")["interaction"]
    spread = np.sqrt(2 * np.sum((np.array([2, 1, 1, 0, 0, 0]) - 4 / 6) ** 2) / 10)
    assert found["x"] == pytest.approx(1 / spread)
    assert found["y"] == pytest.approx(-0.5 / spread)
    assert found["z"] == pytest.approx(-0.5 / spread)


def test_sums_of_parts_have_no_interaction():
    s, a, b = design(4)
    f = 3.0 * (a == "w") + 1.5 * (b == "y") - (b == "z") + s**2
    found = gap_interactions(f, a, b, within=s)
    assert np.allclose(found["interaction"], 0)


def test_null_is_rejected_as_often_as_stated():
    """150 null samples: any adjusted p <= 0.05 in more than 18 has chance below 0.001."""
    stream, hits = generator(0, "interaction null"), 0
    s, a, b = design(12)
    for _ in range(150):
        f = stream.standard_normal(len(s)) + (a == "w")
        hits += gap_interactions(f, a, b, within=s, n_resamples=100)["adjusted"].min() <= 0.05
    assert hits <= 18


def test_incomplete_strata_say_nothing():
    s, a, b = design(4)
    keep = ~((s == 3) & (b == "z"))
    f = np.arange(len(s), dtype=float)
    found = gap_interactions(f[keep], a[keep], b[keep], within=s[keep])
    assert (found["strata"] == 3).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [({"first": ["m"] * 12}, "first has one label"), ({"second": ["x"]}, "second has shape")],
)
def test_bad_input(change, words):
    s, a, b = design(2)
    options = {"first": a, "second": b} | change
    with pytest.raises(InputError, match=words):
        gap_interactions(np.arange(12.0), within=s, **options)


def published():
    grid = np.stack(np.meshgrid(range(12), range(2), range(3), indexing="ij"), -1).reshape(-1, 3)
    table = pd.DataFrame(
        {
            "occupation": grid[:, 0].astype(str),
            "requested_gender": np.array(["female", "male"])[grid[:, 1]],
            "requested_other": np.array(["black", "indian", "white"])[grid[:, 2]],
            "race": True,
        }
    )
    noise = generator(0, "published").standard_normal((3, len(table))) * 0.1
    for column, extra in zip(SCORERS, noise, strict=True):
        planted = (grid[:, 1] == 0) & (grid[:, 2] == 0) & (column == "ImageReward")
        table[column] = 1.0 * (grid[:, 1] == 1) - 2.0 * planted + extra
    return table


def test_a_planted_intersection_is_found_in_the_right_scorer():
    """The interaction is 20 standard deviations of the noise in each of 12 strata."""
    found = audit_published_intersections(published(), n_resamples=200)
    top = found.interactions.sort_values("p_value").iloc[0]
    assert (top["scorer"], top["level"]) == ("ImageReward", "black")
    assert 2 / 4096 <= top["p_value"] < 0.002  # the first is the least that 12 signs can say
    widest = found.widest().set_index(["scorer", "groups"])
    worst = widest.loc[("ImageReward", "gender & race")]
    assert worst["lower"] == "gender=female & race=black"
    assert worst["gap"] > widest.loc[("ImageReward", "gender"), "gap"]
    assert (widest["low"] <= widest["gap"]).all()


def test_without_a_race_there_is_nothing_to_cross():
    with pytest.raises(InputError, match="no row that requests a race"):
        audit_published_intersections(published().assign(race=False))


def test_stored_intersections_read_back_whole_and_are_absent_without_data(monkeypatch, tmp_path):
    stored = measure_intersections(published(), n_resamples=200, seed=0)
    again = restored(load(tmp_path, store(tmp_path, stored)))
    made = audit_published_intersections(published(), n_resamples=200)
    pd.testing.assert_frame_equal(again.widest(), made.widest())
    pd.testing.assert_frame_equal(again.interactions, made.interactions)
    assert published_tables.finding(again) == published_tables.finding(made)
    monkeypatch.setenv("BBB_DATA_DIR", str(tmp_path))
    assert published_tables.stored_audit("published", n_resamples=201) is None  # no such record
    assert published_tables.audit(None) is None
