"""Tables of the chapter "Does it generalise?"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from scipy import stats

from bbb_book.chapters.generalisation.chain import ChainSettings
from bbb_book.chapters.generalisation.chain_summary import (
    LEVELS,
    STAGES,
    Encoder,
    joint_mean,
    stage_effects,
)
from bbb_book.data.emoji import OCCUPATIONS

__all__ = ["embeddings_table", "generators_table", "settings_table", "stays_and_flips"]


def settings_table(settings: ChainSettings, encoders: Sequence[Encoder]) -> pd.DataFrame:
    """Return the sizes of a chain as text, with the seconds that the chains took."""
    rows = {name.replace("_", " "): str(value) for name, value in asdict(settings).items()}
    chains = [chain for encoder in encoders for chain in encoder.chains]
    seconds = np.sum([chain.values["seconds"] for chain in chains], axis=0)
    names = ("scorers", "generators", "images", "scores")
    for name, value in zip(names, seconds, strict=True):
        rows[f"seconds for all {name}"] = f"{value:.0f}"
    return pd.DataFrame({"value": rows}).rename_axis("setting")


def generators_table(encoders: Sequence[Encoder]) -> pd.DataFrame:
    """Return what each chain's generator and scorer can do, and what they cost."""
    rows = []
    for encoder in encoders:
        for chain in encoder.chains:
            hits, n = chain.named
            asked = np.arange(len(OCCUPATIONS))[:, None, None]
            scores = np.asarray(chain.values["scores"])[..., 1:].mean(-1)
            best = scores.argmax(-1) == asked
            none = chain.counts("neutral")[:, 2].sum() / chain.counts("neutral").sum()
            rows.append(
                {
                    "encoder": encoder.spec,
                    "seed": chain.seed,
                    "group": f"{hits / n:.3f}",
                    "occupation": f"{(chain.values['read_occupation'] == asked).mean():.3f}",
                    "neutral read": f"{1 - none:.3f}",
                    "neutral right": f"{chain.values['right_neutral']:.3f}",
                    "scorer": f"{best.mean():.2f}",
                }
            )
    return pd.DataFrame(rows).set_index(["encoder", "seed"])


def embeddings_table(encoders: Sequence[Encoder]) -> pd.DataFrame:
    """Return levels by encoder as text: leans of prompts and images, imbalance, score gaps."""
    rows = []
    for encoder in encoders:
        row = {"encoder": encoder.spec, "kind": encoder.family}
        for name, measure in LEVELS.items():
            value, low, high = joint_mean(encoder.mean(*measure), 1, 0.95)
            row[name] = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
        rows.append(row)
    return pd.DataFrame(rows).set_index("encoder")


def stays_and_flips(encoders: Sequence[Encoder], *, confidence: float = 0.95) -> pd.DataFrame:
    """Return, per stage, mean correlation, heterogeneity, and how many encoders have which sign.

    A sign counts when the encoder's own interval, corrected for their number, excludes zero.
    """
    rows = []
    for stage in STAGES:
        effects, errors, found = stage_effects(encoders, stage, confidence=confidence)
        half = stats.norm.isf((1 - confidence) / 2 / len(effects)) * errors
        mean, low, high = np.tanh([found.mean, found.low, found.high])
        new_low, new_high = np.tanh([found.prediction_low, found.prediction_high])
        up, down = int((effects - half > 0).sum()), int((effects + half < 0).sum())
        rows.append(
            {
                "stage": stage,
                "mean": f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]",
                "a new encoder": f"[{new_low:+.2f}, {new_high:+.2f}]",
                "I squared": f"{found.i_squared:.2f} "
                f"[{found.i_squared_low:.2f}, {found.i_squared_high:.2f}]",
                "surely +": up,
                "surely -": down,
                "open": len(effects) - up - down,
            }
        )
    return pd.DataFrame(rows).set_index("stage")
