"""Agreement of two readers: Cohen's kappa and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from bbb_book.chapters.emoji_model.agreement import cohen_kappa
from bbb_core.errors import InputError
from bbb_core.rng import generator


def test_kappa_agrees_with_another_implementation():
    rng = generator(1, "kappa")
    a = rng.choice(["m", "w", "none"], 200).tolist()
    b = [x if rng.random() < 0.7 else "m" for x in a]
    found = cohen_kappa(a, b, n_resamples=99, rng=generator(0))
    assert found.kappa.value == pytest.approx(cohen_kappa_score(a, b))
    assert found.table.sum() == 200


def test_kappa_does_not_care_who_is_first_or_how_labels_are_called():
    a, b = list("xxyyzzxyz") * 3, list("xyyyzxxyz") * 3
    one = cohen_kappa(a, b, n_resamples=9, rng=generator(0)).kappa.value
    two = cohen_kappa(b, a, n_resamples=9, rng=generator(0)).kappa.value
    renamed = cohen_kappa(
        [x + "!" for x in a], [x + "!" for x in b], n_resamples=9, rng=generator(0)
    )
    assert one == pytest.approx(two) == pytest.approx(renamed.kappa.value)


def test_kappa_interval_covers():
    """200 pairs of readers of 150 images, true kappa 0.6: at least 88 % cover.

    The bootstrap covers about 94 % here; below 88 % has probability under 0.001.
    """
    rng = generator(2, "kappa coverage")
    hits = 0
    for _ in range(200):
        truth = rng.random(150) < 0.5
        # each reader errs with probability e on its own: kappa = (1 - 2e)^2 = 0.6
        e = (1 - np.sqrt(0.6)) / 2
        a, b = (np.where(truth ^ (rng.random(150) < e), "x", "y").tolist() for _ in range(2))
        k = cohen_kappa(a, b, n_resamples=199, rng=rng).kappa
        hits += k.low <= 0.6 <= k.high
    assert hits / 200 >= 0.88


def test_kappa_refuses_what_says_nothing():
    with pytest.raises(InputError, match="undefined"):
        cohen_kappa(["a", "a"], ["a", "a"], rng=generator(0))
    with pytest.raises(InputError, match="one per image"):
        cohen_kappa(["a", "a"], ["a"], rng=generator(0))
