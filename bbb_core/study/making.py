"""`bbb study new`: a folder of images becomes a page and its key (human study)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bbb_core import checks as check
from bbb_core import progress
from bbb_core.errors import InputError
from bbb_core.io.files import read_text
from bbb_core.io.folders import deliver, require_new
from bbb_core.rng import generator
from bbb_core.study.design import ALL_IMAGES, Image, Study, repeats_for
from bbb_core.study.images import draw_check, list_images, load_picture
from bbb_core.study.page import render

__all__ = ["Settings", "new_study", "write_study"]

LARGEST_TABLE = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `new_study` is told; the defaults are those of the command line.

    Parameters
    ----------
    groups : sequence of str
        Readings to choose from.
    per_participant : int or None
        Different images that one participant rates; None: all of them, at most 60.
    attention_checks : int or None
        Checks that each participant sees; None: four drawn ones, or all of `known`.
    repeat_share : float
        Share of a participant's images that come a second time, at most 0.3.
    known : Path or None
        CSV ``file,answer``: images of the folder whose answer is known. They serve as checks and
        are not rated. Without it the checks are drawn.
    metadata : Path or None
        CSV ``file,prompt``: what each image was generated for.
    side : int
        Longest side of the pictures on the page, in pixels.
    """

    groups: Sequence[str] = ("man", "woman")
    question: str = "How do you read the person in this picture?"
    title: str = "How do you read these pictures?"
    contact: str = ""
    offer_none: str = "No person, or none of these"
    per_participant: int | None = None
    attention_checks: int | None = None
    repeat_share: float | int = 0.1
    known: Path | None = None
    metadata: Path | None = None
    side: int = 512
    seed: int = 0


def new_study(folder: str | Path, settings: Settings) -> tuple[Study, str]:
    """Make the study of a folder of images, and its page.

    Returns
    -------
    study, page
        The key and the HTML. The same folder and settings give the same two.

    Raises
    ------
    InputError
        If the folder, an image, a table or a setting is of no use; the message names it.
    """
    tables = tuple(p for p in (settings.known, settings.metadata) if p is not None)
    side = check.integer("side", settings.side, low=64, high=2048)
    seed = check.integer("seed", settings.seed, low=0)
    share = check.number("repeat_share", settings.repeat_share, low=0, high=0.3)
    paths = list_images(folder, but=tables)
    names = [path.name for path in paths]
    answers = _table("checks", settings.known, "answer", names)
    prompts = _table("metadata", settings.metadata, "prompt", names)
    rated = [name for name in names if name not in answers]
    if len(rated) < 2:
        raise InputError(f"FOLDER holds {len(rated)} images to rate; put in at least two.")
    lacking = [name for name in rated if name not in prompts]
    if settings.metadata is not None and lacking:
        raise InputError(f"metadata has no line for {lacking[0]!r}; give every image a prompt.")
    images: list[Image] = []
    sources: dict[str, str] = {}
    seen: dict[str, str] = {}
    for path in progress.bar(paths, total=len(paths), desc="images"):
        picture = load_picture(path, side=side)
        if picture.sha256 in seen:
            raise InputError(
                f"FOLDER holds {path.name!r} and {seen[picture.sha256]!r}, which are the same "
                "image; remove one."
            )
        seen[picture.sha256] = path.name
        known = answers.get(path.name, "")
        images.append(
            Image(
                id=_id(seed, picture.sha256),
                file=path.name,
                sha256=picture.sha256,
                prompt=prompts.get(path.name, ALL_IMAGES),
                role="check" if known else "rated",
                answer=known,
            )
        )
        sources[images[-1].id] = picture.source
    each = settings.per_participant
    each = min(60, len(rated)) if each is None else check.integer("per_participant", each, low=1)
    if each > len(rated):
        raise InputError(f"per_participant is {each}, but there are {len(rated)} images to rate.")
    number = settings.attention_checks
    if number is None:
        number = len(answers) if answers else 4
    number = check.integer("attention_checks", number, low=0, high=100)
    if answers and number > len(answers):
        raise InputError(f"attention_checks is {number}, but checks names {len(answers)} images.")

    def study(drawn: Sequence[Image]) -> Study:
        return Study(
            groups=tuple(settings.groups),
            question=settings.question,
            title=settings.title,
            contact=settings.contact,
            offer_none=settings.offer_none,
            images=(*images, *drawn),
            per_participant=each,
            checks=number if answers or drawn else 0,
            repeats=repeats_for(each, share),
            seed=seed,
        )

    made = study([])  # validates the settings before anything is drawn
    if not answers and number:
        made = study(_drawn(made, number, sources))
    return made, render(made, sources)


def _drawn(study: Study, number: int, sources: dict[str, str]) -> list[Image]:
    """Draw checks; answers take turns in random order, so that no one answer passes them all."""
    order = generator(study.seed, "checks").permutation(len(study.options))
    out = []
    for i in range(number):
        answer = study.options[order[i % len(order)]]
        picture = draw_check(study.labels[answer], i + 1)
        id_ = _id(study.seed, picture.sha256)
        sources[id_] = picture.source
        out.append(Image(id=id_, file="", sha256=picture.sha256, role="check", answer=answer))
    return out


def _id(seed: int, sha256: str) -> str:
    return hashlib.sha256(f"{seed}:{sha256}".encode()).hexdigest()[:12]


def _table(name: str, path: Path | None, column: str, files: Sequence[str]) -> dict[str, str]:
    """Read a CSV ``file,COLUMN`` about images of the folder."""
    if path is None:
        return {}
    try:
        text = read_text(path, name=name, most=LARGEST_TABLE)
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        raise InputError(f"{name} {path.name} is no CSV; save it as such.") from None
    if not rows or [cell.strip() for cell in rows[0]] != ["file", column]:
        raise InputError(f"{name} {path.name} must begin with the line 'file,{column}'.")
    if len(rows) == 1:
        raise InputError(f"{name} {path.name} names no image; add a line per image.")
    found: dict[str, str] = {}
    known = {unicodedata.normalize("NFC", file): file for file in files}
    for number, row in enumerate(rows[1:], start=2):
        cells = [cell.strip() for cell in row]
        if len(cells) != 2 or not all(cells):
            raise InputError(
                f"{name} {path.name}, row {number}: write 'file,{column}', both filled."
            )
        written, value = cells
        file = known.get(unicodedata.normalize("NFC", written), "")
        if not file:
            raise InputError(f"{name} {path.name}, row {number}: no image {written!r} in FOLDER.")
        if file in found:
            raise InputError(f"{name} {path.name}, row {number}: {file!r} stands twice.")
        if len(value) > 300 or not value.isprintable():
            raise InputError(f"{name} {path.name}, row {number}: the {column} is no short text.")
        found[file] = value
    return found


def write_study(out: str | Path, study: Study, page: str) -> None:
    """Write ``study.html``, ``study.json`` and a manifest into a new or empty folder.

    Raises
    ------
    InputError
        If the folder exists and is not empty, or cannot be written.
    """
    key = json.dumps(study.as_dict(), indent=1, ensure_ascii=False) + "\n"
    folder = require_new(out)
    texts = {"study.html": page + "\n", "study.json": key}
    deliver(folder, texts, command="bbb study new", settings={"study": study.id})
