"""What a report is made of: an answer, quantities, figures, tables, caveats and terms."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Curves",
    "Forest",
    "Gallery",
    "Heat",
    "Quantity",
    "Report",
    "Row",
    "Table",
    "json_value",
]

FORMAT = "urn:bbb-core:report:1"
"""Name of the JSON form, ``$id`` of ``schema.json``; another form gets another number."""
DRAWN = 40
"""Rows of a forest plot."""


@dataclass(frozen=True)
class Quantity:
    """A number with its interval; an end that was not computed is NaN.

    Parameters
    ----------
    name
        What it is, in words.
    value, low, high
        The estimate and the ends of its interval.
    reason
        Why it could not be measured; empty where it was.
    """

    name: str
    value: float
    low: float
    high: float
    reason: str = ""

    @classmethod
    def of(cls, name: str, numbers: Iterable[Any]) -> Quantity:
        """Return a quantity from its value and the ends of its interval."""
        value, low, high = map(float, numbers)
        return cls(name, value, low, high)

    def __str__(self) -> str:
        ends = ("?" if math.isnan(x) else f"{x:.3f}" for x in (self.low, self.high))
        return f"{self.value:.3f} [{', '.join(ends)}]"


@dataclass(frozen=True)
class Table:
    """A table, the columns that name its rows, and an estimate in each row.

    Parameters
    ----------
    frame
        The table.
    key
        Columns whose values tell the rows apart.
    estimate
        Columns of a value and of the ends of an interval; the intervals of all rows hold together.
    """

    frame: pd.DataFrame
    key: tuple[str, ...]
    estimate: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A line of a forest plot: a value with its interval, and a mark of its own."""

    label: str
    value: float
    low: float
    high: float
    mark: float = math.nan


@dataclass(frozen=True)
class Forest:
    """Values with intervals, one below the other, and vertical lines to hold them against."""

    title: str
    caption: str
    rows: tuple[Row, ...]
    lines: Mapping[str, float] = field(default_factory=dict)
    mark: str = ""

    @classmethod
    def of(
        cls, title: str, caption: str, frame: Any, columns: tuple[str, ...],
        lines: Mapping[str, float] | None = None, mark: str = "",
    ) -> Forest:  # fmt: skip
        """Return the rows of a table, the largest first; only `DRAWN` of many are kept.

        Parameters
        ----------
        columns
            Those of label, value, low, high and, where there is one, the mark.
        """
        ordered = frame.sort_values(columns[1], ascending=False, key=abs)
        if len(frame) > DRAWN:
            caption += f" Drawn are the {DRAWN} largest of {len(frame)}; the table has all."
        kept = ordered.head(DRAWN).sort_values(columns[1], ascending=False)
        found = zip(*(kept[column] for column in columns), strict=True)
        rows = tuple(Row(str(label), *map(float, rest)) for label, *rest in found)
        return cls(title, caption, rows, dict(lines or {}), mark)


@dataclass(frozen=True)
class Curves:
    """Points [(x, y)] of several series over two axes, and a line to hold them against."""

    title: str
    caption: str
    x: str
    y: str
    series: Mapping[str, tuple[tuple[float, float], ...]]
    line: tuple[tuple[float, float], ...] = ()
    marks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Heat:
    """Values of two crossed attributes, shaded from the smallest to the largest."""

    title: str
    caption: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures: each row's name, and its pictures as PNG data with what is said of them."""

    title: str
    caption: str
    rows: tuple[tuple[str, tuple[tuple[bytes, str], ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an audit found, ready to be shown.

    Attributes
    ----------
    kind : str
        What was audited, such as ``"generations"``; reports of one kind can be compared.
    title, answer : str
        A heading, and what was found in a sentence.
    confidence : float
        Level of the intervals.
    quantities : tuple of Quantity
        The audited quantity first.
    tables : dict
        ``{name: Table}``; the first is what `to_frame` of a result returns.
    figures : tuple
        Of `Forest`, `Curves`, `Heat`; the first is what `plot` of a result draws.
    gallery : Gallery, optional
        Some of the pictures.
    caveats : tuple of str
        What the data do not settle.
    terms : tuple of str
        Words to explain, of `bbb_core.report.terms`.
    like : dict
        What another report must share to be compared with this one, such as the target shares.
    """

    kind: str
    title: str
    answer: str
    confidence: float
    quantities: tuple[Quantity, ...]
    tables: Mapping[str, Table]
    figures: tuple[Forest | Curves | Heat, ...] = ()
    gallery: Gallery | None = None
    caveats: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    like: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self, about: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the report as plain JSON data, as ``schema.json`` describes it.

        Parameters
        ----------
        about
            Where it comes from: ``command``, ``parameters``, ``versions``.

        Examples
        --------
        >>> from bbb_core.balance import representational_balance
        >>> made = representational_balance({"woman": 84, "man": 166}).report().to_json()
        >>> made["kind"], made["quantities"][0]["value"]
        ('balance', 0.164)
        """
        from bbb_core.report.terms import explained

        tables = {
            name: {
                "columns": [str(column) for column in table.frame.columns],
                "key": table.key,
                "estimate": table.estimate,
                "rows": table.frame.astype(object).to_numpy().tolist(),
            }
            for name, table in self.tables.items()
        }
        quantities = [
            {"name": q.name, "value": q.value, "low": q.low, "high": q.high, "reason": q.reason}
            for q in self.quantities
        ]
        made = {
            "$schema": FORMAT,
            "kind": self.kind,
            "title": self.title,
            "answer": self.answer,
            "confidence": self.confidence,
            "quantities": quantities,
            "tables": tables,
            "caveats": self.caveats,
            "definitions": explained(self.terms),
            "like": self.like,
            "command": None,
            "parameters": {},
            "versions": {},
        }
        found = json_value(made | dict(about or {}))
        assert isinstance(found, dict)
        return found


def json_value(value: Any) -> Any:
    """Return `value` as JSON data: plain numbers and lists; what is no finite number is null.

    Examples
    --------
    >>> json_value({"a": (1, float("nan"))})
    {'a': [1, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): json_value(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else None
