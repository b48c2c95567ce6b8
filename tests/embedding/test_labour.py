"""The vendored labour shares: complete, plausible, and found whatever the case."""

from __future__ import annotations

import math

import pytest

from bbb_core.embedding.labour import labour_shares, shares_of
from bbb_core.prompts import OCCUPATIONS


def test_covers_the_sixty_occupations():
    shares = labour_shares()
    assert set(shares) == set(OCCUPATIONS)
    assert all(0.0 <= share <= 1.0 for share in shares.values())
    assert shares["nurse"] == pytest.approx(0.8958)
    assert shares["plumber"] == pytest.approx(0.007)


def test_cannot_be_changed_by_a_caller():
    with pytest.raises(TypeError):
        labour_shares()["nurse"] = 0.5


def test_nouns_are_found_whatever_their_case_and_blanks():
    found = shares_of(["NURSE ", "astronaut"])
    assert found[0] == labour_shares()["nurse"]
    assert math.isnan(found[1])
