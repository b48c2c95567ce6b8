"""Settings, geometry and mitigations of the experiments on emoji people (no training here)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_book.data import emoji
from bbb_book.generators import geometry
from bbb_book.generators import studies as generators
from bbb_book.generators.people import counts_of, read_people
from bbb_book.generators.prompt_balance import group_counts
from bbb_book.generators.prompt_mitigations import METHODS, mitigated
from bbb_book.generators.prompt_sweep import logistic_crossing
from bbb_book.generators.studies import Study, Tuning, held_out_cells, planted_shares
from bbb_book.generators.symmetric_figures import embed_figure, turn_distance, turn_prompt
from bbb_core import rng
from bbb_core.errors import InputError

STUDY = Study(encoder="test", size=16)


@pytest.fixture
def table(monkeypatch):
    """Random unit rows in place of an encoder."""
    rows = torch.randn(20, 3, 8, generator=rng.torch_generator(0, "rows"))
    rows = torch.nn.functional.normalize(rows, dim=-1)
    for module in (generators, geometry):
        monkeypatch.setattr(module, "prompt_embeddings", lambda encoder, template: rows)
    return rows


def test_planted_shares_use_every_level_alike():
    shares = planted_shares(3)
    assert sorted(shares) == sorted(emoji.OCCUPATIONS)
    levels, counts = np.unique(list(shares.values()), return_counts=True)
    assert levels.tolist() == [0.1, 0.3, 0.5, 0.7, 0.9]
    assert (counts == 4).all()
    assert shares != planted_shares(4)


@pytest.mark.parametrize("regime", ["balanced", "skewed"])
def test_neutral_captions_stand_under_the_planted_share(table, regime):
    data = generators._training_set(STUDY, Tuning(regime=regime, share=0.5))
    people = generators.drawings(16)
    weight = {}
    neutral = {
        tuple(row.tolist()): o for row, o in zip(table[:, 0], emoji.OCCUPATIONS, strict=True)
    }
    for (image, caption), w in zip(data.pairs.tolist(), data.weights.tolist(), strict=True):
        occupation = neutral.get(tuple(data.conditions[caption].tolist()))
        if occupation is not None:
            assert people.labels[image][0] == occupation
            key = (occupation, people.labels[image][1])
            weight[key] = weight.get(key, 0.0) + w
    for occupation, planted in planted_shares(STUDY.seed).items():
        woman = weight[occupation, "woman"]
        share = woman / (woman + weight[occupation, "man"])
        assert share == pytest.approx(planted if regime == "skewed" else 0.5)


def test_unseen_regime_has_group_captions_alone(table):
    data = generators._training_set(STUDY, None)
    assert len(data.pairs) == 240
    assert len(data.conditions) == 40


def test_held_out_cells_are_left_out(table):
    cells = held_out_cells()
    assert len(set(cells)) == 10
    data = generators._training_set(Study(encoder="test", size=16, held_out=cells), None)
    labels = generators.drawings(16).labels
    shown = {"|".join(labels[image]) for image, _ in data.pairs.tolist()}
    assert len(shown) == 230
    assert not shown & set(cells)


def test_reading_of_the_drawings_is_their_label():
    people = generators.drawings(32)
    codes = read_people(people.images, 32)
    assert [generators.GROUPS[g] for g in codes["group"]] == [label[1] for label in people.labels]
    assert counts_of(codes["group"]).tolist() == [120, 120, 0]
    white = torch.zeros(2, 3, 32, 32)
    assert counts_of(read_people(white, 32)["group"]).tolist() == [0, 0, 2]


def test_predictors_rank_the_nearer_group_higher(table):
    terms = np.ones((20, 2, 3, 4))
    terms[0, 0] = 5.0  # far from the man: nearer to the woman
    made = geometry.predictors(STUDY, {"terms": terms})
    assert made["path KL"].iloc[0] == pytest.approx(np.log(5))
    neutral, man, woman = table.double().numpy().transpose(1, 0, 2)
    gap = (neutral * (woman - man)).sum(1)
    assert np.allclose(made["cosine gap"], gap)
    mirror = (
        np.linalg.norm(neutral - man, axis=1) ** 2 - np.linalg.norm(neutral - woman, axis=1) ** 2
    )
    assert np.allclose(made["reflection"], mirror / np.linalg.norm(woman - man, axis=1))


def test_group_counts_leave_out_none_and_claim_nothing_of_unreadable_prompts():
    counts = group_counts([[3, 5, 2], [0, 0, 10]])
    assert counts.tolist() == [[3, 5], [1, 0]]


def test_mean_rank_correlation_pairs_its_difference():
    x = np.arange(20.0)
    made = geometry.mean_rank_correlation([(x, x)], minus=[(x, -x)], seed=0, n_resamples=50)
    assert (made.value, made.low, made.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("method", METHODS)
def test_mitigations_do_what_they_say(table, method):
    rows = mitigated(table, method)
    neutral, man, woman = table.unbind(1)
    assert rows.shape == (20, 2 if method == "subclass" else 1, 8)
    if method in ("equalised", "averaged"):
        far = [(rows[:, 0] - group).norm(dim=1) for group in (man, woman)]
        assert torch.allclose(*far, atol=1e-5)
    if method == "projected":
        direction = (woman - man).mean(0)
        assert (rows[:, 0] @ direction).abs().max() < 1e-5
        assert torch.allclose(rows.norm(dim=-1), torch.ones(20, 1))
    if method == "none":
        assert torch.equal(rows[:, 0], neutral)
    with pytest.raises(InputError, match="method"):
        mitigated(table, "magic")


def test_a_logistic_curve_is_found_again():
    x = np.linspace(0, 1, 11)
    share = 1 / (1 + np.exp(-(x - 0.4) * 12))
    n = np.full(11, 10_000)
    for level in (0.3, 0.5, 0.7):
        truth = 0.4 + np.log(level / (1 - level)) / 12
        made = logistic_crossing(x, np.round(share * n), n, level)
        assert made == pytest.approx(truth, abs=2e-3)
    assert 0 <= logistic_crossing(x, np.zeros(11), n, 0.5) <= 1


def test_prompts_of_figures_reflect_into_each_other():
    a, b = (embed_figure(1, lean, shapes=3) for lean in (-0.4, 0.4))
    assert torch.allclose(turn_prompt(a), b)
    assert turn_distance(0.4) == pytest.approx(float((a - b).norm()), abs=1e-6)
    assert torch.equal(turn_prompt(torch.zeros(4)), torch.zeros(4))
