"""Sphinx extension: a chapter's page in the order of its reader (every chapter).

A chapter's file runs from top to bottom, so its parameters and imports come first, and a figure
stands where it is computed. A reader wants the question, one telling figure and the answer. On
the page

- the cell tagged `lead` moves before the box *What this chapter establishes*, and
- the parameters and the hidden set-up cells of the opening move to the end of *Run it yourself*,
  which closes with the page's files to take away.

Its last sections are *What would change our mind*, *Exercises* where it teaches (solutions folded),
*What was registered* and *Run it yourself*.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

__all__ = ["RUN", "SOURCES", "ReadingOrder", "opened", "setup"]

RUN = "Run it yourself"
"""Title of the section that takes the parameters."""
SOURCES = "sources"
"""Folder, beside the pages, of the texts whose executed notebooks stand in their place."""
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
        if env := getattr(self.document.settings, "env", None):
            stored = getattr(env.config, "bbb_executed", {}).get(env.docname)  # of a plain build
            page = Path(stored or env.doc2path(env.docname))
            last += _take_away(Path(env.srcdir), page, env.config.bbb_repository)
        for cell in [node for node in _cells(chapter) if "tag_lead" in _classes(node)]:
            cell.parent.remove(cell)
            chapter.insert(_answer(chapter), cell)


def opened(repository: str, page: str) -> dict[str, str]:
    """Return where a chapter can be run without installing; empty without a GitHub repository.

    Binder opens its text, Colab its notebook in the branch that the workflow `pages` writes.
    """
    address = urlsplit(repository)
    if address.hostname != "github.com":
        return {}
    name = address.path.strip("/").removesuffix(".git")
    place = quote(f"lab/tree/book/{page}.md", "")
    return {
        "Binder": f"https://mybinder.org/v2/gh/{name}/HEAD?urlpath={place}",
        "Colab": f"https://colab.research.google.com/github/{name}/blob/notebooks/{page}.ipynb",
    }


def _take_away(root: Path, page: Path, repository: str) -> nodes.paragraph:
    """Return one line with the files of a page that are at hand."""
    files = {"executed notebook": page} if page.suffix == ".ipynb" else {}
    texts = (root / SOURCES / f"{page.stem}.md", root / f"{page.stem}.md")
    if text := next(filter(Path.is_file, texts), None):
        files["source"] = text
    line = nodes.paragraph("", "To take away: ", classes=["take-away"])
    for n, (label, path) in enumerate(files.items()):
        target = f"/{path.relative_to(root).as_posix()}"
        link = addnodes.download_reference("", "", reftarget=target, refdoc=page.stem)
        link += nodes.literal(label, f"{label} ({path.suffix})", classes=["download"])
        line += [nodes.Text(", "), link] if n else [link]
    for where, address in opened(repository, page.stem).items():
        line += [nodes.Text(", "), nodes.reference("", f"open in {where}", refuri=address)]
    line += nodes.Text(".")
    return line


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
    app.add_config_value("bbb_repository", "", "env", str)
    app.add_transform(ReadingOrder)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
