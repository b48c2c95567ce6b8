"""Sphinx extension: a plain `jupyter-book build book` knows what is stale, as `make book` does.

Chapters whose run is no longer valid are executed before any page is read, by the executor of
`bbb book build` and into the same folder. Pages are made from the executed notebooks, and all of
them are made again when anything has changed that one of them may show, when others made what lies
there now, or when the last build was not whole and without a warning.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import Parser
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import SphinxError
from sphinx.util import logging

from bbb_book.press.book import executed, run_chapters
from bbb_book.press.site import site_key
from bbb_core.errors import Failure, InputError
from bbb_core.io.writing import write_text

__all__ = ["StoredRuns", "setup"]

_READ_AS_NOTEBOOK = {".md": ("nbformat.reads", {"as_version": 4}, False)}


class StoredRuns(Parser):
    """Read a chapter's executed notebook in place of its text; other pages as they are."""

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Parse the page, and execute nothing that was executed."""
        env: Any = document.settings.env
        notebook = env.config.bbb_executed.get(env.docname)
        if notebook is None:
            super().parse(inputstring, document)
            return
        settings = env.mystnb_config
        env.mystnb_config = settings.copy(
            execution_mode="off", custom_formats={**settings.custom_formats, **_READ_AS_NOTEBOOK}
        )
        try:
            super().parse(Path(notebook).read_text(encoding="utf-8"), document)
        finally:
            env.mystnb_config = settings


def _execute(app: Sphinx, config: Config) -> None:
    """Execute stale chapters, and let Sphinx read every page again if its record is not current.

    The press's own builds execute nothing (their notebooks come executed); the build of a single
    page, which has no table of contents, is left to MyST-NB.
    """
    if config.nb_execution_mode == "off" or not getattr(config, "external_toc_path", None):
        return
    book = Path(app.srcdir)
    try:
        notebooks = run_chapters(book, "book", executed(book, "book"), say=_say)
        wanted = site_key(book, notebooks.values())
    except (Failure, InputError) as error:
        raise SphinxError(str(error)) from None
    config.bbb_executed = {name: str(path) for name, path in notebooks.items()}
    record = _record(app)
    made = record.read_text(encoding="utf-8") if record.is_file() else ""
    if made.partition(" ")[0] == wanted:
        config.bbb_pages = made
        return
    config.bbb_pages = f"{wanted} {time.time_ns()}"  # unlike any other, so all is read again
    for stale in (record, record.parent.with_suffix(".stamp")):  # the second one is `make book`'s
        stale.unlink(missing_ok=True)


def _finish(app: Sphinx, exception: Exception | None) -> None:
    if app.config.bbb_pages and exception is None and app._warncount == 0:
        write_text(_record(app), app.config.bbb_pages)


def _record(app: Sphinx) -> Path:
    """Return the file, among the pages, that says what they were made of."""
    return Path(app.outdir) / ".pages"


def _say(line: str) -> None:
    logging.getLogger(__name__).info(line)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.setup_extension("myst_nb")
    app.add_source_parser(StoredRuns, override=True)
    app.add_config_value("bbb_executed", {}, "")
    app.add_config_value("bbb_pages", "", "env", str)
    app.connect("config-inited", _execute)
    app.connect("build-finished", _finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
