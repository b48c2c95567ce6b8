"""What an artefact depends on besides its code: its parameters and inputs, as hashes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.writing import sha256

__all__ = ["canonical", "digest", "input_hash"]


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(name: str, value: Any) -> Any:
    """Return `value` as plain JSON data (dataclasses by name and fields, NumPy scalars as numbers).

    Raises
    ------
    InputError
        If `value` holds something that has no such form.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {"dataclass": type(value).__qualname__, **canonical(name, fields)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InputError(f"{name} has a key that is no string; use strings as keys.")
        return {key: canonical(f"{name}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(f"{name}[{i}]", item) for i, item in enumerate(value)]
    raise InputError(
        f"{name} is a {type(value).__name__}; pass numbers, text, lists, mappings or dataclasses."
    )


def input_hash(name: str, value: Any) -> str:
    """Return the hash of one input: a file (`Path`), bytes, an array, a tensor or plain data."""
    if isinstance(value, Path):
        if not value.is_file():
            raise InputError(f"{name} is {str(value)!r}, which is no file; pass an existing one.")
        return sha256(value)
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if hasattr(value, "detach"):
        tensor = value.detach().cpu()
        value = tensor.float().numpy() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy()
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise InputError(f"{name} holds Python objects; pass numbers or fixed-width strings.")
        hashed = hashlib.sha256(f"{value.dtype.str}{value.shape}".encode())
        hashed.update(np.ascontiguousarray(value).tobytes())
        return hashed.hexdigest()
    key = getattr(value, "key", None)  # an artefact stands for what it was made from
    return key if isinstance(key, str) else digest(canonical(name, value))
