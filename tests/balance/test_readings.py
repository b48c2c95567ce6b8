"""People's readings: alpha by hand and by another implementation, known errors, bad input."""

from __future__ import annotations

import krippendorff
import numpy as np
import pandas as pd
import pytest

from bbb_core.balance.labels import correct_labels
from bbb_core.balance.readings import OTHERS, audit_labels, nominal_alpha, pair_agreement
from bbb_core.errors import InputError
from bbb_core.rng import generator

TABLE = [[2, 0], [2, 0], [1, 1], [0, 2]]


def read(rows, **options):
    images, raters, answers = zip(*rows, strict=True)
    given = {"rng": generator(0), "n_resamples": 19} | options
    return audit_labels(images, raters, answers, **given)


def simulated(seed, rates, shares, *, images=600, raters=40):
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(images):
        label = rng.choice(len(shares), p=shares)
        for j in rng.choice(raters, 3, replace=False):
            rows.append((f"i{i}", f"r{j}", "abc"[rng.choice(len(shares), p=rates[label])]))
    return rows


def test_alpha_by_hand():
    """Eight readings, five of them a: two ordered pairs of 8 differ, 2 * 5 * 3 of 56 by chance."""
    assert nominal_alpha(TABLE) == pytest.approx(1 - (2 / 8) / (30 / 56))
    assert nominal_alpha([*TABLE, [1, 0]]) == pytest.approx(float(nominal_alpha(TABLE)))
    assert nominal_alpha([[3, 0], [3, 0]]) == 1
    assert pair_agreement(TABLE) == pytest.approx(3 / 4)
    assert pair_agreement([[3, 0], [2, 1], [1, 0]]) == pytest.approx((1 + 1 / 3) / 2)


def test_alpha_is_that_of_another_implementation():
    counts = np.random.default_rng(1).integers(0, 4, (5, 30, 3))
    ours = nominal_alpha(counts)
    for one, alpha in zip(counts, ours, strict=True):
        kept = one[one.sum(axis=1) >= 2]
        theirs = krippendorff.alpha(value_counts=kept, level_of_measurement="nominal")
        assert alpha == pytest.approx(theirs)


def test_known_errors_are_recovered():
    """With 1,800 readings rates of a hundred or more have standard errors near .02."""
    rates = [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.05, 0.15, 0.8]]
    shares = [0.5, 0.2, 0.3]
    found = read(simulated(2, rates, shares), least=1000)
    assert found.errors.index.get_level_values("rater").unique().tolist() == [OTHERS]
    np.testing.assert_allclose(found.errors[list("abc")].to_numpy(), rates, atol=0.09)
    np.testing.assert_allclose(found.shares["corrected"], shares, atol=0.06)
    assert (found.shares["low"] <= found.shares["corrected"]).all()
    assert (found.shares["corrected"] <= found.shares["high"]).all()
    assert found.alpha.low < found.alpha.value < found.alpha.high


def test_a_rater_with_many_readings_gets_rates_of_his_own():
    rows = [(f"i{i}", r, "a" if i < 20 else "b") for i in range(40) for r in "xyz"]
    rows = [(i, r, "a" if r == "z" else y) for i, r, y in rows]  # z always says a
    found = read(rows, least=40)
    assert found.errors.loc[("z", "b"), "a"] == pytest.approx(1, abs=1e-3)
    assert found.errors.loc[("x", "b"), "b"] == pytest.approx(1, abs=1e-3)
    assert found.labels["label"].tolist() == ["a" if int(i[1:]) < 20 else "b"
                                              for i in found.labels.index]  # fmt: skip
    assert found.notes == ()


def test_counts_and_confusion_belong_together():
    """All prompts together, the correction of the labels is the model's share, up to rounding."""
    rows = simulated(3, [[0.85, 0.15], [0.3, 0.7]], [0.3, 0.7], images=300)
    prompts = ["first" if int(i[1:]) < 100 else "second" for i, _, _ in rows]
    found = read(rows, prompts=prompts)
    assert found.counts.index.tolist() == ["first", "second"]
    assert found.counts.sum(axis=1).tolist() == [100, 200]
    made = correct_labels(found.counts.sum().to_dict(), found.confusion)
    assert made.shares["a"] == pytest.approx(found.shares.loc["a", "corrected"], abs=0.03)
    assert found.confusion.counts.sum() <= 300  # worth no more images than there are
    low, high = made.interval["a"]
    assert high - low > found.shares.loc["a", "high"] - found.shares.loc["a", "low"] - 0.05


def test_full_agreement_and_a_stray_reading_leave_a_whole_confusion():
    rows = [(f"i{i}", r, "a" if i < 8 else "b") for i in range(12) for r in "xyz"]
    found = read(rows)
    assert found.confusion.counts.tolist() == [[8, 0], [0, 4]]
    assert (found.alpha.value, found.agreement.low) == (1, 1)
    stray = [(i, r, "a") for i, r, _ in rows]
    stray[0] = ("i0", "x", "b")
    found = read(stray)
    assert (found.confusion.counts.sum(axis=1) >= 1).all()
    assert found.notes  # b is mostly read as a
    with pytest.raises(InputError, match="cannot tell some groups apart"):
        correct_labels(found.counts.sum().to_dict(), found.confusion)


def test_the_audit_does_not_depend_on_the_order_of_rows():
    rows = simulated(4, [[0.9, 0.1], [0.2, 0.8]], [0.5, 0.5], images=60)
    first, second = read(rows), read(rows[::-1])
    pd.testing.assert_frame_equal(first.labels, second.labels)
    pd.testing.assert_frame_equal(first.shares, second.shares)


def test_what_limits_the_numbers_is_said():
    rows = [(f"i{i}", r, "ab"[i % 2]) for i in range(30) for r in "xy"] + [("one", "x", "a")]
    said = " ".join(read(rows).notes)
    assert "1 images have one reading" in said
    assert "hardly identified" in said


def test_a_label_that_lost_its_meaning_is_said():
    """One reading of c among readings of a: the fit calls c what is mostly read as a."""
    rows = [(f"i{i}", r, "a" if i < 7 else "b") for i in range(12) for r in "xyz"]
    rows[0], rows[5] = ("i0", "x", "b"), ("i1", "z", "c")
    assert "label 'c' is read as something else" in " ".join(read(rows).notes)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("i", "x", "a"), ("i", "x", "b"), ("j", "y", "a")], "'x' reads image 'i' twice"),
        ([("i", "x", "a"), ("j", "x", "b")], "only the rater 'x'"),
        ([("i", "x", "a"), ("i", "y", "a")], "only the answer 'a'"),
        ([("i", "x", "a"), ("j", "y", "b")], "no two images have two readings"),
        ([("i", "x", "a"), (None, "y", "b")], "image is missing"),
    ],
)
def test_bad_readings_get_one_error(rows, words):
    with pytest.raises(InputError, match=words):
        read(rows)


def test_prompts_and_lengths_must_fit():
    rows = [("i", "x", "a"), ("i", "y", "b"), ("j", "x", "a"), ("j", "y", "b")]
    with pytest.raises(InputError, match="'i' has 2 prompts"):
        read(rows, prompts=["p", "q", "p", "p"])
    with pytest.raises(InputError, match="differ in length"):
        read(rows, prompts=["p"])
