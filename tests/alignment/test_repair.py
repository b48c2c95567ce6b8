"""Boosting removes planted errors on untouched rows, and leaves alone what is fair.

Statistical tests: each states the chance with which it fails although the code is right.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bbb_core import alignment
from bbb_core.alignment.candidate_sets import CandidateSets
from bbb_core.alignment.groups import group_table
from bbb_core.alignment.repairing import apply_rounds, next_round
from bbb_core.errors import InputError
from bbb_core.rng import generator


def sample(n: int, seed: int = 0):
    rng = generator(seed, "repair-test")
    groups = {"g": rng.integers(0, 3, n), "t": rng.integers(0, 4, n)}
    truth = np.clip(0.5 + 0.15 * rng.standard_normal(n), 0, 1)
    noise = 0.05 * rng.standard_normal(n)
    bias = 0.1 * (groups["g"] == 1) - 0.15 * ((groups["t"] == 2) & (groups["g"] == 0))
    return truth, noise, bias, groups


def small_groups(n: int, *key, rate: float = 0.3, large: float = 0.1, small: float = 0.0):
    """Binary truth; group 1 (42 %) is `large` off, group 2 (4 %) `small`, 0 and 3 (4 %) are right.

    Returns scores, truth, the chances behind the truth, and the groups.
    """
    rng = generator(0, "small groups", *map(str, key))
    g, t = rng.choice(4, n, p=[0.5, 0.42, 0.04, 0.04]), rng.integers(0, 4, n)
    chance = np.clip(rate * (1 + 0.3 * rng.standard_normal(n)), 0.005, 0.95)
    scores = np.clip(chance - large * (g == 1) - small * (g == 2), 0, 1)
    return scores, (rng.random(n) < chance).astype(float), chance, {"g": g, "t": t}


def fresh_errors(found, *key, **world):
    """Return the mean errors of the four groups on 20,000 other rows, before and after."""
    scores, _, chance, groups = small_groups(20_000, "fresh", *key, **world)
    made = found.apply(scores, groups)
    rows = [groups["g"] == k for k in range(4)]
    return np.array([[(chance - f)[r].mean() for r in rows] for f in (scores, made)])


def test_multiaccuracy_is_repaired_on_untouched_rows():
    truth, noise, bias, groups = sample(20_000)
    found = alignment.repair(np.clip(truth + noise - bias, 0, 1), truth, groups)
    assert found.before > 0.02
    assert found.after < 0.003
    steps = np.sum([step.steps[0] for step in found.rounds], axis=0)
    far = {name: step for name, step in zip(found.names, steps, strict=False) if abs(step) > 0.002}
    assert far == pytest.approx({"g=1": 0.1, "g=0 & t=2": -0.15}, abs=0.01)


def test_a_round_leaves_little_error_where_it_was_fitted():
    """Steps are shrunk by about 1 / z^2: what is left of every group is below its noise."""
    truth, noise, bias, groups = sample(2000)
    f = np.clip(truth + noise - bias, 0.3, 0.7)
    table = group_table(groups, len(f))
    found = next_round(f, truth, table, 1, 10, 0.95)
    moved = apply_rounds(f, table, (found,))

    def errors(scores):
        sets = CandidateSets(table, np.zeros(len(f), np.int64), 1)
        return np.abs(sets.totals(sets.cells(truth - scores)))[0]

    critical = 0.2 * np.sqrt([*(table.mask(n).sum() for n in table.names), len(f)])
    assert (errors(f) > 4 * critical).any()
    assert (errors(moved) < critical).all()


def test_unbiased_small_groups_stay_where_they_are():
    """600 rows, 24 in a small group. Regressing all groups at once moved them by .04 on average.

    40 fits; a false step has chance .05 per fit at most, and moves a group by about .1: that the
    mean exceeds .015 has a chance below 1e-4 (seven false steps or more of 40).
    """
    moved = []
    for seed in range(40):
        f, truth, _, groups = small_groups(600, seed)
        before, after = fresh_errors(alignment.repair(f, truth, groups), seed)
        moved.append(np.abs(after - before)[[0, 2, 3]])
    assert (np.mean(moved, axis=0) < 0.015).all()


def test_biased_groups_are_repaired():
    """The large group is .1 off (five standard errors), the small one .25 (four).

    On average over 40 fits more than half of either error goes; the standard error is about .01.
    """
    left = []
    for seed in range(40):
        f, truth, _, groups = small_groups(1500, seed, small=0.25)
        before, after = fresh_errors(alignment.repair(f, truth, groups), seed, small=0.25)
        left.append(np.abs(after[1:3] / before[1:3]))
    assert (np.mean(left, axis=0) < 0.5).all()


@pytest.mark.parametrize(
    ("rate", "notion"),
    [(0.3, "multiaccuracy"), (0.03, "multiaccuracy"), (0.03, "multicalibration")],
)
def test_fair_scores_are_moved_as_rarely_as_promised(rate, notion):
    """150 samples of 600 rows: more steps than chance .05 explains once in 10,000 runs.

    At a rate of .03 a group of 24 rows has no event as often as not.
    """
    count = 0
    for seed in range(150):
        f, truth, _, groups = small_groups(600, seed, rate, rate=rate, large=0.0)
        count += len(alignment.repair(f, truth, groups, notion=notion).rounds) > 0
    assert count <= stats.binom.isf(1e-4, 150, 0.05)


def test_a_family_moves_where_no_group_stands_out():
    """Forty groups of 15 rows, each off by one standard error or so: 20 fits leave less error.

    No single group is significant as a rule; together they are, and steps are shrunk by half.
    """
    left = []
    for seed in range(20):
        rng = generator(seed, "family")
        off, g = 0.1 * rng.standard_normal(40), np.repeat(np.arange(40), 15)
        truth = (rng.random(600) < 0.5).astype(float)
        found = alignment.repair(0.5 + off[g], truth, g)
        made = found.apply(0.5 + off, np.arange(40)) - 0.5
        left.append(np.sqrt((made**2).mean() / (off**2).mean()))
    assert np.mean(left) < 0.97


def test_events_are_needed_not_rows():
    """Among 200 rows that never had an event, expecting two is no evidence; expecting 40 is."""
    g = np.repeat(["a", "b"], 200)
    truth = np.concatenate([np.tile([0.0, 1.0], 100), np.zeros(200)])
    right = np.where(g == "a", 0.5, 0.01)
    assert alignment.repair(right, truth, g).rounds == ()
    found = alignment.repair(np.where(g == "a", 0.5, 0.2), truth, g)
    assert dict(zip(found.by_group["group"], found.by_group["moved"], strict=True))["b"]


class TestHeldOut:
    def test_errors_are_those_of_rows_that_the_rounds_did_not_see(self):
        """By hand from the rows themselves; other truth there changes no round."""
        f, truth, _, groups = small_groups(2000, "held out")
        found = alignment.repair(f, truth, groups, final="held-out", order=1)
        rows = found.evaluation_rows
        assert len(rows) == 400
        part = {key: labels[rows] for key, labels in groups.items()}
        made = found.apply(f[rows], part)
        table = found.by_group.set_index("group")
        for k in range(4):
            inside = part["g"] == k
            one = table.loc[f"g={k}"]
            assert one["n"] == inside.sum()
            assert one["before"] == pytest.approx((truth[rows] - f[rows])[inside].mean())
            assert one["after"] == pytest.approx((truth[rows] - made)[inside].mean())
        turned = truth.copy()
        turned[rows] = 1 - turned[rows]
        other = alignment.repair(f, turned, groups, final="held-out", order=1)
        assert len(found.rounds) == len(other.rounds) >= 1
        for one, two in zip(found.rounds, other.rounds, strict=True):
            np.testing.assert_array_equal(one.steps, two.steps)
        assert other.before != found.before

    def test_the_final_fit_sees_all_rows_and_its_errors_are_still_held_out(self):
        f, truth, _, groups = small_groups(2000, "final")
        apart = alignment.repair(f, truth, groups, final="held-out")
        final = alignment.repair(f, truth, groups)
        assert not np.array_equal(apart.rounds[0].steps, final.rounds[0].steps)
        stages = ["before", "after", "after_low", "after_high"]
        assert apart.by_group[stages].equals(final.by_group[stages])

    def test_summary_is_the_worst_error_by_mass(self):
        f, truth, _, groups = small_groups(2000, "mass")
        found = alignment.repair(f, truth, groups)
        rows = found.evaluation_rows
        part = {key: labels[rows] for key, labels in groups.items()}
        seen = alignment.audit(f[rows], truth[rows], part, minimum_support=2, n_draws=100)
        assert found.before == pytest.approx(seen.multiaccuracy_error.plug_in)

    def test_limits_hold_the_estimate_and_cover(self):
        """200 samples of 300 rows: all groups at once are missed in 5 %; once in 10,000 runs."""
        missed = 0
        for seed in range(200):
            f, truth, _, groups = small_groups(300, seed, "limits", rate=0.05, large=0.0)
            t = alignment.repair(f, truth, groups).by_group
            t = t[t["n"] > 0]
            for stage in ("before", "after"):
                assert (t[f"{stage}_low"] <= t[stage]).all()
                assert (t[stage] <= t[f"{stage}_high"]).all()
            missed += not ((t["before_low"] <= 0) & (t["before_high"] >= 0)).all()
        assert missed <= stats.binom.isf(1e-4, 200, 0.05)

    def test_groups_without_rows_have_no_number(self):
        f, truth, _, groups = small_groups(100, "absent")
        judged = alignment.repair(f, truth, groups).evaluation_rows
        groups["g"][np.setdiff1d(np.arange(100), judged)[0]] = 9
        table = alignment.repair(f, truth, groups).by_group.set_index("group")
        one = table.loc["g=9"]
        assert one["n"] == 0
        assert one[["before", "after_low"]].isna().all()


def test_multicalibration_needs_level_sets():
    """Stretched scores of one group: no error on average, an error in every level set."""
    truth, _, _, groups = sample(20_000)
    f = np.where(groups["g"] == 1, np.clip(0.5 + 0.3 * (truth - 0.5), 0, 1), truth)
    first = alignment.repair(f, truth, groups, notion="multiaccuracy", final="held-out")
    second = alignment.repair(f, truth, groups, notion="multicalibration", final="held-out")
    rows = first.evaluation_rows
    part = {key: labels[rows] for key, labels in groups.items()}

    def left(scores):
        return alignment.audit(scores, truth[rows], part).multicalibration_error.plug_in

    assert left(second.apply(f[rows], part)) < 0.5 * left(first.apply(f[rows], part))


def test_exact_scores_stay_exactly():
    rng = generator(3, "exact")
    truth = rng.random(500)
    f = np.clip(truth + rng.choice([-1e-16, 0, 1e-16], 500), 0, 1)
    found = alignment.repair(f, truth, rng.integers(0, 5, 500))
    assert found.rounds == ()
    assert found.stopped.startswith("no group's error")
    assert (found.apply(f, rng.integers(0, 5, 500)) == f).all()


def test_new_groups_and_missing_groups_are_harmless():
    truth, noise, bias, groups = sample(5000)
    found = alignment.repair(np.clip(truth + noise - bias, 0, 1), truth, groups)
    out = found.apply([0.5, 0.5], {"g": [1, 9], "t": [2, 2]})
    assert out[0] != 0.5 == out[1]
    np.testing.assert_array_equal(found.apply([0.5], {"g": ["?"], "t": ["?"]}), [0.5])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "held_out is 0.2 of 3 rows"),
        ({"held_out": 1.5}, "held_out is 1.5"),
        ({"minimum_support": 1}, "minimum_support is 1"),
        ({"max_rounds": 0}, "max_rounds is 0"),
    ],
)
def test_bad_input_is_named(options, words):
    with pytest.raises(InputError, match=words):
        alignment.repair([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], ["a", "a", "b"], **options)
