"""Labels of Dawid and Skene: against another implementation, brute force and the truth."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest

from bbb_core.balance.annotators import dawid_skene, majority_shares
from bbb_core.errors import InputError


def readings(seed, *, items=150, readers=8, each=4, worst=0.45):
    rng = np.random.default_rng(seed)
    truth, error = rng.integers(0, 2, items), rng.uniform(0.02, worst, readers)
    rows = []
    for i in range(items):
        for j in rng.choice(readers, each, replace=False):
            wrong = rng.random() < error[j]
            rows.append((i, f"r{j}", "ab"[truth[i] ^ wrong]))
    return pd.DataFrame(rows, columns=["task", "worker", "label"]), truth


def crowd_kit(data, steps, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from crowdkit.aggregation.classification.dawid_skene import DawidSkene

        made = DawidSkene(n_iter=steps, **options).fit(data)
    return made.probas_.sort_index().sort_index(axis=1).to_numpy(), len(made.loss_history_)


def test_it_ends_where_an_independent_em_ends_that_is_not_stopped_early():
    data, _ = readings(3)
    ours = dawid_skene(data["task"], data["worker"], data["label"])
    assert ours.converged
    theirs, _ = crowd_kit(data, 2 * ours.iterations, tol=-np.inf)
    np.testing.assert_allclose(ours.posterior.to_numpy(), theirs, atol=1e-3)
    early, steps = crowd_kit(data, 100)  # its own rule stops while labels still move
    assert steps < ours.iterations
    assert np.abs(early - theirs).max() > 0.02


def test_the_likelihood_is_the_largest_of_a_grid():
    """Two readers, one label pattern each: brute force over prior and error rates."""
    items = np.repeat(np.arange(40), 2)
    readers = np.tile(["x", "y"], 40)
    answers = np.array(["a", "a"] * 18 + ["b", "b"] * 16 + ["a", "b"] * 6)
    ours = dawid_skene(items, readers, answers)
    best = -np.inf
    grid = np.linspace(0.01, 0.99, 15)
    for p, xa, xb, ya, yb in itertools.product(grid, grid, grid, grid, grid):
        aa = p * xa * ya + (1 - p) * xb * yb
        bb = p * (1 - xa) * (1 - ya) + (1 - p) * (1 - xb) * (1 - yb)
        ab = p * xa * (1 - ya) + (1 - p) * xb * (1 - yb)
        best = max(best, 18 * np.log(aa) + 16 * np.log(bb) + 6 * np.log(ab))
    assert ours.log_likelihood >= best - 1e-9


def test_readers_who_err_little_count_more():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 1000)
    error = np.array([0.02, 0.02, 0.45, 0.45, 0.45])
    wrong = rng.random((1000, 5)) < error
    answers = truth[:, None] ^ wrong
    found = dawid_skene(np.repeat(range(1000), 5), np.tile(range(5), 1000), answers.ravel())
    right = (found.posterior.to_numpy().argmax(axis=1) == truth).mean()
    votes = majority_shares(np.repeat(range(1000), 5), answers.ravel()).to_numpy().argmax(axis=1)
    assert right > 0.95 > (votes == truth).mean()
    off = 1 - np.array([[found.errors.loc[(j, k), k] for k in (0, 1)] for j in range(5)])
    assert np.abs(off - error[:, None]).max() < 0.1  # about four standard errors


def test_labels_that_do_not_settle_are_reported():
    data, _ = readings(3)
    assert not dawid_skene(data["task"], data["worker"], data["label"], iterations=3).converged


def test_names_and_order_of_readings_do_not_matter():
    data, _ = readings(5)
    mixed = data.sample(frac=1, random_state=1)
    one = dawid_skene(data["task"], data["worker"], data["label"])
    two = dawid_skene(mixed["task"], mixed["worker"], mixed["label"].map({"a": "z", "b": "y"}))
    np.testing.assert_allclose(one.posterior["a"], two.posterior["z"], atol=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (([], [], []), "items is empty"),
        (([1, 2], ["x"], ["a", "b"]), "have 2, 1 and 2 entries"),
        (([1, None], ["x", "x"], ["a", "b"]), "items is missing at reading 1"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        dawid_skene(*call)
