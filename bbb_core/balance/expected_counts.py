"""Counts from probabilities of classes: expected ones, rounded to whole images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bbb_core import checks
from bbb_core.balance.count_columns import Columns, read_roles
from bbb_core.errors import InputError
from bbb_core.io.tables import Table, TableFile
from bbb_core.io.workers import Over

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["expected_counts", "whole_counts"]

_TOLERANCE = 0.01  # how far a row's sum may be from one: what rounded digits leave


def whole_counts(expected: Any, *, rng: np.random.Generator) -> np.ndarray:
    r"""Round expected counts to whole ones with the same mean and, per row, the same total.

    With :math:`T_a` the sum of a row's first a expected counts and one uniform u per row,
    :math:`c_a = \lfloor T_a + u \rfloor - \lfloor T_{a-1} + u \rfloor`.

    Parameters
    ----------
    expected : array_like, shape [m, k]
        At least 0; the rows' sums are whole.
    rng
        Draws one number per row.

    Returns
    -------
    numpy.ndarray, shape [m, k]
        Whole numbers less than one away from `expected`.

    Notes
    -----
    Given the expected count S of a group, the least variance of a whole number of mean S is that of
    c. Labels drawn from the probabilities q have variance :math:`\sum q(1-q)`, at least as large.
    So counts of mean S that are taken for counted labels are less variable than these.

    Examples
    --------
    >>> whole_counts([[2.0, 1.0], [2.5, 0.5]], rng=np.random.default_rng(0)).sum(axis=1).tolist()
    [3, 3]
    """
    x = np.asarray(checks.matrix("expected", expected), dtype=np.float64)
    total = np.rint(x.sum(axis=1))
    if (x < 0).any() or (np.abs(x.sum(axis=1) - total) > 1e-6 * (1 + total)).any():
        raise InputError("expected has negative counts or rows whose sums are not whole.")
    start = rng.random(len(x))
    ends = np.cumsum(np.column_stack([start, x]), axis=1)
    ends[:, -1] = start + total  # but for rounding errors
    return np.diff(np.floor(ends), axis=1).astype(np.int64)


def expected_counts(
    file: TableFile, said: Columns, *, over: Over = map
) -> tuple[pd.DataFrame, dict[str, int], list[str]]:
    """Read a table with a row per image and a column of probabilities per class.

    Returns
    -------
    tuple
        Sums of the probabilities per prompt and class; empty cells by column; notes.

    Raises
    ------
    InputError
        If a row's probabilities are not between 0 and 1 with sum 1, or the same in percent.
    """
    import pandas as pd

    if said.aside:
        raise InputError("--ignore is for labels; call a class of no group 'none' by --map.")
    names = {
        one: one.removeprefix(f"{above}.")
        for above in said.probabilities
        for one in [c for c in file.columns if c.startswith(f"{above}.")] or [above]
    }
    if len(names) < 2:
        raise InputError("--probability-column names one class; give it for every class.")
    measure = partial(_shares, columns=list(names))
    found, prompt, image = read_roles(file, said, measure, over=over, numbers=list(names))
    size, *empty = found.codes
    rows = np.flatnonzero((size > 0) & (prompt.codes >= 0))
    if not rows.size:
        raise InputError(f"{file.title} holds no image with a prompt and probabilities; add some.")
    odd = rows[size[rows] != size[rows[0]]]
    if odd.size:
        raise InputError(
            f"{found.table.place(int(odd[0]))}: the probabilities sum to {size[odd[0]]}, but to "
            f"{size[rows[0]]} in rows before; write all of them alike."
        )
    labels = {name for name in (said.prompt, said.image) if name is not None}
    missing = {name: n for name, n in found.table.missing.items() if name in labels}
    missing |= {
        name: int(found.table.weight[codes > 0].sum())
        for name, codes in zip(names, empty, strict=True)
    }
    by = {"prompt": np.asarray(prompt)[rows]}
    frame = pd.DataFrame(found.sums.T[rows], columns=list(names.values()))
    notes = [
        "counts are the expected ones, from probabilities, rounded to whole images; intervals and "
        "tests hold if the probabilities are calibrated, and are then wide",
        *(["probabilities are in percent"] if size[rows[0]] == 100 else []),
    ]
    if image is not None:
        by["image"] = np.asarray(image)[rows]
        frame = frame.groupby([by["prompt"], by["image"]], sort=False).mean()
        by = {"prompt": frame.index.get_level_values(0).to_numpy()}
        notes.append(f"{len(rows)} rows show {len(frame)} pictures; rows of one are averaged")
    return frame.groupby(by["prompt"], sort=False).sum(), missing, notes


def _shares(block: Table, *, columns: Sequence[str]) -> tuple[np.ndarray, ...]:
    """Return what the probabilities of rows sum to (0: not counted), which are empty; and shares.

    See `tallies.Measure`.
    """
    q = np.stack([block.numbers[one] for one in columns], axis=1)
    total = q.sum(axis=1)
    counts = ~np.isnan(q).all(axis=1)
    for column in block.labels.values():
        counts &= column.codes >= 0
    size = np.where(np.abs(total - 100) <= 100 * _TOLERANCE, 100, 1)
    fits = (q >= 0).all(axis=1) & (np.abs(total - size) <= size * _TOLERANCE)
    odd = np.flatnonzero(counts & ~fits)
    if odd.size:
        raise InputError(
            f"{block.place(int(odd[0]))}: the probabilities are {q[odd[0]].tolist()}; in every row "
            "they must be 0 or more and sum to 1, or to 100."
        )
    shares = np.where(counts[:, None], q, 0.0) / np.where(counts, total, 1.0)[:, None]
    codes = np.vstack([np.where(counts, size, 0), np.isnan(q).T])
    return codes, shares.T, np.empty((0, len(block)))
