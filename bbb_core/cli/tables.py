"""What the commands that read tables share: options, and words about what was left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import click

from bbb_core.io.columns import NOTATIONS

__all__ = ["as_read", "empty_cells", "finite", "table_options"]


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a table is written: --separator and --notation."""
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


def finite(value: Any) -> Any:
    """Return a result for JSON: a number that was not measured is null."""
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
