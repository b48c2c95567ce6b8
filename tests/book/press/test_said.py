"""Numbers as a person would say them, on pages that execute nothing."""

from __future__ import annotations

import json

import pytest

from bbb_book.press.failures import BuildFailed
from bbb_book.press.said import Number, glued, say
from bbb_book.press.site import build_book
from bbb_core.errors import InputError

FALL = Number(-0.234, -0.306, -0.149, 2)


@pytest.mark.parametrize(
    ("number", "form", "value", "interval"),
    [
        (FALL, "size", "0.23", "0.15 to 0.31"),
        (FALL, "points", "23", "15 to 31"),
        (FALL, "percent", "23 %", "15 % to 31 %"),
        (FALL, "falls", "falls by 23 points", "15 to 31"),
        (FALL, "less", "0.23 smaller", "0.15 to 0.31"),
        (Number(0.1, -0.02, 0.2, 2), "falls", "rises by 10 points", "−2 to 20"),
        (Number(0.1, -0.02, 0.2, 2), "less", "0.10 larger", "−0.02 to 0.20"),
        (Number(-0.1, -0.2, 0.02, 1), "points", "10", "−2 to 20"),
        (Number(0.0, -0.001, 0.0, 2), "points", "0", "0 to 0"),
        (Number(0.0, 0.0, 1.0, 2), "factor", "1.00", "1.00 to 2.72"),
        (Number(-0.7, -0.8, -0.6, 2), "factor", "0.50", "0.45 to 0.55"),
    ],
)
def test_values_lose_their_sign_and_intervals_turn_with_them(number, form, value, interval):
    assert say(number, form) == value
    assert say(number, form, interval=True) == interval


def test_a_glued_text_is_found_by_chapter_and_name(tmp_path):
    text = {"rate": {"data": {"text/plain": "'0.12 [0.10, 0.14]'"}}}
    (tmp_path / "sample.glue.json").write_text(json.dumps(text))
    assert glued(tmp_path, "sample", "rate") == "0.12 [0.10, 0.14]"
    for chapter, name in (("sample", "rat"), ("other", "rate")):
        with pytest.raises(InputError, match=f"'{chapter}' of this build glued no text '{name}'"):
            glued(tmp_path, chapter, name)


def test_a_page_says_numbers_of_claims_and_of_chapters(executed, book, tmp_path):
    (number,) = (
        output["data"][next(iter(output["data"]))].strip("'")
        for cell in json.loads(executed.read_text())["cells"]
        for output in cell.get("outputs", [])
        if output.get("metadata", {}).get("scrapbook", {}).get("name") == "sample-mean-low"
    )
    index = book / "index.md"
    index.write_text(
        index.read_text()
        + "\nSaid: {said}`sample-mean percent`; {said}`sample/sample-mean-low size`; "
        + "{said}`sample-later points interval`.\n"
    )
    text = build_book(book, {"sample": executed}, tmp_path / "html").read_text()
    said = text.split("Said: ")[1].partition("</p>")[0]
    assert ">50 %<" in said
    assert f">{number}<" in said
    assert "not measured" in said


@pytest.mark.parametrize("text", ["sample-mean", "sample-mean loudly", "sample-maen size"])
def test_a_wrong_form_or_claim_fails_the_build(executed, book, tmp_path, text):
    index = book / "index.md"
    index.write_text(index.read_text() + f"\nSaid: {{said}}`{text}`.\n")
    with pytest.raises(BuildFailed, match=r"SOURCE|did you mean"):
        build_book(book, {"sample": executed}, tmp_path / "html")
