"""Training of the attribute reader, and its confusion matrix on drawings it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from bbb_book.data.emoji import EmojiPeople, augment
from bbb_book.readers.classifier import ATTRIBUTES, AttributeNet, AttributeReader
from bbb_book.readers.images import not_people, recombined
from bbb_core import checks, progress, rng
from bbb_core.balance.confusion import Confusion, confusion_matrix
from bbb_core.balance.shares import NONE
from bbb_core.errors import InputError
from bbb_core.rng import generator as numpy_generator
from bbb_core.rng import torch_generator
from bbb_core.stats import Estimate, binomial_interval

__all__ = ["CheckedReader", "ReaderTraining", "check_reader", "folds", "train_reader"]


@dataclass(frozen=True, kw_only=True)
class ReaderTraining:
    """How the reader is trained.

    Parameters
    ----------
    steps, batch
        Optimiser steps, and drawings per step (as many images of *none* are added).
    width
        Channels of the first convolution.
    rate
        Largest learning rate of AdamW with a one-cycle schedule.
    noise
        Largest standard deviation of pixel noise added to drawings: generations are never clean.
    seed
        Names the random streams.
    """

    steps: int = 300
    batch: int = 48
    width: int = 16
    rate: float = 3e-3
    noise: float = 0.08
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "width"):
            checks.integer(name, getattr(self, name), low=1)
        if self.width % 8:
            raise InputError(f"width is {self.width}; pass a multiple of 8.")
        checks.number("rate", self.rate, low=1e-8)
        checks.number("noise", self.noise, low=0, high=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class CheckedReader:
    """A reader and how readers of its kind read drawings that they were not trained on.

    Parameters
    ----------
    reader : AttributeReader
        Trained on all drawings, with a limit calibrated on held-out ones.
    confusion : Confusion
        True group (and ``none``) against reading of held-out drawings; every drawing is held out
        once. Its intervals take the readings as independent: copies of one drawing are not quite.
    accuracy : Estimate
        Share of held-out drawings whose other attribute (occupation if tones are held out, tone
        if occupations are) is read right, refusals counting as wrong, with an exact interval.
    readings : list of tuple
        (occupation, group, tone, group read) of every held-out drawing.
    """

    reader: AttributeReader
    confusion: Confusion
    accuracy: Estimate
    readings: list[tuple[str, str, str, str]]


def folds(names: Sequence[str], n: int, *, seed: int = 0) -> list[list[str]]:
    """Split names into `n` parts of nearly equal size, each to be held out once."""
    names = list(dict.fromkeys(names))
    n = checks.integer("n", n, low=2, high=len(names))
    order = numpy_generator(seed, "reader folds").permutation(len(names))
    return [[names[i] for i in order[k::n]] for k in range(n)]


def train_reader(
    drawings: EmojiPeople, training: ReaderTraining | None = None, *, key: str = "all"
) -> AttributeReader:
    """Train a reader on drawings; its classes are the names that occur in them.

    Each step shows a batch of augmented drawings, some with noise, and equally many images of
    *none* (`not_people`). The loss is the sum of the cross-entropies of the three attributes on
    drawings and the binary one of *none* on both.

    Parameters
    ----------
    drawings
        Labelled drawings; at least two groups.
    training
        Options; the defaults take about ten seconds on two quiet cores at 32 pixels.
    key
        Names the random streams, so that readers of different folds are independent.
    """
    training = ReaderTraining() if training is None else training
    columns = list(zip(*drawings.labels, strict=True))
    names = {a: tuple(dict.fromkeys(c)) for a, c in zip(ATTRIBUTES, columns, strict=True)}
    if len(names["group"]) < 2:
        raise InputError("drawings show one group only; a reader of groups needs two.")
    codes = torch.tensor(
        [
            [names[a].index(x) for a, x in zip(ATTRIBUTES, label, strict=True)]
            for label in drawings.labels
        ]
    )
    source = torch_generator(training.seed, "reader", key)
    net = _initial([len(names[a]) for a in ATTRIBUTES], training, source)
    optimiser = torch.optim.AdamW(net.parameters(), lr=training.rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        training.rate,
        total_steps=max(2, training.steps),
        pct_start=min(1.0, max(0.2, 1.5 / training.steps)),  # the rise takes a step or more
    )
    cross, binary = nn.CrossEntropyLoss(label_smoothing=0.02), nn.BCEWithLogitsLoss()
    net.train()
    for _ in progress.bar(range(training.steps), desc="reader"):
        rows = torch.randint(0, len(drawings), (training.batch,), generator=source)
        labels = [drawings.labels[i] for i in rows.tolist()]
        if len({label[1] for label in labels}) < 2:
            continue
        dressed, changed = recombined(drawings.images[rows], labels, generator=source)
        clean = augment(dressed, generator=source)
        level = training.noise * torch.rand(len(rows), 1, 1, 1, generator=source)
        shown = (clean + level * torch.randn(clean.shape, generator=source)).clamp(0, 1)
        drawn = augment(drawings.images[rows], generator=source)
        other = not_people(drawn, labels, generator=source)
        *logits, none = net(torch.cat([shown, other]))
        n = len(rows)
        loss = binary(none[:, 0], (torch.arange(2 * n) >= n).float())
        for i, scores in enumerate(logits):
            told = ~changed if i == 0 else slice(None)  # no occupation in other people's clothes
            loss = loss + cross(scores[:n][told], codes[rows, i][told])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return AttributeReader(net, names)


def check_reader(
    drawings: EmojiPeople,
    training: ReaderTraining | None = None,
    *,
    hold_out: Literal["occupation", "tone"] = "tone",
    n_folds: int = 3,
    copies: int = 2,
    refused: float = 0.01,
) -> CheckedReader:
    """Train a reader on all drawings and check its kind on drawings held out.

    For each fold a reader is trained without the fold's occupations (or tones) and reads
    augmented copies of their drawings, and images of *none* made from them. The limit of each
    fold's reader is calibrated on the *other* half of its held-out drawings, so no image judges
    its own limit.

    Parameters
    ----------
    hold_out
        ``tone``: known occupations in unknown tones, which is how generations for the known
        occupations differ from drawings; ``occupation``: people whose clothes, hats and tools
        were never seen, which is much harder.
    n_folds
        Every occupation (or tone) is held out in one fold.
    copies
        Augmented copies per drawing.
    refused
        Share of true drawings that may be refused as *none*.

    Returns
    -------
    CheckedReader
    """
    training = ReaderTraining() if training is None else training
    checks.choice("hold_out", hold_out, ("occupation", "tone"))
    axis = ATTRIBUTES.index(hold_out)
    groups = tuple(dict.fromkeys(label[1] for label in drawings.labels))
    held_names = list(dict.fromkeys(label[axis] for label in drawings.labels))
    true: list[str] = []
    read: list[str] = []
    readings, limits, right = [], [], 0
    for k, held in enumerate(folds(held_names, n_folds, seed=training.seed)):
        inside = [i for i, label in enumerate(drawings.labels) if label[axis] in held]
        rest = [i for i, label in enumerate(drawings.labels) if label[axis] not in held]
        reader = train_reader(drawings.subset(rest), training, key=f"{hold_out} fold {k}")
        rows = inside * copies
        labels = [drawings.labels[i] for i in rows]
        source = torch_generator(training.seed, "reader check", k)
        shown = augment(drawings.images[rows], generator=source)
        other = not_people(shown, labels, generator=source)
        half = torch.randperm(len(rows), generator=source) < len(rows) // 2
        for judge in (half, ~half):
            fitted = reader.calibrated(shown[~judge], refused=refused)
            limits.append(fitted.limit)
            seen, none = fitted.read(shown[judge]), fitted.read(other[judge])
            truth = [labels[i] for i in torch.nonzero(judge)[:, 0].tolist()]
            readings += [(*x, g) for x, g in zip(truth, seen.groups, strict=True)]
            other_read = seen.occupations if axis == 2 else seen.tones
            right += sum(x[2 - axis] == r for x, r in zip(truth, other_read, strict=True))
            true += [label[1] for label in truth] + [NONE] * len(none.groups)
            read += [*seen.groups, *none.groups]
    final = train_reader(drawings, training)
    reader = AttributeReader(final.net, final.names, limit=float(np.median(limits)))
    n = len(readings)
    return CheckedReader(
        reader=reader,
        confusion=confusion_matrix(true, read, groups=[*groups, NONE], labels=[*groups, NONE]),
        accuracy=Estimate(right / n, *binomial_interval(right, n)),
        readings=readings,
    )


def _initial(classes: Sequence[int], training: ReaderTraining, source: Any) -> AttributeNet:
    """Return a network whose weights come from `source` alone (global state is untouched)."""
    state = int(torch.randint(0, 2**62, (1,), generator=source))
    with rng.weights_from(torch.Generator().manual_seed(state)):
        return AttributeNet(classes, width=training.width)
