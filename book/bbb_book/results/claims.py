"""Claims: how a number gets from the run onto the page (every chapter).

A chapter calls `record` once per registered claim. Inside IPython the call shows one line, glues
the rounded texts for the prose and leaves the full record in the output's metadata, from where
the book's builder collects it. Outside IPython it only returns the record.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, SupportsFloat, SupportsIndex

from bbb_book.results.register import Claim, claim, load_register, rounded
from bbb_book.results.rules import Rule, State, Verdict
from bbb_core.errors import InputError

__all__ = ["Claim", "Record", "Rule", "record", "register_table", "show_count", "show_number"]

_HIDDEN = "application/papermill.record/"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One measured claim or check.

    Parameters
    ----------
    claim : Claim
        What was registered.
    value, low, high : float
        The estimate and its interval, in the claim's unit.
    n : int or None
        How many independent units the estimate rests on.
    p : float or None
        The p-value of "the rule does not hold", where there is an exact one.
    """

    claim: Claim
    value: float
    low: float
    high: float
    n: int | None
    p: float | None = None

    @property
    def verdict(self) -> Verdict | State:
        """The registered rule applied to [low, high]."""
        return self.claim.judge(self.low, self.high)

    @property
    def interval(self) -> str:
        """The interval as the page shows it."""
        return f"[{self.claim.show(self.low)}, {self.claim.show(self.high)}]"

    def as_dict(self) -> dict[str, Any]:
        """Give the full record, unrounded, for claims.json."""
        fields = {key: value for key, value in asdict(self.claim).items() if key != "rule"}
        return {
            **fields,
            "rule": self.claim.rule.as_dict(),
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "p": self.p,
            "verdict": self.verdict,
        }

    def texts(self) -> dict[str, str]:
        """Give the rounded texts by glue name."""
        key, show = self.claim.id, self.claim.show
        return {
            key: show(self.value),
            f"{key}-low": show(self.low),
            f"{key}-high": show(self.high),
            f"{key}-interval": self.interval,
            f"{key}-verdict": self.verdict,
            f"{key}-n": "" if self.n is None else str(self.n),
        }

    def __str__(self) -> str:
        counted = "" if self.n is None else f", n = {self.n}"
        ranged = " (range)" if self.claim.ranged else ""
        return (
            f"{self.claim.id}: {self.claim.show(self.value)} {self.interval}{ranged} "
            f"{self.claim.unit}{counted}; rule: {self.claim.rule}; {self.verdict}"
        )

    def _ipython_display_(self) -> None:
        """Show nothing: `record` has already shown the line."""


def record(
    claim_id: str,
    *,
    value: SupportsFloat,
    low: SupportsFloat | None = None,
    high: SupportsFloat | None = None,
    n: SupportsIndex | None = None,
    p: SupportsFloat | None = None,
) -> Record:
    """Record the measured value of a registered claim or check, with its interval.

    Parameters
    ----------
    claim_id : str
        The claim's id in the register.
    value : float
        The estimate.
    low, high : float, optional
        The interval; both or neither. Without them the value counts as exact, low = high = value.
    n : int, optional
        How many independent units the estimate rests on.
    p : float, optional
        An exact p-value of the hypothesis that the rule does not hold; `results.family` derives an
        approximate one from the interval otherwise.

    Returns
    -------
    Record
        The record with its verdict.

    Raises
    ------
    InputError
        If the id is unknown, a number is not finite, not low <= value <= high, or p is no
        probability.
    """
    found = claim(claim_id)
    if (low is None) != (high is None):
        raise InputError(f"claim '{claim_id}': give both low and high, or neither.")
    value = _finite(claim_id, "value", value)
    low = value if low is None else _finite(claim_id, "low", low)
    high = value if high is None else _finite(claim_id, "high", high)
    if not low <= value <= high:
        raise InputError(f"claim '{claim_id}': value {value} lies outside [{low}, {high}].")
    count = None if n is None else _count(claim_id, n)
    chance = None if p is None else _finite(claim_id, "p", p)
    if chance is not None and not 0 <= chance <= 1:
        raise InputError(f"claim '{claim_id}': p must lie between 0 and 1, not {chance}.")
    made = Record(claim=found, value=value, low=low, high=high, n=count, p=chance)
    _publish({"text/plain": str(made)}, {"bbb": made.as_dict()})
    for name, text in made.texts().items():
        _glue(name, text)
    return made


