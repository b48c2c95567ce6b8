"""Sphinx extension: files that lie beside the pages to be taken away, and links to them.

``{beside}`claims.json` `` links one of `FILES` from any page. CITATION.cff is the repository's, and
citation.bib says the same to BibTeX, with the paper that this book follows.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

from bbb_core.io.writing import write_text

__all__ = ["CITATION", "FILES", "BesideRole", "bibtex", "setup"]

FILES = ("claims.json", "CITATION.cff", "citation.bib")
CITATION = Path(__file__).parents[3] / "CITATION.cff"
"""How the repository asks to be cited."""


class BesideRole(SphinxRole):
    """Link a file beside the pages."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the link, or an error that names the files there are."""
        if self.text not in FILES:
            message = f"no file {self.text!r} lies beside the pages; there are {', '.join(FILES)}."
            return [], [self.inliner.reporter.error(message, line=self.lineno)]
        name = nodes.literal("", self.text, classes=["download"])
        return [nodes.reference("", "", name, refuri=self.text, classes=["download"])], []


def bibtex(citation: Path, year: str) -> str:
    """Write a CITATION.cff as BibTeX: the software first, then what it refers to.

    Parameters
    ----------
    citation : Path
        The file.
    year : str
        The software's year, which the file leaves open.
    """
    cff = yaml.safe_load(citation.read_text(encoding="utf-8"))
    book = {
        "author": " and ".join(_author(one) for one in cff["authors"]),
        "title": cff["title"],
        "version": cff["version"],
        "year": year,
    }
    entries = [_entry("software", "bias_begets_bias_book", book)]
    for one in cff.get("references", []):
        authors = " and ".join(_author(author) for author in one["authors"])
        fields = {"author": authors, "title": one["title"], "year": one["year"], "url": one["url"]}
        label = one["authors"][0].get("family-names", "reference").lower() + str(one["year"])
        entries.append(_entry("misc", label, fields))
    return "\n".join(entries)


def _author(author: dict[str, str]) -> str:
    if "name" in author:  # of a group, which BibTeX must not take apart
        return f"{{{author['name']}}}"
    return ", ".join(author[part] for part in ("family-names", "given-names") if part in author)


def _entry(kind: str, label: str, fields: dict[str, Any]) -> str:
    width = max(map(len, fields))
    body = ",\n".join(f"  {name:{width}} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{label},\n{body}\n}}\n"


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html" and CITATION.is_file():
        shutil.copyfile(CITATION, Path(app.outdir) / CITATION.name)
        write_text(Path(app.outdir) / "citation.bib", bibtex(CITATION, app.config.copyright))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the role."""
    app.add_role("beside", BesideRole())
    app.connect("build-finished", _write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
