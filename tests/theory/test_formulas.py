"""Formulas of the theorems, re-derived by another route."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bbb_book.chapters.biased_embeddings.corollaries import smoothness_price
from bbb_core import theory
from bbb_core.errors import InputError
from bbb_core.theory import inequalities, necessary

inside = st.floats(0.01, 0.99)
unit = st.floats(0.0, 1.0)


def bernoulli_kl(p: float, q: float) -> float:
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


@given(p=inside, q=inside)
@pytest.mark.parametrize("inequality", ["sharp", "pinsker", "bretagnolle-huber"])
def test_kl_bounds_total_variation_of_two_coins(p: float, q: float, inequality: str) -> None:
    bound = theory.tv_bound_from_kl(bernoulli_kl(p, q), inequality=inequality)
    assert abs(p - q) <= bound + 1e-12


def test_sharp_is_the_smaller_bound_and_they_cross_once() -> None:
    kl = np.linspace(0, 20, 2001)
    pinsker, huber, sharp = (
        theory.tv_bound_from_kl(kl, inequality=i) for i in ("pinsker", "bretagnolle-huber", "sharp")
    )
    np.testing.assert_array_equal(sharp, np.minimum(pinsker, huber))
    assert np.all(np.diff(sharp) >= 0)
    crossing = kl[pinsker < huber]
    assert 1.58 < crossing.max() < 1.60  # as the docstring says
    assert np.all(np.diff(np.flatnonzero(pinsker < huber)) == 1)
    assert theory.tv_bound_from_kl(np.inf) == 1


@given(t=st.floats(0, 0.999))
@pytest.mark.parametrize("inequality", ["sharp", "pinsker", "bretagnolle-huber"])
def test_inverse(t: float, inequality: str) -> None:
    kl = inequalities.kl_from_tv_bound(t, inequality=inequality)
    np.testing.assert_allclose(theory.tv_bound_from_kl(kl, inequality=inequality), t, atol=1e-9)


def test_vacuous() -> None:
    assert theory.is_vacuous([0.5, 0.995, 3.0]).tolist() == [False, True, True]
    assert not theory.is_vacuous(0.995, threshold=1.0)
    assert theory.is_vacuous([0.9899, 0.99, 1.0]).tolist() == [False, True, True]
    assert theory.is_vacuous([0.5, 1.0], threshold=1.0).tolist() == [False, True]
    for threshold in (0.0, -0.1, 1.1):
        with pytest.raises(InputError, match="threshold is"):
            theory.is_vacuous(0.5, threshold=threshold)


def test_lipschitz_constant_by_a_loop() -> None:
    constants, sigmas = [0.5, 2.0, 1.0], [0.1, 1.0, 0.3]
    total = 0.0
    for step, sigma in zip(constants, sigmas, strict=True):
        total += step**2 / (2 * sigma**2)
    assert theory.lipschitz_constant(constants, sigmas) == pytest.approx(np.sqrt(total / 2))
    repeated = theory.lipschitz_constant([2.0, 2.0, 2.0], sigmas)
    assert theory.lipschitz_constant(2.0, sigmas) == pytest.approx(repeated)
    # TV <= sqrt(KL / 2) with KL = sum (L_k r)^2 / (2 sigma_k^2)
    kl = sum((s * 0.01) ** 2 / (2 * g**2) for s, g in zip(constants, sigmas, strict=True))
    constant = theory.lipschitz_constant(constants, sigmas)
    bound = necessary.lipschitz_tv_bound(constant, 0.01, inequality="pinsker")
    assert bound == pytest.approx(theory.tv_bound_from_kl(kl, inequality="pinsker"))


@given(lam=st.floats(0.1, 50), delta=st.floats(1e-6, 0.3), target=st.floats(0.1, 0.5))
@pytest.mark.parametrize("inequality", ["gaussian", "pinsker", "sharp"])
def test_at_the_necessary_radius_the_share_is_just_balanced(
    lam: float, delta: float, target: float, inequality: str
) -> None:
    options = {"target": target, "delta": delta, "epsilon": 0.05}
    radius = theory.necessary_radius(lam, inequality=inequality, **options)
    share = theory.share_lower_bound(lam, radius, delta=delta, inequality=inequality)
    assert share == pytest.approx(target + 0.05, abs=1e-8)
    imbalance = theory.imbalance_lower_bound(
        lam, radius / 2, target=target, delta=delta, inequality=inequality
    )
    assert imbalance > 0.05
    price = smoothness_price(radius, **options, inequality=inequality)
    assert price == pytest.approx(lam)


def test_radius_without_slope_is_infinite_and_no_radius_is_needed_when_nothing_is_required() -> (
    None
):
    for form in ({}, {"inequality": "pinsker"}):
        assert theory.necessary_radius(0.0, target=0.5, delta=0.1, **form) == np.inf
        assert theory.necessary_radius(0.0, target=0.5, delta=0.5, **form) == 0
        assert smoothness_price(0.0, target=0.5, delta=0.1, **form) == np.inf


def test_triangle_forms_by_hand() -> None:
    old: dict[str, Any] = {"inequality": "pinsker"}
    share = theory.share_lower_bound(2.0, [0.1, 9.0], delta=0.3, **old)
    assert share.tolist() == pytest.approx([0.5, 0])
    imbalance = theory.imbalance_lower_bound(2.0, [0.1, 0.4], target=0.5, delta=0.0, **old)
    assert imbalance.tolist() == pytest.approx([0.3, 0.0])
    radius = theory.necessary_radius(2.0, target=0.5, delta=0.1, epsilon=0.2, **old)
    assert radius == pytest.approx(0.1)
    radii = theory.necessary_radius([2.0, 0.0], target=[0.5, 0.9], delta=0.0, **old)
    assert radii.tolist() == [0.25, np.inf]
    price = smoothness_price(0.2, target=0.5, delta=0.1, epsilon=0.1, **old)
    assert price == pytest.approx(1.5)
    kl = 2 * (3.0 * 0.4) ** 2  # KL <= 2 Lambda^2 r^2, here beyond the reach of Pinsker
    assert theory.lipschitz_tv_bound(3.0, 0.4, **old) == 1
    sharp = theory.lipschitz_tv_bound(3.0, 0.4, inequality="sharp")
    assert sharp == pytest.approx(np.sqrt(1 - np.exp(-kl)))
    radius = theory.necessary_radius(3.0, target=0.0, delta=0.05, inequality="sharp")
    assert radius == pytest.approx(np.sqrt(-np.log(1 - 0.95**2) / 2) / 3)
    unreachable = theory.necessary_radius(3.0, target=0.0, delta=0.0, inequality="sharp")
    assert 1.0 < unreachable < np.inf  # a distance of one needs more than any finite KL


def test_a_law_that_moves_with_its_prompt_attains_the_constants() -> None:
    """N(c, 1) has KL r^2 / 2, so Lambda is 1/2; Pinsker's form is sqrt(pi / 2) too large at 0."""
    constant, r = theory.lipschitz_constant(1.0, [1.0]), 0.01
    assert constant == pytest.approx(0.5)
    exact = 2 * stats.norm.cdf(r / 2) - 1
    assert theory.lipschitz_tv_bound(constant, r) == pytest.approx(exact)
    old = theory.lipschitz_tv_bound(constant, r, inequality="pinsker")
    assert old == pytest.approx(np.sqrt(np.pi / 2) * exact, rel=1e-4)


