"""T6 by hand and by linear programming."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from bbb_core import theory
from bbb_core.errors import InputError
from bbb_core.rng import generator


def test_groups_of_no_share_have_no_bound():
    with pytest.raises(InputError, match="leave that group out"):
        theory.label_free_bound([0.1, 0.2], [1.0, 0.0])


def smallest_worst_error(means, shares, margin: float) -> float:
    """Search all truths: the least max_a P_a |t_a - m_a| with every |t_a - t_b| <= margin."""
    k, rows, right = len(means), [], []
    for a in range(k):
        for sign in (1.0, -1.0):  # sign P_a (t_a - m_a) <= e
            row = np.zeros(k + 1)
            row[a], row[k] = sign * shares[a], -1.0
            rows.append(row)
            right.append(sign * shares[a] * means[a])
        for b in range(k):
            if a != b:
                row = np.zeros(k + 1)
                row[a], row[b] = 1.0, -1.0
                rows.append(row)
                right.append(margin)
    cost = np.eye(k + 1)[k]
    found = linprog(cost, A_ub=np.array(rows), b_ub=right, bounds=[(None, None)] * (k + 1))
    return float(found.fun)


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.2])
def test_the_bound_without_labels_is_the_error_at_the_kindest_truth(margin):
    """By linear programming over the truths: some truth attains the bound, and none goes below."""
    for seed in range(8):
        rng = generator(seed, "label free")
        means, shares = rng.uniform(0, 1, 4), rng.dirichlet(np.ones(4))
        found = theory.label_free_bound(means, shares, margin=margin)
        assert found == pytest.approx(smallest_worst_error(means, shares, margin), abs=1e-9)


def test_the_bound_without_labels_by_hand():
    """Groups 0 and 2: (0.6 - 0) / (1 / 0.2 + 1 / 0.5); a truth is blind to groups by default."""
    means, shares = [0.1, 0.3, 0.7], [0.2, 0.3, 0.5]
    assert theory.label_free_bound(means, shares) == pytest.approx(0.6 / 7)
    assert theory.label_free_bound(means, shares, margin=0.25) == pytest.approx(0.35 / 7)
    assert theory.label_free_bound(means, shares, margin=0.6) == pytest.approx(0.0)
    assert theory.label_free_bound(means, shares, margin=5.0) == 0.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.label_free_bound([0.1], [1.0]), "means"),
        (lambda: theory.label_free_bound([0.1, 0.2], [1.0]), "shares has shape"),
        (lambda: theory.label_free_bound([0.1, 0.2], [0.5, 1.5]), "shares is 1.5"),
        (lambda: theory.label_free_bound([0.1, 0.2], [0.5, 0.5], margin=-0.1), "margin is -0.1"),
    ],
)
def test_bad_scores_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
