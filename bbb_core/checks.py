"""Checks of arguments: each returns the checked value or raises one clear `InputError`.

Examples
--------
>>> integer("steps", 50.0, low=1), distribution("target", [0.25, 0.75]).tolist()
(50, [0.25, 0.75])
>>> number("share", float("nan"))
Traceback (most recent call last):
    ...
bbb_core.errors.InputError: share is nan; pass a finite number.
"""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from bbb_core.errors import InputError

__all__ = [
    "choice",
    "confidence_level",
    "counts",
    "distribution",
    "finite",
    "integer",
    "matrix",
    "number",
    "probability",
    "same_shape",
    "unit_rows",
    "vector",
]

UNIT_TOLERANCE = 1e-3
"""How far the norm of a row may be from one (half-precision encoders are off by 5e-4)."""


def _is_tensor(x: Any) -> bool:
    torch = sys.modules.get("torch")  # no tensor can exist before torch is imported
    return torch is not None and isinstance(x, torch.Tensor)


def _numbers(name: str, x: Any) -> Any:
    """Return `x` as a real NumPy array, or the tensor itself."""
    if _is_tensor(x):
        if x.is_complex():
            raise InputError(f"{name} holds complex numbers; pass real ones.")
        return x
    try:
        array = np.asarray(x)
    except ValueError:
        raise InputError(
            f"{name} has rows of different lengths; pass a rectangular array."
        ) from None
    if array.dtype.kind in "biu" or array.dtype.kind == "f":
        return array
    raise InputError(f"{name} holds {array.dtype} values; pass numbers.")


def _numpy(x: Any) -> np.ndarray:
    return x.detach().cpu().double().numpy() if _is_tensor(x) else np.asarray(x)


def finite(name: str, x: Any) -> Any:
    """Return `x` (NumPy array or tensor) if every value is a finite real number.

    Raises
    ------
    InputError
        If a value is NaN, infinite or no number; the message names its position.
    """
    x = _numbers(name, x)
    values = _numpy(x)
    bad = ~np.isfinite(values)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        place = f" at {list(where)}" if where else ""
        raise InputError(f"{name} is {values[where]}{place}; remove or replace that value.")
    return x


def vector(name: str, x: Any, *, minimum: int = 1) -> Any:
    """Return `x` if it is a finite vector of at least `minimum` values."""
    x = finite(name, x)
    if x.ndim != 1:
        raise InputError(f"{name} has shape {tuple(x.shape)}; pass one dimension.")
    if len(x) < minimum:
        raise InputError(f"{name} has {len(x)} values; pass at least {minimum}.")
    return x


def matrix(name: str, x: Any, columns: int | None = None) -> Any:
    """Return `x` if it is a finite, non-empty matrix (with that many columns)."""
    x = finite(name, x)
    if x.ndim != 2:
        raise InputError(f"{name} has shape {tuple(x.shape)}; pass a matrix, one row per item.")
    if 0 in tuple(x.shape):
        raise InputError(f"{name} has shape {tuple(x.shape)}; pass at least one row and column.")
    if columns is not None and x.shape[1] != columns:
        raise InputError(f"{name} has {x.shape[1]} columns; pass {columns}, like its counterpart.")
    return x


def unit_rows(name: str, x: Any, columns: int | None = None) -> Any:
    """Return the matrix `x` if every row has Euclidean norm one (within `UNIT_TOLERANCE`)."""
    x = matrix(name, x, columns)
    norms = np.linalg.norm(_numpy(x).astype(np.float64), axis=1)
    bad = np.flatnonzero(np.abs(norms - 1) > UNIT_TOLERANCE)
    if bad.size:
        row = int(bad[0])
        remedy = "remove that row" if norms[row] == 0 else "divide each row by its norm"
        raise InputError(f"{name} row {row} has norm {norms[row]:.4g}, not 1; {remedy}.")
    return x


def same_shape(**arrays: Any) -> None:
    """Raise unless all the named arrays have one shape."""
    shapes = {name: tuple(np.shape(x)) for name, x in arrays.items()}
    (first, shape), *others = shapes.items()
    for name, other in others:
        if other != shape:
            raise InputError(f"{name} has shape {other} but {first} has {shape}; make them equal.")


def probability(name: str, x: Any) -> Any:
    """Return `x` (a number, an array or a tensor) if all of it lies in [0, 1]."""
    x = finite(name, x)
    values = _numpy(x)
    bad = (values < 0) | (values > 1)
    if bad.any():
        value = values[tuple(np.argwhere(bad)[0])]
        raise InputError(f"{name} is {value:.6g}; pass probabilities between 0 and 1.")
    return x


def distribution(name: str, x: Any, *, tolerance: float = 1e-6) -> Any:
    """Return the vector `x` of probabilities if it sums to one (within `tolerance`)."""
    x = probability(name, vector(name, x))
    total = float(_numpy(x).sum())
    if abs(total - 1) > tolerance:
        raise InputError(f"{name} sums to {total:.6g}; make the probabilities sum to 1.")
    return x


def integer(name: str, value: Any, *, low: int | None = None, high: int | None = None) -> int:
    """Return `value` as an int if it is whole (``3`` or ``3.0``) and between `low` and `high`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole and isinstance(value, numbers.Real) and not isinstance(value, bool):
        whole = math.isfinite(value) and float(value).is_integer()
    if not whole:
        raise InputError(f"{name} is {value!r}; pass a whole number.")
    _bounds(name, value, low, high)
    return int(value)


def number(
    name: str, value: Any, *, low: float | int | None = None, high: float | int | None = None
) -> float:
    """Return `value` if it is a finite real number between `low` and `high` (inclusive)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise InputError(f"{name} is {value!r}; pass a number.")
    if not math.isfinite(value):
        raise InputError(f"{name} is {value}; pass a finite number.")
    _bounds(name, value, low, high)
    return float(value)


def _bounds(name: str, value: Any, low: Any, high: Any) -> None:
    if low is not None and value < low:
        raise InputError(f"{name} is {value}; pass at least {low}.")
    if high is not None and value > high:
        raise InputError(f"{name} is {value}; pass at most {high}.")


def confidence_level(value: Any, *, name: str = "confidence") -> float:
    """Return a confidence level strictly between 0 and 1."""
    if not 0 < number(name, value) < 1:
        raise InputError(f"{name} is {value}; pass a level between 0 and 1, for instance 0.95.")
    return float(value)


def counts(name: str, mapping: Mapping[str, Any]) -> dict[str, int]:
    """Return ``{group: count}`` with whole, non-negative counts that are not all zero."""
    if not isinstance(mapping, Mapping):
        raise InputError(f"{name} is a {type(mapping).__name__}; pass a mapping group -> count.")
    if not mapping:
        raise InputError(f"{name} is empty; pass one count per group.")
    checked = {group: integer(f"{name}[{group!r}]", n, low=0) for group, n in mapping.items()}
    if sum(checked.values()) == 0:
        raise InputError(f"{name} are all zero; nothing was counted, so there are no shares.")
    return checked


def choice(name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """Return `value` if it is one of `allowed`."""
    options = list(allowed)
    if value not in options:
        raise InputError(f"{name} is {value!r}; choose one of {', '.join(map(str, options))}.")
    return value