def test_symmetric_bound_on_a_normal_law_and_by_hand() -> None:
    """N(m, 1) is read by its sign, and its mirror image lies 2 m away."""
    for m in (0.001, 0.1, 0.5):
        eta = theory.reflection_distance([m], [1.0], [-1.0])
        assert eta == pytest.approx(2 * m)
        exact = 2 * stats.norm.cdf(m) - 1
        assert theory.symmetric_imbalance_bound(0.5, eta) == pytest.approx(exact)
    turned = 2 * stats.norm.cdf(0.1) - 1
    assert theory.symmetric_imbalance_bound(0.5, 0.2) == pytest.approx(turned)
    assert theory.symmetric_imbalance_bound(0.5, 0.2, defect_kl=0.02) == pytest.approx(turned + 0.2)
    assert theory.symmetric_imbalance_bound(0.3, 0.2, defect_constant=0.02) == pytest.approx(turned)
    assert theory.symmetric_imbalance_bound(0.5, [9.0], defect_kl=3.0).tolist() == [1.0]


@given(seed=st.integers(0, 1000), d=st.integers(2, 6))
def test_reflection_distance_by_a_householder_matrix(seed: int, d: int) -> None:
    p, a, b = np.random.default_rng(seed).normal(size=(3, d))
    normal = (a - b) / np.linalg.norm(a - b)
    middle = (a + b) / 2

    def tau(v: np.ndarray) -> np.ndarray:
        return middle + (np.eye(d) - 2 * np.outer(normal, normal)) @ (v - middle)

    np.testing.assert_allclose(tau(a), b, atol=1e-9)
    eta = theory.reflection_distance(p, a, b)
    assert eta == pytest.approx(np.linalg.norm(p - tau(p)))
    p, a, b = (v / np.linalg.norm(v) for v in (p, a, b))
    gap = p @ a - p @ b
    expected = 2 * abs(gap) / np.linalg.norm(a - b)
    assert theory.reflection_distance(p, a, b) == pytest.approx(expected)


