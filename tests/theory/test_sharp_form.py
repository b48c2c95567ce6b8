"""T1 in its sharp form: the lemma of its proof, adaptive adversaries, and the older forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bbb_book.chapters.biased_embeddings.corollaries import smoothness_price
from bbb_core import theory
from bbb_core.theory import necessary, symmetry  # noqa: F401 (loaded before the clock runs)

normal = stats.norm
FORMS = ("sharp", "pinsker", "bretagnolle-huber")


def shifted(level: np.ndarray | float, shift: float) -> np.ndarray:
    return normal.cdf(normal.ppf(level) - shift)


@given(seed=st.integers(0, 10_000), later=st.floats(0, 4), shift=st.floats(-4, 4))
def test_one_step_of_the_induction_on_step_functions(seed: int, later: float, shift: float) -> None:
    """E G_later(h(z + shift)) >= G_m(E h(z)), m^2 = later^2 + shift^2, for h of ten values."""
    rng = np.random.default_rng(seed)
    h, edges = rng.beta(0.5, 0.5, size=10), np.sort(rng.normal(0, 2, size=9))
    own = np.diff(normal.cdf(np.concatenate([[-np.inf], edges, [np.inf]])))
    other = np.diff(normal.cdf(np.concatenate([[-np.inf], edges - shift, [np.inf]])))
    assert other @ shifted(h, later) >= shifted(own @ h, np.hypot(later, shift)) - 1e-12


@given(product=st.floats(0, 30), delta=st.floats(1e-9, 1), target=st.floats(0.01, 0.9))
@pytest.mark.parametrize("older", FORMS)
def test_never_weaker_than_the_older_forms(
    older: str, product: float, delta: float, target: float
) -> None:
    assert theory.lipschitz_tv_bound(1.0, product) <= (
        theory.lipschitz_tv_bound(1.0, product, inequality=older) + 1e-15
    )
    options = {"target": target, "delta": delta}
    share = theory.share_lower_bound(1.0, product, delta=delta)
    assert share >= theory.share_lower_bound(1.0, product, delta=delta, inequality=older) - 1e-12
    imbalance = theory.imbalance_lower_bound(1.0, product, **options)
    old = theory.imbalance_lower_bound(1.0, product, **options, inequality=older)
    assert imbalance >= old - 1e-12
    for least in (theory.necessary_radius, smoothness_price):
        assert least(2.0, **options) >= least(2.0, **options, inequality=older) - 1e-12


@given(product=st.floats(0, 8), delta=st.floats(1e-6, 0.9))
def test_the_share_bound_and_the_bound_on_total_variation_agree(
    product: float, delta: float
) -> None:
    """No share moves further than TV; at the middle level it moves exactly so far."""
    tv = theory.lipschitz_tv_bound(1.0, product)
    assert 1 - delta - theory.share_lower_bound(1.0, product, delta=delta) <= tv + 1e-12
    middle = normal.cdf(-product)
    moved = 1 - middle - theory.share_lower_bound(1.0, product, delta=middle)
    assert moved == pytest.approx(tv, abs=1e-12)


Adversary = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From states [n, 2] and log ratios so far [n] to shifts [n, 2] of norm at most one."""


