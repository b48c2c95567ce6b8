"""Independent random streams named by a seed and keys; nothing here touches global state."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["generator", "normal", "seed_sequence", "torch_generator", "weights_from"]


def seed_sequence(seed: int, *keys: str | int) -> np.random.SeedSequence:
    """Return the seed sequence of the stream named `keys` under `seed`.

    Keys are hashed with their type, so ``"1"`` and ``1`` name different streams, and so do
    ``("a", "b")`` and ``("ab",)``.
    """
    seed = checks.integer("seed", seed, low=0)
    text = "\x1f".join(f"{type(key).__name__}:{key!r}" for key in keys)
    digest = hashlib.sha256(text.encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist() if keys else []
    return np.random.SeedSequence([seed, *words])


def generator(seed: int, *keys: str | int) -> np.random.Generator:
    """Return a NumPy generator; different keys give independent streams.

    Examples
    --------
    >>> a, b = generator(0, "noise"), generator(0, "noise")
    >>> bool(a.normal() == b.normal())
    True
    """
    return np.random.default_rng(seed_sequence(seed, *keys))


def _torch_seed(seed: int, *keys: str | int) -> int:
    return int(seed_sequence(seed, *keys).generate_state(1, np.uint64)[0] >> np.uint64(1))


def torch_generator(seed: int, *keys: str | int, device: Any = "cpu") -> torch.Generator:
    """Return a torch generator on `device`; different keys give independent streams.

    Examples
    --------
    >>> torch_generator(0, "noise").initial_seed() == torch_generator(0, "other").initial_seed()
    False
    """
    import torch

    return torch.Generator(device=device).manual_seed(_torch_seed(seed, *keys))


def normal(
    generators: torch.Generator | Sequence[torch.Generator],
    n: int,
    shape: Sequence[int] = (),
    *,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Return standard normal noise of shape ``[n, *shape]`` (float64 unless `dtype` is given).

    A list of `n` generators gives each row its own stream; one generator draws the whole block,
    which is faster and makes a row depend on `n`.

    Examples
    --------
    >>> alone = normal([torch_generator(0, 3)], 1)
    >>> bool((normal([torch_generator(0, i) for i in range(5)], 5)[3] == alone[0]).all())
    True
    """
    import torch

    dtype = torch.float64 if dtype is None else dtype
    if isinstance(generators, torch.Generator):
        device = generators.device
        return torch.randn((n, *shape), generator=generators, dtype=dtype, device=device)
    rows = list(generators)
    if len(rows) != n:
        raise InputError(f"generators has {len(rows)} entries; pass one per sample ({n}).")
    draws = [torch.randn(tuple(shape), generator=g, dtype=dtype, device=g.device) for g in rows]
    return torch.stack(draws) if draws else torch.empty((0, *shape), dtype=dtype)


@contextlib.contextmanager
def weights_from(generator: torch.Generator) -> Iterator[None]:
    """Let layers that are built in the block draw their first weights as `generator` would.

    Torch initialises layers from its global stream, which is afterwards as it was before.

    Examples
    --------
    >>> import torch
    >>> with weights_from(torch_generator(0, "weights")):
    ...     first = torch.nn.Linear(2, 2)
    >>> with weights_from(torch_generator(0, "weights")):
    ...     second = torch.nn.Linear(2, 2)
    >>> torch.equal(first.weight, second.weight)
    True
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.set_state(generator.get_state())
        yield
