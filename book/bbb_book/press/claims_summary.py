"""Sphinx extension: `{verdict-counts}` and `{close-calls}`, summaries of this build's claims.

Serves the front page and the chapter on limits. Like the table of claims, both are filled in when
the page is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bbb_book.press.claims_table import (
    SYMBOLS,
    by_reading,
    chapter_link,
    claims_of_build,
    pages_with_claims,
    verdict_of,
)
from bbb_book.results.register import load_register
from bbb_book.results.rules import Rule

__all__ = ["CloseCalls", "VerdictCounts", "margin", "setup"]


class summary(nodes.General, nodes.Element):
    """The place of a summary, filled in when the page is written."""


class VerdictCounts(SphinxDirective):
    """Count the verdicts of each chapter."""

    def run(self) -> list[nodes.Node]:
        """Build the frame: a row per chapter and one for all."""
        pages_with_claims(self.env).add(self.env.docname)
        chapters = by_reading(self.env, {claim.chapter for claim in load_register().values()})
        rows: list[list[nodes.Node]] = [
            [chapter_link(self.env, chapter), *(_count(chapter, v) for v in SYMBOLS)]
            for chapter in chapters
        ]
        rows.append([nodes.strong("", "all"), *(_count("", verdict) for verdict in SYMBOLS)])
        head = ["Chapter", *(f"{symbol} {verdict}" for verdict, symbol in SYMBOLS.items())]
        return [_table(head, rows, widths=[36, 16, 12, 18, 18])]


class CloseCalls(SphinxDirective):
    """List the claims with a clear verdict whose intervals end nearest to the rule's edge.

    Option `:most:` is the number of rows.
    """

    option_spec: ClassVar[dict[str, Any]] = {"most": directives.positive_int}

    def run(self) -> list[nodes.Node]:
        """Leave a place for the table, with the statement of every claim in it."""
        pages_with_claims(self.env).add(self.env.docname)
        place = summary(most=self.options.get("most", 8))
        for claim in load_register().values():
            parsed, messages = self.state.inline_text(claim.statement, self.lineno)
            place += nodes.inline("", "", *parsed, *messages, claim=claim.id)
        return [place]


def margin(claim: Mapping[str, Any]) -> float:
    """Return how far a clear verdict's interval ends from the rule's edge, in half-widths.

    0: the interval touches the edge; 1: it could be twice as wide on that side; infinite: the value
    is exact, or the verdict is mixed or missing.

    Examples
    --------
    >>> rule = {"kind": "above", "threshold": 0.5}
    >>> round(margin({"value": 0.7, "low": 0.6, "high": 0.8, "rule": rule}), 12)
    1.0
    """
    verdict = verdict_of(claim)
    if verdict not in ("supported", "not supported") or claim["low"] == claim["high"]:
        return math.inf
    rule, low, high = Rule(**claim["rule"]), claim["low"], claim["high"]
    edges = [rule.threshold] if rule.kind != "inside" else [rule.low, rule.high]
    return float(min(abs(end - edge) for end in (low, high) for edge in edges) * 2 / (high - low))


def _count(chapter: str, verdict: str) -> nodes.Node:
    return summary(chapter=chapter, verdict=verdict)


def _fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    places = list(doctree.findall(summary))
    claims = list(claims_of_build(app).values()) if places else []
    for place in places:
        if "most" in place:
            statements = {child["claim"]: child for child in place.children}
            place.replace_self(_close_calls(claims, statements, place["most"]))
        else:
            found = sum(
                claim["chapter"] == (place["chapter"] or claim["chapter"])
                and verdict_of(claim) == place["verdict"]
                for claim in claims
            )
            place.replace_self(nodes.Text(str(found) if found else "·"))


def _close_calls(
    claims: Iterable[Mapping[str, Any]], statements: Mapping[str, nodes.Node], most: int
) -> nodes.Node:
    near = sorted((c for c in claims if math.isfinite(margin(c))), key=margin)[:most]
    rows: list[list[nodes.Node]] = []
    for claim in near:
        known = load_register()[claim["id"]]
        value, low, high = (known.show(claim[key]) for key in ("value", "low", "high"))
        verdict = verdict_of(claim)
        texts = (
            f"{value} [{low}, {high}]",
            f"{known.rule} ({known.unit})",
            f"{SYMBOLS[verdict]} {verdict}",
            f"{margin(claim):.1f}",
        )
        rows.append([statements[claim["id"]], *(nodes.Text(text) for text in texts)])
    head = ["Claim", "Value [interval]", "Rule", "Verdict", "Margin"]
    return _table(head, rows, widths=[38, 18, 17, 16, 11])


def _table(
    head: Iterable[str], rows: Iterable[list[nodes.Node]], *, widths: Iterable[int]
) -> nodes.table:
    widths = list(widths)
    table = nodes.table(classes=["claims-table", "colwidths-given"])
    group = nodes.tgroup(cols=len(widths))
    table += group
    group.extend(nodes.colspec(colwidth=width) for width in widths)
    first = nodes.row("", *(nodes.entry("", nodes.paragraph(text, text)) for text in head))
    group += nodes.thead("", first)
    body = [
        nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in row))
        for row in rows
    ]
    group += nodes.tbody("", *body)
    return table


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.setup_extension("bbb_book.press.claims_table")
    app.add_node(summary)
    app.add_directive("verdict-counts", VerdictCounts)
    app.add_directive("close-calls", CloseCalls)
    app.connect("doctree-resolved", _fill)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
