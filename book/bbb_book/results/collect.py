"""Collect the recorded claims and checks of executed notebooks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bbb_book.results.register import Claim, load_register
from bbb_book.results.rules import NOT_MEASURED, STATES
from bbb_core.errors import InputError

__all__ = ["FORMAT", "NO_DATA", "broken", "claims_of", "collect", "read_claims", "states"]

FORMAT = 2
"""Of claims.json; since 2 each record has a role, units and a place for p."""

_FIELDS = ("value", "low", "high", "n", "p")
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


def states(records: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Sort the checks among records by state: holds, open, fails, not measured."""
    found: dict[str, list[str]] = {state: [] for state in (*STATES.values(), NOT_MEASURED)}
    for record in records:
        if record["role"] == "check":
            found[record["verdict"]].append(record["id"])
    return found


def broken(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say of every exact check that fails what it found: a defect of the code or the theory."""
    register = load_register()
    return [
        f"check '{claim.id}' of chapter '{claim.chapter}' fails: {record['value']:g} is not "
        f"{claim.rule} ({claim.unit}): {claim.measure}"
        for record in records
        if (claim := register[record["id"]]).role == "check"
        and claim.exact
        and record["value"] is not None
        and claim.judge(record["low"], record["high"]) == "fails"
    ]


def _unmeasured(claim: Claim) -> dict[str, Any]:
    return {
        **{key: value for key, value in asdict(claim).items() if key != "rule"},
        "rule": claim.rule.as_dict(),
        **dict.fromkeys(_FIELDS),
        "verdict": NOT_MEASURED,
    }
