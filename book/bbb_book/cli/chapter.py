"""`bbb chapter`: list the chapters, run one with other parameters."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bbb_core.cli.output import say
from bbb_core.errors import InputError
from bbb_core.io.cells import plain

if TYPE_CHECKING:
    from bbb_book.press.chapters import Chapter

__all__ = ["chapter", "overrides"]


@click.group()
def chapter() -> None:
    """List the chapters; run one with other parameters."""


@chapter.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_chapters(as_json: bool) -> None:
    """Show each chapter with its parameters, their types, defaults and meanings."""
    from bbb_book.press.chapters import chapters, find_book

    found = chapters(find_book())
    if as_json:
        facts = [
            {
                "name": name,
                "title": one.title,
                "parameters": [
                    {"name": p.name, "type": p.type, "default": p.default, "help": p.help}
                    for p in one.parameters
                ],
            }
            for name, one in found.items()
        ]
        click.echo(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    for name, one in found.items():
        click.echo(f"{click.style(name, bold=True)}  {one.title}")
        for p in one.parameters:
            click.echo(f"  {p.name}: {p.type} = {_short(json.dumps(p.default))}")
            if p.help:
                click.echo(f"      {p.help}")
        click.echo()
    click.echo("Run one: bbb chapter run NAME -p key=value --out DIR")


@chapter.command()
@click.argument("name")
@click.option("--preset", default="book", show_default=True, help="Preset to start from.")
@click.option(
    "-p", "--parameter", "given", multiple=True, metavar="KEY=VALUE", help="Repeat for more."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder for the notebook, the page, claims.json and manifest.json.",
)
def run(name: str, preset: str, given: tuple[str, ...], out: Path) -> None:
    """Execute chapter NAME with other parameters and leave a folder DIR.

    Lists are JSON (-p 'words=["a", "b"]') or words with commas (-p words=a,b).
    """
    from bbb_book.press import chapters as shelf
    from bbb_book.press.parameters import checked

    book = shelf.find_book()
    found = shelf.chapter(book, name)
    changes = overrides(found, given)
    start = shelf.preset(book, preset)[name]
    values = checked(found.parameters, {**start, **changes}, chapter=name)

    from bbb_book.press.delivery import deliver, require_place

    out = require_place(out)
    say(f"Running '{name}' from preset '{preset}' with {len(changes)} changes ...")
    named = preset if not changes else "custom"
    page = deliver(book, found, values, preset=named, out=out, say=say)
    say(f"Done. Page: {page}")


def overrides(chapter: Chapter, given: Iterable[str], *, option: str = "-p") -> dict[str, Any]:
    """Parse KEY=VALUE words into parameters of a chapter, each given once.

    Raises
    ------
    InputError
        If a word has no key, or a key is unknown or given twice.
    """
    from bbb_book.press.parameters import lookup, parse

    known = {parameter.name: parameter for parameter in chapter.parameters}
    found: dict[str, Any] = {}
    for item in given:
        key, equals, text = item.partition("=")
        key = key.strip()
        if not equals or not key:
            raise InputError(f"{option} {item}: write KEY=VALUE.")
        if key in found:
            raise InputError(f"parameter '{key}' is given twice.")
        if plain(text, keep="\n\t") != text:
            raise InputError(f"{option} {key}: the value holds what is no text; type it again.")
        found[key] = parse(lookup(known, key, chapter=chapter.name), text)
    return found


def _short(text: str, width: int = 76) -> str:
    return text if len(text) <= width else text[: width - 4] + " ..."
