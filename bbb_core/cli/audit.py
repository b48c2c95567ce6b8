"""`bbb audit`: measure embeddings, models, generations, labels and scores of your own."""

from __future__ import annotations

import click

from bbb_core.cli.audit_alignment import alignment
from bbb_core.cli.audit_compare import compare
from bbb_core.cli.audit_embeddings import embeddings
from bbb_core.cli.audit_generations import generations
from bbb_core.cli.audit_labels import labels
from bbb_core.cli.audit_model import model

__all__ = ["audit"]


@click.group()
def audit() -> None:
    """Audit embeddings, models, generations, labels and scores of your own for bias."""


for _command in (alignment, compare, embeddings, generations, labels, model):
    audit.add_command(_command)
