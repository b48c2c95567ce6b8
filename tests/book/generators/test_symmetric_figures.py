"""Prompts of figures whose groups a cycle permutes."""

from __future__ import annotations

import pytest
import torch

from bbb_book.generators.symmetric_figures import embed_figure, turn_distance, turn_prompt


def test_the_cycle_of_prompts():
    c = embed_figure(1, 0.5, shapes=3, order=3)
    assert torch.equal(turn_prompt(c, order=3), embed_figure(1, 0.5, shapes=3, group=1, order=3))
    assert torch.equal(turn_prompt(turn_prompt(turn_prompt(c, order=3), order=3), order=3), c)
    assert float((c - turn_prompt(c, order=3)).norm()) == pytest.approx(turn_distance(0.5, order=3))
    neutral = embed_figure(1, 0.0, shapes=3, order=3)
    assert torch.equal(turn_prompt(neutral, order=3), neutral)
