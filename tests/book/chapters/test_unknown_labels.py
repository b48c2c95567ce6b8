"""The world of the chapter "Whose label?": planted truth, limits and coverage of its audits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bbb_book.chapters.whose_label import refusals, violated_assumptions, world
from bbb_book.chapters.whose_label import simulated_audits as simulated
from bbb_core.rng import generator

WITNESSES = np.array([[0.95, 0.05], [0.85, 0.2]])


def audits(**changes):
    options = {
        "rates": (0.8, 0.1), "witnesses": WITNESSES, "share": 0.65, "n": 300, "known": 100,
        "repeats": 800, "confidence": 0.95, "stream": generator(1, "audits"),
    }  # fmt: skip
    return simulated.audits(**{**options, **changes})


def test_limits_with_endless_images():
    """q = s t + (1 - s) f; the corrections return the planted share, the bounds hold it."""
    found = audits(n=10**9, known=10**9, repeats=6)
    assert found["as read"][0] == pytest.approx(0.65 * 0.8 + 0.35 * 0.1, abs=1e-3)
    for road in ("corrected", "label-free"):
        assert np.asarray(found[road]) == pytest.approx(0.65, abs=1e-3)
    q, e = 0.65 * 0.8 + 0.35 * 0.1, 0.2  # the bound stated for rates (0.8, 0.1)
    assert found["bounds"][1] == pytest.approx((q - e) / (1 - e), abs=1e-3)
    assert found["bounds"][2] == pytest.approx(q / (1 - e), abs=1e-3)


@pytest.mark.parametrize("road", ["corrected", "bounds", "label-free"])
def test_approaches_cover_the_planted_share(road):
    """Coverage is guaranteed: 800 audits at 95 % fall below 92 % with probability 0.0002."""
    _, low, high = audits()[road]
    assert ((low <= 0.65) & (high >= 0.65)).mean() >= 0.92


def test_leaking_prompts_move_the_label_free_share_as_the_lemma_says():
    """Women's prompt draws a share 0.2 of men: w (1 - 0.2) = s, so w = s / 0.8."""
    leaked = np.stack([WITNESSES @ [0.8, 0.2], WITNESSES[:, 1]], axis=1)
    found = audits(n=10**9, known=10**9, repeats=6, prompt_rates=leaked)["label-free"]
    assert np.asarray(found) == pytest.approx(0.65 / 0.8, abs=1e-3)


def test_verdicts_of_every_kind():
    low, high = [0.42, 0.55, 0.61, np.nan, 0.1], [0.58, 0.7, 0.9, np.nan, 0.39]
    assert simulated.verdicts(low, high, 0.5, tolerance=0.1).tolist() == [0, 1, 2, 1, 2]
    assert simulated.verdicts(low, high, 0.8, tolerance=0.1).tolist() == [2, 1, 0, 1, 0]


def test_table_counts_add_up():
    found = simulated.simulate_audits(
        rates=[[0.9, 0.1], [0.7, 0.4]], witnesses=[WITNESSES, WITNESSES], shares=[0.5, 0.8],
        sizes=[50, 500], known=60, tolerance=0.1, repeats=40, confidence=0.95, seed=0,
    )["table"]  # fmt: skip
    assert len(found) == 2 * 2 * 2 * len(simulated.APPROACHES)
    assert (found[list(simulated.VERDICTS)].sum(axis=1) == found["audits"]).all()
    read = found[(found["road"] == "as read") & (found["level"] == 1) & (found["share"] == 0.8)]
    assert read["error"].to_numpy() == pytest.approx(0.8 * 0.7 + 0.2 * 0.4 - 0.8, abs=0.05)


def test_occupations_end_where_the_formula_says():
    single = np.array([[0.9, 0.1], [0.8, 0.2], [0.99, 0.3]])
    found = simulated.simulate_occupations(
        pooled=(0.9, 0.1), single=single, share=0.5, n=400, known=100, repeats=400,
        confidence=0.95, seed=0,
    )  # fmt: skip
    limit = (single.mean(axis=1) - 0.1) / 0.8
    assert found["table"]["limit"].to_numpy() == pytest.approx(limit)
    assert found["drift"] == pytest.approx(0.2)
    # guaranteed coverage: 400 audits fall below 92 % with probability 0.006 at most
    assert (found["table"][["drift covered", "own covered"]] >= 0.92 * 400).to_numpy().all()


def test_stated_bound_is_true_and_near():
    t, f = np.array([0.93, 0.5, 1.0, 0.9]), np.array([0.02, 0.31, 0.0, 0.1])
    assert simulated.stated_bound(t, f) == pytest.approx([0.1, 0.5, 0.0, 0.1])


def test_extreme_rate_pays_for_the_search():
    table = pd.DataFrame({"hits": [0, 5, 50], "audits": 100})
    one = simulated.extreme_rate(table.iloc[2:], "hits", which="largest", confidence=0.95)
    three = simulated.extreme_rate(table, "hits", which="largest", confidence=0.95)
    assert one["value"] == three["value"] == 0.5
    assert three["low"] < one["low"] < one["high"] < three["high"]
    assert simulated.extreme_rate(table, "hits", which="smallest", confidence=0.95)["low"] == 0
    assert three["n"] == 300


ODDS = np.array([[4.0, 3.0, 2.0, -0.5], [-1.0, -0.4, -0.3, 0.2]])


