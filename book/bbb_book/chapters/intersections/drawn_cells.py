"""Cells of gender and tone among generated drawings: shares, margins, joint law, who is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.intersections.formulas import images_to_vanish
from bbb_book.chapters.intersections.joint_law import Interaction, interaction_test
from bbb_book.chapters.intersections.product_balance import intersectional_balance, vanishing_cells
from bbb_book.data.emoji import OCCUPATIONS, TONES
from bbb_book.generators.studies import GROUPS
from bbb_core import rng
from bbb_core.balance import plug_in_imbalance, split_half_imbalance
from bbb_core.stats import holm, mean_interval

__all__ = [
    "DRAWS",
    "NAMES",
    "balance_table",
    "cell_counts",
    "hidden_imbalance",
    "images_needed",
    "occupation_table",
    "pooling",
    "vanishing",
    "vanishing_count",
]

NAMES: dict[str, Any] = {"rows": GROUPS, "columns": TONES}
"""Rows and columns of every table: gender as read, tone of the drawing (the first is the default
yellow, the others are the five skin tones)."""
DRAWS = 4999
"""Tables drawn for a test of independence."""


def cell_counts(drawn: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return what neutral prompts drew: counts [occupations, 2, 6], and those read as none."""
    group = np.asarray(drawn["neutral_group_codes"], dtype=np.int64)
    tone = np.asarray(drawn["neutral_tone_codes"], dtype=np.int64)
    counts = np.zeros((len(group), len(GROUPS), len(TONES)), dtype=np.int64)
    read = (group < len(GROUPS)) & (tone >= 0)
    place = np.broadcast_to(np.arange(len(group))[:, None], group.shape)
    np.add.at(counts, (place[read], group[read], tone[read]), 1)
    return counts, (~read).sum(axis=1)


def _all(drawn: Mapping[str, Any]) -> tuple[np.ndarray, int]:
    counts, none = cell_counts(drawn)
    return counts.sum(axis=0), int(none.sum())


def _test(counts: np.ndarray, *keys: str) -> Interaction:
    n = int(counts.sum())
    if n < 2:
        return Interaction(
            interaction=0.0, interaction_floor=0.0, hidden=0.0, hidden_floor=0.0, p_value=1.0,
            hidden_p_value=1.0, n=n,
        )  # fmt: skip
    return interaction_test(counts, rng=rng.generator(0, *keys), n_permutations=DRAWS)


def balance_table(generators: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return margins and joint law of each generator, occupations pooled, as text.

    The intervals of a row hold together. The last columns test independence; Holm over rows.
    """
    rows, p = [], []
    for name, drawn in generators.items():
        counts, none = _all(drawn)
        b = intersectional_balance(counts, none=none, **NAMES)
        test = _test(counts, "pooled interaction", name)
        p.append(test.p_value)
        rows.append(
            {
                "generator": name,
                "gender": _text(b.first.imbalance, *b.first.interval),
                "tone": _text(b.second.imbalance, *b.second.interval),
                "if independent": f"{b.product:.2f}",
                "joint": _text(b.joint.imbalance, *b.joint.interval),
                "interaction (chance)": f"{b.interaction:.3f} ({test.interaction_floor:.3f})",
            }
        )
    table = pd.DataFrame(rows).set_index("generator")
    table["p"] = [f"{value:.3f}" for value in holm(p)]
    return table


def _text(value: float, low: float, high: float) -> str:
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def vanishing(generators: Mapping[str, Mapping[str, Any]], *, fraction: float) -> pd.DataFrame:
    """Return the verdict on every cell of every generator, occupations pooled; all hold together.

    The column ``prompt`` holds the generator.
    """
    tables = [_all(drawn) for drawn in generators.values()]
    return vanishing_cells(
        np.stack([counts for counts, _ in tables]),
        none=[none for _, none in tables],
        prompts=list(generators),
        fraction=fraction,
        **NAMES,
    )


def vanishing_count(found: pd.DataFrame) -> dict[str, float]:
    """Return how many cells vanish, from those proved to those not disproved."""
    vanished = int((found["verdict"] == "vanishes").sum())
    open_ = int((found["verdict"] == "undecided").sum())
    return {
        "value": float(vanished),
        "low": vanished,
        "high": vanished + open_,
        "n": len(found),
    }


def images_needed(fractions: Sequence[float], *, prompts: Sequence[int]) -> pd.DataFrame:
    """Return how many images per prompt an empty cell needs before it can be called vanished."""
    cells = len(GROUPS) * len(TONES)
    rows = {
        f"{part:g} of the fair share": [
            images_to_vanish(part / cells, cells + 1, prompts=m) for m in prompts
        ]
        for part in fractions
    }
    columns = [f"{m} prompt" if m == 1 else f"{m} prompts together" for m in prompts]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def occupation_table(drawn: Mapping[str, Any], *, key: str) -> pd.DataFrame:
    """Return, per occupation, margins, joint law and the test of independence (Holm).

    Where fewer than two images could be read there is nothing to depend: no excess, p = 1.
    Columns: ``gender``, ``tone``, ``product``, ``joint`` (imbalances among the readable images),
    ``hidden``, ``floor``, ``excess``, ``p``, ``adjusted``, ``n``.
    """
    counts, _ = cell_counts(drawn)
    rows = []
    for name, table in zip(OCCUPATIONS, counts, strict=True):
        b = intersectional_balance(table, none=int(table.sum() == 0), **NAMES)
        test = _test(table, "interaction", key, name)
        rows.append(
            {
                "gender": b.first.imbalance,
                "tone": b.second.imbalance,
                "product": b.product,
                "joint": b.joint.imbalance,
                "hidden": test.hidden,
                "floor": test.hidden_floor,
                "excess": test.excess,
                "p": test.p_value,
                "n": test.n,
            }
        )
    made = pd.DataFrame(rows, index=pd.Index(OCCUPATIONS, name="occupation"))
    made["adjusted"] = holm(made["p"])
    return made


def hidden_imbalance(table: pd.DataFrame) -> dict[str, float]:
    """Return the mean hidden imbalance over occupations, what sampling shows taken off."""
    made = mean_interval(table["excess"].to_numpy())
    return {"value": made.value, "low": made.low, "high": made.high, "n": len(table)}


def pooling(drawn: Mapping[str, Any]) -> dict[str, float]:
    """Return the imbalance of gender, pooled over occupations and as a mean within them.

    ``within_low`` and ``within`` bracket the mean: the first errs downwards, the second upwards.
    Zero where nothing can be read.
    """
    counts, _ = cell_counts(drawn)
    genders = counts.sum(axis=2)
    genders = genders[genders.sum(axis=1) >= 2]
    if len(genders) == 0:
        return {"pooled": 0.0, "within": 0.0, "within_low": 0.0}
    return {
        "pooled": float(plug_in_imbalance(genders.sum(axis=0)[None])[0]),
        "within": float(plug_in_imbalance(genders).mean()),
        "within_low": float(split_half_imbalance(genders).mean()),
    }
