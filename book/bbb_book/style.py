"""House style: figures colour-blind safe, print-safe, of one width; no cell of a table is cut."""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec

import matplotlib
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.figure import Figure

from bbb_core.errors import InputError

__all__ = ["COLOURS", "DPI", "RC", "WIDTH", "Look", "figure", "house", "palette", "picture_grid"]

pd.options.display.max_colwidth = None
P = ParamSpec("P")
WIDTH = 6.5
DPI = 200
COLOURS = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
    "yellow": "#F0E442",
}
"""The Okabe-Ito palette, in the order of use."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (6, 2, 1, 2)))
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "++", "oo")
RC: dict[str, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "axes.prop_cycle": cycler(color=list(COLOURS.values())),
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 100,
    "savefig.dpi": DPI,
    "svg.hashsalt": "bbb",
}


@dataclass(frozen=True)
class Look:
    """How one name is drawn everywhere: its colour, marker, line and hatch tell it apart alone."""

    colour: str
    marker: str
    line: Any
    hatch: str

    def lines(self, **extra: Any) -> dict[str, Any]:
        """Keyword arguments for ``axes.plot``: a line without markers unless `extra` says so."""
        return {"color": self.colour, "linestyle": self.line, **extra}

    def points(self, **extra: Any) -> dict[str, Any]:
        """Keyword arguments for ``axes.plot`` and ``errorbar``: markers without a line."""
        return {"color": self.colour, "marker": self.marker, "linestyle": "none", **extra}

    def bars(self, **extra: Any) -> dict[str, Any]:
        """Keyword arguments for ``axes.bar``: filled, hatched, with a white edge."""
        return {"color": self.colour, "hatch": self.hatch, "edgecolor": "white", **extra}


def palette(names: Iterable[str]) -> dict[str, Look]:
    """Return one `Look` per name (at most eight; beyond that readers cannot tell them apart)."""
    names = list(names)
    if len(names) > len(COLOURS):
        raise InputError(f"names has {len(names)} entries; draw at most {len(COLOURS)} series.")
    looks = zip(COLOURS.values(), MARKERS, LINES, HATCHES, strict=True)
    return {name: Look(*look) for name, look in zip(names, looks, strict=False)}


class _HouseFigure(Figure):
    """A figure that shows itself once in a notebook, with or without pyplot."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        with matplotlib.rc_context(RC):
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        inches = self.get_size_inches()
        words = f"<figure of {inches[0]:.1f} by {inches[1]:.1f} inches>"
        size = {"width": round(inches[0] * 100), "height": round(inches[1] * 100)}
        return {"image/png": data, "text/plain": words}, {"image/png": size}


def figure(
    rows: int = 1,
    columns: int = 1,
    *,
    height: float | int = 2.8,
    width: float | int = WIDTH,
    **subplots: Any,
) -> tuple[Figure, Any]:
    """Return a figure and its axes (one, or an array), laid out and styled.

    It is not registered with pyplot: nothing to close, nothing shown twice. `subplots` goes to
    ``Figure.subplots`` (``sharey``, ``gridspec_kw``, ...).
    """
    with matplotlib.rc_context(RC):
        made = _HouseFigure(figsize=(width, height), layout="constrained")
        return made, made.subplots(rows, columns, **subplots)


def picture_grid(
    tiles: Any, *, rows: Sequence[str], blocks: Sequence[str], across: int = 8
) -> Figure:
    """Return a figure of pictures in labelled blocks, each at about 64 pixels of the page or more.

    Parameters
    ----------
    tiles : array_like, shape [rows, blocks, pictures, 3, height, width]
        Bytes.
    rows, blocks : sequence of str
        Labels at the left and above.
    across : int
        Pictures side by side at most: blocks that do not fit stand below, in a further band.
    """
    made = np.asarray(tiles)
    _, count, shown, _, size, _ = made.shape
    abreast = min(count, max(1, across // shown))
    bands = -(-count // abreast)
    gap, apart = max(1, size // 16), max(2, size // 4)
    side = WIDTH / (abreast * (shown + 0.3) + 1.6)
    fig, axes = figure(bands, 1, height=bands * (side * 1.1 * len(rows) + 0.4), squeeze=False)
    for band, own in enumerate(axes[:, 0]):
        part = made[:, band * abreast : (band + 1) * abreast]
        lines, centres = [], []
        for row in part:
            strip, x, centres = [], 0, []
            for block in row:
                width = shown * (size + gap)
                centres.append(x + (width - gap) / 2)
                white = ((0, 0), (0, 0), (0, gap), (0, gap))
                strip.append(np.concatenate(list(np.pad(block, white, constant_values=255)), 2))
                strip.append(np.full((3, size + gap, apart), 255, np.uint8))
                x += width + apart
            lines.append(np.concatenate(strip, 2))
        picture = np.concatenate(lines, 1).transpose(1, 2, 0)
        own.imshow(picture, interpolation="nearest")
        own.set_xlim(-0.5, abreast * (shown * (size + gap) + apart) - 0.5)
        own.set_xticks(centres, blocks[band * abreast : (band + 1) * abreast])
        own.set_yticks([(size + gap) * i + size / 2 for i in range(len(rows))], rows)
        own.xaxis.tick_top()
        own.tick_params(length=0)
        own.grid(visible=False)
        own.spines[:].set_visible(False)
    return fig


def house(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a figure function: everything that it draws follows the house style."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(RC):
            return draw(*args, **kwargs)

    return styled
