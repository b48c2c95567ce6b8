"""The generator that `bbb audit model` names: a folder, or the built-in ``emoji``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bbb_core.errors import InputError

__all__ = ["BUILT_IN", "completed", "loaded"]

BUILT_IN = "emoji"
"""A folder of that name is called ``./emoji``."""


def completed(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with what the built-in generator brings: encoder, prompts, classifier.

    Its prompts are taken where neither --neutral nor --group is given.

    Raises
    ------
    InputError
        If another encoder is named for it.
    """
    if options["folder"] != BUILT_IN:
        return options
    from bbb_core.diffusion.built_in import described
    from bbb_core.prompts import fill

    said = described()
    if options["encoder"] not in (None, said["encoder"]):
        raise InputError(f"emoji brings its encoder, {said['encoder']}; leave --encoder out.")
    made = options | {"encoder": said["encoder"]}
    if not options["neutral"] and not options["groups"]:
        forms = dict(said["templates"])
        if options["prompts"] is None:
            forms = {name: fill(form, said["occupation"]) for name, form in forms.items()}
        made["neutral"] = (forms.pop("neutral"),)
        made["groups"] = tuple(f"{name}={form}" for name, form in forms.items())
    draws = (options["prompts"] or options["sweep"]) and options["readings"] is None
    if draws and options["classifier"] is None:
        made["classifier"] = BUILT_IN
    return made


def loaded(options: dict[str, Any]) -> tuple[Any, Any, dict[str, Path]]:
    """Return the certified sampler, the function that embeds prompts, and the model's files."""
    from bbb_core.device import pick
    from bbb_core.diffusion.built_in import EMOJI
    from bbb_core.diffusion.load import load_process, model_files

    folder = EMOJI if options["folder"] == BUILT_IN else Path(options["folder"])
    named = ("encoder", "sampler", "steps", "guidance", "eta")
    process, encode = load_process(
        folder, device=pick(options["device"]), **{name: options[name] for name in named}
    )
    return process, encode, model_files(folder)
