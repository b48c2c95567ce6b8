"""All claims read together: p-values from intervals, Holm, and what is left out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from bbb_book.results.family import family, p_values, stands, with_family
from bbb_book.results.register import Claim, load_register
from bbb_book.results.rules import Rule
from bbb_core import stats

REFERENCE = Path(__file__).parents[3] / "book" / "reference" / "claims.json"
ABOVE = {"kind": "above", "threshold": 0.0}
BELOW = {"kind": "below", "threshold": 0.0}
INSIDE = {"kind": "inside", "low": -1.0, "high": 1.0}


def record(name="a", *, value=1.0, low=0.5, high=1.5, n=20, rule=ABOVE, **more):
    return {"id": name, "value": value, "low": low, "high": high, "n": n, "rule": rule, **more}


def claim(name="a", *, role="claim", units="things", rule=ABOVE):
    texts = {"statement": "S.", "measure": "m", "unit": "ratio", "units": units}
    return Claim(
        id=name, chapter="toy", origin="ours", role=role, digits=2, rule=Rule(**rule), **texts
    )


def test_student_is_inverted_exactly():
    """The interval of a normal mean gives back the one-sided t-test of its own sample."""
    x = np.array([0.1, 0.4, 0.2, 0.9, 0.5])
    mean, error = x.mean(), x.std(ddof=1) / math.sqrt(5)
    reach = scipy_stats.t.ppf(0.975, 4) * error
    found = p_values(record(value=mean, low=mean - reach, high=mean + reach, n=5))
    expected = scipy_stats.ttest_1samp(x, 0, alternative="greater").pvalue
    assert found == pytest.approx((expected, 1 - expected), rel=1e-12)


def test_a_log_scale_is_found():
    """An interval symmetric about log 2 is read on the logarithmic scale, where it is longer."""
    t = scipy_stats.t.ppf(0.975, 19)
    low, high = np.exp(math.log(2) + np.array([-t, t]) * 0.3)
    rule = {"kind": "below", "threshold": 6.0}
    found, _ = p_values(record(value=2.0, low=low, high=high, rule=rule))
    assert found == pytest.approx(scipy_stats.t.sf(math.log(3) / 0.3, 19), rel=1e-9)


NUMBERS = st.floats(-3, 3).map(lambda x: round(x, 3))


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([ABOVE, BELOW, INSIDE]), st.integers(2, 400))
def test_p_agrees_with_the_verdict(a, b, c, rule, n):
    """At most .025 exactly where the whole interval satisfies the rule; .025 means at its edge."""
    low, value, high = sorted((a, b, c))
    pair = p_values(record(value=value, low=low, high=high, n=n, rule=rule))
    if pair is None or value in (rule.get("threshold"), rule.get("low"), rule.get("high")):
        return  # an estimate on the edge itself says nothing: p is .5
    verdict = Rule(**rule).verdict(low, high)
    if abs(pair[0] - 0.025) > 1e-9:
        assert (pair[0] < 0.025) == (verdict == "supported")
    edge = 0.05 if rule is INSIDE else 0.025
    if abs(pair[1] - edge) > 1e-9:
        assert (pair[1] < edge) == (verdict == "not supported")


@given(st.floats(0.01, 5), st.floats(0.01, 5), st.floats(0, 4), st.floats(0.001, 1))
def test_p_falls_as_the_edge_moves_away(near, far, start, more):
    ps = [
        p_values(record(value=0, low=-near, high=far, rule={"kind": "above", "threshold": -x}))[0]
        for x in (start, start + more)
    ]
    assert ps[1] <= ps[0]


def test_an_exact_p_is_taken():
    assert p_values(record(p=0.001))[0] == 0.001


@pytest.mark.parametrize(
    "change",
    [
        {"value": None, "low": None, "high": None},
        {"low": 1.0, "high": 1.0},
        {"low": 1.0},  # no reach towards the edge
        {"n": 1},
    ],
)
def test_where_there_is_nothing_to_read_there_is_no_p(change):
    assert p_values(record(**change)) is None


def test_holm_by_hand_over_claims_alone():
    """p = .01, .03, .04 give .03, .06, .06; checks, ranges and exact numbers take no part."""
    register = {name: claim(name) for name in "abc"}
    register["d"] = claim("d", role="check")
    register["e"] = claim("e", units="range: seeds")
    register["f"] = claim("f", units="none: exact")
    records = [record(name, p=p) for name, p in zip("abc", (0.01, 0.03, 0.04), strict=True)]
    records += [record(name, p=0.001) for name in "def"]
    found = family(records, register=register)
    assert {key: round(one.p_holm, 12) for key, one in found.items()} == {
        "a": 0.03, "b": 0.06, "c": 0.06
    }  # fmt: skip
    full = with_family(records, register=register)
    assert [one["p_holm"] is None for one in full] == [False] * 3 + [True] * 3
    assert family([], register=register) == {}


def test_what_stands_is_a_clear_verdict_with_a_small_adjusted_p():
    fields = {"p_holm": 0.03, "p_against_holm": 0.2}
    assert stands({**fields, "verdict": "supported"})
    assert not stands({**fields, "verdict": "mixed"})
    assert not stands({**fields, "verdict": "not supported"})
    assert not stands({"p_holm": None, "p_against_holm": None, "verdict": "supported"})


SAMPLES = 2000


def rates(draw, truth, n):
    """Return for both sides how often p is at most .025 with the true mean on the edge."""
    hits = np.zeros(2)
    for _ in range(SAMPLES):
        e = stats.mean_interval(draw(n))
        for side, kind in enumerate(("above", "below")):
            rule = {"kind": kind, "threshold": truth}
            found, _ = p_values(record(value=e.value, low=e.low, high=e.high, n=n, rule=rule))
            hits[side] += found <= 0.025
    return hits / SAMPLES


@pytest.mark.parametrize("n", [6, 20])
def test_p_keeps_its_level_for_normal_means(n):
    """At most .025 and four standard errors: fails by chance in at most 1 of 10,000 runs."""
    rng = np.random.default_rng(n)
    assert (
        rates(lambda k: rng.normal(size=k), 0.0, n) < 0.025 + 4 * math.sqrt(0.025 / SAMPLES)
    ).all()


def test_p_of_skewed_means_is_too_small_on_the_long_side_and_safe_on_the_other():
    """Exponential, n = 20: .0063 and .0379 by the longer simulation of the docstring."""
    rng = np.random.default_rng(0)
    above, below = rates(lambda k: rng.exponential(size=k), 1.0, 20)
    assert above < 0.0063 + 4 * math.sqrt(0.0063 / SAMPLES)
    assert abs(below - 0.0379) < 4 * math.sqrt(0.0379 / SAMPLES)


def test_the_family_of_the_reference_leaves_out_no_claim_with_an_interval():
    """What the book publishes: a claim is exact, a range, not measured, or in the family."""
    records = json.loads(REFERENCE.read_text(encoding="utf-8"))["claims"]
    register, found = load_register(), family(records)
    for one in records:
        known = register[one["id"]]
        if known.role == "claim" and not (known.exact or known.ranged):
            assert one["value"] is None or one["id"] in found, one["id"]
    assert with_family(records) == records
