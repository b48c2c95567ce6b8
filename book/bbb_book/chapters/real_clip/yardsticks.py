"""Text encoders as a yardstick for the picture gaps of the chapter on real CLIP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bbb_core.embedding.crossed import measure_gaps
from bbb_core.embedding.load import load_encoder
from bbb_core.prompts import BARE_TEMPLATE, GENDER_NOUN_PAIRS, GENDER_PAIRS
from bbb_core.stats.correlations import correlation

__all__ = ["encoder_gaps", "encoder_orders"]


def encoder_gaps(
    specs: Sequence[str], occupations: Sequence[str], *, template: str
) -> pd.DataFrame:
    """Return the mean gap of each occupation, women minus men, in text encoders.

    Sentence encoders read `template` with every pair of `GENDER_PAIRS` before the occupation, word
    encoders the bare words with `GENDER_NOUN_PAIRS` alone, as in the chapter on embeddings.

    Parameters
    ----------
    specs
        See `load_encoder`.

    Returns
    -------
    pandas.DataFrame
        Index ``occupation``, one column per encoder.

    Examples
    --------
    >>> encoder_gaps(["glove"], ["nurse", "engineer"], template="A {}.").round(2)["glove"].tolist()
    [0.11, -0.09]
    """
    found = {}
    for spec in specs:
        encoder = load_encoder(spec)
        word = encoder.level == "word"
        found[spec] = measure_gaps(
            encoder, list(occupations), templates=[BARE_TEMPLATE if word else template],
            pairs=GENDER_NOUN_PAIRS if word else GENDER_PAIRS, place="alone" if word else "before",
        ).mean  # fmt: skip
    return pd.DataFrame(found, index=pd.Index(list(occupations), name="occupation"))


def encoder_orders(
    gap: pd.Series, encoders: pd.DataFrame, *, confidence: float = 0.95
) -> pd.DataFrame:
    """Return Spearman's correlation of `gap` with each column: value, low, high, n."""
    rows = {}
    for name in encoders:
        r = correlation(
            np.asarray(gap), encoders.loc[gap.index, name], method="spearman", confidence=confidence
        )  # fmt: skip
        rows[name] = {"value": r.value, "low": r.low, "high": r.high, "n": len(gap)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("encoder")
