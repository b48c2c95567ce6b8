"""Counts from probabilities of classes: expected ones, rounded to whole images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bbb_core import checks
from bbb_core.balance.count_columns import Columns, read_roles
from bbb_core.errors import InputError
from bbb_core.io.tables import TableFile

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
    file: TableFile, said: Columns
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
    table, prompt, image = read_roles(file, said, numbers=list(names))
    q = np.stack([table.numbers[one] for one in names], axis=1)
    whole = (prompt.codes >= 0) & ~np.isnan(q).all(axis=1)
    if image is not None:
        whole &= image.codes >= 0
    if not whole.any():
        raise InputError(f"{file.title} holds no image with a prompt and probabilities; add some.")
    rows = np.flatnonzero(whole)
    q, total = q[rows], q[rows].sum(axis=1)
    size = 100 if abs(np.median(np.nan_to_num(total)) - 100) <= 100 * _TOLERANCE else 1
    odd = np.flatnonzero(~((q >= 0).all(axis=1) & (np.abs(total - size) <= size * _TOLERANCE)))
    if odd.size:
        raise InputError(
            f"{table.place(int(rows[odd[0]]))}: the probabilities are {q[odd[0]].tolist()}; in "
            "every row they must be 0 or more and sum to 1, or to 100."
        )
    by = {"prompt": np.asarray(prompt)[rows]}
    frame = pd.DataFrame(q / total[:, None], columns=list(names.values()))
    notes = [
        "counts are the expected ones, from probabilities, rounded to whole images; intervals and "
        "tests hold if the probabilities are calibrated, and are then wide",
        *(["probabilities are in percent"] if size == 100 else []),
    ]
    if image is not None:
        by["image"] = np.asarray(image)[rows]
        frame = frame.groupby([by["prompt"], by["image"]], sort=False).mean()
        by = {"prompt": frame.index.get_level_values(0).to_numpy()}
        notes.append(f"{len(rows)} rows show {len(frame)} pictures; rows of one are averaged")
    return frame.groupby(by["prompt"], sort=False).sum(), table.missing, notes
