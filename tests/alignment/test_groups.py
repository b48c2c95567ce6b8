"""Groups over rows: labels of every kind, intersections, and work that is linear in groups."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bbb_core.alignment.gaps import group_gaps
from bbb_core.alignment.groups import group_table
from bbb_core.errors import InputError
from bbb_core.rng import generator

TRUTH = [True, None, False, True]


@pytest.mark.parametrize(
    "labels",
    [
        TRUTH,
        np.array(TRUTH, dtype=object),
        pd.array(TRUTH, dtype="boolean"),
        pd.Series(TRUTH, index=[5, 6, 7, 8]),
        pd.Categorical(TRUTH),
        pa.array(TRUTH),
        pa.array(["True", None, "False", "True"]).dictionary_encode(),
        ["True", " ", "False", "True"],
        ["True", float("nan"), "False", "True"],
    ],
    ids=lambda x: type(x).__name__,
)
def test_truth_values_are_two_groups_however_they_are_held(labels):
    table = group_table({"x": labels}, 4)
    assert table.names == ("x=False", "x=True")
    assert table.mask("x=True").tolist() == [True, False, False, True]
    assert table.mask("x=False").tolist() == [False, False, True, False]


def test_a_mask_makes_two_groups():
    table = group_table({"x": np.array([True, True, False]), "g": ["a", None, "a"]}, 3)
    assert table.names == ("x=False", "x=True", "g=a", "x=False & g=a", "x=True & g=a")
    assert table.mask("x=True & g=a").tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["NA", "None", "nan", "null"], ("NA", "None", "nan", "null")),
        (pd.array([3, None, 1, 3], dtype="Int64"), ("1", "3")),
        (pd.array(["b", pd.NA, "a", "b"], dtype="string"), ("a", "b")),
        (np.array([3, 1, 1, 2]), ("1", "2", "3")),
    ],
    ids=["words", "Int64", "string", "integers"],
)
def test_labels_are_what_is_written(labels, names):
    assert group_table(labels, 4).names == names


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([["a"], ["b"], ["a"]], "one label per row"),
        ([["a"], ["a", "b"], []], "lists"),
        (pd.Series([["a"], ["b"], []]), "lists"),
        ({"g": {"a": 1}}, "one label per row"),
        ({1: ["a"] * 3, "1": ["b"] * 3}, "twice"),
        (pd.DataFrame([["a", "b"]] * 3, columns=["g", "g"]), "twice"),
        ({"g": ["a & h=b"] * 3, "h": ["c"] * 3, "g=a & h": ["b"] * 3}, "two groups"),
        ([None, float("nan"), " "], "no labelled row"),
    ],
)
def test_what_no_label_is_gets_one_line(groups, message):
    with pytest.raises(InputError, match=message):
        group_table(groups, 3)


def test_intersections_are_those_of_the_rows():
    rng = generator(3, "groups")
    labels = {k: rng.integers(0, m, 400) for k, m in zip("abc", (2, 3, 4), strict=True)}
    labels["b"] = np.where(rng.random(400) < 0.1, None, labels["b"].astype(object))
    table = group_table(labels, 400, order=3)
    brute = {}
    for size in (1, 2, 3):
        for chosen in itertools.combinations("abc", size):
            for row in range(400):
                picks = [labels[k][row] for k in chosen]
                if None not in picks:
                    key = " & ".join(f"{k}={v}" for k, v in zip(chosen, picks, strict=True))
                    brute.setdefault(key, np.zeros(400, bool))[row] = True
    assert set(table.names) == set(brute)
    for name, mask in brute.items():
        assert (table.mask(name) == mask).all()
    values = rng.standard_normal(400)
    per_pattern = np.bincount(table.patterns, values, table.members.shape[1])
    sums = table.sums(per_pattern[None])[0]
    np.testing.assert_allclose(sums, [values[brute[name]].sum() for name in table.names])


def test_many_groups_take_memory_in_proportion(monkeypatch):
    monkeypatch.setattr("bbb_core.alignment.groups.MOST_GROUPS", 100_000)
    n = 200_000
    table = group_table({"g": np.arange(n) % 10_000, "h": np.arange(n) % 7}, n)
    assert len(table.names) == 10_000 + 7 + 70_000
    assert table.members.nnz == 3 * table.members.shape[1] <= 3 * n


def test_too_many_pairs_are_refused():
    with pytest.raises(InputError, match="20100 pairs"):
        group_gaps(np.arange(804.0), np.arange(804) % 201, minimum_support=4)


@pytest.mark.parametrize("levels", [2_001, 200_000])
def test_too_many_groups_are_refused_before_they_take_memory(levels):
    with pytest.raises(InputError, match=r"at most 2000 can be compared"):
        group_table(np.arange(200_000) % levels, 200_000)
