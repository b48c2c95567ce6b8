r"""The chain in a real model: what is drawn, by training share and place of the prompt (II.4).

For occupation o let :math:`\tau_o` be the log-odds of *woman* among its training pictures,
:math:`z_o` the position of its prompt between the group prompts, in standard deviations, and
:math:`\eta_o` the log-odds of *woman* among the pictures drawn. The law of inheritance reads

.. math:: \eta_o = \alpha + \beta\,\tau_o + \gamma\,z_o + \varepsilon_o,
          \qquad \varepsilon_o \sim N(0, \sigma^2),

prior (sharpened by :math:`\beta`) times evidence. None of the three is seen without error:
pictures are counted, faces are counted, positions are averages over wordings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from bbb_core import checks
from bbb_core.balance.estimates import count_table
from bbb_core.errors import InputError
from bbb_core.stats import Estimate, bootstrap

__all__ = ["QUANTITIES", "ChainData", "chain_estimates", "chain_fit", "implied"]

FEWEST = 20
"""Occupations below which the bootstrap was not tried."""
NODES, WEIGHTS = np.polynomial.hermite.hermgauss(7)
LEAST = 0.05
"""Least share of an observed variance that counts as no measurement error."""

QUANTITIES = (
    "training", "embedding", "training_sd", "first", "partial", "drawn_training",
    "drawn_embedding", "training_embedding", "r2_training", "r2_embedding", "r2_both",
    "only_training", "only_embedding", "shared", "neither", "spread",
)  # fmt: skip
r"""Names of what `chain_fit` returns: :math:`\beta`; :math:`\gamma`; :math:`\beta` per standard
deviation of :math:`\tau`; that minus :math:`\gamma`; correlation of :math:`\eta` and z at equal
:math:`\tau`; the three plain correlations; shares of the variance of :math:`\eta` that go with
training, embedding, both, one alone, either and neither; the standard deviation of
:math:`\eta`."""


@dataclass(frozen=True, eq=False)
class ChainData:
    """What is known of each occupation, ``[o]`` each.

    Attributes
    ----------
    drawn, n : numpy.ndarray
        Pictures drawn that were read as the second group, and all that were read.
    training, faces : numpy.ndarray
        Training faces read as the second group, and all that were read.
    position, position_error : numpy.ndarray
        Position of the prompt, and the variance of its error over wordings.
    """

    drawn: np.ndarray
    n: np.ndarray
    training: np.ndarray
    faces: np.ndarray
    position: np.ndarray
    position_error: np.ndarray

    @classmethod
    def of_counts(cls, training: Any, drawn: Any, position: Any, position_error: Any) -> ChainData:
        """Build it from counts ``[o, 2]`` (first and second group) and positions ``[o]``.

        Raises
        ------
        InputError
            If lengths differ, counts are not two columns of whole numbers, errors are negative,
            or there are fewer than 20 occupations.
        """
        x, y = count_table("training", training)[0], count_table("drawn", drawn)[0]
        z = np.asarray(checks.vector("position", position), np.float64)
        v = np.asarray(checks.vector("position_error", position_error), np.float64)
        if not (x.shape == y.shape == (len(z), 2)) or len(v) != len(z):
            raise InputError(
                f"training has shape {x.shape}, drawn {y.shape}, position {z.shape} and "
                f"position_error {v.shape}; pass two counts and one position per occupation."
            )
        if len(z) < FEWEST:
            raise InputError(f"position has {len(z)} occupations; pass at least {FEWEST}.")
        if (v < 0).any():
            raise InputError(f"position_error holds {v.min():g}; a variance is not negative.")
        return cls(y[:, 1], y.sum(1), x[:, 1], x.sum(1), z, v)

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return the columns in the order that `chain_fit` takes."""
        return (self.drawn, self.n, self.training, self.faces, self.position, self.position_error)


