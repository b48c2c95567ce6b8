"""Score strategies: how a prompt and an image are compared (theorem T5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from bbb_core import checks
from bbb_core.errors import InputError

if TYPE_CHECKING:
    from bbb_core.embedding import ImageEncoder

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
    encoder: ImageEncoder | None = None,
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
        Unit image embeddings; with `encoder`, images [n, 3, h, w] in [0, 1].
    neutral : array_like, shape [d] or [n, d]
        Unit embedding of the neutral prompt, or one per image; with `encoder`, texts.
    groups : mapping of str to array_like, each of shape [d] or [n, d]
        Embeddings (or texts) of the prompts that name the groups.
    strategy : {"plain", "average-then-score", "score-then-average", "subclass-score"}
    image_groups : sequence of str, optional
        The group of each image, true (oracle) or predicted (see `predict_groups`); used by
        subclass-score only.
    encoder : ImageEncoder, optional
        Embeds raw images and texts.

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
    if encoder is not None:
        images = encoder.encode_image(images)
        neutral = _texts(encoder, neutral)
        groups = {name: _texts(encoder, text) for name, text in groups.items()}
    v = _rows("images", images)
    n, d = v.shape
    if strategy == "plain":
        return _cosine(_prompts("neutral", neutral, n, d, v.device), v)
    prompts = {g: _prompts(f"groups[{g!r}]", e, n, d, v.device) for g, e in groups.items()}
    if strategy == "average-then-score":
        mean = torch.stack([p.expand(n, d) for p in prompts.values()]).mean(dim=0)
        norm = mean.norm(dim=1, keepdim=True)
        if (norm < 1e-9).any():
            raise InputError("groups have prompts whose mean is zero; it has no direction.")
        return _cosine(mean / norm, v)
    scores = torch.stack([_cosine(p, v) for p in prompts.values()])
    if strategy == "score-then-average":
        return scores.mean(dim=0)
    if image_groups is None:
        return scores.amax(dim=0)
    return scores.gather(0, _choice(image_groups, list(prompts), n).to(v.device)[None])[0]


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
    """
    v = _rows("images", images)
    names = list(readings)
    if len(names) < 2:
        raise InputError("readings name fewer than two groups; pass {group: embedding}.")
    n, d = v.shape
    scores = [_cosine(_prompts(f"readings[{g!r}]", readings[g], n, d, v.device), v) for g in names]
    return [names[i] for i in torch.stack(scores).argmax(dim=0).tolist()]


def _texts(encoder: ImageEncoder, text: Any) -> Tensor:
    if isinstance(text, str):
        return encoder.encode_text([text])[0]
    return encoder.encode_text(list(text))


def _rows(name: str, x: Any) -> Tensor:
    return checks.unit_rows(name, torch.as_tensor(x)).to(torch.float64)


def _prompts(name: str, x: Any, n: int, d: int, device: torch.device) -> Tensor:
    rows = torch.as_tensor(x)
    rows = _rows(name, rows[None] if rows.ndim == 1 else rows).to(device)
    if rows.shape[1] != d or rows.shape[0] not in (1, n):
        shape = tuple(torch.as_tensor(x).shape)
        raise InputError(f"{name} has shape {shape}; pass [{d}] or [{n}, {d}], like the images.")
    return rows


def _cosine(prompts: Tensor, images: Tensor) -> Tensor:
    return (prompts * images).sum(dim=1)


def _choice(image_groups: Sequence[str], names: list[str], n: int) -> Tensor:
    chosen = list(image_groups)
    if len(chosen) != n:
        raise InputError(f"image_groups has {len(chosen)} entries; pass one per image ({n}).")
    place = {name: i for i, name in enumerate(names)}
    unknown = [g for g in chosen if g not in place]
    if unknown:
        raise InputError(f"image_groups holds {unknown[0]!r}; pass one of {', '.join(names)}.")
    return torch.tensor([place[g] for g in chosen])
