r"""Gaps of many nouns under crossed templates and word pairs, with intervals and adjusted p-values.

One template and one word pair are one choice among many. The gap of a noun is therefore measured
under every template t with every pair w and modelled as

.. math:: G_{tw} = \mu + \alpha_t + \beta_w + \varepsilon_{tw},

where :math:`\mu`, the gap over all templates and pairs that could have been written down, is what
the interval is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from scipy import stats

from bbb_core import checks
from bbb_core.embedding.encoder import Encoder, shortened
from bbb_core.embedding.gaps import bias_gap, position
from bbb_core.errors import InputError
from bbb_core.prompts import PromptFamily, families, word_pair
from bbb_core.stats.multiplicity import benjamini_hochberg, holm

__all__ = [
    "GAP_ROUNDING",
    "GapTable",
    "baseline_rank",
    "crossed_interval",
    "family_gaps",
    "measure_gaps",
    "summarise_gaps",
]

GAP_ROUNDING = 8 * torch.finfo(torch.float32).eps
"""What rounding leaves of equal gaps: rows are float32, a gap is a difference of two cosines."""


@dataclass(frozen=True, kw_only=True)
class GapTable:
    """Bias gaps ``values[noun, template, pair]``, first word of a pair minus second.

    ``positions``, of the same shape, are where the neutral prompts lie on the way from the prompt
    of the first word (0) to that of the second (1).
    """

    nouns: tuple[str, ...]
    templates: tuple[str, ...]
    pairs: tuple[str, ...]
    values: np.ndarray
    positions: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.nouns), len(self.templates), len(self.pairs))
        for name in ("values", "positions"):
            given = getattr(self, name)
            if given is not None:
                if given.shape != shape:
                    raise InputError(f"{name} has shape {given.shape}; pass {shape}.")
                checks.finite(name, given)

    @property
    def mean(self) -> np.ndarray:
        """Mean gap of each noun over templates and pairs, ``[noun]``."""
        return self.values.mean((1, 2))

    def only(
        self, *, nouns: Sequence[str] | None = None, pairs: Sequence[str] | None = None
    ) -> GapTable:
        """Keep some nouns or pairs, in the order asked."""
        chosen_nouns = tuple(self.nouns if nouns is None else nouns)
        chosen_pairs = tuple(self.pairs if pairs is None else pairs)
        rows = _places("nouns", chosen_nouns, self.nouns)
        columns = _places("pairs", chosen_pairs, self.pairs)
        return GapTable(
            nouns=chosen_nouns,
            templates=self.templates,
            pairs=chosen_pairs,
            values=self.values[rows][:, :, columns],
            positions=None if self.positions is None else self.positions[rows][:, :, columns],
        )


def _places(name: str, asked: tuple[str, ...], known: tuple[str, ...]) -> list[int]:
    place = {one: number for number, one in enumerate(known)}
    for one in asked:
        if one not in place:
            raise InputError(f"{name}: {one!r} was not measured; choose among {known}.")
    return [place[one] for one in asked]


def measure_gaps(
    encoder: Encoder,
    nouns: Sequence[str],
    *,
    templates: Sequence[str],
    pairs: Sequence[str],
    place: Literal["before", "alone"] = "before",
) -> GapTable:
    """Embed every prompt once and return the gap of each noun, template and word pair.

    Parameters
    ----------
    encoder
        Anything with `encode_text`.
    nouns
        Occupations, or the nouns of a baseline.
    templates, pairs, place
        See `bbb_core.prompts.families`; pairs are written "female/male".

    Raises
    ------
    InputError
        From the encoder, and when it reads the prompts of two groups alike.

    Examples
    --------
    >>> from bbb_core.embedding import load_encoder
    >>> nouns, pairs = ["nurse", "engineer"], ["woman/man"]
    >>> glove = load_encoder("glove")
    >>> table = measure_gaps(glove, nouns, templates=["{}"], pairs=pairs, place="alone")
    >>> table.mean.round(2)
    array([ 0.14, -0.06])
    """
    if not templates or not pairs:
        raise InputError("templates and pairs must each name at least one.")
    made: list[PromptFamily] = []
    for template in templates:
        for pair in pairs:
            groups = dict(zip(("first", "second"), word_pair(pair), strict=True))
            made += families(nouns, template=template, groups=groups, place=place).values()
    (found,) = family_gaps(encoder, made)
    cells = found.reshape(2, len(templates), len(pairs), len(nouns)).transpose(0, 3, 1, 2)
    values, positions = np.ascontiguousarray(cells)
    return GapTable(
        nouns=tuple(nouns),
        templates=tuple(templates),
        pairs=tuple(pairs),
        values=values,
        positions=positions,
    )


def family_gaps(encoder: Encoder, made: Sequence[PromptFamily]) -> list[np.ndarray]:
    """Embed prompt families, every text once; measure the first group against each other one.

    Returns
    -------
    list of array, shape [2, family]
        Gaps, and positions from the first group's prompt to the other's; one array per group but
        the first, in their order.

    Raises
    ------
    InputError
        When the encoder reads the prompts of two groups alike: their gap is 0 by construction.
    """
    row: dict[str, int] = {}
    for text in (text for family in made for text in family):
        row.setdefault(text, len(row))
    rows = encoder.encode_text(list(row))
    prompts = list(zip(*made, strict=True))  # neutral, first group, each other group
    neutral, first, *others = (rows[[row[text] for text in texts]] for texts in prompts)
    gaps = []
    for texts, other in zip(prompts[2:], others, strict=True):
        alike = torch.nonzero((first - other).abs().amax(1) <= GAP_ROUNDING).flatten()
        if len(alike):
            a, b = prompts[1][int(alike[0])], texts[int(alike[0])]
            raise InputError(
                f"the encoder gives {shortened(a)!r} and {shortened(b)!r} one embedding, so a gap "
                "between them is zero whatever the occupation; use other words."
            )
        pair = bias_gap(neutral, first, other), position(neutral, first, other)
        gaps.append(np.stack([one.numpy() for one in pair]))
    return gaps


def crossed_interval(
    values: np.ndarray, *, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Return interval ends and two-sided p-values of :math:`\mu`, for ``values[..., t, w]``.

    The variance of the mean is estimated by :math:`s_T^2 / T + s_W^2 / W`, with the variances of
    the template means and of the pair means; both carry the residual's share, so it is counted
    once too often and never forgotten. Student's t has Satterthwaite's degrees of freedom.
    With few templates and pairs this keeps its level where resampling both does not.

    Raises
    ------
    InputError
        When there is only one template and one pair: one cell has no interval.

    Examples
    --------
    >>> low, high, p = crossed_interval(np.array([[1.0, 2.0, 3.0]]))
    >>> bool(abs(p - 0.0742) < 1e-4)  # Student's t of three values
    True
    """
    level = checks.confidence_level(confidence)
    values = np.asarray(checks.finite("values", values), dtype=np.float64)
    if values.ndim < 2 or values.shape[-1] * values.shape[-2] < 2:
        raise InputError("one template and one pair have no interval; pass several of either.")
    mean = values.mean((-1, -2))
    variance, denominator = np.zeros_like(mean), np.zeros_like(mean)
    for other in (-1, -2):
        margins = values.mean(other)  # template means, then pair means
        n = margins.shape[-1]
        if n > 1:
            part = margins.var(-1, ddof=1) / n
            variance = variance + part
            denominator = denominator + part**2 / (n - 1)
    flat = variance <= (1e-12 * np.abs(mean)) ** 2  # no variation at all
    safe = np.where(flat, 1.0, variance)
    df = safe**2 / np.where(flat, 1.0, denominator)
    error = np.where(flat, 0.0, np.sqrt(safe))
    half = stats.t.ppf((1 + level) / 2, df) * error
    t = np.abs(mean) / np.where(flat, 1.0, error)
    p = np.where(flat, (mean == 0.0).astype(float), 2 * stats.t.sf(t, df))
    return np.asarray(mean - half), np.asarray(mean + half), np.asarray(np.clip(p, 0.0, 1.0))


