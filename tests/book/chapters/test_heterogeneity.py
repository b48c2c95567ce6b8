"""Random-effects summary and failure signatures: closed forms, a published table, error rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bbb_book.chapters.generalisation.failure_signatures import (
    Signature,
    differing_encoders,
    high_total_variation,
    idle_mitigation,
    opposite_signs,
)
from bbb_book.chapters.generalisation.heterogeneity import heterogeneity, rank_correlation_effect
from bbb_core.errors import InputError
from bbb_core.rng import generator

TRIALS = 400


def tolerated(level: float, n: int = TRIALS) -> float:
    """Largest rate of error that a test at `level` shows in n trials but once in 10,000 runs."""
    return stats.binom.isf(1e-4, n, level) / n


class TestHeterogeneity:
    @given(
        st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.floats(1e-4, 2), st.integers(0, 9)
    )
    def test_estimates_lie_in_their_intervals_to_the_last_digit(self, y, scale, seed):
        s = scale * (0.1 + generator(seed, "errors").random(len(y)))
        found = heterogeneity(np.array(y), s)
        assert found.i_squared_low <= found.i_squared <= found.i_squared_high <= 1
        assert found.tau_low <= found.tau <= found.tau_high
        assert found.low <= found.mean <= found.high

    def test_equal_errors_have_a_closed_form(self):
        y, s = np.array([0.1, 0.9, -0.4, 0.6, 1.3]), 0.3
        found = heterogeneity(y, np.full(5, s))
        variance = y.var(ddof=1)
        assert found.mean == pytest.approx(y.mean())
        assert found.q == pytest.approx(4 * variance / s**2)
        assert found.tau**2 == pytest.approx(variance - s**2)
        assert found.i_squared == pytest.approx(1 - s**2 / variance)
        half = stats.t.ppf(0.975, 4) * np.sqrt(variance / 5)  # Hartung-Knapp is Student's here
        assert (found.low, found.high) == pytest.approx((y.mean() - half, y.mean() + half))
        ends = 4 * variance / stats.chi2.ppf([0.975, 0.025], 4) - s**2
        assert (found.tau_low**2, found.tau_high**2) == pytest.approx(tuple(ends.clip(0)))

    def test_published_trials_of_a_vaccine(self):
        """Thirteen trials (log risk ratios) whose summary stands in many textbooks."""
        y = [-0.8893, -1.5854, -1.3481, -1.4416, -0.2175, -0.7861, -1.6209, 0.0120, -0.4694,
             -1.3713, -0.3394, 0.4459, -0.0173]  # fmt: skip
        v = [0.3256, 0.1946, 0.4154, 0.0200, 0.0512, 0.0069, 0.2230, 0.0040, 0.0564, 0.0730,
             0.0124, 0.5325, 0.0714]  # fmt: skip
        found = heterogeneity(y, np.sqrt(v))
        assert found.q == pytest.approx(152.23, rel=5e-3)
        assert found.tau**2 == pytest.approx(0.3088, rel=5e-3)
        assert found.mean == pytest.approx(-0.7141, rel=2e-3)
        assert 100 * found.i_squared == pytest.approx(92.12, abs=0.1)
        assert (found.tau_low**2, found.tau_high**2) == pytest.approx((0.1197, 1.1115), rel=5e-3)

    def test_equal_studies_do_not_differ(self):
        found = heterogeneity([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
        assert (found.q, found.tau, found.i_squared, found.tau_low) == (0, 0, 0, 0)
        assert found.p_value == 1
        assert found.prediction_low <= found.low < 2 < found.high <= found.prediction_high

    @given(
        st.lists(st.floats(-5, 5), min_size=2, max_size=9),
        st.floats(-3, 3),
        st.floats(0.1, 10),
    )
    def test_shift_and_scale(self, values, shift, scale):
        s = np.linspace(0.5, 1.5, len(values))
        one = heterogeneity(values, s)
        other = heterogeneity(scale * np.array(values) + shift, scale * s)
        assert other.mean == pytest.approx(scale * one.mean + shift, abs=1e-8)
        assert other.tau == pytest.approx(scale * one.tau, abs=1e-5)
        assert other.i_squared == pytest.approx(one.i_squared, abs=1e-8)
        assert 0 <= one.i_squared_low <= one.i_squared_high < 1
        assert one.i_squared_low - 1e-9 <= one.i_squared <= one.i_squared_high + 1e-9

    @pytest.mark.parametrize("tau", [0.0, 0.5])
    def test_intervals_cover(self, tau):
        """400 sets of eight studies: misses beyond 5 % once in 10,000 runs per assertion."""
        rng = generator(0, "heterogeneity", str(tau))
        s = np.linspace(0.2, 0.6, 8)
        missed = np.zeros(3)
        for _ in range(TRIALS):
            y = 1 + tau * rng.standard_normal(8) + s * rng.standard_normal(8)
            found = heterogeneity(y, s)
            missed += [
                not found.low <= 1 <= found.high,
                not found.tau_low <= tau <= found.tau_high,
                found.p_value < 0.05 and tau == 0,
            ]
        assert (missed / TRIALS <= tolerated(0.05)).all()

    @pytest.mark.parametrize(
        ("y", "s", "words"),
        [([1.0], [1.0], "effects"), ([1, 2], [1, 0], "positive"), ([1, 2], [1, 2, 3], "shape")],
    )
    def test_bad_input(self, y, s, words):
        with pytest.raises(InputError, match=words):
            heterogeneity(y, s)

    def test_rank_correlation_on_fishers_scale(self):
        x = np.arange(10.0)
        z, error = rank_correlation_effect(x, x[::-1] ** 3)
        assert np.tanh(z) == pytest.approx(-0.9)
        assert error == pytest.approx(np.sqrt((1 + 0.405) / 7))
        assert rank_correlation_effect(x, np.ones(10))[0] == 0
        assert rank_correlation_effect(x, -(x**2))[0] == -rank_correlation_effect(x, x)[0]


class TestSignatures:
    def test_verdicts(self):
        def of(low, high):
            middle = (low + high) / 2
            return Signature(name="s", value=middle, low=low, high=high, threshold=0.5).verdict

        assert of(0.6, 0.7) == "triggered"
        assert of(0.4, 0.7) == "undecided"
        assert of(0.5, 0.7) == "undecided"
        assert of(0.4, 0.5) == "not triggered"
        with pytest.raises(InputError, match="outside"):
            Signature(name="s", value=2.0, low=0.0, high=1.0, threshold=0.0)

    def test_total_variation_by_hand(self):
        tv = np.array([0.3, 0.4, 0.5])
        found = high_total_variation(tv, floor=0.1, threshold=0.2)
        half = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
        assert found.value == pytest.approx(0.3)
        assert (found.low, found.high) == pytest.approx((max(0.3 - half, 0), 0.4 + half))

    @pytest.mark.parametrize(("gap", "alarm"), [(0.0, False), (0.2, False), (0.4, True)])
    def test_total_variation_never_errs_often(self, gap, alarm):
        """Threshold .2, true TV 0, .2 or .4: the wrong verdict at most in 2.5 % of sets of prompts.

        At a true TV of .2 "triggered" is wrong; of the others it must not be "undecided" always.
        """
        from bbb_core.balance import plug_in_imbalance, sampling_floor

        rng, n, m = generator(1, "tv", str(gap)), 24, 20
        floor = sampling_floor(n)
        verdicts = []
        for _ in range(TRIALS):
            side = rng.choice([-1, 1], m)
            women = rng.binomial(n, 0.5 + side * gap)
            tv = plug_in_imbalance(np.stack([n - women, women], 1))
            verdicts.append(high_total_variation(tv, floor=floor, threshold=0.2).verdict)
        share = {v: verdicts.count(v) / TRIALS for v in set(verdicts)}
        wrong = "not triggered" if alarm else "triggered"
        assert share.get(wrong, 0) <= tolerated(0.025)
        if gap != 0.2:
            assert share.get("triggered" if alarm else "not triggered", 0) > 0.9

    def test_fieller_solves_its_equation(self):
        rng = generator(2, "fieller")
        b = 1 + 0.3 * rng.standard_normal(15)
        a = 0.5 * b + 0.2 * rng.standard_normal(15)
        found = idle_mitigation(b, a)
        t = stats.t.ppf(0.975, 14)
        for end in (found.low, found.high):
            d = a - end * b
            assert abs(d.mean()) == pytest.approx(t * d.std(ddof=1) / np.sqrt(15))
        assert found.value == pytest.approx(a.mean() / b.mean())

    def test_nothing_to_mitigate_is_undecided(self):
        b = np.array([0.1, -0.1, 0.05, -0.04])
        for after in (b * 0, b + 5, b - 5):
            found = idle_mitigation(b, after)
            assert found.verdict == "undecided"
            assert found.low == -np.inf

    @pytest.mark.parametrize(("left", "verdict"), [(0.8, "triggered"), (0.8, "not triggered")])
    def test_mitigation_at_the_threshold(self, left, verdict):
        """At the threshold either firm verdict is wrong: each at most in 2.5 % of 400 sets."""
        rng, count = generator(3, verdict), 0
        for _ in range(TRIALS):
            b = 1 + 0.5 * rng.standard_normal(20)
            a = left * b + 0.3 * rng.standard_normal(20)
            count += idle_mitigation(b, a, least=0.2).verdict == verdict
        assert count / TRIALS <= tolerated(0.025)

    @pytest.mark.parametrize("truth", [[0.8, -0.8], [0.8, 0.8, 0.0], [0.0] * 6])
    def test_flips_are_inside_their_interval(self, truth):
        """400 sets with errors that all encoders share in part: F is missed at most in 5 %."""
        theta = np.array(truth)
        flip = min(theta.max(), (-theta).max())
        rng, s = generator(4, str(truth)), 0.25
        missed = false = 0
        for _ in range(TRIALS):
            noise = s * (rng.standard_normal() + rng.standard_normal(len(theta))) / np.sqrt(2)
            found = opposite_signs(theta + noise, np.full(len(theta), s))
            missed += not found.low <= flip <= found.high
            false += found.verdict == "triggered" and flip <= 0
        assert missed / TRIALS <= tolerated(0.05)
        assert false / TRIALS <= tolerated(0.025)

    @given(st.lists(st.floats(-3, 3), min_size=2, max_size=8), st.floats(0.01, 1))
    def test_flips_do_not_depend_on_who_is_called_first(self, values, s):
        one = opposite_signs(values, [s] * len(values))
        other = opposite_signs([-v for v in values], [s] * len(values))
        assert (one.value, one.low, one.high) == (other.value, other.low, other.high)
        assert (one.value > 0) == (max(values) > 0 > min(values))

    def test_equal_encoders_rarely_differ(self):
        """400 sets of six equal effects: I squared surely above one half in 2.5 % at most."""
        rng, s = generator(5), np.full(6, 0.3)
        found = [differing_encoders(s * rng.standard_normal(6), s).verdict for _ in range(TRIALS)]
        assert found.count("triggered") / TRIALS <= tolerated(0.025)

    def test_bad_input(self):
        for call, words in (
            (lambda: high_total_variation([0.1, 1.2]), "between 0 and 1"),
            (lambda: high_total_variation([0.1, 0.2], threshold=-1), "threshold"),
            (lambda: idle_mitigation([1, 2], [1, 2]), "at least 3"),
            (lambda: idle_mitigation([1, 2, 3], [1, 2, 3], least=1.0), "least"),
            (lambda: opposite_signs([1, 2], [1, -1]), "positive"),
            (lambda: differing_encoders([1, 2], [1, -1]), "positive"),
        ):
            with pytest.raises(InputError, match=words):
                call()
