"""The second reader's part in the experiments: stored codes, confusion, agreement, correction."""

from __future__ import annotations

import numpy as np
import pytest

from bbb_book.chapters.emoji_model import reader_checks
from bbb_book.generators.people import READINGS, counts_of
from bbb_core import rng


@pytest.fixture
def checked(monkeypatch):
    """A reader that errs in a known way, in place of a trained one."""
    counts = np.array([[190, 10, 0], [20, 180, 0], [0, 0, 200]])
    made = {"counts_tone": counts, "counts_occupation": counts}
    made |= {"right_tone": np.array([0.9, 0.8, 1.0]), "right_occupation": np.array([0.5, 0.4, 0.6])}
    monkeypatch.setattr(reader_checks, "second_reader", lambda size, steps: made)


def drawings_read(first, second, named_first, named_second):
    return {
        "neutral_group_codes": np.asarray(first),
        "neutral_second_codes": np.asarray(second),
        "named_group_codes": np.asarray(named_first),
        "named_second_codes": np.asarray(named_second),
    }


@pytest.fixture
def drawn():
    """Twenty prompts whose true share of women is .7, read without and with error."""
    stream = rng.generator(0, "two readers")
    true = (stream.random((20, 200)) < 0.7).astype(int)
    wrong = stream.random(true.shape) < np.where(true == 1, 0.1, 0.05)
    named = np.broadcast_to(np.arange(2)[:, None], (20, 2, 10))
    return drawings_read(true, np.where(wrong, 1 - true, true), named, named)


def test_readers_that_agree_have_kappa_one(drawn):
    same = {k: drawn[k.replace("second", "group")] for k in drawn}
    assert reader_checks.agreement(same)["value"] == pytest.approx(1)
    made = reader_checks.agreement(drawn)
    assert made["low"] <= made["value"] <= made["high"] < 1
    assert made["n"] == 20 * 200 + 20 * 2 * 10


def test_agreement_table_counts_every_image(drawn):
    assert reader_checks.agreement_table(drawn).to_numpy().sum() == 4400


def test_every_named_image_is_read_right(drawn):
    made = reader_checks.second_separation(drawn)
    assert made["value"] == made["high"] == 1
    assert made["low"] > 0.99


def test_correction_takes_the_known_errors_off(checked, drawn):
    read = counts_of(drawn["neutral_second_codes"].ravel())
    assert read[1] / read.sum() < 0.68  # the reader misses women
    made = reader_checks.correction(drawn, size=32, steps=1)
    assert abs(made["value"]) < 0.02
    assert made["low"] < 0 < made["high"]
    table = reader_checks.correction_table(drawn, size=32, steps=1)
    assert list(table.columns) == list(READINGS)
    assert "" not in table.to_numpy()


def test_confusion_table_has_a_row_for_every_truth(checked):
    table = reader_checks.confusion_table(32, 1)
    assert table.shape == (6, 3)
    assert table.iloc[1, 0].startswith("0.10 [")


def test_a_reader_that_cannot_tell_groups_apart_says_so(monkeypatch, drawn):
    counts = np.full((3, 3), 50)
    monkeypatch.setattr(reader_checks, "second_reader", lambda size, steps: {"counts_tone": counts})
    made = reader_checks.correction(drawn, size=32, steps=1)
    assert (made["low"], made["high"]) == (-1, 1)
