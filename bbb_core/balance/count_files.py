"""Counts from files: per prompt and group, or per true group and label read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bbb_core.balance.confusion import Confusion
from bbb_core.balance.count_columns import Columns, read_roles, recognised
from bbb_core.balance.expected_counts import expected_counts, whole_counts
from bbb_core.errors import InputError
from bbb_core.io.labels import crossed, merged, perhaps
from bbb_core.io.sources import open_table
from bbb_core.io.tables import Table, TableFile
from bbb_core.io.workers import Over
from bbb_core.rng import generator

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Columns", "CountTable", "read_confusion", "read_counts"]

LARGEST = 50_000_000
"""Bytes of Fair Diffusion's text."""

MOST_COUNTS = 1_000_000
"""Counts: prompts times groups."""


@dataclass(frozen=True)
class CountTable:
    """Counts that were read, and what was left out.

    Parameters
    ----------
    counts : pandas.DataFrame
        Prompts (index) by groups (columns), int64.
    missing : mapping of str to int
        Images without a prompt or a group, by column; they are not counted.
    notes : list of str
        What was done to the rows, and names that look alike.
    """

    counts: pd.DataFrame
    missing: Mapping[str, int]
    notes: list[str]


def read_counts(
    path: str | Path,
    *,
    columns: Columns | None = None,
    name: str = "FILE",
    separator: str | None = None,
    notation: str = "1234.5",
    over: Over = map,
) -> CountTable:
    r"""Read counts per prompt and group.

    Four layouts are read: a row per image with what it was read as; a row per prompt and group with
    a count; a row per prompt with a column of counts per group; a row per image with a column of
    probabilities per class. Without `columns`, those called ``prompt`` and ``group`` decide. A file
    named ``.txt`` holds Fair Diffusion's pairs of lines. FairFace's and DeepFace's tables are known
    by their columns: prompt and picture are taken from the name of the file, less the number at
    its end.

    Rows of one picture count once: a picture with a man's and a woman's face is half a picture of
    each. Such shares, and probabilities of classes, make expected counts. They are rounded to whole
    images by one random number per prompt (`expected_counts.whole_counts`), so that each count has
    the expected one as its mean, is less than one image away from it, and is no more variable than
    a label drawn for every image would be. Intervals and tests that take them for counted labels
    are then conservative. Of probabilities this needs that they are calibrated: of the images that
    get .7 for a class, 70 % are of it.

    Parameters
    ----------
    path, name, separator, notation
        See `bbb_core.io.sources.open_table`.
    columns
        Which columns hold what.
    over
        See `bbb_core.io.workers.workers`. Counts are sums, so no number depends on it; where
        there are several rows per image, only `map` can do it.

    Raises
    ------
    InputError
        With the place, if the file cannot be read as one of these; where columns are not
        recognised, the message names likely ones.

    Notes
    -----
    Simulated at a nominal .05 (400 audits of 2 or 3 prompts with 10, 50 and 250 images, 100 of 40
    prompts with 10). Probabilities that are 0 or 1 are labels: the intervals of all prompts missed
    in at most .043, that of the mean in .050, and single tests rejected balance in .052. With .02
    and .98 it was .043, .015 and .039; with .5, .53 or .97 in every image, with 0 and .5 or 0 and
    .9, beta(.2, .2), beta(.3, 3), and five classes of Dirichlet(.1) or four of unequal size at most
    .020, .010 and .020.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "images.csv"
    >>> _ = file.write_text("prompt,sex\njudge,NA\njudge,female\njudge,\n")
    >>> found = read_counts(file, columns=Columns(groups=("sex",), names={"female": "woman"}))
    >>> found.counts.loc["judge"].to_dict(), found.missing
    ({'NA': 1, 'woman': 1}, {'prompt': 0, 'sex': 1})
    """
    columns = columns or Columns()
    if Path(path).suffix == ".txt" and not columns.named:
        return _published(path, name, columns)
    file = open_table(
        path,
        name=name,
        needs=columns.named or ["prompt"],
        separator=separator,
        notation=notation,
    )
    said, note = recognised(file, columns)
    if said.probabilities:
        found = _sums(file, said, over)
    elif said.groups:
        found = _tally(file, said, over)
    else:
        found = _per_prompt(file, said)
    empty = np.flatnonzero(found.counts.to_numpy().sum(axis=1) == 0)
    if empty.size:
        raise InputError(
            f"{file.title}: all counts of {found.counts.index[empty[0]]!r} are zero; remove it."
        )
    return dataclasses.replace(found, notes=[*note, *found.notes])


