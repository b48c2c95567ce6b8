"""Audit of published counts: a generator, its training images and an intervention on it.

Serves the chapter on real models' published generations; the same call audits any three tables
of two-group counts over the same prompts. What it returns are estimates, never the counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.published_generations.amplification import (
    Amplification,
    amplification,
    log_odds_slope,
)
from bbb_core import checks
from bbb_core.balance.by_prompt import balance_by_prompt, change_by_prompt
from bbb_core.balance.estimates import plug_in_imbalance
from bbb_core.balance.means import MeanImbalance, mean_change, mean_imbalance
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import Estimate, binomial_interval, bootstrap

__all__ = [
    "GenerationAudit",
    "audit_generations",
    "explaining_error",
    "none_counted",
    "thinned",
]


@dataclass(frozen=True, kw_only=True)
class GenerationAudit:
    """What `audit_generations` found; every table is indexed by prompt.

    Parameters
    ----------
    groups : tuple of str
        The two groups; shares are those of the second.
    drawn : int
        Images of the fullest prompt, over ``generated`` and ``edited``.
    shares : dict
        ``training``, ``generated``, ``edited``: tables with the ``share`` of the second group,
        its interval ``low``, ``high`` (all of a table hold together), ``log_odds`` (half a count
        added) and ``n``.
    assumptions : pandas.DataFrame
        What an assumption is worth: ``images``, ``dropped``, numbers ``with`` and ``without`` it.
    balance : dict
        The same keys: tables of `balance_by_prompt`.
    means : dict
        The same keys: `MeanImbalance` (training without the flagged prompts).
    amplification : Amplification
        From training to generated shares, without the flagged prompts.
    changes : dict
        ``amplification`` (training to generated) and ``intervention`` (generated to edited):
        tables of `change_by_prompt`.
    flagged : tuple of str
        Prompts with too few training images to say anything.
    estimates : dict
        Claim id to (`Estimate`, number of prompts).
    """

    groups: tuple[str, str]
    drawn: int
    shares: dict[str, pd.DataFrame]
    assumptions: pd.DataFrame
    balance: dict[str, pd.DataFrame]
    means: dict[str, MeanImbalance]
    amplification: Amplification
    changes: dict[str, pd.DataFrame]
    flagged: tuple[str, ...]
    estimates: dict[str, tuple[Estimate, int]]


def none_counted(counts: pd.DataFrame, drawn: int) -> pd.DataFrame:
    """Return the counts with images that nobody read (`drawn` minus counted) as ``none``."""
    missing = drawn - counts.sum(axis=1)
    if (missing < 0).any():
        prompt = missing.idxmin()
        raise InputError(f"drawn is {drawn} but {prompt!r} counts more images; raise it.")
    return counts.assign(none=missing)


def thinned(counts: pd.DataFrame, design_effect: float) -> pd.DataFrame:
    """Return counts as if only one image in `design_effect` carried news of its own.

    Images of one prompt that resemble one another are worth fewer independent ones; their shares
    stay, their number shrinks (rounded to whole images).
    """
    factor = checks.number("design_effect", design_effect, low=1)
    return (counts / factor).round().astype(np.int64)


def explaining_error(audit: GenerationAudit) -> float:
    r"""Return the reading error on training images alone that would explain all amplification.

    A reader that swaps the two groups with probability e shrinks every imbalance by the factor
    :math:`1 - 2e`. So training images read with :math:`e = (1 - \bar i_{train}/\bar i_{gen})/2`
    and generations read without error would show the measured means without any amplification.
    Negative if the generations are the more balanced ones.
    """
    kept = audit.balance["generated"].drop(index=list(audit.flagged))
    generated = float(kept["imbalance"].mean())
    if generated == 0:
        raise InputError("the generated images are exactly balanced; nothing is to be explained.")
    return (1 - audit.means["training"].plug_in / generated) / 2


def audit_generations(
    generated: pd.DataFrame,
    edited: pd.DataFrame,
    training: pd.DataFrame,
    *,
    groups: tuple[str, str] = ("man", "woman"),
    minimum: int = 20,
    reader_error: float = 0.05,
    design_effect: float = 4.0,
    n_resamples: int = 1999,
    confidence: float = 0.95,
    seed: int = 0,
) -> GenerationAudit:
    """Measure imbalance, amplification and the effect of an intervention, with intervals.

    Parameters
    ----------
    generated, edited, training
        Counts per prompt (index) and group (columns): the generator's images, the same with the
        intervention, and training images. All three have the same prompts.
    groups
        The two columns to compare; the target share of each is one half.
    minimum
        Prompts with fewer training images are flagged and left out of training statistics.
    reader_error
        Largest share of images that the reader is supposed to get wrong.
    design_effect
        Where images are no independent draws: so many count as one.
    n_resamples, seed
        Of the bootstraps of slopes over prompts, each with its own stream.
    confidence
        Level of all intervals; means speak of the prompts that these were drawn from.

    Raises
    ------
    InputError
        If a column is missing, the prompts differ, or too few prompts remain.
    """
    level = checks.confidence_level(confidence)
    error = checks.number("reader_error", reader_error, low=0, high=0.5)
    minimum = checks.integer("minimum", minimum, low=2)
    counts = _aligned(generated, edited, training, groups)
    n_training = counts["training"].sum(axis=1)
    flagged = tuple(n_training.index[n_training < minimum])
    kept = {key: table.drop(index=list(flagged)) for key, table in counts.items()}
    if len(kept["training"]) < 5:
        raise InputError(f"minimum is {minimum}, which leaves fewer than 5 prompts; lower it.")

    def options(key: str) -> dict:
        return {
            "n_resamples": n_resamples,
            "confidence": level,
            "rng": generator(seed, "audit", key),
        }

    balance = {
        key: balance_by_prompt(table.to_numpy(), prompts=list(table.index), confidence=level)
        for key, table in counts.items()
    }
    means = {
        key: mean_imbalance(table.to_numpy(), prompts="sampled", confidence=level)
        for key, table in (counts | {"training": kept["training"]}).items()
    }
    copied = amplification(
        kept["training"].to_numpy(), kept["generated"].to_numpy(), **options("amplification")
    )
    changes = {
        "amplification": _change(counts["training"], counts["generated"], level),
        "intervention": _change(counts["generated"], counts["edited"], level),
    }
    everywhere = (counts["training"].to_numpy(), counts["generated"].to_numpy())
    influence = bootstrap(
        _slope_difference,
        *everywhere,
        np.asarray(n_training >= minimum, dtype=np.float64),
        **options("influence"),
    )
    m, table = len(n_training), balance["generated"]
    alpha = 1 - level
    estimates = {
        "gen-imbalance": (means["generated"].corrected, m),
        "gen-detected": (_share(table["p_holm"] <= alpha, level), m),
        "gen-reader-error": (_share(table["low"] > error, level), m),
        "gen-grown": (_mean_change(kept["training"], kept["generated"], level), copied.n),
        "gen-slope": (copied.slope, copied.n),
        "gen-more-extreme": (copied.excess, copied.n),
        "gen-order": (copied.rank_correlation, copied.n),
        "gen-flagged": (influence, m),
        "gen-shrunk": (_mean_change(counts["generated"], counts["edited"], level), m),
        "gen-residual": (means["edited"].corrected, m),
        "gen-worse": (_share(changes["intervention"]["verdict"] == "further", level), m),
    }
    drawn = int(max(counts[key].sum(axis=1).max() for key in ("generated", "edited")))
    return GenerationAudit(
        groups=groups,
        drawn=drawn,
        shares={key: _shares(table, level) for key, table in counts.items()},
        assumptions=_assumptions(counts, balance, drawn, design_effect, error),
        balance=balance,
        means=means,
        amplification=copied,
        changes=changes,
        flagged=flagged,
        estimates=estimates,
    )


def _aligned(
    generated: pd.DataFrame, edited: pd.DataFrame, training: pd.DataFrame, groups: tuple[str, str]
) -> dict[str, pd.DataFrame]:
    tables = {"training": training, "generated": generated, "edited": edited}
    for name, table in tables.items():
        for group in groups:
            if group not in table.columns:
                raise InputError(f"{name} has no column {group!r}; name two of its columns.")
        if not table.index.is_unique:
            raise InputError(f"{name} names a prompt twice; add its rows up.")
        if set(table.index) != set(generated.index):
            odd = sorted(set(table.index) ^ set(generated.index), key=str)[0]
            raise InputError(f"{name} and generated do not share the prompt {odd!r}; pair them.")
    columns = list(groups)
    return {name: table.loc[generated.index, columns] for name, table in tables.items()}


def _shares(counts: pd.DataFrame, confidence: float) -> pd.DataFrame:
    second, n = counts.iloc[:, 1], counts.sum(axis=1)
    level = 1 - (1 - confidence) / len(counts)
    low, high = binomial_interval(second, n, confidence=level)
    odds = np.log((second + 0.5) / (n - second + 0.5))
    columns = {"share": second / n, "low": low, "high": high, "log_odds": odds, "n": n}
    return pd.DataFrame(columns, index=counts.index)


def _assumptions(
    counts: dict[str, pd.DataFrame],
    balance: dict[str, pd.DataFrame],
    drawn: int,
    design_effect: float,
    reader_error: float,
) -> pd.DataFrame:
    rows: list[tuple[Any, ...]] = []
    for key in ("generated", "edited"):
        table = balance[key]
        fewer = balance_by_prompt(thinned(counts[key], design_effect).to_numpy())
        none = none_counted(counts[key], drawn).to_numpy()
        with_none = plug_in_imbalance(none, target=[0.5, 0.5, 0]).mean()
        rows += [
            (key, "independent", (table["p_holm"] <= 0.05).sum(), (fewer["p_holm"] <= 0.05).sum()),
            (key, "reader", (table["low"] > 0).sum(), (table["low"] > reader_error).sum()),
            (key, "complete", table["imbalance"].mean(), with_none),
        ]
    made = pd.DataFrame(rows, columns=["images", "dropped", "with", "without"])
    return made.astype({"with": float, "without": float})


def _change(before: pd.DataFrame, after: pd.DataFrame, confidence: float) -> pd.DataFrame:
    names = list(before.index)
    return change_by_prompt(
        before.to_numpy(), after.to_numpy(), prompts=names, confidence=confidence
    )


def _mean_change(before: pd.DataFrame, after: pd.DataFrame, confidence: float) -> Estimate:
    return mean_change(
        before.to_numpy(), after.to_numpy(), prompts="sampled", confidence=confidence
    )


def _share(hits: pd.Series, confidence: float) -> Estimate:
    k, n = int(hits.sum()), len(hits)
    low, high = binomial_interval(k, n, confidence=confidence)
    return Estimate(k / n, low, high, confidence)


def _slope_difference(training: np.ndarray, generated: np.ndarray, kept: np.ndarray) -> float:
    inside = kept > 0
    return log_odds_slope(training, generated) - log_odds_slope(training[inside], generated[inside])
