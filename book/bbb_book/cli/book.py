"""`bbb book`: what the Makefile calls to build, check and reproduce the book."""

from __future__ import annotations

import functools
import http.server
import sys
from pathlib import Path

import click

from bbb_core.errors import InputError

__all__ = ["book"]

_GOLDEN = click.option(
    "--golden",
    "goldens",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Folder of the golden files; tests/golden beside the book by default.",
)


@click.group()
def book() -> None:
    """Build, check and reproduce the book."""


@book.command()
@click.option("--preset", default="book", show_default=True, help="Preset of parameters.")
def build(preset: str) -> None:
    """Execute stale chapters, build the pages, print where the first page is."""
    from bbb_book.press import book as workshop
    from bbb_book.press.chapters import find_book

    first = workshop.build(find_book(), preset, say=_say)
    click.echo(f"The book is ready. First page: {first}")


@book.command("print")
@click.option("--preset", default="book", show_default=True, help="Preset of parameters.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.pdf",
    help="Where the PDF goes; an older one gives way when the new one is whole.",
)
def print_edition(preset: str, out: Path) -> None:
    """Execute stale chapters and print the whole book as one PDF; needs a Chromium."""
    from bbb_book.press.chapters import find_book
    from bbb_book.press.print_edition import print_book

    printed = print_book(find_book(), preset, out, say=_say)
    click.echo(f"The print edition is ready: {printed}")


@book.command()
@click.option("--repository", required=True, metavar="ADDRESS", help="Where the book is fetched.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR")
def notebooks(repository: str, out: Path) -> None:
    """Execute stale chapters; write their notebooks so that they run on Colab."""
    from bbb_book.press.book import executed, run_chapters
    from bbb_book.press.chapters import find_book
    from bbb_book.press.colab import for_colab
    from bbb_core.io.folders import placed, require_new

    place, folder = find_book(), require_new(out)
    with placed(folder) as made:
        found = run_chapters(place, "book", executed(place, "book"), say=_say)
        for_colab(found.values(), repository, made)
    click.echo(f"{len(found)} notebooks are in {folder}")


@book.command("test-chapters")
@_GOLDEN
def test_chapters(goldens: Path | None) -> None:
    """Execute every chapter with preset ci, build the pages cold, prepare nbval's notebooks."""
    from bbb_book.press import book as workshop
    from bbb_book.press.chapters import find_book

    place = find_book()
    workshop.prepare_tests(place, goldens or _goldens(place), say=_say)


@book.command()
@_GOLDEN
def golden(goldens: Path | None) -> None:
    """Store the claims of preset ci as golden files (review the difference, then commit)."""
    from bbb_book.press import book as workshop
    from bbb_book.press.chapters import find_book

    place = find_book()
    workshop.golden(place, goldens or _goldens(place), say=_say)


@book.command()
def reference() -> None:
    """Store the claims and artefacts of preset book, which `reproduce` compares with."""
    from bbb_book.press import book as workshop
    from bbb_book.press.chapters import find_book

    click.echo(f"stored {workshop.reference(find_book(), say=_say)}")


@book.command()
def reproduce() -> None:
    """Recompute everything with empty caches and print what differs beyond rounding.

    An interrupted run goes on where it stopped when it is called again.

    Fails if a claim has another verdict, a value outside the stored interval, or no record.
    """
    from bbb_book.press import book as workshop
    from bbb_book.press.chapters import find_book

    found = workshop.reproduce(find_book(), say=_say)
    for line in found.artefacts:
        click.echo(f"artefact: {line}")
    for line in found.within:
        click.echo(f"within: {line}")
    for line in found.differs:
        click.echo(f"differs: {line}")
    if found.differs:
        raise click.ClickException(f"{len(found.differs)} claims differ from the reference.")
    how = f"{len(found.within)} within their intervals, the others " if found.within else ""
    click.echo(f"Every claim agrees with the reference, {how}up to rounding.")


@book.command("emoji-model")
def emoji_model() -> None:
    """Write the library's built-in generator from its training run (trains it if need be)."""
    from bbb_book.generators.shipped import ship

    for name, found in ship().items():
        click.echo(f"{found}  {name}")


@book.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
def serve(port: int) -> None:
    """Serve the built pages on this machine only, until interrupted."""
    from bbb_book.press.chapters import find_book

    html = find_book() / "_build" / "html"
    if not (html / "index.html").is_file():
        raise InputError("the book is not built yet; run `make book` first.")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(html))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise InputError(f"port {port} cannot be used ({error}); choose another.") from error
    with server:
        click.echo(f"Serving the book at http://127.0.0.1:{server.server_port} (Ctrl-C stops)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("stopped")


def _say(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _goldens(place: Path) -> Path:
    return place.parent / "tests" / "golden"
