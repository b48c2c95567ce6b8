"""Sphinx extension: a chapter's page in the order of its reader (every chapter).

A chapter's file runs from top to bottom, so its parameters and imports come first, and a figure
stands where it is computed. A reader wants the question, one telling figure and the answer. On
the page

- the cell tagged `lead` moves before the box *What this chapter establishes*, and
- the parameters and the hidden set-up cells of the opening move to the end of *Run it yourself*.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

__all__ = ["RUN", "ReadingOrder", "setup"]

RUN = "Run it yourself"
"""Title of the section that takes the parameters."""
_SET_UP = {"tag_parameters", "tag_hide-cell"}
_CAPTION = "The parameters of this page, and the cells that set it up:"


class ReadingOrder(SphinxTransform):
    """Move a chapter's lead figure to its opening, and its set-up to its last section."""

    default_priority = 10

    def apply(self, **options: Any) -> None:
        """Change nothing on pages without a section *Run it yourself*."""
        chapter = next(iter(self.document.findall(nodes.section)), None)
        if chapter is None:
            return
        sections = [child for child in chapter.children if isinstance(child, nodes.section)]
        last = next((one for one in sections if _title(one) == RUN), None)
        if last is None:
            return
        opening = chapter.children[: chapter.index(sections[0])]
        if set_up := [node for node in opening if _classes(node) & _SET_UP]:
            last += nodes.paragraph(_CAPTION, _CAPTION)
        for node in set_up:
            chapter.remove(node)
            last += node
        for cell in [node for node in _cells(chapter) if "tag_lead" in _classes(node)]:
            cell.parent.remove(cell)
            chapter.insert(_answer(chapter), cell)


def _answer(chapter: nodes.Element) -> int:
    """Return the place of the first box of the opening, else that of the first section."""
    ends = (nodes.Admonition, nodes.section)
    return next(n for n, child in enumerate(chapter.children) if isinstance(child, ends))


def _cells(chapter: nodes.Element) -> Iterator[nodes.Element]:
    return (node for node in chapter.findall(nodes.container) if "cell" in _classes(node))


def _classes(node: nodes.Node) -> set[str]:
    return set(node.get("classes", [])) if isinstance(node, nodes.Element) else set()


def _title(section: nodes.Element) -> str:
    return section[section.first_child_matching_class(nodes.title) or 0].astext()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_transform(ReadingOrder)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
