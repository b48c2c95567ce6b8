"""Audit of a generator by a sweep between two groups' prompts: the law of inheritance, applied.

Serves auditors with a model of their own, `bbb audit model --sweep`: pictures of points between two
groups' prompts calibrate the generator, and the position of a neutral prompt does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from bbb_core import checks
from bbb_core.diffusion.calibration import Calibration, calibrate
from bbb_core.diffusion.foretelling import foretold_share, lack_of_fit
from bbb_core.embedding.gaps import position
from bbb_core.errors import InputError
from bbb_core.report.shown import Shown
from bbb_core.stats.resampling import Estimate

__all__ = ["SweepAudit", "audit_sweep", "balanced_embeddings", "places", "way_points"]


@dataclass(frozen=True, eq=False)
class SweepAudit(Shown):
    """What a sweep says of neutral prompts.

    Attributes
    ----------
    law : Calibration
        Slope and switch of the generator, with intervals.
    prompts : pandas.DataFrame
        A row per neutral prompt: `position` and `distance` (`places`); `share` of group b that it
        should draw, with `low` and `high`; the log-odds of that share in two parts, `begotten` by
        the embedding and the generator's `own`.
    own : Estimate
        The generator's own log-odds of b with its interval: those at the middle of the way.
    points : pandas.DataFrame
        A row per point of the sweep: `position`, pictures `read as` each group, `share` of b among
        them, and the `fitted` share.
    lack_of_fit : float
        The p-value of `lack_of_fit`; NaN with two points.
    balanced : dict
        Embeddings that should draw both groups alike (`balanced_embeddings`); empty where the slope
        may be zero, since then there may be no such place.
    """

    law: Calibration
    prompts: pd.DataFrame
    own: Estimate
    points: pd.DataFrame
    lack_of_fit: float
    balanced: dict[str, Tensor]


def way_points(
    group_a: Float[Tensor, "*condition"], group_b: Float[Tensor, "*condition"], n: int
) -> tuple[Float64[np.ndarray, " n"], Float[Tensor, "n *condition"]]:
    """Return n evenly spaced points of the straight way from group prompt a to group prompt b.

    Embeddings of tokens are joined slot by slot, as the text encoder lays them out, padding too.

    Returns
    -------
    positions, points
        From 0 at a to 1 at b; the ends are the group prompts' embeddings themselves.

    Examples
    --------
    >>> positions, points = way_points(torch.zeros(2), torch.ones(2), 3)
    >>> positions.tolist(), points.tolist()
    ([0.0, 0.5, 1.0], [[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    """
    _alike(group_a=group_a, group_b=group_b)
    positions = np.linspace(0, 1, checks.integer("n", n, low=2))
    return positions, torch.stack([group_a.lerp(group_b, float(t)) for t in positions])


def places(
    neutral: Mapping[str, Tensor], group_a: Tensor, group_b: Tensor
) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
    """Return where neutral prompts lie: along the way between two group prompts, and beside it.

    Embeddings of tokens are laid out as one row.

    Returns
    -------
    positions
        `bbb_core.embedding.position`: 0 at a, 1 at b.
    distances
        From the straight line through a and b, in lengths of the way between them; at least 0. The
        law is fitted on the line, so far beside it a foretold share is a guess.

    Raises
    ------
    InputError
        If shapes differ, or the two group prompts have one embedding.

    Examples
    --------
    >>> places({"p": torch.tensor([1.0, 3.0])}, torch.zeros(2), torch.tensor([4.0, 0.0]))
    (array([0.25]), array([0.75]))
    """
    _alike(group_a=group_a, group_b=group_b, **{f"neutral {k!r}": p for k, p in neutral.items()})
    p = torch.stack([row.flatten() for row in neutral.values()]).double()
    a, b = (end.flatten().double().expand_as(p) for end in (group_a, group_b))
    t = position(p, a, b)
    beside = (p - a.lerp(b, t[:, None])).norm(dim=1) / (b - a).norm(dim=1)
    return t.numpy(), beside.numpy()


def balanced_embeddings(
    neutral: Mapping[str, Tensor], group_a: Tensor, group_b: Tensor, switch: float
) -> dict[str, Tensor]:
    """Return embeddings that a generator with this switch should draw in balance.

    First, `on the way`, the point between the group prompts at the switch; then each neutral
    prompt, `moved` in parallel to the way until its position is the switch. The first lies where
    the law was fitted, so prefer it.

    Parameters
    ----------
    neutral
        Embeddings by name, [d] or [tokens, d]. Tokens that are exactly zero are padding which a
        network of this package does not hear: they are not moved, and then the position of the
        result may differ from the switch. Padding of other text encoders is not zero, and moves.
    group_a, group_b
        Embeddings of the group prompts, of the same shape.
    switch
        The position at which both groups are drawn alike.

    Examples
    --------
    >>> a, b = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0])
    >>> found = balanced_embeddings({"cook": torch.tensor([0.5, 1.0])}, a, b, 0.75)
    >>> {name: row.tolist() for name, row in found.items()}
    {'on the way': [0.75, 0.0], 'moved: cook': [0.75, 1.0]}
    """
    positions, _ = places(neutral, group_a, group_b)
    a, b = group_a.double(), group_b.double()
    made = {"on the way": a.lerp(b, switch).to(group_a.dtype)}
    for (name, row), t in zip(neutral.items(), positions, strict=True):
        heard = (row != 0).any(-1, keepdim=True) if row.ndim > 1 else 1
        made[f"moved: {name}"] = (row.double() + (switch - float(t)) * heard * (b - a)).to(
            row.dtype
        )
    return made


def audit_sweep(
    neutral: Mapping[str, Tensor],
    groups: Mapping[str, Tensor],
    positions: Any,
    counts: Any,
    *,
    confidence: float = 0.95,
) -> SweepAudit:
    r"""Split neutral prompts' imbalance into what the embedding begot and the generator's own.

    1. Fit :math:`\mathrm{logit}\, D_t(S_b) = k (t - t^*)` to the sweep (`calibrate`).
    2. Place each neutral prompt on the way: t (`places`).
    3. Foretell its share, :math:`1 / (1 + e^{-k (t - t^*)})` (`foretold_share`), and split its
       log-odds: :math:`k (t - 1/2)` is begotten, :math:`k (1/2 - t^*)` own (`inherited_log_odds`).
    4. Move to where both groups are drawn alike (`balanced_embeddings`).

    Parameters
    ----------
    neutral
        Embeddings of neutral prompts by name, each [d] or [tokens, d].
    groups
        Embeddings of the prompts of exactly two groups, a and b, by name.
    positions, counts
        The sweep: positions [n] and pictures read as a and as b [n, 2].
    confidence
        Of each interval.

    Raises
    ------
    InputError
        If there are not two groups, shapes differ, or the sweep is of no use to `calibrate`.

    Examples
    --------
    >>> groups = {"man": torch.tensor([0.0, 0.0]), "woman": torch.tensor([1.0, 0.0])}
    >>> counts = [[40, 0], [35, 5], [20, 20], [4, 36], [0, 40]]
    >>> found = audit_sweep(
    ...     {"a cook": torch.tensor([0.3, 0.2])}, groups, [0, 0.25, 0.5, 0.75, 1], counts
    ... )
    >>> found.prompts[["position", "share", "begotten", "own"]].round(2).values.tolist()
    [[0.3, 0.15, -1.77, 0.06]]
    """
    from scipy.special import expit, logit

    if len(groups) != 2:
        raise InputError(f"groups has {len(groups)} entries; a sweep goes between exactly two.")
    (name_a, a), (name_b, b) = groups.items()
    law = calibrate(positions, counts, confidence=confidence)
    k, (t, beside) = law.slope.value, places(neutral, a, b)
    share = foretold_share(positions, counts, [*t, 0.5], confidence=confidence)
    value, low, high = (float(logit(x[-1])) for x in (share.value, share.low, share.high))
    own = Estimate(value, low, high, confidence)
    prompts = {
        "prompt": list(neutral),
        "position": t,
        "distance": beside,
        "share": share.value[:-1],
        "low": share.low[:-1],
        "high": share.high[:-1],
        "begotten": k * (t - 0.5),
        "own": own.value,
    }
    x, pairs = np.asarray(positions, np.float64), np.asarray(counts, np.float64)
    with np.errstate(invalid="ignore"):
        seen = pairs[:, 1] / pairs.sum(1)
    points = {
        "position": x,
        f"read as {name_a}": pairs[:, 0].astype(int),
        f"read as {name_b}": pairs[:, 1].astype(int),
        "share": seen,
        "fitted": expit(own.value + k * (x - 0.5)),
    }
    sure = law.slope.low > 0 or law.slope.high < 0
    return SweepAudit(
        law=law,
        prompts=pd.DataFrame(prompts),
        own=own,
        points=pd.DataFrame(points),
        lack_of_fit=lack_of_fit(positions, counts),
        balanced=balanced_embeddings(neutral, a, b, law.switch.value) if sure else {},
    )


def _alike(**rows: Tensor) -> None:
    (first, one), *others = rows.items()
    for name, row in others:
        if row.shape != one.shape:
            raise InputError(
                f"{name} has shape {list(row.shape)} but {first} {list(one.shape)}; encode all "
                "prompts the same way."
            )
