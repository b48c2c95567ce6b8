"""Balance over the product of two readings of an image, beside its margins (D2, intersections)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bbb_book.chapters.intersections.joint_law import cell_table, interaction_tv, product_of_margins
from bbb_core import checks
from bbb_core.balance.shares import NONE, Balance, representational_balance
from bbb_core.errors import InputError
from bbb_core.stats import multinomial_intervals

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["IntersectionalBalance", "intersectional_balance", "vanishing_cells"]


@dataclass(frozen=True, kw_only=True)
class IntersectionalBalance:
    """Balance of the cells of a table and of both its margins; all intervals hold together.

    Attributes
    ----------
    joint : Balance
        Of the cells, named ``"row & column"``.
    first, second : Balance
        Of the rows and of the columns.
    product : float
        Imbalance that the joint law would have if the two readings were independent.
    interaction : float
        TV between the joint shares and the product of their margins; zero if independent.
    counts : numpy.ndarray, shape [a, b]
    rows, columns : tuple of str
    n : int
        Images, those read as none of the cells included.
    """

    joint: Balance
    first: Balance
    second: Balance
    product: float
    interaction: float
    counts: np.ndarray
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    n: int

    @property
    def hidden(self) -> float:
        """Joint imbalance minus the one that independent readings with these margins have."""
        return self.joint.imbalance - self.product


def _cells(rows: Sequence[str], columns: Sequence[str]) -> list[str]:
    return [f"{row} & {column}" for row in rows for column in columns]


def _names(x: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> None:
    for name, given, size in (("rows", rows, x.shape[0]), ("columns", columns, x.shape[1])):
        if len(given) != size or len(set(given)) != size or NONE in given:
            raise InputError(
                f"{name} is {tuple(given)}; pass {size} different names, none of them {NONE!r}."
            )


def intersectional_balance(
    counts: Any,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    none: int = 0,
    confidence: float = 0.95,
) -> IntersectionalBalance:
    r"""Measure balance over the product of two readings, against equal shares of all cells.

    .. math:: TV(P, u),\quad TV(P_1, u_1),\quad TV(P_2, u_2),\quad TV(P_1 \otimes P_2, u)

    for the joint shares, both margins and the product of the margins; zero is fair. The joint
    imbalance is never below that of a margin. Images of *none* count as imbalance everywhere.

    Parameters
    ----------
    counts : array_like, shape [a, b]
        Images read as row g and column t.
    rows, columns : sequence of str
        Names of the readings.
    none : int
        Images read as none of the cells.
    confidence : float
        Of all intervals together: half of the error goes to the joint law, a quarter to each
        margin.

    Returns
    -------
    IntersectionalBalance

    Raises
    ------
    InputError
        If the table is smaller than 2 x 2, a count is negative, or the names do not fit.

    References
    ----------
    Definition D2 of the book; Crenshaw (1989), ``crenshaw1989``, and Kearns et al. (2018),
    ``kearns2018``, on groups that margins do not see.

    Examples
    --------
    >>> b = intersectional_balance([[10, 0], [0, 10]], rows=["a", "b"], columns=["x", "y"])
    >>> b.first.imbalance, b.second.imbalance, b.joint.imbalance, b.hidden
    (0.0, 0.0, 0.5, 0.5)
    """
    extra = checks.integer("none", none, low=0)
    x = cell_table("counts", counts, others=extra)
    _names(x, rows, columns)
    alpha = 1 - checks.confidence_level(confidence)

    def balance(names: Sequence[str], values: np.ndarray, part: float) -> Balance:
        table = dict(zip(names, values.ravel().tolist(), strict=True))
        if extra:
            table[NONE] = extra
        return representational_balance(table, confidence=1 - part * alpha)

    n = int(x.sum()) + extra
    product = product_of_margins(x / n)
    return IntersectionalBalance(
        joint=balance(_cells(rows, columns), x, 0.5),
        first=balance(rows, x.sum(axis=1), 0.25),
        second=balance(columns, x.sum(axis=0), 0.25),
        product=float((np.abs(product - 1 / x.size).sum() + extra / n) / 2),
        interaction=float(interaction_tv(x)) * int(x.sum()) / n,
        counts=x,
        rows=tuple(rows),
        columns=tuple(columns),
        n=n,
    )


def vanishing_cells(
    counts: Any,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    none: Any = 0,
    fraction: float = 0.25,
    prompts: Sequence[str] = ("all",),
    confidence: float = 0.95,
) -> pd.DataFrame:
    r"""Say which cells have all but disappeared, and which are certainly there.

    A cell *vanishes* if the upper end of its simultaneous interval lies below the threshold
    :math:`\theta = \text{fraction} / ab`; it is *present* if the lower end is not below it, and
    *undecided* otherwise. `formulas.images_to_vanish` says from how many images on a cell
    can vanish at all.

    Parameters
    ----------
    counts : array_like, shape [a, b] or [m, a, b]
        One table, or one per prompt.
    none : int or array_like, shape [m]
        Images read as none of the cells, per prompt; they form one more outcome.
    fraction : float
        Threshold as a part of the fair share 1/ab, in (0, 1).
    prompts : sequence of str
        Names of the m tables.
    confidence : float
        Of all intervals of all prompts together (exact; Bonferroni over prompts).

    Returns
    -------
    pandas.DataFrame
        One row per prompt and cell: ``prompt, row, column, count, n, share, low, high, verdict``.

    Examples
    --------
    >>> found = vanishing_cells([[300, 0], [300, 300]], rows=["a", "b"], columns=["x", "y"])
    >>> found["verdict"].tolist()
    ['present', 'vanishes', 'present', 'present']
    """
    import pandas as pd

    tables = np.asarray(counts)
    tables = tables[None] if tables.ndim == 2 else tables
    if tables.ndim != 3 or len(tables) != len(prompts):
        raise InputError(
            f"counts has shape {tables.shape}; pass [a, b], or [m, a, b] with {len(prompts)} "
            "prompts named."
        )
    part = checks.number("fraction", fraction)
    if not 0 < part < 1:
        raise InputError(f"fraction is {part}; pass a part of the fair share between 0 and 1.")
    extra = np.broadcast_to(np.asarray(none), len(tables))
    level = 1 - (1 - checks.confidence_level(confidence)) / len(tables)
    found = []
    for prompt, table, left in zip(prompts, tables, extra, strict=True):
        x = cell_table("counts", table, others=int(left))
        _names(x, rows, columns)
        outcomes = np.append(x.ravel(), left)
        box = multinomial_intervals(outcomes, confidence=level)[:-1]
        theta = part / x.size
        frame = pd.DataFrame(
            [(prompt, row, column) for row in rows for column in columns],
            columns=["prompt", "row", "column"],
        )
        frame["count"], frame["n"] = x.ravel(), int(outcomes.sum())
        frame["share"] = frame["count"] / frame["n"]
        frame["low"], frame["high"] = box[:, 0], box[:, 1]
        frame["verdict"] = np.select(
            [box[:, 1] < theta, box[:, 0] >= theta], ["vanishes", "present"], "undecided"
        )
        found.append(frame)
    return pd.concat(found, ignore_index=True)
