"""Sphinx extension: `{claims-table}`, `{claim}` and claims.json beside the pages (the register).

The role ``claim`` shows a claim's rounded value on any page: ``{claim}`t1-tightness` ``, or
``{claim}`t1-tightness interval` `` (or `verdict`, `n`). The table's frame is made when the page
is read; the numbers are filled in when the page is written, from the notebooks that this very
build executed or was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole

from bbb_book.results.collect import FORMAT, collect
from bbb_book.results.family import stands, with_family
from bbb_book.results.register import Claim, claim, load_register
from bbb_book.results.rules import NOT_MEASURED
from bbb_core.errors import InputError
from bbb_core.io.writing import write_json

__all__ = [
    "CHECKED",
    "SYMBOLS",
    "ClaimRole",
    "ClaimsTable",
    "by_reading",
    "chapter_link",
    "claims_of_build",
    "label_cells",
    "setup",
    "verdict_of",
]

SYMBOLS = {"supported": "✓", "mixed": "◐", "not supported": "✗", NOT_MEASURED: "–"}
CHECKED = {"holds": "✓", "open": "◐", "fails": "✗", NOT_MEASURED: "–"}
_COLUMNS = (("Claim", 42), ("Value [interval]", 19), ("Rule", 18), ("Verdict", 21))
_CHECKS = (("Check", 42), ("Value [interval]", 22), ("Rule", 20), ("State", 16))
_FAMILY = (("Claim", 37), ("Value [interval]", 20), ("Rule", 16), ("Verdict", 16), ("Holm's p", 11))


class claim_cell(nodes.General, nodes.Element):
    """The place of one claim's value or verdict, filled in when the page is written."""


