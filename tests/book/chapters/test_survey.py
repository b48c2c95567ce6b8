"""What the embedding chapter asks of encoders, on an encoder whose answers are planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_book.chapters.embedding_bias import figures, survey_claims, survey_tables
from bbb_book.chapters.embedding_bias import survey as ask
from bbb_core.embedding.labour import labour_shares
from bbb_core.errors import InputError
from bbb_core.prompts import GENDER_NOUN_PAIRS, GENDER_PAIRS, OCCUPATIONS, word_pair
from bbb_core.rng import generator

PAIRS = GENDER_PAIRS[:3]
SHARES = labour_shares()
WOMEN, MEN = zip(*map(word_pair, (*GENDER_PAIRS, *GENDER_NOUN_PAIRS)), strict=True)


class Planted:
    """Words for women and men lie on one axis; an occupation leans to it by its labour share."""

    name, fingerprint, dim = "planted", "planted-1", 40

    def __init__(self, level="sentence", lean=0.5, noise=0.02):
        self.level, self.lean, self.noise = level, lean, noise
        self.axis, self.base = np.eye(40)[:2]

    def encode_text(self, texts):
        rows = []
        for text in texts:
            words = text.split()
            row = self.base + self.noise * generator(0, text).normal(size=40)
            row = row + self.axis * (any(w in WOMEN for w in words) - any(w in MEN for w in words))
            for word in words:
                row = row + self.axis * self.lean * (SHARES.get(word, 0.5) - 0.5)
            rows.append(row / np.linalg.norm(row))
        return torch.from_numpy(np.stack(rows)).float()


def made(encoder, nouns=OCCUPATIONS):
    return ask.survey(
        encoder, nouns, templates=["a {}", "the {}"], pairs=PAIRS, noun_pairs=GENDER_NOUN_PAIRS
    )


def test_a_planted_order_is_found():
    found = made(Planted(noise=0.004))
    r = ask.labour_correlation(found.occupations)
    assert r.low > 0.9
    summary = found.summary()
    assert summary["beyond"].is_monotonic_increasing
    assert (summary["p_holm"] < 0.05).sum() > 15
    few, many = found.leaving_one_out()
    assert 0 <= few <= many <= 60


def test_no_order_is_found_where_none_is_planted():
    """Sixty occupations at familywise 5 %: no more than two stand out (false alarm below 1 %)."""
    found = made(Planted(lean=0.0))
    r = ask.labour_correlation(found.occupations)
    assert r.low < 0 < r.high
    assert (found.summary()["p_holm"] < 0.05).sum() <= 2


def test_word_encoders_see_bare_words():
    found = made(Planted(level="word"))
    assert found.occupations.templates == ("{}",)
    assert found.occupations.pairs == GENDER_NOUN_PAIRS
    assert found.occupations.values.shape == (60, 1, 8)


def test_association_tests_find_the_planted_order():
    model = Planted()
    weat = ask.occupation_weat(model, noun_pairs=GENDER_NOUN_PAIRS, template="a {}")
    assert weat.exact
    assert weat.n_permutations == 12870
    assert weat.p_value < 0.001
    single = ask.single_category(
        model, ["nurse", "plumber"], noun_pairs=GENDER_NOUN_PAIRS, template="a {}"
    )
    assert list(single.index) == ["plumber", "nurse"]


def test_the_trap_is_an_identity_and_the_shared_axis_is_not():
    both = ask.projection_trap(Planted(), OCCUPATIONS, template="a {}", pair="female/male")
    assert (both["gap"] - both["own"]).abs().max() < 1e-12
    assert 0.5 < both["gap"].corr(both["shared"]) < 1 - 1e-6


def test_labour_needs_known_occupations():
    with pytest.raises(InputError, match="at least four"):
        ask.labour_correlation(made(Planted(), ["nurse", "judge", "cook"]).occupations)


def test_optional_encoders_are_left_out(monkeypatch):
    monkeypatch.setattr(ask, "e5_available", lambda: False)
    assert ask.usable_encoders(["minilm", "e5"]) == (["minilm"], ["e5"])
    assert "packages do not exist for this platform: e5" in ask.left_out(["e5"])
    assert "runs on this machine" in ask.left_out([])


@pytest.fixture(scope="module")
def surveys():
    return {"minilm": made(Planted()), "glove:small": made(Planted(level="word", lean=0.3))}


def test_each_pair_has_a_correlation_of_its_own(surveys):
    rows = survey_tables.pair_correlations(surveys, confidence=0.9)
    assert rows["pair"].tolist() == [*PAIRS, *GENDER_NOUN_PAIRS]
    only = surveys["minilm"].occupations.only(pairs=[PAIRS[1]])
    expected = ask.labour_correlation(only, confidence=0.9)
    assert tuple(rows.loc[1, ["value", "low", "high"]]) == (
        expected.value,
        expected.low,
        expected.high,
    )
    (axes,) = figures.pair_sensitivity(rows).axes
    assert [t.get_text() for t in axes.get_yticklabels()] == rows["pair"].tolist()
    assert axes.get_legend_handles_labels()[1] == ["minilm", "glove:small"]


def test_encoders_with_one_planted_order_agree(surveys):
    ((pair, r),) = survey_tables.agreements(surveys, confidence=0.95).items()
    assert pair == ("minilm", "glove:small")
    assert r.low > 0
    table = survey_tables.agreement_table(surveys, confidence=0.95)
    assert table.loc["minilm and glove:small", "Spearman"] == f"{r.value:.2f}"
    overview = survey_tables.overview(surveys, confidence=0.95)
    assert overview.loc["wordings"].tolist() == [6, 8]


def test_claims_say_what_the_surveys_say(surveys):
    bias = survey_claims.record_bias(surveys, "minilm", confidence=0.95)
    found = (surveys["minilm"].summary()["p_holm"] < 0.05).mean()
    assert (bias.value, bias.n) == (pytest.approx(found), 60)
    labour = survey_claims.record_labour(surveys, "glove", confidence=0.95)
    assert labour.value == ask.labour_correlation(surveys["glove:small"].occupations).value
    assert labour.n == surveys["glove:small"].known == sum(noun in SHARES for noun in OCCUPATIONS)
    flip = survey_claims.record_flip(surveys, "she/he", confidence=0.95)
    assert flip.low <= flip.value <= flip.high
    least = survey_claims.record_agreement(surveys, missing=[], confidence=0.95)
    assert least.n == 60


def test_claims_about_absent_encoders_are_not_measured(surveys):
    assert survey_claims.record_bias(surveys, "clip", confidence=0.95) is None
    assert survey_claims.record_labour({}, "e5", confidence=0.95) is None
    assert survey_claims.record_flip(surveys, "king/queen", confidence=0.95) is None
    alone = {"minilm": surveys["minilm"]}
    assert survey_claims.record_agreement(alone, missing=[], confidence=0.95) is None
    assert survey_claims.record_agreement(surveys, missing=["e5"], confidence=0.95) is None
