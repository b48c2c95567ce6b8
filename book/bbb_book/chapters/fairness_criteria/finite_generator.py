"""Laws on finitely many pictures, where D1 to D3 can be computed by hand (chapter: criteria)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bbb_book.chapters.fairness_criteria.internal_balance import internal_imbalance, internal_share
from bbb_core import checks
from bbb_core.balance.shares import NONE
from bbb_core.errors import InputError

__all__ = ["FiniteGenerator", "mixture", "total_variation"]


def total_variation(p: Any, q: Any) -> float:
    r"""Return :math:`TV(p, q) = \tfrac12 \sum_i |p_i - q_i|` of two laws on one finite set.

    It is the largest difference of the probabilities that both laws give to one set of pictures;
    in [0, 1], zero where they are equal.

    Examples
    --------
    >>> total_variation([0.5, 0.5, 0.0], [0.25, 0.25, 0.5])
    0.5
    """
    a = np.asarray(checks.distribution("p", p), dtype=np.float64)
    b = np.asarray(checks.distribution("q", q), dtype=np.float64)
    checks.same_shape(p=a, q=b)
    return float(np.abs(a - b).sum() / 2)


def mixture(weights: Mapping[str, float], laws: Mapping[str, Any]) -> np.ndarray:
    r"""Return the law :math:`\sum_a w_a D_{p_a}`.

    Examples
    --------
    >>> mixture({"a": 0.75, "b": 0.25}, {"a": [1.0, 0.0], "b": [0.0, 1.0]}).tolist()
    [0.75, 0.25]
    """
    checks.distribution("weights", list(weights.values()))
    missing = [group for group in weights if group not in laws]
    if missing:
        raise InputError(f"laws lacks the group {missing[0]!r} of weights; add its law.")
    parts = [w * np.asarray(laws[group], dtype=np.float64) for group, w in weights.items()]
    return np.asarray(np.sum(parts, axis=0))


@dataclass(frozen=True, kw_only=True)
class FiniteGenerator:
    """A generator over a few named pictures: one law for the neutral prompt, one per group prompt.

    Parameters
    ----------
    pictures : sequence of str
        Names of the pictures.
    readings : sequence of str
        What the reader (attribute classifier) calls each picture: a group, or ``"none"``.
    neutral : array_like, shape [m]
        D_p: probabilities of the pictures under the neutral prompt.
    groups : mapping
        ``{a: D_{p_a}}``, at least two groups.
    """

    pictures: Sequence[str]
    readings: Sequence[str]
    neutral: Any
    groups: Mapping[str, Any]

    def __post_init__(self) -> None:
        if len(self.groups) < 2:
            raise InputError("groups has fewer than two entries; internal balance compares groups.")
        for name, law in {"neutral": self.neutral, **self.groups}.items():
            checks.distribution(name, law)
            if len(law) != len(self.pictures):
                raise InputError(f"{name} has {len(law)} values; pass one per picture.")
        if len(self.readings) != len(self.pictures):
            raise InputError("readings and pictures differ in length; pass one reading a picture.")
        unknown = set(self.readings) - {*self.groups, NONE}
        if unknown:
            raise InputError(f"readings has {sorted(unknown)[0]!r}, which is no group; add it.")

    @classmethod
    def from_parts(
        cls,
        *,
        pictures: Sequence[str],
        readings: Sequence[str],
        neutral: Sequence[int],
        groups: Mapping[str, Sequence[int]],
    ) -> FiniteGenerator:
        """Return the generator whose laws are given in whole parts of their sums.

        Examples
        --------
        >>> g = FiniteGenerator.from_parts(pictures="12", readings=["a", "b"], neutral=[3, 1],
        ...                                groups={"a": [1, 0], "b": [0, 1]})
        >>> g.shares()
        {'a': 0.75, 'b': 0.25}
        """

        def law(name: str, parts: Sequence[int]) -> np.ndarray:
            numbered = {str(i): part for i, part in enumerate(parts)}
            values = np.array(list(checks.counts(name, numbered).values()), dtype=np.float64)
            return values / values.sum()

        return cls(
            pictures=pictures,
            readings=readings,
            neutral=law("neutral", neutral),
            groups={name: law(name, parts) for name, parts in groups.items()},
        )

    def region(self, group: str) -> np.ndarray:
        """Return S_a as a mask over the pictures."""
        return np.array([reading == group for reading in self.readings])

    def share(self, group: str, law: Any = None) -> float:
        """Return D(S_a) for the neutral law, or for another one."""
        chosen = self.neutral if law is None else law
        return float(np.asarray(chosen, dtype=np.float64)[self.region(group)].sum())

    def shares(self) -> dict[str, float]:
        """Return D_p(S_a) of every group, and of ``"none"`` where a picture is read so."""
        outcomes = [*self.groups, *([NONE] if NONE in self.readings else [])]
        return {outcome: self.share(outcome) for outcome in outcomes}

    def separation(self) -> float:
        """Return the least delta for which p is delta-separated (D1); zero is perfect."""
        return float(max(1 - self.share(group, law) for group, law in self.groups.items()))

    def imbalance(self, target: Mapping[str, float] | None = None) -> float:
        """Return the imbalance (D2), TV(shares, target); uniform target by default."""
        shares = self.shares()
        aims = dict.fromkeys(self.groups, 1 / len(self.groups)) if target is None else target
        distance = sum(abs(shares[name] - aims.get(name, 0.0)) for name in shares)
        return float(distance / 2)

    def distances(self) -> dict[str, float]:
        """Return TV(D_p, D_{p_a}) of every group."""
        return {a: total_variation(self.neutral, law) for a, law in self.groups.items()}

    def internal_shares(self) -> dict[str, float]:
        """Return v_a = 1 - TV(D_p, D_{p_a}) of every group."""
        return {a: float(internal_share(d)) for a, d in self.distances().items()}

    def internal_imbalance(self) -> float:
        """Return max over a, b of the difference of TV(D_p, D_{p_a}) (D3); zero is fair."""
        return internal_imbalance(list(self.distances().values()))
