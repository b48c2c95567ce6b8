"""What the page shows of the audits: texts as a terminal shows them, pictures, tables, numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.audit_your_own.audits import COMMANDS, REPORTS
from bbb_book.data.recorded import origin
from bbb_book.results.artefacts import Artefact
from bbb_book.results.rules import NOT_MEASURED
from bbb_book.results.unmeasured import say, show_or_say
from bbb_book.style import COLOURS, figure, house
from bbb_core.stats import Estimate

__all__ = [
    "ABSENT",
    "Terminal",
    "corrected",
    "difference",
    "forest",
    "numbers",
    "peers",
    "peers_times",
    "scale",
    "show_numbers",
    "show_scale",
    "terminal",
]

ABSENT = "Not measured: the published files were not at hand when this page was built."
_AXES = {
    "glove": "gap beyond the baseline",
    "drawn": "imbalance",
    "change": "change of the imbalance",
    "scores": "gap in standard deviations",
}
"""What is drawn of each picture."""


class Terminal:
    """A command and what it says; on a page its sentences wrap, and its tables scroll."""

    def __init__(self, command: str, text: str) -> None:
        self.parts = [f"$ {command}", *text.split("\n\n")]

    def __repr__(self) -> str:
        return "\n\n".join(self.parts)

    def _repr_html_(self) -> str:
        boxes = []
        for part in self.parts:
            table = any("  " in line.strip() for line in part.split("\n"))
            look = "overflow-x: auto" if table else "white-space: pre-wrap"
            style = f"margin: 0; border: 0; padding: 0.3rem 1rem; {look}"
            boxes.append(f'<pre tabindex="0" style="{style}">{escape(part)}</pre>')
        return f'<div class="terminal">{"".join(boxes)}</div>'


def terminal(found: Mapping[str, Any] | None, name: str) -> Terminal:
    """Return a command of `audits.COMMANDS` with what it said."""
    return Terminal(COMMANDS[name], ABSENT if found is None else found["said"][name]["text"])


def show_numbers(found: Artefact | None) -> None:
    """Glue whether the audits were run for this page, the reports' answers, and what is drawn."""
    say("own-status", origin(found, absent=ABSENT))
    for name in REPORTS:
        rows = None if found is None else found[f"rows {name}"]
        answer = NOT_MEASURED if found is None else found["said"][name]["answer"].rstrip(".")
        say(f"own-{name}-answer", answer)
        show_or_say(f"own-{name}-rows", None if rows is None else len(rows), digits=0)
        show_or_say(f"own-{name}-all", None if rows is None else rows["all"].iloc[0], digits=0)
    alpha = None if found is None else found["by hand"].set_index("source")["command"]["labels"]
    show_or_say("own-alpha", alpha)


def difference(found: Mapping[str, Any] | None) -> tuple[Estimate | None, int | None]:
    """Return the largest difference between the commands and the numbers by hand, and of how many.

    Without data both are None.
    """
    if found is None:
        return None, None
    apart = (found["by hand"]["command"] - found["by hand"]["by hand"]).abs()
    most = float(apart.max())
    return Estimate(most, most, most), len(apart)


def numbers(found: Mapping[str, Any] | None) -> pd.DataFrame:
    """Return the numbers of the commands beside those by hand."""
    if found is None:
        return pd.DataFrame({"numbers": [ABSENT]})
    table = found["by hand"].set_index("quantity")[["command", "by hand"]]
    return table.map("{:.4f}".format).rename_axis(index=None, columns="number")


def _recorded_peers() -> list[dict[str, Any]]:
    """Return what ``benchmarks/peers.py --record`` wrote."""
    file = Path(__file__).with_name("peers.json")
    return list(json.loads(file.read_text(encoding="utf-8")))


def peers() -> pd.DataFrame:
    """Return what other tools and this one made of the same inputs."""
    rows = {
        f"{one['peer']}: {row['quantity']}": [f"{row[side]:.3g}" for side in ("here", "there")]
        for one in _recorded_peers()
        for row in one.get("rows", ())
    }
    made = pd.DataFrame.from_dict(rows, orient="index", columns=["here", "there"])
    return made.rename_axis(columns="quantity")


