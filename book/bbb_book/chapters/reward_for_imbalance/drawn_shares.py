"""Shares of groups that generators draw, read from a table of counts (theorem T4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.tables import read_table

__all__ = ["load_shares"]


def load_shares(
    path: str | Path, *, prompts: Sequence[str], groups: Sequence[str]
) -> dict[str, np.ndarray]:
    r"""Read how often each generator drew each group under each prompt.

    Parameters
    ----------
    path : str or Path
        A table with the columns ``generator``, ``prompt`` and one column of counts per group.
        Other columns are left alone; images read as no group of the list are not counted.
    prompts, groups : sequence of str
        What the rows and columns of the result stand for; every generator needs every prompt.

    Returns
    -------
    dict of str to numpy.ndarray, shape [prompts, groups]
        Shares per generator, in the order of the file; each row sums to one.

    Raises
    ------
    InputError
        If the file or a column is missing, a count is no number of images, or a prompt is missing
        or occurs twice.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "counts.csv"
    >>> _ = file.write_text("generator,prompt,man,woman\nfirst,judge,3,1\n")
    >>> load_shares(file, prompts=["judge"], groups=["man", "woman"])["first"].tolist()
    [[0.75, 0.25]]
    """
    table = read_table(
        path, name="generators", labels=["generator", "prompt"], numbers=list(groups)
    )
    nameless = table.labels["generator"].codes < 0
    if nameless.any():
        raise InputError(f"{table.place(int(nameless.argmax()))}: generator is empty; fill it in.")
    counts = np.stack([table.numbers[group] for group in groups], axis=1)
    bad = ~(counts >= 0).all(axis=1) | (counts.sum(axis=1) == 0)
    if bad.any():
        raise InputError(
            f"{table.place(int(bad.argmax()))}: counts are {counts[bad.argmax()].tolist()};"
            " pass numbers of images, not all of them zero."
        )
    generator, prompt = (np.asarray(table.labels[key]) for key in ("generator", "prompt"))
    found = {}
    for name in table.labels["generator"].categories:
        rows = []
        for one in prompts:
            at = np.flatnonzero((generator == name) & (prompt == one))
            if len(at) != 1:
                raise InputError(
                    f"{table.title}: generator {name!r} has {len(at)} rows for {one!r}; give one."
                )
            rows.append(counts[at[0]])
        found[name] = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    return found
