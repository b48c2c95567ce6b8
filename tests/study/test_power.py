"""The power calculation against enumeration, simulation and known values."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from click.testing import CliRunner

from bbb_core.cli import main
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import binomial_interval
from bbb_core.study.planning import plan_study
from bbb_core.study.power import (
    Readers,
    design_effect,
    detection_power,
    expected_half_width,
    images_for_half_width,
    images_for_power,
)


@pytest.mark.parametrize("readers", [Readers(readings=3, error=0.2, cant_tell=0.1, ambiguous=0.3)])
def test_label_rates_by_enumeration(readers):
    """All 3^3 outcomes of three readers, one by one."""
    rates = np.zeros(3)
    for weight, e in ((0.7, 0.2), (0.3, 0.5)):
        p = {1: 0.9 * (1 - e), -1: 0.9 * e, 0: 0.1}
        for read in itertools.product(p, repeat=3):
            side = np.sign(sum(read))
            rates[{1: 0, -1: 1, 0: 2}[int(side)]] += weight * np.prod([p[one] for one in read])
    assert readers.label_rates() == pytest.approx(rates)


def simulated(n, imbalance, readers, *, trials, rng):
    """Labels of `trials` studies from single readings: shares of the larger group, and sizes."""
    r = readers.readings
    truth = rng.random((trials, n, 1)) < 0.5 + imbalance
    guess = rng.random((trials, n, 1)) < readers.ambiguous
    wrong = rng.random((trials, n, r)) < np.where(guess, 0.5, readers.error)
    tells = rng.random((trials, n, r)) >= readers.cant_tell
    votes = (np.where(truth ^ wrong, 1, -1) * tells).sum(axis=2)
    return (votes > 0).sum(axis=1), (votes != 0).sum(axis=1)


DESIGNS = [
    (40, 0.2, Readers(readings=3, error=0.15, cant_tell=0.1)),
    (90, 0.15, Readers(readings=5, error=0.1, cant_tell=0.05, ambiguous=0.2)),
    (60, 0.0, Readers(readings=2, error=0.1, cant_tell=0.3)),
    (25, 0.4, Readers(readings=1, error=0.3, cant_tell=0.2)),
]


@pytest.mark.parametrize(("n", "imbalance", "readers"), DESIGNS)
def test_power_and_width_against_simulation(n, imbalance, readers):
    """4000 studies; the bands are 4 standard errors: a false alarm in 16,000 per comparison."""
    trials = 4000
    k, m = simulated(n, imbalance, readers, trials=trials, rng=generator(0, "power", n))
    low, high = binomial_interval(k, np.maximum(m, 1))
    hit = ((low > 0.5) | (high < 0.5)) & (m > 0)
    exact = detection_power(n, imbalance, readers)
    assert abs(hit.mean() - exact) < 4 * np.sqrt(max(exact * (1 - exact), 1e-3) / trials)
    width = (high - low) / 2
    expected = expected_half_width(n, readers, imbalance=imbalance)
    assert abs(width.mean() - expected) < 4 * width.std() / np.sqrt(trials) + 1e-4
    share = (k[m > 0] / m[m > 0]).mean()
    assert abs(share - readers.labelled_share(imbalance)) < 4 * 0.5 / np.sqrt(n * trials) + 5e-3


def test_false_alarms_stay_below_the_level():
    for n in (10, 37, 200):
        assert detection_power(n, 0.0, Readers()) <= 0.05


def test_design_effect_against_simulation():
    """Variance of the mean of all readings over its value for independent ones."""
    n, r, trials = 30, 6, 4000
    readers = Readers(readings=r, error=0.15, cant_tell=0.0, ambiguous=0.25)
    rng = generator(0, "design effect")
    truth = rng.random((trials, n, 1)) < 0.7
    guess = rng.random((trials, n, 1)) < 0.25
    read = truth ^ (rng.random((trials, n, r)) < np.where(guess, 0.5, 0.15))
    q = read.mean()
    ratio = read.mean(axis=(1, 2)).var() / (q * (1 - q) / (n * r))
    # a variance from 4000 draws has a relative standard error of sqrt(2 / 4000) = 0.022
    assert ratio == pytest.approx(design_effect(readers, 0.2), rel=0.09)


def test_limits():
    perfect = Readers(readings=5, error=0.0, cant_tell=0.0)
    assert perfect.label_rates() == (1.0, 0.0, 0.0)
    assert design_effect(perfect) == 5.0
    assert design_effect(perfect, 0.5) == 1.0
    assert Readers(error=0.5).labelled_share(0.5) == pytest.approx(0.5)
    assert detection_power(5, 0.5, perfect) == 0.0  # 2 / 2^5 > 0.05
    assert detection_power(6, 0.5, perfect) == 1.0


def test_numbers_of_images_are_least():
    readers = Readers()
    n = images_for_half_width(0.1, readers)
    assert expected_half_width(n, readers) <= 0.1 < expected_half_width(n - 1, readers)
    n = images_for_power(0.2, readers, power=0.8)
    assert detection_power(n - 1, 0.2, readers) < 0.8
    assert all(detection_power(i, 0.2, readers) >= 0.8 for i in range(n, n + 40))


def test_more_of_anything_bad_needs_more_images():
    base = images_for_power(0.15, Readers())
    for worse in (
        Readers(error=0.3),
        Readers(readings=1),
        Readers(ambiguous=0.3),
        Readers(cant_tell=0.9),
    ):
        assert images_for_power(0.15, worse) > base


def test_plan():
    made = plan_study(
        Readers(readings=4), half_width=0.1, prompts=5, per_participant=50, dropped=0.2
    )
    assert made.half_width <= 0.1
    readings = made.images * 5 * 4
    assert made.people >= readings / 50 / 0.8 > made.people - 2
    assert 0 <= made.unread < 0.05
    assert "per prompt" in str(made)
    assert plan_study(Readers(), imbalance=0.2).power >= 0.9


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Readers(error=0.6), "error"),
        (lambda: Readers(cant_tell=1), "cant_tell"),
        (lambda: Readers(readings=0), "readings"),
        (lambda: plan_study(Readers()), "one of"),
        (lambda: plan_study(Readers(), imbalance=0.1, half_width=0.1), "one of"),
        (lambda: plan_study(Readers(), imbalance=0.0), "nothing to detect"),
        (lambda: images_for_power(0.01, Readers(error=0.5)), "more than"),
        (lambda: images_for_half_width(0.001, Readers()), "more than"),
        (lambda: detection_power(10, 0.6, Readers()), "imbalance"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_command():
    found = CliRunner().invoke(main, ["study", "plan", "--imbalance", "0.2"])
    assert found.exit_code == 0, found.output
    assert "Images:" in found.output
    assert CliRunner().invoke(main, ["study", "plan"]).exit_code == 2
