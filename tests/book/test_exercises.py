"""Exercises: each has a folded solution, and the code of every solution runs and asserts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[2] / "book"
SECTION = re.compile(r"^## Exercises\n(.*?)^## ", re.DOTALL | re.MULTILINE)
FOLDED = re.compile(r"^:::\{dropdown\} Solution (\d)\n(.*?)^:::$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TEACHING = {
    "fairness_criteria", "biased_embeddings", "sufficient_condition", "embedding_bias",
    "inheritance", "alignment_auditing", "reward_for_imbalance", "alignment_mitigation",
    "generation_mitigations", "whose_label",
}  # fmt: skip


def sections() -> dict[str, str]:
    """Return the exercises of every chapter that has some."""
    found = {page.stem: SECTION.search(page.read_text("utf-8")) for page in BOOK.glob("*.md")}
    return {name: match[1] for name, match in sorted(found.items()) if match}


def solutions() -> dict[str, str]:
    """Return every folded solution by chapter and number."""
    return {
        f"{name}-{number}": text
        for name, section in sections().items()
        for number, text in FOLDED.findall(section)
    }


def test_teaching_chapters_have_exercises() -> None:
    assert set(sections()) >= TEACHING


@pytest.mark.parametrize("name", sections())
def test_every_exercise_has_a_folded_solution(name: str) -> None:
    asked = re.findall(r"^\*\*(\d)\. ", sections()[name], re.MULTILINE)
    assert len(asked) in (2, 3)
    assert asked == [number for number, _ in FOLDED.findall(sections()[name])]
    assert asked == [str(i + 1) for i in range(len(asked))]


@pytest.mark.parametrize("name", solutions())
def test_the_code_of_a_solution_runs(name: str) -> None:
    (code,) = CODE.findall(solutions()[name])
    assert "\nassert " in code or "    assert " in code
    exec(compile(code, f"{name}.py", "exec"), {})
