"""Tables of the published audit: both ends of the list, and what assumptions are worth."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bbb_book.chapters.published_generations.count_audit import (
    GenerationAudit,
    none_counted,
    thinned,
)
from bbb_book.chapters.published_generations.published_audit import ABSENT, DRAWN
from bbb_core.balance import balance_by_prompt, plug_in_imbalance

__all__ = ["assumption_table", "extremes"]


def extremes(found: GenerationAudit | None, *, rows: int = 5) -> Any:
    """Return the prompts with the lowest and highest generated shares as a table of words."""
    if found is None:
        return _words(ABSENT)
    second = found.groups[1]
    share = {key: c[second] / c.sum(axis=1) for key, c in found.counts.items()}
    order = share["generated"].sort_values(kind="stable").index
    chosen = [*order[:rows], *order[-rows:]]
    keys = ("training", "generated", "edited")
    table = pd.DataFrame(
        {
            f"{key}, share read as {second}": [
                f"{share[key][o]:.2f} (n = {found.counts[key].loc[o].sum()})" for o in chosen
            ]
            for key in keys
        },
        index=pd.Index(chosen, name="occupation"),
    )
    return table


def assumption_table(
    found: GenerationAudit | None, *, design_effect: float, reader_error: float
) -> Any:
    """Return what happens to four findings when their assumption is dropped, as a table."""
    if found is None:
        return _words(ABSENT)
    m = len(found.balance["generated"])
    rows = []
    for key in ("generated", "edited"):
        table = found.balance[key]
        fewer = thinned(found.counts[key], design_effect).to_numpy()
        rows += [
            (
                f"one image in {design_effect:g} is independent",
                f"{key}: detectably imbalanced, of {m}",
                f"{int((table['p_holm'] <= 0.05).sum())}",
                f"{int((balance_by_prompt(fewer)['p_holm'] <= 0.05).sum())}",
            ),
            (
                f"the reader errs on {reader_error:.0%} of images",
                f"{key}: imbalanced all the same, of {m}",
                f"{int((table['low'] > 0).sum())}",
                f"{int((table['low'] > reader_error).sum())}",
            ),
        ]
        none = none_counted(found.counts[key], DRAWN).to_numpy()
        with_none = plug_in_imbalance(none, target=[0.5, 0.5, 0]).mean()
        rows.append(
            (
                "images without a reading count as none of these",
                f"{key}: mean imbalance",
                f"{table['imbalance'].mean():.3f}",
                f"{with_none:.3f}",
            )
        )
    columns = ["dropped", "quantity", "with the assumption", "without it"]
    return pd.DataFrame(rows, columns=columns).set_index("dropped")


def _words(text: str) -> Any:
    from IPython.display import Markdown

    return Markdown(text)
