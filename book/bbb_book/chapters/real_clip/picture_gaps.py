r"""Gaps of an alignment score between pictures of women and of men, occupation by occupation.

Pictures come in pairs that were requested alike but for the gender. The gap of occupation o is the
mean over its pairs of score(female) minus score(male), against the same neutral prompt.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.generalisation.heterogeneity import heterogeneity
from bbb_book.data.labour_names import labour_matches
from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats.correlations import correlation
from bbb_core.stats.means import crossed_mean_interval, mean_interval
from bbb_core.stats.multiplicity import holm
from bbb_core.stats.permutation import sign_flip_test
from bbb_core.stats.resampling import Estimate, bootstrap

__all__ = ["differing", "gaps_by_occupation", "measure_pictures", "pair_pictures"]

ATTRIBUTES = ["requested_age", "requested_other"]
FEWEST = 4
"""Pairs below which no interval is worth its name."""


def pair_pictures(scores: pd.DataFrame, *, column: str = "clipscore_v2") -> pd.DataFrame:
    """Pair pictures that were requested alike but for the gender.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row per picture: ``occupation``, ``requested_gender`` (rows that are neither *female*
        nor *male* are left aside), ``requested_age``, ``requested_other`` and `column`.

    Returns
    -------
    pandas.DataFrame
        One row per pair: ``occupation``, the two attributes, ``gap`` (female minus male).

    Raises
    ------
    InputError
        If a column is missing, a request stands twice for one gender, or lacks its partner.

    Examples
    --------
    >>> names = ["occupation", "requested_gender", "requested_age", "requested_other", "score"]
    >>> rows = [["nurse", "female", "old", "x", 0.3], ["nurse", "male", "old", "x", 0.25]]
    >>> pair_pictures(pd.DataFrame(rows, columns=names), column="score")["gap"].round(2).tolist()
    [0.05]
    """
    keys = ["occupation", *ATTRIBUTES]
    for name in [*keys, "requested_gender", column]:
        if name not in scores:
            raise InputError(f"scores has no column {name!r}; add it.")
    sides = []
    for gender in ("female", "male"):
        mine = scores[scores["requested_gender"] == gender]
        twice = mine.duplicated(keys)
        if twice.any():
            raise InputError(
                f"{_named(mine.loc[twice, keys])} stands twice as {gender}; keep one picture."
            )
        sides.append(mine.set_index(keys)[column])
    female, male = sides
    alone = female.index.symmetric_difference(male.index)
    if len(alone) or not len(female):
        what = _named(alone.to_frame()) if len(alone) else "the table"
        raise InputError(f"{what} has no pair of a woman and a man; leave it out.")
    return (female - male.loc[female.index]).rename("gap").reset_index()


def _named(rows: pd.DataFrame) -> str:
    return "request " + " / ".join(map(str, rows.iloc[0]))


def gaps_by_occupation(pairs: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Return the gap of every occupation, in order, with intervals and p-values.

    ``low`` and ``high`` (`stats.mean_interval`) take pairs as the units: they speak of the
    attributes that were requested, and of other pictures. ``wide_low`` and ``wide_high``
    (`stats.crossed_mean_interval`) take both attributes as samples, say of other ages and races.
    ``p_value`` is exact, by flipping signs: if the request for a woman rather than a man makes no
    difference to the score, a pair's difference is as likely as its opposite, whatever the
    attributes do. ``p_holm`` adjusts it over occupations.

    Parameters
    ----------
    pairs : pandas.DataFrame
        As `pair_pictures` returns it; each occupation has all combinations of its attributes.

    Returns
    -------
    pandas.DataFrame
        Index ``occupation``, sorted by ``gap``; ``pairs``, ``error`` (standard error), and these.

    Raises
    ------
    InputError
        If an occupation has fewer than four pairs, or lacks a combination of its attributes.
    """
    rows: dict[str, dict[str, float]] = {}
    for name, mine in pairs.groupby("occupation", sort=True):
        grid = mine.pivot(index=ATTRIBUTES[0], columns=ATTRIBUTES[1], values="gap").to_numpy()
        if len(mine) < FEWEST or not np.isfinite(grid).all():
            raise InputError(
                f"occupation {name!r} has {len(mine)} pairs on a grid of {grid.shape}; pass at "
                f"least {FEWEST}, one for every combination."
            )
        d = mine["gap"].to_numpy()
        own = mean_interval(d, confidence=confidence)
        wide = crossed_mean_interval(grid, confidence=confidence)
        rows[str(name)] = {
            "pairs": len(d), "gap": own.value, "error": float(d.std(ddof=1) / np.sqrt(len(d))),
            "low": own.low, "high": own.high, "wide_low": wide.low, "wide_high": wide.high,
            "p_value": sign_flip_test(d).p_value,
        }  # fmt: skip
    found = pd.DataFrame.from_dict(rows, orient="index").rename_axis("occupation")
    found["pairs"] = found["pairs"].astype(int)
    found["p_holm"] = holm(found["p_value"].to_numpy())
    return found.sort_values("gap")


