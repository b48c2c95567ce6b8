"""Simultaneous intervals, adjusted tests and changes over many prompts."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from bbb_core.balance.by_prompt import (
    balance_by_prompt,
    balance_p_values,
    change_by_prompt,
    corrected_by_prompt,
)
from bbb_core.balance.confusion import Confusion
from bbb_core.errors import InputError
from bbb_core.rng import generator


def tail(k: int, n: int) -> float:
    return sum(math.comb(n, j) for j in range(k, n + 1)) / 2**n


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (3, 5), (131, 250), (125, 250)])
def test_p_value_is_the_doubled_binomial_tail(k, n):
    expected = min(1.0, 2 * tail(max(k, n - k), n))
    assert balance_p_values([[n - k, k]])[0] == pytest.approx(expected, rel=1e-9)


def test_tests_keep_their_level():
    """2,000 balanced sets of 40 prompts: any Holm rejection in at most 5 % of the sets.

    Exact tests are conservative; a rate above 6.5 % has probability below 0.002 at 5 %.
    """
    rng = generator(3, "level")
    woman = rng.binomial(60, 0.5, (2000, 40))
    p = balance_p_values(np.stack([60 - woman.ravel(), woman.ravel()], axis=1)).reshape(2000, 40)
    assert (40 * p.min(axis=1) <= 0.05).mean() <= 0.065


def test_intervals_cover_together():
    """400 tables of 20 prompts: all 20 intervals cover in at least 95 % (false-fail below 1e-3:
    coverage is guaranteed, and 400 draws at 95 % fall below 91 % with that probability)."""
    rng = generator(4, "cover")
    covered = 0
    for _ in range(400):
        share = rng.uniform(0.02, 0.98, 20)
        woman = rng.binomial(30, share)
        table = balance_by_prompt(np.stack([30 - woman, woman], axis=1))
        truth = np.abs(share - 0.5)
        covered += bool(((table["low"] <= truth) & (truth <= table["high"])).all())
    assert covered / 400 >= 0.91


def test_none_of_these_counts_as_imbalance():
    table = balance_by_prompt([[50, 50, 0], [40, 40, 20]], target=[0.5, 0.5, 0])
    np.testing.assert_allclose(table["imbalance"], [0, 0.2])
    assert table["low"].iloc[0] == 0
    assert table["low"].iloc[1] > 0


def test_none_of_these_is_not_tested_but_covered():
    p = balance_p_values([[50, 50, 1], [0, 0, 5], [0, 9, 1]], target=[0.5, 0.5, 0])
    assert p[:2].tolist() == [1, 1]
    assert p[2] == pytest.approx(2 / 2**9)


def test_swapping_groups_changes_nothing():
    x = np.array([[3, 17], [10, 10], [20, 0]])
    a, b = balance_by_prompt(x), balance_by_prompt(x[:, ::-1])
    np.testing.assert_allclose(a.to_numpy(), b.to_numpy(), atol=1e-12)


def test_change_verdicts():
    before = [[500, 500], [1000, 0], [480, 520], [100, 900]]
    after = [[1000, 0], [500, 500], [500, 500], [900, 100]]
    table = change_by_prompt(before, after, prompts=list("abcd"))
    # the last prompt changes sides: a great change of the shares, none of the imbalance
    assert table["verdict"].tolist() == ["further", "closer", "not resolved", "not resolved"]
    assert table.loc["a", "change"] == pytest.approx(0.5)


def test_change_is_antisymmetric():
    x, y = [[30, 70], [5, 5]], [[60, 40], [9, 1]]
    there, back = change_by_prompt(x, y), change_by_prompt(y, x)
    np.testing.assert_allclose(there["low"], -back["high"], atol=1e-12)


def test_no_change_is_seldom_called_one():
    """300 unchanged tables of 10 prompts: any verdict in at most 5 % (guaranteed; the limit 9 % is
    passed with probability below 0.002 at 5 %)."""
    rng = generator(5, "unchanged")
    wrong = 0
    for _ in range(300):
        share = rng.uniform(0.05, 0.95, 10)
        x, y = rng.binomial(40, share), rng.binomial(25, share)
        table = change_by_prompt(np.stack([40 - x, x], 1), np.stack([25 - y, y], 1))
        wrong += bool((table["verdict"] != "not resolved").any())
    assert wrong / 300 <= 0.09


def test_bad_pairs():
    with pytest.raises(InputError, match="pair the prompts"):
        change_by_prompt([[1, 2]], [[1, 2], [3, 4]])
    with pytest.raises(InputError, match="twice"):
        balance_by_prompt([[1, 2], [3, 4]], prompts=["x", "x"])
    with pytest.raises(InputError, match="3 names"):
        balance_by_prompt([[1, 2], [3, 4]], prompts=["x", "y", "z"])


def errors(right: int) -> Confusion:
    """Return a reader of men and women that is right in so many of 100 images of each."""
    return Confusion.from_counts({
        "man": {"man": right, "woman": 100 - right, "none": 0},
        "woman": {"man": 100 - right, "woman": right, "none": 0},
        "none": {"man": 0, "woman": 0, "none": 100},
    })  # fmt: skip


def readings(*rows: list[int]) -> pd.DataFrame:
    index = pd.Index([f"prompt {i}" for i in range(len(rows))], name="prompt")
    return pd.DataFrame(list(rows), columns=["man", "woman", "none"], index=index)


HALVES = {"man": 0.5, "woman": 0.5}


def test_a_reader_that_never_errs_changes_no_imbalance():
    counts = readings([30, 10, 0], [5, 5, 10], [20, 20, 0])
    made = corrected_by_prompt(counts, errors(100), target=HALVES)
    target = [0.5, 0.5, 0.0]
    plain = balance_by_prompt(counts.to_numpy(), prompts=list(counts.index), target=target)
    assert made["imbalance"].to_numpy() == pytest.approx(plain["imbalance"].to_numpy())
    assert (made["low"] <= made["imbalance"]).all()
    assert (made["imbalance"] <= made["high"]).all()


def test_errors_are_taken_out():
    """A reader that is right in 80 % reads 68 of 100 where 80 are men: .8 * .8 + .2 * .2."""
    made = corrected_by_prompt(readings([68, 32, 0]), errors(80), target=HALVES)
    assert made.loc["prompt 0", ["man share", "imbalance"]].tolist() == pytest.approx([0.8, 0.3])


def test_the_interval_bounds_the_imbalance_of_every_share_within_theirs(seeds):
    source = np.random.default_rng(seeds[0])
    counts = readings(*source.integers(0, 40, (4, 3)).tolist())
    made = corrected_by_prompt(counts, errors(85), target=HALVES)
    for _, row in made.iterrows():
        ends = np.array([[row[f"{g} low"], row[f"{g} high"]] for g in ("man", "woman", "none")])
        shares = source.dirichlet(np.ones(3), 4000)
        inside = shares[((shares >= ends[:, 0]) & (shares <= ends[:, 1])).all(axis=1)]
        assert len(inside)
        distance = np.abs(inside - [0.5, 0.5, 0.0]).sum(axis=1) / 2
        assert distance.min() >= row["low"] - 1e-9
        assert distance.max() <= row["high"] + 1e-9


def test_readings_that_no_shares_explain_are_missing_not_an_error():
    never = Confusion.from_counts({
        "man": {"man": 5000, "woman": 0, "none": 0}, "woman": {"man": 0, "woman": 5000, "none": 0},
    })  # fmt: skip
    made = corrected_by_prompt(readings([0, 0, 500], [10, 10, 0]), never, target=HALVES)
    assert made["imbalance"].isna().tolist() == [True, False]
    assert made.loc["prompt 0"].isna().all()
    with pytest.raises(InputError, match="singular"):
        corrected_by_prompt(readings([1, 1, 0]), errors(50), target=HALVES)
