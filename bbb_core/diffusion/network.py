"""The denoiser: a diffusers U-Net over pixel blocks, conditioned on prompt embeddings.

Serves the chapter "A diffusion model of emoji people".
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from bbb_core import checks, rng
from bbb_core.errors import InputError

__all__ = ["Conditioning", "Denoiser", "NetworkConfig", "build_denoiser"]

Conditioning = Literal["pooled", "tokens"]
"""One vector per prompt, added to the time embedding; or one per token, by cross-attention."""
LARGEST_SIDE = 1 << 14
LARGEST = {"levels": 16, "layers": 64, "image_channels": 64, "block": 64}
"""Bounds of a network's numbers; larger ones are a slip of the pen or a hostile file."""


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of a denoiser; everything needed to build it again.

    Attributes
    ----------
    embedding_dim
        Length d of a prompt embedding (of each token with conditioning "tokens").
    resolution
        Side of the images in pixels; a multiple of block * 2 ** (len(channels) - 1).
    image_channels
        Channels of an image, 3 for colour.
    block
        Side of the pixel blocks that become channels (pixel unshuffle): speed for detail.
    channels
        Width per level of the U-Net, each a multiple of `groups`.
    layers
        Residual blocks per level.
    attention_levels
        Levels with self-attention, counted from the finest, 0.
    groups
        Groups of the group normalisation.
    conditioning
        See `Conditioning`.

    Examples
    --------
    >>> NetworkConfig(embedding_dim=384).image_shape
    (3, 32, 32)
    """

    embedding_dim: int
    resolution: int = 32
    image_channels: int = 3
    block: int = 2
    channels: tuple[int, ...] = (32, 64, 96)
    layers: int = 1
    attention_levels: tuple[int, ...] = ()
    groups: int = 16
    conditioning: Conditioning = "pooled"

    def __post_init__(self) -> None:
        for name in ("embedding_dim", "resolution", "image_channels", "block", "layers", "groups"):
            high = LARGEST.get(name, LARGEST_SIDE)
            checks.integer(name, getattr(self, name), low=1, high=high)
        checks.choice("conditioning", self.conditioning, ["pooled", "tokens"])
        for width in self.channels:
            checks.integer("channels", width, low=1, high=LARGEST_SIDE)
        for level in self.attention_levels:
            checks.integer("attention_levels", level, low=0, high=len(self.channels) - 1)
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "attention_levels", tuple(self.attention_levels))
        side = self.block * 2 ** (len(self.channels) - 1)
        if not self.channels or self.resolution % side:
            raise InputError(f"resolution is {self.resolution}; make it a multiple of {side}.")
        if any(width % self.groups for width in self.channels):
            raise InputError(f"channels is {self.channels}; use multiples of {self.groups}.")

    @classmethod
    def from_json(cls, said: Any) -> NetworkConfig:
        """Return the configuration that `dataclasses.asdict` wrote and JSON brought back.

        Raises
        ------
        InputError
            When it is no mapping, a name is unknown, or a value has another type or range.
        """
        known = [f.name for f in fields(cls)]
        if not isinstance(said, dict) or "embedding_dim" not in said or not said.keys() <= {*known}:
            raise InputError(
                f"a network has embedding_dim and, of the rest, {', '.join(known[1:])}."
            )
        values: dict[str, Any] = {}
        for name, value in said.items():
            if name == "conditioning":
                values[name] = checks.choice(name, value, ["pooled", "tokens"])
            elif name not in ("channels", "attention_levels"):
                values[name] = checks.integer(name, value)
            elif isinstance(value, list) and len(value) <= LARGEST["levels"]:
                values[name] = tuple(checks.integer(name, number) for number in value)
            else:
                raise InputError(f"{name} is {str(value)[:40]!r}; pass a short list of numbers.")
        return cls(**values)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        return (self.image_channels, self.resolution, self.resolution)


def _unet(config: NetworkConfig) -> Any:
    from diffusers import UNet2DConditionModel, UNet2DModel

    inner = config.image_channels * config.block**2
    common = {
        "sample_size": config.resolution // config.block,
        "in_channels": inner,
        "out_channels": inner,
        "layers_per_block": config.layers,
        "block_out_channels": config.channels,
        "norm_num_groups": config.groups,
        "resnet_time_scale_shift": "scale_shift",
    }
    levels = range(len(config.channels))
    if config.conditioning == "tokens":
        cross = [i in config.attention_levels or i == len(levels) - 1 for i in levels]
        return UNet2DConditionModel(
            **common,
            down_block_types=tuple("CrossAttnDownBlock2D" if c else "DownBlock2D" for c in cross),
            up_block_types=tuple("CrossAttnUpBlock2D" if c else "UpBlock2D" for c in cross[::-1]),
            cross_attention_dim=config.channels[-1],
            attention_head_dim=config.groups,
        )
    own = [i in config.attention_levels for i in levels]
    return UNet2DModel(
        **common,
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in own),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in own[::-1]),
        class_embed_type="identity",
        add_attention=bool(config.attention_levels),
        attention_head_dim=config.groups,
    )


class Denoiser(nn.Module):
    r"""v-prediction network :math:`v_\theta(x_t, t, c)` on images in [-1, 1].

    An embedding c is centred and scaled by two constants of the training captions (one vector, one
    number, so the geometry of the encoder is kept) and restricted to the linear span of these
    captions, because nothing is learnt about directions in which no two of them differ. Then it is
    projected linearly, and added to the time embedding ("pooled") or attended to ("tokens"). The
    zero vector is the null condition of classifier-free guidance: it projects to zero.

    Parameters
    ----------
    config
        Shape of the network.
    """

    center: Tensor
    scale: Tensor
    span: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = _unet(config)
        pooled = config.conditioning == "pooled"
        width = config.channels[0] * 4 if pooled else config.channels[-1]
        self.project = nn.Linear(config.embedding_dim, width)
        nn.init.zeros_(self.project.weight)  # directions that no caption uses start without effect
        nn.init.zeros_(self.project.bias)
        self.register_buffer("center", torch.zeros(config.embedding_dim))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("span", torch.eye(config.embedding_dim))

    def fit_conditions(self, conditions: Float[Tensor, "m *tokens d"]) -> None:
        """Set centre, scale and span from the training captions (unit variance on average)."""
        rows = self._known_rows(conditions)
        self.center.copy_(rows.mean(0))
        spread = (rows - self.center).square().mean().sqrt()
        if not spread > 0:
            raise InputError("conditions are all the same; give captions that differ.")
        self.scale.copy_(spread)
        self.widen_span(conditions)

    @torch.no_grad()
    def widen_span(self, conditions: Float[Tensor, "m *tokens d"]) -> None:
        """Let the network listen to the span of these captions too, unchanged for the old ones."""
        self.project.weight.copy_(self.project.weight @ self.span)
        rows = (self._known_rows(conditions) - self.center).double()
        _, values, basis = torch.linalg.svd(rows, full_matrices=False)
        basis = basis[values > 1e-6 * values.max()]
        self.span.copy_(basis.T @ basis)

    def _known_rows(self, conditions: Tensor) -> Tensor:
        rows = conditions.reshape(-1, conditions.shape[-1]).to(self.center)
        return rows[(rows != 0).any(-1)]

    def embed(self, condition: Float[Tensor, "n *tokens d"]) -> Float[Tensor, "n *tokens width"]:
        """Return the projected condition; null rows give zeros."""
        known = (condition != 0).any(-1, keepdim=True)
        return self.project((condition - self.center) / self.scale @ self.span) * known

    def forward(
        self,
        x: Float[Tensor, "n channels h w"],
        timestep: Int[Tensor, "n"] | Float[Tensor, "n"],
        condition: Float[Tensor, "n *tokens d"],
    ) -> Float[Tensor, "n channels h w"]:
        """Return the predicted v, float32, of noised images at training timesteps."""
        blocks = nn.functional.pixel_unshuffle(x, self.config.block)
        prompt = self.embed(condition)
        if self.config.conditioning == "tokens":
            v = self.unet(blocks, timestep, encoder_hidden_states=prompt).sample
        else:
            v = self.unet(blocks, timestep, class_labels=prompt).sample
        return nn.functional.pixel_shuffle(v.float(), self.config.block)

    @property
    def size(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters())


def build_denoiser(config: NetworkConfig, *, seed: int = 0) -> Denoiser:
    """Build a denoiser with initial weights that depend on the seed alone.

    Examples
    --------
    >>> config = NetworkConfig(embedding_dim=4, resolution=16, channels=(16, 16), groups=8)
    >>> build_denoiser(config).size
    79452
    """
    state = int(rng.seed_sequence(seed, "denoiser").generate_state(1)[0])
    with rng.weights_from(torch.Generator().manual_seed(state)):
        return Denoiser(config)
