"""What the commands share: options, lines that move no cursor, and results that are never lost."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bbb_core.errors import InputError
from bbb_core.io.cells import csv_text, plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "as_read",
    "audited",
    "empty_cells",
    "named_prompts",
    "printed",
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
) -> None:
    """Print an audit as its report or as JSON; with --out, deliver both and the tables before.

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
        The report.
    """
    from bbb_core.io.folders import deliver

    as_json, text = json.dumps(_finite(found), indent=1, allow_nan=False), text.rstrip("\n")
    with printed(as_json if options["as_json"] else text):
        if options["out"] is not None:
            texts = {f"{name}.csv": csv_text(table, index=index) for name, table in tables.items()}
            texts |= {"audit.json": as_json + "\n", "report.txt": plain(text, keep="\n") + "\n"}
            said = options if settings is None else settings
            out = Path(options["out"])
            deliver(out, texts, command=command, settings=said, inputs=inputs, fill=fill)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def result_options(command: Command) -> Command:
    """Add the options of every audit: --confidence, --out and --json."""
    out = "Write tables (CSV), audit.json, report.txt, manifest.json."
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the report."),
        click.option("--out", metavar="DIR", help=out),
        click.option("--confidence", type=float, default=0.95, show_default=True),
    ):
        command = option(command)
    return command


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
    """Return the options of `table_options` for `bbb_core.io.tables.open_table`."""
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
