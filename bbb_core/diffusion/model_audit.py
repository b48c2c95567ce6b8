"""Audit of a generator by its prompts alone: what the path-KL certificate settles (T0 and T1).

Serves auditors with a model of their own: no image is read, no label is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from bbb_core import checks, progress
from bbb_core.diffusion.path_kl import certificate
from bbb_core.diffusion.process import ReverseProcess
from bbb_core.errors import InputError

__all__ = ["ModelAudit", "audit_model"]


@dataclass(frozen=True, eq=False)
class ModelAudit:
    """What the certificates say of a neutral prompt.

    Attributes
    ----------
    by_group : pandas.DataFrame
        A row per group: `cosine` of neutral and group embedding; path KL in nats from the neutral
        to the group prompt and back, with intervals; `tv_upper`, the certified bound on the total
        variation of the two laws of images; `share_at_least`, the share of that group which the
        neutral prompt must draw; `imbalance_at_least`. All bounds hold together.
    confidence : float
        Of all bounds together.
    delta : float
        The assumed separation: a group's prompt draws the group with probability 1 - delta.
    guarantee : str
        ``distribution-free`` or ``asymptotic``, see `path_kl`.
    """

    by_group: pd.DataFrame
    confidence: float
    delta: float
    guarantee: str

    @property
    def refuted(self) -> bool:
        """Whether the shares together exceed one, so that `delta` cannot be true of this model."""
        return float(self.by_group["share_at_least"].sum()) > 1

    @property
    def imbalance_at_least(self) -> float:
        """The largest certified lower bound of the imbalance; zero settles nothing."""
        return 0.0 if self.refuted else float(self.by_group["imbalance_at_least"].max())


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
    draw their groups: the assumed separation is refuted.

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
    >>> 0.2 < found.imbalance_at_least < 0.35
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
    delta = checks.probability("delta", delta)
    each = 1 - (1 - checks.confidence_level(confidence)) / len(groups)
    rows = []
    for name, row in progress.bar(groups.items(), desc="certificates"):
        made = certificate(process, neutral, row, n=n, seed=seed, confidence=each)
        share = max(0.0, 1 - float(delta) - made.tv_bound)
        rows.append(
            {
                "group": name,
                "cosine": float(torch.cosine_similarity(neutral.flatten(), row.flatten(), dim=0)),
                "kl_to": made.forward.value,
                "kl_to_low": made.forward.interval[0],
                "kl_to_high": made.forward.interval[1],
                "kl_from": made.backward.value,
                "kl_from_low": made.backward.interval[0],
                "kl_from_high": made.backward.interval[1],
                "tv_upper": made.tv_bound,
                "share_at_least": share,
                "imbalance_at_least": max(0.0, share - 1 / len(groups)),
            }
        )
    return ModelAudit(pd.DataFrame(rows), float(confidence), float(delta), made.guarantee)
