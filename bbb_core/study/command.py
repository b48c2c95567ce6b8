"""`bbb study`: ask people how they read generated images; collect what they answered."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bbb_core.cli.output import printed, say
from bbb_core.errors import InputError

__all__ = ["study"]


@click.group()
def study() -> None:
    """Ask people how they read images: make the page, plan the numbers, collect the answers."""


@study.command("new")
@click.argument("folder", metavar="FOLDER")
@click.option("--out", required=True, metavar="DIR", help="New folder: study.html, study.json.")
@click.option(
    "--groups", default="man,woman", show_default=True, metavar="A,B,...", help="Readings offered."
)
@click.option(
    "--question", default="How do you read the person in this picture?", show_default=True
)
@click.option("--title", default="How do you read these pictures?", show_default=True)
@click.option("--contact", default="", help="Who asks, and where to hand the file in.")
@click.option(
    "--none-label",
    "offer_none",
    default="No person, or none of these",
    show_default=True,
    help="Words of the answer 'none'; empty: not offered.",
)
@click.option(
    "--per-participant", type=int, metavar="N", help="Images for each; default: up to 60."
)
@click.option(
    "--attention-checks", type=int, metavar="K", help="Checks for each; default: 4, or all known."
)
@click.option(
    "--checks", metavar="FILE", help="CSV 'file,answer': images that serve as checks, not rated."
)
@click.option("--repeat-share", type=float, default=0.1, show_default=True, help="At most 0.3.")
@click.option("--metadata", metavar="FILE", help="CSV 'file,prompt': what was asked for.")
@click.option("--side", type=int, default=512, show_default=True, help="Longest side in pixels.")
@click.option("--seed", type=int, default=0, show_default=True)
def new(folder: str, out: str, **options: Any) -> None:
    """Make a page from a FOLDER of images.

    study.html works offline, in any browser, from a stick or a mail: it loads nothing and sends
    nothing. It asks for no personal data. study.json is the key: keep it, and keep it from the
    participants, for it holds the answers of the checks.
    """
    from bbb_core.io.folders import require_new
    from bbb_core.study.making import Settings, new_study, write_study
    from bbb_core.study.page import words_for_minutes

    require_new(out)
    known, metadata = options.pop("checks"), options.pop("metadata")
    groups = tuple(name.strip() for name in options.pop("groups").split(","))
    made, page = new_study(
        folder,
        Settings(
            groups=groups,
            known=None if known is None else Path(known),
            metadata=None if metadata is None else Path(metadata),
            **options,
        ),
    )
    write_study(out, made, page)
    n, each = len(made.rated_ids), made.per_participant
    say(
        f"{n} images, {each} for each participant, with {made.checks} checks and {made.repeats} "
        f"repeats: {made.shown} pictures, about {words_for_minutes(made.shown)}."
    )
    say(f"Ten participants give each image about {10 * each / n:.1f} readings.")
    say(f"Page: {Path(out) / 'study.html'} ({len(page) / 1e6:.1f} MB)")
    say(f"Key, not for participants: {Path(out) / 'study.json'}")


@study.command("collect")
@click.argument("exports", nargs=-1, required=True, metavar="EXPORT...")
@click.option("--study", "key", required=True, metavar="FILE", help="The key, study.json.")
@click.option("--out", required=True, metavar="DIR", help="New folder for tables and the report.")
@click.option(
    "--cant-tell",
    type=click.Choice(["missing", "label"]),
    default="missing",
    show_default=True,
    help='Whether "can\'t tell" is no reading, or one like the others.',
)
@click.option(
    "--finished", type=float, default=1.0, show_default=True, help="Least share answered."
)
@click.option(
    "--passed", type=float, default=0.75, show_default=True, help="Least share of checks."
)
@click.option(
    "--consistent", type=float, default=0.6, show_default=True, help="Least share read alike twice."
)
@click.option("--fastest", type=float, default=400, show_default=True, help="Least median ms.")
@click.option("--confidence", type=float, default=0.95, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def collect(exports: tuple[str, ...], key: str, out: str, **options: Any) -> None:
    """Check, merge and aggregate the files that participants saved.

    EXPORT is a file or a folder of them. Files that are no exports of this study are set aside
    with a reason; participants who fail the rules are dropped with a count. counts.csv goes into
    'bbb audit generations'. Nothing is written unless all of it can be.
    """
    from bbb_core.io.folders import deliver, require_new
    from bbb_core.study.collecting import collect as gather
    from bbb_core.study.collecting import report, tables
    from bbb_core.study.design import read_study
    from bbb_core.study.screening import Rules

    require_new(out)
    names = ("finished", "passed", "consistent", "fastest")
    rules = Rules(**{name: options.pop(name) for name in names})
    found = gather(exports, read_study(key), rules, **options)
    with printed(report(found)):
        deliver(
            Path(out),
            tables(found),
            command="bbb study collect",
            settings=options | {"rules": asdict(rules)},
            inputs={"study": key},
        )


@study.command("plan")
@click.option("--half-width", type=float, help="Half the width of the interval of the imbalance.")
@click.option("--imbalance", type=float, help="Imbalance to detect, in (0, 0.5].")
@click.option("--power", type=float, default=0.9, show_default=True, help="Of that detection.")
@click.option("--readings", type=int, default=5, show_default=True, help="Per image.")
@click.option("--error", type=float, default=0.1, show_default=True, help="Of one reading.")
@click.option("--cant-tell", type=float, default=0.05, show_default=True)
@click.option("--ambiguous", type=float, default=0.0, show_default=True, help="Share of images.")
@click.option("--dropped", type=float, default=0.2, show_default=True, help="Share of people.")
@click.option("--per-participant", type=int, default=60, show_default=True)
@click.option("--prompts", type=int, default=1, show_default=True)
@click.option("--confidence", type=float, default=0.95, show_default=True)
def plan(**options: Any) -> None:
    """Say how many images and people a study of two groups needs."""
    from bbb_core.study.planning import plan_study
    from bbb_core.study.power import Readers

    if (options["half_width"] is None) == (options["imbalance"] is None):
        raise InputError("give one of --half-width and --imbalance.")
    readers = Readers(
        readings=options.pop("readings"),
        error=options.pop("error"),
        cant_tell=options.pop("cant_tell"),
        ambiguous=options.pop("ambiguous"),
    )
    say(str(plan_study(readers, **options)))
