"""A small CLIP with known bias: open_clip's classes and loss on captioned drawings (D4, D5, T5)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bbb_book.scorers.contrastive import train_contrastively
from bbb_core import checks, rng
from bbb_core.embedding.clip import OpenCLIP
from bbb_core.errors import InputError

__all__ = ["SmallClip", "WordTokenizer", "token_states", "train_small_clip"]

Batch = tuple[Tensor, list[str]]
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")


@dataclass(frozen=True, kw_only=True)
class SmallClip:
    """Size and training of the model.

    Parameters
    ----------
    size, patch : int
        Pixels per side of an image and of a patch.
    dim, width, vision_layers, text_layers : int
        Length of an embedding; width and depth of the towers.
    context : int
        Most words per caption, start and end included.
    steps : int
        Batches.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises over the first tenth and falls to zero along a cosine.
    seed : int
        Of the first weights and of the batches.
    """

    size: int = 32
    patch: int = 8
    dim: int = 64
    width: int = 96
    vision_layers: int = 3
    text_layers: int = 2
    context: int = 12
    steps: int = 500
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("size", "patch", "dim", "width", "vision_layers", "text_layers", "steps"):
            checks.integer(name, getattr(self, name), low=1)
        checks.integer("context", self.context, low=3)
        if self.size % self.patch or self.width % 32:
            raise InputError(
                f"size is {self.size}, patch {self.patch}, width {self.width}; pass a size that "
                "is a multiple of patch and a width that is a multiple of 32."
            )


class WordTokenizer:
    """Turns captions over a small vocabulary into numbers, one per word.

    Parameters
    ----------
    captions : sequence of str
        Texts whose words make up the vocabulary.
    context : int
        Length of a row.
    """

    def __init__(self, captions: Sequence[str], *, context: int) -> None:
        words = sorted({word for text in captions for word in _WORD.findall(text.lower())})
        self.context = context
        self.ids = {word: i + 2 for i, word in enumerate(words)}  # 0 pads, 1 starts
        self.size = len(words) + 3
        self.end = self.size - 1  # the text tower reads at the largest number: the end

    def __call__(self, texts: Sequence[str]) -> Int[Tensor, "n context"]:
        """Return rows of numbers; an unknown word or too long a text is an `InputError`."""
        rows = torch.zeros(len(texts), self.context, dtype=torch.long)
        for i, text in enumerate(texts):
            words = _WORD.findall(text.lower())
            unknown = [word for word in words if word not in self.ids]
            if unknown:
                raise InputError(
                    f"text {text!r} holds {unknown[0]!r}, which the small CLIP never read; use the "
                    "words of its captions."
                )
            if len(words) > self.context - 2:
                raise InputError(
                    f"text {text!r} has {len(words)} words; pass at most {self.context - 2}."
                )
            numbers = [1, *(self.ids[word] for word in words), self.end]
            rows[i, : len(numbers)] = torch.tensor(numbers)
        return rows


def train_small_clip(
    model: SmallClip,
    captions: Sequence[str],
    batches: Callable[[torch.Generator], Batch],
    *,
    name: str = "small-clip",
) -> tuple[OpenCLIP, Float[Tensor, " steps"]]:
    """Train the model with open_clip's contrastive loss.

    Parameters
    ----------
    model : SmallClip
    captions : sequence of str
        All texts that the encoder should be able to read.
    batches : callable
        ``batches(generator)`` returns images [n, 3, size, size] in [0, 1] and their n captions.
    name : str
        What the encoder is called.

    Returns
    -------
    encoder : OpenCLIP
        Embeds texts and images as every published CLIP does.
    losses : torch.Tensor, shape [steps]

    References
    ----------
    Radford et al. (2021); Ilharco et al. (2021).
    """
    from open_clip.loss import ClipLoss

    tokenizer = WordTokenizer(captions, context=model.context)
    network = _network(model, tokenizer.size)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": model.weight_decay}, {"params": others}],
        lr=model.learning_rate, betas=(0.9, 0.98), weight_decay=0.0,
    )  # fmt: skip
    warm = max(1, model.steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: _rate(k, warm, model.steps))
    loss_of, stream = ClipLoss(), rng.torch_generator(model.seed, "small-clip", "batches")

    def next_loss() -> Tensor:
        images, texts = batches(stream)
        loss: Tensor = loss_of(*network(images * 2 - 1, tokenizer(texts))[:3])
        return loss

    losses = train_contrastively(
        network, network.logit_scale, next_loss, optimiser, schedule, steps=model.steps, name=name
    )
    encoder = OpenCLIP(
        network, tokenizer, name=name, dim=model.dim, fingerprint=f"{name}:{model}", cached=False
    )
    return encoder, losses


@torch.inference_mode()
def token_states(encoder: OpenCLIP, text: str) -> Float[Tensor, "tokens width"]:
    """Return the text tower's last state of every token, marks of start and end included.

    What Stable Diffusion is conditioned on: the states before the tower reads the one at the end.
    """
    network, numbers = encoder._network, encoder._tokenizer([text])
    x = network.token_embedding(numbers) + network.positional_embedding
    states = network.ln_final(network.transformer(x, attn_mask=network.attn_mask))
    return states[0, : int((numbers != 0).sum())]


def _rate(step: int, warm: int, steps: int) -> float:
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _network(model: SmallClip, vocabulary: int) -> Any:
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    vision = CLIPVisionCfg(
        layers=model.vision_layers, width=model.width, head_width=32, patch_size=model.patch,
        image_size=model.size,
    )  # fmt: skip
    text = CLIPTextCfg(
        context_length=model.context, vocab_size=vocabulary, width=model.width,
        heads=model.width // 32, layers=model.text_layers,
    )  # fmt: skip
    with rng.weights_from(rng.torch_generator(model.seed, "weights")):
        network = CLIP(model.dim, vision, text)
    network.visual.preprocess_cfg = {
        "size": (model.size, model.size), "mean": (0.5,) * 3, "std": (0.5,) * 3,
        "interpolation": "bicubic", "resize_mode": "squash",
    }  # fmt: skip
    return network
