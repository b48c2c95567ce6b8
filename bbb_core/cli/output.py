"""What the commands share: options, lines that move no cursor, and results that are never lost."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bbb_core.errors import Failure, InputError
from bbb_core.io.cells import csv_text, plain

if TYPE_CHECKING:
    import pandas as pd

    from bbb_core.report.parts import Report

__all__ = [
    "as_read",
    "audited",
    "empty_cells",
    "named_prompts",
    "output_options",
    "printed",
    "report_options",
    "result_options",
    "save_picture",
    "say",
    "table_options",
]

Command = Callable[..., Any]


def say(text: str) -> None:
    """Print text of one or several lines; see `bbb_core.io.cells.plain`."""
    click.echo(plain(text, keep="\n"))


@contextmanager
def printed(text: str) -> Iterator[None]:
    """Print a result after the block that delivers it, even if that fails.

    The other way round, too: the block has ended when standard output turns out to be full.
    """
    try:
        yield
    finally:
        say(text)


def audited(
    command: str,
    options: Mapping[str, Any],
    found: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    text: str,
    *,
    inputs: Mapping[str, str | Path | None],
    settings: Mapping[str, Any] | None = None,
    index: bool = False,
    fill: Callable[[Path], None] | None = None,
    report: Report | None = None,
) -> None:
    """Print an audit as its report or as JSON; with --out, deliver both and the tables before.

    With a `report`, --out gets it too, and so does a summary; --fail-above is judged at the end.

    Parameters
    ----------
    command, inputs, fill
        See `bbb_core.io.folders.deliver`.
    options
        Of `result_options`; all of them are the settings unless `settings` is given.
    found
        What was found, for JSON; a number that was not measured becomes null.
    tables
        Tables by the name of their CSV file, with their index if it holds something.
    text
        The report, as it is printed.
    report
        The report to show.

    Raises
    ------
    Failure
        If what the report audits lies above --fail-above, after all has been delivered.
    """
    from bbb_core.io.folders import deliver

    as_json, text = _json(found), text.rstrip("\n")
    said = options if settings is None else settings
    with printed(as_json if options["as_json"] else text):
        if options["out"] is not None:
            texts = {f"{name}.csv": csv_text(table, index=index) for name, table in tables.items()}
            texts |= {"audit.json": as_json + "\n", "report.txt": plain(text, keep="\n") + "\n"}
            texts |= {} if report is None else _shown(report, command, said)
            out = Path(options["out"])
            deliver(out, texts, command=command, settings=said, inputs=inputs, fill=fill)
        if report is not None:
            _summarise(report, options.get("summary"))
    if report is not None and options.get("fail_above") is not None:
        _judge(report, options["fail_above"])


def _json(found: Any) -> str:
    from bbb_core.report.parts import json_value

    return json.dumps(json_value(found), indent=1, allow_nan=False)


def _shown(report: Report, command: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of a report."""
    from bbb_core.report.page import render, versions

    aside = ("out", "as_json", "summary", "scheduler")
    parameters = {key: value for key, value in settings.items() if key not in aside}
    about = {"command": command, "parameters": parameters, "versions": versions()}
    return {
        "report.html": render(report, about),
        "report.json": _json(report.to_json(about)) + "\n",
    }


def _summarise(report: Report, named: str | None) -> None:
    """Append a summary to the file that --summary names, or that GitHub does."""
    from bbb_core.report.page import markdown

    file = named or os.environ.get("GITHUB_STEP_SUMMARY")
    if file:
        try:
            with open(file, "a", encoding="utf-8") as handle:
                handle.write(markdown(report) + "\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"--summary {plain(file)} cannot be written ({reason}).") from None


def _judge(report: Report, limit: float) -> None:
    found = report.quantities[0]
    if found.reason or math.isnan(found.low):
        reason = f" ({found.reason})" if found.reason else ""
        raise InputError(
            f"--fail-above needs the {found.name}, which was not measured{reason}; leave it out."
        )
    if found.low > limit:
        raise Failure(f"the {found.name}, {found}, lies above {limit:g} (--fail-above).")


def output_options(command: Command) -> Command:
    """Add the options that say where a result goes: --out and --json."""
    out = "Write report.html, report.json, report.txt, audit.json, tables (CSV), manifest.json."
    printed = click.option("--json", "as_json", is_flag=True, help="Print JSON, not the report.")
    return printed(click.option("--out", metavar="DIR", help=out)(command))


def result_options(command: Command) -> Command:
    """Add the options of every audit: --confidence, --out and --json."""
    return output_options(
        click.option("--confidence", type=float, default=0.95, show_default=True)(command)
    )


def report_options(quantity: str) -> Callable[[Command], Command]:
    """Return a decorator that adds --fail-above, which judges `quantity`, and --summary."""
    watched = f"Exit with 1 if {quantity} lies above X with its whole interval."
    append = "Append a summary (Markdown) to FILE; default: the file $GITHUB_STEP_SUMMARY, if set."

    def add(command: Command) -> Command:
        command = click.option("--summary", metavar="FILE", help=append)(command)
        limit = click.option("--fail-above", type=float, metavar="X", callback=_limit, help=watched)
        return limit(command)

    return add


def _limit(context: Any, option: Any, value: float | None) -> float | None:
    if value is not None and not 0 <= value < math.inf:
        raise InputError(f"--fail-above is {value:g}; give a number of at least 0.")
    return value


def table_options(command: Command) -> Command:
    """Add the options that say how a table is written: --separator and --notation."""
    from bbb_core.io.columns import NOTATIONS

    separator = click.option(
        "--separator",
        type=click.Choice(["comma", "semicolon", "tab", "bar"]),
        help="Of a text table; default: the one that fits its header.",
    )
    notation = click.option(
        "--notation",
        type=click.Choice(list(NOTATIONS)),
        default="1234.5",
        show_default=True,
        help="How numbers are written in a text table.",
    )
    return separator(notation(command))


def as_read(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `table_options` for `bbb_core.io.sources.open_table`."""
    return {key: options[key] for key in ("separator", "notation")}


def named_prompts(given: tuple[str, ...], *, example: str) -> dict[str, str]:
    """Return the prompts of --group NAME=PROMPT by their names."""
    found: dict[str, str] = {}
    for one in given:
        name, equals, prompt = (part.strip() for part in one.partition("="))
        if not equals or not name or not prompt:
            raise InputError(f"--group {one!r} must be NAME=PROMPT, for instance {example}.")
        if name in found:
            raise InputError(f"--group names {name!r} twice; give each group once.")
        found[name] = prompt
    return found


def save_picture(image: Any, path: Path) -> None:
    """Write an image, a tensor [channels, height, width] with values in [0, 1], as a PNG file."""
    from PIL import Image

    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels.squeeze()).save(path)


def empty_cells(missing: Mapping[str, int], left_out: Mapping[str, int]) -> str:
    """Return the line that says how many rows each column lost.

    Parameters
    ----------
    missing
        Empty cells by column of a group: these rows are in none of its groups.
    left_out
        Empty cells by column that every row needs: these rows are not counted at all.
    """
    said = [f"{n} in {column!r} (in no group of it)" for column, n in missing.items() if n]
    said += [f"{n} in {column!r} (rows left out)" for column, n in left_out.items() if n]
    return "empty cells: " + (", ".join(said) or "none")
