"""The audit agrees with hand computation and brute force, and keeps its stated rates (D5)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bbb_core import alignment
from bbb_core.alignment.bias_corrections import corrected_absolute
from bbb_core.alignment.levels import assign_levels, level_edges
from bbb_core.errors import InputError
from bbb_core.rng import generator


def brute(f, truth, groups, edges):
    """Signed errors and multicalibration sums by loops over rows, groups and level sets."""
    n, names = len(f), list(groups)
    members = {}
    for size in (1, 2):
        for chosen in itertools.combinations(names, size):
            for i in range(n):
                key = " & ".join(f"{a}={groups[a][i]}" for a in chosen)
                members.setdefault(key, []).append(i)
    found = {}
    for key, rows in members.items():
        signed = sum(truth[i] - f[i] for i in rows) / n
        sums = {}
        for i in rows:
            v = sum(f[i] >= e for e in edges)
            sums.setdefault(v, []).append(truth[i] - f[i])
        calibration = sum(abs(sum(r)) for r in sums.values() if len(r) >= 10) / n
        found[key] = (len(rows), signed, calibration)
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(60, 400), st.integers(1, 4), st.integers(1, 4))
def test_agrees_with_brute_force(seed, n, k, m):
    rng = np.random.default_rng(seed)
    f, truth = rng.random(n), rng.random(n)
    groups = {"g": rng.integers(0, k, n), "t": rng.integers(0, m, n)}
    found = alignment.audit(f, truth, groups, level_sets=4, n_draws=100, minimum_support=5)
    expected = brute(f, truth, groups, found.edges)
    table = found.by_group.set_index("group")
    assert set(table.index) == set(expected)
    for key, (count, signed, _) in expected.items():
        assert table.loc[key, "n"] == count
        assert table.loc[key, "error"] == pytest.approx(signed, abs=1e-12)
    live = [key for key in expected if expected[key][0] >= 5]
    worst = max(live, key=lambda key: abs(expected[key][1]))
    assert found.multiaccuracy_error.plug_in == pytest.approx(abs(expected[worst][1]), abs=1e-12)
    assert abs(found.worst_group.error) == pytest.approx(abs(expected[worst][1]), abs=1e-12)
    largest = max(expected[key][2] for key in live)
    if found.multicalibration_error.measurable:
        assert found.multicalibration_error.plug_in == pytest.approx(largest, abs=1e-12)
    else:
        assert largest == 0


def test_hand_example():
    """Four kinds of rows: a penalised by 0.2, b by nothing: e_a = 0.1, and both level sets err."""
    f = np.repeat([0.2, 0.6, 0.2, 0.6], 25)
    truth = np.repeat([0.4, 0.8, 0.1, 0.7], 25)
    g = np.repeat(["a", "b"], 50)
    found = alignment.audit(f, truth, g, level_sets=2, binning="exact")
    table = found.by_group.set_index("group")
    assert table.loc["a", "error"] == pytest.approx(0.1)
    assert table.loc["b", "error"] == pytest.approx(0.0)
    assert found.multiaccuracy_error.plug_in == pytest.approx(0.1)
    assert found.multicalibration_error.plug_in == pytest.approx(0.1)
    assert table.loc["b", "calibration_error"] == pytest.approx(0.05, abs=1e-5)
    assert found.proportional_error.plug_in == pytest.approx(0.2 / 0.6)
    assert (found.worst_group.group, found.worst_group.n) == ("a", 50)


def truth_of(group: str, bias: float) -> float:
    share = {"a=1": 0.5, "a=0": 0.5}.get(group, 0.1 if "&" in group else 0.2)
    penalised = 1.0 if "a=1" in group else 0.0 if "a=0" in group else 0.5
    return bias * share * penalised


def draw(seed: int, n: int, bias: float):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 2, n), rng.integers(0, 5, n)
    p = 0.2 + 0.6 * rng.random(n)
    truth = (rng.random(n) < p).astype(float)
    return np.clip(p - bias * (a == 1), 0, 1), truth, {"a": a, "b": b}


def test_null_is_rejected_at_the_stated_rate():
    """400 fair samples at level 0.05: a wrong rate of 0.10 or more fails; a right one in < 1e-3."""
    p = np.array(
        [
            [
                float(found.multiaccuracy_error.p_value),
                float(found.multicalibration_error.p_value),
            ]
            for found in (
                alignment.audit(*draw(seed, 1500, 0.0), n_draws=300, seed=seed)
                for seed in range(400)
            )
        ]
    )
    limit = stats.binom.isf(1e-3, 400, 0.05)
    assert ((p < 0.05).sum(axis=0) <= limit + 8).all(), (p < 0.05).mean(axis=0)
    assert (p < 0.5).mean() > 0.3  # not blind either


def test_planted_bias_lies_in_its_interval_at_the_stated_rate():
    """All 17 simultaneous intervals cover in 95 % of samples (false-fail rate below 1e-3)."""
    covered, worst, value = 0, 0, []
    for seed in range(300):
        found = alignment.audit(*draw(1000 + seed, 1500, 0.1), n_draws=300, seed=seed)
        table = found.by_group
        true = table["group"].map(lambda g: truth_of(g, 0.1))
        covered += bool(((table["low"] <= true) & (true <= table["high"])).all())
        worst += found.worst_group.group == "a=1"
        value.append(found.multiaccuracy_error)
    assert covered >= stats.binom.ppf(1e-3, 300, 0.95)
    assert worst == 300
    inside = sum(e.low <= 0.05 <= e.high for e in value)
    assert inside >= stats.binom.ppf(1e-3, 300, 0.95)
    corrected, plug_in = np.mean([[e.value, e.plug_in] for e in value], axis=0)
    assert abs(corrected - 0.05) < 0.008
    assert plug_in > 0.045


def test_correction_has_mean_zero_under_the_null_and_never_exceeds_the_truth():
    """E h = |e| (2 Phi(|e| / sqrt 2 s) - 1), by quadrature instead of the library's algebra."""
    z, w = np.polynomial.hermite_e.hermegauss(200)
    w = w / w.sum()
    for e in (0.0, 0.3, 1.0, 4.0):
        mean = float(w @ corrected_absolute(e + z, np.ones_like(z)))
        expected = abs(e) * (2 * stats.norm.cdf(abs(e) / np.sqrt(2)) - 1)
        assert mean == pytest.approx(expected, abs=2e-3)


