"""The interval of a mean imbalance over few prompts (D2): level, width, order, closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bbb_book.chapters.published_generations import balance_trials as trials
from bbb_core.balance.means import mean_change, mean_imbalance
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import binomial_interval
from bbb_core.stats.bounded import bounded_mean_interval


@pytest.mark.parametrize("n", [10, 50, 250])
@pytest.mark.parametrize("m", [2, 3, 10, 20])
@pytest.mark.parametrize("name", list(trials.GENERATORS))
def test_the_interval_keeps_its_level(name, m, n):
    """600 audits per design: exact tests at 1e-5 each, so a good interval fails rarely (.001).

    At exact balance the interval may only err upwards, and its level there is the one-sided one.
    """
    found = trials._fixed(name, m, n, 600, 0.95, generator(3, "level", name, m, n))
    missed = found["above"] + found["below"]
    assert stats.binom.sf(missed - 1, 600, 0.05) > 1e-5
    if name in ("balanced", "five balanced"):
        assert found["below"] == 0
        assert stats.binom.sf(found["above"] - 1, 600, 0.025) > 1e-5


def test_the_simulation_judges_the_interval_that_users_get():
    """The same stream drawn again: as many misses, and the same mean width."""
    m, n, key = 3, 10, (12, "same stream")
    found = trials._fixed("none of these", m, n, 40, 0.5, generator(*key))
    stream, shares = generator(*key), trials.GENERATORS["none of these"](m)
    drawn = np.stack([stream.multinomial(n, p, 40) for p in shares], axis=1)
    ends = [
        mean_imbalance(counts, target=[0.5, 0.5, 0.0], confidence=0.5).corrected for counts in drawn
    ]
    assert found["above"] == sum(e.low > found["truth"] for e in ends)
    assert found["below"] == sum(e.high < found["truth"] for e in ends)
    assert found["width"] == pytest.approx(np.mean([e.high - e.low for e in ends]))


def test_the_interval_is_not_silly_wide():
    """Against normal intervals of the same images with the truth known, and the sampling floor."""
    n, m = 50, 20
    normal = 2 * 1.96 * 0.5 / np.sqrt(n * m)
    floor = 0.0561
    for name, most in (
        ("balanced", floor + normal), ("leaning", 1.1 * normal), ("nearly one group", 0.02),
    ):  # fmt: skip
        found = trials._fixed(name, m, n, 200, 0.95, generator(4, "width", name))
        assert found["width"] < most


@pytest.mark.parametrize("name", list(trials.POPULATIONS))
@pytest.mark.parametrize("m", [2, 5, 20])
def test_prompts_that_are_a_sample(name, m):
    """60 audits: more than 12 misses have probability 2e-5 at 5 %; old bootstrap: up to 30."""
    found = trials._sampled(name, m, 50, 60, 0.95, generator(5, "sampled", name, m))
    assert found["above"] + found["below"] <= 12


@pytest.mark.parametrize("kind", ["fixed", "sampled"])
def test_a_change_keeps_its_level(kind):
    """200 audits: more than 26 misses have probability below 1e-5 at 5 %."""
    rng = generator(6, "change", kind)
    for before, after in (("balanced", "balanced"), ("leaning", "nearly one group")):
        p, q = (trials.GENERATORS[name](6)[:, 0] for name in (before, after))
        truth = np.abs(q - 0.5).mean() - np.abs(p - 0.5).mean()
        missed = 0
        for _ in range(200):
            x, y = rng.binomial(50, p), rng.binomial(50, q)
            e = mean_change(np.c_[x, 50 - x], np.c_[y, 50 - y], prompts=kind)
            assert e.low <= e.value <= e.high
            missed += not e.low - 1e-12 <= truth <= e.high + 1e-12
        assert missed <= 26


def test_the_ends_are_pooled_exact_limits_where_groups_are_certain():
    """All images of one group: nothing to choose, so the ends are Clopper and Pearson's."""
    found = mean_imbalance([[50, 0], [0, 50], [50, 0]])
    low, high = binomial_interval(150, 150)
    assert found.corrected.value == found.plug_in == 0.5
    assert found.corrected.low == pytest.approx(low - 0.5)
    assert found.corrected.high == pytest.approx(high - 0.5)


