"""The command line `bbb`. Sub-commands are loaded on use, so that `bbb --help` is fast.

Other packages add commands by an entry point of the group ``bbb.commands``: a mapping from a
command's name to the module that defines it and a line of help.
"""

from __future__ import annotations

import functools
import importlib
import re
import sys
from importlib import metadata
from typing import Any

import click

from bbb_core import __version__
from bbb_core.cli.boundary import run, told

__all__ = ["main"]

_COMMANDS = {
    "audit": ("bbb_core.cli.audit", "Audit embeddings, models, generations or scores of your own."),
    "study": ("bbb_core.study.command", "Ask people how they read generated images."),
}


def _commands() -> dict[str, tuple[str, str]]:
    """Return where every command lies, and its line of help."""
    found = dict(_COMMANDS)
    for point in metadata.entry_points(group="bbb.commands"):
        found |= point.load()
    return dict(sorted(found.items()))


class _Whole(click.types.IntParamType):
    """Whole numbers that every library can hold."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read one; refuse what does not fit into 64 bits."""
        number = super().convert(value, param, ctx)
        if not -(2**63) <= number < 2**63:
            self.fail("the number is too large; give one of less than 19 digits.", param, ctx)
        return int(number)


class _Device(click.types.StringParamType):
    """Devices that the library runs on."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read one; whether it is there is found when it is needed."""
        if not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?|mps|auto", str(value)):
            self.fail(f"{value!r} is none; choose cpu, cuda, cuda:0, mps or auto.", param, ctx)
        return str(value)


_WHOLE, _DEVICE = _Whole(), _Device()


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return [*_commands()]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in _commands():
            return None
        command = getattr(importlib.import_module(_commands()[name][0]), name)
        _bound(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _commands().items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Say what happened before click does: it takes some errors for an abortion."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if (found := told(error)) is not None:
                raise found from error
            raise

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command and leave with its exit status; see `bbb_core.cli.boundary`."""
        call = functools.partial(super().main, *args, standalone_mode=False, **extra)
        if not standalone_mode:
            return call()
        sys.exit(run(call))


def _bound(command: click.Command) -> None:
    """Let the options of a command and of those in it take only what something here can hold."""
    for option in command.params:
        if option.type is click.INT:
            option.type = _WHOLE
        elif option.name == "device":
            option.type = _DEVICE
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _bound(inner)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bbb")
def main() -> None:
    """Bias Begets Bias: run the book's chapters and audit material of your own.

    Exit status: 2 if a file, an option or the machine is at fault, 1 if what was run failed or lies
    above --fail-above, 70 for a bug of ours, 130 or 143 when interrupted.
    """
