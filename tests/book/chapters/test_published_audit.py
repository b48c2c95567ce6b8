"""The chapter on published scores: a table of our own with planted facts, and no table at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bbb_book.chapters.real_alignment_scores import figures, score_tables
from bbb_book.chapters.real_alignment_scores.published_audit import (
    audit_published,
    measure_scores,
    restored,
)
from bbb_book.data import published
from bbb_book.results.storage import load, store
from bbb_core.rng import generator


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Build 20 occupations x 3 genders x 3 ages x 3 races; women lose 0.6 under ImageReward."""
    rng = generator(0, "published")
    rows = [
        (o, g, a, r)
        for o in range(20)
        for g in ("male", "female", "non-binary")
        for a in ("young", "adult", "old")
        for r in ("x", "y", "z")
    ]
    names = ["occupation", "requested_gender", "requested_age", "requested_other"]
    frame = pd.DataFrame(rows, columns=names)
    quality = rng.standard_normal(len(frame)) + frame["occupation"]
    for column in ("clipscore_v2", "ImageReward", "hps_v2.1", "aesthetics", "gpt-4o"):
        frame[column] = quality + 0.5 * rng.standard_normal(len(frame))
    frame["ImageReward"] -= 0.6 * (frame["requested_gender"] == "female")
    frame["blipscore"] = -quality
    frame["pickscore_v1"] = 1.0
    return frame.assign(age=True, race=True)


def test_planted_facts_are_found(table):
    found = audit_published(table, n_resamples=300)
    assert set(found.defective["column"]) == {"pickscore_v1", "blipscore"}
    gap = found.gap("ImageReward", "female", "male")
    assert gap.low < -0.6 / found.gaps["ImageReward"].scale < gap.high
    survivors = found.survivors()
    mine = survivors[survivors["scorer"] == "ImageReward"]
    assert "gender=female" in set(mine["first"]) | set(mine["second"])
    floor = found.floor("ImageReward")
    assert 0 < floor.low <= floor.value <= floor.high


def test_figures_and_tables(table):
    found = audit_published(table, n_resamples=300)
    for draw in (figures.gaps, figures.crossed):
        assert draw(found).get_axes()
    assert "constant" in score_tables.screening(found).to_html()
    assert "ImageReward" in score_tables.survivors(found).to_html()
    for claim in ("real-defects", "real-survivors", "real-floor", "real-hps-gender"):
        estimate, n = score_tables.finding(found, claim)
        assert estimate.low <= estimate.value <= estimate.high
        assert n > 0


def test_a_stored_audit_reads_back_whole(table, tmp_path):
    stored = measure_scores(table, n_resamples=300, seed=0)
    again, made = (
        restored(load(tmp_path, store(tmp_path, stored))),
        audit_published(table, n_resamples=300),
    )
    for room in ("gaps", "crossed"):
        kept, fresh = getattr(again, room), getattr(made, room)
        assert list(kept) == list(fresh)
        for name, one in fresh.items():
            pd.testing.assert_frame_equal(kept[name].pairs, one.pairs)
            pd.testing.assert_frame_equal(kept[name].by_group, one.by_group)
            assert (kept[name].bound, kept[name].scale) == (one.bound, one.scale)
    pd.testing.assert_frame_equal(again.screen, made.screen)
    assert again.floor("ImageReward") == made.floor("ImageReward")
    assert (again.images, again.occupations) == (len(table), 20)


def test_without_data_everything_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("BBB_DATA_DIR", str(tmp_path))
    stored = score_tables.stored_audit("published", n_resamples=301, seed=0)  # no record of this
    assert stored is None
    found = score_tables.audit(stored)
    score_tables.show_status(stored)
    score_tables.show_numbers(found)
    assert score_tables.screening(found) == score_tables.ABSENT
    assert figures.gaps(found).get_axes()[0].texts[0].get_text() == score_tables.ABSENT
    assert score_tables.finding(found, "real-floor") == (None, None)


def test_wrong_source_is_refused():
    with pytest.raises(ValueError, match="choose one of"):
        score_tables.stored_audit("somewhere", n_resamples=9, seed=0)


def test_gap_of_the_real_file():
    """The published file, where it is at hand: signs and sizes of the three gender gaps."""
    if not published.available("mj-bench-bias"):
        pytest.skip("the published scores are not at hand")
    found = audit_published(published.load("mj-bench-bias"), n_resamples=300)
    values = [found.gap(s, "female", "male").value for s in ("CLIPScore", "ImageReward", "HPSv2.1")]
    assert np.allclose(values, [-0.245, -0.465, -0.086], atol=0.005)