def test_refusal_curve_by_hand():
    """A limit of 0.5 or so refuses no woman but three men."""
    curve = refusals.refusal_curve(ODDS, [0.0, 0.45]).iloc[1]
    assert (curve["women"], curve["men"]) == (0.75, 0.25)
    assert curve["accuracy"] == 1.0
    assert curve["share"] == 0.75
    none = refusals.refusal_curve(ODDS, [0.0]).iloc[0]
    assert (none["women"], none["men"], none["share"]) == (1, 1, 0.5)
    assert none["accuracy"] == 6 / 8


def test_refusals_as_an_outcome_and_at_worst_cover_but_dropped_does_not():
    """Guaranteed coverage; dropping converges to the wrong share, 0.75."""
    table = refusals.simulate_refusals(
        odds=ODDS, refused=[0.45], share=0.5, n=4000, known=400, repeats=300, confidence=0.95,
        seed=0,
    )["table"].set_index("remedy")  # fmt: skip
    assert table.loc["dropped", "covered"] == 0
    assert (table.loc[["known ratio", "worst case", "an outcome"], "covered"] >= 270).all()
    assert list(table.index) == list(refusals.REMEDIES)


def test_no_refusal_leaves_nothing_to_remedy():
    table = refusals.simulate_refusals(
        odds=ODDS, refused=[0.0], share=0.5, n=200, known=100, repeats=50, confidence=0.95, seed=0
    )["table"]
    assert (table["covered"] >= 42).all()


def test_pools_hold_the_same_drawings_at_every_noise_level():
    clean = world.label_pools(size=8, copies=2, noise=0.0, seed=3)
    noisy = world.label_pools(size=8, copies=2, noise=0.2, seed=3)
    assert clean.images.shape == (3, 120, 3, 8, 8)
    assert clean.flat().shape == (3, 120, 192)
    assert 0.02 < float((clean.images - noisy.images).abs().mean()) < 0.2
    assert (clean.occupations[:60] == clean.occupations[60:]).all()
    assert np.bincount(clean.occupations).tolist() == [6] * 20
    assert not set(world.WORLD_TONES) & set(world.TRAINING_TONES)


def test_measurements_have_their_shapes_and_repeat():
    options = {"noises": [0.0, 0.5], "size": 8, "copies": 1, "seed": 0}
    first, second = (world.measure_readings(**options, steps=20, width=8) for _ in range(2))
    assert first["odds"].shape == first["refusal"].shape == (2, 3, 60)
    assert (first["odds"] == second["odds"]).all()
    seen = world.measure_witnesses(**options, images=40, leaks=[[0.0, 0.0], [0.5, 0.0]], repeats=3)
    assert seen["rates"].shape == (2, 2, 3, 3)
    assert seen["rates"][0, 0, :, 0].mean() > seen["rates"][0, 0, :, 1].mean()
    found = world.measure_mixture_tests(
        noise=0.0, refusal=first["refusal"][0], size=8, copies=1, shares=[0.0, 0.9], images=90,
        repeats=4, seed=0,
    )  # fmt: skip
    assert found["noticed"].shape == (3, 3)
    assert (found["noticed"] <= 4).all()


def test_figures_are_misread_alike_in_both_groups():
    """Exact symmetry: the rates t and 1 - f differ by chance only (4 standard errors)."""
    n = 3000
    rates = world.measure_figures(noises=[0.03, 0.8], size=16, images=n, seed=0)["rates"]
    assert rates[0] == pytest.approx([1, 0])
    t, f = rates[1]
    assert 0.6 < t < 0.95
    assert abs(t - (1 - f)) < 4 * np.sqrt(2 * t * (1 - t) / n)


def test_leak_ends_where_the_lemma_says_and_widening_covers():
    found = violated_assumptions.simulate_leak(
        witnesses=WITNESSES, leak=(0.2, 0.0), share=0.5, n=20000, known=20000, repeats=200,
        confidence=0.95, seed=0,
    )  # fmt: skip
    assert found["limit"] == pytest.approx(0.5 / 0.8)
    assert found["plain"] == 0  # the interval ends up around 0.625
    assert found["widened"] >= 184  # guaranteed; below 92 % with probability 0.05 at most
    assert found["width"][1] > found["width"][0]


def test_outsiders_are_shared_out_by_how_they_are_read():
    """30 % neither, half of them read as women: 0.35 * 0.9 + 0.35 * 0.2 + 0.3 * 0.5."""
    found = violated_assumptions.limits_with_neither(
        [0.9, 0.2, 0.5], [[1, 0, 0], [1, 0, 1]], [0.0, 0.3]
    )
    q = 0.35 * 0.9 + 0.35 * 0.2 + 0.15
    assert found["as read"].tolist() == pytest.approx([0.55, q])
    assert found["corrected"].tolist() == pytest.approx([0.5, (q - 0.2) / 0.7])
    assert found["label-free"].tolist() == pytest.approx([0.5, (0.35 + 0.65) / 2])


def test_rates_by_pool_and_occupation():
    odds = np.array([[1.0, -1.0, 2.0, 3.0], [-1.0, -2.0, 0.5, -1.0], [1.0, 1.0, 1.0, -1.0]])
    assert world.reading_rates(odds).tolist() == [0.75, 0.25, 0.75]
    found = world.occupation_rates(odds, np.array([0, 0, 1, 1]))
    assert found.tolist() == [[0.5, 0.0], [1.0, 0.5]]
