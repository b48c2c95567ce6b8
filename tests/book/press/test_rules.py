"""Rules and verdicts: a table of cases, and that every interval gets the verdict of its points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbb_book.results.rules import Rule
from bbb_core.errors import InputError

CASES = [
    (Rule("below", threshold=1), 0.2, 0.9, "supported"),
    (Rule("below", threshold=1), 0.9, 1.1, "mixed"),
    (Rule("below", threshold=1), 0.9, 1.0, "mixed"),
    (Rule("below", threshold=1), 1.0, 1.0, "not supported"),
    (Rule("below", threshold=1), 1.0, 2.0, "not supported"),
    (Rule("above", threshold=0), 0.1, 0.2, "supported"),
    (Rule("above", threshold=0), 0.0, 0.2, "mixed"),
    (Rule("above", threshold=0), -0.1, 0.2, "mixed"),
    (Rule("above", threshold=0), -0.2, 0.0, "not supported"),
    (Rule("inside", low=0, high=1), 0.0, 1.0, "supported"),
    (Rule("inside", low=0, high=1), 0.5, 1.1, "mixed"),
    (Rule("inside", low=0, high=1), -1.0, 2.0, "mixed"),
    (Rule("inside", low=0, high=1), 1.0, 2.0, "mixed"),
    (Rule("inside", low=0, high=1), 1.1, 2.0, "not supported"),
    (Rule("inside", low=0, high=1), -2.0, -0.1, "not supported"),
]


@pytest.mark.parametrize(("rule", "low", "high", "verdict"), CASES)
def test_verdict(rule, low, high, verdict):
    assert rule.verdict(low, high) == verdict


NUMBERS = st.integers(-4, 4).map(lambda n: n / 2)


@given(st.sampled_from(["below", "above", "inside"]), NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_verdict_agrees_with_the_points_of_the_interval(kind, a, b, c, d):
    low, high, edge, other = min(a, b), max(a, b), min(c, d), max(c, d)
    rule = Rule(kind, low=edge, high=other) if kind == "inside" else Rule(kind, threshold=edge)
    points = [low + k / 4 for k in range(int(4 * (high - low)) + 1)]  # edges lie on halves
    holds = {
        "below": lambda x: x < edge,
        "above": lambda x: x > edge,
        "inside": lambda x: edge <= x <= other,
    }[kind]
    good = [holds(x) for x in points]
    expected = "supported" if all(good) else "mixed" if any(good) else "not supported"
    assert rule.verdict(low, high) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "near", "threshold": 1},
        {"kind": "below"},
        {"kind": "below", "threshold": 1, "low": 0},
        {"kind": "inside", "low": 0},
        {"kind": "inside", "low": 1, "high": 0},
        {"kind": "above", "threshold": float("nan")},
        {"kind": "above", "threshold": float("inf")},
        {"kind": "above", "threshold": True},
    ],
)
def test_bad_rules_are_refused(fields):
    with pytest.raises(InputError):
        Rule(**fields)
