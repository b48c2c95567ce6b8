"""The ideal generator: weights of captions against simulation, the window, several groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbb_book.chapters.inheritance.ideal_generator import caption_noise_window, kernel_weights
from bbb_book.chapters.intersections.group_law import inherited_shares
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.theory import inherited_share

REALS = st.floats(-3, 3)


def test_the_best_denoiser_under_caption_noise_is_that_of_the_weighted_mixture():
    # By another route: pairs are simulated as in training, and the mean of x_0 is taken over those
    # whose noisy caption and noisy picture fall into a small window. Four standard errors.
    rng = generator(0, "caption noise")
    captions, pictures, priors = (
        np.array([0.0, 1.0, 2.5]),
        np.array([-2.0, 1.0, 3.0]),
        [0.5, 0.3, 0.2],
    )
    tau, sigma, c, x = 0.8, 1.5, 0.9, 0.4
    i = rng.choice(3, size=4_000_000, p=priors)
    caption = captions[i] + tau * rng.standard_normal(len(i))
    x0 = pictures[i] + 0.3 * rng.standard_normal(len(i))
    noisy = x0 + sigma * rng.standard_normal(len(i))
    kept = x0[(abs(caption - c) < 0.04) & (abs(noisy - x) < 0.04)]
    weights = kernel_weights([c], captions[:, None], noise=tau, priors=priors)
    spread = 0.3**2 + sigma**2
    posterior = weights * np.exp(-((x - pictures) ** 2) / (2 * spread))
    means = pictures + 0.3**2 / spread * (x - pictures)
    expected = (posterior * means).sum() / posterior.sum()
    assert abs(kept.mean() - expected) < 4 * kept.std() / math.sqrt(len(kept))


def test_two_unit_captions_inherit_the_gap():
    a, b, p = ([math.cos(u), math.sin(u)] for u in (0.0, 1.0, 0.7))
    weights = kernel_weights(p, [a, b], noise=0.4)
    gap = math.cos(0.3) - math.cos(0.7)  # cosines to b and to a
    assert math.log(weights[1] / weights[0]) == pytest.approx(gap / 0.16)
    distance = 2 * math.sin(0.5)
    position = 0.5 + gap / distance**2
    assert weights[1] == pytest.approx(float(inherited_share(position, distance**2 / 0.16, 0.5)))


def test_little_noise_takes_the_nearest_caption_and_much_noise_the_training_share():
    captions, priors = [[0.0], [1.0], [3.0]], [0.2, 0.3, 0.5]
    assert kernel_weights([0.8], captions, noise=1e-3, priors=priors).round(6).tolist() == [0, 1, 0]
    assert kernel_weights([0.8], captions, noise=1e4, priors=priors) == pytest.approx(priors)


@given(st.floats(0.001, 0.3), st.floats(0.2, 1.4), st.floats(0.02, 0.4), st.floats(0.02, 0.4))
def test_the_ends_of_the_window_are_where_the_conditions_turn(gap, distance, epsilon, delta):
    low, high = map(float, caption_noise_window(gap, distance, epsilon=epsilon, delta=delta))
    assert 1 / (1 + math.exp(-gap / low**2)) == pytest.approx(0.5 + epsilon)
    at_group = kernel_weights([0.0], [[0.0], [distance]], noise=high)
    assert at_group[0] == pytest.approx(1 - delta)


def test_weights_of_many_conditions_are_those_of_each_with_equal_priors_by_default():
    conditions = generator(0, "conditions").normal(size=(2, 3, 2))
    captions = np.array([[0.0, 0.0], [1.0, 0.5], [-1.0, 2.0], [0.3, 0.3]])
    weights = kernel_weights(conditions, captions, noise=0.7)
    assert weights.shape == (2, 3, 4)
    for place in np.ndindex(2, 3):
        near = [math.exp(-(math.dist(conditions[place], e) ** 2) / (2 * 0.49)) for e in captions]
        assert weights[place] == pytest.approx(np.array(near) / sum(near))
    far = kernel_weights([1e3, 0.0], captions, noise=0.1)  # no weight underflows into 0 / 0
    assert far.sum() == pytest.approx(1)


@given(REALS, REALS, st.floats(0, 1))
def test_two_groups_follow_the_law_of_two(low, high, t):
    shares = inherited_shares([1 - t, t], [[0.0, low], [0.0, high]])
    odds = low + t * (high - low)  # k (t - t*) with k = high - low and k t* = -low
    assert shares[1] == pytest.approx(1 / (1 + math.exp(-odds)))
    if abs(high - low) > 0.1:
        assert shares[1] == pytest.approx(
            float(inherited_share(t, high - low, -low / (high - low)))
        )


def test_many_captions_of_equal_noise_obey_the_law_of_many_groups():
    """Off the hull, too; each matrix of logarithms has rows up to a constant of their own."""
    rng = generator(0, "hull")
    captions, priors, tau = rng.normal(size=(4, 6)), [0.1, 0.2, 0.3, 0.4], 1.3
    coordinates = rng.dirichlet(np.ones(4), size=5) * 3 - 0.5  # sums to 1; some are negative
    normal = np.linalg.svd(captions - captions.mean(0))[2][3:]
    conditions = coordinates @ captions + rng.normal(size=(5, 3)) @ normal
    log_shares = np.log(kernel_weights(captions, captions, noise=tau, priors=priors))
    expected = kernel_weights(conditions, captions, noise=tau, priors=priors)
    assert inherited_shares(coordinates, log_shares) == pytest.approx(expected)
    squares = ((captions[:, None] - captions) ** 2).sum(-1)
    one_slope = np.log(priors) - squares / (2 * tau**2)
    assert inherited_shares(coordinates, one_slope) == pytest.approx(expected)


def test_shares_between_groups_are_geometric_means():
    at_groups = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    weights = [0.5, 0.2, 0.3]
    mean = [math.prod(at_groups[:, i] ** weights) for i in range(3)]
    shares = inherited_shares(weights, np.log(at_groups))
    assert shares == pytest.approx(np.array(mean) / sum(mean))
    assert inherited_shares(np.eye(3), np.log(at_groups)) == pytest.approx(at_groups)
    assert inherited_shares([1 / 3] * 3, np.eye(3) * 7) == pytest.approx([1 / 3] * 3)


def test_the_window_by_hand_on_both_sides_of_the_mirror():
    logit = math.log(0.6 / 0.4), math.log(0.95 / 0.05)
    low, high = caption_noise_window([0.02, -0.02, 0.0], 0.5, epsilon=0.1, delta=0.05)
    assert low.tolist() == pytest.approx([math.sqrt(0.02 / logit[0])] * 2 + [0.0])
    assert high.tolist() == pytest.approx([0.5 / math.sqrt(2 * logit[1])] * 3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: kernel_weights([0.0], [[0.0, 1.0]], noise=1), "2 numbers"),
        (lambda: kernel_weights([0.0], [[0.0]], noise=0), "noise is 0"),
        (
            lambda: kernel_weights([0.0], [[0.0], [1.0]], noise=1, priors=[1.0, 0.0]),
            "positive shares",
        ),
        (lambda: inherited_shares([0.5, 0.4], np.eye(2)), "sum to 0.9"),
        (lambda: inherited_shares([0.5, 0.5], np.eye(3)), r"\(3, 3\)"),
        (lambda: inherited_shares([0.5, 0.5], np.ones((2, 3))), r"\(2, 3\)"),
        (lambda: inherited_shares([1.0, 0.0], [[0.0, -math.inf], [0.0, 0.0]]), "log_shares"),
        (lambda: caption_noise_window(0.1, 0.0, epsilon=0.1, delta=0.1), "must differ"),
        (lambda: caption_noise_window(0.1, 1.0, epsilon=0.5, delta=0.1), "epsilon is 0.5"),
        (lambda: caption_noise_window(0.1, 1.0, epsilon=0.1, delta=0.0), "delta is 0"),
        (lambda: caption_noise_window(0.1, [1.0, -1.0], epsilon=0.1, delta=0.1), "distance is -1"),
        (lambda: kernel_weights(0.0, [[0.0]], noise=1), "1 numbers"),
        (lambda: kernel_weights([0.0], [[0.0]], noise=-1), "noise is -1"),
        (lambda: kernel_weights([0.0], [[0.0], [1.0]], noise=1, priors=[1.0]), "2 positive shares"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
