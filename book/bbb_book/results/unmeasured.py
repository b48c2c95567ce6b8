"""Claims whose data is absent: the page says "not measured" and the build goes on.

A chapter that reads data from elsewhere passes `None` where it has none: `given` passes it on,
`record_or_say` and `show_or_say` turn it into the words that the prose shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsFloat, SupportsIndex, TypeVar

from bbb_book.results import claims, collect
from bbb_book.results.register import claim
from bbb_book.results.rules import NOT_MEASURED

__all__ = ["given", "record_or_say", "say", "show_or_say"]

T = TypeVar("T")


def given(function: Callable[..., T], *values: Any, **options: Any) -> T | None:
    """Return ``function(*values, **options)``, or None if a positional value is None.

    Examples
    --------
    >>> given(max, 1, 2), given(max, 1, None)
    (2, None)
    """
    return None if any(value is None for value in values) else function(*values, **options)


def say(name: str, text: str) -> None:
    """Glue `text` as it is, for ``{glue:text}`name` ``."""
    claims._glue(name, text)


def record_or_say(
    claim_id: str,
    estimate: Any | None,
    n: SupportsIndex | None = None,
    *,
    reason: str = collect.NO_DATA,
) -> claims.Record | None:
    """Record an estimate (``.value .low .high``) of a registered claim, or say that there is none.

    Without an estimate the names that `record` glues read "not measured", one line says the same,
    and the record carries the `reason` and no value: the front page then lists the claim as not
    measured.

    Raises
    ------
    InputError
        If the claim is not registered.
    """
    if estimate is not None:
        return claims.record(
            claim_id, value=estimate.value, low=estimate.low, high=estimate.high, n=n
        )
    found = claim(claim_id)
    line = f"{found.id}: {NOT_MEASURED} ({reason}); rule: {found.rule}"
    record = {**collect._unmeasured(found), "reason": reason}
    claims._publish({"text/plain": line}, {"bbb": record})
    for ending in ("", "-low", "-high", "-verdict", "-n"):
        say(found.id + ending, NOT_MEASURED)
    say(f"{found.id}-interval", "(no interval)")
    return None


def show_or_say(name: str, x: SupportsFloat | None, *, digits: int = 2) -> None:
    """Glue a number as `show_number` does, or "not measured" for None."""
    if x is None:
        say(name, NOT_MEASURED)
    else:
        claims.show_number(name, x, digits=digits)
