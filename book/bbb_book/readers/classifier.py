"""A trained reader of group, tone and occupation that can also say "none of these".

Serves the chapters on emoji people. `bbb_book.readers.training` trains it and
`bbb_book.readers.images` makes the images that it learns from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from bbb_core import checks
from bbb_core.balance.shares import NONE
from bbb_core.errors import InputError

__all__ = ["AttributeNet", "AttributeReader", "AttributeReadings"]

ATTRIBUTES = ("occupation", "group", "tone")


class AttributeNet(nn.Module):
    """Three convolutions, one hidden layer, one head per attribute and one for *none*.

    Parameters
    ----------
    classes
        Number of classes of occupation, group and tone.
    width
        Channels of the first convolution; the next have two and three times as many.
    """

    def __init__(self, classes: Sequence[int], *, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = [3, width, 2 * width, 3 * width]
        for before, after in pairwise(channels):
            layers += [
                nn.Conv2d(before, after, 3, padding=1),
                nn.GroupNorm(8, after),
                nn.ReLU(),
                nn.AvgPool2d(2),
            ]
        self.trunk = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48 * width, 128), nn.ReLU()
        )
        self.heads = nn.ModuleList([nn.Linear(128, n) for n in classes])
        self.none = nn.Linear(128, 1)

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """Return the logits of occupation, group and tone, and the log-odds of *none* [n, 1]."""
        features = self.trunk(2 * images - 1)
        return [*(head(features) for head in self.heads), self.none(features)]


@dataclass(frozen=True, eq=False)
class AttributeReadings:
    """What the reader said about each image; ``none`` where it refused.

    Attributes
    ----------
    occupations, groups, tones
        One name per image; `NONE` where the image is read as none of these.
    refusal
        Log-odds of *none* [n]; an image is refused above the reader's limit.
    """

    occupations: list[str]
    groups: list[str]
    tones: list[str]
    refusal: np.ndarray

    def counts(self, names: Sequence[str]) -> dict[str, int]:
        """Count the groups, with every one of `names` and ``none`` present."""
        found = dict.fromkeys((*names, NONE), 0)
        for group in self.groups:
            if group not in found:
                raise InputError(f"{group!r} was read but is not among the names; add it.")
            found[group] += 1
        return found


class AttributeReader:
    """A network with the names of its classes and a calibrated limit for *none*.

    Parameters
    ----------
    net
        The trained network.
    names
        ``occupation``, ``group``, ``tone`` to their class names, in the order of the logits.
    limit
        Refuse an image when its log-odds of *none* exceed this; see `calibrated`.
    """

    def __init__(
        self, net: AttributeNet, names: Mapping[str, Sequence[str]], *, limit: float = 0.0
    ) -> None:
        self.net = net.eval()
        self.names = {key: tuple(names[key]) for key in ATTRIBUTES}
        self.limit = float(limit)

    def read(self, images: Float[Tensor, "n 3 h w"], *, batch: int = 512) -> AttributeReadings:
        """Read images with intensities in [0, 1].

        Raises
        ------
        InputError
            If the images are not ``[n, 3, h, w]`` or a value is not finite.
        """
        checks.finite("images", images)
        if images.ndim != 4 or images.shape[1] != 3 or len(images) == 0:
            raise InputError(f"images has shape {tuple(images.shape)}; pass [n, 3, h, w].")
        device = next(self.net.parameters()).device
        parts = []
        with torch.no_grad():
            for part in images.float().split(batch):
                parts.append([x.double().cpu() for x in self.net(part.to(device))])
        *logits, none = (torch.cat(x) for x in zip(*parts, strict=True))
        refusal = none[:, 0].numpy()
        refused = refusal > self.limit
        read = {}
        for key, scores in zip(ATTRIBUTES, logits, strict=True):
            best = scores.argmax(1).tolist()
            read[key] = [
                NONE if no else self.names[key][i] for i, no in zip(best, refused, strict=True)
            ]
        return AttributeReadings(read["occupation"], read["group"], read["tone"], refusal)

    def calibrated(
        self, drawings: Float[Tensor, "n 3 h w"], *, refused: float = 0.01
    ) -> AttributeReader:
        r"""Return the same reader with the limit that refuses few true drawings.

        The limit is the :math:`\lceil (n+1)(1 - \text{refused}) \rceil`-th smallest log-odds of
        *none* among `drawings`, which must not be those it was trained on. A new drawing that is
        exchangeable with them is then refused with probability at most `refused` (split
        conformal prediction).

        Raises
        ------
        InputError
            If there are too few drawings for that share.

        References
        ----------
        Vovk, Gammerman and Shafer (2005), ``vovk2005`` in the references.
        """
        share = checks.number("refused", refused, low=0, high=1)
        scores = np.sort(self.read(drawings).refusal)
        rank = int(np.ceil((len(scores) + 1) * (1 - share)))
        if rank > len(scores):
            raise InputError(
                f"refused is {share:g}, which {len(scores)} drawings cannot calibrate; pass at "
                f"least {int(np.ceil(1 / share)) - 1 if share > 0 else 'infinitely many'}."
            )
        return AttributeReader(self.net, self.names, limit=float(scores[max(rank, 1) - 1]))

    def state(self) -> dict[str, Any]:
        """Return everything that `from_state` needs: arrays, names and the limit."""
        weights = {k: v.detach().cpu().numpy() for k, v in self.net.state_dict().items()}
        return {"weights": weights, "names": dict(self.names), "limit": self.limit}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> AttributeReader:
        """Build a reader from `state` again."""
        names = {key: tuple(state["names"][key]) for key in ATTRIBUTES}
        weights = {k: torch.as_tensor(np.asarray(v)) for k, v in state["weights"].items()}
        width = weights["trunk.0.weight"].shape[0]
        with torch.random.fork_rng(devices=[]):  # the initial weights are thrown away
            net = AttributeNet([len(names[key]) for key in ATTRIBUTES], width=width)
        net.load_state_dict(weights)
        return cls(net, names, limit=state["limit"])
