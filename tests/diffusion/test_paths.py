"""Path KL as a geometry."""

from __future__ import annotations

import pytest
import torch

from bbb_book.chapters.biased_embeddings.assumption_breaks import LateDecision
from bbb_book.chapters.biased_embeddings.bound_ladder import weight, wrong_means_table
from bbb_book.oracles.exact_law import exact_comparison
from bbb_core.diffusion import path_kl, two_group_oracle
from bbb_core.diffusion.noise import SampleStreams
from bbb_core.errors import InputError

SURE = 1 - 1e-6
"""Level of an interval whose miss fails a test: false-fail rate 1e-6."""


def test_estimate_agrees_with_quadrature_step_by_step() -> None:
    oracle, c, other = two_group_oracle(separation=2.0, steps=25), weight(0.3), weight(0.6)
    exact = exact_comparison(oracle, c, other)
    result = path_kl(oracle, c, other, n=8000, seed=0, confidence=SURE)
    assert result.interval[0] <= exact.path_kl <= result.interval[1]
    assert result.steps.sum().item() == pytest.approx(result.value)
    torch.testing.assert_close(result.steps, exact.step_kl, rtol=0.15, atol=2e-3)
    back = path_kl(oracle, other, c, n=8000, seed=0, confidence=SURE)
    assert back.interval[0] <= exact.path_kl_back <= back.interval[1]


def test_the_interval_holds_its_estimate() -> None:
    oracle, c = two_group_oracle(steps=10), weight(0.3)
    for other in (weight(0.3), weight(0.300001), weight(0.6)):
        result = path_kl(oracle, c, other, n=30, seed=0)
        assert 0 <= result.interval[0] <= result.value <= result.interval[1]
        assert result.n == 30


def test_more_dimensions_give_the_same_divergence() -> None:
    c, other = weight(0.3), weight(0.6)
    exact = exact_comparison(two_group_oracle(steps=10), c, other)
    lifted = two_group_oracle(steps=10, dimension=7)
    result = path_kl(lifted, c, other, n=4000, seed=1, confidence=SURE)
    assert result.interval[0] <= exact.path_kl <= result.interval[1]


def test_paths_do_not_depend_on_the_batch_nor_on_n() -> None:
    oracle, c, other = two_group_oracle(steps=5), weight(0.3), weight(0.6)
    whole = path_kl(oracle, c, other, n=300, seed=2)
    assert path_kl(oracle, c, other, n=300, seed=2, batch=70).value == pytest.approx(whole.value)
    assert whole.value != path_kl(oracle, c, other, n=300, seed=3).value
    assert whole.value / 2 < whole.interval[0]  # clipped at zero from below only
    assert whole.interval[1] < 2 * whole.value


def test_stop_leaves_out_the_last_steps() -> None:
    oracle, c, other = two_group_oracle(steps=10, variance="posterior"), weight(0.3), weight(0.6)
    early = path_kl(oracle, c, other, n=200, seed=0, stop=4)
    late = path_kl(oracle, c, other, n=200, seed=0, stop=1)
    assert torch.equal(early.steps[:4], torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(early.steps[4:], late.steps[4:])
    assert early.value < late.value


def test_a_step_without_noise_is_refused_with_the_remedy() -> None:
    oracle = two_group_oracle(variance="posterior")
    with pytest.raises(InputError, match=r"step 1 \(sigma_1 = 0\).*certified"):
        path_kl(oracle, weight(0.3), weight(0.6), n=100, seed=0)


def test_late_decision_fools_the_noisy_steps() -> None:
    process = LateDecision(two_group_oracle(steps=10), middle=weight(0.5))
    result = path_kl(process, weight(0.6), weight(0.4), n=50, seed=0, stop=1)
    assert result.value == 0
    from bbb_core.diffusion import sample

    assert (sample(process, weight(0.6), 50) >= 0).all()
    assert (sample(process, weight(0.4), 50) <= 0).all()


def test_wrong_means_undercut_the_truth_and_right_means_do_not() -> None:
    table = wrong_means_table(separation=4.0, steps=25, w=0.49, other=0.51)
    assert (table.right_bound >= table.exact - table.error).all()
    assert (table.wrong_bound < table.exact).iloc[1:].all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 5}, "n is 5"),
        ({"confidence": 1.0}, "confidence is 1"),
        ({"stop": 10}, "stop is 10"),
        ({"seed": -1}, "seed is -1"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_bad_options(options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        path_kl(
            two_group_oracle(steps=10), weight(0.4), weight(0.6), **{"n": 30, "seed": 0} | options
        )


def test_streams_are_keyed() -> None:
    first, second = SampleStreams(0, 2, "a"), SampleStreams(0, 2, "b")
    assert not torch.equal(first.normal((1,)), second.normal((1,)))
    assert len(first) == 2
