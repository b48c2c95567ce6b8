"""Scores that are equal up to rounding are equal to every test: ties, and p = 1."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_book.chapters.intersections.gap_interactions import gap_interactions
from bbb_core.alignment.gaps import group_gaps
from bbb_core.embedding import association_test
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import (
    correlation,
    enumeration,
    permutation_test,
    sign_flip_test,
)
from bbb_core.stats.correlations import correlation_test
from bbb_core.stats.rounding import rounding_error, snapped

NEARLY = 0.1 + 0.2  # not 0.3
ALTERNATIVES = ("two-sided", "greater", "less")


def test_error_follows_size_and_type():
    assert NEARLY - 0.3 < rounding_error([0.3]) < 1e-14
    assert rounding_error([-3.0, 2.0]) == 3 * rounding_error(1.0)
    assert rounding_error(np.float32([1.0])) == 4 * 2.0**-23
    assert rounding_error([0, 5], np.float32([0.5])) == 2 * 2.0**-23
    assert rounding_error([]) == 0


def test_runs_are_merged_and_nothing_else():
    x = np.array([NEARLY, 0.5, 0.3, 0.3 + 1e-9, -1.0])
    assert snapped(x, rounding_error(x)).tolist() == [0.3, 0.5, 0.3, 0.3 + 1e-9, -1.0]


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
class TestEqualScores:
    @pytest.fixture(autouse=True)
    def limit(self, counted, monkeypatch):
        monkeypatch.setattr(enumeration, "HALF_SUMS", 2**22 if counted else 0)

    def test_of_two_samples(self, alternative):
        for shift in (0.0, 7.0, -1e5):
            x, y = np.full(12, NEARLY) + shift, np.full(12, 0.3) + shift
            found = permutation_test(
                x, y, alternative=alternative, rng=generator(0), n_permutations=99
            )
            assert found.p_value == 1

    def test_in_single_precision(self, alternative):
        x = np.full(12, 0.7, np.float32)
        found = permutation_test(
            np.nextafter(x, np.float32(1)), x, alternative=alternative,
            rng=generator(0), n_permutations=99,
        )  # fmt: skip
        assert found.p_value == 1

    def test_of_pairs(self, alternative):
        truth, score = np.full(12, 0.3), np.full(12, NEARLY)
        found = sign_flip_test(
            score - truth, resolution=rounding_error(truth),
            alternative=alternative, rng=generator(0), n_permutations=99,
        )  # fmt: skip
        assert found.p_value == 1


def test_rounding_does_not_hide_small_differences():
    """A difference of a millionth part is seen: every split but two is less extreme."""
    x = 0.3 + 1e-7 * np.arange(5)
    assert permutation_test(x + 1e-6, x).p_value == pytest.approx(2 / 252)
    assert sign_flip_test(np.full(6, 1e-9), alternative="greater").p_value == 2**-6


def test_ranks_do_not_part_equal_values():
    """Without the floor the rounded ties would order x as y does."""
    x = np.array([0.3, 0.3, NEARLY, NEARLY, 0.7, 0.7, 0.1 + 0.6, 0.1 + 0.6])
    y = np.arange(8.0)
    clean = np.repeat([0.3, 0.7], 4)
    a, b = (correlation_test(v, y, method="spearman", alternative="greater") for v in (x, clean))
    assert (a.statistic, a.p_value) == (b.statistic, b.p_value)
    for call in (correlation_test, correlation):
        with pytest.raises(InputError, match="constant"):
            call([0.3, NEARLY, 0.3, NEARLY], [1, 2, 3, 4])


def test_one_value_correlates_with_nothing():
    """Without the fourth pair x is constant: no correlation, not the +-1 of its rounding."""
    found = correlation([0.1, 0.1, 0.1, 0.7], [1.0, 3.0, 2.0, 4.0])
    again = correlation([1.0, 1.0, 1.0, 7.0], [1.0, 3.0, 2.0, 4.0])
    assert (found.low, found.high) == pytest.approx((again.low, again.high))


def test_words_that_are_one_vector_go_with_nobody():
    rng = generator(5, "rounding")
    word = torch.tensor(rng.standard_normal((1, 64)))
    attribute, other = torch.tensor(rng.standard_normal((2, 1, 64)))

    def unit(x):
        return x / x.norm(dim=1, keepdim=True)

    exact = unit(attribute.repeat(10, 1))
    single = unit((attribute * 3).repeat(10, 1).float())
    mixed = torch.cat([single.double(), unit(other)])
    for a, b in ((exact.float(), single), (exact, single.double())):
        with pytest.raises(InputError, match="equal"):
            association_test(unit(word).to(a.dtype), None, a, b)
    found = association_test(unit(word), None, mixed, torch.cat([exact, unit(other)]))
    assert found.p_value == 1


def test_gaps_of_equal_scores_are_no_evidence():
    """In every stratum the groups hold the same two scores, written in two ways."""
    k = 14
    within = np.repeat(np.arange(k), 4)
    scores = np.tile([0.1, NEARLY, 0.1, 0.3], k) + 0.01 * within
    groups = np.tile(["a", "a", "b", "b"], k)
    found = group_gaps(scores, groups, within=within, n_resamples=100)
    assert found.gap("a", "b")["p_value"] == 1
    other = np.tile(["x", "y"], 2 * k)
    table = gap_interactions(scores, groups, other, within=within, n_resamples=100)
    assert (table["p_value"] == 1).all()
