"""Strategies: identities of theorem T5, counterexamples, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_core import alignment
from bbb_core.errors import InputError
from bbb_core.rng import generator


def unit(seed: int, n: int, d: int = 6) -> torch.Tensor:
    rows = torch.from_numpy(generator(seed, "unit", n).standard_normal((n, d)))
    return rows / rows.norm(dim=1, keepdim=True)


@pytest.fixture
def setting():
    prompts = unit(1, 4)
    return unit(0, 50), prompts[0], {"a": prompts[1], "b": prompts[2], "c": prompts[3]}


def test_strategies_by_loops(setting):
    images, neutral, groups = setting
    names = list(groups)
    own = [names[i % 3] for i in range(50)]
    mean = sum(groups.values()) / 3
    for i, v in enumerate(images):
        scores = [float(groups[g] @ v) for g in names]
        expected = {
            "plain": float(neutral @ v),
            "average-then-score": float(mean @ v / mean.norm()),
            "score-then-average": float(np.mean(scores)),
            "subclass-score": max(scores),
        }
        for strategy, value in expected.items():
            found = alignment.alignment_score(images, neutral, groups, strategy=strategy)
            assert float(found[i]) == pytest.approx(value)
        oracle = alignment.alignment_score(
            images, neutral, groups, strategy="subclass-score", image_groups=own
        )
        assert float(oracle[i]) == pytest.approx(scores[names.index(own[i])])


def test_both_averages_differ_by_one_factor(setting):
    images, neutral, groups = setting
    first = alignment.alignment_score(images, neutral, groups, strategy="average-then-score")
    second = alignment.alignment_score(images, neutral, groups, strategy="score-then-average")
    factor = torch.stack(list(groups.values())).mean(dim=0).norm()
    assert torch.allclose(second, factor * first, atol=1e-12)


def test_one_prompt_per_image_equals_one_for_all(setting):
    images, neutral, groups = setting
    many = {g: e.expand(50, -1) for g, e in groups.items()}
    for strategy in alignment.STRATEGIES:
        one = alignment.alignment_score(images, neutral, groups, strategy=strategy)
        each = alignment.alignment_score(images, neutral.expand(50, -1), many, strategy=strategy)
        assert torch.equal(one, each)


def test_symmetric_space_leaves_no_gap_but_the_plain_one():
    """T5: under a swap of the groups that keeps everything else, only plain can see the group."""
    swap = torch.eye(6, dtype=torch.float64)
    swap[0, 0] = -1
    first = unit(2, 200)
    second = first @ swap
    prompt = unit(3, 1)[0]
    groups = {"a": prompt, "b": swap @ prompt}
    neutral = unit(4, 1)[0]
    names = ["a"] * 200 + ["b"] * 200

    def gap(strategy, image_groups=None):
        scores = alignment.alignment_score(
            torch.cat([first, second]), neutral, groups, strategy=strategy,
            image_groups=image_groups,
        )  # fmt: skip
        return float(scores[:200].mean() - scores[200:].mean())

    assert abs(gap("plain")) > 1e-3
    for strategy in alignment.STRATEGIES[1:]:
        assert abs(gap(strategy)) < 1e-12
    assert abs(gap("subclass-score", names)) < 1e-12


def test_predicted_groups(setting):
    images, _, groups = setting
    found = alignment.predict_groups(images, groups)
    scores = torch.stack([images @ e for e in groups.values()])
    assert found == [list(groups)[i] for i in scores.argmax(dim=0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": torch.ones(2, 6)}, "norm"),
        ({"groups": {"a": torch.eye(6)[0]}}, "fewer than two"),
        ({"strategy": "subclass-score", "image_groups": ["z"] * 50}, "pass one of a, b, c"),
        ({"strategy": "subclass-score", "image_groups": ["a"]}, "one per image"),
        ({"strategy": "plain", "image_groups": ["a"] * 50}, "not used by plain"),
        ({"neutral": torch.eye(5)[0]}, "like the images"),
        (
            {"strategy": "average-then-score",
             "groups": {"a": torch.eye(6)[0], "b": -torch.eye(6)[0]}},
            "no direction",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_named(setting, arguments, message):
    images, neutral, groups = setting
    given = {"images": images, "neutral": neutral, "groups": groups} | arguments
    with pytest.raises(InputError, match=message):
        alignment.alignment_score(**given)
