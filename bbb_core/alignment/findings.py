"""What an audit found: errors, witness and tables, made of sums and noise (definition D5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from bbb_core.alignment.errors import Noise
from bbb_core.alignment.groups import GroupTable
from bbb_core.alignment.noise import corrected_absolute, median_corrected_maximum, t_factor
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
    """

    value: float
    plug_in: float
    low: float
    high: float
    p_value: float

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
class _Total:
    """Sums over level sets of absolute noise: draws [draws, groups], their means and spreads."""

    draws: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, blocks: Iterator[np.ndarray], error: np.ndarray) -> _Total:
        """Sum the absolute draws of each level set, blocks [draws, groups] of unit spread."""
        draws = sum(np.abs(block) * error[:, v] for v, block in enumerate(blocks))
        return cls(draws, draws.mean(axis=0), draws.std(axis=0))

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """Return values [..., groups] less the mean of noise, in units of its spread."""
        return (values - self.centre) / np.where(self.spread > 0, self.spread, 1.0)

    def largest(self, groups: np.ndarray) -> np.ndarray:
        """Return the largest standardised noise over some groups, [draws]."""
        return self.standardised(self.draws)[:, groups].max(axis=1, initial=0.0)

    def p_value(self, values: np.ndarray, groups: np.ndarray) -> float:
        """Return the chance that noise alone gives a maximum as large, never zero."""
        largest = self.largest(groups)
        observed = self.standardised(values)[groups].max(initial=-np.inf)
        return float((1 + (largest >= observed).sum()) / (1 + len(largest)))


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
        share, errors = count / n, sums.residual.sum(axis=1) / n
        largest = np.abs(noise.draws[:, live]).max(axis=1)
        critical = float(np.quantile(largest, self.confidence))
        width = t_factor(critical, noise.freedom) * noise.error
        size, spread = np.abs(errors), noise.error
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(size > 0, size / spread, 0.0)
        tail = stats.norm.isf(stats.t.sf(t, np.maximum(noise.freedom, 1)).clip(1e-300))
        p_value = (1 + (largest[:, None] >= tail).sum(axis=0)) / (1 + len(largest))
        corrected = median_corrected_maximum(
            size[live], spread[live], noise.draws[:, live], critical, sided="absolute"
        )
        accuracy = ErrorEstimate(
            max(corrected, 0.0), float(size[live].max()),
            float((size - width)[live].max().clip(0)), float((size + width)[live].max()),
            float(p_value[live].min()),
        )  # fmt: skip
        calibration, by_group_mc, uncovered = self._calibration(critical)
        calibration = replace(  # MA <= MC holds for the truth, so also for what is said of it
            calibration,
            value=max(calibration.value, accuracy.value),
            low=max(calibration.low, accuracy.low),
        )
        proportional, by_group_prop = self._proportional(accuracy.p_value)
        frame = pd.DataFrame(
            {
                "group": self.table.names, "n": count.astype(int), "share": share,
                "mean_score": sums.score.sum(axis=1) / count,
                "mean_truth": sums.truth.sum(axis=1) / count,
                "bias": errors / share,
                "bias_low": (errors - width) / share, "bias_high": (errors + width) / share,
                "error": errors, "low": errors - width, "high": errors + width,
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

    def _calibration(self, critical: float) -> tuple[ErrorEstimate, np.ndarray, float]:
        """Return the multicalibration error, its value per group, and the share left out."""
        sums, noise, live = self.sums, self.noise, self.supported
        enough = sums.count >= CELL_SUPPORT
        estimate = np.where(enough, sums.residual / sums.n, 0.0)
        error = np.where(enough, noise.cell_error, 0.0)
        plug_in = np.abs(estimate).sum(axis=1)
        alone = _Total.of(noise.cell_draws, error)
        centre, spread = alone.centre, alone.spread
        usable = live & (spread > 0)
        q = float(np.quantile(alone.largest(usable), (1 + self.confidence) / 2))
        q = t_factor(q, noise.freedom)
        p_value = alone.p_value(plug_in, usable)
        if noise.null_draws is not None:  # two ways to redraw clusters: the more careful answer
            p_value = max(p_value, _Total.of(noise.null_draws, error).p_value(plug_in, usable))
        corrected = corrected_absolute(estimate, error).sum(axis=1)
        total = np.sqrt((error**2).sum(axis=1))
        value = median_corrected_maximum(
            corrected[live], total[live], noise.draws[:, live], critical, sided="signed"
        )
        plug = float(plug_in[live].max())
        low = (plug_in - centre - q * spread)[live].max()
        high = float((plug_in + critical * total)[live].max())  # |x| >= sign(e) x, cell by cell
        estimate_ = ErrorEstimate(
            float(np.clip(value, 0, None)), plug, float(max(low, 0.0)), high,
            p_value if usable.any() else float(plug == 0),
        )  # fmt: skip
        left_out = 1 - np.where(enough, sums.count, 0).sum(axis=1) / sums.count.sum(axis=1)
        return estimate_, corrected.clip(0), float(left_out[live].max())

    def _proportional(self, p_value: float) -> tuple[ErrorEstimate, np.ndarray]:
        """Return max |e_C| / E[f* 1_C] with Bonferroni intervals by the delta method.

        No error and no proportional error are one hypothesis, so they share the p-value.
        """
        sums, live = self.sums, self.supported
        truth, residual = sums.truth.sum(axis=1), sums.residual.sum(axis=1)
        usable = live & (truth > 0)
        safe = np.where(truth > 0, truth, 1.0)
        ratio = np.where(truth > 0, residual / safe, np.nan)
        filled = np.nan_to_num(ratio)
        variance = (
            sums.square.sum(axis=1) - 2 * filled * sums.cross.sum(axis=1)
            + filled**2 * sums.truth_square.sum(axis=1)
        ).clip(0) / safe**2  # fmt: skip
        rows = np.sqrt((sums.square.sum(axis=1) / sums.n).clip(0) / sums.n)
        design = np.divide(self.noise.error, rows, out=np.ones_like(rows), where=rows > 0)
        error = np.sqrt(variance) * np.maximum(design, 1.0)  # clusters widen the interval
        if not usable.any():
            return ErrorEstimate(*[float("nan")] * 5), ratio
        m = int(usable.sum())
        t = stats.t.isf((1 - self.confidence) / (2 * m), np.maximum(self.noise.freedom, 1))
        size, width = np.abs(filled), t * error
        value = (size - stats.norm.ppf(0.5 ** (1 / m) / 2 + 0.5) * error)[usable].max()
        return ErrorEstimate(
            float(max(value, 0.0)), float(size[usable].max()),
            float((size - width)[usable].max().clip(0)), float((size + width)[usable].max()),
            p_value,
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
