"""Claims that a run cannot measure: the page says "not measured" and the build goes on.

A run may lack data from elsewhere, or an optional encoder. `record_or_say` then leaves a record
without a value that says why, which `make reproduce` lists and does not compare; `show_or_say`
gives the words that the prose shows.
"""

from __future__ import annotations

from typing import Any, SupportsFloat, SupportsIndex

from bbb_book.results import claims, collect
from bbb_book.results.register import claim
from bbb_book.results.rules import NOT_MEASURED

__all__ = ["record_or_say", "say", "show_or_say"]


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
    measured, and `make reproduce` does not compare it.

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
