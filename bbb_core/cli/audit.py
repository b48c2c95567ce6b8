"""`bbb audit`: measure embeddings, models, generations and scores of your own."""

from __future__ import annotations

import click

from bbb_core.cli.audit_alignment import alignment
from bbb_core.cli.audit_embeddings import embeddings
from bbb_core.cli.audit_generations import generations
from bbb_core.cli.audit_model import model

__all__ = ["audit"]


@click.group()
def audit() -> None:
    """Audit embeddings, models, generations and scores of your own for bias."""


for _command in (alignment, embeddings, generations, model):
    audit.add_command(_command)
