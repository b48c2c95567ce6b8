"""Balance over intersections: hand computations, enumeration, coverage, rates under the null.

Statistical tests: each states the chance with which it fails although the code is right.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from bbb_book.chapters.intersections.formulas import (
    hidden_imbalance_limit,
    images_to_vanish,
)
from bbb_book.chapters.intersections.joint_law import (
    interaction_test,
    interaction_tv,
    product_of_margins,
)
from bbb_book.chapters.intersections.product_balance import intersectional_balance, vanishing_cells
from bbb_book.chapters.intersections.reversals import (
    covariance_parts,
    find_reversals,
    pooled_difference,
    stratified_difference,
)
from bbb_core import theory
from bbb_core.balance import representational_balance
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import multinomial_intervals

NAMES = {"rows": ["w", "m"], "columns": ["1", "2", "3"]}
FOUR, SMALL = [[1, 2], [3, 4]], {"rows": ["w", "m"], "columns": ["1", "2"]}
STONES = np.array([[[81, 234], [6, 36]], [[192, 55], [71, 25]]])  # Charig et al. (1986)


def test_by_hand():
    """Shares 3/12, 1/12, 2/12 | 1/12, 4/12, 0 and one of twelve read as none."""
    b = intersectional_balance([[3, 1, 2], [1, 4, 0]], none=1, **NAMES)
    assert b.n == 12
    assert b.joint.imbalance == pytest.approx(
        (1 / 12 + 1 / 12 + 0 + 1 / 12 + 2 / 12 + 2 / 12 + 1 / 12) / 2
    )
    assert b.first.imbalance == pytest.approx((0 + 1 / 12 + 1 / 12) / 2)
    assert b.second.imbalance == pytest.approx((0 + 1 / 12 + 2 / 12 + 1 / 12) / 2)
    p = np.array([[6 * 4, 6 * 5, 6 * 2], [5 * 4, 5 * 5, 5 * 2]]) / 132
    assert b.product == pytest.approx((np.abs(p - 1 / 6).sum() + 1 / 12) / 2)
    q = np.array([[3, 1, 2], [1, 4, 0]]) / 12
    assert b.interaction == pytest.approx(np.abs(q - p).sum() / 2)
    assert b.hidden == pytest.approx(b.joint.imbalance - b.product)


def test_margins_are_ordinary_balances_and_levels_add_up():
    x = np.array([[30, 10, 20], [25, 25, 10]])
    b = intersectional_balance(x, confidence=0.9, **NAMES)
    levels = [1 - part.confidence for part in (b.joint, b.first, b.second)]
    assert sum(levels) == pytest.approx(0.1)
    alone = representational_balance({"w": 60, "m": 60}, confidence=b.first.confidence)
    assert b.first.interval == alone.interval
    assert list(b.joint.shares) == [f"{r} & {c}" for r in "wm" for c in "123"]


@pytest.mark.parametrize("seed", range(20))
def test_the_joint_is_never_fairer_than_a_margin(seed):
    x = generator(seed, "joint").integers(0, 9, (2, 3)) + 1
    b = intersectional_balance(x, **NAMES)
    assert b.joint.imbalance >= max(b.first.imbalance, b.second.imbalance) - 1e-12
    assert b.joint.imbalance <= b.product + b.interaction + 1e-12
    bound = 1 - (1 - b.first.imbalance) * (1 - b.second.imbalance)
    assert b.product <= bound + 1e-12


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (2, 6), (3, 3), (2, 4)])
def test_balanced_margins_hide_at_most_the_limit(rows, columns):
    """Random tables with uniform margins stay below; one column per row attains it."""
    stream = generator(0, "limit", rows, columns)
    limit, found = hidden_imbalance_limit(rows, columns), []
    for _ in range(200):
        p = stream.random((rows, columns)) ** 4 + 1e-9
        for _ in range(400):  # iterative proportional fitting
            p = p / p.sum(1, keepdims=True) / rows
            p = p / p.sum(0, keepdims=True) / columns
        found.append(np.abs(p - 1 / p.size).sum() / 2)
    assert max(found) <= limit + 1e-6
    worst = np.zeros((rows, columns))
    worst[np.arange(columns) % rows, np.arange(columns)] = 1 / columns
    assert np.abs(worst - 1 / worst.size).sum() / 2 == pytest.approx(limit)


def test_the_joint_intervals_cover_together():
    """All intervals of joint law and margins cover at once in at least 95 %: the chance that 400
    samples show less than 0.92 by bad luck is below 0.005 (binomial tail at 0.95)."""
    p = np.array([[0.3, 0.05, 0.1], [0.01, 0.5, 0.04]])
    stream, hits = generator(1, "cover"), 0
    for _ in range(400):
        x = stream.multinomial(60, p.ravel()).reshape(2, 3)
        b = intersectional_balance(x, **NAMES)
        pairs = [(b.joint, p.ravel()), (b.first, p.sum(1)), (b.second, p.sum(0))]
        hits += all(
            low - 1e-12 <= truth <= high + 1e-12
            for part, values in pairs
            for (low, high), truth in zip(part.share_intervals.values(), values, strict=True)
        )
    assert hits / 400 >= 0.92


def test_vanishing_by_hand():
    """0 of 298 in one of twelve cells is just enough at a quarter of the fair share."""
    columns = list("123456")
    for n, verdict in ((298, "vanishes"), (297, "undecided")):
        x = np.full((2, 6), n // 11)
        x[0, 1] += n - 11 * (n // 11)
        x[0, 0] = 0
        assert x.sum() == n
        found = vanishing_cells(x, rows=["w", "m"], columns=columns)
        assert found["verdict"].iloc[0] == verdict
        assert found["high"].iloc[0] == pytest.approx(1 - (0.05 / 26) ** (1 / n))
    assert images_to_vanish(1 / 48, 13) == 298


def test_no_table_makes_a_cell_vanish_with_fewer_images():
    """Enumeration of all tables with 3 outcomes: an empty cell's limit never beats the formula."""
    n, theta = 40, 0.1
    least = images_to_vanish(theta, 3)
    for n in (10, least - 1):
        for k in range(n + 1):
            high = multinomial_intervals([0, k, n - k])[0, 1]
            assert high >= theta
    assert multinomial_intervals([0, 0, least])[0, 1] < theta