def along(x: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    return np.tile([1.0, 0.0], (len(x), 1))


def by_the_state(x: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    angle = 3 * x[:, 0] + x[:, 1] ** 2
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def stops_when_ahead(x: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    return along(x, ratio) * (ratio < 0.5)[:, None]


def stops_when_behind(x: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    return along(x, ratio) * (ratio > -0.3)[:, None]


def only_where_undecided(x: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    return by_the_state(x, ratio) * (np.abs(ratio) < 1.0)[:, None]


@pytest.mark.parametrize("norms", [[0.3] * 12, [0.1, 1.5, 0.2], [0.9, 0.6, 0.3, 0.1]])
@pytest.mark.parametrize(
    "adversary", [along, by_the_state, stops_when_ahead, stops_when_behind, only_where_undecided]
)
def test_no_adaptive_adversary_beats_one_gaussian_shift(
    adversary: Adversary, norms: list[float]
) -> None:
    """Total variation of the paths from likelihood ratios, 40,000 paths; 4.5 standard errors.

    The state of the chain is (x, log ratio), so a shift may depend on all that came before. Each
    comparison fails by chance with probability below 7e-6.
    """
    rng, n = np.random.default_rng(7), 40_000
    x, ratio = rng.normal(size=(n, 2)), np.zeros(n)
    for norm in norms:
        shift, z = norm * adversary(x, ratio), rng.normal(size=(n, 2))
        ratio = ratio + np.sum(shift * z, axis=1) + np.sum(shift**2, axis=1) / 2
        x = 0.8 * x + shift + z
    terms = np.maximum(-np.expm1(-ratio), 0.0)  # (1 - e^-l)_+ under the own law
    room = 4.5 * terms.std() / np.sqrt(n)
    mu = float(np.linalg.norm(norms))
    bound = 2 * normal.cdf(mu / 2) - 1
    assert terms.mean() <= bound + room
    # the library's words for the same: constants L_k = norms at distance one, unit noise
    constant = theory.lipschitz_constant(norms, np.ones(len(norms)))
    assert theory.lipschitz_tv_bound(constant, 1.0) == pytest.approx(bound)
    if adversary in (along, by_the_state):  # they spend all they have: the bound is attained
        assert terms.mean() >= bound - room
    # single events, the most telling ones: their probabilities under the own and the other law
    for edge in (-0.5, 0.0, 0.5):
        event = ratio > edge
        level, weights = event.mean(), np.exp(-ratio) * event
        slope = np.exp(normal.ppf(level) * mu - mu**2 / 2)  # of `shifted` at this level
        error = (weights.std() + slope * event.std()) / np.sqrt(n)
        assert weights.mean() >= shifted(level, mu) - 4.5 * error


def linear_share(c: float, shifts: np.ndarray, sigmas: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the attaining linear chain with step shifts `shifts * c`."""
    arrive = shifts / sigmas**2  # how much of step k's push is left in x_0, up to a factor
    arrive = arrive / arrive[0]
    return c * float(arrive @ shifts), float(np.sqrt(np.sum((arrive * sigmas) ** 2)))


@given(seed=st.integers(0, 10_000), steps=st.integers(1, 40), size=st.floats(0.05, 3))
def test_linear_models_attain_every_form(seed: int, steps: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    constants, sigmas = np.exp(rng.normal(size=(2, steps)))
    slope = theory.lipschitz_constant(constants, sigmas)
    r = size / slope
    mean, sd = linear_share(r, constants, sigmas)
    exact = normal.cdf(mean / (2 * sd)) - normal.cdf(-mean / (2 * sd))
    assert theory.lipschitz_tv_bound(slope, r) == pytest.approx(exact, rel=1e-9)
    for delta in (0.3, 0.01, 1e-5):
        edge = sd * normal.isf(delta)  # group a's prompt is 0, read as a below the edge
        share = normal.cdf((edge - mean) / sd)
        assert theory.share_lower_bound(slope, r, delta=delta) == pytest.approx(share, rel=1e-7)
        least = theory.necessary_radius(slope, target=share, delta=delta)
        assert least == pytest.approx(r, rel=1e-6)


@given(
    seed=st.integers(0, 10_000), steps=st.integers(1, 20), c=st.floats(0, 1), lean=st.floats(0, 1)
)
def test_linear_models_attain_the_symmetric_bound_and_its_defect(
    seed: int, steps: int, c: float, lean: float
) -> None:
    """Mirror x -> -x, c -> -c; the lean pushes every step by lean * L_k to the right."""
    rng = np.random.default_rng(seed)
    constants, sigmas = np.exp(rng.normal(size=(2, steps)))
    constants /= np.linalg.norm(constants / sigmas)
    slope = theory.lipschitz_constant(constants, sigmas)
    mean, sd = linear_share(c + lean, constants, sigmas)
    difference = normal.cdf(mean / sd) - normal.cdf(-mean / sd)
    defect = theory.lipschitz_constant(lean * constants, sigmas)
    bound = theory.symmetric_imbalance_bound(slope, 2 * c, defect_constant=defect)
    assert bound == pytest.approx(difference, abs=1e-9)


def test_ends() -> None:
    assert theory.lipschitz_tv_bound(1e-12, 1.0) == pytest.approx(np.sqrt(2 / np.pi) * 1e-12)
    assert theory.lipschitz_tv_bound(2.0, 1.0) < 1
    assert theory.lipschitz_tv_bound(1.0, np.inf) == 1
    # a share of exactly one at one prompt is a share of one at all, if every step has noise
    assert theory.share_lower_bound(3.0, [0.0, 2.0], delta=0.0).tolist() == [1.0, 1.0]
    assert theory.share_lower_bound(3.0, [2.0, np.inf], delta=[1.0, 0.0]).tolist() == [0.0, 0.0]
    assert theory.necessary_radius(3.0, target=0.5, delta=0.0) == np.inf
    assert theory.necessary_radius(3.0, target=0.9, delta=0.0, epsilon=0.1) == 0
    assert theory.necessary_radius(3.0, target=0.5, delta=0.1, epsilon=0.9) == 0
    assert theory.necessary_radius(0.0, target=0.5, delta=0.1) == np.inf
    two = theory.necessary_radius(0.5, target=0.5, delta=normal.cdf(-2))
    assert two == pytest.approx(2)  # Phi^-1(1 - delta) is 2, Phi^-1(1/2) is 0
    assert smoothness_price([0.5, 0.0], target=0.5, delta=normal.cdf(-2)).tolist() == (
        pytest.approx([2, np.inf])
    )
