"""The command line `bbb`. Sub-commands are loaded on use, so that `bbb --help` is fast."""

from __future__ import annotations

import importlib
from typing import Any

import click

from bbb_core import __version__
from bbb_core.errors import InputError

__all__ = ["main"]

_COMMANDS = {
    "audit": ("bbb_core.cli.audit", "Audit embeddings, models, generations or scores of your own."),
    "book": ("bbb_core.cli.book", "Build, check and reproduce the book."),
    "chapter": ("bbb_core.cli.chapter", "List the chapters; run one with other parameters."),
    "study": ("bbb_core.cli.study", "Ask people how they read generated images."),
    "sweep": ("bbb_core.cli.sweep", "Run a chapter over a grid of parameters."),
}


class BadInput(click.ClickException):
    """An `InputError` on the command line: one line on standard error, exit status 2."""

    exit_code = 2


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in _COMMANDS:
            return None
        return getattr(importlib.import_module(_COMMANDS[name][0]), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Turn bad input into one line and exit status 2, a failed run into exit status 1."""
        from bbb_core.publishing.failures import Failure

        try:
            return super().invoke(ctx)
        except Failure as error:
            raise click.ClickException(str(error)) from error
        except InputError as error:
            raise BadInput(" ".join(str(error).split())) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bbb")
def main() -> None:
    """Bias Begets Bias: run the book's chapters and audit material of your own."""
