"""Training with a contrastive loss: the loop of small CLIPs and of image towers (D4, D5, T5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core.progress import bar

__all__ = ["train_contrastively"]

LARGEST_SCALE = 4.6052
"""Logarithm of the largest factor on cosines: 100, as in the original CLIP."""


def train_contrastively(
    network: torch.nn.Module,
    scale: torch.nn.Parameter,
    next_loss: Callable[[], Tensor],
    optimiser: torch.optim.Optimizer,
    schedule: Any,
    *,
    steps: int,
    name: str,
) -> Float[Tensor, " steps"]:
    """Train a network in place, with clipped gradients and a bounded scale of its cosines.

    Parameters
    ----------
    network : torch.nn.Module
        Ends in evaluation mode, with fixed weights.
    scale : torch.nn.Parameter
        Logarithm of the factor on cosines; in the network or beside it.
    next_loss : callable
        Returns the loss of the next batch.
    optimiser, schedule
        Their steps follow one another.
    steps : int
        Batches.
    name : str
        What the progress bar says.

    Returns
    -------
    torch.Tensor, shape [steps]
        The losses.
    """
    losses = torch.zeros(steps)
    network.train()
    for step in bar(range(steps), total=steps, desc=name):
        loss = next_loss()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            scale.clamp_(0, LARGEST_SCALE)
        losses[step] = loss.detach()
    network.eval().requires_grad_(False)
    return losses
