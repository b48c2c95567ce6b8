"""T4: leaderboards by simulation; T6 by hand; both by another route than the formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog

from bbb_core import theory
from bbb_core.errors import InputError
from bbb_core.rng import generator

SETTING = {"means": [0.30, 0.28], "deviations": [0.03, 0.04]}
FAIR, UNFAIR = [0.5, 0.5], [0.9, 0.1]


def test_price_is_the_best_share_less_balance():
    best = max(theory.mean_score([w, 1 - w], [0.30, 0.26]) for w in np.linspace(0, 1, 101))
    assert best == pytest.approx(0.30)
    assert theory.price_of_fairness([0.30, 0.26]) == pytest.approx(best - 0.28)
    assert theory.mean_score([0.2, 0.8], [0.5, 1.0]) == pytest.approx(0.9)
    with pytest.raises(InputError, match="means has shape"):
        theory.mean_score([0.2, 0.8], [0.5])


def test_variance_of_a_mixture_is_that_of_scores_listed_one_by_one():
    """Shares .25, .75 of scores 1 +- .5 and 3 +- 2: eight equally likely values."""
    scores = [0.5, 1.5, *[1.0, 5.0] * 3]
    found = theory.mixture_variance([0.25, 0.75], [1.0, 3.0], [0.5, 2.0])
    assert found == pytest.approx(np.var(scores))


@pytest.mark.parametrize("probability", [0.7, 0.95])
def test_sample_size_by_simulation(seeds, probability):
    """20,000 leaderboards of that size: the normal approximation within 0.015 (4 sd: 0.013)."""
    n = theory.leaderboard_sample_size(fair=FAIR, unfair=UNFAIR, probability=probability, **SETTING)
    rng = generator(seeds[0], "leaderboard")
    m, s = np.array(SETTING["means"]), np.array(SETTING["deviations"])

    def board(shares, images):
        group = (rng.random((20_000, images)) >= shares[0]).astype(int)
        return (m[group] + s[group] * rng.standard_normal(group.shape)).mean(axis=1)

    wins = [(board(UNFAIR, k) > board(FAIR, k)).mean() for k in (math.floor(n), math.ceil(n))]
    assert wins[0] - 0.015 < probability < wins[1] + 0.015


def test_sample_size_by_hand():
    """Variances .00135 (fair) and .001006 (unfair), means .290 and .298."""
    n = theory.leaderboard_sample_size(fair=FAIR, unfair=UNFAIR, probability=0.9, **SETTING)
    assert n == pytest.approx(stats.norm.ppf(0.9) ** 2 * 0.002356 / 0.008**2)


def test_a_coin_toss_needs_no_images_and_no_lead_is_never_seen():
    assert theory.leaderboard_sample_size(
        fair=FAIR, unfair=UNFAIR, probability=0.5, **SETTING
    ) == pytest.approx(0)
    assert theory.leaderboard_sample_size(fair=FAIR, unfair=FAIR, **SETTING) == math.inf
    assert theory.leaderboard_sample_size(fair=UNFAIR, unfair=FAIR, **SETTING) == math.inf


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
        theory.leaderboard_sample_size(**({"fair": FAIR, "unfair": UNFAIR} | SETTING | change))


def test_groups_of_no_share_have_no_bound():
    with pytest.raises(InputError, match="leave that group out"):
        theory.label_free_bound([0.1, 0.2], [1.0, 0.0])


def smallest_worst_error(means, shares, margin: float) -> float:
    """Search all truths: the least max_a P_a |t_a - m_a| with every |t_a - t_b| <= margin."""
    k, rows, right = len(means), [], []
    for a in range(k):
        for sign in (1.0, -1.0):  # sign P_a (t_a - m_a) <= e
            row = np.zeros(k + 1)
            row[a], row[k] = sign * shares[a], -1.0
            rows.append(row)
            right.append(sign * shares[a] * means[a])
        for b in range(k):
            if a != b:
                row = np.zeros(k + 1)
                row[a], row[b] = 1.0, -1.0
                rows.append(row)
                right.append(margin)
    cost = np.eye(k + 1)[k]
    found = linprog(cost, A_ub=np.array(rows), b_ub=right, bounds=[(None, None)] * (k + 1))
    return float(found.fun)


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.2])
def test_the_bound_without_labels_is_the_error_at_the_kindest_truth(margin):
    """By linear programming over the truths: some truth attains the bound, and none goes below."""
    for seed in range(8):
        rng = generator(seed, "label free")
        means, shares = rng.uniform(0, 1, 4), rng.dirichlet(np.ones(4))
        found = theory.label_free_bound(means, shares, margin=margin)
        assert found == pytest.approx(smallest_worst_error(means, shares, margin), abs=1e-9)


def test_the_bound_without_labels_by_hand():
    """Groups 0 and 2: (0.6 - 0) / (1 / 0.2 + 1 / 0.5); a truth is blind to groups by default."""
    means, shares = [0.1, 0.3, 0.7], [0.2, 0.3, 0.5]
    assert theory.label_free_bound(means, shares) == pytest.approx(0.6 / 7)
    assert theory.label_free_bound(means, shares, margin=0.25) == pytest.approx(0.35 / 7)
    assert theory.label_free_bound(means, shares, margin=0.6) == pytest.approx(0.0)
    assert theory.label_free_bound(means, shares, margin=5.0) == 0.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.label_free_bound([0.1], [1.0]), "means"),
        (lambda: theory.label_free_bound([0.1, 0.2], [1.0]), "shares has shape"),
        (lambda: theory.label_free_bound([0.1, 0.2], [0.5, 1.5]), "shares is 1.5"),
        (lambda: theory.label_free_bound([0.1, 0.2], [0.5, 0.5], margin=-0.1), "margin is -0.1"),
        (lambda: theory.mixture_variance([0.5, 0.5], [0.1, 0.2], [0.1]), "deviations has shape"),
        (lambda: theory.price_of_fairness([0.1, 0.2], [1.0]), "target has shape"),
    ],
)
def test_bad_scores_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
