"""`bbb audit model`: certified bounds on what a generator's neutral prompt draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bbb_core.cli.generators import completed, loaded
from bbb_core.cli.output import (
    audited,
    named_prompts,
    report_options,
    result_options,
    save_picture,
    table_options,
)
from bbb_core.errors import InputError
from bbb_core.io.cells import csv_text, plain, table_text
from bbb_core.io.folders import records, require_new
from bbb_core.io.writing import write_text

__all__ = ["model"]


@click.command("model")
@click.argument("folder", metavar="FOLDER")
@click.option(
    "--neutral",
    multiple=True,
    metavar="PROMPT",
    help='Such as "a photo of a nurse"; with --sweep repeatable.',
)
@click.option("--group", "groups", multiple=True, metavar="NAME=PROMPT", help="At least two.")
@click.option("--encoder", metavar="SPEC", help="Text encoder of a checkpoint: minilm, e5, ...")
@click.option("--steps", type=int, default=40, show_default=True, help="Reverse steps.")
@click.option("--sampler", metavar="NAME", help="In place of the model's own; see below.")
@click.option("--eta", type=float, default=0.0, show_default=True, help="DDIM's noise, 0 to 1.")
@click.option("--guidance", type=float, default=1.0, show_default=True, help="1 is none.")
@click.option("--paths", type=int, default=64, show_default=True, help="Per direction and group.")
@click.option(
    "--delta",
    type=float,
    default=0.05,
    show_default=True,
    help="Assumed: a group's prompt fails to draw the group this often at most.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--images",
    type=int,
    default=0,
    show_default=True,
    help="To draw per prompt, or per point of --sweep.",
)
@click.option("--sweep", type=int, metavar="N", help="Points between two groups; see below.")
@click.option("--prompts", metavar="FILE", help="Many prompts at once; see below.")
@click.option("--classifier", metavar="SPEC", help="Reads pictures: open_clip:..., or emoji.")
@click.option("--confusion", metavar="FILE", help="'true,LABEL,...': the reader's errors.")
@click.option("--readings", metavar="FILE", help="The list of a first call, filled in.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, mps or auto.")
@table_options
@report_options("the imbalance that the report names first")
@result_options
def model(**options: Any) -> None:
    """Certify how far a neutral prompt's images can be from each group prompt's, without labels.

    FOLDER holds a diffusers Stable Diffusion pipeline, or a checkpoint of this package (then name
    --encoder); or it is the word emoji, a small generator that comes with the package, encoder and
    prompts included (a folder of that name is ./emoji). Sampled paths bound the total variation of
    two prompts' images, at every number of paths and for every model; where the bound is small, the
    neutral prompt provably draws mostly that group. A bound near 1 settles nothing: draw --images,
    have them read, and use `bbb audit generations`. Where the bounds refute --delta, nothing that
    rests on it is reported.

    Certified is the model's own sampler. Samplers without noise (PNDM, DDIM with eta 0, Euler,
    DPM-Solver++) have no certificate: ask for another one by --sampler ddpm, ddim (with --eta),
    euler-ancestral or sde-dpmsolver++; the report names it.

    --sweep asks another question of exactly two groups: how much of an imbalance the embedding
    begot, how much is the generator's own, and which embedding draws balance. The first call
    draws --images at each of N points of the straight way from the first group's prompt
    (position 0) to the second's (1), and lists them in --out. Write who is seen into the list,
    or look over what --classifier wrote; then repeat the line with --readings LIST and another
    --out. The law of inheritance, log-odds = slope x (position - switch), is fitted to the
    readings; each neutral prompt's share follows from its position, and embeddings at the
    switch are written to feed the pipeline. That a generator obeys the law is empirical: the
    fit is tested along the sweep only, and a neutral prompt lies beside it.

    --prompts draws --images of each prompt of a table and reports on all of them: a column
    'prompt' and one of prompts per group (man,woman), or a column 'occupation' whose nouns
    --neutral and --group put into templates with {}. --classifier names who reads the pictures:
    open_clip:MODEL/PRETRAINED compares them with the group prompts; emoji, the reader of the
    built-in model, comes with its error rates, and its shares are corrected. Without a classifier
    the first call lists the pictures, and the second takes the list by --readings. An interrupted
    call goes on when its line is repeated. --paths 0 leaves the certificates out.
    """
    own = bool(options["neutral"] or options["groups"])
    options = completed(options)
    options["out"] = out = require_new(options["out"])
    if options["prompts"] is not None:
        from bbb_core.cli.audit_prompts import audit_prompts

        audit_prompts(options, own=own)
        return
    if options["confusion"] is not None:
        raise InputError("--confusion belongs to --prompts; leave it out.")
    if options["sweep"] is not None or options["readings"] is not None:
        from bbb_core.cli.audit_sweep import audit_a_sweep

        audit_a_sweep(options)
        return
    if options["classifier"] is not None:
        raise InputError("--classifier belongs to --prompts or --sweep; leave it out.")
    prompts = _prompts(options["neutral"], options["groups"])
    if options["images"] < 0 or (options["images"] and out is None):
        raise InputError("--images needs a number of at least 0, and --out to write them to.")
    from bbb_core.diffusion.model_audit import audit_model

    process, encode, files = loaded(options)
    rows = encode(list(prompts.values()))
    found = audit_model(
        process,
        rows[0],
        dict(zip(list(prompts)[1:], rows[1:], strict=True)),
        n=options["paths"],
        delta=options["delta"],
        confidence=options["confidence"],
        seed=options["seed"],
    )
    said = {
        "prompts": prompts,
        "sampler": process.sampler,
        "confidence": found.confidence,
        "delta": found.delta,
        "guarantee": found.guarantee,
        "delta_at_least": found.delta_at_least,
        "separation_refuted": found.refuted,
        "imbalance_at_least": found.imbalance_at_least,
        "reason": _refutation(found) if found.refuted else None,
        "groups": records(found.by_group),
    }
    audited(
        "bbb audit model",
        options,
        said,
        {"groups": found.by_group},
        _report(found, said),
        inputs=files,
        settings=options | {"neutral": prompts["neutral"], "groups": list(options["groups"])},
        fill=lambda made: _draw(made, process, rows, prompts, options),
        report=found.report(),
    )


def _prompts(neutral: tuple[str, ...], groups: tuple[str, ...]) -> dict[str, str]:
    if not any(neutral):
        raise InputError('--neutral is missing; pass a prompt such as "a photo of a nurse".')
    if len(neutral) > 1:
        raise InputError(f"--neutral is given {len(neutral)} times; without --sweep give one.")
    named = named_prompts(groups, example="man='a male nurse'")
    if "neutral" in named:
        raise InputError("--group may not be called 'neutral'; choose another name.")
    prompts = {"neutral": neutral[0]} | named
    if len(prompts) < 3:
        raise InputError(f"--group is given {len(prompts) - 1} times; name at least two groups.")
    return prompts


def _draw(made: Path, process: Any, rows: Any, prompts: dict[str, str], options: Any) -> None:
    """Write PNG files and a list of them."""
    import pandas as pd

    from bbb_core.diffusion.sampling import generate

    if not options["images"]:
        return
    drawn = generate(process, rows, options["images"], seed=options["seed"])
    (made / "images").mkdir()
    listed = []
    for number, ((name, prompt), images) in enumerate(zip(prompts.items(), drawn, strict=True)):
        for i, image in enumerate(images):
            file = f"images/{number:02d}-{i:04d}.png"
            save_picture(image, made / file)
            listed.append({"file": file, "prompt": prompt, "kind": name})
    write_text(made / "images.csv", csv_text(pd.DataFrame(listed)))


def _refutation(found: Any) -> str:
    """Say what is refuted, what that leaves, and what to do."""
    return (
        f"the prompts' images are too much alike for --delta {found.delta:g}: some group's prompt "
        f"fails to draw its group in at least {found.delta_at_least:.1%} of its images. So no "
        "share and no imbalance follows from these bounds; cosines and total variations stand. "
        "Check that the model sees the words in which the prompts differ; draw the groups' "
        "prompts (--images), have them read, and give the error that you find as --delta."
    )


def _report(found: Any, said: dict[str, Any]) -> str:
    table = found.by_group.copy()
    for name in ("tv", "kl_to", "kl_from"):
        ends = zip(table[name], table.pop(f"{name}_low"), table.pop(f"{name}_high"), strict=True)
        table[name] = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in ends]
    bounds = f"Bounds hold together at {found.confidence:.0%} ({found.guarantee})"
    least = found.imbalance_at_least
    if found.refuted:
        table = table.drop(columns=["share_at_least", "imbalance_at_least"])
        head = [f"{bounds}.", f"Refuted: {_refutation(found)}"]
    else:
        head = [
            f"{bounds}, those of shares and imbalance if each group's prompt draws its group in at "
            f"least {1 - found.delta:.0%}.",
            f"Certified: the imbalance is at least {least:.3f}."
            if least > 0
            else "Nothing is certified: the bounds allow balance. Draw images and have them read.",
        ]
    shown = table_text(table, index=False, float_format=lambda x: f"{x:.3f}")
    notes = "tv: of the paths; tv_upper: of the images. kl: a geometry, its intervals approximate."
    first = [f"Neutral prompt: {plain(said['prompts']['neutral'])}", f"Sampler: {said['sampler']}."]
    return "\n".join([*first, *head, "", shown, "", notes])