def peers_times() -> pd.DataFrame:
    """Return how many times as long other tools took, or why they were not run."""
    rows = {
        one["peer"]: (
            one.get("version", ""),
            one["missing"] if "missing" in one else f"{_two_digits(one['ratio'])} times",
        )
        for one in _recorded_peers()
    }
    made = pd.DataFrame.from_dict(rows, orient="index", columns=["version", "time there / here"])
    return made.rename_axis(columns="tool")


def _recorded_scale() -> pd.DataFrame:
    """Return what ``benchmarks/scale.py`` wrote, a row per audit, number of rows and workers."""
    file = Path(__file__).with_name("scale.json")
    return pd.DataFrame(json.loads(file.read_text(encoding="utf-8"))["cases"])


def scale() -> pd.DataFrame:
    """Return time and memory of audits against rows, in one process and with workers."""
    made = {}
    for (audit, rows), cases in _recorded_scale().groupby(["audit", "rows"], sort=False):
        alone, shared = cases[cases["workers"] == 1].iloc[0], cases[cases["workers"] > 1].iloc[0]
        made[f"{audit}, {rows:,} rows"] = {
            "one process": f"{alone['seconds']:.1f} s, {alone['peak']:,.0f} MB",
            f"{shared['workers']} workers": (
                f"{shared['seconds']:.1f} s, {shared['worker_peak']:,.0f} MB each"
            ),
        }
    return pd.DataFrame.from_dict(made, orient="index").rename_axis(columns="audit")


def show_scale(*, rows: float = 1e10, workers: int = 1000) -> None:
    """Glue the seconds that audits would take, if time stays in proportion to rows by worker."""
    alone = _recorded_scale().query("workers == 1").sort_values("rows")
    for audit, cases in alone.groupby("audit"):
        (few, some), (many, more) = cases[["rows", "seconds"]].iloc[-2:].to_numpy()
        seconds = (more - some) / (many - few) * rows / workers
        say(f"own-scale-{audit}", f"{_two_digits(seconds)} seconds")


def _two_digits(x: float) -> str:
    return f"{float(f'{x:.2g}'):,.10g}"


def corrected(found: Mapping[str, Any] | None) -> pd.DataFrame:
    """Return the share of women by prompt, as read and without the readers' errors."""
    if found is None:
        return pd.DataFrame({"shares": [ABSENT]})
    table = found["corrected"].set_index("prompt")
    ends = zip(table["woman share"], table["woman low"], table["woman high"], strict=True)
    return pd.DataFrame(
        {
            "women, as read": table["share woman"].map("{:.2f}".format),
            "errors taken off": [f"{x:.2f} [{low:.2f}, {high:.2f}]" for x, low, high in ends],
        },
        index=table.index,
    ).rename_axis(index=None, columns="prompt")


@house
def forest(found: Mapping[str, Any] | None, name: str) -> Figure:
    """Draw rows of a report's picture: values with intervals, and the floor where there is one."""
    rows = None if found is None else found[f"rows {name}"]
    made, axes = figure(height=1.0 if rows is None else 0.24 * len(rows) + 1.0)
    if rows is None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, ABSENT, ha="center", va="center", transform=axes.transAxes)
        return made
    y = range(len(rows))
    axes.axvline(0, color=COLOURS["black"], linewidth=0.8)
    axes.hlines(y, rows["low"], rows["high"], color=COLOURS["blue"], linewidth=1.6)
    axes.plot(rows["value"], y, "o", color=COLOURS["blue"])
    if "floor" in rows:
        axes.plot(rows["floor"], y, "|", color=COLOURS["vermillion"], ms=12, label="floor")
        axes.legend()
    axes.set_yticks(y, rows["label"].str.replace("asked=", "", regex=False))
    axes.invert_yaxis()
    axes.set_xlabel(_AXES[name])
    return made
