"""Failure signatures: every sign that a chain of audits has gone wrong, looked for at once.

Serves the chapter "Does it generalise?".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bbb_book.chapters.generalisation.failure_signs import (
    Signature,
    differing_encoders,
    high_total_variation,
    idle_mitigation,
    opposite_signs,
)
from bbb_core.errors import InputError

__all__ = ["FailureSignature", "failure_signature"]


@dataclass(frozen=True)
class FailureSignature:
    """All signatures of one chain of audits, in order."""

    signatures: tuple[Signature, ...]

    def __iter__(self) -> Iterator[Signature]:
        return iter(self.signatures)

    def __len__(self) -> int:
        return len(self.signatures)

    def __getitem__(self, name: str) -> Signature:
        for signature in self.signatures:
            if signature.name == name:
                return signature
        known = ", ".join(s.name for s in self.signatures)
        raise KeyError(f"no signature {name!r}; measured were: {known}")

    @property
    def triggered(self) -> tuple[str, ...]:
        """Names of the signatures that are triggered."""
        return tuple(s.name for s in self.signatures if s.verdict == "triggered")

    @property
    def undecided(self) -> tuple[str, ...]:
        """Names of the signatures that the data cannot decide: neither alarm nor all-clear."""
        return tuple(s.name for s in self.signatures if s.verdict == "undecided")


def failure_signature(
    *,
    imbalance: Any = None,
    floor: Any = 0.0,
    mitigations: Mapping[str, tuple[Any, Any]] | None = None,
    effects: Any = None,
    errors: Any = None,
    high: float | int = 0.2,
    least: float | int = 0.2,
    flip: float | int = 0.0,
    unexplained: float | int = 0.5,
    confidence: float = 0.95,
) -> FailureSignature:
    """Look for every sign of failure that the measured quantities allow.

    The three signs are those under which a study of this kind breaks: a high total variation, a
    mitigation that does not improve the audit, results that are inconsistent across encoders.

    Parameters
    ----------
    imbalance, floor
        See `high_total_variation`; its threshold is `high`.
    mitigations
        ``{name: (errors before, errors after)}``; see `idle_mitigation`, threshold `least`.
    effects, errors
        One effect per encoder; see `opposite_signs` (threshold `flip`) and `differing_encoders`
        (threshold `unexplained`).
    confidence
        Of each signature by itself, not of all together.

    Returns
    -------
    FailureSignature

    Raises
    ------
    InputError
        If nothing was given, or effects came without errors.

    Examples
    --------
    >>> failure_signature(
    ...     imbalance=[0.4, 0.5, 0.45], effects=[1.0, -1.0], errors=[0.1, 0.1]
    ... ).triggered
    ('high total variation', 'opposite signs', 'differing encoders')
    """
    made: list[Signature] = []
    if imbalance is not None:
        made.append(
            high_total_variation(imbalance, floor=floor, threshold=high, confidence=confidence)
        )
    for name, (before, after) in (mitigations or {}).items():
        made.append(
            idle_mitigation(
                before, after, least=least, name=f"idle mitigation: {name}", confidence=confidence
            )
        )
    if (effects is None) != (errors is None):
        raise InputError("effects and errors belong together; pass both or neither.")
    if effects is not None:
        made.append(opposite_signs(effects, errors, threshold=flip, confidence=confidence))
        made.append(
            differing_encoders(effects, errors, threshold=unexplained, confidence=confidence)
        )
    if not made:
        raise InputError("nothing was measured; pass imbalance, mitigations or effects.")
    return FailureSignature(tuple(made))
