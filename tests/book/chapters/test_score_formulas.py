"""T4: leaderboards by simulation and by hand, another route than the formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bbb_book.chapters.reward_for_imbalance import score_formulas
from bbb_core.errors import InputError
from bbb_core.rng import generator

SETTING = {"means": [0.30, 0.28], "deviations": [0.03, 0.04]}
FAIR, UNFAIR = [0.5, 0.5], [0.9, 0.1]


def test_price_is_the_best_share_less_balance():
    best = max(score_formulas.mean_score([w, 1 - w], [0.30, 0.26]) for w in np.linspace(0, 1, 101))
    assert best == pytest.approx(0.30)
    assert score_formulas.price_of_fairness([0.30, 0.26]) == pytest.approx(best - 0.28)
    assert score_formulas.mean_score([0.2, 0.8], [0.5, 1.0]) == pytest.approx(0.9)
    with pytest.raises(InputError, match="means has shape"):
        score_formulas.mean_score([0.2, 0.8], [0.5])


def test_variance_of_a_mixture_is_that_of_scores_listed_one_by_one():
    """Shares .25, .75 of scores 1 +- .5 and 3 +- 2: eight equally likely values."""
    scores = [0.5, 1.5, *[1.0, 5.0] * 3]
    found = score_formulas.mixture_variance([0.25, 0.75], [1.0, 3.0], [0.5, 2.0])
    assert found == pytest.approx(np.var(scores))


@pytest.mark.parametrize("probability", [0.7, 0.95])
def test_sample_size_by_simulation(seeds, probability):
    """20,000 leaderboards of that size: the normal approximation within 0.015 (4 sd: 0.013)."""
    n = score_formulas.leaderboard_sample_size(
        fair=FAIR, unfair=UNFAIR, probability=probability, **SETTING
    )
    rng = generator(seeds[0], "leaderboard")
    m, s = np.array(SETTING["means"]), np.array(SETTING["deviations"])

    def board(shares, images):
        group = (rng.random((20_000, images)) >= shares[0]).astype(int)
        return (m[group] + s[group] * rng.standard_normal(group.shape)).mean(axis=1)

    wins = [(board(UNFAIR, k) > board(FAIR, k)).mean() for k in (math.floor(n), math.ceil(n))]
    assert wins[0] - 0.015 < probability < wins[1] + 0.015


def test_sample_size_by_hand():
    """Variances .00135 (fair) and .001006 (unfair), means .290 and .298."""
    n = score_formulas.leaderboard_sample_size(fair=FAIR, unfair=UNFAIR, probability=0.9, **SETTING)
    assert n == pytest.approx(stats.norm.ppf(0.9) ** 2 * 0.002356 / 0.008**2)


def test_a_coin_toss_needs_no_images_and_no_lead_is_never_seen():
    assert score_formulas.leaderboard_sample_size(
        fair=FAIR, unfair=UNFAIR, probability=0.5, **SETTING
    ) == pytest.approx(0)
    assert score_formulas.leaderboard_sample_size(fair=FAIR, unfair=FAIR, **SETTING) == math.inf
    assert score_formulas.leaderboard_sample_size(fair=UNFAIR, unfair=FAIR, **SETTING) == math.inf


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"probability": 0.4}, "probability is 0.4"),
        ({"probability": 1.0}, "probability is 1.0"),
        ({"fair": [0.5, 0.6]}, "shares sums to 1.1"),
        ({"unfair": [1.0]}, "means has shape"),
        ({"deviations": [-1.0, 1.0]}, "deviations is -1"),
    ],
)
def test_bad_boards_are_named(change, words):
    with pytest.raises(InputError, match=words):
        score_formulas.leaderboard_sample_size(
            **({"fair": FAIR, "unfair": UNFAIR} | SETTING | change)
        )


def test_price_of_fairness_against_all_generators() -> None:
    scores, target = np.array([0.31, 0.22, 0.27]), np.array([0.2, 0.5, 0.3])
    best = max(w @ scores for w in np.random.default_rng(0).dirichlet(np.ones(3), 2000))
    price = score_formulas.price_of_fairness(scores, target)
    assert best - target @ scores <= price
    assert price == pytest.approx(0.31 - target @ scores)
    assert score_formulas.price_of_fairness([0.4, 0.2]) == pytest.approx(0.1)  # half the gap


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: score_formulas.mixture_variance([0.5, 0.5], [0.1, 0.2], [0.1]),
            "deviations has shape",
        ),
        (lambda: score_formulas.price_of_fairness([0.1, 0.2], [1.0]), "target has shape"),
        (lambda: score_formulas.price_of_fairness([0.1, 0.2], [0.5, 0.6]), "target sums to 1.1"),
    ],
)
def test_bad_input_names_the_argument(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
