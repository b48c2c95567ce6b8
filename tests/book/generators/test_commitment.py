"""Commitment: never below the truth, no price for the number of values that are read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from bbb_book.chapters.fairness_criteria.finite_generator import total_variation
from bbb_book.data.procedural import read_groups
from bbb_book.generators.commitment import (
    Commitment,
    CoupledRun,
    Reading,
    certify_reading,
    coupled_pair,
    coupled_run,
    joint_commitment,
    law_bound,
    reading_distance,
)
from bbb_book.generators.symmetric_figures import embed_figure
from bbb_core import rng
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.diffusion.path_tv import certificate, path_advantages
from bbb_core.diffusion.sampling import DenoiserProcess
from bbb_core.errors import InputError
from bbb_core.stats.mean_limits import betting_limit

STEPS = 6


@pytest.fixture(scope="module")
def process():
    config = NetworkConfig(embedding_dim=6, resolution=8, channels=(8, 16), groups=4)
    model = build_denoiser(config, seed=1)
    noise = torch.randn(model.project.weight.shape, generator=rng.torch_generator(9))
    model.project.weight.data.copy_(0.3 * noise)
    return DenoiserProcess(model, steps=STEPS)


@pytest.fixture(scope="module")
def prompts():
    return torch.randn(3, 6, generator=rng.torch_generator(5))


def bright(images):
    return images.mean((1, 2, 3)) > 0.5


def certify(process, a, b, *, n, early="tail"):
    readings = {"bright": Reading(bright, 2, early=early)}
    return joint_commitment(process, a, b, readings=readings, n=n, pilot=20, seed=0)["bright"]


def test_a_tail_under_the_own_prompt_changes_nothing(process, prompts):
    run = coupled_run(
        process, prompts[0], prompts[1], prompts[0], n=4, seed=0, cuts=[4, 1], key="run"
    )
    for k in (4, 1):
        assert torch.allclose(run.tails[k], run.images, atol=1e-5)
    assert run.log_ratios.shape == (4, STEPS)


def test_the_law_bound_agrees_with_the_certificate(process, prompts):
    """Two independent samples: path TV within five standard errors, at two cuts."""
    near = prompts[0] + 0.2 * (prompts[1] - prompts[0])
    runs = coupled_pair(process, prompts[0], near, prompts[2], n=150, seed=0, cuts=[2], key="test")
    for stop in (0, 2):
        ours = [run.log_ratios[:, stop:].sum(1).numpy() for run in runs]
        values = path_advantages(*ours, coins=rng.generator(0, "coins"))
        theirs = certificate(process, prompts[0], near, n=150, seed=1, stop=stop)
        assert abs(values.mean() - theirs.tv) < 5 * values.std() * (2 / 300) ** 0.5
        bound = law_bound(runs, stop, confidence=0.9, coins=rng.generator(0, "coins"))
        assert bound == betting_limit(values, bound=1.0, confidence=0.9)


def test_a_tail_from_the_first_step_is_the_common_prompt(process, prompts):
    run = coupled_run(
        process, prompts[0], prompts[1], prompts[2], n=4, seed=0, cuts=[STEPS], key="run"
    )
    whole = coupled_run(
        process, prompts[2], prompts[1], prompts[2], n=4, seed=0, cuts=[1], key="run"
    )
    assert torch.allclose(run.tails[STEPS], whole.images, atol=1e-5)


@pytest.mark.parametrize("early", ["tail", "predicted"])
def test_the_certificate_is_not_contradicted(process, prompts, early):
    near = prompts[0] + 0.05 * (prompts[1] - prompts[0])
    made = certify(process, prompts[0], near, n=60, early=early)
    assert 0 <= made.law_bound <= 1
    assert made.bound >= made.distance_interval[0]
    assert made.bound <= made.law_bound + made.change_bound + 1e-12
    low, high = made.distance_interval
    assert low <= made.distance <= high


def test_the_law_bound_counts_the_steps_above_the_cut_alone():
    ratios = torch.zeros(30, 4, dtype=torch.float64)
    ratios[:, 1] = 50.0  # step 2 tells everything
    runs = (CoupledRun(torch.zeros(30), {}, {}, ratios),) * 2
    coins = rng.generator(0, "coins")
    zeros = betting_limit(np.zeros(60), bound=1.0, confidence=0.9)
    assert law_bound(runs, 2, confidence=0.9, coins=coins) == zeros
    assert law_bound(runs, 1, confidence=0.9, coins=coins) == 1


def test_equal_prompts_cost_only_the_intervals(process, prompts):
    """No divergence and no change: what is left are limits of zeros, each at half of alpha."""
    made = certify(process, prompts[0], prompts[0], n=200)
    zeros = np.zeros(400)
    assert made.law_bound == betting_limit(zeros, bound=1.0, confidence=1 - 0.05 / 2)
    assert made.whole_bound == betting_limit(zeros, bound=1.0, confidence=0.95)
    assert made.change_bound == pytest.approx(2 * (1 - (0.05 / 8) ** (1 / 200)), rel=1e-6)


def test_impossible_cuts_are_refused(process, prompts):
    with pytest.raises(InputError, match="cuts"):
        coupled_run(
            process, prompts[0], prompts[1], prompts[2], n=2, seed=0, cuts=[STEPS + 1], key="run"
        )


@pytest.mark.parametrize(("outcomes", "share"), [(2, 4), (3, 2)])
def test_changes_of_two_values_are_told_apart_by_their_direction(outcomes, share):
    """Under the first prompt 5 of 100 readings turn to one, under the second 9 turn to zero.

    A set gains from the prompt's changes towards it under the first and away under the second.
    Of two values either set has one such sum; of more, all changes count for every set.
    """

    def run(final, early):
        images, tail = (torch.tensor(x).view(-1, 1, 1, 1) for x in (final, early))
        return CoupledRun(images, {1: tail}, {}, torch.zeros(100, 2, dtype=torch.float64))

    runs = (
        run([1] * 5 + [0] * 95, [0] * 100),
        run([0] * 100, [1] * 9 + [0] * 91),
    )
    reading = Reading(lambda images: images.flatten(), outcomes)
    made = certify_reading(runs, 1, reading, confidence=0.9, coins=rng.generator(0))

    def limit(k):
        return stats.beta.isf(0.05 / share, k + 1, 100 - k)

    expected = limit(5) + limit(9)
    assert made.change_bound == pytest.approx(expected)
    assert made.counts[:, :2].tolist() == [[95, 5], [100, 0]]
    assert made.common_counts[:, :2].tolist() == [[100, 0], [91, 9]]
    assert made.distance == pytest.approx(0.05)


def test_a_reading_needs_two_values():
    with pytest.raises(InputError, match="outcomes is 1"):
        Reading(bright, 1)


@pytest.fixture(scope="module")
def coloured():
    config = NetworkConfig(embedding_dim=6, resolution=8, channels=(8, 16), groups=4)
    model = build_denoiser(config, seed=1)
    model.project.weight.data.normal_(generator=rng.torch_generator(9))
    return DenoiserProcess(model, steps=4)


def colour(images):
    return read_groups(images, group_count=3, margin=0.0)


def fine(images):
    """Colour and brighter half: six values, of which colour is a function."""
    left = images[..., : images.shape[-1] // 2].mean((1, 2, 3))
    right = images[..., images.shape[-1] // 2 :].mean((1, 2, 3))
    return 2 * colour(images) + (left > right)


READINGS = {"colour": Reading(colour, 3), "fine": Reading(fine, 6)}


def test_every_union_of_cells_is_below_the_bound(coloured):
    """Level 0.95, one draw with a fixed seed; the lower limits fail with chance at most 0.05."""
    a, b = embed_figure(0, 0.1, shapes=3, order=3), embed_figure(0, 0.1, shapes=3, group=1, order=3)
    made = joint_commitment(
        coloured, a, b, readings=READINGS, n=60, pilot=20, cuts=[1, 2, 3], seed=0
    )
    for found in made.values():
        assert isinstance(found, Commitment)
        assert found.distance_interval[0] <= found.bound <= 1
        shares = found.counts / found.counts.sum(1, keepdims=True)
        gaps = shares[0] - shares[1]
        subsets = (np.arange(2 ** len(gaps))[:, None] >> np.arange(len(gaps))) & 1
        assert np.abs(subsets @ gaps).max() == pytest.approx(found.distance)
        assert found.bound == pytest.approx(min(1.0, found.law_bound + found.change_bound))
    colours = made["fine"].counts.reshape(2, 3, 2).sum(2)
    assert (colours == made["colour"].counts).all()
    assert made["colour"].distance <= made["fine"].distance + 1e-12


def test_equal_prompts_have_no_distance(coloured):
    c = embed_figure(1, 0.2, shapes=3, order=3)
    made = joint_commitment(coloured, c, c, readings=READINGS, n=40, pilot=20, cuts=[2], seed=1)
    for found in made.values():
        zeros = np.zeros(80)  # the paths of both prompts never part
        assert found.law_bound == betting_limit(zeros, bound=1.0, confidence=1 - 0.05 / 2)
        assert found.distance_interval[0] == 0
        upper = 2 * (1 - 0.0125 ** (1 / 40))  # no change seen in 40 paths, both prompts
        assert found.change_bound == pytest.approx(upper)


def test_distance_limits_cover():
    """200 pairs of samples; fewer than 180 covered has chance below 0.002 at level 0.95."""
    stream = rng.generator(0, "distance")
    p, q = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.3, 0.2, 0.4])
    hits = 0
    for _ in range(200):
        x, y = stream.multinomial(80, p), stream.multinomial(120, q)
        value, low, high = reading_distance(x, y)
        assert value == pytest.approx(total_variation(x / 80, y / 120))
        hits += low <= total_variation(p, q) <= high
    assert hits >= 180


def test_no_reader_is_refused(coloured):
    c = embed_figure(0, 0.0, shapes=3, order=3)
    with pytest.raises(InputError, match="readings is empty"):
        joint_commitment(coloured, c, c, readings={}, n=20, cuts=[1], seed=0)
