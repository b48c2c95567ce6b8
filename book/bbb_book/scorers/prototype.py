"""A multimodal encoder without training: a caption is the mean of its pictures (D4, D5, T5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core import checks
from bbb_core.embedding.encoder import BatchedEncoder, unit
from bbb_core.errors import InputError

__all__ = ["PrototypeEncoder", "fit_prototypes"]

SIDE = 16
"""Pixels per side to which pictures are shrunk."""


class PrototypeEncoder(BatchedEncoder):
    """Embeds a picture linearly, and a caption as the mean of the pictures that it came with.

    Parameters
    ----------
    centre : numpy.ndarray, shape [p]
        Mean picture.
    whitening : numpy.ndarray, shape [p, p]
        Inverse root of the covariance of pictures around the means of their captions.
    prototypes : dict of str to numpy.ndarray, shape [p]
        The raw row of each caption.
    name : str
    """

    def __init__(
        self,
        centre: np.ndarray,
        whitening: np.ndarray,
        prototypes: dict[str, np.ndarray],
        *,
        name: str,
    ) -> None:
        super().__init__(
            name=name, level="sentence", dim=len(centre), fingerprint=name, cached=False
        )
        self._centre, self._whitening, self._prototypes = centre, whitening, prototypes

    def _rows(self, texts: list[str]) -> Tensor:
        for text in texts:
            if text not in self._prototypes:
                raise InputError(
                    f"text {text!r} came with no picture; use the captions that were fitted."
                )
        return torch.from_numpy(np.stack([self._prototypes[text] for text in texts]))

    def encode_image(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Embed images with values in [0, 1] as unit rows, float32."""
        raw = (_pixels(images) - self._centre) @ self._whitening
        return torch.from_numpy(
            unit(torch.from_numpy(raw), [f"image {i}" for i in range(len(raw))])
        )


def _pixels(images: Tensor) -> np.ndarray:
    images = checks.finite("images", images)
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] < SIDE:
        raise InputError(f"images has shape {tuple(images.shape)}; pass [n, 3, h, w], h >= {SIDE}.")
    small = torch.nn.functional.adaptive_avg_pool2d(images.double(), SIDE)
    return small.flatten(1).numpy()


def fit_prototypes(
    batches: Callable[[torch.Generator], tuple[Tensor, list[str]]],
    *,
    count: int,
    generator: torch.Generator,
    ridge: float = 0.1,
    name: str = "prototypes",
) -> PrototypeEncoder:
    r"""Fit the encoder in closed form: Fisher's discriminant, one class per caption.

    A picture x becomes :math:`\phi(x) = (\Sigma + \lambda \tfrac{\mathrm{tr} \Sigma}{p} I)^{-1/2}
    (x - \bar x)` with :math:`\Sigma` the covariance of pictures around the means of their captions,
    and a caption the mean of :math:`\phi` over its pictures. So whatever is lopsided in the
    pictures of a caption is lopsided in its embedding. Everything is linear algebra in float64:
    two machines agree to many digits, which trained networks do not.

    Parameters
    ----------
    batches : callable
        ``batches(generator)`` returns images [n, 3, h, w] in [0, 1] and their n captions.
    count : int
        Batches to look at.
    generator : torch.Generator
    ridge : float
        :math:`\lambda`, relative to the mean variance of a pixel.
    name : str

    Returns
    -------
    PrototypeEncoder

    References
    ----------
    Fisher (1936), ``fisher1936``.
    """
    checks.integer("count", count, low=1)
    pictures, captions = [], []
    for _ in range(count):
        images, texts = batches(generator)
        pictures.append(_pixels(images))
        captions.extend(texts)
    x = np.concatenate(pictures)
    names: Sequence[str] = sorted(set(captions))
    place = {text: i for i, text in enumerate(names)}
    row = np.array([place[text] for text in captions])
    means = np.zeros((len(names), x.shape[1]))
    np.add.at(means, row, x)
    means /= np.bincount(row)[:, None]
    within = x - means[row]
    covariance = within.T @ within / len(x)
    covariance += np.eye(len(covariance)) * ridge * np.trace(covariance) / len(covariance)
    values, vectors = np.linalg.eigh(covariance)
    whitening = (vectors / np.sqrt(values)) @ vectors.T
    centre = x.mean(axis=0)
    rows = (means - centre) @ whitening
    return PrototypeEncoder(centre, whitening, dict(zip(names, rows, strict=True)), name=name)
