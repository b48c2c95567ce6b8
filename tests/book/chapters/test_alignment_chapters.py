"""Figures and estimates of the chapters on small CLIPs, on made-up scores with planted facts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bbb_book.chapters.alignment_auditing import audit_promises, scorer_bias
from bbb_book.chapters.alignment_auditing import figures as auditing_figures
from bbb_book.chapters.alignment_auditing.audit_trials import run_trials
from bbb_book.chapters.alignment_mitigation import figures as mitigation_figures
from bbb_book.chapters.alignment_mitigation import misread_groups, repairs, strategy_gaps
from bbb_book.chapters.reward_for_imbalance import figures as reward_figures
from bbb_book.chapters.reward_for_imbalance import rewards, trained_rewards
from bbb_book.results.register import load_register
from bbb_book.scorers.audits import audit_model, floor_table, quality, ranking_auc
from bbb_book.scorers.models import STRATEGY_COLUMNS
from bbb_core import stats


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
    chapter, draw = scorer_bias, auditing_figures
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
    assert inside(chapter.image_bias(models, "men:0.8"))
    assert chapter.image_bias(models, "men:0.8")["low"] > 0.3
    assert "man" in chapter.scorer_card(models.of("men:0.8")[0]).loc["worst group", "value"]
    audits = {"men:0.8": skewed, "balanced": audit_model(models.of("balanced")[0])}
    for fig in (
        draw.group_bars(audits), draw.level_curves(audits), draw.both_spaces(models),
        draw.floors(table), draw.blends(),
    ):  # fmt: skip
        assert fig.get_axes()


def test_trials(models):
    found = {(200, bias): run_trials(200, bias, 20, 0)["table"] for bias in (0.0, 0.1)}
    assert inside(audit_promises.rejected(found))
    assert inside(audit_promises.correction(found))
    assert inside(audit_promises.finds(found))
    assert auditing_figures.estimators(found).get_axes()


@pytest.mark.parametrize(
    ("hits", "verdict"),
    [((99, 100), "supported"), ((20, 100), "mixed"), ((20, 30), "not supported")],
)
def test_power_is_judged_at_each_size(hits, verdict):
    """Pooled, 20 and 100 of 100 would be 60 %: no support, although one size supports the claim."""
    rule = load_register()["audit-finds-errors"].rule

    def table(k):
        p = np.where(np.arange(100) < k, 0.01, 0.5)
        return pd.DataFrame({"ma_p": np.zeros(100), "mc_p": p})

    found = {(n, 0.1): table(k) for n, k in zip((300, 1000), hits, strict=True)}
    power = audit_promises.finds(found | {(300, 0.0): table(0)})
    assert power["value"] == pytest.approx(sum(hits) / 200)
    assert rule.verdict(power["low"], power["high"]) == verdict
    tables = audit_promises.power_table(found)
    singly = ["supported" if k > 90 else "not supported" for k in hits]
    assert list(tables["claim at this size"]) == singly
    ends = [stats.binomial_interval(k, 100, confidence=0.975) for k in hits]
    assert (power["low"], power["high"]) == (min(ends)[0], max(e[1] for e in ends))


def test_levels_are_judged_by_the_level():
    """Of 100 samples 5 % is 5: nine rejections are chance, fifteen are not, whatever the rest."""
    from scipy import stats

    def table(column, hits):
        p = np.where(np.arange(100) < hits, 0.01, 0.5)
        return pd.DataFrame({column: p, "covered": p > 0.05})

    kind = {(100, 0.0): table("ma_p", 5).assign(mc_p=0.5), (100, 0.1): table("ma_p", 100)}
    calm, wild = ({"x": table("gap_p", hits)} for hits in (9, 15))
    tail = stats.binom.sf(8, 100, 0.05)
    assert audit_promises.level(kind, calm) == {"value": pytest.approx(3 * tail), "n": 300}
    assert audit_promises.level(kind, wild)["value"] < 0.01
    assert audit_promises.coverage({(100, 0.0): kind[100, 0.0]}, calm)["value"] > 0.05
    assert audit_promises.coverage(kind, calm)["value"] < 1e-6  # every interval missed the bias
    assert audit_promises.worst(wild) == 0.15
    assert auditing_figures.levels(wild).get_axes()


def test_reward_chapter(models):
    chapter = rewards
    assert chapter.reward(models)["low"] > 0
    for found in (
        chapter.balanced_reward(models), chapter.predicted(models), chapter.subclass(models),
        chapter.images_needed(models, "men:0.8"), chapter.power(models, "men:0.8", boards=50),
    ):  # fmt: skip
        assert inside(found)
    assert chapter.subclass(models)["high"] < 0
    for draw in (reward_figures.rewards_figure, reward_figures.prices_figure, reward_figures.curve):
        assert draw(models).get_axes()


def test_mitigation_chapter(models):
    subclass, average = strategy_gaps.SUBCLASS, strategy_gaps.AVERAGE
    found = strategy_gaps.compare(models, subclass, "plain")
    assert found["high"] < 0
    assert not strategy_gaps.compare(models, subclass, average)["high"] < -0.02
    best, against = strategy_gaps.best_other(models)
    assert best in STRATEGY_COLUMNS
    assert inside(against)
    ratios = repairs.repair_ratios(models)
    for estimate in (
        strategy_gaps.cost(models), misread_groups.named_group(models),
        misread_groups.misread(models), repairs.repaired(ratios),
        repairs.against_isotonic(ratios), strategy_gaps.read_groups(models),
        strategy_gaps.four_groups(models),
    ):  # fmt: skip
        assert inside(estimate)
    assert repairs.repaired(ratios)["value"] < 1
    assert list(repairs.repair_table(ratios).index) == list(ratios.columns)
    assert strategy_gaps.four_groups(models)["high"] < 0
    assert len(strategy_gaps.four_table(models)) == 5
    assert len(strategy_gaps.by_kind(models)) == len(models.biases)
    assert len(strategy_gaps.tests(models)) == len(STRATEGY_COLUMNS) - 1
    assert len(strategy_gaps.summary(models)) == len(STRATEGY_COLUMNS)
    for draw in (mitigation_figures.gaps_figure, mitigation_figures.misread_figure):
        assert draw(models).get_axes()


def test_trained_generators_are_paid_for_whom_they_draw(models):
    """Made-up images whose score is the pool's mean of their group: T4 is then exact."""
    judges = [m for m in models if m.seed == min(m.seed for m in models)]
    stream = np.random.default_rng(0)
    men = np.stack([stream.integers(2, 9, 20), stream.integers(2, 9, 20), [10] * 20, [0] * 20])
    n = 10
    shown = np.arange(n) >= men[..., None]  # 0 man, 1 woman, [sources, 20, n]
    scores = []
    for judge in judges:
        mean = np.asarray(judge.values["pool"])[..., 0].mean(-1)
        scores.append(np.take_along_axis(mean[None, :, :], shown.astype(int), axis=2))
    made = {
        "counts": np.stack([men, n - men, 0 * men], axis=-1),
        "scores": np.repeat(np.stack(scores)[..., None], 3, axis=-1),
    }
    assert trained_rewards.agreement(made, models)["value"] > 0.99
    table = trained_rewards.board(made, models, judges[-1].bias)
    assert table.loc["subclass-sampled", "plain (SD)"] == "+0.00"
    assert list(table["men"])[2:] == ["0.95", "0.05", "0.50"]
    assert reward_figures.agreement_figure(made, models).get_axes()
