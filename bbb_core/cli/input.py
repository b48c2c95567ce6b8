"""Options that say what a user's table holds, and help that shows options in sections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bbb_core.cli.output import table_options
from bbb_core.errors import InputError

__all__ = [
    "Sectioned",
    "column",
    "columns",
    "given_names",
    "label_options",
    "read_from",
    "scheduler_option",
    "section",
]

Decorator = Callable[..., Any]


class Sectioned(click.Command):
    """A command whose help shows its options in sections; see `section`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections in the order of their options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(option, "section", ""), []).append(record)
        for title in sorted(sections, key=lambda title: not title):  # what has no title comes last
            with formatter.section(title or "Other options"):
                formatter.write_dl(sections[title])


def section(title: str, *options: Decorator) -> Decorator:
    """Return a decorator that adds options to a command under a title of its help."""

    def add(command: Any) -> Any:
        for option in reversed(options):
            known = len(getattr(command, "__click_params__", ()))
            command = option(command)
            for parameter in command.__click_params__[known:]:
                parameter.section = title
        return command

    return add


def column(*names: str, help: str) -> Decorator:
    """Return an option that names one column."""
    return click.option(*names, metavar="COLUMN", help=help)


def columns(*names: str, help: str) -> Decorator:
    """Return an option that names columns and can be repeated."""
    return click.option(*names, metavar="COLUMN", multiple=True, help=f"{help} Repeatable.")


scheduler_option = click.option(
    "--scheduler",
    metavar="local:N|ADDRESS",
    help="Share the parts of a table (files of a folder, row groups of parquet) among N processes, "
    "or the workers of a dask.distributed scheduler. The numbers stay the same.",
)


def label_options(command: Decorator) -> Decorator:
    """Add --map and --ignore, and how a table is written."""
    return section(
        "Labels and numbers",
        click.option(
            "--map",
            "names",
            multiple=True,
            metavar="LABEL=NAME",
            help="Call a group otherwise, merge groups; such as male=man. Repeatable.",
        ),
        click.option(
            "--ignore",
            "aside",
            multiple=True,
            metavar="LABEL",
            help="Label that means no reading: such rows are in no group. Repeatable.",
        ),
        table_options,
    )(command)


def given_names(given: Sequence[str]) -> dict[str, str]:
    """Return the names of --map LABEL=NAME by label.

    Examples
    --------
    >>> given_names(["male=man", "boy=man"])
    {'male': 'man', 'boy': 'man'}
    """
    found: dict[str, str] = {}
    for one in given:
        label, _, name = (part.strip() for part in one.rpartition("="))
        if not label or not name:
            raise InputError(f"--map {one!r} must be LABEL=NAME, for instance male=man.")
        if label in found:
            raise InputError(f"--map names {label!r} twice; give each label one name.")
        found[label] = name
    return found


def read_from(options: Mapping[str, Any], *keys: str) -> dict[str, Path]:
    """Return the files that options name, those of a folder one by one, for the manifest."""
    from bbb_core.io.sources import source_files

    found: dict[str, Path] = {}
    for key in keys:
        if options[key] is not None:
            files = source_files(options[key], name=key)
            single = files == [Path(options[key])]
            found |= {key if single else f"{key}/{file.name}": file for file in files}
    return found
