"""People's readings of generated pictures, published by the authors of EntiGen (people's readings).

The originals name the workers who answered. They are read in memory, held against their pinned
hashes and never stored: what is kept is a table in which raters are numbered.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bbb_book.data import published
from bbb_core.errors import InputError
from bbb_core.io.writing import cache_dir, sha256, write_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DIGEST", "FILE", "ORIGINALS", "available", "load", "path", "without_identifiers"]


def _source(file: str, digest: str, content: str) -> published.Source:
    return published.Source(
        file=file,
        repository="Hritikbansal/entigen_emnlp",
        commit="3c634bac898d220268278414a5bd1a79a5b9c71f",
        location=f"annotated_data/{file}",
        digest=digest,
        licence="MIT",
        citation="bansal2022",
        content=content,
    )


ORIGINALS = {
    "stable-diffusion": _source(
        "stablediff_gender_skin_color_results.csv",
        "96125757f65b7fc6654fa7b667871743b02e242b5f4a3825800c9c97be98a1a7",
        "Readings of 234 pictures by Stable Diffusion, with workers' identifiers.",
    ),
    "minDALL-E": _source(
        "mindalle_gender_skin_color_results.csv",
        "f7d0e5e2ef338b6c8cdc5b30d3b25aac77db77e1ca5ba94c9602f7362a85b7c2",
        "Readings of 459 pictures by minDALL-E, with workers' identifiers.",
    ),
    "DALL-E mini": _source(
        "minidalle_gender_skin_color_results.csv",
        "fdc2e008e53b899769530e15042be8bd817cca058e11bc42f4262b0191bd16ec",
        "Readings of 459 pictures by DALL-E mini, with workers' identifiers.",
    ),
}
"""The three published files by the model that drew the pictures."""
FILE = "entigen_human_ratings.csv"
DIGEST = "51e4f47ca92a9711259fbd6e1f6ef5ae66573c56432a9fd23bb4ec18a07a40b0"
"""SHA-256 of the table that is made from `ORIGINALS`; it lies at no address."""
_ANSWERS = {
    f"Answer.Description_{i}": name
    for i, name in enumerate(("answer_0", "answer_1", "gender", "skin"))
}
BLOCK = 2**16
"""Bytes read at a time."""
_COLUMNS = ("model", "item", "picture", "rater", *_ANSWERS.values())


def path() -> Path:
    """Return the verified table without identifiers, made from the originals if need be.

    Raises
    ------
    DataUnavailable
        If ``$BBB_DATA_DIR`` lacks it, or there is neither a cached copy nor an answering network.
    InputError
        If a file does not have its pinned SHA-256.
    """
    folder = os.environ.get("BBB_DATA_DIR")
    file = Path(folder).expanduser() / FILE if folder else cache_dir() / "published" / FILE
    if folder and not file.is_file():
        raise published.DataUnavailable(
            f"{FILE} is not in BBB_DATA_DIR={folder}; put it there, or unset BBB_DATA_DIR to have "
            "it made from its originals."
        )
    if folder:
        _verify(str(file), file.read_bytes(), DIGEST)
    elif not (file.is_file() and sha256(file) == DIGEST):
        text = without_identifiers({name: _fetched(one) for name, one in ORIGINALS.items()})
        _verify(FILE, text.encode(), DIGEST)
        write_text(file, text)
    return file


def available() -> bool:
    """Tell whether the table can be had; damage still raises `InputError`."""
    try:
        path()
    except published.DataUnavailable:
        return False
    return True


def load() -> pd.DataFrame:
    """Return the readings, one row each.

    Returns
    -------
    pandas.DataFrame
        ``model``, ``item`` (who or what was asked for), ``picture``, ``rater`` (numbered within a
        model), ``answer_0`` and ``answer_1`` (their questions are not published), ``gender``
        (1 man, 2 woman, 3 and 4 neither named) and ``skin`` (1 to 4 in the form's order).
    """
    import pandas as pd

    return pd.read_csv(path())


def without_identifiers(texts: Mapping[str, str]) -> str:
    """Return one table of the readings in which nobody is named.

    Parameters
    ----------
    texts
        By model, the published CSV: a row per reading, with ``WorkerId``.

    Returns
    -------
    str
        CSV with the columns of `load`. Raters are numbered in order of appearance within a model;
        of a picture's address only the path is kept.

    Raises
    ------
    InputError
        If a column is missing.
    """
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for model, text in texts.items():
        numbers: dict[str, str] = {}
        for row in csv.DictReader(io.StringIO(text, newline="")):
            try:
                worker, address = row["WorkerId"], row["Input.url"]
                rater = numbers.setdefault(worker, f"{_PREFIX[model]}{len(numbers) + 1:03d}")
                picture = "/".join([model.replace(" ", "-"), *address.split("/")[3:]])
                answers = [row[column] for column in _ANSWERS]
                writer.writerow([model, row["Input.occu"], picture, rater, *answers])
            except KeyError as error:
                raise InputError(f"the readings of {model} have no column {error}.") from None
    return made.getvalue()


_PREFIX = {model: source.file[:2] for model, source in ORIGINALS.items()}


def _fetched(source: published.Source) -> str:
    """Return the text of an original; it is not written anywhere."""
    import requests

    try:
        with requests.get(source.address, timeout=published.TIMEOUT, stream=True) as answer:
            answer.raise_for_status()
            data = b"".join(
                itertools.islice(answer.iter_content(BLOCK), published.LARGEST // BLOCK)
            )
    except OSError as error:  # every network error of requests is one
        raise published.DataUnavailable(
            f"{source.file} could not be fetched from {source.address} ({type(error).__name__}); "
            f"connect to the network, or put {FILE} into a folder and set BBB_DATA_DIR."
        ) from error
    _verify(source.file, data, source.digest)
    return str(data, "utf-8")


def _verify(name: str, data: bytes, digest: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise InputError(
            f"{name} has SHA-256 {found}, not {digest}; it was damaged or altered: try again."
        )
