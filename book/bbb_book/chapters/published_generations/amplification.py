r"""Amplification: whether generations are more imbalanced than the training images.

Two views of two-group counts per prompt. The *slope* of the generated log-odds on the training
log-odds is 1 when a generator copies its data. The *share more extreme* counts prompts whose
generations lie further from one half, against what copying would give at the same sample sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from bbb_core.balance.estimates import count_table
from bbb_core.errors import InputError
from bbb_core.stats import Estimate, binomial_interval, bootstrap, correlation, mean_interval

__all__ = ["Amplification", "amplification", "copying_more_extreme", "log_odds_slope"]


@dataclass(frozen=True, kw_only=True)
class Amplification:
    """How generated shares relate to training shares over prompts.

    Parameters
    ----------
    slope : Estimate
        Of generated on training log-odds; 1 is copying, above 1 is amplification.
    correlation, rank_correlation : Estimate
        Pearson's of the shares, Spearman's of their ranks; 1 when training orders the prompts.
    more_extreme : Estimate
        Share of prompts whose generations are further from 1/2 than the training images.
    copying : float
        The same share, expected of a generator that copies the training shares exactly.
    excess : Estimate
        `more_extreme` minus `copying`; 0 is no amplification.
    n : int
        Number of prompts.
    """

    slope: Estimate
    correlation: Estimate
    rank_correlation: Estimate
    more_extreme: Estimate
    copying: float
    excess: Estimate
    n: int


def log_odds_slope(training: np.ndarray, generated: np.ndarray) -> float:
    r"""Return the slope of generated on training log-odds over prompts.

    It is b in :math:`\mathrm{logit}\,P(\text{second group}) = a + b\,t`, where
    :math:`t = \log\frac{c_2 + 1/2}{c_1 + 1/2}` are the training log-odds; a and b maximise the
    binomial likelihood of the generated counts (Newton's method, float64). Prompts with all
    images in one group need no correction, as the likelihood uses counts. With training shares
    known from few images the slope errs towards 0.

    Raises
    ------
    InputError
        If the training log-odds are all equal, or the generated counts separate perfectly.
    """
    t = np.log((training[:, 1] + 0.5) / (training[:, 0] + 0.5))
    if np.ptp(t) == 0:
        raise InputError("training has equal log-odds in every row; a slope needs a spread.")
    centre, scale = t.mean(), t.std()
    design = np.stack([np.ones_like(t), (t - centre) / scale], axis=1)  # [m, 2]
    n, y = generated.sum(axis=1), generated[:, 1]
    beta = np.zeros(2)
    objective = _log_likelihood(design @ beta, n, y)
    for _ in range(100):
        p = special.expit(design @ beta)
        information = (design * (n * p * (1 - p))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:
            break
        step = np.linalg.solve(information, design.T @ (y - n * p))
        while _log_likelihood(design @ (beta + step), n, y) < objective - 1e-9 * abs(objective):
            step = step / 2
        beta = beta + step
        objective = _log_likelihood(design @ beta, n, y)
        if np.abs(step).max() < 1e-10 * max(1.0, np.abs(beta).max()):
            return float(beta[1] / scale)
    raise InputError("generated counts separate perfectly over prompts; no finite slope exists.")


def _log_likelihood(eta: np.ndarray, n: np.ndarray, y: np.ndarray) -> float:
    return float((y * eta - n * np.logaddexp(0, eta)).sum())


def copying_more_extreme(training: Any, n_generated: Any) -> np.ndarray:
    r"""Return, per prompt, how often a copying generator looks more extreme than its data.

    :math:`P(\lvert X/n - 1/2\rvert > \lvert t - 1/2\rvert)` for :math:`X \sim \mathrm{Bin}(n, t)`
    with t the training share. It is near 1/2 for middling t and falls to 0 at 0 and 1.
    """
    x, _ = count_table("training", training)
    t = x[:, 1] / x.sum(axis=1)
    n = np.broadcast_to(np.asarray(n_generated, dtype=np.float64), t.shape)
    distance = np.abs(t - 0.5)
    slack = 1e-9  # an equal share is not more extreme
    above = stats.binom.sf(np.floor(n * (0.5 + distance) + slack), n, t)
    below = stats.binom.cdf(np.ceil(n * (0.5 - distance) - slack) - 1, n, t)
    return above + below


def amplification(
    training: Any,
    generated: Any,
    *,
    n_resamples: int = 1999,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Amplification:
    """Return slope, correlations and share more extreme, with intervals over prompts.

    Parameters
    ----------
    training, generated
        Whole numbers, shape ``[m, 2]``: images of prompt i read as first and second group; row i
        of both is the same prompt.
    n_resamples, rng
        Of the bootstrap of the slope over prompts (pairs of rows go together).
    confidence
        Level of all intervals: exact for `more_extreme`, `bbb_core.stats.mean_interval` for
        `excess`, `bbb_core.stats.correlation` for the correlations.

    Raises
    ------
    InputError
        If the shapes differ, there are not two groups, or fewer than five prompts.
    """
    x, _ = count_table("training", training)
    y, _ = count_table("generated", generated)
    if x.shape != y.shape or x.shape[1] != 2:
        raise InputError(
            f"training has shape {x.shape} and generated {y.shape}; pass two columns and the "
            "same prompts."
        )
    if len(x) < 5:
        raise InputError(f"training has {len(x)} rows; pass at least 5 prompts.")
    t, g = x[:, 1] / x.sum(axis=1), y[:, 1] / y.sum(axis=1)
    copying = copying_more_extreme(x, y.sum(axis=1))
    extreme = (np.abs(g - 0.5) > np.abs(t - 0.5) + 1e-12).astype(np.float64)
    ends = binomial_interval(int(extreme.sum()), len(extreme), confidence=confidence)
    options = {"n_resamples": n_resamples, "confidence": confidence, "rng": rng}
    return Amplification(
        slope=bootstrap(log_odds_slope, x, y, **options),
        correlation=correlation(t, g, confidence=confidence),
        rank_correlation=correlation(t, g, method="spearman", confidence=confidence),
        more_extreme=Estimate(float(extreme.mean()), *ends, confidence),
        copying=float(copying.mean()),
        excess=mean_interval(extreme - copying, confidence=confidence),
        n=len(x),
    )
