"""Leaderboards: the identity of T4 by hand, and the predicted size by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bbb_book.chapters.reward_for_imbalance.leaderboard import (
    leaderboard,
    simulate_leaderboards,
)
from bbb_book.chapters.reward_for_imbalance.score_formulas import leaderboard_sample_size
from bbb_core.errors import InputError
from bbb_core.rng import generator


def pool(seed: int = 0) -> np.ndarray:
    rng = generator(seed, "pool")
    return rng.standard_normal((6, 2, 80)) + np.array([0.3, 0.0])[:, None]


def test_reward_is_the_gap_times_the_excess_share():
    scores = pool()
    means = scores.mean(axis=2)
    board = leaderboard(scores, fair=[0.5, 0.5], unfair=[0.8, 0.2])
    assert np.allclose(board.rewards, 0.3 * (means[:, 0] - means[:, 1]))


def test_agrees_with_the_formula_for_one_prompt():
    scores = pool()[:1]
    means, deviations = scores.mean(axis=2)[0], scores.std(axis=2)[0]
    setting = {"fair": [0.5, 0.5], "unfair": [1.0, 0.0]}
    board = leaderboard(scores, **setting)
    expected = leaderboard_sample_size(means=means, deviations=deviations, **setting)
    assert board.images() == pytest.approx(expected)


def test_predicted_size_by_simulation(seeds):
    """1,000 boards at the predicted size: 0.95 within 0.03 (a false failure in 1e-4)."""
    scores = pool()
    setting = {"fair": [0.5, 0.5], "unfair": [0.8, 0.2]}
    n = int(np.ceil(leaderboard(scores, **setting).images()))
    wins = simulate_leaderboards(
        scores, n, boards=1000, rng=generator(seeds[0], "boards"), **setting
    )
    assert abs(wins.mean() - 0.95) < 0.03 + (1 - stats.norm.cdf(3.7))


def test_nothing_to_win():
    board = leaderboard(pool(), fair=[0.5, 0.5], unfair=[0.2, 0.8])
    assert board.images() == np.inf
    assert board.probability(100) < 0.5


def test_bad_input_is_named():
    with pytest.raises(InputError, match="prompts, groups, images"):
        leaderboard(np.zeros((2, 3)), fair=[1, 0], unfair=[0, 1])
    with pytest.raises(InputError, match="sums to"):
        leaderboard(pool(), fair=[0.5, 0.6], unfair=[0, 1])
