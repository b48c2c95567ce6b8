"""Sphinx extension: summaries of this build's claims (front page, register, limits).

The directives `{verdict-counts}` and `{close-calls}`; the role `claim-count`, which writes one
number into a sentence, and `fallen-claims`, which lists names. Like the table of claims, all are
filled in when the page is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from bbb_book.press.claims_table import (
    CHECKED,
    SYMBOLS,
    by_reading,
    chapter_link,
    claims_of_build,
    label_cells,
    verdict_of,
)
from bbb_book.results.family import stands
from bbb_book.results.register import load_register
from bbb_book.results.rules import Rule

__all__ = ["ClaimCount", "CloseCalls", "FallenClaims", "VerdictCounts", "margin", "setup"]

STANDING = "standing"
CLEAR = ("supported", "not supported")


class summary(nodes.General, nodes.Element):
    """The place of a summary, filled in when the page is written."""


class VerdictCounts(SphinxDirective):
    """Count the verdicts of each chapter's claims and, beside them, the states of its checks."""

    def run(self) -> list[nodes.Node]:
        """Build the frame: a row per chapter and one for all."""
        chapters = by_reading(self.env, {claim.chapter for claim in load_register().values()})
        firsts = {"": nodes.strong("", "all")}
        names = {chapter: chapter_link(self.env, chapter) for chapter in chapters} | firsts
        rows: list[list[nodes.Node]] = [
            [
                first,
                *(summary(chapter=chapter, role="claim", what=verdict) for verdict in SYMBOLS),
                summary(chapter=chapter, role="check"),
            ]
            for chapter, first in names.items()
        ]
        head = ["Chapter", *(f"{symbol} {verdict}" for verdict, symbol in SYMBOLS.items())]
        return [_table([*head, "Checks"], rows, widths=[30, 14, 10, 14, 14, 18])]


class ClaimCount(SphinxRole):
    """Count: ``claims``, ``claims supported``, ``claims supported standing``, ``checks open``.

    What is *standing* stands when all claims are read together (`bbb_book.results.family`).
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Leave a place that is filled in when the page is written."""
        role, _, what = self.text.partition(" ")
        standing = (f"{verdict} {STANDING}" for verdict in CLEAR)
        known = {"claims": {"", *SYMBOLS, *standing}, "checks": {"", *CHECKED}}
        if what not in known.get(role, set()):
            said = f"'{self.text}' cannot be counted; there are claims and checks, by verdict."
            return [], [self.inliner.reporter.error(said, line=self.lineno)]
        return [summary(chapter="", role=role.removesuffix("s"), what=what, plain=True)], []


class FallenClaims(SphinxRole):
    """Name the claims with a verdict that does not stand when all claims are read together."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Leave a place that is filled in when the page is written."""
        if self.text not in CLEAR:
            said = f"'{self.text}' is no clear verdict; write {' or '.join(CLEAR)}."
            return [], [self.inliner.reporter.error(said, line=self.lineno)]
        return [summary(fallen=self.text)], []


class CloseCalls(SphinxDirective):
    """List the claims with a clear verdict whose intervals end nearest to the rule's edge.

    Option `:most:` is the number of rows.
    """

    option_spec: ClassVar[dict[str, Any]] = {"most": directives.positive_int}

    def run(self) -> list[nodes.Node]:
        """Leave a place for the table, with the statement of every claim in it."""
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
    if claim["value"] is None or claim["low"] == claim["high"]:
        return math.inf
    rule, low, high = Rule(**claim["rule"]), claim["low"], claim["high"]
    if rule.verdict(low, high) == "mixed":
        return math.inf
    edges = [rule.threshold] if rule.kind != "inside" else [rule.low, rule.high]
    return float(min(abs(end - edge) for end in (low, high) for edge in edges) * 2 / (high - low))


def _fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    places = list(doctree.findall(summary))
    claims = list(claims_of_build(app).values()) if places else []
    for place in places:
        if "most" in place:
            statements = {child["claim"]: child for child in place.children}
            place.replace_self(_close_calls(claims, statements, place["most"]))
            continue
        if "fallen" in place:
            fallen = (c for c in claims if verdict_of(c) == place["fallen"] and not stands(c))
            ids = [c["id"] for c in fallen if c["p"] is not None]
            place.replace_self(_links(ids) or [nodes.Text("none")])
            continue
        mine = [c for c in claims if c["role"] == place["role"]]
        if place["chapter"]:
            mine = [c for c in mine if c["chapter"] == place["chapter"]]
        if "what" in place:
            number = _number(mine, place["what"])
            text = str(number) if number or "plain" in place else "·"
        else:
            numbers = {state: _number(mine, state) for state in CHECKED}
            text = ", ".join(f"{k} {CHECKED[state]}" for state, k in numbers.items() if k) or "·"
        place.replace_self(nodes.Text(text))


def _links(ids: Iterable[str]) -> list[nodes.Node]:
    """Return a list of names, each a link to its row on the same page."""
    parts: list[nodes.Node] = []
    for key in ids:
        link = nodes.reference("", "", nodes.literal("", key), internal=True, refid=f"claim-{key}")
        parts += [nodes.Text(", "), link] if parts else [link]
    return parts


def _number(claims: Iterable[Mapping[str, Any]], what: str) -> int:
    """Count the claims with a verdict, a state or a place in the family; without one, all."""
    if what.endswith(STANDING):
        claims = [claim for claim in claims if stands(claim)]
        what = what.removesuffix(STANDING).strip()
    return sum(what in ("", verdict_of(claim)) for claim in claims)


def _close_calls(
    claims: Iterable[Mapping[str, Any]], statements: Mapping[str, nodes.Node], most: int
) -> nodes.Node:
    near = [c for c in claims if c["role"] == "claim" and math.isfinite(margin(c))]
    near = sorted(near, key=margin)[:most]
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
    head: list[str], rows: Iterable[list[nodes.Node]], *, widths: Iterable[int]
) -> nodes.table:
    widths = list(widths)
    table = nodes.table(classes=["claims-table", "colwidths-given"])
    group = nodes.tgroup(cols=len(widths))
    table += group
    group.extend(nodes.colspec(colwidth=width) for width in widths)
    first = nodes.row("", *(nodes.entry("", nodes.paragraph(text, text)) for text in head))
    group += nodes.thead("", first)
    body = nodes.tbody()
    group += body
    for row in rows:
        cells = [nodes.paragraph("", "", cell) for cell in row]
        label_cells(cells, head)
        body += nodes.row("", *(nodes.entry("", cell) for cell in cells))
    return table


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.setup_extension("bbb_book.press.claims_table")
    app.add_node(summary)
    app.add_directive("verdict-counts", VerdictCounts)
    app.add_directive("close-calls", CloseCalls)
    app.add_role("claim-count", ClaimCount())
    app.add_role("fallen-claims", FallenClaims())
    app.connect("doctree-resolved", _fill)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
