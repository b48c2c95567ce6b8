"""What every result of an audit can do: become a table, be drawn, be shown in a notebook."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from bbb_core.report.parts import Report

__all__ = ["Shown"]

_TELLERS = {
    "Audit": "of_alignment:audit",
    "Balance": "of_balance:balance",
    "Calibration": "of_models:calibration",
    "Certificate": "of_models:certificate",
    "EmbeddingAudit": "of_embeddings:embeddings",
    "GroupGaps": "of_alignment:gaps",
    "ModelAudit": "of_models:model",
    "SweepAudit": "of_models:sweep",
}
"""From the class of a result to the function of this room that tells its report."""


class Shown:
    """Base of the results of audits. It computes nothing and holds nothing.

    Examples
    --------
    >>> from bbb_core.balance import representational_balance
    >>> representational_balance({"woman": 84, "man": 166}).to_frame()["share"].tolist()
    [0.336, 0.664]
    """

    def report(self) -> Report:
        """Return the report, to be compared or rendered; see `bbb_core.report`."""
        module, _, name = _TELLERS[type(self).__name__].partition(":")
        return getattr(importlib.import_module(f"bbb_core.report.{module}"), name)(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the main table."""
        return next(iter(self.report().tables.values())).frame.copy()

    def plot(self, axes: Any = None) -> Any:
        """Draw the main figure with matplotlib, into `axes` or new ones; return the axes."""
        from bbb_core.report.axes import draw

        return draw(self.report().figures[0], axes)

    def _repr_html_(self) -> str:
        from bbb_core.report.page import fragment

        return fragment(self.report())
