"""The chain of one text encoder: positions of the occupations, and what goes with them.

`measure_chain` is an artefact function: published counts and an encoder in, estimates out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bbb_book.chapters.published_generations.chain_model import ChainData, chain_estimates
from bbb_book.data.labour_names import labour_matches
from bbb_core import checks
from bbb_core.embedding.crossed import GapTable, measure_gaps
from bbb_core.embedding.encoder import Encoder
from bbb_core.errors import InputError
from bbb_core.prompts import BARE_TEMPLATE
from bbb_core.rng import generator
from bbb_core.stats import Estimate, correlation

__all__ = ["GENDERED", "measure_chain", "wording_error"]

GENDERED = ("host", "hostess", "maid", "waiter", "waitress")
"""Names that say a gender, or have a form that does: their prompts are not neutral."""


def wording_error(values: np.ndarray) -> np.ndarray:
    r"""Return the variance of each mean over wordings, ``values[o, template, pair]`` -> ``[o]``.

    What a wording does to all occupations alike is taken out first. With variances :math:`s_T^2` of
    an occupation's template means and :math:`s_W^2` of its pair means it is
    :math:`s_T^2/T + s_W^2/W`, averaged over occupations: with so few wordings the single values
    are too noisy.
    """
    centred = values - values.mean(0)
    variance = 0.0
    for other in (1, 2):
        margins = centred.mean(other)
        if margins.shape[1] > 1:
            variance += float((margins.var(1, ddof=1) / margins.shape[1]).mean())
    return np.full(len(values), variance)


def measure_chain(
    generated: pd.DataFrame,
    training: pd.DataFrame,
    encoder: Encoder,
    templates: Sequence[str],
    pairs: Sequence[str],
    noun_pairs: Sequence[str],
    minimum: int,
    confidence: float,
    n_resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Set positions in an encoder beside drawn, training and labour shares (artefact function).

    Parameters
    ----------
    generated, training
        Counts per occupation (index) with the columns ``man`` and ``woman``.
    encoder
        Sentence encoders read `templates` crossed with `pairs`, "female/male"; word encoders the
        bare name and `noun_pairs` alone; names without a vector are left out.
    minimum
        Occupations with fewer training faces are left out of every estimate, as are `GENDERED`.
    confidence, n_resamples, seed
        Of all intervals, of the bootstrap over occupations, and its stream.

    Returns
    -------
    dict
        ``occupations``: table of derived estimates; ``chain``: `chain_model.QUANTITIES`, each
        [value, low, high]; ``ranks``: Spearman correlations, the same; ``wordings``: correlation
        with what is drawn by template and pair; ``facts``: numbers and words.
    """
    counts = {k: t[["man", "woman"]].to_numpy() for k, t in (("d", generated), ("t", training))}
    if list(generated.index) != list(training.index):
        raise InputError("training and generated name different occupations; pair them.")
    names = [str(name) for name in generated.index]
    level = checks.confidence_level(confidence)
    unknown = np.array([not _knows(encoder, name) for name in names])
    known = [name for name, off in zip(names, unknown, strict=True) if not off]
    gaps = _gaps(encoder, known, templates, pairs, noun_pairs)
    towards = 1 - gaps.positions  # pairs name women first: 0 at the prompt for men, 1 for women
    values, cosines = (_spread_out(x, unknown) for x in (towards, gaps.values))
    position, error = values.mean((1, 2)), np.where(unknown, np.nan, 0.0)
    error[~unknown] = wording_error(values[~unknown])
    few = counts["t"].sum(1) < checks.integer("minimum", minimum, low=2)
    gendered = np.isin([name.casefold() for name in names], GENDERED)
    used = ~few & ~gendered & ~unknown
    data = ChainData.of_counts(counts["t"][used], counts["d"][used], position[used], error[used])
    chain = chain_estimates(
        data, confidence=level, n_resamples=n_resamples, rng=generator(seed, "chain")
    )
    share = {key: c[:, 1] / c.sum(1) for key, c in counts.items()}
    matches = labour_matches(names)
    by_noun = _by_noun(matches, position, share["d"], used)
    ranks = {
        "drawn": _rank(position[used], share["d"][used], level),
        "training": _rank(position[used], share["t"][used], level),
        "excess": _rank(position[used], (share["d"] - share["t"])[used], level),
        "labour": _rank(by_noun["position"], by_noun["share"], level),
        "drawn-labour": _rank(by_noun["drawn"], by_noun["share"], level),
        "drawn-training": _rank(share["t"][used], share["d"][used], level),
        "gap-drawn": _rank(cosines.mean((1, 2))[used], share["d"][used], level),
    }
    wordings = pd.DataFrame(
        [
            (t, w, _rank(values[used, i, j], share["d"][used], level)[0])
            for i, t in enumerate(gaps.templates)
            for j, w in enumerate(gaps.pairs)
        ],
        columns=["template", "pair", "drawn"],
    )
    table = _occupations(counts, position, error, matches, few, gendered, chain, used)
    facts = {
        "encoder": encoder.name,
        "level": encoder.level,
        "n": int(used.sum()),
        "nouns": len(by_noun),
        **{
            word: [name for name, one in zip(names, rows, strict=True) if one]
            for word, rows in (("few", few), ("gendered", gendered), ("unknown", unknown))
        },
        "reliability": float(1 - error[used].mean() / position[used].var(ddof=1)),
        "sd": float(position[used].std(ddof=1)),
        "confidence": level,
    }
    return {
        "occupations": table,
        "chain": {name: [e.value, e.low, e.high] for name, e in chain.items()},
        "ranks": ranks,
        "wordings": wordings,
        "facts": facts,
    }


