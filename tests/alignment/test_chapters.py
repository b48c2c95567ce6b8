"""Figures and estimates of the chapters on small CLIPs, on made-up scores with planted facts."""

from __future__ import annotations

import numpy as np
import pytest

from bbb_core.experiments.audit_trials import run_trials
from bbb_core.experiments.caption_bias import shares_of_men
from bbb_core.experiments.score_audits import audit_model, floor_table, quality, ranking_auc
from bbb_core.experiments.score_design import audit_design
from bbb_core.experiments.score_models import STRATEGY_COLUMNS, ScoredModel, ScoredModels
from bbb_core.figures import alignment_auditing, alignment_mitigation, reward_for_imbalance
from bbb_core.rng import generator

BIASES = ("balanced", "labour", "men:0.8")


def made_up(bias: str, seed: int) -> ScoredModel:
    """Return a scorer whose plain score prefers the captions' majority and whose repairs do not."""
    rng = generator(seed, "made-up", bias)
    d = audit_design(1, 0)
    men = shares_of_men(bias)
    lean = 0.5 * (men - 0.5)
    sign = np.where(d.group == 0, 1.0, -1.0)
    noise = 0.05 * rng.standard_normal((len(d.truth), len(STRATEGY_COLUMNS) + 6))
    columns = [
        *STRATEGY_COLUMNS,
        "score-then-average",
        "man",
        "woman",
        "read as woman",
        "average of four",
        "subclass of four",
    ]
    scores = d.truth[:, None] + noise
    scores[:, 0] += sign * lean[d.prompt]
    scores[:, columns.index("man")] += 0.2 * sign
    scores[:, columns.index("woman")] -= 0.2 * sign
    pool = 0.3 * rng.standard_normal((20, 2, 30, 3))
    pool[..., 0] += np.stack([lean, -lean], axis=1)[..., None]
    values = {
        "columns": columns, "scores": scores.astype(np.float32), "pool": pool,
        "text_gap": -2 * lean + 0.01 * rng.standard_normal(20), "factor": np.full(20, 0.8),
        "right": np.ones((80, 2), bool), "losses": np.ones(5), "seconds": 1.0,
    }  # fmt: skip
    return ScoredModel(bias, seed, d, values)


@pytest.fixture(scope="module")
def models() -> ScoredModels:
    return ScoredModels(tuple(made_up(bias, seed) for bias in BIASES for seed in (0, 1)))


def inside(found) -> bool:
    return bool(found["low"] <= found["value"] <= found["high"])


def test_gap_has_the_sign_of_the_captions(models):
    for model in models.of("men:0.8"):
        assert model.gaps("plain").mean() < -0.3
        assert abs(model.gaps("average-then-score").mean()) < 0.1
        assert quality(model, "plain")["auc"] > 0.9


def test_auc_by_hand():
    x = np.array([3.0, 1.0, 2.0, 1.0])
    positive = np.array([True, True, False, False])
    assert ranking_auc(x, positive, ~positive) == pytest.approx((1 + 1 + 0 + 0.5) / 4)


def test_auditing_chapter(models):
    chapter = alignment_auditing
    skewed = audit_model(models.of("men:0.8")[0])
    penalty = chapter.penalty(skewed)
    assert penalty["low"] > 0
    assert skewed.worst_group.group in ("gender=woman", "gender=man")
    table = floor_table(models, STRATEGY_COLUMNS[:2])
    assert table["ratio"].max() < 1 + 1e-9
    assert np.allclose(table.loc[table["groups"] == "gender", "ratio"], 1)
    assert inside(chapter.tightness(table))
    assert inside(chapter.text_image(models))
    assert inside(chapter.accuracy(models, "group"))
    audits = {"men:0.8": skewed, "balanced": audit_model(models.of("balanced")[0])}
    for fig in (
        chapter.group_bars(audits), chapter.level_curves(audits), chapter.both_spaces(models),
        chapter.floors(table), chapter.blends(),
    ):  # fmt: skip
        assert fig.get_axes()


def test_trials(models):
    found = {(200, bias): run_trials(200, bias, 20, 0)["table"] for bias in (0.0, 0.1)}
    assert inside(alignment_auditing.coverage(found))
    assert inside(alignment_auditing.level(found))
    assert inside(alignment_auditing.correction(found))
    assert alignment_auditing.estimators(found).get_axes()


def test_reward_chapter(models):
    chapter = reward_for_imbalance
    assert chapter.reward(models)["low"] > 0
    for found in (
        chapter.balanced_reward(models), chapter.predicted(models), chapter.subclass(models),
        chapter.images_needed(models, "men:0.8"), chapter.power(models, "men:0.8", boards=50),
    ):  # fmt: skip
        assert inside(found)
    assert chapter.subclass(models)["high"] < 0
    for draw in (chapter.rewards_figure, chapter.prices_figure, chapter.curve):
        assert draw(models).get_axes()


def test_mitigation_chapter(models):
    chapter = alignment_mitigation
    found = chapter.compare(models, chapter.SUBCLASS, "plain")
    assert found["high"] < 0
    assert not chapter.compare(models, chapter.SUBCLASS, chapter.AVERAGE)["high"] < -0.02
    best, against = chapter.best_other(models)
    assert best in STRATEGY_COLUMNS
    assert inside(against)
    for estimate in (
        chapter.cost(models), chapter.named_group(models), chapter.misread(models),
        chapter.repaired(models),
    ):  # fmt: skip
        assert inside(estimate)
    assert chapter.repaired(models)["value"] < 1
    assert len(chapter.tests(models)) == len(STRATEGY_COLUMNS) - 1
    assert len(chapter.summary(models)) == len(STRATEGY_COLUMNS)
    for draw in (chapter.gaps_figure, chapter.misread_figure):
        assert draw(models).get_axes()
