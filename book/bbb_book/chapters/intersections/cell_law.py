"""Which cells a prompt draws, foretold by the law of inheritance for four groups, and by rivals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.intersections.group_calibration import calibrate_groups
from bbb_book.chapters.intersections.group_law import inherited_shares
from bbb_book.chapters.intersections.shaded_people import CELLS, KINDS
from bbb_core.diffusion import calibrate
from bbb_core.diffusion.calibration import FEWEST
from bbb_core.stats import mean_interval

__all__ = ["LAWS", "better_than", "distances", "drawn_counts", "foretold", "law_table", "pooled"]

LAWS = ("one law of four cells", "product of two laws", "equal shares")
NAMED = {"neither": slice(0, 1), "a gender": slice(1, 3), "a shade": slice(3, 5)}
"""What prompts name, and where they stand in `KINDS`."""


def drawn_counts(made: Mapping[str, Any]) -> np.ndarray:
    """Return the counts of the four cells under the prompts of `KINDS`, [20, 5, 4]."""
    counts = np.concatenate([np.asarray(made["unnamed"])[:, None], np.asarray(made["half"])], 1)
    return counts[..., : len(CELLS)]


def foretold(made: Mapping[str, Any]) -> np.ndarray:
    """Return the shares of the four cells that each of `LAWS` foretells, [3, 20, 5, 4].

    Both laws are fitted to the pictures of mixtures, which name every attribute. Without enough
    pictures there is no law, and equal shares stand in.
    """
    n, mixtures = len(CELLS), np.asarray(made["mixtures"])
    counts = np.asarray(made["sweep"])[..., :n].reshape(-1, n)
    coordinates, positions = np.asarray(made["coordinates"]), np.asarray(made["positions"])
    equal = np.full((*coordinates[:, n:].shape[:2], n), 1 / n)
    if counts.sum() < FEWEST:
        return np.stack([equal] * len(LAWS))
    swept = np.einsum("wj,ojk->owk", mixtures, coordinates[:, :n]).reshape(-1, n)
    joint = inherited_shares(coordinates[:, n:], calibrate_groups(swept, counts))
    swept = np.einsum("wj,ojk->owk", mixtures, positions[:, :n]).reshape(-1, 2)
    table = counts.reshape(-1, 2, 2)  # gender, shade
    second = [calibrate(swept[:, i], table.sum(2 - i)).share(positions[:, n:, i]) for i in range(2)]
    gender, shade = (np.stack([1 - share, share], -1) for share in second)
    product = (gender[..., :, None] * shade[..., None, :]).reshape(equal.shape)
    return np.stack([joint, product, equal])


def distances(made: Mapping[str, Any]) -> np.ndarray:
    """Return the total variation between shares foretold and drawn, [3, 20, 5], by `LAWS`.

    Among the pictures that can be read. Where none can, no law is better than another: zero.
    """
    counts = drawn_counts(made)
    read = counts.sum(-1, keepdims=True)
    gaps = np.abs(foretold(made) - counts / np.maximum(read, 1)).sum(-1) / 2
    return np.where(read[..., 0] > 0, gaps, 0.0)


def better_than(generators: Mapping[str, Mapping[str, Any]], rival: int) -> dict[str, float]:
    """Return the distance of the law minus that of a rival, prompts that name neither.

    Mean over generators, then over occupations, with an interval over occupations.
    """
    gaps = np.stack([distances(made)[:, :, 0] for made in generators.values()])
    found = mean_interval((gaps[:, 0] - gaps[:, rival]).mean(0))
    return {"value": found.value, "low": found.low, "high": found.high, "n": gaps.shape[-1]}


def pooled(made: Mapping[str, Any]) -> pd.DataFrame:
    """Return drawn and foretold shares, a mean over occupations with a picture that can be read.

    Columns: ``prompt``, ``cell``, ``drawn`` and each of `LAWS`.
    """
    counts, laws = drawn_counts(made), foretold(made)
    rows = []
    for k, names in enumerate(KINDS):
        seen = counts[:, k].sum(-1) > 0
        shares = counts[seen, k] / counts[seen, k].sum(-1, keepdims=True)
        drawn = shares.mean(0) if seen.any() else np.full(len(CELLS), 1 / len(CELLS))
        own = laws[:, seen, k].mean(1) if seen.any() else laws[:, :, k].mean(1)
        for c, cell in enumerate(CELLS):
            row = {"prompt": " ".join(filter(None, names)) or "neither", "cell": " ".join(cell)}
            rows.append(row | {"drawn": drawn[c]} | dict(zip(LAWS, own[:, c], strict=True)))
    return pd.DataFrame(rows)


def law_table(generators: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return mean distances between foretold and drawn shares: occupations one by one, and pooled.

    The last column is the share of pictures that show none of the four cells.
    """
    rows = []
    for name, made in generators.items():
        gaps, level, counts = distances(made), pooled(made), drawn_counts(made)
        everything = np.concatenate([np.asarray(made["unnamed"])[:, None], made["half"]], 1)
        for label, kinds in NAMED.items():
            prompts = list(dict.fromkeys(level["prompt"]))[kinds]
            part = level[level["prompt"].isin(prompts)]
            row = {"generator": name, "prompt names": label}
            for i, law in enumerate(LAWS):
                whole = float((part[law] - part["drawn"]).abs().sum() / 2 / len(prompts))
                row[law] = f"{gaps[i, :, kinds].mean():.2f} ({whole:.2f})"
            none = 1 - counts[:, kinds].sum() / everything[:, kinds].sum()
            rows.append(row | {"no cell": f"{none:.2f}"})
    return pd.DataFrame(rows).set_index(["generator", "prompt names"])
