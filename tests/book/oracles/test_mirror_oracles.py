"""Symmetry: the steps of the proof of T2 one by one, defects, counterexamples, T3."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_book.chapters.sufficient_condition import mirror_models
from bbb_book.chapters.sufficient_condition import mirror_trials as mirror
from bbb_book.oracles.exact_law import exact_comparison
from bbb_book.oracles.symmetry import (
    Isometry,
    Switched,
    Symmetrised,
    reflection,
    rotation,
    switch,
)
from bbb_core import theory
from bbb_core.diffusion import GaussianMixtureOracle, Schedule, sample
from bbb_core.diffusion.noise import SampleStreams
from bbb_core.diffusion.process import ReverseProcess
from bbb_core.errors import InputError
from bbb_core.rng import torch_generator

MODEL = {"separation": 2.0, "leak": 0.1, "steps": 12}
TAU = reflection(*mirror_models.ANCHORS)


def _draw(*shape, seed=0):
    return torch.randn(shape, generator=torch_generator(seed, "symmetry"), dtype=torch.float64)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_a_reflection_swaps_its_points_and_is_an_isometric_involution(dimension):
    a, b, x, y = _draw(4, dimension)
    swap = reflection(a, b)
    torch.testing.assert_close(swap(a), b)
    torch.testing.assert_close(swap(swap(x)), x)
    torch.testing.assert_close((swap(x) - swap(y)).norm(), (x - y).norm())
    torch.testing.assert_close(swap((a + b) / 2), (a + b) / 2)
    moved = float((x - swap(x)).norm())
    assert moved == pytest.approx(float(theory.reflection_distance(x, a, b)))


@pytest.mark.parametrize("order", [2, 3, 5])
def test_a_rotation_has_its_order(order):
    turn, x = rotation(order), _draw(7, 2)
    y = x
    for _ in range(order):
        y = turn(y)
    torch.testing.assert_close(y, x)


def test_the_mirror_oracle_is_equivariant_and_a_leaning_one_is_not():
    x, c = _draw(50, 1), mirror_models.position(0.3)
    for lean, same in ((0.0, True), (0.05, False)):
        oracle = mirror_models.mirror_oracle(**MODEL, lean=lean)
        for step in (1, 6, 12):
            left = oracle.mean(mirror_models.MIRROR(x), step, TAU(c))
            assert torch.allclose(left, mirror_models.MIRROR(oracle.mean(x, step, c))) == same


def test_symmetrised_copies_are_equivariant_and_change_nothing_symmetric():
    x, c = _draw(50, 1), mirror_models.position(0.3)
    lean = mirror_models.mirror_oracle(**MODEL, lean=0.05)
    copy = Symmetrised(lean, mirror_models.MIRROR, TAU)
    assert isinstance(copy, ReverseProcess)
    for step in (1, 6, 12):
        torch.testing.assert_close(
            copy.mean(mirror_models.MIRROR(x), step, TAU(c)),
            mirror_models.MIRROR(copy.mean(x, step, c)),
        )
    even = mirror_models.mirror_oracle(**MODEL)
    same = Symmetrised(even, mirror_models.MIRROR, TAU)
    torch.testing.assert_close(same.mean(x, 3, c), even.mean(x, 3, c))


def test_cyclic_copies_are_equivariant():
    oracle, anchors, turn = mirror_models.cyclic_oracle(3, **MODEL)
    x, c = _draw(20, 2), 0.3 * anchors[1]
    torch.testing.assert_close(oracle.mean(turn(x), 4, turn(c)), turn(oracle.mean(x, 4, c)))
    skew = GaussianMixtureOracle(
        means=anchors + torch.tensor([0.2, 0.0], dtype=torch.float64),
        scale=oracle.scale,
        weights=oracle.weights,
        schedule=Schedule.linear(12),
    )
    assert not torch.allclose(skew.mean(turn(x), 4, turn(c)), turn(skew.mean(x, 4, c)))
    copy = Symmetrised(skew, turn, turn, order=3)
    torch.testing.assert_close(copy.mean(turn(x), 4, turn(c)), turn(copy.mean(x, 4, c)))


def test_the_law_at_the_mirrored_condition_is_the_mirrored_law():
    oracle = mirror_models.mirror_oracle(**MODEL)
    c = mirror_models.position(0.2)
    exact = exact_comparison(oracle, c, TAU(c))
    np.testing.assert_allclose(exact.shares, exact.other_shares.flip(0), atol=1e-7)


@pytest.mark.parametrize(("separation", "leak"), [(1.0, 0.1), (2.0, 0.3), (4.0, 0.02)])
def test_both_bounds_hold_along_the_way(separation, leak):
    table = mirror.two_sided_tables(
        positions=[0.0, 0.2, 0.45, 0.5, 0.52, 0.97, 1.0],
        separation=separation,
        leak=leak,
        steps=12,
    )["table"]
    assert mirror.violation(table) <= 1e-9
    assert table["imbalance"][3] <= table["error"][3] + 1e-9


def test_the_defect_counts_twice():
    table = mirror.defects([0.0, 0.2, 0.8], **MODEL)
    error = 10 * table["error"]
    assert (table["symmetrised"] <= error + 1e-9).all()
    assert (table["difference"] <= table["double"] + error).all()
    assert (table["difference"][1:] > table["single"][1:] + error[1:]).all()


def test_subclass_sampling_keeps_its_guarantee_and_the_average_does_not():
    table = mirror.subclass_comparison([1.0, 4.0], **MODEL)
    assert (table["subclass"] <= table["delta"] + table["error"]).all()
    assert (table["subclass"] > 1e-3).all()
    assert table["average"][1] > table["delta"][1]


def test_three_groups_stay_below_their_bound(seeds):
    # exact intervals at 95 %; the bound has slack of several interval widths, so this fails with
    # probability far below 1e-6
    tables = mirror.cyclic_shares(3, [0.0, 0.3, 1.0], n=2000, seed=seeds[0], **MODEL)
    table = tables["imbalance"]
    assert table["imbalance"][0] < 0.05
    assert (table["low"] <= table["bound"] + 1e-12).all()


def test_a_stretching_mirror_is_equivariant_but_not_balanced():
    x, c = _draw(50, 1), torch.zeros(1, dtype=torch.float64)
    process = mirror_models.StretchedMirror(2.0, steps=20)
    torch.testing.assert_close(process.sigma(process.sigma(x)), x)
    torch.testing.assert_close(
        process.mean(process.sigma(x), 1, c), process.sigma(process.mean(x, 1, c))
    )
    assert process.counts(2000, seed=0)["negative"] > 1400
    even = mirror_models.StretchedMirror(1.0, steps=20).counts(2000, seed=0)
    assert abs(even["negative"] - 1000) < 120  # 5.4 standard deviations: 1e-7


def test_switched_processes_choose_and_refuse():
    oracle = mirror_models.mirror_oracle(**MODEL)
    lean = mirror_models.mirror_oracle(**MODEL, lean=0.05)
    both, c, x = Switched(oracle, lean), mirror_models.position(0.4), _draw(5, 1)
    torch.testing.assert_close(both.mean(x, 2, switch(c, 0)), oracle.mean(x, 2, c))
    torch.testing.assert_close(both.mean(x, 2, switch(c, 1)), lean.mean(x, 2, c))
    start = both.initial(3, generators=SampleStreams(0, 3))
    torch.testing.assert_close(start, oracle.initial(3, generators=SampleStreams(0, 3)))
    with pytest.raises(InputError, match="ends in 0 or 1"):
        both.mean(x, 2, switch(c, 0) + 0.5)
    with pytest.raises(InputError, match="differ in their sigmas"):
        Switched(oracle, mirror_models.mirror_oracle(separation=2.0, leak=0.1, steps=5))


def test_symmetrised_processes_can_be_sampled():
    lean = mirror_models.mirror_oracle(**MODEL, lean=0.1)
    copy = Symmetrised(lean, mirror_models.MIRROR, TAU)
    drawn = sample(copy, mirror_models.position(0.5), 2000, seed=1)
    assert abs(int((drawn > 0).sum()) - 1000) < 120  # 5.4 standard deviations


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: reflection(torch.ones(2).double(), torch.ones(2).double()), "equals second"),
        (lambda: rotation(1), "order is 1"),
        (
            lambda: Isometry(2 * torch.eye(2).double(), torch.zeros(2).double()),
            "pass an isometry",
        ),
        (lambda: switch(torch.zeros(1).double(), 2), "which is 2"),
        (lambda: mirror_models.mirror_oracle(separation=2.0, leak=0.7, steps=3), "leak is 0.7"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
