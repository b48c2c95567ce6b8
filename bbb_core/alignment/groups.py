"""Groups and their intersections over rows, held as few distinct patterns (definition D5)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["GroupTable", "group_table"]

BLOCK = 2**13
"""Patterns whose memberships are turned into numbers at one time."""

MOST_GROUPS = 2_000
"""Groups that are compared with one another: all their pairs have a correlation."""


@dataclass(frozen=True)
class GroupTable:
    """Which groups each row belongs to.

    Rows with the same labels share a *pattern*, so that sums over rows are taken once per pattern
    and every group, intersection or not, is a union of patterns. Memory grows with the number of
    groups and with the number of patterns, not with their product.

    Parameters
    ----------
    names : tuple of str
        The groups; intersections read ``"gender=woman & tone=dark"``.
    attributes : tuple of tuple of str
        The attributes that define each group, one for a single group, several for intersections.
    patterns : numpy.ndarray, shape [n]
        Pattern of each row.
    members : scipy.sparse.csr_array, shape [groups, patterns]
        1.0 where the rows of a pattern belong to a group.
    """

    names: tuple[str, ...]
    attributes: tuple[tuple[str, ...], ...]
    patterns: np.ndarray
    members: sparse.csr_array

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.patterns)

    def blocks(self, patterns: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (slice of `patterns`, memberships [groups, block] in float64)."""
        groups, width = self.members.shape
        parts = (slice(i, i + BLOCK) for i in range(0, len(patterns), BLOCK))
        if 8 * self.members.nnz <= groups * width:
            columns = self.members.tocsc()
            yield from ((part, columns[:, patterns[part]].toarray()) for part in parts)
            return
        dense = np.zeros((groups, width), bool)  # truth values take less than places
        for row, (start, end) in zip(dense, itertools.pairwise(self.members.indptr), strict=True):
            row[self.members.indices[start:end]] = True
        yield from ((part, dense[:, patterns[part]].astype(np.float64)) for part in parts)

    def take(self, rows: np.ndarray) -> GroupTable:
        """Return the table of some rows; groups stay, also where none of these rows is in them."""
        return GroupTable(self.names, self.attributes, self.patterns[rows], self.members)

    def aligned(self, names: tuple[str, ...]) -> GroupTable:
        """Return the table with the groups `names`, empty where no row belongs to them."""
        place = {name: i for i, name in enumerate(self.names)}
        known = [(i, place[name]) for i, name in enumerate(names) if name in place]
        rows, columns = np.array(known, dtype=np.int64).reshape(-1, 2).T
        shape = (len(names), len(self.names))
        chosen = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
        return GroupTable(names, ((),) * len(names), self.patterns, chosen @ self.members)

    def sums(self, values: Any) -> np.ndarray:
        """Add up values per pattern, dense or sparse [k, patterns], to values per group."""
        found = values @ self.members.T
        return found.toarray() if sparse.issparse(found) else np.asarray(found)

    def mask(self, name: str) -> np.ndarray:
        """Return which rows belong to the group, shape [n]."""
        inside = np.zeros(self.members.shape[1], bool)
        inside[self.members[[self.names.index(name)]].indices] = True
        return inside[self.patterns]


@dataclass(frozen=True)
class _Attribute:
    name: str
    levels: tuple[str, ...]
    codes: np.ndarray  # -1: in none of the levels