def _published(path: str | Path, name: str, said: Columns) -> CountTable:
    from bbb_core.balance.fair_diffusion import parse_counts
    from bbb_core.io.files import read_text, shown

    text = read_text(path, name=name, most=LARGEST)
    table = parse_counts(text, name=f"{name} {shown(path)}").rename_axis("prompt")
    table = table if table["except"].any() else table.drop(columns="except")
    return CountTable(_renamed(table, said, f"{name} {shown(path)}"), {}, [])


def _per_prompt(file: TableFile, said: Columns) -> CountTable:
    try:
        table, counts = _wide(file, str(said.prompt), said.counts)
    except InputError as error:
        if said.counts or "; write whole numbers" not in str(error):
            raise
        raise InputError(
            f"{error} If there is a row per image, give --group-column"
            f"{perhaps(file.columns, 'group')}; if only some columns are counts, --count-column "
            "for each."
        ) from None
    empty = np.flatnonzero(counts.sum(axis=1) == 0)
    if empty.size:
        raise InputError(f"{table.place(int(empty[0]))}: all counts are zero; remove the prompt.")
    frame = _frame(table.keys(str(said.prompt)), list(table.counts), counts)
    return CountTable(_renamed(frame, said, table.title), {}, table.notes)


def _wide(file: TableFile, key: str, columns: Sequence[str] = ()) -> tuple[Table, np.ndarray]:
    """Read a column of names, and others as counts [rows, columns]."""
    others = [*columns] or [column for column in file.columns if column != key]
    file.need([key, *others])
    if len(others) < 2 or not all(others):
        raise InputError(
            f"{file.title} must have a column {key!r} and two or more columns of counts, each with "
            "a name."
        )
    table = file.read(labels=[key], counts=others)
    if not len(table):
        raise InputError(f"{file.title} holds no {key}; add a row of counts.")
    table.keys(key)
    _few(len(table), len(others), file.title)
    return table, np.stack(list(table.counts.values()), axis=1)


def _weights(block: Table, *, columns: Sequence[str]) -> tuple[np.ndarray, ...]:
    """Return the counts of rows, 1 where there is no column of counts; see `tallies.Measure`."""
    counts = [block.counts[name] for name in columns] or [np.ones(len(block), np.int64)]
    none = np.empty((0, len(block)))
    return none, np.stack(counts), none


