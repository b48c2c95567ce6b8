"""Many readings of one image become one label, and how sure it is (human study).

Krippendorff's alpha comes from krippendorff. "Can't tell" is either no reading (``missing``) or a
reading like the others (``label``); the share of it is reported in both cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bbb_core import checks as check
from bbb_core.balance.annotators import DawidSkene, dawid_skene, majority_shares
from bbb_core.errors import InputError
from bbb_core.stats import Estimate, bootstrap
from bbb_core.study.design import UNCLEAR

__all__ = ["Aggregate", "CantTell", "aggregate", "alpha_interval", "reading_counts"]

CantTell = Literal["missing", "label"]
TIE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """Labels of the images.

    Attributes
    ----------
    labels : pandas.DataFrame
        One row per image (index ``image``): ``readings``, ``cant_tell`` (counts), ``majority``,
        ``majority_share``, ``label`` (Dawid and Skene), ``posterior`` (its probability). An image
        that nobody could read, or whose label is a tie, is ``unclear``.
    posterior : pandas.DataFrame
        Probability of each label, one row per image that has readings; rows sum to one.
    errors : pandas.DataFrame
        Per participant: estimated probability of reading an image as its label (weighted by how
        often each label occurs), and the number of readings.
    cant_tell : str
        How "can't tell" was treated.
    converged : bool
        Whether the labels of Dawid and Skene stand still.
    """

    labels: pd.DataFrame
    posterior: pd.DataFrame
    errors: pd.DataFrame
    cant_tell: str
    converged: bool


def aggregate(
    ratings: pd.DataFrame,
    *,
    options: tuple[str, ...],
    cant_tell: CantTell = "missing",
    iterations: int = 20_000,
) -> Aggregate:
    """Aggregate readings by majority and by the model of Dawid and Skene.

    Parameters
    ----------
    ratings
        Columns ``image``, ``participant``, ``answer``; one row per image and participant.
    options
        All answers of the study, ``unclear`` among them.
    cant_tell
        ``missing``: only those who could tell are heard. ``label``: "can't tell" may win.
    iterations
        Most steps of the EM algorithm.

    Raises
    ------
    InputError
        If there is no reading, an answer is unknown, or a participant read an image twice.

    References
    ----------
    Dawid and Skene (1979), ``dawid1979`` in the references; see `balance.annotators`.

    Examples
    --------
    >>> rows = [(i, p, "man" if i < 3 else "woman") for i in range(6) for p in "xyz"]
    >>> rows[0] = (0, "x", "woman")
    >>> found = aggregate(
    ...     pd.DataFrame(rows, columns=["image", "participant", "answer"]),
    ...     options=("man", "woman", "unclear"),
    ... )
    >>> found.labels["label"].tolist()
    ['man', 'man', 'man', 'woman', 'woman', 'woman']
    """
    check.choice("cant_tell", cant_tell, ("missing", "label"))
    data = _checked(ratings, options)
    heard = data if cant_tell == "label" else data[data["answer"] != UNCLEAR]
    counts = reading_counts(ratings, options=options)
    labels = pd.DataFrame(
        {"readings": counts.sum(axis=1), "cant_tell": counts[UNCLEAR]}, index=counts.index
    )
    if heard.empty:
        raise InputError("nobody could tell anything of any image; there is nothing to aggregate.")
    votes = majority_shares(heard["image"], heard["answer"])
    fit = dawid_skene(heard["image"], heard["participant"], heard["answer"], iterations=iterations)
    posterior = fit.posterior
    for name, share, p in (
        ("majority", "majority_share", votes),
        ("label", "posterior", posterior),
    ):
        best, value = _best(p)
        labels[name] = best.reindex(labels.index).fillna(UNCLEAR)
        labels[share] = value.reindex(labels.index)
    kept = [option for option in options if option in posterior.columns]
    return Aggregate(
        labels=labels,
        posterior=posterior[kept].sort_index().rename_axis(index="image", columns=None),
        errors=_readers(heard, fit),
        cant_tell=cant_tell,
        converged=fit.converged,
    )


def _checked(ratings: pd.DataFrame, options: tuple[str, ...]) -> pd.DataFrame:
    for column in ("image", "participant", "answer"):
        if column not in ratings:
            raise InputError(f"ratings has no column {column!r}; pass image, participant, answer.")
    if ratings.empty:
        raise InputError("ratings has no row; there is nothing to aggregate.")
    unknown = sorted(set(ratings["answer"]) - set(options))
    if unknown:
        raise InputError(f"ratings has the answer {unknown[0]!r}; the options lack it.")
    if ratings.duplicated(["image", "participant"]).any():
        raise InputError("ratings has two answers of one participant to one image; keep the first.")
    data = ratings[["image", "participant", "answer"]]
    return data.sort_values(["image", "participant"], ignore_index=True)


def _best(p: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the most probable label, ``unclear`` for a tie, and its probability."""
    values = np.sort(p.to_numpy(), axis=1)
    best = p.idxmax(axis=1).astype(object)
    if values.shape[1] > 1:
        best = best.mask(values[:, -1] - values[:, -2] < TIE, UNCLEAR)
    return best, p.max(axis=1)


