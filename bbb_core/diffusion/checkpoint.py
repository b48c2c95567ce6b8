"""Saved models: safetensors, signed, whole or not at all.

Tensors, and in the file's metadata what is said of them (JSON) with a digest of both.
No code of a file runs, and a flipped byte is noticed.
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
from bbb_core.io.files import regular_file, shown
from bbb_core.io.identity import digest, input_hash
from bbb_core.io.writing import atomic_write

__all__ = ["load_model", "read_tensors", "save_model", "write_tensors"]

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
LARGEST = 1 << 36
"""Bytes of a file of weights."""
MODEL = "model.safetensors"


def _hash_of(tensors: Mapping[str, Tensor]) -> str:
    return digest({k: [str(v.dtype), input_hash(k, v)] for k, v in sorted(tensors.items())})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], said: Mapping[str, Any]) -> None:
    """Write tensors, and what is said of them as JSON, under a digest of both."""
    from safetensors.torch import save_file

    plain = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
    texts = {k: json.dumps(v) for k, v in said.items()}
    texts["digest"] = digest([texts, _hash_of(plain)])
    with atomic_write(path) as temporary:
        save_file(plain, temporary, metadata=texts)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `write_tensors` wrote.

    Raises
    ------
    InputError
        When the file cannot be read, is no whole safetensors file, or is not as it was written.
    """
    from safetensors import SafetensorError, safe_open

    regular_file(path, name="checkpoint", most=LARGEST)
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {k: stored.get_tensor(k) for k in stored.keys()}  # noqa: SIM118 (a file has no iterator)
            texts = dict(stored.metadata() or {})
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{shown(path)} is no whole safetensors file ({reason}); restore it."
        ) from None
    signed = texts.pop("digest", None)
    if signed != digest([texts, _hash_of(tensors)]):
        raise InputError(
            f"{shown(path)} is damaged, or of another program; restore it, or delete it."
        )
    try:
        return tensors, {k: json.loads(v) for k, v in texts.items()}
    except (ValueError, RecursionError):
        raise InputError(f"{shown(path)} says something that is no JSON; restore it.") from None


def _require_shapes(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise unless `tensors` are finite real numbers with the names and shapes of the module's."""
    wanted = module.state_dict()
    for name in sorted(wanted.keys() ^ tensors.keys()):
        problem = "lacks" if name in wanted else "holds, for another network,"
        raise InputError(f"{shown(path)} {problem} the tensor {name!r}; restore the file.")
    for name, value in tensors.items():
        if value.shape != wanted[name].shape:
            raise InputError(
                f"{shown(path)} has {name} of shape {list(value.shape)}, the network "
                f"{list(wanted[name].shape)}; restore the file."
            )
        if value.dtype not in FLOATS:
            raise InputError(f"{shown(path)} has {name} of {value.dtype}; store real numbers.")
        if not value.isfinite().all():
            raise InputError(
                f"{shown(path)} has a value in {name} that is not finite; restore the file."
            )


def save_model(
    folder: Path, model: Denoiser, *, about: dict[str, Any], dtype: torch.dtype = torch.float32
) -> None:
    """Write ``model.safetensors``: the weights, the network's configuration, and `about`.

    Parameters
    ----------
    folder
        Made if absent.
    model
        What to save.
    about
        What else is said of it: training configuration, data, licence.
    dtype
        Of the stored weights; float16 halves the file.
    """
    weights = {k: v.to(dtype) for k, v in model.state_dict().items()}
    said = {"network": asdict(model.config), "parameters": model.size, "about": about}
    write_tensors(Path(folder) / MODEL, weights, said)


def load_model(folder: Path) -> Denoiser:
    """Load what `save_model` wrote, in evaluation mode.

    Nothing is allocated for a network before the stored tensors are known to have its names and
    shapes, so a file cannot ask for more memory than its weights take on the disk.

    Raises
    ------
    InputError
        When the file is missing or damaged, describes no network of this package, or holds other
        weights than the network has: other names, shapes or kinds of numbers, or a value that is
        not finite.
    """
    path = Path(folder) / MODEL
    tensors, said = read_tensors(path)
    try:
        config = NetworkConfig.from_json(said.get("network"))
    except InputError as error:
        raise InputError(f"{shown(path)} describes no network: {error}") from None
    with torch.device("meta"):
        shape = build_denoiser(config)
    _require_shapes(shape, tensors, path)
    model = build_denoiser(config)
    model.load_state_dict({k: v.float() for k, v in tensors.items()})
    return model.eval()
