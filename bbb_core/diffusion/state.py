"""The state of an unfinished training run, and the identity by content of what it trains on.

Serves the chapter "A diffusion model of emoji people".
"""

from __future__ import annotations

import functools
import inspect
import json
import types
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bbb_core import rng
from bbb_core.diffusion.network import Denoiser, NetworkConfig
from bbb_core.diffusion.tensors import read_tensors, require_shapes
from bbb_core.errors import InputError
from bbb_core.io.identity import digest, input_hash
from bbb_core.io.writing import atomic_write

if TYPE_CHECKING:
    from bbb_core.diffusion.training import Augmentation, TrainingConfig, TrainingSet

__all__ = ["TrainingState", "run_identity"]

PROBES = 64
"""Draws of an augmentation whose outcomes are part of its identity."""


def run_identity(
    data: TrainingSet,
    network: NetworkConfig,
    config: TrainingConfig,
    *,
    start: Denoiser | None,
    augmentation: Augmentation | None,
) -> dict[str, str]:
    """Return a hash of each input that decides a training run, by the input's name.

    Data and weights count by their values. An augmentation counts by its code and parameters (those
    of a `functools.partial`, defaults, closures, attributes of an object), and by what it does to
    the first images with `PROBES` fixed generators, which shows a change in what it calls.
    """
    parts = {
        name: input_hash(name, getattr(data, name))
        for name in ("images", "conditions", "pairs", "weights")
    }
    parts |= {"network": digest(asdict(network)), "training configuration": digest(asdict(config))}
    parts["start weights"] = _hash_of({} if start is None else start.state_dict())
    done = []
    if augmentation is not None:
        few = data.images[:8]
        for i in range(PROBES):
            drawn = augmentation(few.clone(), generator=rng.torch_generator(0, "probe", i))
            done.append(input_hash("augmented images", drawn))
    parts["augmentation"] = digest([_described(augmentation), done])
    return parts


def _hash_of(tensors: Mapping[str, Tensor]) -> str:
    return digest({k: [str(v.dtype), input_hash(k, v)] for k, v in tensors.items()})


def _described(value: Any, within: tuple[int, ...] = ()) -> Any:
    """Return plain data that says what a callable is made of: its code and its parameters."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        return input_hash("augmentation", value)
    if isinstance(value, (types.ModuleType, types.BuiltinFunctionType, type)):
        return value.__name__
    if id(value) in within:
        return "itself"
    inner = functools.partial(_described, within=(*within, id(value)))
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(inner, value)]
    if isinstance(value, (set, frozenset)):
        return [type(value).__name__, *map(inner, sorted(value, key=repr))]
    if isinstance(value, Mapping):
        return [[inner(k), inner(v)] for k, v in value.items()]
    if isinstance(value, functools.partial):
        return ["partial", inner(value.func), inner(value.args), inner(value.keywords)]
    if inspect.ismethod(value):
        return ["method", inner(value.__func__), inner(value.__self__)]
    if isinstance(value, types.CodeType):
        return [value.co_code.hex(), list(value.co_names), inner(value.co_consts)]
    if inspect.isfunction(value):
        return [value.__qualname__, inner(value.__code__), inner(value.__defaults__),
                inner(value.__kwdefaults__), *map(inner, value.__closure__ or ())]  # fmt: skip
    if isinstance(value, types.CellType):
        try:
            return inner(value.cell_contents)
        except ValueError:  # not filled yet
            return "empty"
    return [type(value).__qualname__, inner(getattr(value, "__dict__", {}))]


class TrainingState:
    """The state of a run in a folder: one file with a hash of its own, so it is never half new.

    Parameters
    ----------
    folder
        Made if absent; the state is ``state.safetensors`` in it.
    identity
        What the run trains on, see `run_identity`.

    Raises
    ------
    InputError
        When the folder cannot be made.
    """

    def __init__(self, folder: Path, identity: dict[str, str]) -> None:
        self.path = Path(folder) / "state.safetensors"
        self.identity = identity
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"checkpoint is {str(folder)!r}, which cannot be made a folder ({error.strerror}); "
                "choose another place."
            ) from None

    def save(
        self,
        model: Denoiser,
        ema: Denoiser,
        optimizer: Any,
        losses: list[float],
        snapshots: Mapping[int, Mapping[str, Tensor]],
    ) -> None:
        """Write weights, average, optimiser, losses and snapshots, whole or not at all."""
        from safetensors.torch import save_file

        inner = getattr(optimizer, "optimizer", optimizer)
        parts: dict[str, Mapping[str, Any]] = {"model": model.state_dict(), "ema": ema.state_dict()}
        parts |= {f"optimizer.{i}": slot for i, slot in inner.state_dict()["state"].items()}
        parts |= {f"snapshot.{step}": kept for step, kept in snapshots.items()}
        tensors = {
            f"{part}.{name}": torch.as_tensor(value).detach().cpu().clone().contiguous()
            for part, values in parts.items()
            for name, value in values.items()
        }
        said = {"identity": json.dumps(self.identity), "losses": json.dumps(losses)}
        said["digest"] = digest([said, _hash_of(dict(sorted(tensors.items())))])
        with atomic_write(self.path) as temporary:
            save_file(tensors, temporary, metadata=said)

    def load(
        self, model: Denoiser, ema: Denoiser, optimizer: torch.optim.Optimizer
    ) -> tuple[list[float], dict[int, dict[str, Tensor]]]:
        """Restore a state where there is one; return the losses and snapshots so far.

        Raises
        ------
        InputError
            When the state is damaged, or belongs to a run on other inputs; it names them.
        """
        if not self.path.exists():
            return [], {}
        tensors, said = read_tensors(self.path)
        signed = said.pop("digest", None)
        if signed != digest([said, _hash_of(dict(sorted(tensors.items())))]):
            raise InputError(f"{self.path} is damaged; delete it to start the run again.")
        theirs, losses = json.loads(said["identity"]), json.loads(said["losses"])
        names = sorted(theirs.keys() | self.identity.keys())
        other = [name for name in names if theirs.get(name) != self.identity.get(name)]
        if other:
            raise InputError(
                f"{self.path} is the state of a run with other {', '.join(other)}; choose another "
                "folder."
            )
        parts = _parts(tensors)
        for name, module in (("model", model), ("ema", ema)):
            require_shapes(module, parts[name], self.path)
            module.load_state_dict(parts[name])
        slots = {int(k.partition(".")[2]): v for k, v in parts.items() if k.startswith("optimizer")}
        optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
        kept = {int(k.partition(".")[2]): v for k, v in parts.items() if k.startswith("snapshot")}
        return losses, kept


def _parts(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the tensors by part: ``model``, ``ema``, ``optimizer.7``, ``snapshot.500``."""
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        part, _, name = key.partition(".")
        if part in ("optimizer", "snapshot"):
            number, _, name = name.partition(".")
            part = f"{part}.{number}"
        parts.setdefault(part, {})[name] = value
    return parts
