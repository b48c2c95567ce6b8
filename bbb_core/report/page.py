"""Reports as a page of HTML that loads nothing, as a piece of a notebook, and as Markdown.

Names of groups, prompts and files come from whoever wrote them: the template escapes them, `plain`
spells out characters that act, and the page's policy runs no script but its own.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import re
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from bbb_core import __version__
from bbb_core.io.cells import plain
from bbb_core.report.parts import Curves, Forest, Heat, Report
from bbb_core.report.scales import Scale, scale_of
from bbb_core.report.terms import explained

__all__ = ["fragment", "markdown", "render", "versions"]

MOST_ROWS = 1000
"""Rows of a table on a page; the CSV file has all."""
BRIEF = 10
"""Rows of the table in a summary."""
GLYPHS = "●■▲◆○□"
_HERE = Path(__file__).parent
_MARKED = re.compile(r"([\\`*_{}\[\]()#+.!|~>@-])")
"""What Markdown could take for markup; < and & are escaped as in HTML."""


def versions() -> dict[str, str]:
    """Return the versions of what computes: this package, Python and the libraries in use."""
    used = [name for name in ("numpy", "scipy", "pandas", "torch") if name in sys.modules]
    return {
        "bbb_core": __version__,
        "python": sys.version.split()[0],
        **{name: metadata.version(name) for name in used},
    }


def render(report: Report, about: Mapping[str, Any] | None = None) -> str:
    """Return a report as a page: one file of HTML that loads nothing.

    Parameters
    ----------
    report
        What was found.
    about
        See `Report.to_json`.

    Examples
    --------
    >>> from bbb_core.balance import representational_balance
    >>> page = render(representational_balance({"<b>": 84, "man": 166}).report())
    >>> page[:15], "<b>" in page, "&lt;b&gt;" in page
    ('<!doctype html>', False, True)
    """
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{hashed}'"
    )
    told = {"command": None, "parameters": {}, "versions": versions()} | dict(about or {})
    return _filled(report, whole=True, script=script, policy=policy, **told)


def fragment(report: Report) -> str:
    """Return answer, first figure and first table as HTML for a notebook."""
    return _filled(report, whole=False)


def _filled(report: Report, **more: Any) -> str:
    whole = more["whole"]
    tables = [
        (
            name,
            [*map(str, one.frame.columns)],
            one.frame.head(MOST_ROWS).astype(object).to_numpy(),
            len(one.frame),
        )
        for name, one in report.tables.items()
    ]
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            figures=[_drawn(figure) for figure in report.figures][: None if whole else 1],
            tables=tables[: None if whole else 1],
            definitions=explained(report.terms),
            style=(_HERE / "page.css").read_text(encoding="utf-8"),
            **more,
        )
    )


def _cells(frame: Any, most: int) -> Any:
    """Return the first rows of a table as Python's own values."""
    return frame.head(most).astype(object).to_numpy()


@functools.cache
def _environment() -> Any:
    import jinja2

    def spelled(value: Any) -> Any:
        text = isinstance(value, str) and not hasattr(value, "__html__")  # markup of a macro has it
        return plain(value, keep="\n") if text else value

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=spelled,
    )
    made.filters["cell"] = cell
    made.filters["base64"] = lambda data: base64.b64encode(data).decode()
    made.tests["measured"] = _measured
    return made


