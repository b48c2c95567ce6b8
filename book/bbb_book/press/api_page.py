"""The page of the library's public names, written by its docstrings (the back matter).

``.. api:: ROOM`` shows what that room of `bbb_core` says of itself and documents every name in its
``__all__``: signature and summary are shown, the rest of the docstring opens on a click. Nothing is
listed by hand.
"""

from __future__ import annotations

import importlib
import inspect
import re
from types import ModuleType
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

__all__ = ["setup"]

_SHAPE = re.compile(r"(?<=[\[ \"])\*(?=\w+[\],\" ])")
"""The star of a shape such as [n, *shape], which is no emphasis."""
_OPENING = '<details class="api"><summary>Definition, arguments, examples</summary>'


class Api(SphinxDirective):
    """Document the public names of a room of the library."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Let autodoc write one entry per name; fold what follows the summary."""
        room = importlib.import_module(f"bbb_core.{self.arguments[0]}")
        lines = [*(inspect.getdoc(room) or "").splitlines(), ""]
        lines += [line for name in room.__all__ for line in _entry(room, name)]
        content = nodes.section()
        content.document = self.state.document
        self.state.nested_parse(StringList(lines, source=room.__name__), 0, content)
        for entry in content.findall(addnodes.desc):
            if entry.parent is content:
                _fold(entry)
        return content.children


def _entry(room: ModuleType, name: str) -> list[str]:
    value = getattr(room, name)
    kind = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
    lines = [f".. auto{kind}:: {room.__name__}.{name}"]
    if kind == "class":
        lines += ["   :members:"]
    if kind == "data":
        lines += ["   :no-value:"]
    return [*lines, ""]


def _fold(entry: addnodes.desc) -> None:
    """Put everything but the summary, the first paragraph, into an element that opens."""
    (body,) = (child for child in entry.children if isinstance(child, addnodes.desc_content))
    first = next((i for i, n in enumerate(body) if isinstance(n, nodes.paragraph)), len(body))
    if len(body) > first + 1:
        body.insert(first + 1, nodes.raw("", _OPENING, format="html"))
        body.append(nodes.raw("", "</details>", format="html"))


def _escape(*event: Any) -> None:
    """Escape the stars of shapes in the lines of a docstring, which come last."""
    lines = event[-1]
    lines[:] = [line if ">>>" in line else _SHAPE.sub(r"\*", line) for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("autodoc-process-docstring", _escape)
    app.add_directive("api", Api)
    return {"parallel_read_safe": True}
