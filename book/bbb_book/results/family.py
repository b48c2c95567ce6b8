r"""All claims read together: p-values from their intervals, and Holm's correction (register page).

A verdict reads one interval at 95 %, so a claim that is false at the edge of its rule is found
*supported* in 2.5 % of runs. Over many claims some would be. `family` says which verdicts stand
when the chance of *any* wrong one is to stay at 5 %: once for all that are supported, and in a
mirrored statement once for all that are not.

A record may carry an exact p-value. Otherwise it is approximated from the interval. Let the
estimate lie at a distance d beyond the edge of the rule, r be the reach of the interval towards the
edge, and q that to the other side. Then

.. math::
    p = P\left(t_\nu \ge t_{\nu, .975} \, f(d / r)\right), \qquad \nu = \min(n, 20) - 1 ,

with :math:`f(x) = x`, which inverts Student's interval of a mean. Where the interval is longer
towards the edge, by :math:`\rho = r / q > 1` (at most 10), and :math:`x > 1`, it is
:math:`f(x) = \log(1 + x (\rho - 1)) / \log \rho`: the same on the shifted logarithmic scale on
which the interval is symmetric. As f(1) = 1, p is at most .025 exactly where the interval lies
beyond the edge. More than 19 degrees of freedom are never used: where units are crossed, n counts
the fewer or one kind of two (twenty occupations are the other), and tails that are too heavy err
towards large p. Intervals that were widened for several comparisons are read as if they were not,
which errs to the same side.

Left out are numbers without chance (``none: exact``), ranges over few units, claims that were not
measured, and intervals without reach on the side of the edge.

Simulated with the true value on the edge, 20,000 samples each (correlations 4,000): how often p is
at most .025, and at most .0018, Holm's first step for 28 claims, on the side where that is oftener.
Normal means (`mean_interval`) of 6, 20 and 60 units: .018, .023, .024 and .001, .002, .001. Crossed
normal means of 6 x 20 and 18 x 20, rows or columns or both making the difference: at most .022 and
.0017. Correlations of 20 and 60 normal pairs: at most .029 and .0022. Exact intervals of shares:
at most .024 and .0004. Skewed means are worse, on the side of the long tail (on the other side
hardly ever): beta(2, 18) with 20 units .033 and .004; exponential with 6, 20 and 60 units .065,
.038, .030 and .017, .008, .004; log-normal with 20 and 60 units .070, .048 and .022, .008. So a
small p of a mean over few, very skewed units may be too small by a factor of ten.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scipy import special

from bbb_book.results.register import Claim, load_register
from bbb_book.results.rules import Rule
from bbb_core.stats import holm

__all__ = ["FIELDS", "LEVEL", "Standing", "family", "p_values", "stands", "with_family"]

LEVEL = 0.05
"""Chance of any wrong verdict among those that stand, for each of the two statements."""
_MOST = 20
"""Units beyond which the degrees of freedom do not grow."""
_LONGEST = 10.0
"""Largest ratio of both reaches that is believed; ends of bounded scales may have none."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a claim stands among all claims.

    Parameters
    ----------
    p, p_holm : float
        Of the hypothesis that the rule does not hold: alone, and adjusted over all claims.
    p_against, p_against_holm : float
        Of the hypothesis that it holds.
    """

    p: float
    p_holm: float
    p_against: float
    p_against_holm: float


FIELDS = ("p", "p_holm", "p_against", "p_against_holm")
"""What `with_family` adds to a record."""


def _above(value: float, low: float, high: float, edge: float, n: int | None) -> float | None:
    """Return the approximate p-value of "the truth is at most `edge`"."""
    df = min(_MOST if n is None else n, _MOST) - 1
    if value == edge:
        return 0.5
    reach, other = (value - low, high - value) if value > edge else (high - value, value - low)
    if reach <= 0 or df < 1:
        return None
    x, ratio = abs(value - edge) / reach, min(reach / max(other, reach / _LONGEST), _LONGEST)
    if ratio > 1 and x > 1:
        x = math.log1p(x * (ratio - 1)) / math.log(ratio)
    p = float(special.stdtr(df, -x * special.stdtrit(df, 0.975)))
    return p if value > edge else 1 - p


def _below(value: float, low: float, high: float, edge: float, n: int | None) -> float | None:
    return _above(-value, -high, -low, -edge, n)


def p_values(record: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the p-values of "the rule does not hold" and of "it holds", from a record.

    Returns
    -------
    tuple of float or None
        None where the record has no value, no interval, or no reach towards the edge. The exact p
        of a record stands in for the first.

    Notes
    -----
    For a rule with two edges the first is the larger of both sides (two one-sided tests), the
    second twice the smaller.

    Examples
    --------
    >>> record = {"value": 2.0, "low": 0.0, "high": 3.0, "n": 12}
    >>> [round(p, 3) for p in p_values(record | {"rule": {"kind": "above", "threshold": 0.0}})]
    [0.025, 0.975]
    """
    if record["value"] is None or record["low"] == record["high"]:
        return None
    rule = Rule(**record["rule"])
    ends = float(record["value"]), float(record["low"]), float(record["high"])
    n, p = record["n"], record.get("p")
    if rule.kind == "inside":
        lower = _above(*ends, float(rule.low), n)
        upper = _below(*ends, float(rule.high), n)
        if lower is None or upper is None:
            return None
        found = max(lower, upper)
        against = min(1.0, 2 * (1 - found))
    else:
        side = (_above if rule.kind == "above" else _below)(*ends, float(rule.threshold), n)
        if side is None:
            return None
        found, against = side, 1 - side
    return (found if p is None else float(p)), against


def family(
    records: Iterable[Mapping[str, Any]], *, register: Mapping[str, Claim] | None = None
) -> dict[str, Standing]:
    """Return how the measured claims stand together; checks and what has no p are left out.

    Parameters
    ----------
    records : iterable of mapping
        Records as `collect` gives them.
    register : Mapping[str, Claim], optional
        The book's by default; it says which are claims, and which of them are ranges or exact.
    """
    register = load_register() if register is None else register
    found = {}
    for record in records:
        claim = register[record["id"]]
        if claim.role == "claim" and not (claim.exact or claim.ranged):
            pair = p_values(record)
            if pair is not None:
                found[claim.id] = pair
    if not found:
        return {}
    adjusted = zip(*(holm(list(p)) for p in zip(*found.values(), strict=True)), strict=True)
    return {
        key: Standing(p=p, p_holm=float(a), p_against=against, p_against_holm=float(b))
        for (key, (p, against)), (a, b) in zip(found.items(), adjusted, strict=True)
    }


def with_family(
    records: Iterable[Mapping[str, Any]], *, register: Mapping[str, Claim] | None = None
) -> list[dict[str, Any]]:
    """Return the records with the fields of `Standing`, None where a record has no part in it."""
    records = list(records)
    known = family(records, register=register)
    none = dict.fromkeys(FIELDS)
    return [
        {**none, **record, **(asdict(known[record["id"]]) if record["id"] in known else {})}
        for record in records
    ]


def stands(record: Mapping[str, Any]) -> bool:
    """Say of a record of `with_family` whether its clear verdict stands at the family's level."""
    name = {"supported": "p_holm", "not supported": "p_against_holm"}.get(record["verdict"])
    p = None if name is None else record[name]
    return p is not None and bool(p <= LEVEL)
