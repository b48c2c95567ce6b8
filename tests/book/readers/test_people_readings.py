"""Errors of people's readings: against Dawid and Skene, closed forms, planted shares, no data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bbb_book import results
from bbb_book.chapters.human_study import real_readings
from bbb_book.chapters.whose_label import figures, people_tables
from bbb_book.chapters.whose_label.people_audits import _pattern_rates, simulate_people
from bbb_book.data import human_ratings
from bbb_book.data.published import DataUnavailable
from bbb_book.readers import people
from bbb_book.readers.people import ANSWERS, PATTERNS, error_table
from bbb_core.balance import dawid_skene
from bbb_core.errors import InputError

ERRORS = np.array([[0.8, 0.1, 0.1], [0.15, 0.7, 0.15], [0.1, 0.1, 0.8]])


def test_patterns_are_all_ways_of_three_readings():
    assert len({tuple(one) for one in PATTERNS}) == 10
    assert (PATTERNS.sum(axis=1) == 3).all()
    np.testing.assert_allclose(_pattern_rates(ERRORS).sum(axis=1), 1)
    threes = _pattern_rates(ERRORS)[:, (PATTERNS.max(axis=1) == 3)]
    np.testing.assert_allclose(np.sort(threes, axis=1), np.sort(ERRORS**3, axis=1))


def test_one_table_for_all_is_dawid_and_skene_with_one_reader():
    rng = np.random.default_rng(0)
    label = rng.choice(3, 200, p=[0.5, 0.2, 0.3])
    said = np.array([rng.choice(3, 3, p=ERRORS[k]) for k in label])
    counts = np.stack([(said == k).sum(axis=1) for k in range(3)], axis=1)
    seen = np.array([(counts == one).all(axis=1).sum() for one in PATTERNS])
    shares, errors = error_table(seen, steps=20_000, tolerance=1e-9)
    theirs = dawid_skene(np.repeat(np.arange(200), 3), np.zeros(600), said.ravel(), tolerance=1e-9)
    np.testing.assert_allclose(shares, theirs.prior, atol=1e-6)
    np.testing.assert_allclose(errors, theirs.errors, atol=1e-6)


def test_known_errors_are_found_from_exact_patterns_and_many_tables_fit_at_once():
    p = np.array([[0.5, 0.2, 0.3], [0.1, 0.3, 0.6]])
    shares, errors = error_table(p @ _pattern_rates(ERRORS), steps=5000, tolerance=1e-10)
    np.testing.assert_allclose(shares, p, atol=1e-4)
    np.testing.assert_allclose(errors, [ERRORS, ERRORS], atol=1e-4)


def test_the_equal_error_explains_the_differing_pairs():
    """Of 100 pictures with two readings each, 32 differ: 2 e (1 - e) = .32 for e = .2."""
    counts = np.array([[1, 1]] * 32 + [[2, 0]] * 40 + [[0, 2]] * 28 + [[1, 0]] * 5)
    assert people._equal_error(counts) == pytest.approx(0.2)


@pytest.fixture
def made_up(monkeypatch):
    rng = np.random.default_rng(1)
    rows = []
    for model in ("stable-diffusion", "minDALL-E", "DALL-E mini"):
        for i in range(80):
            label = rng.choice(3, p=[0.5, 0.1, 0.4])
            for j in range(3):
                gender = (1, 3, 2)[rng.choice(3, p=ERRORS[label])]
                rows.append((model, f"{model}/{i}", f"r{j}", gender, 1 + (i + j) % 2))
    table = pd.DataFrame(rows, columns=["model", "picture", "rater", "gender", "skin"])
    monkeypatch.setattr(human_ratings, "load", lambda: table.copy())
    return table


def test_what_is_measured(made_up):
    found = people.measure_people(n_resamples=49, confidence=0.95, seed=0)
    models = found["models"]
    assert models["pictures"].tolist() == [80, 80, 80]
    named = made_up[made_up["gender"] < 3].groupby(["model", "picture"], sort=False)["gender"]
    clash = (named.nunique() > 1).groupby("model", sort=False).sum() / 80
    assert models["clash"].tolist() == pytest.approx(clash.tolist())
    women = made_up[made_up["model"] == "minDALL-E"]["gender"].value_counts()
    assert models["naive"][1] == pytest.approx(women[2] / (women[1] + women[2]))
    for name in ("clash", "error", "naive"):
        assert (models[f"{name} low"] <= models[name]).all()
        assert (models[name] <= models[f"{name} high"]).all()
    assert found["errors"].shape == (3, 3, 3)
    assert ANSWERS == ("man", "none", "woman")
    skin = found["agreement"].query("question == 'skin'")["alpha"]
    assert (skin < 0).all()  # neighbours always differ
    assert set(found["cells"].columns) == {"model", "group", "1", "2"}


def test_a_planted_share_shrinks_as_read_and_is_recovered():
    table = simulate_people(
        models=["m"], labels=[[0.4, 0.2, 0.4]], errors=[ERRORS], shares=[0.5, 0.9], pictures=600,
        shared=0.0, repeats=40, n_resamples=29, confidence=0.95, seed=0,
    )["table"].set_index(["share", "method"])  # fmt: skip
    p = np.array([0.1 * 0.8, 0.2, 0.9 * 0.8]) @ ERRORS
    assert table.loc[(0.9, "as read"), "mean"] == pytest.approx(p[2] / (p[0] + p[2]), abs=0.01)
    assert table.loc[(0.5, "as read"), "mean"] == pytest.approx(0.5, abs=0.01)
    assert table.loc[(0.9, "as read"), "covered"] == 0
    assert table.loc[(0.9, "corrected"), "mean"] == pytest.approx(0.9, abs=0.03)
    assert table.loc[(0.9, "corrected"), "covered"] >= 30


def test_an_error_that_all_share_is_not_repaired():
    table = simulate_people(
        models=["m"], labels=[[0.4, 0.2, 0.4]], errors=[ERRORS], shares=[0.8], pictures=600,
        shared=0.2, repeats=20, n_resamples=19, confidence=0.95, seed=0,
    )["table"].set_index("method")  # fmt: skip
    assert table.loc["corrected", "mean"] == pytest.approx(0.8 * 0.8, abs=0.05)


def test_without_data_and_stored_results_the_pages_say_so(monkeypatch):
    def absent(*args, **options):
        raise DataUnavailable("not here")

    monkeypatch.setattr(results, "artefact", absent)
    assert people.people() is None
    assert people_tables.audit_people(None, shares=[0.5], shared=0.0) is None
    assert people_tables.worst_coverage(None, "corrected", confidence=0.95) == (None, None)
    assert "not measured" in people_tables.models_table(None).to_string()
    assert "not measured" in real_readings.cells_table(None).to_string()
    assert real_readings.largest_error(None, confidence=0.95) is None
    for drawn in (figures.people(None), real_readings.agreement(None, error=0.1)):
        assert "not measured" in drawn.axes[0].texts[0].get_text()


def test_damage_is_no_absence(monkeypatch):
    def damaged(*args, **options):
        raise InputError("altered")

    monkeypatch.setattr(results, "artefact", damaged)
    with pytest.raises(InputError, match="altered"):
        people.people()
