"""`bbb audit embeddings`: how much nearer occupations lie to one group's prompts."""

from __future__ import annotations

from typing import Any

import click

from bbb_core.cli.input import scheduler_option
from bbb_core.cli.output import audited, named_prompts, report_options, result_options, say
from bbb_core.errors import InputError
from bbb_core.io.cells import plain, table_text
from bbb_core.io.folders import records, require_new

__all__ = ["embeddings"]


@click.command("embeddings")
@click.option(
    "--encoder",
    metavar="SPEC",
    help="minilm, e5, glove; open_clip:MODEL/PRETRAINED, open_clip:MODEL/FILE.safetensors or "
    "open_clip:local/FOLDER; table:FILE (.safetensors, .npz, .parquet) or "
    "table:ROWS.npy[:NAMES.txt], or table:FOLDER of clip-retrieval.",
)
@click.option("--occupations", metavar="A,B,...", help="Nouns; default: Winogender's sixty.")
@click.option("--occupations-file", metavar="FILE", help="Nouns, one a line; # starts a comment.")
@click.option("--template", "templates", multiple=True, help="Neutral prompt with {}; repeatable.")
@click.option("--pair", "pairs", multiple=True, help="Word pair such as female/male; repeatable.")
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME=PROMPT",
    help='Instead of pairs, such as woman="a photo of a female {}"; at least two.',
)
@click.option(
    "--baseline",
    multiple=True,
    help="Noun that occupations are compared with; repeatable; 'none' compares with zero.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, mps or auto.")
@scheduler_option
@report_options("the largest absolute gap beyond the baseline")
@result_options
@click.option("--list-prompts", is_flag=True, help="Only print the prompts, to embed elsewhere.")
@click.option(
    "--self-check", is_flag=True, help="Only compare a CLIP model with numbers recorded from it."
)
def embeddings(**options: Any) -> None:
    """Measure how much nearer occupations lie to one group's prompts than to another's.

    The gap of a prompt p is cos(p, p_a) - cos(p, p_b). It is compared with the gap of nouns that
    name no occupation ("person"), with an interval over templates and word pairs, and p-values
    adjusted for the number of occupations. The position is 0 at the prompts of the first group, 1
    at those of the second, and 0.5 half way.

    Of a table, only the rows of the prompts (--list-prompts) are kept: it may be larger than the
    memory.
    """
    if options["encoder"] is None:
        raise InputError("--encoder is missing; pass minilm, e5, glove, open_clip:... or table:...")
    if options["self_check"]:
        _self_check(options["encoder"], options["device"])
        return
    options["out"] = require_new(options["out"])
    plan = _plan(options)
    if options["list_prompts"]:
        say("\n".join(map(plain, plan.texts())))
        return
    from bbb_core.embedding.audit import audit_embeddings
    from bbb_core.embedding.load import load_encoder
    from bbb_core.io.workers import workers

    spec, scheduler = options["encoder"], options["scheduler"]
    if scheduler is not None and not spec.startswith("table:"):
        raise InputError(f"--scheduler shares the parts of a table, and {spec} is none; omit it.")
    with workers(scheduler) as over:
        encoder = load_encoder(spec, device=options["device"], texts=plan.texts(), over=over)
    found = audit_embeddings(encoder, plan, confidence=options["confidence"], seed=options["seed"])
    said = found.summary
    audited(
        "bbb audit embeddings",
        options,
        said | {"table": records(found.table)},
        {"gaps": found.table},
        plain(_report(found), keep="\n"),
        inputs={"occupations": options["occupations_file"]},
        settings=said | {"contrasts": list(said["contrasts"])},
        report=found.report(),
    )


def _self_check(spec: str, device: str) -> None:
    from bbb_core.embedding.clip_check import self_check
    from bbb_core.embedding.load import load_encoder

    found = self_check(load_encoder(spec, device=device))
    if not found.passed:
        raise InputError(
            f"{found}: the file holds other weights than the recorded ones, or they were trained "
            "with the other activation (open_clip:MODEL-quickgelu/... or open_clip:MODEL-gelu/...)."
        )
    say(str(found))