def test_clusters_widen_intervals():
    rng = generator(0)
    n, k = 2000, 40
    cluster = rng.integers(0, k, n)
    shift = 0.1 * rng.standard_normal(k)[cluster]
    f = np.full(n, 0.5)
    truth = np.clip(0.5 + shift + 0.02 * rng.standard_normal(n), 0, 1)
    groups = np.where(cluster % 2 == 0, "even", "odd")
    alone = alignment.audit(f, truth, groups, level_sets=1)
    together = alignment.audit(f, truth, groups, level_sets=1, clusters=cluster)
    ratio = (together.by_group["high"] - together.by_group["low"]) / (
        alone.by_group["high"] - alone.by_group["low"]
    )
    assert (ratio > 3).all()
    assert alone.multiaccuracy_error.p_value < 0.01 or together.multiaccuracy_error.p_value > 0.05


def test_free_scales_do_not_depend_on_the_scale():
    f, truth, groups = draw(5, 3000, 0.1)
    first = alignment.audit(f, truth, groups, scale="affine-free")
    second = alignment.audit(100 * f - 7, truth, groups, scale="affine-free")
    assert np.allclose(first.by_group["error"], second.by_group["error"])
    assert first.worst_group.group == second.worst_group.group
    moved = alignment.audit(f + 3, truth, groups, scale="shift-free")
    assert moved.by_group.set_index("group").loc["a=1", "error"] == pytest.approx(0.025, abs=0.012)