def _readers(heard: pd.DataFrame, fit: DawidSkene) -> pd.DataFrame:
    """Return how often each participant reads an image as its label, over the labels' shares."""
    labels = list(fit.posterior.columns)
    own = np.array([fit.errors.xs(label, level="label")[label] for label in labels])
    right = pd.Series(fit.posterior.mean().to_numpy() @ own, index=fit.errors.index.levels[0])
    table = pd.DataFrame({"right": right, "readings": heard["participant"].value_counts()})
    return table.sort_index().rename_axis("participant")


def reading_counts(ratings: pd.DataFrame, *, options: tuple[str, ...]) -> pd.DataFrame:
    """Return how often each image (row) got each answer (column), in the order of `options`."""
    table = pd.crosstab(ratings["image"], ratings["answer"])
    return table.reindex(columns=list(options), fill_value=0).rename_axis(columns=None)


def alpha_interval(
    counts: pd.DataFrame,
    *,
    cant_tell: CantTell = "missing",
    n_resamples: int = 999,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Estimate | None:
    r"""Return Krippendorff's alpha of the readings with a bootstrap interval over images.

    :math:`\alpha = 1 - D_o / D_e`, observed over expected disagreement of two readings of one
    image, for nominal labels: 1 is full agreement, 0 what chance gives. Images are resampled
    whole, as the readings of one image are not independent. Participants are taken as they are:
    the interval says nothing about other participants.

    Parameters
    ----------
    counts
        Readings per image and answer, from `reading_counts`.
    cant_tell
        ``missing`` leaves "can't tell" out, ``label`` counts it as an answer.

    Returns
    -------
    Estimate or None
        None if agreement says nothing: fewer than two images with two readings, or a single
        label everywhere. A resample with a single label counts as 1.

    References
    ----------
    Hayes and Krippendorff (2007), ``hayes2007`` in the references.

    Examples
    --------
    >>> from bbb_core.rng import generator
    >>> table = pd.DataFrame({"man": [3, 3, 0, 0], "woman": [0, 0, 3, 3], "unclear": 0})
    >>> alpha_interval(table, rng=generator(0), n_resamples=99).value
    1.0
    """
    check.choice("cant_tell", cant_tell, ("missing", "label"))
    used = counts if cant_tell == "label" else counts.drop(columns=UNCLEAR)
    pairs = used.to_numpy(dtype=np.float64)
    pairs = pairs[pairs.sum(axis=1) >= 2]
    if len(pairs) < 2 or (pairs.sum(axis=0) > 0).sum() < 2:
        return None
    return bootstrap(_alpha, pairs, n_resamples=n_resamples, confidence=confidence, rng=rng)


def _alpha(counts: np.ndarray) -> float:
    import krippendorff

    present = counts[:, counts.sum(axis=0) > 0]
    if present.shape[1] < 2:
        return 1.0
    return float(
        krippendorff.alpha(value_counts=present.astype(np.int64), level_of_measurement="nominal")
    )
