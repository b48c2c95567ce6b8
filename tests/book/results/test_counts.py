"""Counts as one says them: none of so many, some of so many, all."""

from __future__ import annotations

import pytest

from bbb_book.results import show_count
from bbb_core.errors import InputError


def test_the_ends_are_words() -> None:
    assert [show_count("x", k, 1200) for k in (0, 7, 1200)] == [
        "none of 1,200",
        "7 of 1,200",
        "all 1,200",
    ]


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_impossible_counts_are_refused(k: int, n: int) -> None:
    with pytest.raises(InputError, match="'x'"):
        show_count("x", k, n)
