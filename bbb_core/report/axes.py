"""Figures of reports, drawn with matplotlib (the extra ``plot``)."""

from __future__ import annotations

from typing import Any

from bbb_core.io.cells import plain
from bbb_core.report.parts import Curves, Forest, Heat

__all__ = ["draw"]

_GLYPHS = "osD^vP"


def _text(name: str) -> str:
    """Return a name that matplotlib takes for no formula."""
    return plain(name).replace("$", r"\$")


def draw(figure: Forest | Curves | Heat, axes: Any = None) -> Any:
    """Draw a figure into `axes`, or new ones, and return them."""
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(layout="constrained")[1]
    axes.set_title(_text(figure.title))
    if isinstance(figure, Forest):
        _forest(figure, axes)
    elif isinstance(figure, Curves):
        _curves(figure, axes)
    else:
        axes.imshow(figure.values, aspect="auto")
        axes.set_xticks(range(len(figure.columns)), [*map(_text, figure.columns)])
        axes.set_yticks(range(len(figure.rows)), [*map(_text, figure.rows)])
    return axes


def _forest(figure: Forest, axes: Any) -> None:
    places = range(len(figure.rows))
    axes.hlines(places, [row.low for row in figure.rows], [row.high for row in figure.rows])
    axes.plot([row.value for row in figure.rows], places, "o")
    if figure.mark:
        axes.plot([row.mark for row in figure.rows], places, "|", ms=12, label=figure.mark)
    for i, (name, x) in enumerate(figure.lines.items()):
        axes.axvline(x, ls=":", color=f"C{i + 1}", label=name)
    axes.set_yticks(places, [_text(row.label) for row in figure.rows])
    axes.invert_yaxis()
    if figure.mark or figure.lines:
        axes.legend()


def _curves(figure: Curves, axes: Any) -> None:
    for (name, points), glyph in zip(figure.series.items(), _GLYPHS, strict=False):
        axes.plot(*zip(*points, strict=True), glyph, label=_text(name))
    if figure.line:
        axes.plot(*zip(*figure.line, strict=True), "-", color="0.5")
    for i, (name, x) in enumerate(figure.marks.items()):
        axes.axvline(x, ls=":", color=f"C{i + 1}", label=name)
    axes.set(xlabel=_text(figure.x), ylabel=_text(figure.y))
    if figure.series or figure.marks:
        axes.legend()
