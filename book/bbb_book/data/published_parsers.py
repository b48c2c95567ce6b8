"""Strict parser of the ratings of MJ-Bench: a malformed row is an error that names it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bbb_core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["parse_mj_bench"]

_MJ_BENCH: dict[str, tuple[type, ...]] = {
    "demographic": (str,),
    "occupation": (str,),
    "images_dir": (str,),
    "prompt": (str,),
    "age": (bool,),
    "gender": (bool,),
    "race": (bool,),
    "nationality": (bool,),
    "religion": (bool,),
    "clipscore_v2": (int, float),
    "pickscore_v1": (int, float),
    "hps_v2.1": (int, float),
    "aesthetics": (int, float),
    "blipscore": (int, float),
    "ImageReward": (int, float),
    "gpt-4o": (int,),
    "analysis": (int, str),
}


def parse_mj_bench(text: str, *, name: str) -> pd.DataFrame:
    """Parse MJ-Bench's list of rated images.

    Parameters
    ----------
    text : str
        JSON: a list of objects that all have the published keys and value types.
    name : str
        What error messages call it.

    Returns
    -------
    pandas.DataFrame
        One row per image: the published columns, then ``requested_age``, ``requested_gender`` and
        ``requested_other``, the three parts of ``demographic``.

    Raises
    ------
    InputError
        With the line's number: no JSON, a missing, unknown or ill-typed value, a number that is
        not finite, a demographic that does not have three parts, or a repeated image.
    """
    import pandas as pd

    rows = []
    images: dict[str, int] = {}
    for line, record in _records(text, name):
        _check_record(record, f"{name}, line {line}")
        image = record["images_dir"]
        if image in images:
            raise InputError(
                f"{name}, line {line}: image {image!r} stands on line {images[image]} already; "
                "keep one of them."
            )
        images[image] = line
        parts = record["demographic"].split("_")
        if len(parts) != 3 or not all(parts):
            raise InputError(
                f"{name}, line {line}: demographic {record['demographic']!r} does not have the "
                "form age_gender_other; fix it."
            )
        keys = ("requested_age", "requested_gender", "requested_other")
        rows.append({**record, **dict(zip(keys, parts, strict=True))})
    if not rows:
        raise InputError(f"{name} holds no image; pass a list with at least one record.")
    return pd.DataFrame(rows)


def _check_record(record: Any, where: str) -> None:
    if not isinstance(record, dict):
        raise InputError(f"{where}: {record!r:.40} is no record; pass an object of named values.")
    for key in _MJ_BENCH:
        if key not in record:
            raise InputError(f"{where}: the value {key!r} is missing; add it.")
    for key, value in record.items():
        if key not in _MJ_BENCH:
            raise InputError(f"{where}: {key!r} is no known value; remove it.")
        kinds = _MJ_BENCH[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise InputError(f"{where}: {key} is {value!r:.40}; pass {wanted}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{where}: {key} is {value}; pass a finite number.")


def _records(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Yield (line, record) for each element of a JSON list; NaN and Infinity are no JSON."""

    def refuse(constant: str) -> None:
        raise InputError(f"{name} holds {constant}, which is no number; remove that record.")

    decoder = json.JSONDecoder(parse_constant=refuse)
    position, line, counted = _skip(text, 0), 1, 0
    if not text[position : position + 1] == "[":
        raise InputError(f"{name}, line 1: the file is no JSON list; pass a list of records.")
    position, separator = _skip(text, position + 1), ""
    while text[position : position + 1] != "]" or separator:
        line, counted = line + text.count("\n", counted, position), position
        try:
            record, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise InputError(f"{name}, line {error.lineno}: no valid JSON ({error.msg}).") from None
        except RecursionError:
            raise InputError(
                f"{name}, line {line}: nested too deeply; pass flat records."
            ) from None
        yield line, record
        position = _skip(text, position)
        separator = "," if text[position : position + 1] == "," else ""
        position = _skip(text, position + len(separator))
        if not separator and text[position : position + 1] != "]":
            ends = line + text.count("\n", counted, position)
            raise InputError(f"{name}, line {ends}: the list is not closed by ']'.")
    if _skip(text, position + 1) != len(text):
        ends = text.count("\n", 0, _skip(text, position + 1)) + 1
        raise InputError(f"{name}, line {ends}: there is text after the list; remove it.")


def _skip(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\n", "\r", "\t"):
        position += 1
    return position
