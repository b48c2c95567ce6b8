"""Text that no spreadsheet runs and no terminal obeys, and numbers that stay numbers."""

from __future__ import annotations

import csv
import io
import math
import unicodedata

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bbb_core.cli import main
from bbb_core.io.cells import csv_text, harmless, plain, table_text

FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@sum(a1)",
    "  =1",
    "\t=1",
    "\r=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠a",
]
ACTING = ["\x1b[2J", "\x9b2J", "\x07", "\n", "\r", "\x00", "\u202e", "\u2066", "\u200e", "\u2028"]
ACTING += ["\udcff", "\ufeff", "\x7f"]


def acts(character):
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_formula_begins_a_cell(text):
    made = harmless(text)
    assert made[0] in "'\\"
    assert harmless(made) == made


@pytest.mark.parametrize("text", ACTING)
def test_no_character_acts(text):
    made = plain(f"a{text}b")
    assert not any(map(acts, made))
    assert made.startswith("a\\")


@pytest.mark.parametrize(
    "text",
    ["-0.5", "+1e-3", "-.5", " -7 ", "nurse", "Zoë", "c'est", "a=b", "می\u200cخواهم", "👩\u200d⚕️"],
)
def test_numbers_and_words_stay_as_they_are(text):
    assert harmless(text) == text


@pytest.mark.parametrize("text", ["-1_0", "-1-1", "+1 2", "-nan", "-٣", "+1e"])
def test_what_is_nearly_a_number_is_a_formula(text):
    assert harmless(text) == "'" + text


@given(st.text(st.characters(exclude_categories=[]), max_size=20))
def test_any_text_can_be_written_and_acts_on_nothing(text):
    made = harmless(text)
    made.encode("utf-8")
    assert not any(acts(c) and c not in "\u200c\u200d" for c in made)
    assert not made.lstrip().startswith(("=", "@"))
    assert plain(made) == made
    assert plain(text, keep="\n").count("\n") == text.count("\n")


def test_a_table_is_neutral_in_cells_headers_and_labels():
    table = pd.DataFrame(
        {
            "=head": ["=1+1", None],
            "category": pd.Categorical(["@a", "b"]),
            "string": pd.array(["-a", "\x1b[2J"], dtype="string"),
            "number": [-0.5, math.nan],
            "whole": np.array([-1, 2]),
            "flag": [True, False],
        },
        index=pd.Index(["+x", "y"], name="=prompt"),
    )
    rows = list(csv.reader(io.StringIO(csv_text(table, index=True))))
    assert rows == [
        ["'=prompt", "'=head", "category", "string", "number", "whole", "flag"],
        ["'+x", "'=1+1", "'@a", "'-a", "-0.5", "-1", "True"],
        ["y", "", "b", "\\x1b[2J", "", "2", "False"],
    ]
    text = table_text(table, float_format=lambda x: f"{x:+.2f}")
    assert "'=1+1" in text
    assert " -0.50 " in text
    assert "\x1b" not in text
    assert table.columns[0] == "=head"  # the table itself is left alone
    assert table.index[0] == "+x"


def test_an_audit_hands_no_formula_and_no_escape_on(tmp_path):
    counts = tmp_path / "counts.csv"
    counts.write_text("prompt,=man,woman\x1b[2J\n=1+1,3,1\n-2+3,1,1\n", encoding="utf-8")
    done = CliRunner().invoke(
        main, ["audit", "generations", str(counts), "--out", str(tmp_path / "o")]
    )
    assert done.exit_code == 0, done.output
    said = done.stdout + (tmp_path / "o" / "report.txt").read_text()
    assert "\x1b" not in said
    assert not any(line.startswith(("=", "-2", "@")) for line in said.splitlines())
    rows = list(csv.reader((tmp_path / "o" / "balance.csv").read_text().splitlines()))
    assert [row[0] for row in rows] == ["prompt", "'=1+1", "'-2+3"]
    assert all(float(cell) >= 0 for row in rows[1:] for cell in row[1:])
