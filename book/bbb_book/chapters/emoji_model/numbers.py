"""Numbers and tables of the chapter on a diffusion model of emoji people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from bbb_book.data import emoji
from bbb_book.generators.people import describe_training, measure_model, reader
from bbb_book.generators.studies import GROUPS, Study, drawings, prompt_embeddings, study_artefact
from bbb_book.results.artefacts import Artefact
from bbb_book.results.claims import show_number
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.diffusion.paths import path_kl
from bbb_core.diffusion.sampling import DenoiserProcess
from bbb_core.diffusion.training import TrainingConfig, noise_scheduler
from bbb_core.errors import InputError
from bbb_core.stats import binomial_interval, mean_interval

__all__ = [
    "architecture",
    "draw",
    "group_distances",
    "held_out_ratio",
    "held_out_table",
    "near_training",
    "person_nearer_to_man",
    "person_ratios",
    "refusal",
    "right_occupation",
    "separation",
    "show_group_settings",
    "training",
    "training_table",
    "worst_prompt",
]


def training(study: Study) -> Artefact:
    """Return losses, seconds and size of a study's training, without its weights."""
    return study_artefact("people-training", describe_training, study=study, tuning=None)


def draw(
    study: Study,
    *,
    n_neutral: int,
    n_group: int,
    n_paths: int,
    reverse_steps: int,
    reader_steps: int,
    shown: int,
    seed: int,
) -> Artefact:
    """Return what a study's generator draws for every neutral and group prompt."""
    return study_artefact(
        "people-draw",
        measure_model,
        study=study,
        tuning=None,
        at=None,
        snapshots=[],
        n_neutral=n_neutral,
        n_group=n_group,
        n_paths=n_paths,
        reverse_steps=reverse_steps,
        guidance=1.0,
        reader_steps=reader_steps,
        shown=shown,
        seed=seed,
    )


def _exact(successes: int, n: int, *, confidence: float = 0.95) -> dict[str, float]:
    low, high = binomial_interval(successes, n, confidence=confidence)
    return {"value": successes / n, "low": float(low), "high": float(high), "n": n}


def separation(drawn: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of group-prompt images read as the named group, with its exact interval."""
    counts = np.asarray(drawn["group"])
    right = sum(int(counts[:, g, g].sum()) for g in range(len(GROUPS)))
    return _exact(right, int(counts.sum()))


def worst_prompt(drawn: Mapping[str, Any]) -> dict[str, float]:
    """Return the lowest share among the group prompts; the interval holds for all together."""
    counts = np.asarray(drawn["group"])
    right = np.stack([counts[:, g, g] for g in range(len(GROUPS))], 1)
    n = int(counts[0, 0].sum())
    return _exact(int(right.min()), n, confidence=1 - 0.05 / right.size)


def show_group_settings(n_group: int) -> None:
    """Glue how many images a group prompt has, and what its lower limit can be at best."""
    looks = len(emoji.OCCUPATIONS) * len(GROUPS)
    show_number("n-group-text", n_group, digits=0)
    best = _exact(n_group, n_group, confidence=1 - 0.05 / looks)
    show_number("worst-possible", best["low"], digits=2)


def right_occupation(drawn: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of group-prompt images that show the prompted occupation."""
    n = int(np.asarray(drawn["group"]).sum())
    return _exact(int(np.asarray(drawn["occupation"]).sum()), n)


def group_distances(drawn: Mapping[str, Any]) -> np.ndarray:
    """Return the distances of group-prompt images to the nearest drawing."""
    counts = np.asarray(drawn["group"])
    return np.asarray(drawn["distance"])[:, -int(counts[0].sum()) :]


def near_training(drawn: Mapping[str, Any], *, size: int) -> dict[str, float]:
    """Return the share of group-prompt images within the reader's limit of a training drawing."""
    far = group_distances(drawn)
    return _exact(int((far <= reader(size).limit).sum()), far.size)


def held_out_ratio(drawn: Mapping[str, Any], study: Study) -> dict[str, float]:
    r"""Return how often held-out tones are drawn, relative to the shown tones of the same prompt.

    1 means as often, 0 never. It is :math:`(k - 1)\, p / (1 - p)` for the share p of held-out
    tones among the k tones; the interval of p holds for these cells (exact) and for cells like
    them (`mean_interval`).
    """
    tones = np.asarray(drawn["named_tone_codes"])
    counts = []
    for cell in study.held_out:
        occupation, group, tone = cell.split("|")
        own = tones[emoji.OCCUPATIONS.index(occupation), GROUPS.index(group)]
        counts.append([(own == emoji.TONES.index(tone)).sum(), (own >= 0).sum()])
    hidden, read = np.array(counts).T
    read = read.clip(min=1)  # where nothing is read, one image that is not the tone
    exact, like = _exact(int(hidden.sum()), int(read.sum())), mean_interval(hidden / read)
    ends = np.array([exact["value"], min(exact["low"], like.low), max(exact["high"], like.high)])
    ends = ends.clip(0, 1 - 1e-9)
    ratio = (len(emoji.TONES) - 1) * ends / (1 - ends)
    return {**dict(zip(("value", "low", "high"), ratio.tolist(), strict=True)), "n": len(counts)}


def held_out_table(drawn: Mapping[str, Any], study: Study) -> pd.DataFrame:
    """Return, per held-out combination, how many images of its prompt were read as it."""
    codes = np.asarray(drawn["named_tone_codes"])
    rows = {}
    for cell in study.held_out:
        occupation, group, tone = cell.split("|")
        own = codes[emoji.OCCUPATIONS.index(occupation), GROUPS.index(group)]
        count = int((own == emoji.TONES.index(tone)).sum())
        rows[f"{group} {occupation}, {tone}"] = {
            "drawn": f"{count} of {int((own >= 0).sum())}",
            "if as often as the others": f"{(own >= 0).sum() / len(emoji.TONES):.1f}",
        }
    return pd.DataFrame(rows).T.rename_axis("never shown in training")


def person_ratios(size: int) -> pd.DataFrame:
    """Return per occupation the mean distance of the drawn person to the man and to the woman."""
    people = emoji.load_emoji_people(size=size)
    flat = people.images.reshape(len(emoji.OCCUPATIONS), 3, len(emoji.TONES), -1)
    person, man, woman = flat.unbind(1)
    rms = [(person - other).square().mean(-1).sqrt().mean(-1) for other in (man, woman)]
    return pd.DataFrame(
        {"man": rms[0].numpy(), "woman": rms[1].numpy()}, index=list(emoji.OCCUPATIONS)
    )


def person_nearer_to_man(size: int) -> dict[str, float]:
    """Return the share of occupations whose drawn person is nearer to the man."""
    table = person_ratios(size)
    return _exact(int((table["man"] < table["woman"]).sum()), len(table))


def architecture(study: Study) -> pd.DataFrame:
    """Return the architecture table: every number needed to build the network again."""
    dim = prompt_embeddings(study.encoder, study.template).shape[-1]
    network = NetworkConfig(
        embedding_dim=dim, resolution=study.size, channels=study.channels, layers=study.layers
    )
    rows = build_denoiser(network).architecture()
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


def refusal() -> str:
    """Return what the certificate says to a sampler without noise in its last step."""
    network = NetworkConfig(embedding_dim=4, resolution=8, channels=(8,), groups=4)
    process = DenoiserProcess(build_denoiser(network), steps=4, variance="scheduler")
    try:
        path_kl(process, torch.zeros(4), torch.ones(4), n=20, seed=0)
    except InputError as refused:
        return str(refused)
    raise AssertionError("the certificate accepted a sampler that adds no noise at the end")
