"""The sampling floor and the two estimates that bracket the imbalance (D2)."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbb_book.chapters.published_generations.expected_estimates import expected_estimates
from bbb_core.balance import plug_in_imbalance, sampling_floor, split_half_imbalance
from bbb_core.errors import InputError
from bbb_core.rng import generator


def enumerated(n: int, share: list[float], statistic) -> float:
    """Expectation by the sum over all counts, the multinomial law written out."""
    total = 0.0
    for counts in itertools.product(range(n + 1), repeat=len(share)):
        if sum(counts) != n:
            continue
        ways = math.factorial(n)
        for c in counts:
            ways //= math.factorial(c)
        chance = ways * math.prod(s**c for s, c in zip(share, counts, strict=True))
        total += chance * statistic(counts)
    return total


def tv(share, target) -> float:
    return max(
        sum(share[a] - target[a] for a in chosen)
        for size in range(len(share) + 1)
        for chosen in itertools.combinations(range(len(share)), size)
    )


@pytest.mark.parametrize("target", [(0.5, 0.5), (0.2, 0.8), (1 / 3, 1 / 3, 1 / 3), (0.5, 0.5, 0)])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_floor_is_the_expected_imbalance_at_balance(n, target):
    def imbalance(counts):
        return sum(abs(c / n - t) for c, t in zip(counts, target, strict=True)) / 2

    expected = enumerated(n, list(target), imbalance)
    assert sampling_floor(n, target=target) == pytest.approx(expected, abs=1e-13)


def test_floor_of_many_images_follows_the_normal_law():
    n = np.array([10_000, 1_000_000])
    np.testing.assert_allclose(
        sampling_floor(n) * np.sqrt(n), 1 / math.sqrt(2 * math.pi), rtol=1e-3
    )


def direct(counts, target) -> float:
    """The definition, one way to halve the images at a time."""
    images = [a for a, c in enumerate(counts) for _ in range(c)]
    n, found = len(images), []
    for half in itertools.combinations(range(n), n // 2):
        first = [images[i] for i in half]
        rest = [images[i] for i in range(n) if i not in half]
        chosen = {a for a, t in enumerate(target) if first.count(a) > len(first) * t + 1e-12}
        share = sum(rest.count(a) for a in chosen) / len(rest)
        found.append(share - sum(target[a] for a in chosen))
    return sum(found) / len(found)


@pytest.mark.parametrize("target", [(0.5, 0.5), (0.25, 0.75), (0.2, 0.3, 0.5), (0.5, 0.5, 0.0)])
def test_split_half_is_its_definition(target):
    rng = generator(1, "split half")
    for _ in range(20):
        counts = rng.integers(0, 5, len(target)) + np.eye(len(target), dtype=int)[0]
        found = split_half_imbalance([counts], target=target)[0]
        assert found == pytest.approx(direct(counts.tolist(), target), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(2, 7),
    weights=st.lists(st.integers(0, 9), min_size=2, max_size=3).filter(lambda w: sum(w) > 0),
    targets=st.lists(st.integers(1, 9), min_size=3, max_size=3),
)
def test_bracket(n, weights, targets):
    """E T <= imbalance <= E plug-in for every law, target and number of groups (thm-bracket)."""
    share = [w / sum(weights) for w in weights]
    target = [t / sum(targets[: len(share)]) for t in targets[: len(share)]]
    truth = tv(share, target)
    low = enumerated(n, share, lambda c: split_half_imbalance([c], target=target)[0])
    high = enumerated(n, share, lambda c: plug_in_imbalance([c], target=target)[0])
    assert low <= truth + 1e-9
    assert truth <= high + 1e-9


@pytest.mark.parametrize("share", [(0.5, 0.5), (0.2, 0.3, 0.5)])
def test_split_half_is_unbiased_at_balance(share):
    mean = enumerated(6, list(share), lambda c: split_half_imbalance([c], target=share)[0])
    assert mean == pytest.approx(0, abs=1e-12)


def test_expected_estimates_agree_with_enumeration():
    plug_in, split = expected_estimates(5, [0.5, 0.7])
    for i, s in enumerate((0.5, 0.7)):
        assert plug_in[i] == pytest.approx(
            enumerated(5, [1 - s, s], lambda c: abs(c[1] / 5 - 0.5)), abs=1e-12
        )
        assert split[i] == pytest.approx(
            enumerated(5, [1 - s, s], lambda c: direct(c, (0.5, 0.5))), abs=1e-12
        )


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=1, max_size=4),
    weights=st.lists(st.integers(0, 5), min_size=3, max_size=3).filter(any),
)
def test_split_half_never_exceeds_plug_in(rows, weights):
    counts = np.array(rows) + np.array([1, 0, 0])
    target = np.array(weights) / sum(weights)
    split, plug_in = (f(counts, target=target) for f in (split_half_imbalance, plug_in_imbalance))
    assert (split <= plug_in + 1e-12).all()


def test_halves_of_many_images_need_no_long_sum():
    """A million images: the law of a half is summed near its mean only, to full precision."""
    n = 10**6
    found = split_half_imbalance([[n // 2 + 500, n // 2 - 500], [n, 0], [n // 2, n // 2]])
    z = 1.0  # standard deviations from balance; two halves are nearly normal
    phi, normal = math.exp(-z * z / 2) / math.sqrt(2 * math.pi), math.erf(z / math.sqrt(2))
    assert found[0] == pytest.approx((z * normal - 2 * phi) / (2 * math.sqrt(n)), rel=1e-3)
    assert found[1] == pytest.approx(0.5, abs=1e-12)
    assert found[2] == pytest.approx(-2 / math.sqrt(2 * math.pi) / (2 * math.sqrt(n)), rel=2e-3)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([[1, -1]], "row 0 holds -1"),
        ([[1.5, 2]], "whole counts"),
        ([[1, 2], [0, 0]], "row 1 counts nothing"),
        ([[3]], "one column"),
        ([[1, float("nan")]], "nan"),
        ([1, 2], "matrix"),
    ],
)
def test_bad_counts_are_named(counts, words):
    with pytest.raises(InputError, match=words):
        plug_in_imbalance(counts)


def test_one_image_says_nothing():
    assert split_half_imbalance([[1, 0], [0, 1]]).tolist() == [0.0, 0.0]


def test_target_must_fit():
    with pytest.raises(InputError, match="3 shares"):
        plug_in_imbalance([[1, 2]], target=[0.2, 0.3, 0.5])
    with pytest.raises(InputError, match="at least 1"):
        sampling_floor(0)
