"""Audit of a generator by its prompts alone: what the certificate settles (T0 and T1).

Serves auditors with a model of their own: no image is read, no label is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from bbb_core import checks, progress
from bbb_core.diffusion.path_tv import certificate
from bbb_core.diffusion.process import ReverseProcess
from bbb_core.errors import InputError
from bbb_core.report.shown import Shown

__all__ = ["ModelAudit", "audit_model", "least_delta"]


@dataclass(frozen=True, eq=False)
class ModelAudit(Shown):
    """What the certificates say of a neutral prompt.

    Attributes
    ----------
    by_group : pandas.DataFrame
        A row per group: `cosine` of neutral and group embedding; `tv`, the estimated total
        variation of the two laws of paths, with its interval; `tv_upper`, the certified bound on
        that of the two laws of images; `share_at_least`, the share of that group which the neutral
        prompt must draw; `imbalance_at_least`; path KL in nats from the neutral to the group prompt
        and back, a geometry, with approximate intervals. The bounds hold together. Where `refuted`,
        the shares and imbalances are missing (NaN): they would rest on an assumption that is false.
    confidence : float
        Of all bounds together, at every number of paths and for every model.
    delta : float
        The assumed separation: a group's prompt draws the group with probability 1 - delta.
    delta_at_least : float
        Certified: some group's prompt fails to draw its group this often. In [0, 1].
    """

    by_group: pd.DataFrame
    confidence: float
    delta: float
    delta_at_least: float

    @property
    def guarantee(self) -> Literal["distribution-free"]:
        """The bounds hold at every number of paths and for every model."""
        return "distribution-free"

    @property
    def refuted(self) -> bool:
        """Whether `delta` cannot be true of this model."""
        return self.delta < self.delta_at_least

    @property
    def imbalance_at_least(self) -> float | None:
        """The largest certified bound of the imbalance; zero settles nothing, None if `refuted`."""
        return None if self.refuted else float(self.by_group["imbalance_at_least"].max())


def least_delta(tv_upper: Float64[np.ndarray, "groups"]) -> float:
    r"""Return the least separation error that bounds on total variation leave possible.

    By T1 the neutral prompt draws each group a with a share of at least
    :math:`1 - \delta - t_a`; the shares of any j groups sum to at most 1, hence
    :math:`\delta \ge (j - 1 - \sum_{a \le j} t_a) / j`, the groups in the order of their bounds.

    Examples
    --------
    >>> round(least_delta(np.array([0.1, 0.3, 1.0])), 3)
    0.3
    """
    j = np.arange(1, len(tv_upper) + 1)
    return float(((j - 1 - np.sort(tv_upper).cumsum()) / j).clip(min=0).max())


def audit_model(
    process: ReverseProcess,
    neutral: Tensor,
    groups: Mapping[str, Tensor],
    *,
    n: int = 64,
    delta: float = 0.0,
    confidence: float = 0.95,
    seed: int = 0,
) -> ModelAudit:
    r"""Certify how far a neutral prompt's law can be from each group prompt's law.

    By theorem T1 the neutral prompt draws group a with probability at least
    :math:`1 - \delta - \mathrm{TV}(D_p, D_{p_a})`, so a small certified total variation proves
    imbalance. A large one proves nothing: balance needs samples. If the neutral law is provably
    close to all groups' laws, then these are close to one another, and the groups' prompts do not
    draw their groups: the assumed separation is refuted, and nothing that rests on it is returned.

    Parameters
    ----------
    process : ReverseProcess
        The generator; every step must add noise.
    neutral : Tensor, shape [*condition]
        E(p).
    groups : mapping
        E(p_a) by name, of the same shape; at least two. The target is equal shares.
    n : int
        Paths per direction and group; at least 20.
    delta : float
        Separation of the group prompts, in [0, 1]: an assumption, not measured here.
    confidence : float
        Level at which all rows hold together (Bonferroni over the groups).
    seed : int
        Of the paths.

    Raises
    ------
    InputError
        If there are fewer than two groups, a shape differs, or the process adds no noise in a step.

    References
    ----------
    Theorems T0 and T1 of the book.

    Examples
    --------
    >>> from bbb_core.diffusion import two_group_oracle
    >>> w = {"a": torch.tensor([0.9]).double(), "b": torch.tensor([0.1]).double()}
    >>> neutral = torch.tensor([0.85], dtype=torch.float64)
    >>> found = audit_model(two_group_oracle(steps=30), neutral, w, n=500, delta=0.1)
    >>> 0.25 < found.imbalance_at_least < 0.35
    True
    """
    if len(groups) < 2:
        raise InputError(f"groups has {len(groups)} entries; name at least two groups.")
    for name, row in groups.items():
        if row.shape != neutral.shape:
            raise InputError(
                f"groups[{name!r}] has shape {list(row.shape)}, the neutral embedding "
                f"{list(neutral.shape)}; encode both the same way."
            )
    n = checks.integer("n", n, low=20)
    delta = float(checks.probability("delta", delta))
    each = 1 - (1 - checks.confidence_level(confidence)) / len(groups)
    made = [
        certificate(process, neutral, row, n=n, seed=seed, confidence=each)
        for row in progress.bar(groups.values(), desc="certificates")
    ]
    upper = np.array([one.tv_bound for one in made])
    least = least_delta(upper)
    share = (1 - delta - upper).clip(min=0) if delta >= least else np.full(len(made), np.nan)
    columns = {
        "group": list(groups),
        "cosine": [
            float(torch.cosine_similarity(neutral.flatten(), row.flatten(), dim=0))
            for row in groups.values()
        ],
        **_estimates("tv", [(one.tv, *one.interval) for one in made]),
        "tv_upper": upper,
        "share_at_least": share,
        "imbalance_at_least": (share - 1 / len(groups)).clip(min=0),
        **_estimates("kl_to", [(one.forward.value, *one.forward.interval) for one in made]),
        **_estimates("kl_from", [(one.backward.value, *one.backward.interval) for one in made]),
    }
    return ModelAudit(pd.DataFrame(columns), float(confidence), delta, least)


def _estimates(name: str, rows: list[tuple[float, float, float]]) -> dict[str, list[float]]:
    """Return the columns of an estimate and of the two ends of its interval."""
    ends = (name, f"{name}_low", f"{name}_high")
    return {end: list(column) for end, column in zip(ends, zip(*rows, strict=True), strict=True)}
