"""Labels of images from people's readings, how far they agree, and how much they err (T7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bbb_core import checks
from bbb_core.balance.annotators import dawid_skene
from bbb_core.balance.confusion import Confusion
from bbb_core.errors import InputError
from bbb_core.stats.resampling import Estimate, bootstrap

__all__ = ["LabelAudit", "audit_labels", "nominal_alpha", "pair_agreement"]

OTHERS = "(all others)"
"""Raters with few readings, who share one table of errors."""


def nominal_alpha(counts: Any, axis: int = -2) -> np.ndarray:
    r"""Return Krippendorff's alpha of nominal readings, 1 for full agreement and 0 for chance.

    With :math:`n_{ik}` readings k of image i, :math:`m_i = \sum_k n_{ik} \ge 2`, their sums
    :math:`n_k` over images and n in all, :math:`\alpha = 1 - D_o / D_e` with

    .. math:: D_o = \frac1n \sum_{i,k} \frac{n_{ik} (m_i - n_{ik})}{m_i - 1}, \qquad
        D_e = \frac{n^2 - \sum_k n_k^2}{n (n - 1)}.

    Parameters
    ----------
    counts : array_like, shape [..., images, answers]
        Readings; images with fewer than two say nothing and are left out.
    axis
        The axis of images: the last but one.

    Returns
    -------
    numpy.ndarray
        At most 1, of shape [...]; 1 where all readings are one answer.

    References
    ----------
    Hayes and Krippendorff (2007), ``hayes2007`` in the references.

    Examples
    --------
    >>> round(float(nominal_alpha([[2, 0], [2, 0], [1, 1], [0, 2]])), 4)
    0.5333
    """
    x = np.asarray(counts, dtype=np.float64)
    x = x * (x.sum(axis=-1, keepdims=True) >= 2)
    m, n = x.sum(axis=-1), x.sum(axis=(-2, -1))
    seen = ((x * (m[..., None] - x)).sum(axis=-1) / np.maximum(m - 1, 1)).sum(axis=-1)
    chance = (n**2 - (x.sum(axis=-2) ** 2).sum(axis=-1)) / np.maximum(n - 1, 1)
    return np.asarray(1 - seen / np.where(chance > 0, chance, np.inf))


def pair_agreement(counts: Any, axis: int = -2) -> np.ndarray:
    """Return the chance that two readings of an image agree, mean over images read twice or more.

    Parameters are those of `nominal_alpha`; the value lies in [0, 1] and allows for no chance.

    Examples
    --------
    >>> float(pair_agreement([[3, 0], [2, 1], [1, 0]])) == (1 + 1 / 3) / 2
    True
    """
    x = np.asarray(counts, dtype=np.float64)
    m = x.sum(axis=-1)
    same = (x * (x - 1)).sum(axis=-1) / np.maximum(m * (m - 1), 1)
    return np.asarray(same.sum(axis=-1) / np.maximum((m >= 2).sum(axis=-1), 1))


@dataclass(frozen=True, kw_only=True)
class LabelAudit:
    """What people's readings say about the images and about the readers.

    Attributes
    ----------
    alpha, agreement : Estimate
        `nominal_alpha` and `pair_agreement`, with bootstrap intervals over images.
    labels : pandas.DataFrame
        Per image: ``prompt``, ``readings``, ``label`` (the most probable by Dawid and Skene) and
        its probability ``posterior``.
    errors : pandas.DataFrame
        Per rater and label: the estimated rate of each answer and, in ``readings``, how many
        readings the rater gave. Raters with few readings share the rows ``(all others)``.
    shares : pandas.DataFrame
        Per answer: its share among ``readings``, among ``labels``, and ``corrected``, the share
        of images that the model gives that label, with the ends ``low`` and ``high``.
    counts : pandas.DataFrame
        Images by prompt (rows) and label (columns).
    confusion : Confusion
        How often such labels are right and wrong, in as many images as the estimate is worth (at
        least one); `correct_labels` takes it with a row of `counts`.
    notes : tuple of str
        What limits these numbers.
    """

    alpha: Estimate
    agreement: Estimate
    labels: pd.DataFrame
    errors: pd.DataFrame
    shares: pd.DataFrame
    counts: pd.DataFrame
    confusion: Confusion
    notes: tuple[str, ...]


def audit_labels(
    images: Sequence[Any],
    raters: Sequence[Any],
    answers: Sequence[Any],
    *,
    prompts: Sequence[str] | None = None,
    least: int = 100,
    n_resamples: int = 199,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> LabelAudit:
    r"""Turn readings into labels, agreement, error rates, and counts with their confusion.

    The model is that of Dawid and Skene: each image has one label, and readings of it err
    independently of one another. That assumption, with three readings of most images and readers
    who are right more often than not, is what identifies errors without any truth; an error that
    readers share is taken for the label. With :math:`p_i(a)` the probability of label a of image
    i, the chosen labels are confused at the rates
    :math:`M_{al} = \sum_{i: \hat y_i = l} p_i(a) / \sum_i p_i(a)`. Images are resampled and the
    model fitted anew; row a of `confusion` then counts as many images as make its multinomial
    variance the resampled one (at most :math:`\sum_i p_i(a)`).

    Parameters
    ----------
    images, raters, answers
        One entry per reading; a rater reads an image once.
    prompts
        The prompt of each reading's image; by default all images are of one.
    least
        Readings from which a rater gets error rates of his or her own.
    n_resamples, confidence, rng
        Of the bootstrap over images. Raters are taken as they are.

    Raises
    ------
    InputError
        If entries are missing, a rater read an image twice, an image has two prompts, or there is
        one rater, one answer, or no two images with two readings.

    Notes
    -----
    Simulated coverage at a nominal .95 of the interval of a corrected share, and of that of
    `correct_labels` from `counts` and `confusion`, 50 audits of 200 images with three readings
    (standard error up to .05): .92 and .96 for three raters who err in .15 and a share of .5; .84
    and .90 for three who err in .05 to .35 and a share of .1; .90 and 1.00 for sixty raters of ten
    readings who err in .05 to .4 and a share of .3; .84 and .88 for twelve such raters with rates
    of their own from fifty readings each, but .90 and .95 (40 audits) where they share a table,
    which is why `least` is larger. With few images of a label the intervals are too short.

    References
    ----------
    Dawid and Skene (1979), ``dawid1979``; Hayes and Krippendorff (2007), ``hayes2007``.

    Examples
    --------
    >>> from bbb_core.rng import generator
    >>> images = [f"{i}.png" for i in range(8) for _ in range(3)]
    >>> answers = ["man"] * 11 + ["woman"] * 13
    >>> found = audit_labels(images, ["x", "y", "z"] * 8, answers, rng=generator(0), n_resamples=49)
    >>> round(found.agreement.value, 3), found.labels["label"].tolist().count("man")
    (0.917, 4)
    """
    checks.integer("least", least, low=1)
    level = checks.confidence_level(confidence)
    data = _checked(images, raters, answers, prompts)
    own = data.groupby("rater")["rater"].transform("size")
    data["reader"] = data["rater"].where(own >= least, OTHERS)
    names = sorted(data["answer"].unique())
    counts = pd.crosstab(data["image"], data["answer"])
    draws: dict[str, Any] = {"n_resamples": n_resamples, "confidence": level, "rng": rng}
    fit = dawid_skene(data["image"], data["reader"], data["answer"])
    chosen = fit.posterior.idxmax(axis=1)
    estimate = bootstrap(_shares_and_rates, *_rows(data), np.full(len(counts), len(names)), **draws)
    low, high = (np.clip(x[: len(names)], 0, 1) for x in (estimate.low, estimate.high))
    share = fit.posterior.mean()
    by_image = data.groupby("image")["prompt"].first()
    gave = data["reader"].value_counts()
    mean = fit.errors.mul(gave, level=0, axis=0).groupby(level=1).sum()  # of readers, by label
    few = data.loc[data["reader"] == OTHERS, "rater"].nunique()
    singles = int((counts.sum(axis=1) == 1).sum())
    notes = {
        f"{singles} images have one reading, which says nothing about agreement": singles,
        f"{few} raters gave fewer than {least} readings each; they share one table of errors": few,
        "fewer than half of the images have three readings: errors are hardly identified, and the "
        "corrected shares rest on where the fit began": (counts.sum(axis=1) >= 3).mean() < 0.5,
        "the labels did not settle; corrected shares are provisional": not fit.converged,
    } | {
        f"label {name!r} is read as something else more often than as itself: labels may have "
        "changed places, for want of readings": row.idxmax() != name
        for name, row in mean.iterrows()
    }
    errors = fit.errors.rename_axis(["rater", "label"])
    return LabelAudit(
        alpha=bootstrap(nominal_alpha, counts, **draws),
        agreement=bootstrap(pair_agreement, counts, **draws),
        labels=pd.DataFrame({
            "prompt": by_image, "readings": counts.sum(axis=1), "label": chosen,
            "posterior": fit.posterior.max(axis=1),
        }),
        errors=errors.assign(readings=gave[errors.index.get_level_values(0)].to_numpy()),
        shares=pd.DataFrame({
            "readings": data["answer"].value_counts(normalize=True),
            "labels": chosen.value_counts(normalize=True).reindex(names, fill_value=0.0),
            "corrected": share, "low": np.minimum(low, share), "high": np.maximum(high, share),
        }, index=names),
        counts=pd.crosstab(by_image, chosen).reindex(columns=names, fill_value=0),
        confusion=_confusion(fit.posterior, chosen, estimate, level),
        notes=tuple(note for note, holds in notes.items() if holds),
    )  # fmt: skip


def _checked(images: Any, raters: Any, answers: Any, prompts: Any) -> pd.DataFrame:
    told = {"image": images, "rater": raters, "answer": answers}
    told["prompt"] = ["all images"] * len(images) if prompts is None else prompts
    if len({len(column) for column in told.values()}) > 1:
        raise InputError("images, raters, answers and prompts differ in length; pass one of each.")
    data = pd.DataFrame({name: pd.Series(list(x), dtype=object) for name, x in told.items()})
    for name in told:
        if data[name].isna().any():
            raise InputError(f"{name} is missing in a reading; leave that reading out.")
    twice = data[data.duplicated(["image", "rater"])]
    if len(twice):
        image, rater = twice.iloc[0][["image", "rater"]]
        raise InputError(
            f"rater {rater!r} reads image {image!r} twice ({len(twice)} such readings in all); "
            "keep one of each."
        )
    many = data.groupby("image")["prompt"].nunique()
    if (many > 1).any():
        raise InputError(f"image {many.idxmax()!r} has {many.max()} prompts; give it one.")
    for name, why in (("rater", "agreement needs two"), ("answer", "there is nothing to confuse")):
        if data[name].nunique() < 2:
            only = f"only the {name} {data[name].iloc[0]!r}" if len(data) else "none"
            raise InputError(f"of all readings there is {only}; {why}. Pass readings that differ.")
    if (data["image"].value_counts() >= 2).sum() < 2:
        raise InputError("no two images have two readings each; agreement needs them.")
    return data


def _rows(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return readers and answers as codes [images, readings], -1 where there is no reading."""
    row, place = data.groupby("image").ngroup(), data.groupby("image").cumcount()
    made = []
    for name in ("reader", "answer"):
        codes = np.full((row.max() + 1, place.max() + 1), -1)
        codes[row, place] = pd.factorize(data[name], sort=True)[0]
        made.append(codes)
    return made[0], made[1]


