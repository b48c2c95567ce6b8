"""Radii from cosines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbb_book.chapters.biased_embeddings.corollaries import cosine_radius
from bbb_core.errors import InputError


@given(angle=st.floats(0, np.pi))
def test_cosine_radius_on_the_circle(angle: float) -> None:
    distance = np.hypot(np.cos(angle) - 1, np.sin(angle))
    assert cosine_radius(np.cos(angle)) == pytest.approx(distance, abs=1e-7)


def test_cosines_of_rounded_vectors_are_clipped() -> None:
    assert cosine_radius([1 + 5e-10, -1 - 5e-10]).tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cosine_radius(1.1), "cosine is 1.1"),
        (lambda: cosine_radius([0.5, -1 - 1e-8]), "cosine is -1"),
        (lambda: cosine_radius(np.nan), "cosine"),
    ],
)
def test_bad_input_names_the_argument(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