def show_number(name: str, x: SupportsFloat, *, digits: int = 2) -> str:
    """Glue a number of the prose as rounded text and return that text.

    Parameters
    ----------
    name : str
        The glue name: the text says ``{glue:text}`name` ``.
    x : float
        The number; it must be finite.
    digits : int
        Decimals, 0 or more.

    Raises
    ------
    InputError
        If `x` is not finite or `digits` is negative.

    Examples
    --------
    >>> show_number("share", 0.123456, digits=3)
    '0.123'
    """
    if digits < 0:
        raise InputError(f"digits must be 0 or more, not {digits}.")
    text = rounded(_finite(name, "x", x), digits)
    _glue(name, text)
    return text


def show_count(name: str, k: SupportsIndex, n: SupportsIndex) -> str:
    """Glue how many of how many, as one would say it, and return that text.

    Raises
    ------
    InputError
        If not 0 <= k <= n, or n is zero.

    Examples
    --------
    >>> show_count("missed", 0, 2000), show_count("missed", 3, 2000), show_count("missed", 5, 5)
    ('none of 2,000', '3 of 2,000', 'all 5')
    """
    hits, of = k.__index__(), n.__index__()
    if not 0 <= hits <= of or of == 0:
        raise InputError(f"'{name}': k and n must be counts with k at most n, not {k} and {n}.")
    text = f"all {of:,}" if hits == of else f"{hits:,} of {of:,}" if hits else f"none of {of:,}"
    _glue(name, text)
    return text


class _Markdown(str):
    """Text that IPython shows as Markdown."""

    def _repr_markdown_(self) -> str:
        return str(self)


def register_table(chapter: str) -> _Markdown:
    """Make the table of a chapter's claims and rules, and below it a shorter one of its checks.

    Parameters
    ----------
    chapter : str
        The chapter's name (the stem of its register file).

    Returns
    -------
    str
        Markdown; as the last line of a cell it is shown as tables.

    Raises
    ------
    InputError
        If nothing is registered for the chapter.
    """
    known = [found for found in load_register().values() if found.chapter == chapter]
    if not known:
        raise InputError(f"no claim is registered for chapter '{chapter}'.")
    claims = [
        (found.statement, _ORIGINS[found.origin], found.measure, _rule(found))
        for found in known
        if found.role == "claim"
    ]
    checks = [
        (f"{found.statement} *Measured:* {found.measure}", _rule(found))
        for found in known
        if found.role == "check"
    ]
    tables = [_table(("Claim", "Made by", "What is measured", "Supported when"), claims)]
    tables.append(_table(("Check", "Holds when"), checks))
    return _Markdown("\n\n".join(table for table in tables if table))


_ORIGINS = {"paper": "the paper", "ours": "this book"}


def _rule(found: Claim) -> str:
    return f"{found.rule} ({found.unit})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; nothing without rows."""
    lines = ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines] if lines else [])


def _cell(text: str) -> str:
    """Make `text` fit into one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def _finite(where: str, name: str, x: SupportsFloat) -> float:
    try:
        number = float(x)
    except (TypeError, ValueError) as error:
        raise InputError(f"'{where}': {name} must be one number, not {x!r}.") from error
    if not math.isfinite(number):
        raise InputError(f"'{where}': {name} must be finite, not {number}.")
    return number


def _count(where: str, n: SupportsIndex) -> int:
    number = n.__index__()
    if number < 0:
        raise InputError(f"claim '{where}': n must be 0 or more, not {number}.")
    return number


def _glue(name: str, text: str) -> None:
    """Leave `text` for ``{glue:text}`name` ``, as MyST-NB's glue does with display=False."""
    scrapbook = {"name": name, "mime_prefix": _HIDDEN}
    _publish({f"{_HIDDEN}text/plain": repr(text)}, {"scrapbook": scrapbook})


def _publish(data: dict[str, str], metadata: dict[str, Any]) -> None:
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return
    if get_ipython() is None:
        return
    from IPython.display import display

    display(data, raw=True, metadata=metadata)