def _shares_and_rates(readers: np.ndarray, answers: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return the corrected shares [k], then the rates [k * k] at which labels are confused."""
    seen, names = answers >= 0, range(int(k[0]))
    fit = dawid_skene(
        np.nonzero(seen)[0], readers[seen], answers[seen], tolerance=1e-3, iterations=200
    )
    posterior = fit.posterior.reindex(columns=names, fill_value=0.0).to_numpy()
    return np.concatenate([posterior.mean(axis=0), _rates(posterior).ravel()])


def _rates(posterior: np.ndarray) -> np.ndarray:
    flows = posterior.T @ np.eye(posterior.shape[1])[posterior.argmax(axis=1)]  # [label, chosen]
    total = flows.sum(axis=1, keepdims=True)
    return np.where(total > 0, flows / np.where(total > 0, total, 1), np.eye(len(flows)))


def _confusion(
    posterior: pd.DataFrame, chosen: pd.Series, estimate: Estimate, level: float
) -> Confusion:
    names, rates = list(posterior.columns), _rates(posterior.to_numpy())
    spread = (np.asarray(estimate.high) - estimate.low)[len(names) :].reshape(rates.shape)
    variance = ((spread / (2 * ndtri((1 + level) / 2))) ** 2).sum(axis=1)
    worth = posterior.sum().to_numpy()
    np.divide(1 - (rates**2).sum(axis=1), variance, out=variance, where=variance > 0)
    worth = np.where(variance > 0, np.minimum(worth, variance), worth)
    counts = np.rint(rates * np.maximum(worth, 1)[:, None]).astype(int)
    counts[np.diag_indices_from(counts)] += counts.sum(axis=1) == 0  # a label of hardly any image
    return Confusion.from_counts(pd.DataFrame(counts, names, names).T.to_dict())
