"""Scores of published models on the pictures of known fit (alignment chapters, D5).

`measure_published` is an artefact function: plain data in, small tables out.
"""

from __future__ import annotations

from typing import Any

from bbb_book.scorers.design import measure_encoder
from bbb_core.embedding import load_encoder
from bbb_core.errors import InputError

__all__ = ["measure_published"]


def measure_published(scorer: str, repeats: int, pool: int, design_seed: int = 0) -> dict[str, Any]:
    """Score the audit design with a published model: what `measure_encoder` returns.

    Parameters
    ----------
    scorer : str
        A spec of `embedding.load_encoder` whose encoder embeds images: ``open_clip:...``.
    repeats, pool, design_seed
        See `design.measure_caption_bias`.

    Raises
    ------
    InputError
        If the weights cannot be had, or the encoder embeds no images.
    """
    encoder = load_encoder(scorer)
    if not hasattr(encoder, "encode_image"):
        raise InputError(f"scorer {scorer!r} embeds no images; pass open_clip:MODEL/PRETRAINED.")
    return measure_encoder(encoder, repeats, pool, design_seed)