def summarise_gaps(
    table: GapTable, *, baseline: GapTable | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """Return one row per noun: gap, gap beyond the baseline, interval, p-values.

    Parameters
    ----------
    table
        Gaps of the nouns.
    baseline
        Gaps of baseline nouns under the same templates and pairs. Their mean is subtracted cell by
        cell, so what "no occupation" costs under a template or pair is taken out there.

    Returns
    -------
    DataFrame
        Indexed by noun: ``gap``, ``beyond`` (the gap beyond the baseline; equal to the gap without
        one), its ``low`` and ``high``, ``p``, ``p_holm``, ``p_bh``. Where the gap beyond the
        baseline is the same in every cell, up to rounding, there is nothing to estimate an error
        from: interval and p-values are NaN.

    Examples
    --------
    >>> table = GapTable(nouns=("nurse",), templates=("a {}", "{}"), pairs=("she/he",),
    ...                  values=np.array([[[0.2], [0.4]]]))
    >>> summarise_gaps(table)[["gap", "low", "high", "p"]].round(3).loc["nurse"].tolist()
    [0.3, -0.971, 1.571, 0.205]
    """
    if baseline is None:
        shift = np.zeros(table.values.shape[1:])
    elif (baseline.templates, baseline.pairs) != (table.templates, table.pairs):
        raise InputError("baseline must be measured under the templates and pairs of the table.")
    else:
        shift = baseline.values.mean(0)
    beyond = table.values - shift
    low, high, p = crossed_interval(beyond, confidence=confidence)
    varied = np.ptp(beyond, axis=(1, 2)) > GAP_ROUNDING
    low, high, p = (np.where(varied, x, np.nan) for x in (low, high, p))
    p_holm, p_bh = p.copy(), p.copy()
    if varied.any():
        p_holm[varied], p_bh[varied] = holm(p[varied]), benjamini_hochberg(p[varied])
    return pd.DataFrame(
        {
            "gap": table.mean,
            "beyond": beyond.mean((1, 2)),
            "low": low,
            "high": high,
            "p": p,
            "p_holm": p_holm,
            "p_bh": p_bh,
        },
        index=pd.Index(table.nouns, name="noun"),
    )


def baseline_rank(gaps: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Return where each gap falls among the gaps of baseline nouns, in [0, 1].

    The share of baseline nouns below it, ties counted half: 0.5 is the middle of the baseline,
    whatever the encoder's scale and wherever its zero is.

    Examples
    --------
    >>> baseline_rank(np.array([0.0, 2.0]), np.array([-1.0, 0.0, 1.0]))
    array([0.5, 1. ])
    """
    gaps = np.asarray(checks.vector("gaps", gaps), dtype=np.float64)
    cloud = np.asarray(checks.vector("baseline", baseline), dtype=np.float64)
    cloud = np.sort(cloud)
    below, up_to = (np.searchsorted(cloud, gaps, side=side) for side in ("left", "right"))
    return below / len(cloud) + (up_to - below) / len(cloud) / 2
