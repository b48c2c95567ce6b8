"""Real people's readings of generated pictures, beside the readers that the chapter simulates."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book import results
from bbb_book.readers.people import QUESTIONS
from bbb_book.results.rules import NOT_MEASURED
from bbb_book.style import COLOURS, figure, house, palette
from bbb_core.stats import Estimate

__all__ = ["agreement", "cells_table", "largest_error", "show_real", "simulated_alpha"]

_NAMES = {"stable-diffusion": "Stable Diffusion"}
"""Models whose name in the data is not the one on the page."""


def simulated_alpha(error: float) -> float:
    r"""Return alpha of readers who err independently at one rate, both groups being equally many.

    Two readings differ with probability :math:`2e(1-e)`, and by chance with one half.

    Examples
    --------
    >>> simulated_alpha(0.0), simulated_alpha(0.5)
    (1.0, 0.0)
    """
    return 1 - 4 * error * (1 - error)


def largest_error(found: results.Artefact | None, *, confidence: float) -> Estimate | None:
    """Return the largest error over the models; the ends pay for the search."""
    if found is None:
        return None
    ends = [found["models"][name].max() for name in ("error", "error low", "error high")]
    return Estimate(*map(float, ends), confidence)


def show_real(found: results.Artefact | None, *, error: float) -> None:
    """Glue the numbers of real readings that the prose names."""
    results.show_number("real-simulated-alpha", simulated_alpha(error), digits=2)
    results.show_number("real-simulated-error", 100 * error, digits=0)
    values: dict[str, float | None] = dict.fromkeys(_NUMBERS)
    if found is not None:
        models, alphas = found["models"], found["agreement"].set_index("question")["alpha"]
        values["real-pictures"] = models["pictures"].sum()
        for name in QUESTIONS:
            values[f"real-{name}-least"] = alphas[name].min()
            values[f"real-{name}-most"] = alphas[name].max()
        for name in ("clash", "none", "error"):
            values[f"real-{name}-least"] = 100 * models[name].min()
            values[f"real-{name}-most"] = 100 * models[name].max()
    for name, value in values.items():
        results.show_or_say(name, value, digits=2 if name.split("-")[1] in QUESTIONS else 0)
    said = "these numbers are computed from the published answers, SHA-256 verified"
    if found is None:
        said = "not measured: neither the published answers nor stored results were at hand"
    elif found.source != "computed":
        said = "these numbers are recorded, computed once from the published answers"
    results.say("real-status", said)


_NUMBERS = [
    "real-pictures",
    *(f"real-{name}-{end}" for name in (*QUESTIONS, "clash", "none", "error")
      for end in ("least", "most")),
]  # fmt: skip


def cells_table(found: results.Artefact | None) -> pd.DataFrame:
    """Return the readings of each cell of gender and skin tone, in per cent of a model's."""
    if found is None:
        return pd.DataFrame({"cells": [NOT_MEASURED]})
    table = found["cells"].set_index(["model", "group"])
    share = table.div(table.sum(axis=1).groupby("model").sum(), level="model", axis=0)
    share = share.loc[list(found["models"]["model"])].rename(index=_NAMES)
    return share.map(lambda x: f"{100 * x:.0f} %").rename_axis(columns="skin tone")


@house
def agreement(found: results.Artefact | None, *, error: float) -> Figure:
    """Draw alpha by question and model, and that of the simulated readers."""
    made, axes = figure(height=3.0 if found is not None else 1.2)
    if found is None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, NOT_MEASURED, ha="center", va="center")
        return made
    table, names = found["agreement"], list(QUESTIONS)
    place = {name: len(names) - 1 - i for i, name in enumerate(names)}
    models = list(found["models"]["model"])
    looks = palette(models)
    for k, model in enumerate(models):
        rows = table[table["model"] == model]
        y = np.array([place[name] for name in rows["question"]]) + 0.2 * (1 - k)
        ends = [rows["alpha"] - rows["low"], rows["high"] - rows["alpha"]]
        style = looks[model].points(capsize=2)
        axes.errorbar(rows["alpha"], y, xerr=ends, label=_NAMES.get(model, model), **style)
    at, here = simulated_alpha(error), place["named"]
    axes.plot([at, at], [here - 0.4, here + 0.4], color=COLOURS["black"], linewidth=2.5,
              label="simulated here")  # fmt: skip
    axes.set_yticks(list(place.values()), [QUESTIONS[name] for name in place])
    axes.set(xlabel="agreement (Krippendorff's alpha)", xlim=(0, 1))
    made.legend(ncols=4, loc="outside upper center", fontsize=9, frameon=False)
    return made
