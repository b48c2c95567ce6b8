"""Rules that turn an interval into a verdict (front page, every chapter)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from bbb_core.errors import InputError

__all__ = ["NOT_MEASURED", "STATES", "VERDICTS", "Rule", "State", "Verdict"]

Verdict = Literal["supported", "mixed", "not supported"]
State = Literal["holds", "open", "fails"]
VERDICTS: tuple[Verdict, ...] = ("supported", "mixed", "not supported")
STATES: dict[Verdict, State] = {"supported": "holds", "mixed": "open", "not supported": "fails"}
"""What a check is said to do where a claim gets a verdict."""
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Rule:
    """The set of values that support a claim.

    `below` is the open half-line (-inf, threshold), `above` is (threshold, inf), and `inside` is
    the closed interval [low, high].

    Parameters
    ----------
    kind : str
        `"below"`, `"above"` or `"inside"`.
    threshold : float, optional
        The edge for `below` and `above`.
    low, high : float, optional
        The edges for `inside`.

    Raises
    ------
    InputError
        If the kind is unknown, or its edges are missing, spare, not finite or out of order.

    Examples
    --------
    >>> Rule("below", threshold=1.05).verdict(1.01, 1.02)
    'supported'
    >>> Rule("inside", low=0.0, high=0.1).verdict(0.05, 0.2)
    'mixed'
    """

    kind: Any
    threshold: Any = None
    low: Any = None
    high: Any = None

    def __post_init__(self) -> None:
        if self.kind not in ("below", "above", "inside"):
            raise InputError(f"rule kind must be 'below', 'above' or 'inside', not {self.kind!r}.")
        wanted = ("low", "high") if self.kind == "inside" else ("threshold",)
        for name in ("threshold", "low", "high"):
            edge = getattr(self, name)
            if (edge is not None) != (name in wanted):
                raise InputError(f"a rule '{self.kind}' takes exactly {' and '.join(wanted)}.")
            if edge is None:
                continue
            if isinstance(edge, bool) or not isinstance(edge, (int, float)):
                raise InputError(f"the rule's {name} must be a number, not {edge!r}.")
            if not math.isfinite(edge):
                raise InputError(f"the rule's {name} must be finite, not {edge!r}.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise InputError(f"the rule's low {self.low} lies above its high {self.high}.")

    def verdict(self, low: float, high: float) -> Verdict:
        """Judge the closed interval [low, high].

        Supported when every point satisfies the rule, not supported when no point does, mixed
        otherwise.
        """
        if self.kind == "below":
            every, some = high < self.threshold, low < self.threshold
        elif self.kind == "above":
            every, some = low > self.threshold, high > self.threshold
        else:
            every = self.low <= low and high <= self.high
            some = low <= self.high and high >= self.low
        return "supported" if every else "mixed" if some else "not supported"

    def as_dict(self) -> dict[str, float | str]:
        """Give the fields that are set, for JSON."""
        fields = {name: getattr(self, name) for name in ("kind", "threshold", "low", "high")}
        return {name: value for name, value in fields.items() if value is not None}

    def __str__(self) -> str:
        if self.kind == "inside":
            return f"between {self.low:g} and {self.high:g}"
        return f"{self.kind} {self.threshold:g}"
