"""Tensors from safetensors files: read whole, and held against the network they are meant for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from bbb_core.errors import InputError

__all__ = ["read_tensors", "require_shapes"]

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


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
