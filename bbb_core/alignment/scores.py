"""Score strategies: how a prompt and an image are compared (theorem T5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["STRATEGIES", "Strategy", "alignment_score", "predict_groups"]

Strategy = Literal["plain", "average-then-score", "score-then-average", "subclass-score"]
STRATEGIES: tuple[Strategy, ...] = (
    "plain", "average-then-score", "score-then-average", "subclass-score",
)  # fmt: skip


def alignment_score(
    images: Any,
    neutral: Any,
    groups: Mapping[str, Any],
    *,
    strategy: Strategy = "plain",
    image_groups: Sequence[str] | None = None,
) -> Tensor:
    r"""Score how well images fit a prompt, by one of four strategies.

    With v the image's embedding and f the cosine,

    ==================  =======================================================================
    plain               :math:`\langle E(p), v\rangle`
    average-then-score  :math:`\langle \bar E, v\rangle / \lVert\bar E\rVert`,
                        :math:`\bar E = \frac1k \sum_a E(p_a)`
    score-then-average  :math:`\frac1k \sum_a \langle E(p_a), v\rangle`
    subclass-score      :math:`\langle E(p_{a(x)}), v\rangle` where `image_groups` says a(x),
                        else :math:`\max_a \langle E(p_a), v\rangle`
    ==================  =======================================================================

    Parameters
    ----------
    images : array_like, shape [n, d]
        Unit image embeddings.
    neutral : array_like, shape [d] or [n, d]
        Unit embedding of the neutral prompt, or one per image.
    groups : mapping of str to array_like, each of shape [d] or [n, d]
        Unit embeddings of the prompts that name the groups.
    strategy : {"plain", "average-then-score", "score-then-average", "subclass-score"}
    image_groups : sequence of str, optional
        The group of each image, true (oracle) or predicted (see `predict_groups`); used by
        subclass-score only.

    Returns
    -------
    torch.Tensor, shape [n]
        Cosines in [-1, 1], float64. A strategy is fair if its mean does not depend on the group of
        equally fitting images.

    Raises
    ------
    InputError
        If rows are not unit vectors, shapes disagree, an image has an unknown group, or the group
        prompts cancel.

    References
    ----------
    :cite:`kuchlous2024` names subclass-score and average-then-score; theorem T5 of the book.

    Examples
    --------
    >>> v = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> prompts = {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([0.0, 1.0])}
    >>> alignment_score(v, v[0], prompts, strategy="plain").tolist()
    [1.0, 0.0]
    >>> alignment_score(v, v[0], prompts, strategy="subclass-score").tolist()
    [1.0, 1.0]
    """
    checks.choice("strategy", strategy, STRATEGIES)
    if not isinstance(groups, Mapping) or len(groups) < 2:
        raise InputError("groups name fewer than two groups; pass {group: embedding}.")
    if image_groups is not None and strategy != "subclass-score":
        raise InputError(f"image_groups are not used by {strategy}; leave them out.")
    v = _rows("images", images)
    n, d = v.shape
    if strategy == "plain":  # <E(p), v>
        return _cosine(_prompts("neutral", neutral, v), v)
    prompts = {g: _prompts(f"groups[{g!r}]", e, v) for g, e in groups.items()}
    if strategy == "average-then-score":  # <mean, v> / |mean|
        mean = torch.stack([p.expand(n, d) for p in prompts.values()]).mean(dim=0)
        norm = mean.norm(dim=1, keepdim=True)
        if (norm < 1e-9).any():
            raise InputError("groups have prompts whose mean is zero; it has no direction.")
        return _cosine(mean / norm, v)
    scores = torch.stack([_cosine(p, v) for p in prompts.values()])  # [groups, n]
    if strategy == "score-then-average":  # mean over a of <E(p_a), v>
        return scores.mean(dim=0)
    if image_groups is None:  # max over a of <E(p_a), v>
        return scores.amax(dim=0)
    return scores.gather(0, _places(image_groups, list(prompts), n).to(v.device)[None])[0]


def predict_groups(images: Any, readings: Mapping[str, Any]) -> list[str]:
    """Return the group whose prompt is nearest to each image: read as that group by this encoder.

    Parameters
    ----------
    images : array_like, shape [n, d]
        Unit image embeddings.
    readings : mapping of str to array_like of shape [d] or [n, d]
        Unit embeddings of prompts that name a group and nothing else ("a photo of a woman").

    Returns
    -------
    list of str
        Ties go to the group that comes first.

    Raises
    ------
    InputError
        If rows are not unit vectors, shapes disagree, or fewer than two groups are named.

    Examples
    --------
    >>> predict_groups(torch.eye(2), {"a": [1.0, 0.0], "b": [0.6, 0.8]})
    ['a', 'b']
    """
    v = _rows("images", images)
    names = list(readings)
    if len(names) < 2:
        raise InputError("readings name fewer than two groups; pass {group: embedding}.")
    scores = [_cosine(_prompts(f"readings[{g!r}]", readings[g], v), v) for g in names]
    return [names[i] for i in torch.stack(scores).argmax(dim=0).tolist()]


def _rows(name: str, x: Any) -> Tensor:
    return checks.unit_rows(name, torch.as_tensor(x)).to(torch.float64)


def _prompts(name: str, x: Any, images: Tensor) -> Tensor:
    """Return one prompt, or one for each image, as rows."""
    (n, d), rows = images.shape, torch.as_tensor(x)
    rows = _rows(name, rows[None] if rows.ndim == 1 else rows).to(images.device)
    if rows.shape[1] != d or rows.shape[0] not in (1, n):
        shape = tuple(torch.as_tensor(x).shape)
        raise InputError(f"{name} has shape {shape}; pass [{d}] or [{n}, {d}], like the images.")
    return rows


def _cosine(prompts: Tensor, images: Tensor) -> Tensor:
    return (prompts * images).sum(dim=1)


def _places(image_groups: Sequence[str], names: list[str], n: int) -> Tensor:
    """Return the place of each image's group among the names."""
    if len(image_groups) != n:
        raise InputError(f"image_groups has {len(image_groups)} entries; pass one per image ({n}).")
    unknown = [g for g in image_groups if g not in names]
    if unknown:
        raise InputError(f"image_groups holds {unknown[0]!r}; pass one of {', '.join(names)}.")
    return torch.tensor([names.index(g) for g in image_groups])
