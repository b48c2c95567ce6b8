"""What an audit found: errors, witness and tables, made of sums and noise (definition D5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bbb_core.alignment.errors import Noise
from bbb_core.alignment.groups import GroupTable
from bbb_core.alignment.noise import corrected_absolute, median_corrected_maximum
from bbb_core.alignment.skewed import t_factor
from bbb_core.alignment.sums import GroupSums

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Audit", "ErrorEstimate", "Findings", "Witness"]

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
    def not_measurable(cls, reason: str) -> ErrorEstimate:
        """Return an estimate that says why there is none."""
        return cls(*[float("nan")] * 5, reason)

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
class Audit:
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


@dataclass(frozen=True)
class _Noise:
    """Draws [draws, groups] of a group's total noise, with their means and spreads."""

    draws: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, draws: np.ndarray) -> _Noise:
        spread = draws.std(axis=0)
        return cls(draws, draws.mean(axis=0), np.where(spread > 0, spread, 1.0))

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """Return values [..., groups] less the mean of noise, in units of its spread."""
        return (values - self.centre) / self.spread

    def largest(self, groups: np.ndarray) -> np.ndarray:
        """Return the largest standardised noise over some groups, [draws]."""
        return self.standardised(self.draws)[:, groups].max(axis=1)


def _p_value(largest: np.ndarray, observed: Any) -> Any:
    """Return the share of draws at least as large, never zero."""
    above = len(largest) - np.searchsorted(np.sort(largest), observed, side="left")
    return (1 + above) / (1 + len(largest))


