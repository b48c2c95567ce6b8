"""Tables of the chapter *Bias in embeddings*: several encoders side by side."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import pandas as pd

from bbb_book.chapters.embedding_bias.survey import Survey, labour_correlation
from bbb_core.stats import Estimate, correlation

__all__ = ["agreement_table", "agreements", "overview", "pair_correlations"]


def overview(surveys: Mapping[str, Survey], *, confidence: float) -> pd.DataFrame:
    """Return one column per encoder, as text."""
    rows = []
    for name, found in surveys.items():
        summary = found.summary(confidence=confidence)
        r = labour_correlation(found.occupations, confidence=confidence)
        level = 1 - confidence
        fewest, most = found.leaving_one_out(confidence=confidence)
        rows.append(
            {
                "encoder": name,
                "wordings": found.occupations.values[0].size,
                "mean gap": f"{summary['gap'].mean():+.3f}",
                "baseline": f"{found.people.mean.mean():+.3f}",
                "beyond it (Holm)": f"{(summary['p_holm'] < level).sum()} of {len(summary)}",
                "one wording left out": f"{fewest} to {most}",
                "beyond it (BH)": f"{(summary['p_bh'] < level).sum()} of {len(summary)}",
                "correlation with labour shares": f"{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]",
            }
        )
    return pd.DataFrame(rows).set_index("encoder").T


def pair_correlations(surveys: Mapping[str, Survey], *, confidence: float) -> pd.DataFrame:
    """Return the labour correlation of every encoder and word pair alone.

    Columns: ``encoder``, ``pair``, ``value``, ``low``, ``high``.
    """
    rows = []
    for name, found in surveys.items():
        for pair in found.occupations.pairs:
            r = labour_correlation(found.occupations.only(pairs=[pair]), confidence=confidence)
            rows.append(
                {"encoder": name, "pair": pair, "value": r.value, "low": r.low, "high": r.high}
            )
    return pd.DataFrame(rows)


def agreements(
    surveys: Mapping[str, Survey], *, confidence: float
) -> dict[tuple[str, str], Estimate]:
    """Return the rank correlation of the mean gaps of every two encoders, by their names."""
    means = {name: found.occupations.mean for name, found in surveys.items()}
    return {
        (one, other): correlation(
            means[one], means[other], method="spearman", confidence=confidence
        )
        for one, other in combinations(means, 2)
    }


def agreement_table(surveys: Mapping[str, Survey], *, confidence: float) -> pd.DataFrame:
    """Return the rank correlation of every pair of encoders, as text."""
    found = agreements(surveys, confidence=confidence)
    rows = [
        {"encoders": f"{one} and {other}", "Spearman": f"{r.value:.2f}",
         "interval": f"[{r.low:.2f}, {r.high:.2f}]"}
        for (one, other), r in found.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["encoders", "Spearman", "interval"]).set_index("encoders")
