"""Checkpoints: weights in safetensors beside a manifest that says what they are.

Serves the chapter "A diffusion model of emoji people".
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bbb_core.diffusion.network import Denoiser, NetworkConfig, build_denoiser
from bbb_core.diffusion.tensors import read_tensors, require_shapes
from bbb_core.errors import InputError
from bbb_core.io.files import open_bytes, regular_file, shown
from bbb_core.io.writing import atomic_write, sha256, write_json

__all__ = ["load_model", "read_json", "save_model"]

LARGEST_JSON = 1 << 20
"""Bytes of a manifest or a configuration; one of this package has less than a thousandth."""
LARGEST_WEIGHTS = 1 << 36
"""Bytes of a model's weights."""


def save_model(
    folder: Path, model: Denoiser, *, about: dict[str, Any], dtype: torch.dtype = torch.float32
) -> None:
    """Write ``model.safetensors`` and ``manifest.json`` (configuration, hash, and `about`).

    Parameters
    ----------
    folder
        Made if absent.
    model
        What to save.
    about
        What else the manifest says: training configuration, data, licence.
    dtype
        Of the stored weights; float16 halves the file.
    """
    from safetensors.torch import save_file

    tensors = {k: v.detach().cpu().to(dtype).contiguous() for k, v in model.state_dict().items()}
    with atomic_write(Path(folder) / "model.safetensors") as temporary:
        save_file(tensors, temporary)
    manifest = {
        "network": asdict(model.config),
        "parameters": model.size,
        "dtype": str(dtype).removeprefix("torch."),
        "sha256": sha256(Path(folder) / "model.safetensors"),
        "about": about,
    }
    write_json(Path(folder) / "manifest.json", manifest)


def load_model(folder: Path) -> Denoiser:
    """Load a model after comparing the file's hash with its manifest.

    Nothing is allocated for a network before the stored tensors are known to have its names and
    shapes, so a manifest cannot ask for more memory than its weights take on the disk.

    Raises
    ------
    InputError
        When a file is missing or damaged, the manifest describes no network of this package, or
        the weights are not those of the manifest: other bytes, names, shapes or kinds of numbers,
        or a value that is not finite.
    """
    weights, said = Path(folder) / "model.safetensors", Path(folder) / "manifest.json"
    manifest = read_json(said, name="manifest")
    regular_file(weights, name="model", most=LARGEST_WEIGHTS)
    try:
        config = NetworkConfig.from_json(manifest.get("network"))
    except InputError as error:
        raise InputError(f"{said} describes no network: {error}") from None
    if sha256(weights) != manifest.get("sha256"):
        raise InputError(f"{weights} is not the file of its manifest; restore both.")
    tensors, _ = read_tensors(weights)
    with torch.device("meta"):
        shape = build_denoiser(config)
    require_shapes(shape, tensors, weights)
    model = build_denoiser(config)
    model.load_state_dict({k: v.float() for k, v in tensors.items()})
    return model.eval()


def read_json(path: Path, *, name: str) -> dict[str, Any]:
    """Return the mapping that a small JSON file holds.

    Raises
    ------
    InputError
        When it is no regular file, too long, no UTF-8, no JSON, nested too deep, or no mapping.
    """
    with open_bytes(path, name=name, most=LARGEST_JSON) as handle:
        text = handle.read(LARGEST_JSON)
    try:
        said = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{name} {shown(path)} is no JSON ({reason}); restore it.") from None
    if not isinstance(said, dict):
        raise InputError(f"{name} {shown(path)} is no JSON mapping; restore it.")
    return said
