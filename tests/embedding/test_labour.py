"""The vendored labour shares: complete, plausible, and malformed files refused by line."""

from __future__ import annotations

import pytest

from bbb_core.embedding.labour import labour_shares
from bbb_core.errors import InputError
from bbb_core.prompts import OCCUPATIONS

HEAD = "occupation,percent_women,year\n"


def test_covers_the_sixty_occupations():
    shares = labour_shares()
    assert set(shares) == set(OCCUPATIONS)
    assert all(0.0 <= share <= 1.0 for share in shares.values())
    assert shares["nurse"] == pytest.approx(0.8958)
    assert shares["plumber"] == pytest.approx(0.007)


def test_cannot_be_changed_by_a_caller():
    with pytest.raises(TypeError):
        labour_shares()["nurse"] = 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "no column 'occupation'"),
        (HEAD, "no row"),
        (HEAD + "nurse,90\n", "line 2: 2 cells"),
        (HEAD + "nurse,ninety,2015\n", "line 2, column 'percent_women'"),
        (HEAD + "nurse,nan,2015\n", "line 2, column 'percent_women'"),
        (HEAD + "nurse,,2015\n", "line 2: percent_women"),
        (HEAD + "nurse,101,2015\n", "line 2: percent_women"),
        (HEAD + "nurse,90,15\n", "line 2: year"),
        (HEAD + "nurse,90,2015\nnurse,1,2015\n", "line 3: occupation 'nurse' stands twice"),
    ],
)
def test_malformed_files_are_refused(tmp_path, text, message):
    path = tmp_path / "shares.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        labour_shares(path)


def test_missing_and_binary_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        labour_shares(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no UTF-8 text"):
        labour_shares(tmp_path / "binary.csv")
