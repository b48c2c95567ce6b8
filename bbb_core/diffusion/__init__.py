"""Diffusion: exact oracle, reverse processes, ancestral sampling and the certificate."""

from __future__ import annotations

from bbb_core.diffusion.network import Denoiser, NetworkConfig
from bbb_core.diffusion.oracle import GaussianMixtureOracle, two_group_oracle
from bbb_core.diffusion.path_kl import PathKL, path_kl, path_kl_both
from bbb_core.diffusion.path_tv import Certificate, certificate
from bbb_core.diffusion.process import (
    Generators,
    ReverseProcess,
    SampleStreams,
    draw_normal,
    reverse_states,
    sample,
)
from bbb_core.diffusion.schedule import Schedule, Variance
from bbb_core.diffusion.training import TrainingConfig, TrainingSet, train
from bbb_core.diffusion.weights import AffineWeights

__all__ = [
    "AffineWeights",
    "Certificate",
    "Denoiser",
    "GaussianMixtureOracle",
    "Generators",
    "NetworkConfig",
    "PathKL",
    "ReverseProcess",
    "SampleStreams",
    "Schedule",
    "TrainingConfig",
    "TrainingSet",
    "Variance",
    "certificate",
    "draw_normal",
    "path_kl",
    "path_kl_both",
    "reverse_states",
    "sample",
    "train",
    "two_group_oracle",
]
