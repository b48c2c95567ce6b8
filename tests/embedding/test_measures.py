"""Closed forms in two dimensions, and the properties that every measure declares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bbb_core.embedding as embedding
from bbb_core.embedding import (
    association_test,
    bias_gap,
    bias_ratio,
    group_direction,
    position,
    projection,
)
from bbb_core.errors import InputError
from bbb_core.rng import generator


def at(*degrees):
    """Return unit rows in the plane at these angles."""
    angles = torch.tensor(degrees, dtype=torch.float64) * math.pi / 180
    return torch.stack([angles.cos(), angles.sin()], 1)


def rows(seed, n, d=5):
    values = torch.from_numpy(generator(seed, n, d).normal(size=(n, d)))
    return values / values.norm(dim=1, keepdim=True)


# --- closed forms ---------------------------------------------------------------------------


@given(st.floats(-180, 180), st.floats(-180, 180), st.floats(-180, 180))
def test_gap_in_the_plane(p, a, b):
    expected = math.cos(math.radians(p - a)) - math.cos(math.radians(p - b))
    assert float(bias_gap(at(p), at(a), at(b))) == pytest.approx(expected, abs=1e-12)


def test_measures_of_single_precision_are_made_in_double():
    p, a, b = (x.float() for x in (at(10, 20), at(60, 70), at(45, 50)))
    for value in (
        bias_gap(p, a, b),
        bias_ratio(p, a, b),
        position(p, a, b),
        group_direction(a, b),
        projection(p, at(30)[0].float()),
    ):
        assert value.dtype == torch.float64


def test_ratio_in_the_plane():
    assert float(bias_ratio(at(0), at(60), at(45))) == pytest.approx(0.5 / math.sqrt(0.5))


@pytest.mark.parametrize(("a", "b", "name"), [(90, 0, "group_a"), (0, 120, "group_b")])
def test_ratio_of_cosines_that_are_not_positive_is_refused(a, b, name):
    with pytest.raises(InputError, match=f"{name} row 0"):
        bias_ratio(at(0), at(a + 1e-9), at(b))


def test_the_first_cosine_of_zero_is_named():
    p, a = torch.eye(2)[[0, 0, 0]].double(), torch.eye(2)[[0, 1, 1]].double()
    with pytest.raises(InputError, match="group_a row 1 has cosine 0 "):
        bias_ratio(p, a, p)


@pytest.mark.parametrize("method", ["mean-difference", "principal"])
def test_direction_in_the_plane(method):
    direction = group_direction(at(30, 40), at(-30, -40), method=method)
    assert torch.allclose(direction, at(90)[0], atol=1e-12)


def test_principal_direction_ignores_the_middles_of_the_pairs():
    a = torch.nn.functional.normalize(torch.tensor([[5.0, 1, 0], [0, 1, 5]]).double(), dim=1)
    b = torch.nn.functional.normalize(torch.tensor([[5.0, -1, 0], [0, -1, 5]]).double(), dim=1)
    direction = group_direction(a, b, method="principal")
    assert torch.allclose(direction, torch.tensor([0.0, 1, 0]).double(), atol=1e-12)


def test_the_mean_direction_weighs_pairs_by_their_distance():
    a, b = at(0, 90), at(180, 60)  # differences (2, 0) and (-1/2, 1 - sin 60)
    expected = torch.tensor([1.5, 1 - math.sin(math.pi / 3)]).double()
    direction = group_direction(a, b)
    assert torch.allclose(direction, expected / expected.norm(), atol=1e-12)
    assert torch.equal(direction, group_direction(a, b, method="mean-difference"))


@pytest.mark.parametrize("method", ["mean-difference", "principal"])
def test_the_direction_points_from_b_to_a(method):
    for seed in range(10):  # a singular vector alone would point either way
        cone = rows(seed, 1, 4)
        a, b = rows(seed + 100, 5, 4) + 2 * cone, rows(seed + 200, 5, 4) - 2 * cone
        a, b = (x / x.norm(dim=1, keepdim=True) for x in (a, b))
        direction = group_direction(a, b, method=method)
        assert float(direction.norm()) == pytest.approx(1)
        assert float(projection(a, direction).mean() - projection(b, direction).mean()) > 0
        back = group_direction(b, a, method=method)
        assert torch.allclose(direction, -back, atol=1e-9)


@pytest.mark.parametrize("method", ["mean-difference", "principal"])
def test_pairs_may_be_close(method):
    """Prompts that differ by a millionth still have a direction."""
    direction = group_direction(at(30 + 1e-6), at(30), method=method)
    assert torch.allclose(direction, at(120)[0], atol=1e-6)


def test_no_direction_where_pairs_cancel():
    with pytest.raises(InputError, match="on average"):
        group_direction(at(0, 90), at(90, 0))
    with pytest.raises(InputError, match="on average"):
        group_direction(at(0, 90), at(0, 90))
    a, b = at(0, 120, 240), at(180, 300, 60)  # they cancel but for rounding
    assert 0 < float((a - b).mean(0).norm()) < 1e-12
    with pytest.raises(InputError, match="on average"):
        group_direction(a, b)


def test_no_direction_where_the_widest_differences_cancel():
    # two wide opposite differences along the first axis, two narrow ones along the third
    a = torch.tensor([[0.6, 0.8, 0], [-0.6, 0.8, 0], [0, 0.8, 0.6], [0, 0.8, 0.6]]).double()
    b = torch.tensor([[-0.6, 0.8, 0], [0.6, 0.8, 0], [0, 1, 0], [0, 1, 0]]).double()
    with pytest.raises(InputError, match="does not tell"):
        group_direction(a, b, method="principal")
    direction = group_direction(a, b)
    assert float(direction[0]) == pytest.approx(0)


@pytest.mark.parametrize("norm", [0.9, 1.1])
def test_a_direction_that_is_not_unit_is_refused(norm):
    with pytest.raises(InputError, match="direction has norm"):
        projection(at(0), norm * at(30)[0])


def test_projection_is_the_gap_by_algebra():
    p, a, b = rows(0, 7), rows(1, 7), rows(2, 7)
    for i in range(7):
        direction = group_direction(a[i : i + 1], b[i : i + 1])
        scaled = bias_gap(p[i : i + 1], a[i : i + 1], b[i : i + 1]) / (a[i] - b[i]).norm()
        assert torch.allclose(projection(p[i : i + 1], direction), scaled, atol=1e-12)


def test_weat_in_the_plane():
    # s(w) = cos(angle) - sin(angle); the two X lie on A, the two Y on B: s is 1 and -1
    result = association_test(at(0, 0), at(90, 90), at(0), at(90), alternative="greater")
    assert result.statistic == pytest.approx(2.0)
    assert result.effect_size == pytest.approx(2 / math.sqrt(4 / 3))
    assert result.exact
    assert (result.n_permutations, result.p_value) == (6, pytest.approx(1 / 6))


def test_sc_weat_permutes_the_attributes():
    a, b = at(10, 20, 30), at(100, 110, 120)
    result = association_test(at(0), None, a, b, alternative="greater")
    cosines = [math.cos(math.radians(x)) for x in (10, 20, 30, 100, 110, 120)]
    assert result.statistic == pytest.approx(np.mean(cosines[:3]) - np.mean(cosines[3:]))
    assert result.effect_size == pytest.approx(result.statistic / np.std(cosines, ddof=1))
    assert result.n_permutations == math.comb(6, 3)
    assert result.p_value == pytest.approx(1 / 20)


def test_sc_weat_beyond_a_baseline():
    a, b = at(10, 25, 30), at(100, 110, 122)
    against_itself = association_test(at(3), None, a, b, baseline=at(0))
    plain = association_test(at(3), None, a, b)
    moved = association_test(at(0), None, a, b)
    assert against_itself.statistic == pytest.approx(plain.statistic - moved.statistic)
    with pytest.raises(InputError, match="all associations are equal"):
        association_test(at(3), None, a, b, baseline=at(3))


def test_exact_p_values_agree_with_enumeration_by_hand():
    from itertools import combinations

    x, y, a, b = rows(1, 4), rows(2, 5), rows(3, 3), rows(4, 6)
    result = association_test(x, y, a, b)
    s = torch.cat([x, y]) @ a.T.mean(1) - torch.cat([x, y]) @ b.T.mean(1)
    s = s.numpy()
    differences = []
    for chosen in combinations(range(9), 4):
        inside = np.isin(np.arange(9), chosen)
        differences.append(abs(s[inside].mean() - s[~inside].mean()))
    observed = abs(s[:4].mean() - s[4:].mean())
    assert result.p_value == np.mean(np.array(differences) >= observed - 1e-12)


def test_eight_and_eight_are_enumerated():
    result = association_test(rows(1, 8), rows(2, 8), rows(3, 8), rows(4, 8))
    assert (result.exact, result.n_permutations) == (True, 12870)


def test_monte_carlo_needs_a_generator():
    sets = rows(1, 40), rows(2, 40), rows(3, 4), rows(4, 4)
    with pytest.raises(InputError, match="rng"):
        association_test(*sets)
    result = association_test(*sets, rng=generator(0), n_permutations=199)
    assert not result.exact
    assert result.n_permutations == 199


def test_exchangeable_words_are_called_associated_at_the_stated_rate(seeds):
    """400 tests at 0.05 where the truth is null: fewer than 9 % reject (false alarm 3e-4)."""
    rejected = 0
    for number in range(400):
        x = rows(seeds[0] * 1000 + number, 16)
        rejected += association_test(x[:4], x[4:8], x[8:12], x[12:]).p_value <= 0.05
    assert rejected < 36


# --- properties over a registry ---------------------------------------------------------------


@dataclass(frozen=True)
class Declared:
    """A measure of (neutral, a, b) and what it says of itself."""

    call: object
    low: float
    high: float
    swap: str  # what exchanging the groups does: "negate" or "invert"
    scale_free: bool = False  # may be called with rows that are not unit


def _direction_shift(p, a, b):
    return projection(p, group_direction(a, b))


def _association(name):
    def call(p, a, b):
        result = association_test(p[:1], None, a, b)
        return torch.tensor([getattr(result, name)])

    return call


def _weat(p, a, b):
    half = len(p) // 2
    return torch.tensor([association_test(p[:half], p[half:], a, b).effect_size])


MEASURES = {
    "bias_gap": Declared(bias_gap, -2, 2, "negate"),
    "bias_ratio": Declared(bias_ratio, 0, math.inf, "invert"),
    "group_direction": Declared(_direction_shift, -1, 1, "negate"),
    "projection": Declared(_direction_shift, -1, 1, "negate"),
    "association_test": Declared(_association("effect_size"), -2, 2, "negate"),
    "association_test (statistic)": Declared(_association("statistic"), -2, 2, "negate"),
    "association_test (two sets)": Declared(_weat, -2, 2, "negate"),
}
NOT_MEASURES = {
    "Encoder", "GapTable", "ImageEncoder", "Plan", "audit_embeddings",
    "calibrated_projection", "centre_by_group", "load_encoder",
    "measure_gaps", "position", "project_out", "summarise_gaps",
}  # fmt: skip
"""Positions are no bias of unit rows but a place between any rows; they have tests of their own."""


def test_every_public_measure_declares_its_properties():
    declared = {name.split(" ")[0] for name in MEASURES} | NOT_MEASURES
    assert set(embedding.__all__) == declared


@st.composite
def embeddings(draw):
    """Three sets of unit rows with positive cosines to each other."""
    seed, n, d = draw(st.integers(0, 10**6)), draw(st.integers(3, 6)), draw(st.integers(3, 8))
    cone = rows(seed, 3 * n, d) + 3 * rows(seed + 1, 1, d)
    cone = cone / cone.norm(dim=1, keepdim=True)
    return cone[:n], cone[n : 2 * n], cone[2 * n :]


@pytest.mark.parametrize("name", MEASURES)
@settings(max_examples=25, deadline=None)
@given(sets=embeddings(), seed=st.integers(0, 1000))
def test_range_symmetry_rotation_and_scale(name, sets, seed):
    measure = MEASURES[name]
    p, a, b = sets
    value = measure.call(p, a, b)
    assert bool(((value >= measure.low) & (value <= measure.high)).all())
    swapped = measure.call(p, b, a)
    expected = -value if measure.swap == "negate" else 1 / value
    assert torch.allclose(swapped, expected, atol=1e-9)
    turn = torch.linalg.qr(torch.from_numpy(generator(seed).normal(size=(p.shape[1],) * 2))).Q
    assert torch.allclose(measure.call(p @ turn, a @ turn, b @ turn), value, atol=1e-8)
    for which in range(3):
        scaled = [7.0 * x if i == which else x for i, x in enumerate(sets)]
        with pytest.raises(InputError, match="norm"):
            measure.call(*scaled)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: x.fill_(torch.nan), "nan"),
        (lambda x: x.mul_(0.0), "norm"),
    ],
)
def test_bad_rows_are_refused(name, spoil, message):
    for which in range(3):
        sets = [rows(i, 4) + 2 * rows(9, 1) for i in range(3)]
        sets = [x / x.norm(dim=1, keepdim=True) for x in sets]
        spoil(sets[which][0])
        with pytest.raises(InputError, match=message):
            MEASURES[name].call(*sets)


def test_shapes_must_agree():
    with pytest.raises((InputError, TypeError)):
        bias_gap(rows(0, 3), rows(1, 2), rows(2, 3))


@given(embeddings())
def test_gap_is_half_the_difference_of_squared_distances(sets):
    p, a, b = sets
    expected = ((p - b).square().sum(1) - (p - a).square().sum(1)) / 2
    assert torch.allclose(bias_gap(p, a, b), expected, atol=1e-12)


@given(embeddings())
def test_ratio_is_above_one_where_the_gap_is_positive(sets):
    gap, ratio = bias_gap(*sets), bias_ratio(*sets)
    assume(bool((gap.abs() > 1e-9).all()))
    assert bool(((gap > 0) == (ratio > 1)).all())


@given(embeddings(), st.integers(0, 1000))
def test_position_is_the_normalised_gap_and_moves_with_the_space(sets, seed):
    p, a, b = sets
    square = (b - a).square().sum(1)
    assume(bool((square > 1e-6).all()))
    t = position(p, a, b)
    assert torch.allclose(t, 0.5 - bias_gap(p, a, b) / square, atol=1e-8)
    assert torch.allclose(position(p, b, a), 1 - t, atol=1e-8)
    shift = torch.from_numpy(generator(seed).normal(size=p.shape[1]))
    assert torch.allclose(position(3 * p + shift, 3 * a + shift, 3 * b + shift), t, atol=1e-6)
    on_the_way = a + 0.3 * (b - a)
    assert torch.allclose(position(on_the_way, a, b), torch.full_like(t, 0.3), atol=1e-8)


def test_position_needs_two_places():
    with pytest.raises(InputError, match="one point in row 1"):
        position(rows(0, 2), rows(1, 2), torch.stack([rows(2, 2)[0], rows(1, 2)[1]]))
    with pytest.raises(InputError, match="nan"):
        position(rows(0, 2).fill_(torch.nan), rows(1, 2), rows(2, 2))