@dataclass(frozen=True)
class Findings:
    """Turns sums and noise into the fields of an `Audit`."""

    table: GroupTable
    sums: GroupSums
    noise: Noise
    supported: np.ndarray
    confidence: float

    def audit(self, edges: np.ndarray, recalibration: tuple[float, float]) -> Audit:
        """Return the audit: estimates, intervals and tables."""
        import pandas as pd

        sums, noise, live = self.sums, self.noise, self.supported
        n, count = sums.n, sums.count.sum(axis=1)
        share, errors = count / n, noise.group.estimate
        largest = np.abs(noise.draws[:, live]).max(axis=1)
        critical = float(np.quantile(largest, self.confidence))
        low, high = noise.group.interval(t_factor(critical, noise.freedom))
        p_value = _p_value(largest, noise.score)
        size, spread = np.abs(errors), noise.group.inner.scale
        corrected = median_corrected_maximum(
            size[live], spread[live], noise.draws[:, live], critical, sided="absolute"
        )
        accuracy = ErrorEstimate.of(
            corrected, size[live].max(), np.maximum(low, -high)[live].max(),
            np.maximum(high, -low)[live].max(), p_value[live].min(),
        )  # fmt: skip
        calibration, by_group_mc, uncovered = self._calibration(critical, accuracy)
        proportional, by_group_prop = self._proportional(low, high, accuracy)
        frame = pd.DataFrame(
            {
                "group": self.table.names, "n": count.astype(int), "share": share,
                "mean_score": sums.score.sum(axis=1) / count,
                "mean_truth": sums.truth.sum(axis=1) / count,
                "bias": errors / share, "bias_low": low / share, "bias_high": high / share,
                "error": errors, "low": low, "high": high,
                "p_value": p_value, "calibration_error": by_group_mc,
                "proportional_error": by_group_prop, "supported": live,
            }
        )  # fmt: skip
        worst = frame[live].loc[lambda d: d["error"].abs().round(12).idxmax()]
        keys = ("group", "error", "low", "high", "bias", "share", "n")
        return Audit(
            accuracy, calibration, proportional,
            Witness(**{key: getattr(worst[key], "item", lambda w=worst[key]: w)() for key in keys}),
            frame, self._cells(edges), edges, recalibration, uncovered, n, self.confidence,
        )  # fmt: skip

    def _calibration(
        self, critical: float, accuracy: ErrorEstimate
    ) -> tuple[ErrorEstimate, np.ndarray, float]:
        """Return the multicalibration error, its value per group, and the share left out."""
        sums, noise = self.sums, self.noise
        enough = sums.count >= CELL_SUPPORT
        live = self.supported & enough.any(axis=1)
        estimate = np.where(enough, sums.residual / sums.n, 0.0)
        null = np.where(enough, noise.null, 0.0)
        scale = null * noise.excess[:, None]
        corrected = corrected_absolute(estimate, scale).sum(axis=1)
        by_group = np.where(enough.any(axis=1), corrected.clip(0), np.nan)
        left_out = 1 - np.where(enough, sums.count, 0).sum(axis=1) / sums.count.sum(axis=1)
        uncovered = float(left_out[self.supported].max())
        if not live.any():
            reason = f"no group has {CELL_SUPPORT} rows within one level set"
            return ErrorEstimate.not_measurable(reason), by_group, uncovered
        plug_in, total = np.abs(estimate).sum(axis=1), np.sqrt((scale**2).sum(axis=1))
        alone = _Noise.of(
            sum(np.abs(block) * null[:, v] for v, block in enumerate(noise.cell_draws))
        )
        largest = alone.largest(live)
        observed = alone.standardised(np.where(enough, noise.size, 0.0).sum(axis=1))[live].max()
        q = t_factor(np.quantile(largest, (1 + self.confidence) / 2), noise.freedom)
        low = plug_in - noise.excess * (alone.centre + q * alone.spread)
        high = plug_in + noise.total.reach(t_factor(critical, noise.freedom))
        value = median_corrected_maximum(
            corrected[live], total[live], noise.draws[:, live], critical, sided="signed"
        )
        return ErrorEstimate.of(  # MA <= MC holds for the truth, so also for what is said of it
            max(value, accuracy.value), plug_in[live].max(), max(low[live].max(), accuracy.low),
            high[live].max(), _p_value(largest, observed),
        ), by_group, uncovered  # fmt: skip

    def _proportional(
        self, low: np.ndarray, high: np.ndarray, accuracy: ErrorEstimate
    ) -> tuple[ErrorEstimate, np.ndarray]:
        """Return max |e_C| / E[f* 1_C]: the limits of e_C carried over, at the scores seen.

        No error and no proportional error are one hypothesis, so they share the p-value.
        """
        error, score = self.noise.group.estimate, self.sums.score.sum(axis=1) / self.sums.n
        measurable = (score + low > 0) & (score + error > 0)
        low, ratio, high = (
            np.divide(e, score + e, out=np.full_like(e, np.nan), where=measurable)
            for e in (low, error, high)
        )
        usable = self.supported & measurable
        if not usable.any():
            reason = "no compared group's mean truth is surely above zero"
            return ErrorEstimate.not_measurable(reason), ratio
        size = np.abs(ratio)[usable].max()
        shrunk = accuracy.value / accuracy.plug_in if accuracy.plug_in > 0 else 0.0
        return ErrorEstimate.of(
            size * shrunk, size, np.maximum(low, -high)[usable].max(),
            np.maximum(high, -low)[usable].max(), accuracy.p_value,
        ), ratio  # fmt: skip

    def _cells(self, edges: np.ndarray) -> pd.DataFrame:
        import pandas as pd

        sums = self.sums
        where = np.argwhere(sums.count >= CELL_SUPPORT)
        g, v = where[:, 0], where[:, 1]
        bounds = np.concatenate([[-np.inf], edges, [np.inf]])
        count = sums.count[g, v]
        return pd.DataFrame(
            {
                "group": np.array(self.table.names, dtype=object)[g], "level": v,
                "from": bounds[v], "to": bounds[v + 1], "n": count.astype(int),
                "mean_score": sums.score[g, v] / count, "mean_truth": sums.truth[g, v] / count,
                "error": sums.residual[g, v] / sums.n,
                "standard_error": self.noise.cell_error[g, v],
            }
        )  # fmt: skip