@settings(deadline=None, max_examples=80)
@given(
    rows=st.lists(st.lists(st.integers(0, 60), min_size=3, max_size=3), min_size=2, max_size=6),
    weights=st.lists(st.integers(0, 5), min_size=3, max_size=3).filter(any),
    kind=st.sampled_from(["fixed", "sampled"]),
    confidence=st.sampled_from([0.5, 0.95, 0.999]),
)
def test_estimates_lie_in_their_interval_and_in_range(rows, weights, kind, confidence):
    counts = np.array(rows) + np.array([0, 1, 0])
    target = np.array(weights) / sum(weights)
    found = mean_imbalance(counts, target=target, prompts=kind, confidence=confidence)
    e = found.corrected
    assert 0 <= e.low <= e.value <= found.plug_in + 1e-12 <= e.high + 2e-12 <= 1 + 2e-12
    e = mean_change(counts, counts[::-1], target=target, prompts=kind, confidence=confidence)
    assert -1 <= e.low <= e.value <= e.high <= 1


def test_names_and_order_of_groups_and_prompts_do_not_matter():
    counts = generator(7, "order").integers(0, 30, (8, 3)) + 1
    e = mean_imbalance(counts, prompts="sampled").corrected
    f = mean_imbalance(counts[::-1, [2, 0, 1]], prompts="sampled").corrected
    assert (e.value, e.low, e.high) == pytest.approx((f.value, f.low, f.high), abs=1e-7)


def test_clusters_are_the_sample():
    """Copies of the same prompts under another seed are no new prompts."""
    counts = generator(8, "clusters").integers(0, 30, (5, 2)) + 1
    twice = np.concatenate([counts, counts])
    one = mean_imbalance(counts, prompts="sampled").corrected
    e = mean_imbalance(twice, prompts="sampled", clusters=[*"abcde"] * 2).corrected
    free = mean_imbalance(twice, prompts="sampled").corrected
    assert one.low <= e.low < free.low and free.high < e.high <= one.high  # noqa: PT018
    with pytest.raises(InputError, match="equally often"):
        mean_imbalance(twice, prompts="sampled", clusters=[*"aabbbccdde"])


def test_one_sampled_prompt_is_refused():
    assert mean_imbalance([[5, 5]]).n == 1
    with pytest.raises(InputError, match="at least two"):
        mean_imbalance([[5, 5]], prompts="sampled")


def test_bounded_means_are_exact_for_values_at_the_bounds():
    for k, n in ((0, 4), (3, 7), (20, 200)):
        e = bounded_mean_interval([1.0] * k + [0.0] * (n - k), least=0, most=1)
        assert (e.low, e.high) == pytest.approx(binomial_interval(k, n), abs=1e-6)


def test_bounded_means_agree_with_weights_drawn_on_the_simplex():
    """200,000 draws: the share below the end has standard error below .0004; band of six."""
    x = generator(9, "bounded").beta(0.6, 3, 12)
    e = bounded_mean_interval(x, least=0, most=1)
    w = generator(9, "weights").dirichlet(np.ones(13), 200_000)
    assert np.mean(w @ np.append(x, 1.0) > e.high) == pytest.approx(0.025, abs=0.0024)
    assert np.mean(w @ np.append(x, 0.0) < e.low) == pytest.approx(0.025, abs=0.0024)
    with pytest.raises(InputError, match="outside"):
        bounded_mean_interval([2.0], least=0, most=1)


def test_least_p_value_sees_a_bad_interval():
    table = trials.measure_mean_coverage([2], [10], 200, 10, 1, 0.95, 0)["table"]
    assert trials.least_p_value(table, confidence=0.95) > 1e-5
    fixed = table["prompts"] == "fixed"
    worse = table.assign(above=table["above"].where(~fixed, 60))
    assert trials.least_p_value(worse, confidence=0.95) < 1e-5
