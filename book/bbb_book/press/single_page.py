"""Sphinx extension for a chapter that stands alone: references to the rest become plain text."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

__all__ = ["References", "setup"]


class References(SphinxPostTransform):
    """Replace references to other chapters, before anything looks for them and complains."""

    default_priority = 5

    def run(self, **options: Any) -> None:
        """Replace what points to no theorem, label or page of this build."""
        labels = self.env.domains["std"]
        theorems = set(getattr(self.env, "proof_list", {}))
        known = theorems | set(labels.anonlabels) | set(self.env.found_docs)
        for node in list(self.document.findall(addnodes.pending_xref)):
            target = str(node["reftarget"])
            proof = node.get("refdomain") == "prf" and target not in theorems
            link = node.get("reftype") == "myst" and target not in known
            if proof or link:
                node.replace_self(_plain(node))


def _plain(node: nodes.Element) -> nodes.Node:
    text = node.astext()
    if text == node.get("reftarget"):
        text = f"{text} (see the full book)"
    return nodes.inline("", text, classes=["elsewhere"])


def _missing(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.Node
) -> nodes.Node:
    return _plain(node)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_post_transform(References)
    app.connect("missing-reference", _missing)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
