"""One certificate for many cells: never below the truth, no price for the number of cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_book.chapters.fairness_criteria.finite_generator import total_variation
from bbb_book.data.procedural import read_groups
from bbb_book.generators.symmetric_figures import embed_figure, turn_distance, turn_prompt
from bbb_core.diffusion.joint_commitment import (
    JointCommitment,
    Reading,
    joint_certificates,
    reading_distance,
)
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.diffusion.sampling import DenoiserProcess
from bbb_core.errors import InputError
from bbb_core.rng import generator, torch_generator
from bbb_core.stats.mean_limits import betting_limit


@pytest.fixture(scope="module")
def process():
    config = NetworkConfig(embedding_dim=6, resolution=8, channels=(8, 16), groups=4)
    model = build_denoiser(config, seed=1)
    model.project.weight.data.normal_(generator=torch_generator(9))
    return DenoiserProcess(model, steps=4)


def colour(images):
    return read_groups(images, group_count=3, margin=0.0)


def fine(images):
    """Colour and brighter half: six values, of which colour is a function."""
    left = images[..., : images.shape[-1] // 2].mean((1, 2, 3))
    right = images[..., images.shape[-1] // 2 :].mean((1, 2, 3))
    return 2 * colour(images) + (left > right)


READINGS = {"colour": Reading(colour, 3), "fine": Reading(fine, 6)}


def test_every_union_of_cells_is_below_the_bound(process):
    """Level 0.95, one draw with a fixed seed; the lower limits fail with chance at most 0.05."""
    a, b = embed_figure(0, 0.1, shapes=3, order=3), embed_figure(0, 0.1, shapes=3, group=1, order=3)
    made = joint_certificates(
        process, a, b, readings=READINGS, n=60, pilot=20, cuts=[1, 2, 3], seed=0
    )
    for found in made.values():
        assert isinstance(found, JointCommitment)
        assert found.distance_interval[0] <= found.bound <= 1
        shares = found.counts / found.counts.sum(1, keepdims=True)
        gaps = shares[0] - shares[1]
        subsets = (np.arange(2 ** len(gaps))[:, None] >> np.arange(len(gaps))) & 1
        assert np.abs(subsets @ gaps).max() == pytest.approx(found.distance)
        assert found.bound == pytest.approx(min(1.0, found.law_bound + found.change_bound))
    colours = made["fine"].counts.reshape(2, 3, 2).sum(2)
    assert (colours == made["colour"].counts).all()
    assert made["colour"].distance <= made["fine"].distance + 1e-12


def test_equal_prompts_have_no_distance(process):
    c = embed_figure(1, 0.2, shapes=3, order=3)
    made = joint_certificates(process, c, c, readings=READINGS, n=40, pilot=20, cuts=[2], seed=1)
    for found in made.values():
        zeros = np.zeros(80)  # the paths of both prompts never part
        assert found.law_bound == betting_limit(zeros, bound=1.0, confidence=1 - 0.05 / 2)
        assert found.distance_interval[0] == 0
        upper = 2 * (1 - 0.0125 ** (1 / 40))  # no change seen in 40 paths, both prompts
        assert found.change_bound == pytest.approx(upper)


def test_distance_limits_cover():
    """200 pairs of samples; fewer than 180 covered has chance below 0.002 at level 0.95."""
    stream = generator(0, "distance")
    p, q = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.3, 0.2, 0.4])
    hits = 0
    for _ in range(200):
        x, y = stream.multinomial(80, p), stream.multinomial(120, q)
        value, low, high = reading_distance(x, y)
        assert value == pytest.approx(total_variation(x / 80, y / 120))
        hits += low <= total_variation(p, q) <= high
    assert hits >= 180


def test_no_reader_is_refused(process):
    c = embed_figure(0, 0.0, shapes=3, order=3)
    with pytest.raises(InputError, match="readings is empty"):
        joint_certificates(process, c, c, readings={}, n=20, cuts=[1], seed=0)


def test_the_cycle_of_prompts():
    c = embed_figure(1, 0.5, shapes=3, order=3)
    assert torch.equal(turn_prompt(c, order=3), embed_figure(1, 0.5, shapes=3, group=1, order=3))
    assert torch.equal(turn_prompt(turn_prompt(turn_prompt(c, order=3), order=3), order=3), c)
    assert float((c - turn_prompt(c, order=3)).norm()) == pytest.approx(turn_distance(0.5, order=3))
    neutral = embed_figure(1, 0.0, shapes=3, order=3)
    assert torch.equal(turn_prompt(neutral, order=3), neutral)
