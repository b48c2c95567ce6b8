"""`bbb audit compare`: two audits of one command, side by side."""

from __future__ import annotations

from typing import Any

import click

from bbb_core.cli.output import audited, output_options, report_options
from bbb_core.io.cells import plain, table_text
from bbb_core.io.folders import require_new

__all__ = ["compare"]


@click.command("compare")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@report_options("what B audited exceeds what A did, and by how much,")
@output_options
def compare(**options: Any) -> None:
    """Compare two audits of one command: B minus A, with intervals.

    A and B are folders that --out of an audit wrote, or the report.json in them: two runs, or two
    models. Generations are paired by prompt, embeddings by occupation; of all others the intervals
    are subtracted, which holds whatever the two audits share. Levels, targets and groups must be
    the same.
    """
    from bbb_core.report.comparisons import compare, located, read_report

    options["out"] = require_new(options["out"])
    files = {name: located(options[name]) for name in ("a", "b")}
    report = compare(*map(read_report, files.values()))
    table = report.tables["differences"].frame
    lines = [plain(report.answer), *map(plain, report.caveats), ""]
    lines += [f"{plain(q.name)}: {q}" for q in report.quantities]
    shown = table_text(table, index=False, float_format=lambda x: f"{x:+.4f}")
    audited(
        "bbb audit compare",
        options,
        report.to_json(),
        {"differences": table},
        "\n".join([*lines, "", shown]),
        inputs=files,
        report=report,
    )
