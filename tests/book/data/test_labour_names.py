"""Names of occupations matched with the labour statistics."""

from __future__ import annotations

from bbb_book.data.labour_names import labour_matches


def test_matches_name_their_kind():
    asked = ["nurse", "civil engineer", "roofer", "data entry keyer", "Head Teacher", "DOCTOR"]
    found = labour_matches(asked)
    kinds = ["same name", "head noun", "", "", "head noun", "same name"]
    assert found["match"].tolist() == kinds
    assert found["noun"].tolist() == ["nurse", "engineer", "", "", "teacher", "doctor"]
    assert found["share"].isna().tolist() == [False, False, True, True, False, False]
    assert list(found.index) == asked


def test_a_last_word_alone_is_matched_and_no_other():
    assert labour_matches(["Teacher student"])["noun"].tolist() == [""]
