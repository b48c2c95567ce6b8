"""Shares of groups that generators draw, read from a table of counts (theorem T4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bbb_core.errors import InputError

__all__ = ["load_shares"]


def load_shares(
    path: str | Path, *, prompts: Sequence[str], groups: Sequence[str]
) -> dict[str, np.ndarray]:
    r"""Read how often each generator drew each group under each prompt.

    Parameters
    ----------
    path : str or Path
        A CSV file with the columns ``generator``, ``prompt`` and one column of counts per group.
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
    import pandas as pd

    file = Path(path)
    if not file.is_file():
        raise InputError(f"generators is {str(path)!r}, which is no file; pass a CSV of counts.")
    table = pd.read_csv(file)
    missing = [c for c in ("generator", "prompt", *groups) if c not in table.columns]
    if missing:
        raise InputError(f"{file.name} has no column {missing[0]!r}; add it.")
    counts = table[list(groups)].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    bad = ~np.isfinite(counts).all(axis=1) | (counts < 0).any(axis=1) | (counts.sum(axis=1) == 0)
    if bad.any():
        raise InputError(
            f"{file.name}, row {int(bad.argmax()) + 1}: counts are {counts[bad.argmax()].tolist()};"
            " pass numbers of images, not all of them zero."
        )
    found = {}
    for name, part in table.groupby("generator", sort=False):
        rows = []
        for prompt in prompts:
            at = np.flatnonzero((part["prompt"] == prompt).to_numpy())
            if len(at) != 1:
                raise InputError(
                    f"{file.name}: generator {name!r} has {len(at)} rows for {prompt!r}; give one."
                )
            rows.append(counts[part.index[at[0]]])
        found[str(name)] = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    return found