class ClaimsTable(SphinxDirective):
    """List every registered entry with its rule, its value and its verdict, chapter by chapter.

    Options: `:role:` (`claim` or `check`), `:origin:` (`ours` or `paper`) and `:chapter:` (a
    chapter's name) narrow the list; claims alone come with p-values over all of them. `:filters:`
    lets readers narrow it on the page, where scripts run.
    """

    has_content = False
    option_spec: ClassVar[dict[str, Any]] = {
        "role": lambda text: directives.choice(text, ("claim", "check")),
        "origin": lambda text: directives.choice(text, ("ours", "paper")),
        "chapter": directives.unchanged_required,
        "filters": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """Build the table's frame."""
        claims = [
            claim
            for claim in load_register().values()
            if claim.role == self.options.get("role", claim.role)
            and claim.origin == self.options.get("origin", claim.origin)
            and claim.chapter == self.options.get("chapter", claim.chapter)
        ]
        if not claims:
            note = f"No {self.options.get('role', 'claim')} is registered yet."
            return [nodes.paragraph(note, note)]
        columns = {"claim": _FAMILY, "check": _CHECKS}.get(self.options.get("role"), _COLUMNS)
        filters = ["claims-filtered"] if "filters" in self.options else []
        table = nodes.table(classes=["claims-table", "colwidths-given", *filters])
        group = nodes.tgroup(cols=len(columns))
        table += group
        group.extend(nodes.colspec(colwidth=width) for _, width in columns)
        head = nodes.row()
        head.extend(nodes.entry("", nodes.paragraph(text, text)) for text, _ in columns)
        group += nodes.thead("", head)
        body = nodes.tbody()
        group += body
        for chapter in by_reading(self.env, {entry.chapter for entry in claims}):
            if "chapter" not in self.options:
                body += self._heading(chapter, len(columns))
            body.extend(self._row(claim, columns) for claim in claims if claim.chapter == chapter)
        return [table]

    def _heading(self, chapter: str, width: int) -> nodes.row:
        name = nodes.paragraph("", "", chapter_link(self.env, chapter))
        return nodes.row("", nodes.entry("", name, morecols=width - 1), classes=["claims-chapter"])

    def _row(self, claim: Claim, columns: Iterable[tuple[str, int]]) -> nodes.row:
        rule = f"{claim.rule} ({claim.unit})"
        cells: tuple[nodes.Element, ...] = (
            self._statement(claim),
            nodes.paragraph("", "", claim_cell(claim=claim.id, field="value")),
            nodes.paragraph(rule, rule),
            nodes.paragraph("", "", claim_cell(claim=claim.id, field="verdict")),
        )
        if self.options.get("role") == "claim":
            cells += (nodes.paragraph("", "", claim_cell(claim=claim.id, field="family")),)
        label_cells(cells, [text for text, _ in columns])
        row = nodes.row(ids=[f"claim-{claim.id}"], classes=[f"origin-{claim.origin}"])
        row.extend(nodes.entry("", cell) for cell in cells)
        return row

    def _statement(self, claim: Claim) -> nodes.Element:
        parsed, messages = self.state.inline_text(claim.statement, self.lineno)
        if "origin" in self.options or self.options.get("role") == "check":
            return nodes.paragraph("", "", *parsed, *messages)
        ours = "Claimed here" if claim.role == "claim" else "A check"
        origin = "Claimed by the paper" if claim.origin == "paper" else ours
        source = nodes.inline("", "", nodes.Text(origin), classes=["claim-source"])
        return nodes.paragraph("", "", *parsed, *messages, nodes.Text(" "), source)


class ClaimRole(SphinxRole):
    """Show one text of one claim: its value, `interval`, `verdict` or `n`."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Leave a place that is filled in when the page is written."""
        key, _, field = self.text.partition(" ")
        try:
            claim(key)
            if field not in ("", "interval", "verdict", "n"):
                raise InputError(f"claim '{key}' has no text '{field}'.")
        except InputError as error:
            return [], [self.inliner.reporter.error(str(error), line=self.lineno)]
        return [claim_cell(claim=key, field=field or "number")], []


def label_cells(cells: Iterable[nodes.Element], head: Iterable[str]) -> None:
    """Put the column's name before each cell but the first, shown where the head has no room."""
    for cell, name in list(zip(cells, head, strict=True))[1:]:
        cell.insert(0, nodes.inline("", f"{name}: ", classes=["cell-label"]))


def by_reading(env: BuildEnvironment, chapters: Iterable[str]) -> list[str]:
    """Sort chapters as the table of contents has them; unknown ones come last, by name."""
    order = [name.removesuffix(".md") for name in getattr(env, "external_site_map", ())]
    return sorted(chapters, key=lambda c: (order.index(c) if c in order else len(order), c))


def chapter_link(env: BuildEnvironment, chapter: str) -> nodes.Node:
    """Link a chapter by its title; a register without a page is not measured by any chapter."""
    if chapter not in env.found_docs:
        return nodes.Text("Measured by no chapter of this build")
    return addnodes.pending_xref(
        "",
        nodes.inline("", chapter.replace("_", " ")),
        refdomain="std",
        reftype="doc",
        reftarget=f"/{chapter}",
        refexplicit=False,
        refdoc=env.docname,
        refwarn=True,
    )


def claims_of_build(app: Sphinx) -> dict[str, dict[str, Any]]:
    """Read the claims from the notebooks of this build, once every page has been read."""
    folder = Path(app.env.mystnb_config.output_folder)  # type: ignore[attr-defined]
    notebooks = [folder / f"{name}.ipynb" for name in sorted(app.env.found_docs)]
    found = with_family(collect(path for path in notebooks if path.is_file()))
    return {claim["id"]: claim for claim in found}


def _fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    cells = list(doctree.findall(claim_cell))
    claims = claims_of_build(app) if cells else {}
    for cell in cells:
        cell.replace_self(_text(claims[cell["claim"]], cell["field"]))


def _text(claim: dict[str, Any], field: str) -> nodes.Node:
    if field == "verdict":
        return _verdict(claim)
    if field == "value":
        return _value(claim)
    if field == "family":
        return _family(claim)
    if claim["value"] is None:
        return nodes.Text(NOT_MEASURED)
    show = load_register()[claim["id"]].show
    texts = {
        "number": show(claim["value"]),
        "interval": f"[{show(claim['low'])}, {show(claim['high'])}]",
        "n": "" if claim["n"] is None else str(claim["n"]),
    }
    return nodes.inline("", texts[field], classes=["pasted-text"])


def _value(claim: dict[str, Any]) -> nodes.Node:
    if claim["value"] is None:
        return nodes.Text("")
    registered = load_register()[claim["id"]]
    value, low, high = (registered.show(claim[key]) for key in ("value", "low", "high"))
    units = registered.units.removeprefix("range: ").replace(" x ", " × ")
    counted = "" if claim["n"] is None else f", n = {claim['n']}"
    if registered.exact:
        shown = f"{value} (exact){counted}"
    elif registered.ranged:
        shown = f"{value}, range {low} to {high}{counted} ({units}), no interval"
    elif claim["low"] == claim["high"]:
        shown = f"{value}{counted} ({units}), no interval"
    else:
        shown = f"{value} [{low}, {high}]{counted} ({units})"
    return nodes.inline("", shown, classes=["claim-value"])


def _family(claim: dict[str, Any]) -> nodes.Node:
    """Show the adjusted p-value of the verdict, mirrored where it is "not supported"."""
    against = verdict_of(claim) == "not supported"
    p = claim["p_against_holm" if against else "p_holm"]
    if p is None:
        return nodes.Text("none")
    shown = "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
    side, standing = " against" if against else "", ", stands" if stands(claim) else ""
    return nodes.inline("", f"{shown}{side}{standing}")


def verdict_of(claim: Mapping[str, Any]) -> str:
    """Judge a record by its rule: a verdict, a check's state, or "not measured"."""
    if claim["value"] is None:
        return NOT_MEASURED
    return load_register()[claim["id"]].judge(claim["low"], claim["high"])


def _verdict(claim: dict[str, Any]) -> nodes.Node:
    verdict = verdict_of(claim)
    text = f"{(SYMBOLS | CHECKED)[verdict]} {verdict}"
    return nodes.inline("", text, classes=["verdict", f"verdict-{verdict.replace(' ', '-')}"])


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        claims = list(claims_of_build(app).values())
        write_json(Path(app.outdir) / "claims.json", {"format": FORMAT, "claims": claims})


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_node(claim_cell)
    app.add_role("claim", ClaimRole())
    app.add_directive("claims-table", ClaimsTable)
    app.connect("doctree-resolved", _fill)
    app.connect("build-finished", _write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
