"""Reports to show: what an audit found, as a page, as JSON, in a notebook, in a comparison.

In reading order: the `parts` of a report; what is `shown` of every result; the rooms that tell a
report from results (`of_balance`, `of_alignment`, `of_embeddings`, `of_models`), with the `terms`
that they explain; the `scales` of figures and their `axes` in matplotlib; the `page`;
`comparisons` of two reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bbb_core.lazy import attach

if TYPE_CHECKING:
    from bbb_core.report.comparisons import compare as compare
    from bbb_core.report.comparisons import read_report as read_report
    from bbb_core.report.page import render as render
    from bbb_core.report.parts import Report as Report

_HOME = {
    "Report": "parts",
    "compare": "comparisons",
    "read_report": "comparisons",
    "render": "page",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = attach(__name__, _HOME)
