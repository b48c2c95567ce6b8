"""How the results of an artefact lie on disk, by kind (used by `artefacts`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.identity import canonical
from bbb_core.io.writing import atomic_write, write_json

__all__ = ["gap", "load", "store"]


def _kind(name: str, value: Any) -> str:
    module = type(value).__module__.partition(".")[0]
    if module == "torch" and hasattr(value, "detach"):
        return "tensor"
    if module == "pandas" and type(value).__name__ == "DataFrame":
        return "table"
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise InputError(f"result {name!r} holds Python objects; return numbers or text.")
        return "array"
    return "value"


def store(folder: Path, results: Mapping[str, Any]) -> dict[str, str]:
    """Write `results` by kind; return ``{name: file}`` in their order."""
    where: dict[str, str] = {}
    groups: dict[str, dict[str, Any]] = {"tensor": {}, "array": {}, "value": {}}
    for i, (name, value) in enumerate(results.items()):
        kind = _kind(name, value)
        if kind == "table":
            where[name] = f"table-{i}.parquet"
            value.to_parquet(folder / where[name])
        else:
            files = {"tensor": "tensors.safetensors", "array": "arrays.npz", "value": "values.json"}
            where[name] = files[kind]
            groups[kind][name] = value
    if groups["tensor"]:
        from safetensors.torch import save_file

        tensors = {k: t.detach().cpu().contiguous().clone() for k, t in groups["tensor"].items()}
        with atomic_write(folder / "tensors.safetensors") as temporary:
            save_file(tensors, temporary)
    if groups["array"]:
        names = list(groups["array"])  # positions as names: no name can clash with an argument
        arrays = {f"a{names.index(k)}": v for k, v in groups["array"].items()}
        np.savez_compressed(folder / "arrays.npz", **arrays, names=np.array(names, dtype=np.str_))
    if groups["value"]:
        write_json(folder / "values.json", canonical("result", groups["value"]))
    return where


def load(folder: Path, where: Mapping[str, str]) -> dict[str, Any]:
    """Read back what `store` wrote, in the same order; nothing is unpickled."""
    held: dict[str, Any] = {}
    files = set(where.values())
    if "tensors.safetensors" in files:
        from safetensors.torch import load_file

        held.update(load_file(folder / "tensors.safetensors"))
    if "arrays.npz" in files:
        with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
            held.update({str(k): stored[f"a{i}"] for i, k in enumerate(stored["names"])})
    if "values.json" in files:
        held.update(json.loads((folder / "values.json").read_text(encoding="utf-8")))
    for name, file in where.items():
        if file.endswith(".parquet"):
            import pandas as pd

            held[name] = pd.read_parquet(folder / file)
    return {name: held[name] for name in where}


def gap(old: Any, new: Any) -> float | None:
    """Return the largest absolute difference of numbers; None if another difference is found."""
    if hasattr(old, "to_numpy") and hasattr(new, "to_numpy"):
        return 0.0 if old.equals(new) else None
    if isinstance(old, dict) and isinstance(new, dict):
        return 0.0 if old == new else None
    if hasattr(old, "detach") and hasattr(new, "detach"):
        if old.dtype != new.dtype:
            return None
        old, new = old.double().numpy(), new.double().numpy()
    a, b = np.asarray(old), np.asarray(new)
    if a.shape != b.shape or a.dtype != b.dtype:
        return None
    if a.dtype.kind not in "fiub" or not a.size:
        return 0.0 if np.array_equal(a, b) else None
    if np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return 0.0
    gap = np.abs(a.astype(np.float64) - b.astype(np.float64)).max()
    return float(gap) if np.isfinite(gap) else None
