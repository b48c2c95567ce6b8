"""Two collections of claims compared: what `make reproduce` reports of a run against the reference.

On another kind of processor trained models come out slightly different, and so do the numbers that
rest on them. That is no failure of a reproduction as long as the reference says so itself: its
interval says by how much a value may differ when the units are drawn again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bbb_book.results.register import rounded

__all__ = ["Comparison", "absent", "compare"]


@dataclass(frozen=True)
class Comparison:
    """What differs beyond rounding, a sentence each.

    Parameters
    ----------
    within : list of str
        Claims with the same verdict whose value lies within the reference's interval; and claims
        that were measured here and not in the reference.
    differs : list of str
        Claims with another verdict, a value outside the interval, or a record on one side only.
    artefacts : list of str
        Stored computations that came out differently. They matter as far as claims do.
    """

    within: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    artefacts: list[str] = field(default_factory=list)


def compare(
    reference: Iterable[Mapping[str, Any]], found: Iterable[Mapping[str, Any]]
) -> Comparison:
    """Compare the claims of a run with those of the reference.

    Nothing is said of numbers that are equal up to rounding: their rounded texts are equal, or they
    lie at most half a unit of the last shown decimal apart. Claims that `found` could not measure,
    and says why (see `absent`), are not compared. A number without chance in it (units
    ``none: exact``) has no interval to lie within; one that has no interval but rests on samples
    agrees where its verdict does.

    Returns
    -------
    Comparison
    """
    found = list(found)
    missing = absent(found)
    old = {claim["id"]: claim for claim in reference if claim["id"] not in missing}
    new = {claim["id"]: claim for claim in found if claim["id"] not in missing}
    made = Comparison()
    made.differs.extend(f"{key}: in the reference, not in this run" for key in old.keys() - new)
    made.differs.extend(f"{key}: in this run, not in the reference" for key in new.keys() - old)
    made.differs.sort()
    for key in (key for key in old if key in new):
        changes = _changes(old[key], new[key])
        if not changes:
            continue
        if old[key]["value"] is None:
            made.within.append(f"{key}: measured here, not in the reference")
        elif _agree(old[key], new[key]):
            made.within.append(f"{key}: {_place(old[key])}; {', '.join(changes)}")
        else:
            made.differs.append(f"{key}: {', '.join(changes)}")
    return made


def absent(found: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the claims that a run reached and could not measure, each with its reason."""
    return {one["id"]: one["reason"] for one in found if one["value"] is None and "reason" in one}


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say which fields differ beyond rounding."""
    digits, lines = int(new.get("digits", 0)), []
    for name in ("value", "low", "high", "n", "verdict"):
        before, after = old.get(name), new.get(name)
        same = before == after
        if name in ("value", "low", "high") and before is not None and after is not None:
            close = abs(before - after) <= 0.5 * 10**-digits
            same = close or rounded(before, digits) == rounded(after, digits)
        if not same:
            lines.append(f"{name} was {before}, is {after}")
    return lines


def _agree(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if new["value"] is None or old["verdict"] != new["verdict"]:
        return False
    if old.get("units") == "none: exact":
        return False
    return _pointed(old) or bool(old["low"] <= new["value"] <= old["high"])


def _pointed(claim: Mapping[str, Any]) -> bool:
    return bool(claim["low"] == claim["high"])


def _place(old: Mapping[str, Any]) -> str:
    return "agrees in its verdict" if _pointed(old) else "agrees within its interval"
