"""An image tower for an encoder that knows texts alone: CLIP's loss against frozen text rows.

Serves the chapter "Does it generalise?". What the text rows prefer carries over to the scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bbb_book.scorers.contrastive import train_contrastively
from bbb_core import checks, rng
from bbb_core.errors import InputError

__all__ = ["ImageTower", "TowerConfig", "train_image_tower"]

Batches = Callable[[torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """Size and training of an image tower.

    Parameters
    ----------
    size, patch : int
        Pixels per side of an image and of a patch.
    width, layers : int
        Of the vision transformer; heads are 32 wide.
    steps : int
        Batches.
    learning_rate, weight_decay : float
        Of AdamW under a one-cycle rate.
    seed : int
        Of the first weights and of the batches.
    """

    size: int = 16
    patch: int = 4
    width: int = 64
    layers: int = 2
    steps: int = 300
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("size", "patch", "width", "layers", "steps"):
            checks.integer(name, getattr(self, name), low=1)
        checks.number("learning_rate", self.learning_rate, low=0)
        if self.size % self.patch or self.width % 32:
            raise InputError(
                f"size is {self.size}, patch {self.patch}, width {self.width}; pass a size that "
                "is a multiple of patch and a width that is a multiple of 32."
            )


class ImageTower:
    """Embeds images as unit rows in the space of the text rows that it was trained against."""

    def __init__(self, network: torch.nn.Module, config: TowerConfig) -> None:
        self._network, self.config = network, config

    @torch.inference_mode()
    def encode_image(
        self, images: Float[Tensor, "n 3 h w"], *, batch: int = 256
    ) -> Float[Tensor, "n d"]:
        """Return unit rows, float32, of images with intensities in [0, 1]."""
        checks.finite("images", images)
        side = self.config.size
        if images.ndim != 4 or tuple(images.shape[1:]) != (3, side, side):
            raise InputError(
                f"images has shape {tuple(images.shape)}; pass [n, 3, {side}, {side}]."
            )
        rows = [self._network(part * 2 - 1) for part in images.float().split(batch)]
        return torch.nn.functional.normalize(torch.cat(rows), dim=1)


def train_image_tower(
    config: TowerConfig, texts: Float[Tensor, "m d"], batches: Batches
) -> tuple[ImageTower, Float[Tensor, " steps"]]:
    r"""Train a vision transformer so that images lie near the fixed rows of their captions.

    The loss is CLIP's, with the text side held fixed: for a batch of images v_i and captions
    c(i), the mean of the two cross-entropies of :math:`s\langle v_i, E(c(j))\rangle` over rows and
    over columns, with a learned scale s of at most 100.

    Parameters
    ----------
    config : TowerConfig
    texts : Tensor, shape [m, d]
        Unit rows of the captions.
    batches : callable
        ``batches(generator)`` returns images [n, 3, size, size] in [0, 1] and the numbers of their
        captions, n different ones.

    Returns
    -------
    tower : ImageTower
    losses : Tensor, shape [steps]

    Raises
    ------
    InputError
        If the rows are not unit vectors.

    References
    ----------
    :cite:`radford2021` for the loss; a text tower held fixed is the mirror of the locked image
    tower of :cite:`zhai2022`.
    """
    rows = checks.unit_rows("texts", texts).float()
    network = _network(config, rows.shape[1])
    scale = torch.nn.Parameter(torch.tensor(2.66))  # log(1 / 0.07), as in the original
    optimiser = torch.optim.AdamW(
        [{"params": network.parameters(), "weight_decay": config.weight_decay},
         {"params": [scale], "weight_decay": 0.0}],
        lr=config.learning_rate, betas=(0.9, 0.98),
    )  # fmt: skip
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.steps + 1, cycle_momentum=False
    )
    stream = rng.torch_generator(config.seed, "image-tower", "batches")

    def next_loss() -> Tensor:
        images, captions = batches(stream)
        return _contrast(network(images * 2 - 1), rows[captions], scale)

    losses = train_contrastively(
        network, scale, next_loss, optimiser, schedule, steps=config.steps, name="image tower"
    )
    return ImageTower(network, config), losses


def _contrast(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """Return CLIP's loss of a batch, each image against the text of its own place."""
    logits = scale.exp() * torch.nn.functional.normalize(images, dim=1) @ texts.T
    own: Int[Tensor, " n"] = torch.arange(len(logits))
    rows = torch.nn.functional.cross_entropy(logits, own)
    return (rows + torch.nn.functional.cross_entropy(logits.T, own)) / 2


def _network(config: TowerConfig, d: int) -> Any:
    from open_clip.transformer import VisionTransformer

    with rng.weights_from(rng.torch_generator(config.seed, "image-tower", "weights")):
        return VisionTransformer(
            image_size=config.size, patch_size=config.patch, width=config.width,
            layers=config.layers, heads=config.width // 32, mlp_ratio=4.0, output_dim=d,
        )  # fmt: skip
