"""Confusion matrix of a reader on images whose group is known, with exact intervals (T7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.stats.intervals import multinomial_intervals

__all__ = ["Confusion", "confusion_matrix"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Confusion:
    """How often images of each true group were read as each label.

    Parameters
    ----------
    groups : tuple of str
        True groups, the rows.
    labels : tuple of str
        What the reader can say, the columns; at least the groups, and often *none of these*.
    counts : numpy.ndarray, shape [groups, labels]
        Whole numbers; every row counts something.

    Raises
    ------
    InputError
        If a name occurs twice, there are fewer than two groups or labels, or a row counts nothing:
        a group that was never shown says nothing about its reading.

    See Also
    --------
    confusion_matrix : from the readings of single images.

    Examples
    --------
    >>> c = Confusion.from_counts({"a": {"a": 8, "none": 2}, "b": {"b": 20}})
    >>> c.labels, c.rates.tolist()
    (('a', 'b', 'none'), [[0.8, 0.0, 0.2], [0.0, 1.0, 0.0]])
    """

    groups: tuple[str, ...]
    labels: tuple[str, ...]
    counts: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.groups), len(self.labels))
        if len(set(self.groups)) != shape[0] or len(set(self.labels)) != shape[1]:
            raise InputError("groups and labels must each hold a name once; rename or merge.")
        if min(shape) < 2:
            raise InputError(f"the confusion matrix has shape {shape}; it needs at least 2 by 2.")
        if self.counts.shape != shape:
            raise InputError(f"counts has shape {self.counts.shape}, not {shape}; match the names.")
        for group, row in zip(self.groups, self.counts.tolist(), strict=True):
            checks.counts(f"confusion[{group!r}]", dict(zip(self.labels, row, strict=True)))

    @classmethod
    def from_counts(cls, table: Mapping[str, Mapping[str, int]]) -> Confusion:
        """Build from ``{true group: {label: count}}``; labels that a row lacks count zero."""
        if not isinstance(table, Mapping):
            kind = type(table).__name__
            raise InputError(f"confusion is a {kind}; pass a Confusion or nested counts.")
        groups = tuple(table)
        rows = {group: checks.counts(f"confusion[{group!r}]", table[group]) for group in groups}
        seen = dict.fromkeys(label for row in rows.values() for label in row)
        labels = (*(g for g in groups if g in seen), *(x for x in seen if x not in groups))
        counts = np.array([[rows[g].get(label, 0) for label in labels] for g in groups], dtype=int)
        return cls(groups=groups, labels=labels, counts=counts)

    @property
    def rates(self) -> np.ndarray:
        r"""Rates :math:`M_{al} = P(\text{read } l \mid \text{true } a)`; rows sum to one."""
        return self.counts / self.counts.sum(axis=1, keepdims=True)

    def intervals(self, *, confidence: float = 0.95) -> np.ndarray:
        """Return exact intervals ``[groups, labels, 2]`` that hold together for all rates."""
        each = 1 - (1 - checks.confidence_level(confidence)) / len(self.groups)
        return np.stack([multinomial_intervals(row, confidence=each) for row in self.counts])


def confusion_matrix(
    true: Sequence[str],
    read: Sequence[str],
    *,
    groups: Sequence[str],
    labels: Sequence[str] | None = None,
) -> Confusion:
    """Count readings by true group.

    Parameters
    ----------
    true, read
        One name per image: what it is known to show, and what the reader said.
    groups
        The true groups, all of which must occur.
    labels
        What the reader can say; by default the groups and every other label that occurs.

    Raises
    ------
    InputError
        If the lengths differ, a group never occurs, or a name is in neither list: a reading that
        nobody expected is an error, never a zero.

    Examples
    --------
    >>> c = confusion_matrix(["a", "a", "b"], ["a", "none", "b"], groups=["a", "b"])
    >>> c.labels, c.counts.tolist()
    (('a', 'b', 'none'), [[1, 0, 1], [0, 1, 0]])
    """
    if len(true) != len(read):
        raise InputError(f"true has {len(true)} names and read {len(read)}; pass one per image.")
    names = dict.fromkeys([*groups, *read] if labels is None else labels)
    rows, columns = ({x: i for i, x in enumerate(side)} for side in (groups, names))
    counts = np.zeros((len(rows), len(columns)), dtype=int)
    for i, (t, r) in enumerate(zip(true, read, strict=True)):
        if t not in rows:
            raise InputError(f"true[{i}] is {t!r}, which is none of the groups; add or drop it.")
        if r not in columns:
            raise InputError(f"read[{i}] is {r!r}, which is none of the labels; add or drop it.")
        counts[rows[t], columns[r]] += 1
    empty = [g for g, i in rows.items() if counts[i].sum() == 0]
    if empty:
        raise InputError(f"no image of group {empty[0]!r} was read; show some, or drop the group.")
    return Confusion(groups=tuple(rows), labels=tuple(columns), counts=counts)
