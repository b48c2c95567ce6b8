"""The register: every claim and check with its rule, written down before its number is known.

A *claim* is what somebody may dispute, and gets a verdict; a *check* says whether what the claims
lean on works, and holds, fails or is open. Each chapter's entries lie in its room, as
`bbb_book/chapters/<chapter>/claims.toml`. The environment variable `BBB_REGISTER` points to another
folder of such rooms (a book of one's own).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bbb_book.results.rules import STATES, Rule, State, Verdict
from bbb_core.errors import InputError

__all__ = ["Claim", "claim", "load_register", "register_file", "register_files"]

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_KEYS = {"origin", "role", "statement", "measure", "unit", "units", "digits", "rule"}
_EXACT = "none: exact"
_RANGE = "range: "


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence, the quantity that decides it and the rule, before any number: a claim or a check.

    Parameters
    ----------
    id : str
        Kebab-case name, unique over the whole book.
    chapter : str
        The chapter that measures it.
    origin : str
        `"ours"`, or `"paper"` for a claim that the paper makes.
    role : str
        `"claim"` or `"check"`.
    statement, measure, unit : str
        The sentence (MyST text), the measured quantity in words, and its unit.
    units : str
        What is replicated, and resampled by the interval: "occupations", "generators". Crossed
        units read "scorers x occupations"; `n` counts the fewer, unless it says otherwise.
        `"none: exact"` is a number without chance, `"range: seeds"` one whose interval is no
        confidence interval but runs from the least to the largest (or over quartiles).
    digits : int
        Decimals shown on the page.
    rule : Rule
        What the interval must satisfy.

    Raises
    ------
    InputError
        If a field is missing, empty or out of range.
    """

    id: str
    chapter: str
    origin: str
    role: str
    statement: str
    measure: str
    unit: str
    units: str
    digits: int
    rule: Rule

    def __post_init__(self) -> None:
        where = f"claim '{self.id}' of chapter '{self.chapter}'"
        if not _ID.fullmatch(self.id):
            raise InputError(f"{where}: an id is kebab-case (a-z, 0-9 and single hyphens).")
        if self.origin not in ("ours", "paper"):
            raise InputError(f"{where}: origin must be 'ours' or 'paper', not {self.origin!r}.")
        if self.role not in ("claim", "check"):
            raise InputError(f"{where}: role must be 'claim' or 'check', not {self.role!r}.")
        for field in ("statement", "measure", "unit", "units"):
            if not getattr(self, field).strip():
                raise InputError(f"{where}: {field} must be a non-empty text.")
        if not 0 <= self.digits <= 12:
            raise InputError(f"{where}: digits must be a whole number from 0 to 12.")
        if self.units.startswith("none") and not self.exact:
            raise InputError(f"{where}: units without replication read '{_EXACT}'.")

    @property
    def exact(self) -> bool:
        """Whether no chance is in the value: it must be the same in every run."""
        return self.units == _EXACT

    @property
    def ranged(self) -> bool:
        """Whether the interval is a range over few units, not a confidence interval."""
        return self.units.startswith(_RANGE)

    def judge(self, low: float, high: float) -> Verdict | State:
        """Apply the rule to [low, high]: a verdict for a claim, a state for a check."""
        verdict = self.rule.verdict(low, high)
        return verdict if self.role == "claim" else STATES[verdict]

    def show(self, x: float) -> str:
        """Round `x` to the claim's digits, as the page shows it (never "-0.0")."""
        return rounded(x, self.digits)


def rounded(x: float, digits: int) -> str:
    """Write `x` with fixed decimals; a negative zero loses its sign.

    Examples
    --------
    >>> rounded(-0.0004, 2), rounded(12.0, 1)
    ('0.00', '12.0')
    """
    text = f"{float(x):.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def register_file(chapter: str, folder: Path | None = None) -> Path:
    """Give the file of a chapter's claims, which need not exist.

    It lies in `folder`, else in `$BBB_REGISTER`, else among the rooms of the book's chapters.
    """
    own = os.environ.get("BBB_REGISTER") or Path(__file__).parents[1] / "chapters"
    return Path(own if folder is None else folder) / chapter / "claims.toml"


def register_files(folder: Path | None = None) -> list[Path]:
    """Give the files of all chapters that have claims, in the order of their names."""
    pattern = register_file("*", folder)
    return sorted(pattern.parents[1].glob("*/claims.toml"))


def load_register(folder: Path | None = None) -> Mapping[str, Claim]:
    """Read and check every register file.

    Parameters
    ----------
    folder : Path, optional
        Where the rooms lie that hold each chapter's `claims.toml`; the book's own by default.

    Returns
    -------
    Mapping[str, Claim]
        Claims by id, in the order of the files' names and of the lines.

    Raises
    ------
    InputError
        If a file is not TOML, a claim is malformed, or an id occurs twice.

    Examples
    --------
    >>> all(claim.id == key for key, claim in load_register().items())
    True
    """
    return _load(tuple((path, path.stat().st_mtime_ns) for path in register_files(folder)))


def claim(claim_id: str) -> Claim:
    """Look up one claim; an unknown id is an `InputError` that names its neighbours."""
    register = load_register()
    if claim_id in register:
        return register[claim_id]
    from difflib import get_close_matches

    near = get_close_matches(claim_id, register, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    raise InputError(f"no claim '{claim_id}' stands in the register of claims{hint}")


@lru_cache(maxsize=8)
def _load(files: tuple[tuple[Path, int], ...]) -> Mapping[str, Claim]:
    claims: dict[str, Claim] = {}
    for path, _ in files:
        for key, fields in _tables(path).items():
            if key in claims:
                places = f"'{claims[key].chapter}' and '{path.parent.name}'"
                raise InputError(f"claim '{key}' stands in two registers, {places}.")
            claims[key] = _claim(key, path.parent.name, fields)
    return claims


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"register file {path.parent.name}/{path.name} is not valid TOML: {error}"
        ) from error


def _claim(key: str, chapter: str, fields: Any) -> Claim:
    where = f"claim '{key}' of chapter '{chapter}'"
    if not isinstance(fields, dict) or set(fields) != _KEYS:
        given = sorted(fields) if isinstance(fields, dict) else fields
        raise InputError(f"{where} must have exactly the keys {sorted(_KEYS)}, not {given}.")
    for field in sorted(_KEYS - {"digits", "rule"}):
        if not isinstance(fields[field], str):
            raise InputError(f"{where}: {field} must be a non-empty text.")
    if type(fields["digits"]) is not int:
        raise InputError(f"{where}: digits must be a whole number from 0 to 12.")
    rule = fields["rule"]
    if not isinstance(rule, dict) or not set(rule) <= {"kind", "threshold", "low", "high"}:
        raise InputError(f"{where}: rule must be a table with kind and threshold, or low and high.")
    try:
        made = Rule(**rule)
    except (InputError, TypeError) as error:
        raise InputError(f"{where}: {error}") from error
    return Claim(id=key, chapter=chapter, **{**fields, "rule": made})