def test_vanishing_over_prompts_spends_the_level_once():
    x = np.full((3, 2, 2), 40)
    x[1, 0, 0] = 0
    found = vanishing_cells(
        x, rows=["w", "m"], columns=["1", "2"], none=[0, 5, 0], prompts=["a", "b", "c"]
    )
    row = found[(found["prompt"] == "b") & (found["row"] == "w") & (found["column"] == "1")]
    assert row["n"].item() == 125
    assert row["high"].item() == pytest.approx(1 - (0.05 / 3 / 10) ** (1 / 125))
    assert (found["verdict"] == "vanishes").sum() == 1


def test_interaction_p_value_against_enumeration():
    """2 x 2 with margins 4: tables are hypergeometric; by symmetry P(TV >= found) is a sum."""
    x = np.array([[3, 1], [1, 3]])
    law = stats.hypergeom(8, 4, 4)
    extreme = [
        k for k in range(5) if interaction_tv([[k, 4 - k], [4 - k, k]]) >= interaction_tv(x) - 1e-9
    ]
    exact = sum(law.pmf(k) for k in extreme)
    found = interaction_test(x, rng=generator(0, "enumerate"), n_permutations=40_000)
    assert found.p_value == pytest.approx(exact, abs=0.012)  # five standard errors
    floor = sum(law.pmf(k) * interaction_tv([[k, 4 - k], [4 - k, k]]) for k in range(5))
    assert found.interaction_floor == pytest.approx(floor, abs=0.005)


def test_independent_readings_are_rejected_as_often_as_stated():
    """300 null samples: more than 28 rejections at 0.05 has chance below 0.001."""
    stream = generator(2, "null")
    p = np.outer([0.3, 0.7], [0.5, 0.3, 0.2])
    rejected, excess = 0, []
    for _ in range(300):
        x = stream.multinomial(50, p.ravel()).reshape(2, 3)
        x[:, x.sum(0) == 0] += 1
        found = interaction_test(x, rng=stream, n_permutations=199)
        rejected += found.p_value <= 0.05
        excess.append(found.excess)
    assert rejected <= 28
    assert abs(np.mean(excess)) < 5 * np.std(excess) / np.sqrt(300)


