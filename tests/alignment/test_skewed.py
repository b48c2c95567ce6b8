"""Limits of skewed sums agree with exact laws; every result is finite or says why it is not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from bbb_book.chapters.alignment_auditing.audit_designs import AUDITS, GAPS, run_design
from bbb_core import alignment
from bbb_core.alignment.confidence_limits import Limits, normal_to_t, t_to_normal
from bbb_core.alignment.gap_noise import few_units
from bbb_core.alignment.groups import group_table
from bbb_core.alignment.residuals import ScoredRows, group_sums
from bbb_core.alignment.sampling_errors import cluster_noise, row_noise
from bbb_core.errors import InputError
from bbb_core.rng import generator


@pytest.mark.parametrize("events", [0, 1, 4, 30])
@pytest.mark.parametrize("z", [0.5, 1.96, 3.0])
def test_limits_of_rare_counts_are_garwoods(events, z):
    """A sum of `events` rows of 1 has the exact Poisson limits, from the chi-square law."""
    count = np.array([float(events)])
    low, high = Limits.of(count, count, count, np.zeros(1), np.ones(1)).interval(z)
    tail = stats.norm.sf(z)
    assert high[0] == pytest.approx(stats.chi2.isf(tail, 2 * events + 2) / 2, rel=0.03, abs=0.02)
    exact = stats.chi2.ppf(tail, 2 * events) / 2 if events else 0.0
    assert low[0] == pytest.approx(exact, rel=0.03, abs=0.05)


def test_limits_without_skewness_are_normal():
    zero = np.zeros(2)
    low, high = Limits.of(np.array([1.0, -2.0]), np.array([4.0, 9.0]), zero, zero, zero).interval(
        2.0
    )
    assert low == pytest.approx([-3.0, -8.0], abs=1e-3)
    assert high == pytest.approx([5.0, 4.0], abs=1e-3)


@given(st.floats(0.1, 10), st.floats(-1, 1), st.floats(0, 3), st.floats(0, 3), st.floats(0.7, 4))
def test_scores_undo_limits(variance, skew, below, above, z):
    third = skew * variance**1.5
    one = [np.array([x]) for x in (0.0, variance, third, below, above)]
    limits = Limits.of(*one)
    for side in (limits.below, limits.above):
        reach = side.reach(z)
        if reach > 0:
            assert side.score(reach)[0] == pytest.approx(z, rel=1e-6)


def test_t_and_normal_scores_undo_one_another():
    assert t_to_normal(np.array([normal_to_t(2.3, 7)]), 7)[0] == pytest.approx(2.3)


def test_few_units_by_hand():
    """Mean 2 of 1, 2, 3: variance 2 * 3 / 2 / 9, one imagined unit at distance 1 / 3."""
    values = np.array([[1.0], [2.0], [3.0]])
    noise = few_units(values, np.ones((3, 1), bool), np.zeros(1), np.zeros(1), rng=generator(0))
    spread = np.sqrt(2 * 1.5 / 9 + 1 / 9)
    assert noise.limits.above.scale[0] == pytest.approx(spread)
    assert noise.limits.below.scale[0] == pytest.approx(spread)
    assert noise.freedom[0] == 2
    assert noise.p_value[0] >= 2 / 8  # flips of three signs


def test_rows_are_few_units():
    """Errors r: V = sum (r - mean)^2 n / (n - 1), and one imagined row as far out as any."""
    r, n = np.array([0.1, -0.2, 0.3, 0.05]), 4
    f, table = np.full(n, 0.4), group_table(["all"] * n, n)
    rows = ScoredRows(table, f, f + r, np.zeros(n, np.int64), 1)
    found = row_noise(rows, group_sums(rows), None, 10, generator(0))
    variance = ((r - r.mean()) ** 2).sum() * n / (n - 1)
    assert found.group.estimate[0] == pytest.approx(r.mean())
    assert found.group.below.scale[0] == pytest.approx(np.sqrt(variance + 0.2**2) / n)
    assert found.group.above.scale[0] == pytest.approx(np.sqrt(variance + 0.3**2) / n)
    assert found.freedom == n - 1


@pytest.mark.parametrize("k", [2, 3, 5])
def test_clusters_are_few_units(k):
    """Clusters of 10 rows with errors c: V = sum (10 c - mean)^2 k / (k - 1), k - 1 freedoms."""
    error = 0.1 + 0.2 * np.arange(k) / k
    cluster, n = np.repeat(np.arange(k), 10), 10 * k
    f, table = np.full(n, 0.3), group_table(["all"] * n, n)
    rows = ScoredRows(table, f, f + error[cluster], np.zeros(n, np.int64), 1)
    found = cluster_noise(rows, group_sums(rows), None, cluster, 10, generator(0))
    far = 10 * (error - error.mean())
    step = max(np.abs(far).max(), 0.3, error.max())  # a cluster, or one row between 0 and 1
    scale = np.sqrt(far @ far * k / (k - 1) + step**2) / n
    assert found.group.above.scale[0] == pytest.approx(scale)
    assert found.group.below.scale[0] == pytest.approx(scale)
    assert found.freedom == k - 1


def hits(table, column):
    return int((table[column] <= 0.05).sum())


@pytest.mark.parametrize(
    "design",
    [
        "1 % of 300 images fit",
        "3 % of 600 images fit",
        "noise of rare jumps, 600 images",
        "six groups of 50, 10 % fit",
        "20 clusters, skewed effects",
        "20 clusters, 5 % fit",
    ],
)
def test_audits_keep_their_level_on_unkind_designs(design):
    """100 samples: a rate of .05 fails in fewer than 1e-3 per test, one of .2 in 95 %."""
    table, limit = run_design(design, 100, 3)["table"], stats.binom.isf(1e-3, 100, 0.05)
    assert design in AUDITS
    assert hits(table, "ma_p") <= limit
    assert hits(table, "mc_p") <= limit
    assert (~table["covered"]).sum() <= limit


@pytest.mark.parametrize("design", GAPS)
def test_gaps_keep_their_level_on_unkind_designs(design):
    """80 fair samples: a rate of .05 fails in fewer than 1e-3 per test."""
    table, limit = run_design(design, 80, 3)["table"], stats.binom.isf(1e-3, 80, 0.05)
    assert hits(table, "gap_p") <= limit
    assert (~table["covered"]).sum() <= limit


def planted(design, factor, seed):
    """Return how many of 40 samples show the error of a score that is wrong for one group."""
    found = 0
    for trial in range(40):
        f, truth, groups, options = AUDITS[design](generator(seed, design, trial))
        f = np.clip(np.where(groups == 0, factor(f), f), 0, 1)
        found += (
            alignment.audit(f, truth, groups, n_draws=400, **options).multiaccuracy_error.p_value
            < 0.05
        )
    return found


@pytest.mark.parametrize(
    ("design", "factor"),
    [
        ("10 % of 600 images fit", lambda f: 0.2 * f),
        ("3 % of 4,000 images fit", lambda f: 0.3 * f),
        ("normal noise, 600 images", lambda f: f - 0.04),
        ("60 clusters, skewed effects", lambda f: f - 0.08),
    ],
)
def test_errors_are_found(design, factor):
    """Each is found in 90 % of samples and more: fewer than 28 of 40 has a chance below 1e-3."""
    assert planted(design, factor, 0) >= 28


DEGENERATE = {
    "zero": lambda rng, n: np.zeros(n),
    "one": lambda rng, n: np.ones(n),
    "binary": lambda rng, n: (rng.random(n) < 0.5).astype(float),
    "rare": lambda rng, n: (rng.random(n) < 0.02).astype(float),
    "half": lambda rng, n: np.full(n, 0.5),
    "uniform": lambda rng, n: rng.random(n),
}


def check_estimate(e, *, all_rows=True):
    """A plug-in that leaves rows out may lie below a limit that counts them."""
    numbers = [getattr(e, f.name) for f in dataclasses.fields(e) if f.name != "reason"]
    if not e.measurable:
        assert np.isnan(numbers).all()
        return
    assert np.isfinite(numbers).all()
    assert 0 <= e.low <= e.value <= e.high
    assert e.plug_in <= e.high
    assert e.low <= e.plug_in * (1 + 1e-12) or not all_rows  # the two are summed in other orders
    assert 0 < e.p_value <= 1


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(4, 120),
    st.sampled_from(sorted(DEGENERATE)),
    st.sampled_from([*sorted(DEGENERATE), "score"]),
    st.sampled_from(["given", "shift-free", "affine-free"]),
    st.integers(0, 12),
    st.integers(1, 4),
)
@example(1, 41, "uniform", "one", "given", 0, 2)  # no group has ten rows in every level set
def test_every_audit_is_finite_or_says_why(seed, n, score, truth, scale, clusters, k):
    rng = np.random.default_rng(seed)
    f = DEGENERATE[score](rng, n)
    t = f if truth == "score" else DEGENERATE[truth](rng, n)
    options = {"clusters": rng.integers(0, clusters, n)} if clusters > 1 else {}
    try:
        found = alignment.audit(
            f, t, {"g": rng.integers(0, k, n), "h": rng.integers(0, 2, n)}, scale=scale,
            minimum_support=4, level_sets=3, n_draws=100, **options,
        )  # fmt: skip
    except InputError:
        return
    check_estimate(found.multiaccuracy_error)
    check_estimate(found.proportional_error)
    check_estimate(found.multicalibration_error, all_rows=found.uncovered == 0)
    ma, mc = found.multiaccuracy_error, found.multicalibration_error
    assert not mc.measurable or (ma.value <= mc.value and ma.low <= mc.low)
    worst = found.worst_group
    assert worst.low <= worst.error <= worst.high
    table = found.by_group
    numbers = table.drop(columns=["group", "calibration_error", "proportional_error"])
    assert np.isfinite(numbers.to_numpy(float)).all()
    assert (table["low"] <= table["error"]).all()
    assert (table["error"] <= table["high"]).all()
    assert np.isfinite(found.by_cell["standard_error"]).all()


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(4, 80),
    st.sampled_from(sorted(DEGENERATE)),
    st.sampled_from(["within-sd", "given", "rank"]),
    st.integers(0, 6),
)
def test_every_gap_is_finite_and_lies_in_its_intervals(seed, n, score, unit, strata):
    rng = np.random.default_rng(seed)
    within = rng.integers(0, strata, n) if strata > 1 else None
    try:
        found = alignment.group_gaps(
            DEGENERATE[score](rng, n), rng.integers(0, 3, n), within=within, unit=unit,
            minimum_support=2, n_resamples=100,
        )  # fmt: skip
    except InputError:
        return
    pairs = found.pairs
    numbers = pairs.drop(columns=["attribute", "first", "second"]).to_numpy(float)
    assert np.isfinite(numbers).all()
    assert (pairs["low"] <= pairs["gap"]).all()
    assert (pairs["gap"] <= pairs["high"]).all()
    assert (pairs["family_low"] <= pairs["gap"]).all()
    assert (pairs["gap"] <= pairs["family_high"]).all()
    assert ((pairs["p_value"] > 0) & (pairs["p_value"] <= 1)).all()
    assert 0 <= found.bound_low <= found.bound


def test_without_a_level_set_of_ten_rows_there_is_no_multicalibration_error():
    rng = generator(0)
    f, groups = rng.random(60), np.tile(["a", "b"], 30)
    found = alignment.audit(f, (f > 0.5).astype(float), groups)
    assert found.multicalibration_error.reason == "no group has 10 rows within one level set"
    assert found.uncovered == 1
    assert found.by_group["calibration_error"].isna().all()


def test_a_truth_that_is_zero_everywhere_leaves_no_proportion():
    f, groups = np.tile([0.2, 0.6], 40), np.repeat(["a", "b"], 40)
    found = alignment.audit(f, np.zeros(80), groups)
    assert found.multiaccuracy_error.plug_in == pytest.approx(0.2)
    assert "surely above zero" in found.proportional_error.reason


def test_rounding_is_no_error():
    f = np.tile([0.1, 0.2, 0.3], 100)
    truth = np.tile([0.1, 0.2, 0.1 + 0.2], 100)
    found = alignment.audit(f, truth, np.tile(["a", "b", "c"], 100))
    assert found.multiaccuracy_error.plug_in == 0
    assert found.multiaccuracy_error.p_value == 1


@pytest.mark.parametrize(
    ("k", "law", "level"),
    [(6, "exponential", 0.058), (20, "exponential", 0.052), (12, "log", 0.092)],
)
def test_few_units_reject_as_often_as_the_docstring_of_gaps_says(k, law, level):
    """Fails once in 10,000 runs if the stated rate is true, and always at three times that rate."""
    rng = generator(0, "few units", law)
    draws = (
        rng.standard_exponential((k, 400)) if law == "exponential" else rng.lognormal(size=(k, 400))
    )
    centre = 1.0 if law == "exponential" else np.exp(0.5)
    nothing = np.zeros(400)
    noise = few_units(
        draws - centre, np.ones((k, 400), bool), nothing, nothing, n_flips=499, rng=rng
    )
    assert (noise.p_value <= 0.05).sum() <= stats.binom.isf(1e-4, 400, level)
