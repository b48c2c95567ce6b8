"""One pass over millions of embeddings in bounded memory: nearest rows and moments per prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core import checks
from bbb_core import device as devices
from bbb_core.errors import InputError
from bbb_core.io.files import regular_file
from bbb_core.progress import bar

__all__ = ["Scan", "scan"]

_LARGEST = 2**50  # bytes: a scan reads what fits no memory


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What one pass found; cosines in [-1, 1].

    Attributes
    ----------
    n
        Rows read.
    nearest, nearest_rows
        The k largest cosines of each prompt, ``[p, k]``, largest first, and their row numbers.
    mean, sd
        Mean and standard deviation (n - 1) of each prompt's cosines over all rows, ``[p]``.
    gap_mean, gap_sd
        The same of the difference of two prompts' cosines, for each pair asked, ``[q]``.
    """

    n: int
    nearest: np.ndarray
    nearest_rows: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    gap_mean: np.ndarray
    gap_sd: np.ndarray


class _Moments:
    """Running mean and sum of squared deviations in float64 (the update of Chan and others)."""

    def __init__(self, width: int) -> None:
        self.n = 0
        self.mean = np.zeros(width)
        self._squares = np.zeros(width)

    def add(self, values: Tensor) -> None:
        """Take in rows of values, [m, width]."""
        m = len(values)
        mean = values.mean(0, dtype=torch.float64)
        squares = (values - mean.to(values.dtype)).square_().sum(0, dtype=torch.float64)
        fresh, spread = mean.cpu().numpy(), squares.cpu().numpy()
        delta, total = fresh - self.mean, self.n + m
        self._squares += spread + delta**2 * (self.n * m / total)
        self.mean += delta * (m / total)
        self.n = total

    @property
    def sd(self) -> np.ndarray:
        """Standard deviation of everything so far, [width]; zeros before the second row."""
        return np.sqrt(self._squares / (self.n - 1)) if self.n > 1 else np.zeros_like(self.mean)


