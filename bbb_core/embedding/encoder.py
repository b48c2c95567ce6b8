"""Encoders of text and images behind one protocol (embedding chapter, definition D4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core.embedding.cache import EmbeddingCache
from bbb_core.errors import InputError
from bbb_core.progress import bar

__all__ = [
    "BatchedEncoder",
    "Encoder",
    "ImageEncoder",
    "Level",
    "check_lengths",
    "package_folder",
    "shortened",
]

_COUNTED = 1024  # texts whose tokens are counted at a time
_SHOWN = 32  # characters of either end of a text that a message shows

Level = Literal["sentence", "word"]


@runtime_checkable
class Encoder(Protocol):
    """The embedding E: texts in, unit rows out.

    Attributes
    ----------
    name
        The spec that loads the encoder again.
    level
        ``"word"`` when a sentence is the mean of its words, so that a template drowns the noun;
        measure such encoders with the bare template.
    fingerprint
        Changes whenever the rows may change: hash of the weights and of their use.
    dim
        Length d of a row.
    """

    name: str
    level: Level
    fingerprint: str
    dim: int

    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Embed texts as unit rows, float32, on the CPU."""
        ...


@runtime_checkable
class ImageEncoder(Encoder, Protocol):
    """An encoder that puts images into the same space as texts."""

    def encode_image(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Embed images with values in [0, 1] as unit rows, float32, on the CPU."""
        ...


class BatchedEncoder(ABC):
    """What all encoders share: checks, batches, the disk cache, progress and unit rows.

    A sub-class computes raw rows for one batch of texts in `_rows`. Equal texts are computed once.
    One that reads a limited number of tokens says how many and counts them in `_lengths`: a longer
    text is refused, never cut.

    Parameters
    ----------
    name, level, fingerprint, dim
        See `Encoder`.
    max_tokens
        Most tokens of a text, marks of start and end included; None for no limit.
    batch_size
        Texts per batch; a batch is also what an interrupted run keeps.
    cached
        Whether rows are worth a place in the disk cache.
    """

    def __init__(
        self,
        *,
        name: str,
        level: Level,
        fingerprint: str,
        dim: int,
        max_tokens: int | None = None,
        batch_size: int = 64,
        cached: bool = True,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, not {batch_size}.")
        self.name = name
        self.level: Level = level
        self.fingerprint = fingerprint
        self.dim = dim
        self.max_tokens = max_tokens
        self.batch_size = batch_size
        self.cached = cached

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, level={self.level!r}, dim={self.dim})"

    @abstractmethod
    def _rows(self, texts: list[str]) -> Tensor:
        """Return raw rows [n, d] of one batch."""

    def _lengths(self, texts: list[str]) -> list[int]:
        """Count the tokens of each text, marks of start and end included."""
        raise NotImplementedError(f"{type(self).__name__} has a limit but counts no tokens")

    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Embed texts as unit rows, float32, on the CPU.

        Raises
        ------
        InputError
            When `texts` is no list of non-empty texts, one is longer than the encoder reads, or
            a row has no direction.
        """
        asked = checked_texts(texts)
        missing = list(dict.fromkeys(asked))
        if self.max_tokens is not None:
            for start in range(0, len(missing), _COUNTED):
                part = missing[start : start + _COUNTED]
                check_lengths(part, self._lengths(part), self.max_tokens, name=self.name)
        cache = EmbeddingCache(self.fingerprint, self.dim) if self.cached else None
        known = cache.get(missing) if cache else {}
        missing = sorted((text for text in missing if text not in known), key=len)  # less padding
        batches = range(0, len(missing), self.batch_size)
        for start in bar(batches, total=len(batches), desc=self.name):
            part = missing[start : start + self.batch_size]
            rows = dict(zip(part, unit(self._rows(part), part), strict=True))
            known |= rows
            if cache:
                cache.put(rows)
        return torch.from_numpy(np.stack([known[text] for text in asked]))


def package_folder(package: str, *, missing: str) -> Path:
    """Return the folder of an installed package that carries weights; nothing of it is imported.

    Raises
    ------
    InputError
        With the text `missing`, when the package is not installed.
    """
    found = find_spec(package)
    if found is None or found.origin is None:
        raise InputError(missing)
    return Path(found.origin).parent


def check_lengths(texts: Sequence[str], lengths: Sequence[int], limit: int, *, name: str) -> None:
    """Refuse the first text with more tokens than an encoder reads.

    A tokenizer that cuts would silently embed another text: prompts that differ only behind the
    limit would get one embedding, so a gap of exactly zero.

    Parameters
    ----------
    texts, lengths
        Texts and their numbers of tokens, counted without cutting.
    limit
        Most tokens that are read.
    name
        What reads them, for the message.

    Raises
    ------
    InputError
        Naming the text (its middle left out), its tokens and the limit.

    Examples
    --------
    >>> check_lengths(["a photo of a nurse"], [7], 77, name="open_clip:ViT-B-32/openai")
    """
    for text, length in zip(texts, lengths, strict=True):
        if length > limit:
            raise InputError(
                f"prompt {shortened(text)!r} has {length} tokens, but {name} reads at most {limit} "
                "(marks of start and end included); shorten it."
            )


def shortened(text: str) -> str:
    """Return a text for a message: both ends of a long one, at whole words where it has any.

    Examples
    --------
    >>> shortened("a photo of " + "very " * 100 + "old nurse")
    'a photo of very very very very ... very very very very old nurse'
    """
    if len(text) <= 2 * _SHOWN + 5:
        return text
    start, end = text[:_SHOWN], text[-_SHOWN:]
    return f"{start.rpartition(' ')[0] or start} ... {end.partition(' ')[2] or end}"


def checked_texts(texts: Sequence[str]) -> list[str]:
    """Return the texts as a list, or raise `InputError` naming the first bad one."""
    if isinstance(texts, str):
        raise InputError(f"texts must be a list of texts, not the single text {texts!r}.")
    found = list(texts)
    if not found:
        raise InputError("texts is empty; give at least one text.")
    for number, text in enumerate(found):
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"texts[{number}] must be a non-empty text, not {text!r}.")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError(f"texts[{number}] is no valid Unicode: {text!r}.") from None
    return found


def unit(rows: Tensor, texts: Sequence[str]) -> np.ndarray:
    """Scale raw rows to norm 1 (computed in float64), or name the text that has no direction."""
    values = rows.detach().to("cpu", torch.float64).numpy()
    norms = np.linalg.norm(values, axis=1)
    bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0.0))
    if bad.size:
        raise InputError(
            f"text {texts[bad[0]]!r} has an embedding of norm {norms[bad[0]]}; "
            "a direction needs a finite, non-zero row."
        )
    return (values / norms[:, None]).astype(np.float32)
