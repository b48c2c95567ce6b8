"""The test of mixtures: its level, its power, and its bound against the exact distance (D3)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bbb_book.chapters.whose_label.mixture_test import (
    linear_direction,
    mixture_distance,
    score_distance,
)
from bbb_core.errors import InputError
from bbb_core.rng import generator


def worlds(outside: float, n: int, rng: np.random.Generator):
    """Groups at -2 and +2 on the first axis; others far up the second one."""

    def draw(centre, m):
        return rng.normal(0, 1, (m, 3)) + np.array([*centre, 0.0])

    m = rng.multinomial(n, [(1 - outside) * 0.3, (1 - outside) * 0.7, outside])
    parts = [draw(c, k) for c, k in zip([(-2, 0), (2, 0), (0, 6)], m, strict=True)]
    return np.concatenate(parts), {"a": draw((-2, 0), n), "b": draw((2, 0), n)}


@pytest.mark.parametrize("score", ["novelty", "linear"])
def test_mixtures_are_seldom_refuted(score):
    """Level 5 %: more than 22 of 200 refutations have probability below 0.001."""
    rng = generator(5, "mixtures", score)
    hits = sum(mixture_distance(*worlds(0, 60, rng), score=score, rng=rng).refuted
               for _ in range(200))  # fmt: skip
    assert hits <= 22


@pytest.mark.parametrize("score", ["novelty", "linear"])
def test_people_outside_both_groups_are_noticed(score):
    rng = generator(6, "outside", score)
    neutral, groups = worlds(0.3, 600, rng)
    found = mixture_distance(neutral, groups, score=score, rng=rng)
    assert found.refuted
    assert 0.15 < found.low < 0.3 + 1e-9  # TV to the nearest mixture is at most 0.3


def test_the_bound_is_below_the_exact_distance():
    """Laws N(0, 1) and N(mu, 1) on a line; nearest mixture of two equal laws is that law."""
    exact = 2 * stats.norm.cdf(1.5 / 2) - 1
    rng = generator(7, "exact distance")
    lows = [
        score_distance(rng.normal(1.5, 1, 400), {g: rng.normal(0, 1, 400) for g in "ab"}, rng=rng)
        for _ in range(60)
    ]
    # each bound fails with probability at most 5 %; more than 9 of 60 have probability 0.0013
    assert sum(x.low > exact for x in lows) <= 9
    assert np.mean([x.low for x in lows]) > 0.3


def test_linear_direction_tells_two_samples_apart_and_flips():
    rng = generator(8, "direction")
    a, b = rng.normal(0, 1, (80, 4)) + 2, rng.normal(0, 1, (60, 4))
    direction, limit = linear_direction(a, b)
    assert (a @ direction > limit).mean() > 0.95 > 0.05 > (b @ direction > limit).mean()
    other, other_limit = linear_direction(b, a)
    assert other == pytest.approx(-direction, abs=1e-9)
    assert other_limit == pytest.approx(-limit, abs=1e-9)


def test_bad_samples_are_named():
    rng, x = generator(0), np.zeros((9, 2))
    with pytest.raises(InputError, match="at least two groups"):
        mixture_distance(x, {"a": x}, rng=rng)
    with pytest.raises(InputError, match="rows"):
        mixture_distance(x, {"a": x, "b": x[:3]}, rng=rng)
    with pytest.raises(InputError, match="all equal"):
        linear_direction(x, x)
    with pytest.raises(InputError, match="neutral"):
        mixture_distance(x, {"a": x, "neutral": x}, rng=rng)
