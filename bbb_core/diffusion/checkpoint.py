"""Checkpoints: weights in safetensors beside a manifest that says what they are.

Serves the chapter "A diffusion model of emoji people".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bbb_core.diffusion.network import Denoiser, NetworkConfig, build_denoiser
from bbb_core.errors import InputError
from bbb_core.results.files import atomic_write, sha256, write_json

__all__ = ["load_model", "read_tensors", "require_shapes", "save_model"]

MANIFEST_BYTES = 1 << 20
"""Largest manifest that is read; one of this package holds less than a thousandth."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


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
    for path in (weights, said):
        if not path.is_file():
            raise InputError(f"{folder} has no file {path.name}; train the model or restore it.")
    manifest = _read_manifest(said)
    try:
        config = NetworkConfig.from_json(manifest.get("network"))
    except InputError as error:
        raise InputError(f"{said} describes no network: {error}") from None
    if _sha256(weights) != manifest.get("sha256"):
        raise InputError(f"{weights} is not the file of its manifest; restore both.")
    tensors, _ = read_tensors(weights)
    with torch.device("meta"):
        shape = build_denoiser(config)
    require_shapes(shape, tensors, weights)
    model = build_denoiser(config)
    model.load_state_dict({k: v.float() for k, v in tensors.items()})
    return model.eval()


def _sha256(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); restore it.") from None


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as handle:
            text = handle.read(MANIFEST_BYTES + 1)
        if len(text) > MANIFEST_BYTES:
            raise ValueError(f"longer than {MANIFEST_BYTES} bytes")
        said = json.loads(text.decode("utf-8"))
        if not isinstance(said, dict):
            raise ValueError("no mapping")
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path} is no manifest ({reason}); restore the file.") from None
    return said


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file.

    Raises
    ------
    InputError
        When the file cannot be read, is no safetensors file, or is cut short.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {k: stored.get_tensor(k) for k in stored.keys()}  # noqa: SIM118 (a file has no iterator)
            return tensors, dict(stored.metadata() or {})
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path} is no whole safetensors file ({reason}); restore it.") from None


def require_shapes(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise unless `tensors` are finite real numbers with the names and shapes of the module's."""
    wanted = module.state_dict()
    for name in sorted(wanted.keys() ^ tensors.keys()):
        problem = "lacks" if name in wanted else "holds, for another network,"
        raise InputError(f"{path} {problem} the tensor {name!r}; restore the file.")
    for name, value in tensors.items():
        if value.shape != wanted[name].shape:
            raise InputError(
                f"{path} has {name} of shape {list(value.shape)}, the network "
                f"{list(wanted[name].shape)}; restore the file or its manifest."
            )
        if value.dtype not in FLOATS:
            raise InputError(f"{path} has {name} of {value.dtype}; store real numbers.")
        if not value.isfinite().all():
            raise InputError(f"{path} has a value in {name} that is not finite; restore the file.")
