"""Counts from files: per prompt and group, or per true group and label read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bbb_core.balance.confusion import Confusion
from bbb_core.errors import InputError
from bbb_core.io.tables import Table, TableFile, open_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CountTable", "parse_counts", "read_confusion", "read_counts"]

LARGEST = 50_000_000
"""Bytes of a text file of counts."""

MOST_COUNTS = 1_000_000
"""Counts: prompts times groups."""

_READING = re.compile(r"(gender|sex|race|ethnic|age|skin|label)(?!.*score)")
"""How the names of columns begin that may hold readings."""

_COUNTS = re.compile(r"man: (\d{1,9}), woman: (\d{1,9}), except: (\d{1,9})", re.ASCII)
"""The second of Fair Diffusion's two lines per occupation."""


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
        Sentences about names that look alike.
    """

    counts: pd.DataFrame
    missing: Mapping[str, int]
    notes: list[str]


def read_counts(
    path: str | Path,
    *,
    name: str = "FILE",
    separator: str | None = None,
    notation: str = "1234.5",
) -> CountTable:
    r"""Read counts per prompt and group.

    Three forms are told apart. A table with the columns ``prompt`` and ``group`` has one row per
    image, and its other columns are left alone. A table with ``prompt`` and no ``group`` holds
    counts, one column per group. A file named ``.txt`` holds Fair Diffusion's pairs of lines.

    Parameters
    ----------
    path, name, separator, notation
        See `bbb_core.io.tables.open_table`.

    Raises
    ------
    InputError
        With the place, if the file cannot be read as one of these.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "images.csv"
    >>> _ = file.write_text("prompt,group\njudge,NA\njudge,woman\njudge,\n")
    >>> found = read_counts(file)
    >>> found.counts.loc["judge"].to_dict(), found.missing
    ({'NA': 1, 'woman': 1}, {'prompt': 0, 'group': 1})
    """
    if Path(path).suffix == ".txt":
        return _published(path, name)
    file = open_table(path, name=name, needs=["prompt"], separator=separator, notation=notation)
    file.need(["prompt"], advice=_advice(file.columns))
    if "group" in file.columns:
        return _tally(file.read(labels=["prompt", "group"]))
    table, counts = _wide(file, "prompt")
    empty = np.flatnonzero(counts.sum(axis=1) == 0)
    if empty.size:
        raise InputError(f"{table.place(int(empty[0]))}: all counts are zero; remove the prompt.")
    return CountTable(_frame(table.keys("prompt"), list(table.counts), counts), {}, table.notes)


def parse_counts(text: str, *, name: str) -> pd.DataFrame:
    r"""Parse pairs of lines: an occupation, then ``man: M, woman: W, except: X``.

    Parameters
    ----------
    text : str
        The whole file.
    name : str
        What error messages call it.

    Returns
    -------
    pandas.DataFrame
        Index ``occupation`` in the file's order; int64 columns ``man``, ``woman``, ``except``.

    Raises
    ------
    InputError
        With the line's number: no occupation, no counts, a repeated occupation, all counts zero.

    Examples
    --------
    >>> parse_counts("baker\nman: 3, woman: 1, except: 0\n", name="x")["man"].to_dict()
    {'baker': 3}
    """
    import pandas as pd

    lines = text.removesuffix("\n").split("\n") if text else []
    if not lines:
        raise InputError(f"{name} is empty; pass a file with two lines per occupation.")
    first_seen: dict[str, int] = {}
    rows: list[tuple[int, ...]] = []
    for number in range(1, len(lines) + 1, 2):
        occupation = lines[number - 1]
        if not occupation.strip() or occupation != occupation.strip() or ":" in occupation:
            raise InputError(f"{name}, line {number}: {occupation!r} is no occupation; fix it.")
        if occupation in first_seen:
            raise InputError(
                f"{name}, line {number}: {occupation!r} stands on line {first_seen[occupation]} "
                "already; keep one of them."
            )
        if number == len(lines):
            raise InputError(f"{name}, line {number}: the counts of {occupation!r} are missing.")
        match = _COUNTS.fullmatch(lines[number])
        if match is None:
            raise InputError(
                f"{name}, line {number + 1}: {lines[number]!r} is not of the form "
                "'man: M, woman: W, except: X' with whole numbers; fix it."
            )
        counts = tuple(int(group) for group in match.groups())
        if not any(counts):
            raise InputError(
                f"{name}, line {number + 1}: all counts of {occupation!r} are zero; remove it."
            )
        first_seen[occupation] = number
        rows.append(counts)
    index = pd.Index(list(first_seen), name="occupation")
    return pd.DataFrame(rows, index=index, columns=["man", "woman", "except"], dtype="int64")


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


def _advice(columns: Sequence[str]) -> str:
    likely = [repr(c) for c in columns if _READING.match(c.casefold())]
    reading = f"the reading (perhaps {' or '.join(likely)})" if likely else "the reading"
    return (
        f"Call the column of what was asked for 'prompt' and that of {reading} 'group'; or give "
        "counts as 'prompt,GROUP,GROUP,...'."
    )


def _published(path: str | Path, name: str) -> CountTable:
    from bbb_core.io.files import read_text, shown

    text = read_text(path, name=name, most=LARGEST)
    table = parse_counts(text, name=f"{name} {shown(path)}")
    table.index.name = "prompt"
    return CountTable(table if table["except"].any() else table.drop(columns="except"), {}, [])


def _wide(file: TableFile, key: str) -> tuple[Table, np.ndarray]:
    """Read a column of names, and all the others as counts [rows, columns]."""
    others = [column for column in file.columns if column != key]
    file.need(file.columns)
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


def _tally(table: Table) -> CountTable:
    """Count images by prompt, in the order of the file, and group, in the order of names."""
    import pandas as pd

    prompt, group = table.labels["prompt"], table.labels["group"]
    whole = (prompt.codes >= 0) & (group.codes >= 0)
    if not whole.any():
        raise InputError(f"{table.title} holds no image with a prompt and a group; add some.")
    rows, prompts = pd.factorize(prompt[whole])
    columns, groups = pd.factorize(group[whole])
    _few(len(prompts), len(groups), table.title)
    shape = (len(prompts), len(groups))
    counts = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)
    frame = _frame(list(prompts), list(groups), counts)
    return CountTable(frame[sorted(frame.columns)], table.missing, table.notes)


def _few(prompts: int, groups: int, title: str) -> None:
    if prompts * groups > MOST_COUNTS:
        raise InputError(
            f"{title} names {prompts} prompts and {groups} groups, which is more than "
            f"{MOST_COUNTS} counts; merge rare labels or split the file."
        )


def _frame(index: list[str], columns: list[str], counts: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(counts, index=pd.Index(index, name="prompt"), columns=columns)
