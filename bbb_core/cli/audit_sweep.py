"""`bbb audit model --sweep`: pictures between two groups' prompts, and what their readings say.

Two calls of nearly one line: the first draws and lists, the second, with --readings, reports.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from bbb_core import checks
from bbb_core.cli.classifiers import Classify, reader_of
from bbb_core.cli.drawing import pictures
from bbb_core.cli.generators import loaded
from bbb_core.cli.output import audited, named_prompts, save_picture
from bbb_core.cli.sweep_list import NEITHER, picture_order, read_list, run_name
from bbb_core.errors import InputError
from bbb_core.io.cells import csv_text, plain, table_text
from bbb_core.io.folders import records
from bbb_core.io.writing import write_text
from bbb_core.prompts import PromptFamily

__all__ = ["audit_a_sweep"]


def audit_a_sweep(options: dict[str, Any]) -> None:
    """Draw a sweep and list it, or report on the readings of one."""
    groups = _checked(options)
    neutral = options["neutral"]
    classify = None
    if options["classifier"] is not None:
        classify, _ = reader_of(options, [PromptFamily(neutral=neutral[0], groups=groups)])
    from bbb_core.diffusion.calibration import FEWEST
    from bbb_core.diffusion.sweep_audit import audit_sweep, places, way_points

    # 1. The model, the embeddings, and where the neutral prompts lie
    process, encode, files = loaded(options)
    rows = encode([*neutral, *groups.values()])
    ends = dict(zip(groups, rows[-2:], strict=True))
    prompts = dict(zip(neutral, rows[:-2], strict=True))
    a, b = ends.values()
    t, beside = places(prompts, a, b)
    positions, points = way_points(a, b, options["sweep"])

    # 2. The pictures' names: which run, and in an order that does not tell the position
    run = run_name(options, files, groups)
    order = picture_order(run, options["sweep"], options)
    said = {
        "groups": groups,
        "sampler": process.sampler,
        "run": run,
        "points": options["sweep"],
        "pictures": len(order),
    }
    settings = options | {"neutral": list(neutral), "groups": list(options["groups"])}
    if options["readings"] is None:
        # 3. First call: draw
        import pandas as pd

        table = pd.DataFrame({"prompt": neutral, "position": t, "distance": beside})
        audited(
            "bbb audit model",
            options,
            said | {"prompts": records(table)},
            {"prompts": table},
            _drawn(said, table, options),
            inputs=files,
            settings=settings,
            fill=lambda made: _draw(made, process, positions, points, order, classify, options),
        )
        return
    # 4. Second call: count the readings, fit the law, foretell
    counts = read_list(options["readings"], order, list(groups), options["sweep"])
    read, neither = counts[:, :2], int(counts[:, 2].sum())
    if read.sum() < FEWEST:
        raise InputError(
            f"--readings {plain(options['readings'])} names a group for {read.sum()} of "
            f"{len(order)} pictures; at least {FEWEST} are needed. Fill in the column of groups."
        )
    found = audit_sweep(prompts, ends, positions, read, confidence=options["confidence"])
    told = _told(found, list(groups), neither)
    audited(
        "bbb audit model",
        options,
        said | told,
        {"prompts": found.prompts, "points": found.points},
        _report(said, told, found),
        inputs=files | {"--readings": Path(options["readings"])},
        settings=settings,
        fill=lambda made: _embed(made, found.balanced, ends, said),
        report=found.report(),
    )


def _checked(options: dict[str, Any]) -> dict[str, str]:
    """Return the two group prompts by name; refuse options that do not go together."""
    from bbb_core.diffusion.calibration import FEWEST

    source = click.get_current_context().get_parameter_source
    for name in ("paths", "delta"):
        if source(name) is not click.core.ParameterSource.DEFAULT:
            raise InputError(f"--{name} belongs to the certificate; leave it out with --sweep.")
    if options["sweep"] is None:
        raise InputError("--readings needs --sweep or --prompts; repeat the line that drew them.")
    neutral = options["neutral"]
    if not neutral or not all(prompt.strip() for prompt in neutral):
        raise InputError('--neutral is missing; pass a prompt such as "a photo of a nurse".')
    twice = next((prompt for prompt in neutral if neutral.count(prompt) > 1), None)
    if twice is not None:
        raise InputError(f"--neutral {twice!r} is given twice; give each prompt once.")
    groups = named_prompts(options["groups"], example="man='a male nurse'")
    if len(groups) != 2:
        raise InputError(f"--sweep goes between two groups; --group is given {len(groups)} times.")
    bad = next((name for name in groups if name.casefold() in NEITHER), None)
    if bad is not None:
        raise InputError(f"--group {bad!r} is a reading that names no group; call it otherwise.")
    points = checks.integer("--sweep", options["sweep"], low=2, high=1000)
    if options["images"] < 1:
        raise InputError(f"--sweep needs --images, {-(-FEWEST // points)} or more at each point.")
    if points * options["images"] < FEWEST:
        raise InputError(
            f"--sweep {points} with --images {options['images']} draws "
            f"{points * options['images']} pictures; at least {FEWEST} are needed."
        )
    if points * options["images"] > 99_999:
        raise InputError("--sweep and --images ask for more than 99999 pictures; ask for fewer.")
    if options["readings"] is None and options["fail_above"] is not None:
        raise InputError("--fail-above judges readings; leave it out of the call that draws.")
    if options["readings"] is None and options["out"] is None:
        raise InputError("--sweep draws pictures; name a folder for them by --out.")
    checks.confidence_level(options["confidence"], name="--confidence")
    return groups


def _draw(
    made: Path,
    process: Any,
    positions: np.ndarray,
    points: Any,
    order: dict[str, int],
    classify: Classify | None,
    options: dict[str, Any],
) -> None:
    """Write the pictures, point by point, and a list of them with a column to fill in."""
    import pandas as pd

    from bbb_core.diffusion.sampling import generate

    (made / "images").mkdir()
    read = dict.fromkeys(order, "")
    for i in range(len(points)):
        names = [name for name, point in order.items() if point == i]
        images = generate(
            process,
            points[i : i + 1],
            options["images"],
            seed=options["seed"],
            streams=[f"sweep {i}"],
        )[0]
        for name, image in zip(names, images, strict=True):
            save_picture(image, made / "images" / name)
        if classify is not None:
            saved = pictures(made / "images", names)
            labels = [label for batch in saved for label in classify(batch, 0)]
            read |= dict(zip(names, labels, strict=True))
    listed = {
        "file": [f"images/{name}" for name in order],
        "position": [positions[point] for point in order.values()],
        "group": list(read.values()),
    }
    write_text(made / "images.csv", csv_text(pd.DataFrame(listed)))


def _embed(made: Path, balanced: dict[str, Any], ends: dict[str, Any], said: Any) -> None:
    """Write the balanced embeddings with their names and positions."""
    import torch
    from safetensors.torch import save_file

    from bbb_core.diffusion.sweep_audit import places

    if balanced:
        found, _ = places(balanced, *ends.values())
        told = {"names": list(balanced), "positions": found.tolist(), "groups": said["groups"]}
        about = {name: json.dumps(value) for name, value in told.items()} | {"run": said["run"]}
        rows = torch.stack(list(balanced.values())).contiguous()
        save_file({"embeddings": rows}, made / "balanced.safetensors", about)


def _told(found: Any, groups: list[str], neither: int) -> dict[str, Any]:
    """Return what was found, for JSON."""
    level = found.law.slope.confidence
    estimates = {"slope": found.law.slope, "switch": found.law.switch, "own": found.own}
    at_ends = found.points[[f"read as {name}" for name in groups]].to_numpy()
    return {
        "confidence": level,
        **{
            name: {"value": one.value, "low": one.low, "high": one.high}
            for name, one in estimates.items()
        },
        "neither": neither,
        "lack_of_fit": found.lack_of_fit,
        "bent": bool(found.lack_of_fit <= 1 - level),
        "read_as_named": {
            name: {"pictures": int(at_ends[end].sum()), "as_named": int(at_ends[end, column])}
            for name, end, column in ((groups[0], 0, 0), (groups[1], -1, 1))
        },
        "prompts": records(found.prompts),
        "sweep": records(found.points),
        "balanced": list(found.balanced),
    }


def _head(said: dict[str, Any]) -> list[str]:
    (a, prompt_a), (b, prompt_b) = ((plain(k), plain(v)) for k, v in said["groups"].items())
    return [
        f"Positions: 0 at {a} ({prompt_a}), 1 at {b} ({prompt_b}).",
        f"Sampler: {said['sampler']}.",
    ]


def _drawn(said: dict[str, Any], table: Any, options: dict[str, Any]) -> str:
    a, b = map(plain, said["groups"])
    listed = plain(str(Path(options["out"]) / "images.csv"))
    reader = options["classifier"]
    write = f"Now write {a} or {b} into the column group of {listed};"
    if reader is not None:
        write = f"{plain(reader)} wrote the column group of {listed}: {a}, {b} or none. Check it;"
    return "\n".join(
        [
            *_head(said),
            "",
            table_text(table, index=False, float_format=lambda x: f"{x:.3f}"),
            "",
            "distance: from the straight way, in its lengths. The law is fitted on the way.",
            f"Drawn: {said['pictures']} pictures at {said['points']} points of the way.",
            write,
            "leave it empty where neither is seen. Whoever reads should not see the positions.",
            "Then repeat this line with --readings and that list, and another --out.",
        ]
    )


def _report(said: dict[str, Any], told: dict[str, Any], found: Any) -> str:
    a, b = map(plain, said["groups"])
    ends = told["read_as_named"].values()
    named = ", ".join(
        f"{name} {one['as_named']} of {one['pictures']}"
        for name, one in zip((a, b), ends, strict=True)
    )
    table = found.prompts.copy()
    spans = zip(table["share"], table.pop("low"), table.pop("high"), strict=True)
    table["share"] = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in spans]
    table = table.rename(columns={"share": f"share of {b}"})
    return "\n".join(
        [
            *_head(said),
            f"Readings: {said['pictures'] - told['neither']} of {said['pictures']} pictures name a "
            f"group. Group prompts' pictures read as named: {named}.",
            f"Slope {_span(told['slope'])}, switch {_span(told['switch'])}, the generator's own "
            f"log-odds {_span(told['own'])} at {told['confidence']:.0%}.",
            *_verdicts(told),
            "",
            table_text(table, index=False, float_format=lambda x: f"{x:.3f}"),
            "",
            f"begotten + own: log-odds of {b}, from the embedding and from the generator.",
            "distance: from the straight way, in its lengths. The law is fitted on the way.",
            "Intervals carry the chance of the pictures. That a prompt beside the way obeys the "
            "law is empirical: draw some of its pictures.",
        ]
    )


def _verdicts(told: dict[str, Any]) -> list[str]:
    """Say what the fit bears and what it does not."""
    slope, switch, p = told["slope"], told["switch"], told["lack_of_fit"]
    found = []
    if np.isfinite(p):
        found.append(f"Fit: {'BENT' if told['bent'] else 'no bend is detected'} (p = {p:.3g}).")
    if told["bent"]:
        found.append("The log-odds do not lie on a line: foretold shares are not to be trusted.")
    if not told["balanced"]:
        found.append("The slope may be zero, so no embedding is written that should draw balance.")
    else:
        found.append(
            "Embeddings that should draw balance, at the switch: balanced.safetensors of --out."
        )
    if told["balanced"] and not 0 <= switch["value"] <= 1:
        found.append("The switch lies outside the sweep: the balanced embeddings extrapolate.")
    if slope["high"] < 0:
        found.append("The slope is negative: each group's prompt draws the other. Names swapped?")
    return found


def _span(one: dict[str, float]) -> str:
    return f"{one['value']:.3g} [{one['low']:.3g}, {one['high']:.3g}]"