def scan(
    rows: str | Path | np.ndarray | Tensor,
    prompts: Float[Tensor, "p d"],
    *,
    k: int = 10,
    pairs: Sequence[tuple[int, int]] = (),
    chunk_rows: int = 16384,
    tensor: str = "embeddings",
    device: str | None = None,
) -> Scan:
    """Compare every row with every prompt in one pass.

    Memory is bounded by the chunk, not by the file: files are memory-mapped.

    Parameters
    ----------
    rows
        ``[n, d]``: a ``.npy`` or ``.safetensors`` file (half or full precision), an array or a
        tensor. Rows need not be unit; they are scaled here.
    prompts
        Unit rows.
    k
        How many nearest rows to keep for each prompt.
    pairs
        Pairs (i, j) of prompts whose difference of cosines is wanted.
    chunk_rows
        Rows in memory at a time.
    tensor
        Name of the tensor in a ``.safetensors`` file.
    device
        Where products are computed; the CPU by default.

    Raises
    ------
    InputError
        When the file is missing, pickled or malformed, dimensions differ, or a row is not finite
        or zero (with its number).

    Examples
    --------
    >>> found = scan(np.eye(3), torch.eye(3)[:1], k=2)
    >>> int(found.nearest_rows[0, 0]), found.n
    (0, 3)
    """
    prompts = checks.unit_rows("prompts", prompts)
    k = checks.integer("k", k, low=1)
    chunk_rows = checks.integer("chunk_rows", chunk_rows, low=1)
    for pair in pairs:
        if len(pair) != 2 or not all(0 <= i < len(prompts) for i in pair):
            raise InputError(f"pairs: {pair} must be two numbers of prompts below {len(prompts)}.")
    where = devices.pick(device or "cpu")
    wanted = prompts.to(where, torch.float32)
    left = torch.tensor([i for i, _ in pairs], dtype=torch.long, device=where)
    right = torch.tensor([j for _, j in pairs], dtype=torch.long, device=where)
    best = torch.full((len(wanted), 0), -torch.inf, device=where)
    best_rows = torch.zeros((len(wanted), 0), dtype=torch.long, device=where)
    moments, gaps = _Moments(len(wanted)), _Moments(len(pairs))
    total, chunks = _open(rows, tensor, chunk_rows, int(wanted.shape[1]))
    start = 0
    for chunk in bar(chunks, total=-(-total // chunk_rows), desc="scan"):
        cosines = _unit(chunk.to(where), start) @ wanted.T  # [c, p]
        moments.add(cosines)
        if pairs:
            gaps.add(cosines[:, left] - cosines[:, right])
        top, index = cosines.T.topk(min(k, len(cosines)), dim=1)
        best = torch.cat([best, top], 1)
        best_rows = torch.cat([best_rows, index + start], 1)
        order = best.argsort(dim=1, descending=True, stable=True)[:, :k]
        best, best_rows = best.gather(1, order), best_rows.gather(1, order)
        start += len(cosines)
    return Scan(
        n=start, nearest=best.cpu().numpy(), nearest_rows=best_rows.cpu().numpy(),
        mean=moments.mean, sd=moments.sd, gap_mean=gaps.mean, gap_sd=gaps.sd,
    )  # fmt: skip


def _unit(chunk: Tensor, start: int) -> Tensor:
    chunk = chunk.to(torch.float32)
    norms = torch.linalg.vector_norm(chunk, dim=1, dtype=torch.float64)
    bad = torch.nonzero(~torch.isfinite(norms) | (norms == 0)).flatten()
    if len(bad):
        row = int(bad[0])
        what = "zero, so it has no direction" if norms[row] == 0 else "not finite"
        raise InputError(f"rows: row {start + row} is {what}; remove or replace it.")
    return chunk / norms.to(torch.float32)[:, None]


def _open(
    rows: str | Path | np.ndarray | Tensor, tensor: str, step: int, dim: int
) -> tuple[int, Iterator[Tensor]]:
    """Return the number of rows and an iterator over chunks."""
    if not isinstance(rows, (str, Path)):
        _check(tuple(rows.shape), str(rows.dtype), dim)
        starts = range(0, len(rows), step)
        return len(rows), (torch.as_tensor(rows[start : start + step]) for start in starts)
    path = Path(rows)
    readers = {".safetensors": partial(_safetensors, tensor=tensor), ".npy": _npy}
    if path.suffix not in readers:
        raise InputError(f"rows: {path} must end in .npy or .safetensors.")
    return readers[path.suffix](regular_file(path, name="rows", most=_LARGEST), step=step, dim=dim)


def _npy(path: Path, *, step: int, dim: int) -> tuple[int, Iterator[Tensor]]:
    try:
        header = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy parses the header as Python and raises what that raises
        raise InputError(f"rows: {path} is no plain .npy file: {error}.") from None
    _check(header.shape, str(header.dtype), dim)
    n = len(header)

    def chunks() -> Iterator[Tensor]:
        for start in range(0, n, step):  # mapped anew each time, so pages read are given back
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
            yield torch.from_numpy(np.array(mapped[start : start + step]))

    return n, chunks()


def _safetensors(path: Path, *, tensor: str, step: int, dim: int) -> tuple[int, Iterator[Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stream:
            if tensor not in stream.keys():  # noqa: SIM118 (no mapping)
                raise InputError(f"rows: {path} holds no tensor {tensor!r}.")
            header = stream.get_slice(tensor)
            shape = tuple(header.get_shape())
            _check(shape, header.get_dtype(), dim)
    except (SafetensorError, OSError) as error:
        raise InputError(f"rows: {path} is no safetensors file: {error}.") from None

    def chunks() -> Iterator[Tensor]:
        for start in range(0, shape[0], step):  # mapped anew each time, as above
            with safe_open(path, framework="pt") as stream:
                yield stream.get_slice(tensor)[start : start + step]

    return shape[0], chunks()


def _check(shape: tuple[int, ...], dtype: str, dim: int) -> None:
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"rows have shape {shape}; pass a matrix with at least one row.")
    if shape[1] != dim:
        raise InputError(f"rows have {shape[1]} columns but prompts have {dim}; use one encoder.")
    if "float" not in dtype.lower() and dtype not in {"F16", "BF16", "F32", "F64"}:
        raise InputError(f"rows hold {dtype} values; pass floating-point numbers.")
