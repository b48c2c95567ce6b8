"""Collect the recorded claims of executed notebooks and compare two collections."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bbb_book.results.register import Claim, load_register, rounded
from bbb_book.results.rules import NOT_MEASURED
from bbb_core.errors import InputError

__all__ = ["NO_DATA", "absent", "claims_of", "collect", "differences", "read_claims"]

_FIELDS = ("value", "low", "high", "n")
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading JSON of another kind, or damaged, can raise."""
NO_DATA = "data not at hand"
"""The usual reason of a recorded claim that was not measured."""


def claims_of(notebook: Path) -> list[dict[str, Any]]:
    """Read the records that an executed notebook carries, in the order of its cells.

    Each record gains the run's `parameters` and `preset` when the notebook knows them.
    """
    found = []
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        run = content["metadata"].get("bbb", {})
        context = {key: run[key] for key in ("preset", "parameters") if key in run}
        for cell in content["cells"]:
            for output in cell.get("outputs", []):
                record = output.get("metadata", {}).get("bbb")
                if isinstance(record, dict) and "id" in record:
                    found.append({**record, **context})
    except _DAMAGE as error:
        raise InputError(f"{notebook.name} is not a notebook that can be read: {error}") from error
    return found


def collect(
    notebooks: Iterable[Path], *, register: Mapping[str, Claim] | None = None
) -> list[dict]:
    """Merge the register with the records of `notebooks`: one entry per registered claim.

    A claim that no notebook records keeps `value` None and the verdict "not measured".

    Raises
    ------
    InputError
        If two notebooks record the same claim, or a record stands in no register.
    """
    register = load_register() if register is None else register
    records: dict[str, dict[str, Any]] = {}
    for notebook in notebooks:
        for record in claims_of(notebook):
            key = record["id"]
            if key not in register:
                raise InputError(f"{notebook.name} records '{key}', which stands in no register.")
            if key in records:
                raise InputError(f"claim '{key}' is recorded twice, the second time in {notebook}.")
            records[key] = record
    return [records.get(key) or _unmeasured(claim) for key, claim in register.items()]


def read_claims(path: Path) -> list[dict[str, Any]]:
    """Read the claims of a claims.json file."""
    try:
        claims = json.loads(path.read_text(encoding="utf-8"))["claims"]
        return [{**claim, "id": str(claim["id"])} for claim in claims]
    except FileNotFoundError as error:
        raise InputError(f"there is no claims file {path}; `make reference` writes it.") from error
    except _DAMAGE as error:
        raise InputError(f"{path} is not a file of claims: {error}") from error


def differences(reference: Iterable[Mapping], found: Iterable[Mapping]) -> list[str]:
    """Say, one sentence each, where two collections of claims differ beyond rounding.

    Two numbers differ when their rounded texts differ and they lie more than half a unit of the
    last shown decimal apart. Verdicts and counts must be equal. Claims that `found` could not
    measure, and says why (see `absent`), are not compared.
    """
    found = list(found)
    missing = absent(found)
    reference = [claim for claim in reference if claim["id"] not in missing]
    found = [claim for claim in found if claim["id"] not in missing]
    old = {claim["id"]: claim for claim in reference}
    new = {claim["id"]: claim for claim in found}
    lines = [f"{key}: in the reference, not in this run" for key in old if key not in new]
    lines += [f"{key}: in this run, not in the reference" for key in new if key not in old]
    for key in (key for key in old if key in new):
        digits = int(new[key].get("digits", 0))
        for field in (*_FIELDS, "verdict"):
            before, after = old[key].get(field), new[key].get(field)
            if field in ("n", "verdict") or before is None or after is None:
                same = before == after
            else:
                close = abs(before - after) <= 0.5 * 10**-digits
                same = close or rounded(before, digits) == rounded(after, digits)
            if not same:
                lines.append(f"{key}: {field} was {before}, is {after}")
    return lines


def absent(found: Iterable[Mapping]) -> dict[str, str]:
    """Return the claims that a run reached and could not measure, each with its reason."""
    return {one["id"]: one["reason"] for one in found if one["value"] is None and "reason" in one}


def _unmeasured(claim: Claim) -> dict[str, Any]:
    fields = ("id", "chapter", "origin", "statement", "measure", "unit", "digits")
    return {
        **{field: getattr(claim, field) for field in fields},
        "rule": claim.rule.as_dict(),
        **dict.fromkeys(_FIELDS),
        "verdict": NOT_MEASURED,
    }
