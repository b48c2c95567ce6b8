"""Diffusion: reverse processes, the certified sampler, path KL and the certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bbb_core.lazy import attach

if TYPE_CHECKING:
    from bbb_core.diffusion.adapter import PipelineProcess as PipelineProcess
    from bbb_core.diffusion.calibration import calibrate as calibrate
    from bbb_core.diffusion.model_audit import audit_model as audit_model
    from bbb_core.diffusion.network import NetworkConfig as NetworkConfig
    from bbb_core.diffusion.oracle import GaussianMixtureOracle as GaussianMixtureOracle
    from bbb_core.diffusion.oracle import two_group_oracle as two_group_oracle
    from bbb_core.diffusion.path_tv import certificate as certificate
    from bbb_core.diffusion.paths import path_kl as path_kl
    from bbb_core.diffusion.process import ReverseProcess as ReverseProcess
    from bbb_core.diffusion.process import sample as sample
    from bbb_core.diffusion.sampling import DenoiserProcess as DenoiserProcess
    from bbb_core.diffusion.sampling import generate as generate
    from bbb_core.diffusion.schedule import Schedule as Schedule
    from bbb_core.diffusion.sweep_audit import audit_sweep as audit_sweep
    from bbb_core.diffusion.training import TrainingConfig as TrainingConfig
    from bbb_core.diffusion.training import TrainingSet as TrainingSet
    from bbb_core.diffusion.training import train as train
    from bbb_core.diffusion.weights import AffineWeights as AffineWeights

_HOME = {
    "AffineWeights": "weights",
    "DenoiserProcess": "sampling",
    "GaussianMixtureOracle": "oracle",
    "NetworkConfig": "network",
    "PipelineProcess": "adapter",
    "ReverseProcess": "process",
    "Schedule": "schedule",
    "TrainingConfig": "training",
    "TrainingSet": "training",
    "audit_model": "model_audit",
    "audit_sweep": "sweep_audit",
    "calibrate": "calibration",
    "certificate": "path_tv",
    "generate": "sampling",
    "path_kl": "paths",
    "sample": "process",
    "train": "training",
    "two_group_oracle": "oracle",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = attach(__name__, _HOME)
