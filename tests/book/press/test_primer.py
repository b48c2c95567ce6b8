"""The primer: its figures are drawn by a script, its code runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bbb_book.press.primer import FIGURES, main

BOOK = Path(__file__).parents[3] / "book"
TEXT = (BOOK / "primer.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_the_script_draws_every_figure_of_the_page(tmp_path):
    main([str(tmp_path / "made")])
    made = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert made == sorted(f"{name}.svg" for name in FIGURES)
    assert made == sorted(path.name for path in (BOOK / "_static" / "primer").iterdir())
    assert sorted(re.findall(r"_static/primer/(\S+)", TEXT)) == made
    for name in made:
        assert (tmp_path / "made" / name).read_text(encoding="utf-8").count("<path") > 10


def test_drawing_twice_gives_the_same_file(tmp_path):
    main([str(tmp_path)])
    first = (tmp_path / "odds.svg").read_bytes()
    main([str(tmp_path)])
    assert (tmp_path / "odds.svg").read_bytes() == first


@pytest.mark.parametrize("code", CODE, ids=[str(i) for i in range(len(CODE))])
def test_the_code_runs(code, capsys):
    exec(compile(code, "primer.md", "exec"), {})
    assert capsys.readouterr().out.strip()