def _measured(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def cell(value: Any) -> str:
    """Return a value as it stands in a table.

    Examples
    --------
    >>> [cell(x) for x in (0.12345, 2e-5, 12, float("nan"), True, "nurse")]
    ['0.123', '2.0e-05', '12', '–', 'yes', 'nurse']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.1e}"
    return str(value)


def _drawn(figure: Forest | Curves | Heat) -> dict[str, Any]:
    """Return a figure with places in per cent, and what it says in words."""
    made = {"kind": type(figure).__name__, "title": figure.title, "caption": figure.caption}
    if isinstance(figure, Forest):
        return made | _forest(figure)
    if isinstance(figure, Curves):
        return made | _curves(figure)
    known = [x for row in figure.values for x in row if math.isfinite(x)]
    most = max(map(abs, known), default=1.0) or 1.0
    rows = [
        (name, [(cell(x), round(45 * abs(x) / most) if x == x else 0, x < 0) for x in row])
        for name, row in zip(figure.rows, figure.values, strict=True)
    ]
    return made | {"columns": figure.columns, "rows": rows}


def _forest(figure: Forest) -> dict[str, Any]:
    spread = [x for row in figure.rows for x in (row.value, row.low, row.high, row.mark)]
    scale = scale_of(spread, figure.lines.values())
    rows = [
        {
            "label": row.label,
            "text": _span(row.value, row.low, row.high),
            **{
                name: None if math.isnan(x) else scale.at(x)
                for name, x in (("value", row.value), ("low", row.low), ("high", row.high),
                                ("mark", row.mark))
            },
        }
        for row in figure.rows
    ]  # fmt: skip
    said = "; ".join(f"{row['label']} {row['text']}" for row in rows[:3])
    more = f"; and {len(rows) - 3} more, all in the tables" if len(rows) > 3 else ""
    lines = [(name, scale.at(x)) for name, x in figure.lines.items()]
    return {
        "rows": rows, "spans": any(row.low != row.high for row in figure.rows), "lines": lines,
        "mark": figure.mark, "ticks": _ticks(scale),
        "alt": f"{figure.title}: {said}{more}.",
    }  # fmt: skip


def _span(value: float, low: float, high: float) -> str:
    a, b, c = (f"{x:.3f}" if math.isfinite(x) else cell(x) for x in (value, low, high))
    return a if low == high == value else f"{a} [{b}, {c}]"


def _curves(figure: Curves) -> dict[str, Any]:
    points = [point for series in figure.series.values() for point in series] + [*figure.line]
    x = scale_of((point[0] for point in points), figure.marks.values())
    y = scale_of(point[1] for point in points)
    series = [
        (name, glyph, [(x.at(a), 100 - y.at(b)) for a, b in one])
        for (name, one), glyph in zip(figure.series.items(), GLYPHS, strict=False)
    ]
    line = " ".join(f"{x.at(a)},{100 - y.at(b):.3f}" for a, b in figure.line)
    count = sum(len(one) for one in figure.series.values())
    return {
        "series": series, "line": line, "xticks": _ticks(x), "yticks": _ticks(y), "x": figure.x,
        "y": figure.y, "marks": [(name, x.at(at)) for name, at in figure.marks.items()],
        "alt": f"{figure.title}: {figure.y} against {figure.x}, {count} points; the numbers are in "
        "the tables.",
    }  # fmt: skip


def _ticks(scale: Scale) -> list[tuple[float, str]]:
    return [(scale.at(tick), f"{tick:g}") for tick in scale.ticks]


def markdown(report: Report) -> str:
    """Return answer, quantities, the first rows of the main table and caveats as Markdown.

    Examples
    --------
    >>> from bbb_core.balance import representational_balance
    >>> print(markdown(representational_balance({"a|b": 84, "man": 166}).report())[:37])
    ## Balance of generated groups
    <BLANKLINE>
    **The
    """
    quantities = [
        (q.name, "not measurable: " + q.reason if q.reason else str(q)) for q in report.quantities
    ]
    lines = [f"## {_safe(report.title)}", "", f"**{_safe(report.answer)}**", ""]
    lines += [*_rows(["quantity", "value and interval"], quantities), ""]
    name, table = next(iter(report.tables.items()))
    lines += [f"Table {_safe(name)}, first rows of {len(table.frame)}:", ""]
    lines += _rows([*table.frame.columns], _cells(table.frame, BRIEF))
    lines += ["", *(f"- {_safe(caveat)}" for caveat in report.caveats), ""]
    return "\n".join(lines)


def _rows(head: list[str], body: Any) -> list[str]:
    lines = [head, ["---"] * len(head)]
    made = [[_safe(one) for one in lines[0]], lines[1], *([_safe(x) for x in row] for row in body)]
    return ["| " + " | ".join(row) + " |" for row in made]


def _safe(value: Any) -> str:
    text = plain(cell(value)).replace("&", "&amp;").replace("<", "&lt;")
    return _MARKED.sub(r"\\\1", text) if isinstance(value, str) else text