def test_the_defect_counts_twice() -> None:
    """A law that moved mass t from group b to group a: TV is t, the shares differ by 2 t."""
    t = 0.01
    defect = bernoulli_kl(0.5 + t, 0.5)
    difference = 2 * t
    assert difference <= theory.symmetric_imbalance_bound(1.0, 0.0, defect_kl=defect) + 1e-12
    assert difference > np.sqrt(defect / 2)  # once is not enough


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.tv_bound_from_kl(-0.1), "kl is -0.1"),
        (lambda: theory.tv_bound_from_kl(np.nan), "kl is nan"),
        (lambda: theory.tv_bound_from_kl("x"), "kl is no array"),
        (lambda: inequalities.kl_from_tv_bound(1.0), "bound is 1"),
        (lambda: theory.lipschitz_constant([1.0], [0.0]), "sigmas is 0 at step 1"),
        (lambda: theory.lipschitz_constant([1.0, 2.0], [1.0]), "step_constants has shape"),
        (lambda: theory.lipschitz_constant(1.0, []), "sigmas has shape"),
        (lambda: theory.share_lower_bound(1.0, 0.1, delta=1.2), "delta is 1.2"),
        (lambda: theory.necessary_radius(1.0, target=-0.1, delta=0.1), "target is -0.1"),
        (
            lambda: theory.symmetric_imbalance_bound(1.0, 0.1, defect_constant=-1.0),
            "defect_constant is -1",
        ),
        (lambda: theory.lipschitz_constant(1.0, [[1.0]]), "sigmas has shape"),
        (lambda: theory.lipschitz_constant(1.0, [1.0, 0.0, 0.0]), "sigmas is 0 at step 2"),
        (lambda: theory.symmetric_imbalance_bound(1.0, -0.1), "reflection is -0.1"),
        (lambda: theory.reflection_distance(1.0, 2.0, 3.0), "shapes"),
        (lambda: theory.reflection_distance([1.0], [2.0], [2.0]), "group_a equals group_b"),
        (lambda: theory.reflection_distance([1.0], [2.0, 1], [2.0, 0]), "shapes"),
    ],
)
def test_bad_input_names_the_argument(call, words: str) -> None:
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        call()
