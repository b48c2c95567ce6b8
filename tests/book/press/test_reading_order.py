"""The order of a chapter's page: question, lead figure, answer, ..., parameters last."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docutils import nodes
from docutils.utils import new_document

from bbb_book.press.chapters import chapters
from bbb_book.press.reading_order import RUN, SOURCES, ReadingOrder, _take_away, opened

BOOK = Path(__file__).parents[3] / "book"
CHAPTERS = chapters(BOOK)


def cell(*tags: str) -> nodes.container:
    return nodes.container(classes=["cell", *(f"tag_{tag}" for tag in tags)], names=[tags[0]])


def section(title: str, *children: nodes.Node) -> nodes.section:
    return nodes.section("", nodes.title("", title), *children, names=[title])


def page(*children: nodes.Node) -> nodes.document:
    document = new_document("page")
    document += section("Chapter", *children)
    ReadingOrder(document).apply()
    return document


def order(parent: nodes.Element) -> list[str]:
    return [child["names"][0] if child.get("names") else child.astext() for child in parent[1:]]


def opening() -> list[nodes.Node]:
    answer = nodes.admonition(names=["answer"])
    question = nodes.paragraph("", "question")
    return [cell("parameters"), cell("hide-cell"), question, answer, cell("claim")]


def test_question_figure_answer_and_the_parameters_last() -> None:
    document = page(
        *opening(), section("Method", cell("lead"), cell("table")), section(RUN, cell("command"))
    )
    (chapter,) = document.children
    assert order(chapter) == ["question", "lead", "answer", "claim", "Method", RUN]
    assert order(chapter[-2]) == ["table"]
    assert order(chapter[-1])[0] == "command"
    assert order(chapter[-1])[2:] == ["parameters", "hide-cell"]


def test_pages_without_the_last_section_stay_as_they_are() -> None:
    document = page(*opening(), section("Method", cell("lead")))
    (chapter,) = document.children
    assert order(chapter) == ["parameters", "hide-cell", "question", "answer", "claim", "Method"]
    empty = new_document("empty")
    ReadingOrder(empty).apply()
    assert empty.children == []


def test_files_to_take_away_are_those_at_hand(tmp_path: Path) -> None:
    (tmp_path / SOURCES).mkdir()
    text, notebook = tmp_path / "page.md", tmp_path / "page.ipynb"
    only = "To take away: executed notebook (.ipynb)."
    assert _take_away(tmp_path, notebook, "").astext() == only
    text.touch()
    assert _take_away(tmp_path, text, "").astext() == "To take away: source (.md)."
    stored = tmp_path / "_build" / "page.ipynb"  # as in a plain build
    assert _targets(_take_away(tmp_path, stored, "")) == ["/_build/page.ipynb", "/page.md"]
    text.rename(tmp_path / SOURCES / "page.md")
    assert _targets(_take_away(tmp_path, notebook, "")) == ["/page.ipynb", f"/{SOURCES}/page.md"]


def _targets(line: nodes.Element) -> list[str]:
    return [node["reftarget"] for node in line if "reftarget" in getattr(node, "attributes", {})]


def _address(node: nodes.Node) -> str:
    return node.get("refuri", "") if isinstance(node, nodes.Element) else ""


def test_places_to_run_are_offered_only_where_the_repository_is_named(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.touch()
    assert opened("", "page") == opened("https://example.org/a/b", "page") == {}
    assert not [node for node in _take_away(tmp_path, page, "").findall() if _address(node)]
    line = _take_away(tmp_path, page, "https://github.com/a/b.git")
    found = [_address(node) for node in line.findall()]
    assert [address for address in found if address] == [
        "https://mybinder.org/v2/gh/a/b/HEAD?urlpath=lab%2Ftree%2Fbook%2Fpage.md",
        "https://colab.research.google.com/github/a/b/blob/notebooks/page.ipynb",
    ]
    assert line.astext().endswith("open in Binder, open in Colab.")


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_chapter_follows_the_template(name: str) -> None:
    text = CHAPTERS[name].text
    titles = re.findall(r"(?m)^## (.+)$", text)
    end = ["What would change our mind", *["Exercises"] * ("Exercises" in titles)]
    end += ["What was registered", RUN]
    assert titles[-len(end) :] == end
    first, rest = text.split("\n## ", 1)
    assert "{admonition} What this chapter establishes" in first
    assert len(re.findall(r"tags: \[lead\b", text)) == ("mystnb:" not in first)
    assert rest.count("results.register_table") == 1
