"""Numbers of the chapter on intersections: from codes to tables."""

from __future__ import annotations

import numpy as np
import pytest

from bbb_book.chapters.intersections import certificate_tables, drawn_cells, tone_reversals
from bbb_core.rng import generator


def drawn(seed=0, n=60, hole=None):
    stream = generator(seed, "codes")
    group = stream.choice(3, (20, n), p=[0.5, 0.45, 0.05])
    tone = stream.integers(0, 6, (20, n))
    if hole is not None:
        tone[(group == hole[0]) & (tone == hole[1])] = (hole[1] + 1) % 6
    return {
        "neutral_group_codes": group.astype(np.int8),
        "neutral_tone_codes": np.where(group == 2, -1, tone).astype(np.int8),
    }


def test_every_image_is_counted_once():
    made = drawn()
    counts, none = drawn_cells.cell_counts(made)
    assert counts.shape == (20, 2, 6)
    assert (counts.sum((1, 2)) + none == 60).all()
    group, tone = made["neutral_group_codes"], made["neutral_tone_codes"]
    assert counts[3, 1, 4] == ((group[3] == 1) & (tone[3] == 4)).sum()


def test_a_hole_is_the_only_cell_that_vanishes():
    generators = {"even": drawn(), "hole": drawn(1, hole=(1, 5))}
    found = drawn_cells.vanishing(generators, fraction=0.25)
    gone = found[found["verdict"] == "vanishes"]
    assert gone[["prompt", "row", "column"]].values.tolist() == [["hole", "woman", "dark"]]
    assert drawn_cells.vanishing_count(found) == {"value": 1, "low": 1, "high": 1, "n": 24}


def test_tables_of_the_page():
    made = drawn(n=30)
    table = drawn_cells.occupation_table(made, key="test")
    assert len(table) == 20
    assert (table["joint"] >= table[["gender", "tone"]].max(axis=1) - 1e-12).all()
    assert np.allclose(table["hidden"], table["joint"] - table["product"])
    hidden = drawn_cells.hidden_imbalance(table)
    assert hidden["low"] <= hidden["value"] <= hidden["high"]
    assert abs(hidden["value"]) < 0.05  # independent codes; ten standard errors
    page = drawn_cells.balance_table({"a": made})
    assert page.index.tolist() == ["a"]
    found = tone_reversals.reversal_table({"a": made, "b": drawn(2)})
    assert len(found) == 30
    assert tone_reversals.reversals_found(found)["n"] == 30


def test_pooling_hides_what_cancels():
    """Half of the occupations draw men only, half women only: pooled balance is perfect."""
    group = np.repeat([0, 1], 10)[:, None] * np.ones((1, 8), int)
    made = {
        "neutral_group_codes": group,
        "neutral_tone_codes": np.zeros((20, 8), int),
    }
    assert drawn_cells.pooling(made) == {"pooled": 0.0, "within": 0.5, "within_low": 0.5}


def test_images_needed():
    table = drawn_cells.images_needed([0.25, 0.5], prompts=[1, 20])
    assert table.iloc[0, 0] == 298
    assert (table.iloc[:, 1] > table.iloc[:, 0]).all()


def test_price_and_margin():
    rows = [
        {"reader": "gender", "bound": 0.3, "low": 0.1},
        {"reader": "gender x tone", "bound": 0.35, "low": 0.2},
    ]
    assert certificate_tables.certificate_price({"rows": rows})["value"] == pytest.approx(0.05)
    assert certificate_tables.certificate_margin({"rows": rows}) == pytest.approx(0.15)