def _tally(file: TableFile, said: Columns, over: Over) -> CountTable:
    """Count rows, or images, by prompt, in the order of the file, and group, in that of names."""
    import pandas as pd

    measure = partial(_weights, columns=said.counts)
    found, prompt, image = read_roles(file, said, measure, over=over, counts=said.counts)
    table, weight = found.table, found.sums[0]
    labels = {name: table.labels[name] for name in said.groups}
    known = {str(label) for column in labels.values() for label in column.categories}
    _known(said, known, file.title)
    made = {name: merged(one, said.names, said.aside) for name, one in labels.items()}
    group = crossed(list(made.values()))
    whole = (prompt.codes >= 0) & (group.codes >= 0)
    notes = dataclasses.replace(table, labels=made | {str(said.prompt): prompt}).notes
    if said.aside:
        read = np.all([column.codes >= 0 for column in labels.values()], axis=0)
        lost = int(weight[read & (group.codes < 0)].sum())
        notes.append(f"{lost} images are {' or '.join(map(repr, said.aside))}: not counted")
    if image is not None:
        whole &= image.codes >= 0
    if not whole.any() or not weight[whole].any():
        raise InputError(f"{file.title} holds no image with a prompt and a group; add some.")
    rows, prompts = pd.factorize(prompt[whole])
    columns, groups = pd.factorize(group[whole])
    _few(len(prompts), len(groups), table.title)
    counts = np.zeros((len(prompts), len(groups)), np.int64)
    if image is None:
        np.add.at(counts, (rows, columns), weight[whole])
    else:
        each = pd.Series(columns).groupby([rows, image.codes[whole]])
        expected = np.zeros(counts.shape)
        np.add.at(expected, (rows, columns), 1 / each.transform("size").to_numpy())
        counts = whole_counts(expected, rng=generator(0, "expected counts"))
        notes.append(
            f"{len(rows)} rows show {each.ngroups} pictures; each counts once, in shares where its "
            f"rows differ ({int((each.nunique() > 1).sum())} pictures), rounded to whole ones"
        )
    frame = _frame(list(prompts), list(groups), counts)
    return CountTable(frame[sorted(frame.columns)], table.missing, notes)


def _sums(file: TableFile, said: Columns, over: Over) -> CountTable:
    """Add up probabilities by prompt, and round them to whole images."""
    sums, missing, notes = expected_counts(file, said, over=over)
    sums = _renamed(sums, said, file.title)
    _few(len(sums), len(sums.columns), file.title)
    counts = whole_counts(sums.to_numpy(), rng=generator(0, "expected counts"))
    frame = _frame(list(sums.index), list(sums.columns), counts)
    return CountTable(frame[sorted(frame.columns)], missing, notes)


def _renamed(frame: pd.DataFrame, said: Columns, title: str) -> pd.DataFrame:
    """Rename columns, add up equal ones, and drop those that are set aside."""
    _known(said, set(frame.columns), title)
    kept = frame.drop(columns=[one for one in said.aside if one in frame.columns])
    if not said.names:
        return kept
    return kept.T.groupby([said.names.get(one, one) for one in kept.columns], sort=False).sum().T


def _known(said: Columns, groups: set[str], title: str) -> None:
    for name in said.names:
        if name not in groups:
            known = ", ".join(map(repr, sorted(groups)[:12])) or "none"
            raise InputError(f"--map names {name!r}, but the groups of {title} are {known}.")


def read_confusion(
    path: str | Path,
    *,
    name: str = "confusion",
    separator: str | None = None,
    notation: str = "1234.5",
) -> Confusion:
    r"""Read ``true,LABEL,LABEL,...``: per true group, how many images were read as each label.

    Raises
    ------
    InputError
        With the place, if a row is malformed or a group counts nothing.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "reader.csv"
    >>> _ = file.write_text("true,woman,man\nwoman,18,2\nman,1,19\n")
    >>> read_confusion(file).counts.tolist()
    [[18, 2], [1, 19]]
    """
    file = open_table(path, name=name, needs=["true"], separator=separator, notation=notation)
    file.need(["true"], advice="Begin with 'true,LABEL,LABEL,...'.")
    table, counts = _wide(file, "true")
    groups, labels = table.keys("true"), list(table.counts)
    if len(groups) < 2:
        raise InputError(f"{file.title} has {len(groups)} groups; it needs at least two.")
    rows = (dict(zip(labels, row, strict=True)) for row in counts.tolist())
    return Confusion.from_counts(dict(zip(groups, rows, strict=True)))


def _few(prompts: int, groups: int, title: str) -> None:
    if prompts * groups > MOST_COUNTS:
        raise InputError(
            f"{title} names {prompts} prompts and {groups} groups, which is more than "
            f"{MOST_COUNTS} counts; merge rare labels or split the file."
        )


def _frame(index: list[str], columns: list[str], counts: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(counts, index=pd.Index(index, name="prompt"), columns=columns)
