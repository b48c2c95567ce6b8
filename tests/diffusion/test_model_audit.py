"""Audit of a generator by certificates: against the oracle, whose shares are exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_core.diffusion import certificate, two_group_oracle
from bbb_core.diffusion.model_audit import audit_model, least_delta
from bbb_core.errors import InputError


def weight(w: float) -> torch.Tensor:
    return torch.tensor([w], dtype=torch.float64)


@pytest.mark.parametrize("w", [0.5, 0.7, 0.9])
def test_certified_shares_hold_on_the_oracle(w):
    """Groups are drawn exactly with the condition's weight, so delta = .05 is true of .95, .05.

    The bounds hold together at .999; over three weights the false-fail rate is below .003.
    """
    groups = {"first": weight(0.95), "second": weight(0.05)}
    found = audit_model(
        two_group_oracle(steps=30), weight(w), groups, n=400, delta=0.05, confidence=0.999
    )
    least = found.by_group["share_at_least"].to_numpy()
    assert least[0] <= w
    assert least[1] <= 1 - w
    assert not found.refuted
    assert found.imbalance_at_least <= w - 0.5 + 1e-9
    assert found.guarantee == "distribution-free"


def test_a_close_prompt_is_certified_as_imbalanced():
    groups = {"first": weight(0.95), "second": weight(0.05)}
    found = audit_model(two_group_oracle(steps=30), weight(0.93), groups, n=2000, delta=0.05)
    assert found.imbalance_at_least > 0.25


def test_prompts_that_the_model_ignores_refute_their_separation():
    """The groups' prompts fail in .49 and .49 of their images; nothing that needs .05 is said."""
    groups = {"first": weight(0.51), "second": weight(0.49)}
    found = audit_model(two_group_oracle(steps=30), weight(0.5), groups, n=400, delta=0.05)
    assert found.refuted
    assert 0.45 < found.delta_at_least <= 0.49
    assert found.imbalance_at_least is None
    assert found.by_group[["share_at_least", "imbalance_at_least"]].isna().all(axis=None)
    assert (found.by_group["tv_upper"] < 0.05).all()
    true = audit_model(two_group_oracle(steps=30), weight(0.5), groups, n=400, delta=0.49)
    assert not true.refuted
    assert true.by_group["share_at_least"].between(0, 0.51).all()


def test_bounds_of_all_groups_hold_together():
    """Each group's certificate pays for its share of the error: 1 - alpha / groups."""
    groups = {"first": weight(0.9), "second": weight(0.2), "third": weight(0.5)}
    process = two_group_oracle(steps=10)
    found = audit_model(process, weight(0.6), groups, n=50, seed=3)
    for row, (name, condition) in zip(found.by_group.itertuples(), groups.items(), strict=True):
        alone = certificate(process, weight(0.6), condition, n=50, seed=3, confidence=1 - 0.05 / 3)
        assert (row.group, row.tv_upper) == (name, alone.tv_bound)
        assert (row.tv_low, row.tv_high) == alone.interval


@pytest.mark.parametrize("bounds", [[0.1, 0.2], [0.5, 0.6], [0.05, 0.4, 0.9], [0.0, 0.0, 0.0, 0.3]])
def test_the_least_separation_error_is_where_the_shares_sum_to_one(bounds):
    grid = np.linspace(0, 1, 100_001)[:, None]
    possible = (1 - grid - np.array(bounds)).clip(min=0).sum(1) <= 1
    assert least_delta(np.array(bounds)) == pytest.approx(grid[possible.argmax(), 0], abs=1e-5)


def test_bad_input_is_named():
    process = two_group_oracle(steps=10)
    with pytest.raises(InputError, match="at least two groups"):
        audit_model(process, weight(0.5), {"only": weight(0.5)})
    with pytest.raises(InputError, match=r"groups\['b'\] has shape \[2\]"):
        audit_model(process, weight(0.5), {"a": weight(0.5), "b": torch.zeros(2).double()})
    with pytest.raises(InputError, match="n is 19"):
        audit_model(process, weight(0.5), {"a": weight(0.5), "b": weight(0.4)}, n=19)
    with pytest.raises(InputError, match="delta"):
        audit_model(process, weight(0.5), {"a": weight(0.5), "b": weight(0.4)}, delta=1.5)