def differing(gaps: pd.DataFrame, *, confidence: float = 0.95) -> dict[str, float]:
    r"""Ask whether the gaps of occupations differ by more than their errors.

    `heterogeneity` of the gaps, with errors :math:`s / \sqrt{n_o}` where :math:`s^2` is the pooled
    variance of a difference within occupations. Errors of each occupation by itself would go
    along with its gap where differences are skewed, and make Cochran's Q reject far too often.

    Returns
    -------
    dict
        Mean gap, :math:`\tau`, Q and so on as `Heterogeneity` names them, ``q_own`` (Q with the
        occupations' own errors, as a textbook has it) and ``equal_pairs`` (standard error of the
        mean gap of an occupation with the median number of pairs).

    Notes
    -----
    Simulated with 30 occupations of 15, 18 and 30 pairs without any difference (1,000 tables
    each): the lower end for :math:`\tau` was above zero, nominally in .025, in .02 to .03 of them
    with normal, exponential, log-normal differences and Student's with 3 degrees of freedom, in
    .05 to .07 where their spread differs fourfold between occupations, and in none where half of
    it is fixed by one attribute. With own errors it is .08 to .11, and .2 to .4 for skewed ones.
    """
    n = gaps["pairs"].to_numpy(dtype=np.float64)
    spread = float(((n - 1) * n * gaps["error"] ** 2).sum() / (n - 1).sum())
    found = heterogeneity(gaps["gap"], np.sqrt(spread / n), confidence=confidence)
    own = heterogeneity(gaps["gap"], gaps["error"], confidence=confidence)
    names = ("mean", "low", "high", "tau", "tau_low", "tau_high", "i_squared", "q", "p_value")
    return {
        **{name: float(getattr(found, name)) for name in names},
        "q_own": own.q,
        "equal_pairs": float(np.sqrt(spread / np.median(n))),
    }


def _reliable(gap: np.ndarray, error: np.ndarray) -> float:
    """Return the share of the variance of gaps that is not error; 0 where that is not positive."""
    variance = float(gap.var(ddof=1))
    return max(0.0, 1 - float((error**2).mean()) / variance) if variance > 0 else 0.0


def measure_pictures(
    scores: pd.DataFrame,
    counts: pd.DataFrame,
    *,
    confidence: float = 0.95,
    n_resamples: int = 4000,
    seed: int = 0,
) -> dict[str, Any]:
    """Analyse published scores: gaps by occupation, their heterogeneity, and two yardsticks.

    Parameters
    ----------
    scores : pandas.DataFrame
        ``mj-bench-bias``.
    counts : pandas.DataFrame
        ``fair-diffusion-generated``: readings of another model's pictures of these occupations.

    Returns
    -------
    dict
        ``occupations`` (`gaps_by_occupation`, and ``labour``, ``share_labour``, ``share_drawn``:
        shares of women, NaN where unknown), ``summary`` (`differing`), ``correlations`` (name to
        value, low, high, n: Spearman's with either share; ``reliability`` over occupations).
    """
    level = checks.confidence_level(confidence)
    gaps = gaps_by_occupation(pair_pictures(scores), confidence=level)
    matches = labour_matches(list(gaps.index))
    gaps["labour"], gaps["share_labour"] = matches["noun"], matches["share"]
    drawn = counts["woman"] / (counts["woman"] + counts["man"])
    gaps["share_drawn"] = [float(drawn.get(name.casefold(), np.nan)) for name in gaps.index]
    reliability = bootstrap(
        _reliable, gaps["gap"].to_numpy(), gaps["error"].to_numpy(), n_resamples=n_resamples,
        confidence=level, rng=generator(seed, "reliability"),
    )  # fmt: skip
    found = {"reliability": _row(reliability, len(gaps))}
    for name in ("labour", "drawn"):
        known = gaps[np.isfinite(gaps[f"share_{name}"])]
        r = correlation(
            known["gap"], known[f"share_{name}"], method="spearman", confidence=level
        )  # fmt: skip
        found[name] = _row(r, len(known))
    summary = differing(gaps, confidence=level)
    return {"occupations": gaps, "summary": summary, "correlations": found}


def _row(found: Estimate, n: int) -> dict[str, float]:
    return {
        "value": float(found.value), "low": float(found.low), "high": float(found.high), "n": n
    }  # fmt: skip
