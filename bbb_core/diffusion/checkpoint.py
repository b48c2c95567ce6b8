"""Checkpoints of models and of unfinished training runs: safetensors, signed, whole or not at all.

One format: tensors, and in the file's metadata what is said of them (JSON) with a digest of both.
No code of a file runs, and a flipped byte is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bbb_core import rng
from bbb_core.diffusion.network import Denoiser, NetworkConfig, build_denoiser
from bbb_core.errors import InputError
from bbb_core.io.files import regular_file, shown
from bbb_core.io.identity import digest, input_hash
from bbb_core.io.writing import atomic_write

if TYPE_CHECKING:
    from bbb_core.diffusion.training import Augmentation, TrainingConfig, TrainingSet

__all__ = [
    "load_model",
    "load_state",
    "read_tensors",
    "run_identity",
    "save_model",
    "save_state",
    "write_tensors",
]

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
LARGEST = 1 << 36
"""Bytes of a file of weights."""
MODEL, STATE = "model.safetensors", "state.safetensors"
PROBES = 64
"""Draws of an augmentation whose outcomes are its identity."""


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


def run_identity(
    data: TrainingSet,
    network: NetworkConfig,
    config: TrainingConfig,
    *,
    start: Denoiser | None,
    augmentation: Augmentation | None,
) -> dict[str, str]:
    """Return a hash of each input that decides a training run, by the input's name.

    Data and weights count by their values, an augmentation by what it does to the first images
    with `PROBES` fixed generators.
    """
    parts = {
        name: input_hash(name, getattr(data, name))
        for name in ("images", "conditions", "pairs", "weights")
    }
    parts |= {"network": digest(asdict(network)), "training configuration": digest(asdict(config))}
    parts["start weights"] = _hash_of({} if start is None else start.state_dict())
    if augmentation is not None:
        few, probes = data.images[:8], (rng.torch_generator(0, "probe", i) for i in range(PROBES))
        done = [input_hash("images", augmentation(few.clone(), generator=g)) for g in probes]
        parts["augmentation"] = digest(done)
    return parts


def save_state(
    folder: Path,
    identity: Mapping[str, str],
    model: Denoiser,
    average: Denoiser,
    optimizer: Any,
    losses: Sequence[float],
    snapshots: Mapping[int, Mapping[str, Tensor]],
) -> None:
    """Write an unfinished run: weights, their average, optimiser, losses and snapshots."""
    inner = getattr(optimizer, "optimizer", optimizer)
    parts: dict[str, Mapping[str, Any]] = {
        "model": model.state_dict(),
        "average": average.state_dict(),
    }
    parts |= {f"optimizer {i}": slot for i, slot in inner.state_dict()["state"].items()}
    parts |= {f"snapshot {step}": kept for step, kept in snapshots.items()}
    tensors = {
        f"{part}/{name}": torch.as_tensor(value)
        for part, values in parts.items()
        for name, value in values.items()
    }
    write_tensors(Path(folder) / STATE, tensors, {"identity": identity, "losses": list(losses)})


def load_state(
    folder: Path,
    identity: Mapping[str, str],
    model: Denoiser,
    average: Denoiser,
    optimizer: torch.optim.Optimizer,
) -> tuple[list[float], dict[int, dict[str, Tensor]]]:
    """Restore an unfinished run where there is one; return its losses and snapshots so far.

    Raises
    ------
    InputError
        When the folder cannot be made; when the state is damaged, or belongs to a run on other
        inputs: it names them.
    """
    path = Path(folder) / STATE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"checkpoint is {str(folder)!r}, which cannot be made a folder ({error.strerror}); "
            "choose another place."
        ) from None
    if not path.exists():
        return [], {}
    tensors, said = read_tensors(path)
    theirs = said.get("identity")
    if not isinstance(theirs, dict) or not isinstance(said.get("losses"), list):
        raise InputError(f"{shown(path)} is no state of a training run; choose another folder.")
    names = sorted(theirs.keys() | identity.keys())
    other = [name for name in names if theirs.get(name) != identity.get(name)]
    if other:
        raise InputError(
            f"{shown(path)} is the state of a run with other {', '.join(other)}; choose another "
            "folder."
        )
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = value
    for name, module in (("model", model), ("average", average)):
        _require_shapes(module, parts.get(name, {}), path)
        module.load_state_dict(parts[name])

    def numbered(kind: str) -> dict[int, dict[str, Tensor]]:
        found = (part.split() for part in parts if part.startswith(f"{kind} "))
        return {int(number): parts[f"{kind} {number}"] for _, number in found}

    optimizer.load_state_dict({**optimizer.state_dict(), "state": numbered("optimizer")})
    return said["losses"], numbered("snapshot")
