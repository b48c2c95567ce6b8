"""Confusion matrices and agreement between readers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from bbb_book.chapters.emoji_model.agreement import cohen_kappa
from bbb_core.balance.confusion import Confusion, confusion_matrix
from bbb_core.errors import InputError
from bbb_core.rng import generator

TABLE = {"a": {"a": 8, "b": 1, "none": 1}, "b": {"b": 20}}


def test_counts_and_rates():
    found = confusion_matrix(["a"] * 4 + ["b"], ["a", "a", "b", "none", "b"], groups=["a", "b"])
    assert found.labels == ("a", "b", "none")
    np.testing.assert_array_equal(found.counts, [[2, 1, 1], [0, 1, 0]])
    np.testing.assert_allclose(found.rates, [[0.5, 0.25, 0.25], [0, 1, 0]])
    assert Confusion.from_counts(TABLE).counts.tolist() == [[8, 1, 1], [0, 20, 0]]
    assert found.table().loc["a", "none"] == 1


def test_accuracy_is_the_exact_binomial_interval():
    found = Confusion.from_counts(TABLE)
    e = found.accuracy("b")
    assert (e.value, e.high) == (1, 1)
    assert e.low == pytest.approx(0.025 ** (1 / 20))  # Clopper and Pearson with no failure
    assert found.error_bound() == pytest.approx(1 - found.accuracy("a").low)


def test_error_bound_holds_for_all_groups():
    """600 matrices of two groups: the bound holds in at least 95 % (below 92.4 %: rate < 0.005)."""
    rng = generator(0, "error bound")
    held = 0
    for _ in range(600):
        right = rng.uniform(0.7, 1.0, 2)
        hits = rng.binomial(40, right)
        table = {g: {g: int(h), o: int(40 - h)} for g, o, h in zip("ab", "ba", hits, strict=True)}
        held += Confusion.from_counts(table).error_bound() >= 1 - right.min()
    assert held / 600 >= 0.924


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((["a"], ["a", "b"]), "one per image"),
        ((["a", "c"], ["a", "a"]), "true\\[1\\] is 'c'"),
        ((["a", "a"], ["a", "a"]), "no image of group 'b'"),
    ],
)
def test_bad_readings(arguments, words):
    with pytest.raises(InputError, match=words):
        confusion_matrix(*arguments, groups=["a", "b"])


def test_unexpected_label_is_never_a_zero():
    with pytest.raises(InputError, match="read\\[1\\] is 'c'"):
        confusion_matrix(["a", "b"], ["a", "c"], groups=["a", "b"], labels=["a", "b"])


@pytest.mark.parametrize(
    "table",
    [
        {"a": {"a": 3}, "b": {}},
        {"a": {"a": 3}, "b": {"b": 0}},
        {"a": {"a": 3}},
        {"a": {"a": 3}, "b": {"b": -1}},
        {"a": {"a": 3}, "b": {"b": 1.5}},
    ],
)
def test_hostile_tables(table):
    with pytest.raises(InputError):
        Confusion.from_counts(table)


def test_known_rates_must_sum_to_one():
    with pytest.raises(InputError, match=r"sum to 0\.9"):
        Confusion.known({"a": {"a": 0.9}, "b": {"b": 1.0}})
    exact = Confusion.known({"a": {"a": 0.9, "b": 0.1}, "b": {"b": 1.0}})
    np.testing.assert_array_equal(exact.intervals()[..., 0], exact.intervals()[..., 1])


def test_kappa_agrees_with_another_implementation():
    rng = generator(1, "kappa")
    a = rng.choice(["m", "w", "none"], 200).tolist()
    b = [x if rng.random() < 0.7 else "m" for x in a]
    found = cohen_kappa(a, b, n_resamples=99, rng=generator(0))
    assert found.kappa.value == pytest.approx(cohen_kappa_score(a, b))
    assert found.table.sum() == 200


def test_kappa_does_not_care_who_is_first_or_how_labels_are_called():
    a, b = list("xxyyzzxyz") * 3, list("xyyyzxxyz") * 3
    one = cohen_kappa(a, b, n_resamples=9, rng=generator(0)).kappa.value
    two = cohen_kappa(b, a, n_resamples=9, rng=generator(0)).kappa.value
    renamed = cohen_kappa(
        [x + "!" for x in a], [x + "!" for x in b], n_resamples=9, rng=generator(0)
    )
    assert one == pytest.approx(two) == pytest.approx(renamed.kappa.value)


def test_kappa_interval_covers():
    """200 pairs of readers of 150 images, true kappa 0.6: at least 88 % cover.

    The bootstrap covers about 94 % here; below 88 % has probability under 0.001.
    """
    rng = generator(2, "kappa coverage")
    hits = 0
    for _ in range(200):
        truth = rng.random(150) < 0.5
        # each reader errs with probability e on its own: kappa = (1 - 2e)^2 = 0.6
        e = (1 - np.sqrt(0.6)) / 2
        a, b = (np.where(truth ^ (rng.random(150) < e), "x", "y").tolist() for _ in range(2))
        k = cohen_kappa(a, b, n_resamples=199, rng=rng).kappa
        hits += k.low <= 0.6 <= k.high
    assert hits / 200 >= 0.88


def test_kappa_refuses_what_says_nothing():
    with pytest.raises(InputError, match="undefined"):
        cohen_kappa(["a", "a"], ["a", "a"], rng=generator(0))
    with pytest.raises(InputError, match="one per image"):
        cohen_kappa(["a", "a"], ["a"], rng=generator(0))
