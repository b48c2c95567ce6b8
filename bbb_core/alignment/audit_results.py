"""What an audit found: largest errors, the worst group, and tables (definition D5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bbb_core.alignment.residuals import GroupSums
from bbb_core.alignment.sampling_errors import Noise
from bbb_core.report.shown import Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Audit", "ErrorEstimate", "Witness", "cell_table"]

CELL_SUPPORT = 10
"""Rows that a group needs in a level set before the set counts for it."""


@dataclass(frozen=True)
class ErrorEstimate:
    """A largest error: corrected value, plug-in value, interval, and a test of "there is none".

    Parameters
    ----------
    value : float
        Corrected for the upward bias of the plug-in; 0 is fair.
    plug_in : float
        The largest estimate as it stands.
    low, high : float
        Interval for the true largest error, valid for all groups together.
    p_value : float
        Of the hypothesis that no group has an error.
    reason : str
        Why nothing could be measured; all numbers are then NaN. Empty where something was.
    """

    value: float
    plug_in: float
    low: float
    high: float
    p_value: float
    reason: str = ""

    @classmethod
    def of(cls, value: Any, plug_in: Any, low: Any, high: Any, p_value: Any) -> ErrorEstimate:
        """Return an estimate with numbers from zero on and its value inside its interval."""
        low, plug_in = max(float(low), 0.0), float(plug_in)
        high = max(float(high), low)
        return cls(min(max(float(value), low), high), plug_in, low, high, float(p_value))

    @classmethod
    def of_largest(
        cls, value: Any, signed: np.ndarray, low: np.ndarray, high: np.ndarray, p_value: Any
    ) -> ErrorEstimate:
        """Return the estimate of the largest absolute value of signed estimates with limits."""
        low, high = np.maximum(low, -high).max(), np.maximum(high, -low).max()
        return cls.of(value, np.abs(signed).max(), low, high, p_value)

    @classmethod
    def not_measurable(cls, reason: str) -> ErrorEstimate:
        """Return an estimate that says why there is none."""
        nan = float("nan")
        return cls(nan, nan, nan, nan, nan, reason)

    @property
    def measurable(self) -> bool:
        """Whether there is a number."""
        return not self.reason

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class Witness:
    """The group with the largest error, signed: positive means that the score is too low."""

    group: str
    error: float
    low: float
    high: float
    bias: float
    share: float
    n: int


@dataclass(frozen=True)
class Audit(Shown):
    """What `audit` found; see there for the definitions.

    Attributes
    ----------
    multiaccuracy_error, multicalibration_error, proportional_error : ErrorEstimate
    worst_group : Witness
    by_group : pandas.DataFrame
        One row per group: n, share, mean_score, mean_truth, bias with its simultaneous interval,
        signed error with its own, adjusted p_value, calibration_error (corrected), proportional
        error, and whether the group has enough rows to be compared.
    by_cell : pandas.DataFrame
        One row per group and level set with enough rows.
    edges : numpy.ndarray
        Inner edges of the level sets.
    recalibration : tuple of float
        Intercept and slope that were applied to the scores first (0, 1 with scale ``given``).
    uncovered : float
        Largest share of a compared group that lies in level sets with too few rows.
    n : int
    confidence : float
    """

    multiaccuracy_error: ErrorEstimate
    multicalibration_error: ErrorEstimate
    proportional_error: ErrorEstimate
    worst_group: Witness
    by_group: pd.DataFrame
    by_cell: pd.DataFrame
    edges: np.ndarray
    recalibration: tuple[float, float]
    uncovered: float
    n: int
    confidence: float


def cell_table(
    names: tuple[str, ...], sums: GroupSums, noise: Noise, edges: np.ndarray
) -> pd.DataFrame:
    """Tabulate the errors within level sets of groups with enough rows there."""
    import pandas as pd

    g, v = np.nonzero(sums.count >= CELL_SUPPORT)
    bounds = np.concatenate([[-np.inf], edges, [np.inf]])
    count = sums.count[g, v]
    return pd.DataFrame(
        {
            "group": np.array(names, dtype=object)[g], "level": v,
            "from": bounds[v], "to": bounds[v + 1], "n": count.astype(int),
            "mean_score": sums.score[g, v] / count, "mean_truth": sums.truth[g, v] / count,
            "error": sums.residual[g, v] / sums.n, "standard_error": noise.cell_error[g, v],
        }
    )  # fmt: skip
