"""Which columns of a table hold prompts, groups, counts and images: said, or plain by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.labels import likely, matched, pattern, perhaps
from bbb_core.io.records import KEY
from bbb_core.io.tables import TableFile
from bbb_core.io.tallies import Measure, Tally, tally
from bbb_core.io.workers import Over

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Columns", "read_roles", "recognised"]

_FAIRFACE = {"face_name_align", "race", "gender", "age"}
_IMAGE = r"(?:.*[/\\])?(?P<image>(?P<prompt>.*?[^\W\d_].*?)(?:[-_ ]*[0-9]+)?)"
_PICTURES = {"FairFace": _IMAGE + r"_face[0-9]+\.\w+", "DeepFace": _IMAGE + r"\.\w+"}
"""Prompt and picture in the names of files, as in ``nurse_007_face0.jpg`` and ``nurse_007.png``."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns hold what; see `read_counts`.

    Parameters
    ----------
    prompt : str, optional
        What was asked for; by default ``prompt``.
    groups : tuple of str
        Readings, one row per image; several are crossed. By default ``group`` if there is one.
    counts : tuple of str
        With `groups` the one column of counts. Else one column per group; by default all but the
        prompt's.
    probabilities : tuple of str
        One column per class, one row per image; ``gender`` stands for ``gender.man``, ... .
    image : str, optional
        Rows of one image (faces, readers) count once, in shares where they differ.
    pattern : str, optional
        Regular expression that fits all of the prompt's cell; its group ``prompt`` (or the
        first that is not ``image``) is the prompt, its group ``image``, if any, the image.
    names : mapping of str to str
        Other names of groups; equal ones are merged.
    aside : tuple of str
        Readings that name no group: these images are not counted.
    """

    prompt: str | None = None
    groups: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    probabilities: tuple[str, ...] = ()
    image: str | None = None
    pattern: str | None = None
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    aside: tuple[str, ...] = ()

    @property
    def named_groups(self) -> tuple[str, ...]:
        """The columns that were named for groups, in whatever layout."""
        return self.groups + self.counts + self.probabilities

    @property
    def named(self) -> list[str]:
        """The columns that were named."""
        one = [name for name in (self.prompt, self.image) if name is not None]
        return [*one, *self.named_groups]


def recognised(file: TableFile, said: Columns) -> tuple[Columns, list[str]]:
    """Return the columns with what was not said, if it is plain, and a note of whose table it is.

    Raises
    ------
    InputError
        If columns are neither said nor recognised (likely ones are named), or do not go together.
    """
    said, tool = _tools(file.columns, said)
    prompt = said.prompt or next((one for one in ("prompt", KEY) if one in file.columns), None)
    group = ("group",) if "group" in file.columns and not said.named_groups else ()
    said = dataclasses.replace(said, prompt=prompt, groups=said.groups or group)
    if prompt is None or (tool and not said.named_groups):
        raise InputError(f"{file.title} {_lacking(file.columns, said)}")
    if (len(said.counts) == 1 and not said.groups) or (len(said.counts) > 1 and said.groups):
        raise InputError(
            "--count-column is one column beside --group-column, or two and more, one per group."
        )
    if said.probabilities and (said.groups or said.counts):
        raise InputError("--probability-column excludes --group-column and --count-column.")
    by_image = (said.groups or said.probabilities) and not said.counts
    if (said.image and not by_image) or (said.pattern and not said.groups + said.probabilities):
        option = "--image-column" if said.image else "--prompt-pattern"
        raise InputError(
            f"{option} belongs to a row per image; name --group-column or --probability-column."
        )
    if prompt in said.named_groups:
        raise InputError(f"column {prompt!r} cannot be the prompt's and a group's; name two.")
    return said, tool


def _tools(columns: Sequence[str], said: Columns) -> tuple[Columns, list[str]]:
    """Take prompt and picture from the names of files in FairFace's and DeepFace's tables."""
    fairface = set(columns) >= _FAIRFACE
    if said.prompt or not (fairface or any(one.startswith("dominant_") for one in columns)):
        return said, []
    paths = ["prompt", "face_name_align", KEY, *likely(columns, "prompt")]
    prompt = next((one for one in paths if one in columns), None)
    tool = "FairFace" if fairface else "DeepFace"
    form = said.pattern or (None if prompt in (None, "prompt") else _PICTURES[tool])
    note = f"{tool}'s table has a row per face; pictures without a face may stand nowhere in it"
    return dataclasses.replace(said, prompt=prompt, pattern=form), [note]


def _lacking(columns: Sequence[str], said: Columns) -> str:
    """Say what a table lacks, what it has, and which options help."""
    roles = {"prompt": said.prompt, "group": said.named_groups}
    lacks = [role for role, named in roles.items() if not named]
    advice = [f"--{role}-column{perhaps(columns, role)}" for role in lacks]
    known = ", ".join(map(repr, columns[:12])) + (", ..." if len(columns) > 12 else "")
    more = "; or each group's --count-column or --probability-column" if "group" in lacks else ""
    return (
        f"has no column {' and no column '.join(map(repr, lacks))}; it has {known}. Say which it "
        f"is: {' and '.join(advice)}{more}."
    )


def read_roles(
    file: TableFile, said: Columns, measure: Measure, *, over: Over = map, **roles: Sequence[str]
) -> tuple[Tally, pd.Categorical, pd.Categorical | None]:
    """Read the columns; return their different rows, the prompts, and the images if there are any.

    Rows of one image belong together, wherever they stand: where there are images, every row is
    read and kept. For `measure`, `over` and `roles` see `tallies.tally`.

    Raises
    ------
    InputError
        If a cell cannot be read, the pattern does not fit a prompt's cell, or workers are to read
        rows that count once per image.
    """
    form = None if said.pattern is None else pattern(said.pattern, name="--prompt-pattern")
    names = list(dict.fromkeys([str(said.prompt), *said.groups, *filter(None, [said.image])]))
    if said.image is None and not (form and "image" in form.groupindex):
        found = tally(file, labels=names, measure=measure, over=over, **roles)
    elif over is map:
        whole = file.read(labels=names, **roles)
        found = Tally(whole, *measure(whole))
    else:
        raise InputError(
            f"{file.title} has several rows per image, which belong together wherever they stand; "
            "workers cannot share them, so leave out --scheduler."
        )
    table = found.table
    prompt = table.labels[str(said.prompt)]
    image = None if said.image is None else table.labels[said.image]
    if form is None:
        return found, prompt, image
    first = 2 if form.groupindex.get("image") == 1 and form.groups > 1 else 1
    cut = matched(prompt, form, "prompt" if "prompt" in form.groupindex else first)
    odd = np.flatnonzero((prompt.codes >= 0) & (cut.codes < 0))
    if odd.size:
        raise InputError(
            f"{table.place(int(odd[0]))}: no prompt is found in {prompt[int(odd[0])]!r}; give "
            "--prompt-pattern with the prompt in parentheses, such as '.*/(.+)/[^/]+'."
        )
    if image is None and "image" in form.groupindex:
        image = matched(prompt, form, "image")
    return found, cut, image
