"""Corrected shares: closed forms, coverage, and inputs that must be refused (T7)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from bbb_core.balance.confusion import Confusion
from bbb_core.balance.labels import correct_labels
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import binomial_interval


def two(t: float, f: float, n: int = 10**12) -> Confusion:
    """P(read a | a) = t, P(read a | b) = f, from so many images that nothing is left to chance."""
    a, b = round(t * n), round(f * n)
    return Confusion.from_counts({"a": {"a": a, "b": n - a}, "b": {"a": b, "b": n - b}})


def test_rogan_gladen_closed_form():
    found = correct_labels({"a": 430, "b": 570}, two(0.9, 0.2))
    assert found.shares["a"] == pytest.approx((0.43 - 0.2) / (0.9 - 0.2))
    assert sum(found.shares.values()) == pytest.approx(1)


def test_interval_has_a_closed_form_where_the_rates_are_known():
    """``exact`` spends half of its error rate on rates that leave none to spend."""
    for method, level in (("exact", 0.975), ("combined", 0.95)):
        found = correct_labels({"a": 430, "b": 570}, two(0.9, 0.2), method=method)
        ends = [(q - 0.2) / 0.7 for q in binomial_interval(430, 1000, confidence=level)]
        assert found.interval["a"] == pytest.approx(ends, abs=1e-5)


def test_exact_interval_is_the_corner_formula_for_two_groups():
    """s = (q - f)/(t - f) is monotone in q, t and f, so its range lies at corners."""
    table = {"a": {"a": 180, "b": 20}, "b": {"a": 30, "b": 170}}
    found = correct_labels({"a": 100, "b": 100}, table, method="exact")
    q = binomial_interval(100, 200, confidence=0.975)
    t = binomial_interval(180, 200, confidence=1 - 0.025 / 2)
    f = binomial_interval(30, 200, confidence=1 - 0.025 / 2)
    values = [(x - b) / (a - b) for x in q for a in t for b in f]
    assert found.interval["a"] == pytest.approx((min(values), max(values)), abs=1e-6)


def test_perfect_reader_changes_nothing():
    perfect = Confusion.from_counts({g: {g: 10} for g in "abc"})
    found = correct_labels({"a": 5, "b": 3, "c": 2}, perfect)
    assert found.shares == pytest.approx({"a": 0.5, "b": 0.3, "c": 0.2})


def test_none_of_these_as_a_label_and_as_a_state():
    label_only = {"a": {"a": 90, "none": 10}, "b": {"b": 80, "none": 20}}
    found = correct_labels({"a": 45, "b": 40, "none": 15}, label_only)
    assert found.shares["a"] == pytest.approx(0.5, abs=1e-9)
    state = {**label_only, "none": {"none": 100}}
    found = correct_labels({"a": 45, "b": 40, "none": 115}, state)
    assert found.shares["none"] == pytest.approx(0.5, abs=1e-9)


def test_clipping_is_visible():
    found = correct_labels({"a": 1, "b": 99}, {"a": {"a": 90, "b": 10}, "b": {"a": 10, "b": 90}})
    assert found.shares["a"] == 0
    assert found.raw["a"] < 0


def test_swapped_names_swap_shares():
    table = {"a": {"a": 70, "b": 30}, "b": {"a": 10, "b": 90}}
    swapped = {"b": {"b": 70, "a": 30}, "a": {"b": 10, "a": 90}}
    one = correct_labels({"a": 33, "b": 67}, table)
    two_ = correct_labels({"b": 33, "a": 67}, swapped)
    assert one.shares["a"] == pytest.approx(two_.shares["b"])
    assert one.interval["a"] == pytest.approx(two_.interval["b"], abs=1e-7)


def test_combined_limits_solve_the_equation_that_they_state():
    """Two groups and labels, by bisection: q - s t - (1 - s) f against limits in squares."""
    table = {"a": {"a": 17, "b": 3}, "b": {"a": 2, "b": 18}}
    found = correct_labels({"a": 300, "b": 200}, table)
    q, t, f = 0.6, 0.85, 0.1
    (q0, q1), (t0, t1), (f0, f1) = (
        binomial_interval(k, n) for k, n in ((300, 500), (17, 20), (2, 20))
    )

    def room(s: float, side: int) -> float:
        gap = q - s * t - (1 - s) * f
        low = ((q - q0) ** 2 + (s * (t1 - t)) ** 2 + ((1 - s) * (f1 - f)) ** 2) ** 0.5
        high = ((q1 - q) ** 2 + (s * (t - t0)) ** 2 + ((1 - s) * (f - f0)) ** 2) ** 0.5
        return low - gap if side < 0 else high + gap

    ends = [
        brentq(room, *bounds, args=(side,)) for side, bounds in ((-1, (0, 0.66)), (1, (0.67, 1)))
    ]
    assert found.interval["a"] == pytest.approx(ends, abs=1e-7)
    wide = correct_labels({"a": 300, "b": 200}, table, method="exact").interval["a"]
    assert wide[1] - wide[0] > 1.4 * (ends[1] - ends[0])


def test_what_nobody_can_tell_apart_stays_open():
    table = {"a": {"a": 11, "b": 9}, "b": {"a": 10, "b": 10}}
    assert correct_labels({"a": 260, "b": 240}, table).interval["a"] == (0.0, 1.0)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.05, 0.95)])
@pytest.mark.parametrize("rates", [(0.9, 0.1), (0.99, 0.3), (0.6, 0.45)])
def test_combined_intervals_cover(rates, shares):
    """120 audits: at .94 fewer than 101 cover with probability below 2e-5."""
    rng = generator(12, "combined", *map(str, (*rates, *shares)))
    matrix = np.array([[p, 1 - p] for p in rates])
    hits = tried = 0
    while tried < 120:
        table = {g: dict(zip("ab", rng.multinomial(20, r).tolist(), strict=True))
                 for g, r in zip("ab", matrix, strict=True)}  # fmt: skip
        counts = dict(zip("ab", rng.multinomial(500, shares @ matrix).tolist(), strict=True))
        if table["a"] == table["b"]:
            continue  # refused: the rates are equal
        found = correct_labels(counts, table)
        low, high = found.interval["a"]
        assert low <= found.shares["a"] <= high
        hits += low - 1e-9 <= shares[0] <= high + 1e-9
        tried += 1
    assert hits >= 101


def coverage(method: str, *, n: int, shown: int, draws: int, groups: int) -> float:
    """Share of random worlds in which all intervals cover."""
    rng = generator(11, "label coverage", method, n, shown, groups)
    names = list("abc")[:groups]
    hits = 0
    for _ in range(draws):
        rates = rng.dirichlet(np.ones(groups), groups) * 0.4 + 0.6 * np.eye(groups)
        shares = rng.dirichlet(np.full(groups, 0.7))
        table = {
            g: dict(zip(names, rng.multinomial(shown, r).tolist(), strict=True))
            for g, r in zip(names, rates, strict=True)
        }
        counts = dict(zip(names, rng.multinomial(n, shares @ rates).tolist(), strict=True))
        try:
            found = correct_labels(counts, table, method=method)
        except InputError:  # an infeasible program counts as a miss
            continue
        ends = [found.interval[g] for g in names]
        hits += all(lo - 1e-9 <= s <= hi + 1e-9 for (lo, hi), s in zip(ends, shares, strict=True))
    return hits / draws


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize(("n", "shown"), [(20, 15), (200, 60)])
def test_exact_intervals_cover(n, shown, groups):
    """Coverage is guaranteed: 150 worlds at 95 % fall below 89 % with probability 0.002."""
    assert coverage("exact", n=n, shown=shown, draws=150, groups=groups) >= 0.89


@pytest.mark.parametrize(
    ("counts", "table", "words"),
    [
        ({"a": 1, "b": 1}, {"a": {"a": 5, "b": 5}, "b": {"a": 3, "b": 3}}, "singular"),
        ({"a": 1, "b": 1}, {"a": {"a": 5}, "b": {"a": 5}}, "at least 2|2 by 2"),
        ({"a": 1, "c": 1}, {"a": {"a": 5}, "b": {"b": 5}}, "counts\\['c'\\]"),
        ({"a": 0, "b": 0}, {"a": {"a": 5}, "b": {"b": 5}}, "zero"),
        ({"a": -1, "b": 3}, {"a": {"a": 5}, "b": {"b": 5}}, "-1"),
        ({}, {"a": {"a": 5}, "b": {"b": 5}}, "empty"),
        ({"a": 1}, {"a": {"a": 0}, "b": {"b": 5}}, "zero"),
        ({"x": 5}, {"a": {"x": 5, "y": 5}, "b": {"x": 1}, "c": {"y": 1}}, "singular"),
    ],
)
def test_hostile_input(counts, table, words):
    with pytest.raises(InputError, match=words):
        correct_labels(counts, table)


def test_readings_that_no_shares_can_give_are_refused():
    table = {"a": {"a": 990, "none": 10}, "b": {"b": 990, "none": 10}}
    with pytest.raises(InputError, match="whatever the shares"):
        correct_labels({"a": 100, "b": 100, "none": 800}, table)