def chain_estimates(
    data: ChainData, *, confidence: float, n_resamples: int, rng: np.random.Generator
) -> dict[str, Estimate]:
    """Return `QUANTITIES` with bootstrap intervals over occupations (`bbb_core.stats.bootstrap`).

    Notes
    -----
    Simulated at a nominal .95 (`chain_trials`: 80 chains per design, 199 resamples; as measured,
    no part of the embedding, few images and faces, shares near one group, heavy tails, wordings
    that disagree; 30 and 140 occupations): slopes and their difference are covered in .90 to .99,
    partial correlations and shares of variance in .88 to .99. A share of variance whose truth is
    zero is never covered, as its estimate is not negative: whether there is a part is decided by
    the slope.
    """
    found = bootstrap(
        chain_fit, *data.arrays(), confidence=confidence, n_resamples=n_resamples, rng=rng
    )
    ends = zip(QUANTITIES, found.value, found.low, found.high, strict=True)
    return {
        name: Estimate(
            float(value), min(float(low), float(value)), max(float(high), float(value)),
            confidence, n_resamples,
        )
        for name, value, low, high in ends
    }  # fmt: skip


def chain_fit(
    drawn: np.ndarray,
    n: np.ndarray,
    training: np.ndarray,
    faces: np.ndarray,
    position: np.ndarray,
    position_error: np.ndarray,
    *,
    axis: int = 1,
) -> np.ndarray:
    r"""Return `QUANTITIES` for samples of occupations ``[b, o]``: ``[b, quantity]``.

    Both counts are binomial with normal deviations of their log-odds, fitted by EM with adaptive
    Gauss-Hermite quadrature. First training faces on positions: that gives the covariance of the
    true predictors and the expectation of each pair :math:`(\tau_o, z_o)` given what was seen.
    Then pictures drawn on these expectations (regression calibration, :cite:`carroll2006`); what
    remains unknown of the predictors adds to the variance of the deviations.
    """
    if axis != 1:
        raise InputError(f"axis is {axis}; samples lie along the first axis, occupations along 1.")
    covariance, expected, unknown = _predictors(training, faces, position, position_error)
    coefficients, variance = _em(drawn, n, expected, unknown)[:2]
    return implied(coefficients[:, 1:], covariance, variance)


def implied(coefficients: np.ndarray, covariance: np.ndarray, variance: np.ndarray) -> np.ndarray:
    r"""Return `QUANTITIES` of the law with these parameters, by the algebra of normal variables.

    Parameters
    ----------
    coefficients : [b, 2]
        :math:`\beta` and :math:`\gamma`.
    covariance : [b, 2, 2]
        Of :math:`\tau` and z.
    variance : [b]
        :math:`\sigma^2`.
    """
    beta, gamma = coefficients.T
    with_each = np.einsum("bij,bj->bi", covariance, coefficients)  # covariances with eta
    explained = (coefficients * with_each).sum(1)
    total = explained + variance
    var_t, var_z = covariance[:, 0, 0], covariance[:, 1, 1]
    r_t, r_z = (with_each / np.sqrt(np.stack([var_t, var_z], 1) * total[:, None])).T
    r_tz = covariance[:, 0, 1] / np.sqrt(var_t * var_z)
    partial = (r_z - r_t * r_tz) / np.sqrt((1 - r_t**2) * (1 - r_tz**2))
    both = explained / total
    slope_sd = beta * np.sqrt(var_t)
    embedding_sd = gamma * np.sqrt(var_z)
    return np.stack(
        [
            beta, gamma, slope_sd, slope_sd - embedding_sd, partial, r_t, r_z, r_tz,
            r_t**2, r_z**2, both, both - r_z**2, both - r_t**2, r_t**2 + r_z**2 - both,
            1 - both, np.sqrt(total),
        ],
        axis=1,
    )  # fmt: skip


