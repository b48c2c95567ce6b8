"""Failures of a run or a build that the command line reports without its own traceback."""

from __future__ import annotations

from bbb_core.errors import Failure

__all__ = ["BuildFailed", "ChapterFailed"]


class ChapterFailed(Failure):
    """A cell of a chapter failed; the message shows the cell and the traceback."""


class BuildFailed(Failure):
    """Jupyter Book found an error or a warning; the message holds its complaints."""