def group_table(groups: Any, n: int, *, order: int = 2) -> GroupTable:
    """Return the groups over `n` rows, with intersections of up to `order` attributes.

    Parameters
    ----------
    groups : sequence or mapping
        Labels of one attribute, shape [n]; or ``{attribute: labels}``. Labels are text, whole
        numbers or truth values (two groups, True and False), in a sequence, an array, a categorical
        or any column of pandas or Arrow. A label that is missing (``None``, NaN, NA) or blank: the
        row is in no group of that attribute.
    n : int
        Number of rows.
    order : int
        1 keeps the single groups, 2 adds pairs of groups of two attributes, and so on.

    Raises
    ------
    InputError
        If an array has not `n` rows, a label is no scalar, no row belongs to any group, two groups
        would have one name, or there are more than 2,000 groups.

    Examples
    --------
    >>> group_table({"g": ["a", "b", "a"], "t": ["x", "x", "y"]}, 3).names
    ('g=a', 'g=b', 't=x', 't=y', 'g=a & t=x', 'g=a & t=y', 'g=b & t=x')
    """
    order = checks.integer("order", order, low=1)
    mapping = isinstance(groups, Mapping) or hasattr(groups, "columns")
    named = {str(key): groups[key] for key in groups} if mapping else {"": groups}
    if not named:
        raise InputError("groups is empty; pass at least one attribute.")
    if mapping and len(named) < len(list(groups)):
        raise InputError("groups name an attribute twice; rename one.")
    attributes = [_attribute(key, labels, n) for key, labels in named.items()]
    found = sum(len(a.levels) for a in attributes)
    _refuse_many(found)
    patterns, codes = _patterns([a.codes for a in attributes], [len(a.levels) for a in attributes])
    names: list[str] = []
    defined: list[tuple[str, ...]] = []
    places: list[np.ndarray] = []  # the patterns of each group, one group after the other
    sizes: list[np.ndarray] = []
    for size in range(1, min(order, len(attributes)) + 1):
        for chosen in itertools.combinations(range(len(attributes)), size):
            where, member, picks = _crossed([codes[a] for a in chosen])
            found += len(picks) if size > 1 else 0
            _refuse_many(found)
            by_group = member.astype(np.min_scalar_type(len(picks))).argsort(kind="stable")
            places.append(where[by_group].astype(np.int32))
            sizes.append(np.bincount(member, minlength=len(picks)))
            names += [
                " & ".join(attributes[a].levels[i] for a, i in zip(chosen, pick, strict=True))
                for pick in picks.tolist()
            ]
            defined += [tuple(attributes[a].name for a in chosen)] * len(picks)
    if not names:
        raise InputError("groups has no labelled row; give at least one row a group.")
    if len(set(names)) < len(names):
        twice = next(x for i, x in enumerate(names) if x in names[:i])
        raise InputError(f"groups make two groups {twice!r}; rename a label or an attribute.")
    column, ends = np.concatenate(places), np.concatenate([[0], *sizes]).cumsum()
    shape = (len(names), len(codes[0]))
    members = sparse.csr_array((np.ones(len(column)), column, ends), shape=shape)
    return GroupTable(tuple(names), tuple(defined), patterns, members)


def _refuse_many(count: int) -> None:
    """Refuse too many groups before they take memory."""
    if count > MOST_GROUPS:
        raise InputError(
            f"groups make {count} groups or more, and at most {MOST_GROUPS} can be compared; merge "
            "rare labels, pass fewer attributes, or lower order."
        )


def _attribute(key: str, labels: Any, n: int) -> _Attribute:
    import pandas as pd

    where = f"groups[{key!r}]" if key else "groups"
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu().numpy()
    known = (np.ndarray, pd.Series, pd.Index, pd.api.extensions.ExtensionArray)
    # as objects, for an array of text would turn a missing label into the text "nan"
    values = labels if isinstance(labels, known) else np.asarray(labels, dtype=object)
    if values.shape != (n,):
        raise InputError(f"{where} has shape {values.shape}; pass one label per row ({n}).")
    try:
        codes, found = pd.factorize(values)
    except TypeError:
        raise InputError(f"{where} holds lists or the like; pass one label per row.") from None
    texts = np.array([str(label) for label in found], dtype=object)
    blank = np.array([not text.strip() for text in texts], dtype=bool)
    levels = sorted(set(texts[~blank]))
    place = {text: i for i, text in enumerate(levels)} | dict.fromkeys(texts[blank], -1)
    rank = np.array([*(place[text] for text in texts), -1], np.int32)
    prefix = f"{key}=" if key else ""  # the code -1 of a missing label indexes the last place
    return _Attribute(key, tuple(f"{prefix}{text}" for text in levels), rank[codes])


def _crossed(codes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which patterns have a level of every attribute, and the combination of each.

    The third value holds the levels [combinations, attributes], in lexical order.
    """
    where = np.flatnonzero(np.min(codes, axis=0) >= 0)
    if len(codes) == 1:  # levels stand in order, and each has a pattern
        member = codes[0][where]
        return where, member, np.arange(member.max(initial=-1) + 1)[:, None]
    member = np.zeros(len(where), np.int64)
    for code in codes:
        joint = member * (int(code.max()) + 1) + code[where]
        _, first, member = np.unique(joint, return_index=True, return_inverse=True)
    return where, member, np.stack([code[where][first] for code in codes], axis=1)


def _patterns(codes: list[np.ndarray], levels: list[int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the pattern of each row, and each attribute's code per pattern."""
    import pandas as pd

    n = len(codes[0])
    joint, size = np.zeros(n, np.int64), 1
    for code, count in zip(codes, levels, strict=True):
        if size * (count + 1) > 2**62:
            joint, found = pd.factorize(joint)
            size = len(found)
            if size > n // 2:  # nearly every row differs: patterns would only cost time
                return np.arange(n), codes
        joint = joint * (count + 1) + (code + 1)
        size *= count + 1
    patterns, found = pd.factorize(joint)
    if len(found) > n // 2:
        return np.arange(n), codes
    first = np.empty(len(found), np.int64)
    first[patterns[::-1]] = np.arange(n)[::-1]
    return patterns, [code[first] for code in codes]
