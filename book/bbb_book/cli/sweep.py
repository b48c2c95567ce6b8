"""`bbb sweep`: run a chapter over a grid of parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from bbb_book.cli.chapter import overrides
from bbb_core.cli.output import say
from bbb_core.errors import InputError

__all__ = ["sweep"]


@click.command()
@click.argument("name")
@click.option("--over", multiple=True, metavar="KEY=VALUE", help="A value of an axis; repeat.")
@click.option("--preset", default="book", show_default=True, help="Preset to start from.")
@click.option("-p", "--parameter", "given", multiple=True, metavar="KEY=VALUE", help="Fixed.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder of runs."
)
def sweep(
    name: str, over: tuple[str, ...], preset: str, given: tuple[str, ...], workers: int, out: Path
) -> None:
    """Run chapter NAME at every combination of the --over values.

    DIR gets a folder per run, as `bbb chapter run` makes it, and claims.csv with every claim of
    every run. Called again, it keeps the runs that stand: an interrupted sweep goes on.

    Example: bbb sweep embedding_bias --over encoders=minilm --over encoders=glove --out sweep
    """
    from bbb_book.press import chapters as shelf
    from bbb_book.press.delivery import ROOM
    from bbb_book.press.parameters import checked
    from bbb_book.press.sweep import grid
    from bbb_book.press.sweep import sweep as run_all
    from bbb_core.errors import Failure
    from bbb_core.io.folders import rehearse, vacant

    out = vacant(out, ours=lambda folder: (folder / "sweep.json").is_file())
    book = shelf.find_book()
    found = shelf.chapter(book, name)
    fixed = overrides(found, given)
    axes: dict[str, list[Any]] = {}
    for item in over:
        for key, value in overrides(found, [item], option="--over").items():
            axes.setdefault(key, []).append(value)
    both = sorted(set(axes) & set(fixed))
    if both:
        raise InputError(f"parameter '{both[0]}' is both fixed (-p) and varied (--over).")
    points = grid(axes)
    values = {**shelf.preset(book, preset)[name], **fixed}
    for point in points:
        checked(found.parameters, {**values, **point}, chapter=name)

    def command(point: Mapping[str, Any], folder: Path) -> list[str]:
        words = ["chapter", "run", name, "--preset", preset, "--out", str(folder)]
        for key, value in {**fixed, **point}.items():
            words += ["-p", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
        return words

    rehearse(out, room=ROOM)
    say(f"Running '{name}' at {len(points)} points ...")
    rest = {key: value for key, value in values.items() if key not in axes}
    failed = run_all(found, points, values=rest, command=command, out=out, workers=workers, say=say)
    if failed:
        raise Failure(f"{len(failed)} of {len(points)} runs failed; call again to retry them.")
    say(f"Done. Claims of all runs: {out / 'claims.csv'}")
