r"""Small CLIPs of procedural figures: scorers in a world where the groups are mirror images (D5).

A prompt names a shape, a group is a colour channel. Swapping two channels maps one group's law to
the other's, so whatever a score prefers, it learnt from the captions. `measure_figure_scorer` is an
artefact function: plain data in, small tables out.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bbb_book.data.procedural import SHAPES, procedural_figures
from bbb_book.scorers.small_clip import SmallClip, train_small_clip
from bbb_core import checks, rng
from bbb_core.alignment import alignment_score

__all__ = ["COLOURS", "measure_figure_scorer"]

COLOURS = ("red", "green")
"""Groups: the channel that carries the figure."""
SIZE = 16
"""Pixels per side."""


def _captions() -> list[str]:
    """Return "a picture of a SHAPE", then of a red and of a green one, shapes fastest."""
    return [f"a picture of a {c}{s}" for c in ("", *(f"{c} " for c in COLOURS)) for s in SHAPES]


def _figures(
    shapes: Int[Tensor, "n"], groups: Int[Tensor, "n"], generator: torch.Generator
) -> Float[Tensor, "n 3 s s"]:
    return procedural_figures(shapes, groups, size=SIZE, generator=generator).images


def measure_figure_scorer(share: float, steps: int, n: int, seed: int) -> dict[str, Any]:
    """Train one small CLIP on captioned figures and score fresh ones.

    Parameters
    ----------
    share : float
        Share of red figures among the pictures of a neutral caption; one half is fair.
    steps : int
        Training steps; every batch holds each of the 24 captions once.
    n : int
        Fresh figures per shape and colour.
    seed : int
        Of the model, its batches and the fresh figures.

    Returns
    -------
    dict
        ``scores`` cosines [shapes, colours, n, 2] of fitting figures under plain and
        subclass-score (maximum); ``text_gap`` [shapes], cos(neutral, red) - cos(neutral, green);
        ``right`` [shapes * colours * n, 2], shape and colour read rightly.
    """
    checks.probability("share", share)
    captions, k = _captions(), len(SHAPES)
    every = torch.arange(k)

    def batch(generator: torch.Generator) -> tuple[Tensor, list[str]]:
        green = (torch.rand(k, generator=generator) >= share).long()
        groups = torch.cat([green, torch.zeros_like(every), torch.ones_like(every)])
        return _figures(every.repeat(3), groups, generator), captions

    model = SmallClip(size=SIZE, patch=4, width=64, vision_layers=2, steps=steps, seed=seed)
    encoder, _ = train_small_clip(model, captions, batch, name="small CLIP of figures")
    neutral, red, green = encoder.encode_text(captions).double().reshape(3, k, -1)
    shapes = every.repeat_interleave(2 * n)
    groups = torch.arange(2).repeat_interleave(n).repeat(k)
    stream = rng.torch_generator(seed, "fresh figures")
    v = encoder.encode_image(_figures(shapes, groups, stream)).double()
    named = {"red": red[shapes], "green": green[shapes]}
    scores = [
        alignment_score(v, neutral[shapes], named, strategy=s) for s in ("plain", "subclass-score")
    ]
    colour = torch.stack([(v * named[c]).sum(1) for c in COLOURS]).argmax(0)
    right = torch.stack([(v @ neutral.T).argmax(1) == shapes, colour == groups], dim=1)
    return {
        "scores": torch.stack(scores, dim=1).reshape(k, 2, n, 2).numpy(),
        "text_gap": (neutral * (red - green)).sum(1).numpy(),
        "right": right.numpy(),
    }
