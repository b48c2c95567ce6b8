"""Network and training of the emoji generator, as tables that let it be built again."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from bbb_book.generators.people import describe_training
from bbb_book.generators.studies import Study, drawings, prompt_embeddings, study_artefact
from bbb_book.results.artefacts import Artefact
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.diffusion.training import TrainingConfig, noise_scheduler

__all__ = ["architecture", "training", "training_table"]


def training(study: Study) -> Artefact:
    """Return losses and seconds of a study's training, without its weights."""
    return study_artefact("people-training", describe_training, study=study, tuning=None)


def architecture(study: Study) -> pd.DataFrame:
    """Return the architecture table: every number needed to build the network again."""
    dim = prompt_embeddings(study.encoder, study.template).shape[-1]
    network = NetworkConfig(
        embedding_dim=dim, resolution=study.size, channels=study.channels, layers=study.layers
    )
    model = build_denoiser(network)
    inner = (network.image_channels * network.block**2, *(network.resolution // network.block,) * 2)
    rows = {
        "network": type(model.unet).__name__ + " (diffusers)",
        "parameters": f"{model.size:,}",
        **{k.replace("_", " "): str(v) for k, v in asdict(network).items()},
        "input of the U-Net": "x".join(str(n) for n in inner),
        "prediction": "v",
        "normalisation": "group norm, scale and shift from time and prompt",
    }
    return pd.DataFrame({"value": rows.values()}, index=pd.Index(rows, name="network"))


def training_table(study: Study, *, reverse_steps: int) -> pd.DataFrame:
    """Return the training table: data, objective, optimiser, sampler."""
    c = TrainingConfig(
        steps=study.steps, batch=study.batch, learning_rate=study.learning_rate, seed=study.seed
    )
    scheduler = noise_scheduler(c.train_timesteps)
    kept = len(drawings(study.size)) - len(study.held_out)
    rows = {
        "drawings": f"{kept} of {study.size} x {study.size} pixels",
        "augmentation": "move 4 %, size 6 %, turn 3 degrees, uniform",
        "captions": study.template.format("a (fe)male OCCUPATION"),
        "text encoder": study.encoder,
        "noise schedule": f"{scheduler.config.beta_schedule}, {c.train_timesteps} levels",
        "objective": "mean squared error of v, stratified noise levels",
        "optimiser": f"AdamW, decay {c.weight_decay:g}, gradient norm at most 1",
        "learning rate": f"{c.learning_rate:g}, warm-up {c.warmup} steps, cosine to 0",
        "steps x batch": f"{c.steps} x {c.batch}",
        "average of weights": f"exponential, {c.ema:g}",
        "condition dropout, noise": f"{c.condition_dropout:g}, {c.condition_noise:g}",
        "arithmetic": f"{c.precision} (weights in float32)",
        "sampler": f"ancestral, {reverse_steps} steps, noise in every step",
        "last map": "denoising under the null condition",
        "seed": str(c.seed),
    }
    return pd.DataFrame({"value": rows.values()}, index=pd.Index(rows, name="training"))
