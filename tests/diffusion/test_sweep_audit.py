"""The audit of a generator by a sweep: the law's parts, the way, the balanced embeddings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from bbb_core.diffusion.sweep_audit import audit_sweep, balanced_embeddings, places, way_points
from bbb_core.errors import InputError

WAY = torch.tensor([3.0, 0.0, 4.0])
A = torch.tensor([1.0, -2.0, 0.5])
POSITIONS = np.linspace(0, 1, 11)


def audited(slope: float, switch: float, neutral: dict, n: int = 100_000):
    b = np.round(n * expit(slope * (POSITIONS - switch)))
    counts = np.stack([n - b, b], axis=1)
    return audit_sweep(neutral, {"a": A, "b": A + WAY}, POSITIONS, counts)


def test_expected_counts_give_back_the_law():
    neutral = {"p": A + 0.25 * WAY + torch.tensor([0.0, 2.5, 0.0]), "q": A + 1.5 * WAY}
    found = audited(6, 0.7, neutral)
    assert found.prompts["position"].tolist() == pytest.approx([0.25, 1.5])
    assert found.prompts["distance"].tolist() == pytest.approx([0.5, 0], abs=1e-6)
    assert found.prompts["begotten"].tolist() == pytest.approx([-1.5, 6], abs=0.02)
    assert found.own.value == pytest.approx(-1.2, abs=0.01)
    assert found.own.low < -1.2 < found.own.high
    assert found.prompts["share"].tolist() == pytest.approx(expit([-2.7, 4.8]), abs=0.01)
    total = found.prompts["begotten"] + found.prompts["own"]
    assert logit(found.prompts["share"]).tolist() == pytest.approx(total.tolist())
    assert found.points["fitted"].tolist() == pytest.approx(
        found.points["share"].tolist(), abs=0.01
    )
    assert found.lack_of_fit > 0.99


def test_balanced_embeddings_lie_at_the_switch():
    found = audited(6, 0.7, {"p": A + 0.25 * WAY + torch.tensor([0.0, 2.5, 0.0])})
    on, moved = found.balanced["on the way"], found.balanced["moved: p"]
    assert torch.allclose(on, A + 0.7 * WAY, atol=0.02)
    assert torch.allclose(moved - on, torch.tensor([0.0, 2.5, 0.0]), atol=1e-5)
    t, _ = places(found.balanced, A, A + WAY)
    assert t == pytest.approx([found.law.switch.value] * 2, abs=1e-6)


def test_a_flat_sweep_is_all_the_generators_own():
    counts = np.full((11, 2), [10, 30])
    found = audit_sweep({"p": A}, {"a": A, "b": A + WAY}, POSITIONS, counts)
    assert found.balanced == {}
    assert found.prompts["begotten"][0] == pytest.approx(0, abs=1e-6)
    assert found.own.value == pytest.approx(np.log(3), abs=0.02)
    even = audit_sweep({"p": A}, {"a": A, "b": A + WAY}, POSITIONS, np.full((11, 2), 10))
    assert even.prompts["share"][0] == pytest.approx(0.5)


def test_points_without_a_reading_have_no_share():
    counts = np.array([[20, 0]] * 5 + [[0, 0]] + [[0, 20]] * 5)
    found = audit_sweep({"p": A}, {"a": A, "b": A + WAY}, POSITIONS, counts)
    assert found.points["share"].isna().tolist() == [False] * 5 + [True] + [False] * 5


def test_tokens_are_joined_slot_by_slot_and_silent_ones_stay():
    """Three tokens, the last of the neutral prompt is padding; those of the groups are not."""
    a, b = torch.zeros(3, 2), torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    points = way_points(a, b, 5)[1]
    assert torch.equal(points[0], a)
    assert torch.equal(points[-1], b)
    assert torch.allclose(points[1], 0.25 * b)
    neutral = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    t = float(places({"p": neutral}, a, b)[0][0])
    assert t == pytest.approx(2 / 10)
    moved = balanced_embeddings({"p": neutral}, a, b, 0.7)["moved: p"]
    assert torch.equal(moved[2], torch.zeros(2))
    assert torch.allclose(moved[:2], neutral[:2] + 0.5 * b[:2])


def test_bad_input_is_refused():
    counts = np.full((11, 2), 10)
    with pytest.raises(InputError, match="exactly two"):
        audit_sweep({"p": A}, {"a": A}, POSITIONS, counts)
    with pytest.raises(InputError, match=r"neutral 'p' has shape \[2\]"):
        places({"p": torch.zeros(2)}, A, A + WAY)
    with pytest.raises(InputError, match="one point"):
        places({"p": A}, A, A)
    with pytest.raises(InputError, match="n is 1; pass at least 2"):
        way_points(A, A + WAY, 1)