def _plan(options: dict[str, Any]) -> Any:
    from bbb_core import prompts
    from bbb_core.embedding.audit import Plan

    word = options["encoder"] == "glove"
    groups = named_prompts(options["groups"], example="man='a male {}'")
    if len(groups) == 1:
        raise InputError(f"--group names only {next(iter(groups))!r}; give at least two groups.")
    pairs, templates = options["pairs"], options["templates"]
    if groups and pairs:
        raise InputError("--group and --pair exclude each other; give one of them.")
    if groups and not templates:
        raise InputError("--group needs --template, the neutral prompt with {}.")
    default = (prompts.BARE_TEMPLATE,) if word else prompts.TEMPLATES
    usual = prompts.GENDER_NOUN_PAIRS if word else prompts.GENDER_PAIRS
    asked = options["baseline"]
    return Plan(
        occupations=_occupations(options),
        templates=templates or default,
        pairs=() if groups else (pairs or usual),
        groups=groups,
        place="alone" if word else "before",
        baseline=() if asked == ("none",) else (asked or prompts.PERSON_NOUNS),
    )


def _occupations(options: dict[str, Any]) -> tuple[str, ...]:
    from bbb_core.cli.nouns import nouns_of_file, nouns_of_option
    from bbb_core.prompts import OCCUPATIONS

    listed, file = options["occupations"], options["occupations_file"]
    if listed is not None and file is not None:
        raise InputError("--occupations and --occupations-file exclude each other; give one.")
    if listed is not None:
        return nouns_of_option(listed)
    return OCCUPATIONS if file is None else nouns_of_file(file)


def _report(found: Any) -> str:
    said = found.summary
    lines = [f"Encoder {said['encoder']}, {_counted(said['templates'], 'template')}, "
             + (_counted(said["pairs"], "word pair") if said["pairs"]
                else f"groups {', '.join(said['groups'])}")]  # fmt: skip
    percent = f"{said['confidence']:.0%}"
    for contrast, notes in said["contrasts"].items():
        rows = found.table[found.table["contrast"] == contrast].sort_values("beyond")
        if said["pairs"]:
            contrast = f"first minus second word of {', '.join(said['pairs'])}"
        lines += ["", f"Gap: {contrast}"]
        if notes["baseline_gap"] is None:
            lines.append("Baseline: none, so gaps are compared with zero (zero is not neutral).")
        else:
            lines.append(f"Baseline ({', '.join(said['baseline'])}): {notes['baseline_gap']:+.4f}")
        lines += ["", _rows(rows, percent), ""]
        lines.append(_count(notes, percent))
        labour = notes["labour"]
        if labour:
            lines.append(
                f"Correlation with the US share of women in {labour['occupations']} occupations: "
                f"{labour['pearson']:.2f} [{labour['low']:.2f}, {labour['high']:.2f}], "
                f"p = {labour['p']:.2g}."
            )
    return "\n".join(lines)


def _counted(things: Any, noun: str) -> str:
    return f"{len(things)} {noun}" + ("" if len(things) == 1 else "s")


def _count(notes: dict[str, Any], percent: str) -> str:
    said = [notes["no_interval"]] if notes["no_interval"] else []
    differ, rate = notes["beyond_baseline_holm"], notes["beyond_baseline_bh"]
    if differ is not None:
        said.append(
            f"{differ} of {notes['occupations']} occupations differ from the baseline after Holm's "
            f"correction ({percent}), {rate} after Benjamini and Hochberg's."
        )
    return "\n".join(said)


def _rows(rows: Any, percent: str) -> str:
    import pandas as pd

    tested = bool(rows["low"].notna().any())
    shown = pd.DataFrame(
        {"occupation": rows["occupation"], "gap": rows["gap"].map("{:+.4f}".format),
         "beyond": rows["beyond"].map("{:+.4f}".format)}
    )  # fmt: skip
    if tested:
        shown[f"{percent} interval"] = [
            f"[{low:+.4f}, {high:+.4f}]" if low == low else ""
            for low, high in zip(rows["low"], rows["high"], strict=True)
        ]
        shown["p (Holm)"] = [f"{p:.3g}" if p == p else "" for p in rows["p_holm"]]
    if "position" in rows:
        shown["position"] = rows["position"].map("{:.2f}".format)
    if "rank" in rows:
        shown["rank in baseline"] = rows["rank"].map("{:.2f}".format)
    if rows["share_women"].notna().any():
        shown["US women"] = [f"{s:.0%}" if s == s else "" for s in rows["share_women"]]
    return table_text(shown, index=False)