def _predictors(
    x: np.ndarray, faces: np.ndarray, z: np.ndarray, z_error: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the covariance of the true predictors, their expectations and what is unknown."""
    seen = z.var(1, ddof=1)
    if (seen <= 0).any():
        raise InputError("position is constant; a slope needs a spread.")
    true = np.maximum(seen - z_error.mean(1), LEAST * seen)
    scale = np.sqrt(true)[:, None]  # positions count in their true standard deviations
    z, seen = (z - z.mean(1, keepdims=True)) / scale, seen / true
    line, variance, tau, width = _em(x, faces, z[..., None], np.zeros((*z.shape, 1, 1)))
    cross = line[:, 1] * seen
    kept = 1 / seen
    variance = np.maximum(variance, 1.02 * cross**2 * (1 - kept))  # a correlation below 1
    var_t = cross**2 * kept + variance
    covariance = np.stack([var_t, cross, cross, np.ones_like(seen)], 1).reshape(-1, 2, 2)
    # given the observed z: tau ~ N(line, variance), true z ~ N(kept z, 1 - kept); then the counts
    kept = kept[:, None]
    pull = (cross[:, None] * (1 - kept)) / variance[:, None]
    surprise = tau - line[:, :1] - line[:, 1:] * z
    expected = np.stack([tau, kept * z + pull * surprise], 2)
    rest = np.maximum(1 - kept - pull**2 * (variance[:, None] - width), 0)
    unknown = np.stack([width, pull * width, pull * width, rest], 2).reshape(*z.shape, 2, 2)
    return covariance, expected, unknown


def _em(
    y: np.ndarray, n: np.ndarray, predictors: np.ndarray, unknown: np.ndarray, steps: int = 300
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fit counts [b, o] on predictors [b, o, p] of which a covariance is unknown.

    Return coefficients [b, 1 + p], the variance of the deviations [b], and mean and variance of
    the log-odds of each row [b, o].
    """
    design = np.concatenate([np.ones((*y.shape, 1)), predictors], axis=2)
    eta = np.log((y + 0.5) / (n - y + 0.5))
    variance = np.full(len(y), 1.0)
    coefficients = _least_squares(design, eta, np.ones_like(eta))
    for _ in range(steps):
        slopes = coefficients[:, 1:]
        spread = variance[:, None] + np.einsum("bi,boij,bj->bo", slopes, unknown, slopes)
        mean = np.einsum("boi,bi->bo", design, coefficients)
        eta, width = _posterior(y, n, mean, spread, eta)
        again = _least_squares(design, eta, 1 / spread)
        left = eta - np.einsum("boi,bi->bo", design, again)
        part = variance[:, None] / spread  # of the deviation, what is no error of predictors
        new = (part**2 * (left**2 + width) + variance[:, None] * (1 - part)).mean(1)
        new = np.maximum(new, 1e-4)
        change = np.abs(new - variance) / (variance + 0.1)  # a small one need not be known well
        moved = max(np.abs(again - coefficients).max(), change.max())
        coefficients, variance = again, new
        if moved < 1e-3:
            break
    return coefficients, variance, eta, width


def _least_squares(design: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    square = np.einsum("boi,bo,boj->bij", design, weight, design)
    side = np.einsum("boi,bo,bo->bi", design, weight, target)
    return np.asarray(np.linalg.solve(square, side[..., None])[..., 0])


def _posterior(
    y: np.ndarray, n: np.ndarray, mean: np.ndarray, variance: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of normal log-odds given binomial counts."""
    eta = start
    for _ in range(8):
        p = special.expit(eta)
        bend = n * p * (1 - p) + 1 / variance
        step = (y - n * p - (eta - mean) / variance) / bend
        eta = eta + np.clip(step, -1.5, 1.5)
        if np.abs(step).max() < 1e-6:
            break
    p = special.expit(eta)
    scale = 1 / np.sqrt(n * p * (1 - p) + 1 / variance)
    at = eta[..., None] + np.sqrt(2) * scale[..., None] * NODES
    log = y[..., None] * at - n[..., None] * np.logaddexp(0, at)
    log = log - (at - mean[..., None]) ** 2 / (2 * variance[..., None]) + NODES**2
    weight = WEIGHTS * np.exp(log - log.max(-1, keepdims=True))
    weight /= weight.sum(-1, keepdims=True)
    expected = (weight * at).sum(-1)
    return expected, (weight * (at - expected[..., None]) ** 2).sum(-1)
