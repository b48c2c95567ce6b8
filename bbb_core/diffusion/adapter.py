"""Adapter: the certificate and the samplers on any diffusers pipeline with prompt embeddings.

Serves section T0 for auditors with a generator of their own.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core import checks
from bbb_core.diffusion.sampling import SchedulerProcess
from bbb_core.errors import InputError

__all__ = ["PipelineProcess"]

LARGEST_SIDE = 1024
"""Of latents; eight thousand pixels after a usual decoder."""


def _latents(config: Any) -> tuple[int, int, int]:
    """Return the shape of one latent that a U-Net denoises."""
    side, channels = config.sample_size, config.in_channels
    sides = (side, side) if isinstance(side, int) else side
    if not isinstance(sides, (list, tuple)) or len(sides) != 2:
        raise InputError(f"pipeline.unet has sample_size {side!r}; set it to one or two numbers.")
    if config.out_channels != channels:
        raise InputError(
            f"pipeline.unet maps {channels} channels to {config.out_channels}: it also expects a "
            "picture or predicts a variance; pass a text-to-image U-Net."
        )
    height, width = (checks.integer("sample_size", n, low=1, high=LARGEST_SIDE) for n in sides)
    return channels, height, width


class PipelineProcess(SchedulerProcess):
    """A diffusers pipeline (U-Net, scheduler, perhaps a VAE) as a reverse process in its latents.

    Means and noise are those of the pipeline's own scheduler (`SchedulerProcess`); one that adds
    no noise is refused, and `bbb_core.diffusion.scheduler.exchange` gives another one. The VAE's
    decoder is a common last map: it does not depend on the prompt, so a bound on the law of the
    latents holds for the images.

    Parameters
    ----------
    pipeline
        Has `unet`, called as ``unet(latents, t, encoder_hidden_states=embeddings).sample``, and a
        `scheduler` that is reproduced (`gaussian_steps`); `vae` is used by `decode` alone.
    null
        Embedding of the empty prompt, [tokens, d], for guidance and `finish`.
    added
        Further keyword arguments of the U-Net, the same for every prompt.
    options
        Those of `SchedulerProcess`: steps, guidance, variance, eta, batch.

    Raises
    ------
    InputError
        When the pipeline lacks a part, its U-Net does not map latents to latents, or its scheduler
        is not reproduced.

    Examples
    --------
    ``PipelineProcess(pipeline, null=pipeline.encode_prompt("", ...)[0][0])``, then
    ``path_kl(process, embedding, other, n=64, seed=0)``.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        null: Float[Tensor, "tokens d"],
        added: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        for part in ("unet", "scheduler"):
            if getattr(pipeline, part, None) is None:
                raise InputError(f"pipeline has no {part}; pass one with a U-Net and a scheduler.")
        self.unet, self.vae = pipeline.unet.eval(), getattr(pipeline, "vae", None)
        self._null, self._added = null, added or {}
        super().__init__(
            pipeline.scheduler,
            image_shape=_latents(self.unet.config),
            device=next(self.unet.parameters()).device,
            **options,
        )

    def network_output(self, x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """Return the U-Net's prediction, computed in its own precision."""
        dtype = next(self.unet.parameters()).dtype
        out = self.unet(
            x.to(dtype), timestep, encoder_hidden_states=condition.to(dtype), **self._added
        )
        return out.sample.float()

    def null(self) -> Tensor:
        """Return the embedding of the empty prompt."""
        return self._null

    @torch.no_grad()
    def decode(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 height width"]:
        """Return images in [0, 1] from latents, by the VAE where there is one."""
        if self.vae is None:
            return super().decode(x)
        dtype, scale = next(self.vae.parameters()).dtype, self.vae.config.scaling_factor
        parts = [self.vae.decode((one / scale).to(dtype)).sample for one in x.split(self.batch)]
        return super().decode(torch.cat(parts).float())
