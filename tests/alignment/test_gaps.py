"""Gaps without truth: by hand, invariant, covering; and theorem T6 against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from bbb_core import alignment, theory
from bbb_core.errors import InputError
from bbb_core.rng import generator


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from([0.0, 0.05, 0.4]))
def test_label_free_bound_is_the_least_worst_error(seed, k, margin):
    """The best truth with that margin, found by linear programming, attains the bound exactly."""
    rng = np.random.default_rng(seed)
    m, p = rng.random(k), rng.dirichlet(np.ones(k))
    # variables: t_1..t_k, v; minimise v with P_a |t_a - m_a| <= v and |t_a - t_b| <= margin
    rows, limits = [], []
    for a in range(k):
        for sign in (1, -1):
            rows.append(np.append(sign * p[a] * np.eye(k)[a], -1.0))
            limits.append(sign * p[a] * m[a])
        for b in range(k):
            if a != b:
                rows.append(np.append(np.eye(k)[a] - np.eye(k)[b], 0.0))
                limits.append(margin)
    solved = optimize.linprog(
        np.append(np.zeros(k), 1.0), np.array(rows), limits, bounds=[(0, 1)] * k + [(0, None)]
    )
    assert theory.label_free_bound(m, p, margin=margin) == pytest.approx(solved.fun, abs=1e-9)


def test_two_groups_by_hand():
    """P = 1/2 each, gap 0.2: the best common truth sits in the middle, 0.1 from each, error 0.05.

    The product gap * min(P_a, P_b) = 0.1 would be wrong by a factor of two.
    """
    assert theory.label_free_bound([0.4, 0.6], [0.5, 0.5]) == pytest.approx(0.05)
    assert theory.label_free_bound([0.4, 0.6], [0.9, 0.1]) == pytest.approx(0.2 * 0.09)


def sample(seed: int, gap: float = 0.0, k: int = 30):
    rng = np.random.default_rng(seed)
    stratum = np.repeat(np.arange(k), 20)
    group = np.tile(["a", "b"], 10 * k)
    effect = gap + 0.3 * rng.standard_normal(k)
    f = rng.standard_normal(k)[stratum] + (group == "a") * effect[stratum]
    return f + rng.standard_normal(20 * k), group, stratum


def test_gap_by_hand():
    f = np.array([3.0, 1.0, 10.0, 4.0])
    found = alignment.group_gaps(
        f, ["a", "b"] * 2, within=["s", "s", "t", "t"], unit="given", minimum_support=2
    )
    assert found.pairs.loc[0, "gap"] == pytest.approx((2 + 6) / 2)
    # sums of squares 2 + 18 on 4 - 2 degrees of freedom
    scaled = alignment.group_gaps(f, ["a", "b"] * 2, within=["s", "s", "t", "t"], minimum_support=2)
    assert scaled.pairs.loc[0, "gap"] == pytest.approx(4 / np.sqrt(10))
    assert scaled.gap("b", "a")["gap"] == pytest.approx(-4 / np.sqrt(10))


def test_units_are_free_of_what_they_promise():
    f, group, stratum = sample(1, 0.4)
    same = alignment.group_gaps(f, group, within=stratum)
    moved = alignment.group_gaps(5 * f + stratum, group, within=stratum)
    assert moved.pairs["gap"][0] == pytest.approx(same.pairs["gap"][0])
    ranks = [alignment.group_gaps(x, group, within=stratum, unit="rank") for x in (f, np.exp(f))]
    assert ranks[0].pairs["gap"][0] == pytest.approx(ranks[1].pairs["gap"][0])


def test_gaps_cover_and_keep_their_level():
    """200 samples of 30 strata: intervals cover at 0.95 and the sign-flip test rejects 5 %."""
    inside = rejected = 0
    for seed in range(200):
        f, group, stratum = sample(seed, 0.0)
        row = alignment.group_gaps(f, group, within=stratum, n_resamples=500).pairs.iloc[0]
        inside += row["low"] <= 0 <= row["high"]
        rejected += row["p_value"] < 0.05
    assert inside >= stats.binom.ppf(1e-4, 200, 0.92)  # percentile intervals of 30 units: 0.92
    assert rejected <= stats.binom.isf(1e-4, 200, 0.05)


def test_rows_alone():
    rng = generator(3)
    f = np.concatenate([rng.normal(0.0, 1, 400), rng.normal(0.5, 1, 400)])
    found = alignment.group_gaps(f, ["a"] * 400 + ["b"] * 400, unit="given")
    row = found.pairs.iloc[0]
    z = (f[:400].mean() - f[400:].mean()) / np.sqrt(f[:400].var() / 399 + f[400:].var() / 399)
    assert stats.norm.isf(row["p_value"] / 2) == pytest.approx(abs(z), rel=0.05)
    assert found.bound == pytest.approx(abs(row["gap"]) / 4)
    assert 0 < found.bound_low < found.bound


def test_missing_groups_do_not_count_as_zero():
    f, group, stratum = sample(2, 0.4)
    keep = (stratum != 0) | (group == "a")  # stratum 0 shows one group only
    found = alignment.group_gaps(f[keep], group[keep], within=stratum[keep], unit="given")
    rest = stratum != 0
    other = alignment.group_gaps(f[rest], group[rest], within=stratum[rest], unit="given")
    assert found.pairs["gap"][0] == pytest.approx(other.pairs["gap"][0])
    assert found.pairs["strata"][0] == 29


def test_bad_input_is_named():
    with pytest.raises(InputError, match="constant within every stratum"):
        alignment.group_gaps([1.0] * 8, ["a", "b"] * 4, within=[0, 0, 0, 0, 1, 1, 1, 1])
    with pytest.raises(InputError, match="lower minimum_support"):
        alignment.group_gaps([1.0, 2.0, 3.0, 4.0], ["a", "b"] * 2)
    with pytest.raises(InputError, match="one stratum per row"):
        alignment.group_gaps([1.0, 2.0, 3.0, 4.0], ["a", "b"] * 2, within=[0])