def test_planted_interaction_is_found():
    p = np.array([[0.25, 0.15, 0.1], [0.1, 0.15, 0.25]])
    x = np.round(p * 400).astype(int)
    found = interaction_test(x, rng=generator(0, "planted"), n_permutations=999)
    assert found.interaction == pytest.approx(interaction_tv(p))
    assert max(found.p_value, found.hidden_p_value) <= 0.001
    assert found.hidden == pytest.approx(1 / 6 - 1 / 30)  # columns have .35, .3, .35


def test_product_keeps_the_margins():
    x = generator(4, "margins").random((5, 2, 3))
    q = product_of_margins(x)
    assert np.allclose(q.sum(-1), x.sum(-1))
    assert np.allclose(q.sum(-2), x.sum(-2))


def test_kidney_stones_turn_round():
    """Open surgery is better for small and for large stones and worse when they are pooled."""
    assert pooled_difference(STONES) == pytest.approx(273 / 350 - 289 / 350)
    weights = np.array([87 * 270 / 357, 263 * 80 / 343])
    differences = np.array([81 / 87 - 234 / 270, 192 / 263 - 55 / 80])
    expected = (weights * differences).sum() / weights.sum()
    assert stratified_difference(STONES) == pytest.approx(expected)
    found = find_reversals(STONES, columns=["open", "closed"]).iloc[0]
    assert found["pooled"] < 0 < found["within"]
    assert not found["reversal"]  # 700 patients do not prove it
    larger = find_reversals(10 * STONES, columns=["open", "closed"]).iloc[0]
    assert larger["reversal"]


def test_stratified_p_value_against_enumeration():
    """Both strata enumerated cell by cell."""
    pair = np.array([[[3, 1], [2, 4]], [[2, 2], [1, 3]]])
    laws = [
        {k: stats.hypergeom.pmf(k, t.sum(), t[0].sum(), t[:, 0].sum()) for k in range(6)}
        for t in pair
    ]
    tail = sum(
        laws[0][a] * laws[1][b]
        for a, b in itertools.product(range(6), repeat=2)
        if a + b >= pair[:, 0, 0].sum()
    )
    found = find_reversals(pair, columns=["x", "y"]).iloc[0]
    lower = sum(
        laws[0][a] * laws[1][b]
        for a, b in itertools.product(range(6), repeat=2)
        if a + b <= pair[:, 0, 0].sum()
    )
    assert found["within_p"] == pytest.approx(min(1.0, 2 * min(tail, lower)))


def test_no_reversals_are_found_where_there_are_none():
    """Homogeneous strata without association, 200 samples of 6 pairs: at level 0.05 more than 20
    samples with a reversal have chance below 0.005; the union test in fact finds almost none."""
    stream, hits = generator(5, "no reversal"), 0
    for _ in range(200):
        x = stream.multinomial(80, np.full(8, 1 / 8), size=5).reshape(5, 2, 4)
        hits += find_reversals(x, columns=list("abcd"))["reversal"].any()
    assert hits <= 20


def test_covariance_parts_add_up():
    x = generator(6, "parts").integers(0, 9, (4, 2, 3))
    values = np.array([0.0, 1.0, 2.0])
    within, between = covariance_parts(x, values)
    p = x.sum(0) / x.sum()
    pooled = (p[0] @ values) - p[0].sum() * (p.sum(0) @ values)
    assert within + between == pytest.approx(pooled)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: intersectional_balance([[1, 2]], rows=["w"], columns=list("12")), "two rows"),
        (lambda: intersectional_balance([[1, -2], [3, 4]], **SMALL), "-2"),
        (lambda: intersectional_balance(FOUR, rows=list("ww"), columns=list("12")), "rows is"),
        (lambda: intersectional_balance([[0, 0], [0, 0]], **SMALL), "nothing"),
        (lambda: vanishing_cells(FOUR, fraction=2.0, **SMALL), "fraction"),
        (lambda: find_reversals(FOUR, columns=list("12")), "strata"),
        (lambda: interaction_test(FOUR, target=FOUR, rng=generator(0)), "target"),
        (lambda: images_to_vanish(1.5, 12), "threshold"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, words):
    with pytest.raises(InputError, match=words) as refused:
        call()
    assert str(refused.value).endswith(".")


def test_the_necessary_radius_grows_with_the_number_of_cells():
    """T1: with uniform targets twelve cells ask for more distance from each prompt than two."""
    two, twelve = (
        theory.necessary_radius(2.0, target=1 / k, delta=0.01, epsilon=0.0) for k in (2, 12)
    )
    assert float(twelve) > float(two)
