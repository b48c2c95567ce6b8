"""The chapter on people: its claims, its figures on small simulated studies, its honesty."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bbb_book.chapters.human_study import figures as chapter
from bbb_book.chapters.human_study import simulated_evidence as evidence
from bbb_book.results.register import load_register
from bbb_core.rng import generator
from bbb_core.study import Readers
from bbb_core.study.simulate import CAREFUL, simulated_code, simulated_pile, simulated_study
from bbb_core.study.trials import power_trials, truths

TEXT = (Path(__file__).parents[3] / "book" / "human_study.md").read_text()
SMALL = {
    "studies": 2,
    "shares": [0.5, 0.9],
    "images": 12,
    "people": 3,
    "careless": 1,
    "per_participant": 12,
    "error": 0.1,
    "cant_tell": 0.05,
    "seed": 0,
}


@pytest.fixture(scope="module")
def ran():
    return evidence.scenarios(rates={"unreadable": 0.6, "misread": 0.5}, **SMALL)


def test_every_claim_of_the_register_is_recorded():
    claims = {c.id for c in load_register().values() if c.chapter == "human_study"}
    assert sorted(re.findall(r'record(?:_or_say)?\(\s*"(human-[a-z-]+)"', TEXT)) == sorted(claims)


def test_figures_of_simulated_answers_say_so():
    captions = re.findall(r"name: (fig-human-\w+)\n    caption: \|\n((?:      .*\n)+)", TEXT)
    assert {name for name, _ in captions} == {
        "fig-human-power", "fig-human-recovery", "fig-human-labels", "fig-human-worlds",
        "fig-human-real",
    }  # fmt: skip
    for name, caption in captions:
        real = name in ("fig-human-power", "fig-human-real")
        assert real or "SIMULATED" in caption


def test_scenarios_and_figures(ran):
    assert all(table["simulated"].all() for table in ran.values())
    assert (ran["unreadable"]["unclear"] > 0).any()
    assert not ran["few"]["careless"].any()
    for drawn in (
        chapter.worlds(ran, confidence=0.95),
        chapter.right_labels(ran, confidence=0.95),
        chapter.planned({"one": Readers(readings=1)}, imbalance=0.2, most=40),
    ):
        drawn.savefig(io.BytesIO(), format="png")
    found = evidence.coverage(ran["screened"], confidence=0.95)
    assert found["low"] <= found["value"] <= found["high"]


def test_power_gap_has_the_largest_difference():
    table = power_trials(designs=evidence.DESIGNS[:2], trials=300, confidence=0.95, seed=0)["power"]
    found = evidence.power_gap(table)
    assert found["value"] == pytest.approx((table["calculated"] - table["simulated"]).abs().max())
    assert found["low"] <= found["value"] <= found["high"]
    assert len(evidence.power_table(table)) == 2


def test_worlds_hide_images_of_the_second_group_only():
    study = simulated_study({"p": 400})
    for world, instead in (("unreadable", "unclear"), ("misread", "man"), ("plain", "woman")):
        shown, seen = truths(study, 0.5, world=world, rate=0.5, rng=generator(0, world))
        pairs = pd.Series([f"{shown[i]} {seen[i]}" for i in shown]).value_counts(normalize=True)
        assert set(pairs.index) <= {"man man", "woman woman", f"woman {instead}"}
        # 400 images: five standard errors of a share are 0.125
        assert abs(pairs["man man"] - 0.5) < 0.125


def test_codes_of_simulated_annotators_are_known_beforehand():
    study = simulated_study({"p": 5})
    truth = dict.fromkeys(study.rated_ids, "man")
    pile = simulated_pile(study, truth, [CAREFUL] * 3, seed=4)
    codes = {simulated_code(4, i) for i in range(3)}
    assert {export.participant for export in pile.exports} == codes
    assert np.all([note.file.startswith("simulated") for note in pile.files])


def test_planted_values_outside_their_intervals_are_named(monkeypatch):
    said = {}
    monkeypatch.setattr(evidence.results, "say", said.__setitem__)
    monkeypatch.setattr(
        evidence.results, "show_number", lambda name, x, digits: said.update({name: int(x)})
    )
    balance = pd.DataFrame({"low": [0.0, 0.2], "high": [0.1, 0.4]}, index=["one", "other"])
    evidence.show_recovery(balance, pd.Series({"other": 0.45, "one": 0.1}))
    assert said == {"human-inside": 1, "human-prompts": 2, "human-outside": "other"}
    evidence.show_recovery(balance, pd.Series({"one": 0.0, "other": 0.3}))
    assert said["human-outside"] == "none"