def test_free_scales_cover():
    """A shift-free error of 0.025: its interval covers in 95 % of 200 samples."""
    inside = 0
    for seed in range(200):
        f, truth, groups = draw(seed, 1000, 0.1)
        found = alignment.audit(f, truth, groups["a"], scale="shift-free", n_draws=200)
        row = found.by_group.set_index("group").loc["1"]
        inside += row["low"] <= 0.025 <= row["high"]
    assert stats.binom.ppf(1e-3, 200, 0.95) <= inside
    assert inside < 200  # wide enough only because it is wrong would cover always


def test_small_groups_are_listed_but_not_compared():
    f, truth = np.full(100, 0.5), np.full(100, 0.5)
    truth[:3] = 1.0
    groups = np.where(np.arange(100) < 3, "rare", "common")
    found = alignment.audit(f, truth, groups)
    table = found.by_group.set_index("group")
    assert not table.loc["rare", "supported"]
    assert found.worst_group.group == "common"


def test_many_masks_skip_the_patterns():
    rng = generator(1)
    masks = {f"m{i}": rng.random(500) < 0.5 for i in range(70)}
    f, truth = rng.random(500), rng.random(500)
    found = alignment.audit(f, truth, masks, order=1, n_draws=100)
    for name, mask in list(masks.items())[::13]:
        error = found.by_group.set_index("group").loc[f"{name}=True", "error"]
        assert error == pytest.approx(((truth - f) * mask).mean())


def test_levels():
    f = np.array([0.1, 0.1, 0.1, 0.9])
    assert len(level_edges(f, 4)) == 1  # three quartiles, two of them at the least score
    assert assign_levels(f, level_edges(f, 2, binning="uniform")).tolist() == [0, 0, 0, 1]
    assert len(level_edges(f, 5, binning="exact")) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [0.5, np.nan]}, "scores"),
        ({"scores": [0.5, 1.5]}, "between 0 and 1"),
        ({"truth": [0.5, 0.5, 0.5]}, "truth has shape"),
        ({"groups": ["a"]}, "one label per row"),
        ({"minimum_support": 3}, "lower minimum_support"),
    ],
)
def test_bad_input_is_named(change, message):
    given_ = {"scores": [0.5, 0.6], "truth": [0.5, 0.6], "groups": ["a", "b"]} | change
    given_ = {"minimum_support": 2} | given_
    with pytest.raises(InputError, match=message):
        alignment.audit(given_.pop("scores"), given_.pop("truth"), given_.pop("groups"), **given_)


def clustered(seed: int, skewed: bool):
    """Return a fair score on 60 clusters of 20 rows, an attribute of clusters and one of rows."""
    rng = generator(seed, "clustered", skewed)
    effect = rng.exponential(size=60) - 1 if skewed else rng.standard_normal(60)
    cluster = np.repeat(np.arange(60), 20)
    f = 0.3 + 0.4 * rng.random(1200)
    noise = 0.04 * effect[cluster] + 0.1 * rng.standard_normal(1200)
    groups = {"a": rng.integers(0, 2, 60)[cluster], "b": rng.integers(0, 3, 1200)}
    return f, np.clip(f + noise, 0, 1), groups, cluster


@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("scale", ["given", "affine-free"])
def test_few_clusters_keep_the_level_of_multicalibration(skewed, scale):
    """300 fair samples at level 0.05: a right rate fails in fewer than 1e-3, a rate of 0.16 passes
    in fewer than 1e-3.
    """
    rejected = 0
    for seed in range(300):
        f, truth, groups, cluster = clustered(seed, skewed)
        found = alignment.audit(
            f, truth, groups, level_sets=5, scale=scale, clusters=cluster, n_draws=300, seed=seed
        )
        rejected += found.multicalibration_error.p_value < 0.05
    limit = stats.binom.isf(1e-3, 300, 0.05)
    assert stats.binom.cdf(limit, 300, 0.16) < 1e-3
    assert rejected <= limit
