"""Sphinx extension: the role `{said}` writes a measured number as a person would say it.

Serves the front page, the primer and the page from the paper to this book. ``{said}`SOURCE FORM` ``
shows a value, ``{said}`SOURCE FORM interval` `` its interval. A source is a claim's id, or
``chapter/name`` for a number that a chapter glued. Like the role `{claim}` it is filled in when the
page is written, from the notebooks of that build.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

from bbb_book.press.claims_table import claims_of_build
from bbb_book.results.register import claim, rounded
from bbb_book.results.rules import NOT_MEASURED
from bbb_core.errors import InputError

__all__ = ["FORMS", "Number", "glued", "say", "setup"]

_GLUED = re.compile(r"(-?[\d.]+)(?: \[(-?[\d.]+), (-?[\d.]+)\])?")
_TEXT = "text/plain"


@dataclass(frozen=True)
class Number:
    """A value, its interval and the decimals that it is shown with."""

    value: float
    low: float
    high: float
    digits: int


def _points(x: float, number: Number) -> str:
    return rounded(100 * x, 0)


def _size(x: float, number: Number) -> str:
    return rounded(x, min(number.digits, 2))


FORMS: Mapping[str, Callable[[float, Number], str]] = {
    "size": _size,
    "points": _points,
    "percent": lambda x, number: f"{rounded(100 * x, 0)} %",
    "falls": lambda x, number: f"{_points(x, number)} points",
    "less": _size,
    "factor": lambda x, number: _size(math.exp(x), number),
}
"""How a number is written: its size in at most two decimals, in hundredths, in percent, with a word
for its sign, or the factor of which it is the logarithm."""


def say(number: Number, form: str, *, interval: bool = False) -> str:
    """Write the size of a number, without its sign, or its interval turned the same way.

    A factor keeps its sign.

    Parameters
    ----------
    number : Number
        What is said.
    form : str
        One of `FORMS`. ``falls`` is a change in hundredths with a verb, "falls by" or "rises by";
        ``less`` is a difference with "smaller" or "larger".
    interval : bool
        The interval instead of the value; its ends have a sign where they lie on the other side.

    Examples
    --------
    >>> change = Number(-0.232, -0.306, 0.014, 2)
    >>> say(change, "falls"), say(change, "points", interval=True), say(change, "size")
    ('falls by 23 points', '−1 to 31', '0.23')
    """
    write = FORMS[form]
    sign = -1.0 if number.value < 0 and form != "factor" else 1.0
    if interval:
        write = _points if form == "falls" else write
        low, high = sorted((sign * number.low, sign * number.high))
        return f"{write(low, number)} to {write(high, number)}".replace("-", "−")
    text = write(sign * number.value, number)
    if form == "less":
        return f"{text} {'smaller' if sign < 0 else 'larger'}"
    verb = "falls by" if sign < 0 else "rises by"
    return f"{verb} {text}" if form == "falls" else text


def glued(folder: Path, chapter: str, name: str) -> str:
    """Return the text that a chapter glued under `name`, from the build's folder of notebooks.

    Raises
    ------
    InputError
        If the chapter glued no such text.
    """
    path = folder / f"{chapter}.glue.json"
    texts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if name not in texts:
        raise InputError(f"chapter '{chapter}' of this build glued no text '{name}'.")
    return str(ast.literal_eval(texts[name]["data"][_TEXT]))


def _number(app: Sphinx, source: str) -> Number | None:
    """Find a number in the notebooks of this build; None: not measured."""
    if "/" not in source:
        found = claims_of_build(app)[source]
        if found["value"] is None:
            return None
        return Number(found["value"], found["low"], found["high"], claim(source).digits)
    chapter, _, name = source.partition("/")
    folder = Path(app.env.mystnb_config.output_folder)  # type: ignore[attr-defined]
    match = _GLUED.fullmatch(glued(folder, chapter, name))
    if match is None:
        return None
    value, low, high = (float(end or match[1]) for end in match.groups())
    return Number(value, low, high, len(match[1].partition(".")[2]))


class said(nodes.General, nodes.Element):
    """The place of one number, filled in when the page is written."""


class SaidRole(SphinxRole):
    """Show a number as a person would say it."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Leave a place that is filled in when the page is written."""
        source, form, *rest = [*self.text.split(), ""][:3]
        try:
            if form not in FORMS or rest not in ([""], ["interval"]):
                raise InputError(f"{self.text!r}: write SOURCE {'|'.join(FORMS)} [interval].")
            if "/" not in source:
                claim(source)
        except InputError as error:
            return [], [self.inliner.reporter.error(str(error), line=self.lineno)]
        return [said(source=source, form=form, interval=rest == ["interval"])], []


def _fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for place in list(doctree.findall(said)):
        number = _number(app, place["source"])
        if number is None:
            text = NOT_MEASURED
        else:
            text = say(number, place["form"], interval=place["interval"])
        place.replace_self(nodes.inline("", text, classes=["pasted-text"]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.setup_extension("bbb_book.press.claims_table")
    app.add_node(said)
    app.add_role("said", SaidRole())
    app.connect("doctree-resolved", _fill)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