def _gaps(
    encoder: Encoder,
    names: Sequence[str],
    templates: Sequence[str],
    pairs: Sequence[str],
    noun_pairs: Sequence[str],
) -> GapTable:
    if encoder.level == "sentence":
        return measure_gaps(encoder, names, templates=templates, pairs=pairs, place="before")
    return measure_gaps(encoder, names, templates=[BARE_TEMPLATE], pairs=noun_pairs, place="alone")


def _knows(encoder: Encoder, name: str) -> bool:
    """Tell whether a word encoder has vectors for a name; sentence encoders read every text."""
    if encoder.level == "sentence":
        return True
    try:
        encoder.encode_text([name])
    except InputError:
        return False
    return True


def _spread_out(values: Any, unknown: np.ndarray) -> np.ndarray:
    """Give the rows of known names their places among all names; the others are NaN."""
    full = np.full((len(unknown), *values.shape[1:]), np.nan)
    full[~unknown] = values
    return full


def _rank(x: Any, y: Any, level: float) -> list[float]:
    found = correlation(x, y, method="spearman", confidence=level)
    return [found.value, found.low, found.high]


def _by_noun(
    matches: pd.DataFrame, position: np.ndarray, drawn: np.ndarray, used: np.ndarray
) -> pd.DataFrame:
    """Average occupations of one head noun: each labour share counts once."""
    rows = matches.assign(position=position, drawn=drawn)[used & (matches["match"] != "")]
    return rows.groupby("noun")[["position", "drawn", "share"]].mean()


def _occupations(
    counts: dict[str, np.ndarray],
    position: np.ndarray,
    error: np.ndarray,
    matches: pd.DataFrame,
    few: np.ndarray,
    gendered: np.ndarray,
    chain: dict[str, Estimate],
    used: np.ndarray,
) -> pd.DataFrame:
    """Return derived estimates of every occupation; log-odds have Jeffreys' intervals."""
    half = 1.96 * np.sqrt(error)
    columns: dict[str, Any] = {
        "position": position, "position_low": position - half, "position_high": position + half
    }  # fmt: skip
    odds = {}
    for key, name in (("d", "drawn"), ("t", "training")):
        first, second = counts[key].T + 0.5
        ends = stats.beta.ppf([[0.025], [0.975]], second, first)
        columns[name] = counts[key][:, 1] / counts[key].sum(1)
        columns[f"{name}_low"], columns[f"{name}_high"] = ends
        odds[name] = np.log(second / first)
        odds[f"{name}_ends"] = np.log(ends / (1 - ends))
    beyond = odds["drawn"] - chain["training"].value * odds["training"]
    centre = float(beyond[used].mean())
    columns["beyond"] = beyond - centre
    shift = beyond - odds["drawn"] - centre
    columns["beyond_low"], columns["beyond_high"] = odds["drawn_ends"] + shift
    columns |= {"few": few, "gendered": gendered}
    columns |= {"noun": matches["noun"].to_numpy(), "match": matches["match"].to_numpy()}
    columns["labour"] = matches["share"].to_numpy()
    return pd.DataFrame(columns, index=matches.index)
