"""Shares of groups that generators draw: set by hand, or read from counts (theorem T4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bbb_book.data import emoji
from bbb_book.scorers.caption_bias import GROUPS
from bbb_core.errors import InputError
from bbb_core.io.sources import read_table

__all__ = ["LEAN", "SYNTHETIC", "generators", "generators_said", "load_shares"]

LEAN = 0.8
"""Share of men of the unfair generator where the captions themselves are balanced."""
SYNTHETIC = "synthetic"
"""The name of generators whose shares are set by hand."""


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


def generators(source: str) -> dict[str, np.ndarray]:
    """Return shares [occupations, groups] of the generators to rank, by name.

    Parameters
    ----------
    source : str
        ``synthetic``: shares set by hand. Otherwise a file of counts; see `load_shares`.
    """
    if source != SYNTHETIC:
        return load_shares(source, prompts=emoji.OCCUPATIONS, groups=GROUPS)
    shares = {
        "balanced": 0.5, "subclass-sampled": 0.5, f"{LEAN:.0%} men".replace("%", " %"): LEAN,
        "men only": 1.0, "women only": 0.0,
    }  # fmt: skip
    n = len(emoji.OCCUPATIONS)
    return {name: np.tile([men, 1 - men], (n, 1)) for name, men in shares.items()}


def generators_said(source: str) -> str:
    """Say where the shares of the ranked generators come from."""
    if source == SYNTHETIC:
        return "The shares of these generators are set by hand; no image was generated."
    return f"The shares of these generators are measured counts, read from {Path(source).name}."
