"""Intervals of means over few units: closed forms, coverage on unkind designs, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import bootstrap, crossed_bootstrap, crossed_mean_interval, mean_interval

RUNS = 500


def least(level: float, n: int = RUNS) -> float:
    """Smallest share of hits that an interval of coverage `level` shows but once in 10,000 runs."""
    return stats.binom.ppf(1e-4, n, level) / n


def coverage(interval, draw, truth, *key, runs: int = RUNS) -> float:
    rng = generator(0, "means", *map(str, key))
    found = [interval(draw(rng)) for _ in range(runs)]
    return float(np.mean([e.low <= truth <= e.high for e in found]))


DRAWS = {
    "normal": (lambda rng, shape: rng.standard_normal(shape), 0.0),
    "uniform": (lambda rng, shape: rng.random(shape), 0.5),
    "t3": (lambda rng, shape: rng.standard_t(3, shape), 0.0),
    "exponential": (lambda rng, shape: rng.exponential(size=shape), 1.0),
    "log-normal": (lambda rng, shape: rng.lognormal(size=shape), np.exp(0.5)),
    "ties": (lambda rng, shape: rng.integers(0, 3, shape).astype(float), 1.0),
}
PROMISED = {  # the docstring's coverage at six units
    "normal": 0.95, "uniform": 0.95, "t3": 0.95, "exponential": 0.93, "log-normal": 0.88,
    "ties": 0.95,
}  # fmt: skip


class TestUnits:
    def test_symmetric_values_have_students_interval(self):
        x = np.array([1.0, 2.0, 4.0, 6.0, 7.0])
        found, theirs = mean_interval(x, confidence=0.9), stats.ttest_1samp(x, 0)
        assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval(0.9)))
        assert found.value == 4

    def test_skewed_values_solve_halls_equation_on_their_long_side(self):
        x = np.array([1.0, 1.5, 2.0, 2.5, 11.0])
        found = mean_interval(x)
        error = x.std(ddof=1) / np.sqrt(5)
        skew = ((x - x.mean()) ** 3).sum() / (20**1.5 * error**3)  # sd of parts: d / sqrt(n(n-1))
        end = (x.mean() - found.high) / error
        g = end + skew / 3 * end**2 + skew**2 / 27 * end**3 + skew / 6
        quantile = stats.t.ppf(0.975, 4)
        assert g == pytest.approx(-quantile)
        assert (x.mean() - found.low) / error == pytest.approx(quantile)

    @pytest.mark.parametrize("name", DRAWS)
    def test_six_units_are_covered(self, name):
        """500 samples of six: less than promised once in 10,000 runs, each."""
        draw, truth = DRAWS[name]
        shares = coverage(mean_interval, lambda rng: draw(rng, 6), truth, name)
        assert shares >= least(PROMISED[name])

    def test_the_bootstrap_covers_less(self):
        """What the interval replaces: .82 at six log-normal units; .88 is three sd away."""
        draw, truth = DRAWS["log-normal"]

        def interval(x):
            return bootstrap(np.mean, x, n_resamples=999, rng=generator(0))

        assert coverage(interval, lambda rng: draw(rng, 6), truth, "log-normal") < 0.88

    def test_scale_shift_and_sign(self):
        x = generator(1, "means").exponential(size=9)
        one, other = mean_interval(x), mean_interval(3 - 2 * x)
        assert other.value == pytest.approx(3 - 2 * one.value)
        assert (other.high, other.low) == pytest.approx((3 - 2 * one.low, 3 - 2 * one.high))

    def test_equal_units_have_a_point(self):
        found = mean_interval([0.3, 0.3, 0.3])
        assert found.low == found.value == found.high


class TestCrossed:
    def test_one_factor_alone_gives_its_interval(self):
        x = np.array([0.5, 1.0, 4.0])
        rows = mean_interval(x)
        for table in (np.tile(x[:, None], 6), x[None]):
            found = crossed_mean_interval(table)
            assert (found.low, found.high) == pytest.approx((rows.low, rows.high))
            turned = crossed_mean_interval(table.T)
            assert (turned.low, turned.high) == pytest.approx((rows.low, rows.high))

    def test_squares_of_lengths_add(self):
        a, b = np.array([0.0, 1.0, 5.0]), np.array([0.0, 2.0, 3.0, 3.5])
        found = crossed_mean_interval(np.add.outer(a, b))
        rows, columns = mean_interval(a), mean_interval(b)
        assert found.value == pytest.approx(rows.value + columns.value)
        assert (found.high - found.value) ** 2 == pytest.approx(
            (rows.high - rows.value) ** 2 + (columns.high - columns.value) ** 2
        )

    @pytest.mark.parametrize("name", ["normal", "exponential"])
    @pytest.mark.parametrize("weights", [(1, 0, 0.3), (0.3, 1, 1), (0, 0, 1)])
    def test_three_rows_and_twelve_columns_are_covered(self, name, weights):
        """500 tables: less than the docstring's least coverage once in 10,000 runs, each."""
        draw, truth = DRAWS[name]
        shapes = ((3, 1), (1, 12), (3, 12))

        def table(rng):
            return sum(w * (draw(rng, s) - truth) for w, s in zip(weights, shapes, strict=True))

        shares = coverage(crossed_mean_interval, table, 0.0, name, weights)
        assert shares >= least(0.95 if name == "normal" else 0.93)

    def test_resampling_rows_and_columns_covers_less(self):
        """Three rows that differ: the crossed bootstrap covers .75; .90 is four sd away."""

        def table(rng):
            return rng.standard_normal((3, 1)) + 0.3 * rng.standard_normal((3, 12))

        def interval(x):
            return crossed_bootstrap(np.mean, x, n_resamples=100, rng=generator(0))

        assert coverage(interval, table, 0.0, "bootstrap", runs=200) < 0.90


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mean_interval([1.0]), "values has 1 values"),
        (lambda: mean_interval([1.0, np.nan]), "values is nan"),
        (lambda: mean_interval([1.0, 2.0], confidence=95.0), "confidence is 95"),
        (lambda: crossed_mean_interval([[1.0]]), "one cell"),
        (lambda: crossed_mean_interval([1.0, 2.0]), "table has shape"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
