"""Sphinx extension: put right what the theme and its extensions get wrong on every page.

- `sphinx_thebe` loads a script for live cells, which this book has none of, and declares its
  constants twice, which is an error in the browser. It is switched off.
- The theme takes an empty colour scheme for a mistake, and leaves a page without one until its
  script has run. A line in the head follows the reader's system; without scripts pages are light.
- A signature on several lines comes as a definition list without terms, and a bibliography as a
  list without items (`doc-biblioentry` is deprecated): screen readers announce both wrongly.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

__all__ = ["setup", "well_formed"]

_THEBE = "sphinx_thebe"
_SCHEME = """{
  const page = document.documentElement.dataset;
  page.mode ||= "auto";
  page.theme ||= matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}"""


def _switch_off_thebe(app: Sphinx) -> None:
    """Disconnect everything the extension connected and loaded."""
    app.setup_extension(_THEBE)
    for listeners in list(app.events.listeners.values()):
        for listener in list(listeners):
            if listener.handler.__module__ == _THEBE:
                app.disconnect(listener.id)
    kept = [one for one in app.registry.css_files if one[0] != "sphinx-thebe.css"]
    app.registry.css_files[:] = kept


_SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
_PARTS = {
    "<dl>": '<div class="sig-parameters">',
    "<dd>": '<div class="sig-parameter">',
    "</dl>": "</div>",
    "</dd>": "</div>",
}


def well_formed(body: str) -> str:
    """Return a page's body with plain blocks in its signatures and items in its bibliography.

    Examples
    --------
    >>> well_formed('<div class="citation" role="doc-biblioentry"></div>')
    '<div class="citation" role="listitem"></div>'
    """
    body = body.replace('role="doc-biblioentry"', 'role="listitem"')
    return _SIGNATURE.sub(lambda found: _blocks(found[0]), body)


def _blocks(signature: str) -> str:
    return re.sub(r"</?d[ld]>", lambda tag: _PARTS[tag[0]], signature)


def _correct(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    if "body" in context:
        context["body"] = well_formed(context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    _switch_off_thebe(app)
    app.add_js_file(None, body=_SCHEME, priority=1)
    app.connect("html-page-context", _correct)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
