"""A second reader of emoji people: trained, and checked on drawings that it never saw (T7)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_book.generators.studies import GROUPS, drawings
from bbb_book.readers.classifier import AttributeReader
from bbb_book.readers.training import CheckedReader, ReaderTraining, check_reader
from bbb_book.results.artefacts import Artefact, artefact

__all__ = ["check_second_reader", "second_codes", "second_reader"]


def check_second_reader(size: int, steps: int) -> dict[str, Any]:
    """Train the second reader and check its kind on drawings held out (artefact function).

    Returns
    -------
    dict
        ``state`` of the reader without its weights, and ``weight NAME`` in half precision. For
        drawings of unknown skin tones (``tone``: the occupations are known, as they are in
        generations) and of unknown occupations (``occupation``, much harder): ``counts_...`` the
        confusion matrix [true, read] over (man, woman, none), and ``right_...`` (share, low, high)
        of the other attribute.
    """
    training = ReaderTraining(steps=steps)
    made: dict[str, Any] = {}
    for held, n_folds in (("occupation", 4), ("tone", 2)):
        checked: CheckedReader = check_reader(
            drawings(size),
            training,
            hold_out=held,  # type: ignore[arg-type]
            n_folds=n_folds,
            copies=4,
        )
        made[f"counts_{held}"] = checked.confusion.counts
        right = checked.accuracy
        made[f"right_{held}"] = np.array([right.value, right.low, right.high])
    state = checked.reader.state()  # the last one: its limit belongs to known occupations
    weights = {f"weight {k}": v.astype(np.float16) for k, v in state.pop("weights").items()}
    return {**made, **weights, "state": state}


def second_reader(size: int, steps: int) -> Artefact:
    """Return the artefact of `check_second_reader`."""
    parameters = {"size": size, "steps": steps}
    return artefact("people-second-reader", check_second_reader, parameters=parameters)


@lru_cache(maxsize=4)
def _loaded(size: int, steps: int) -> AttributeReader:
    made = second_reader(size, steps)
    start = "weight "
    weights = {k.removeprefix(start): v.astype(np.float32) for k, v in made.items() if start in k}
    return AttributeReader.from_state({**made["state"], "weights": weights})


def second_codes(images: Float[Tensor, "n 3 h w"], size: int, steps: int) -> np.ndarray:
    """Return the group that the second reader reads, as a code; `len(GROUPS)` is none."""
    names = (*GROUPS, "none")
    read = _loaded(size, steps).read(torch.as_tensor(images))
    return np.array([names.index(group) for group in read.groups], dtype=np.int8)
