r"""A test, without labels, that images are no mixture of the group prompts' (D3, "Whose label?").

If :math:`D_p = \sum_a w_a D_{p_a}`, then :math:`D_p(C) \le \max_a D_{p_a}(C)` for every event C.
So an event that the neutral prompt draws more often than *every* group prompt refutes all
mixtures at once, and :math:`\min_w TV(D_p, \sum_a w_a D_{p_a}) \ge D_p(C) - \max_a D_{p_a}(C)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.stats import binomial_interval

__all__ = ["MixtureDistance", "linear_direction", "mixture_distance", "score_distance"]

RIDGE = 0.1
"""Ridge of the linear score, as a share of the mean squared norm of the centred samples."""
CUTS = np.linspace(0.5, 0.98, 25)
"""Quantiles of the group prompts' scores that are tried as the limit of the event."""

Score = Literal["novelty", "linear"]


@dataclass(frozen=True, kw_only=True)
class MixtureDistance:
    """What the samples say about the distance of a law to the mixtures of others.

    Parameters
    ----------
    value : float
        P(C) - max_a P_a(C) in the judging samples.
    low : float
        Lower confidence bound on the TV distance to the nearest mixture; 0 says nothing.
    rates : dict
        Rate of the event: "neutral", and every group prompt.
    confidence : float
        Level of `low`.
    """

    value: float
    low: float
    rates: dict[str, float]
    confidence: float

    @property
    def refuted(self) -> bool:
        """Whether every mixture is refuted at this level."""
        return self.low > 0


def score_distance(
    neutral: Any,
    groups: Mapping[str, Any],
    *,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> MixtureDistance:
    r"""Bound the distance to the mixtures by events "the score is above a limit".

    Half of each sample chooses the limit, the other half judges the event, with exact one-sided
    bounds for its k + 1 rates at the k + 1-st part of the error rate each. Valid for every score
    that was fixed before these samples were seen.

    Parameters
    ----------
    neutral
        Scores of images of the neutral prompt ``[n]``, at least 4.
    groups
        Group name to scores of the images of its prompt.

    Examples
    --------
    >>> from bbb_core.rng import generator
    >>> rng = generator(0)
    >>> strange = score_distance(rng.normal(4, 1, 200), {g: rng.normal(0, 1, 200) for g in "ab"},
    ...                          rng=rng)
    >>> strange.refuted, strange.low > 0.7
    (True, True)
    """
    level = checks.confidence_level(confidence)
    parts = {"neutral": neutral, **_groups(groups)}
    choose, judge = {}, {}
    for name, x in parts.items():
        values = np.asarray(checks.vector(name, x, minimum=4), dtype=np.float64)
        order = rng.permutation(len(values))
        choose[name], judge[name] = np.split(values[order], [len(values) // 2])
    limits = np.quantile(np.concatenate([choose[g] for g in groups]), CUTS)
    above = {name: (x[:, None] > limits).mean(axis=0) for name, x in choose.items()}
    excess = above["neutral"] - np.max([above[g] for g in groups], axis=0)
    limit = limits[int(np.argmax(excess))]
    hits = {name: (int((x > limit).sum()), len(x)) for name, x in judge.items()}
    each = 1 - (1 - level) / len(hits)
    low = binomial_interval(*hits["neutral"], confidence=each, side="lower")[0]
    high = max(binomial_interval(*hits[g], confidence=each, side="upper")[1] for g in groups)
    rates = {name: k / n for name, (k, n) in hits.items()}
    return MixtureDistance(
        value=rates["neutral"] - max(rates[g] for g in groups),
        low=max(0.0, float(low - high)),
        rates=rates,
        confidence=level,
    )


def mixture_distance(
    neutral: Any,
    groups: Mapping[str, Any],
    *,
    score: Score = "novelty",
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> MixtureDistance:
    """Bound the distance of a law to the mixtures of the group prompts' laws, from images alone.

    A third of each sample makes a score, the rest goes to `score_distance`. ``novelty``: the
    distance to the nearest image of any group prompt; ``linear``: the direction that best tells
    the neutral images from those of all group prompts together.

    Parameters
    ----------
    neutral
        Images of the neutral prompt, flattened ``[n, d]``, at least 6 rows.
    groups
        Group name to images of its prompt ``[m, d]``.

    Raises
    ------
    InputError
        If there are fewer than two groups, or a sample is too small or misshapen.
    """
    checks.choice("score", score, ("novelty", "linear"))
    named = {"neutral": neutral, **_groups(groups)}
    fit, rest, columns = {}, {}, None
    for name, x in named.items():
        array = np.asarray(checks.matrix(name, x, columns), dtype=np.float64)
        columns = array.shape[1]
        if len(array) < 6:
            raise InputError(f"{name} has {len(array)} rows; pass at least 6 images.")
        order = rng.permutation(len(array))
        fit[name], rest[name] = np.split(array[order], [len(array) // 3])
    known = np.concatenate([fit[g] for g in groups])
    if score == "novelty":
        values = {name: _novelty(x, known) for name, x in rest.items()}
    else:
        direction, _ = linear_direction(fit["neutral"], known)
        values = {name: x @ direction for name, x in rest.items()}
    return score_distance(
        values["neutral"], {g: values[g] for g in groups}, confidence=confidence, rng=rng
    )


def linear_direction(first: Any, second: Any) -> tuple[np.ndarray, float]:
    """Return the ridge direction from the second sample to the first, and the limit between them.

    An image x is read as the first when ``x @ direction > limit``. Both samples weigh the same.
    """
    a, b = (np.asarray(checks.matrix(n, x), dtype=np.float64)
            for n, x in (("first", first), ("second", second)))  # fmt: skip
    centre = (a.mean(axis=0) + b.mean(axis=0)) / 2
    z = np.concatenate([a, b]) - centre
    gram = z @ z.T
    weight = np.repeat([0.5 / len(a), 0.5 / len(b)], [len(a), len(b)])
    size = float(weight @ np.diag(gram))
    if size == 0:
        raise InputError("the samples are all equal; nothing can tell them apart.")
    sign = np.repeat([1.0, -1.0], [len(a), len(b)])
    alpha = np.linalg.solve(gram + np.diag(RIDGE * size / weight / len(z)), sign)
    direction = z.T @ alpha
    return direction, float(centre @ direction)


def _novelty(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the distance of each row of x to the nearest row of `known`."""
    squares = (x**2).sum(axis=1)[:, None] - 2 * x @ known.T + (known**2).sum(axis=1)
    return np.sqrt(np.maximum(squares.min(axis=1), 0))


def _groups(groups: Any) -> dict[str, Any]:
    if not isinstance(groups, Mapping) or len(groups) < 2:
        raise InputError("groups needs at least two groups; pass {name: samples}.")
    if "neutral" in groups:
        raise InputError("groups holds the name 'neutral'; rename that group.")
    return dict(groups)
