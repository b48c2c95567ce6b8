"""Public files, audited by the commands that anybody would type: run once, and what they say kept.

Each command runs in a process of its own, in a folder that holds nothing but the published files.
So what is kept is what a terminal shows. The artefact's key holds the commands, the files' hashes
and the version of the library, not its code; `make reproduce` says which command says something
else today.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.audit_your_own.by_hand import by_hand
from bbb_book.data import human_ratings, published
from bbb_book.data.recorded import recorded
from bbb_book.results.artefacts import Artefact
from bbb_core import __version__

__all__ = ["COMMANDS", "REPORTS", "SOURCES", "SPLIT", "audited", "stored_audits"]

SOURCES = {
    "drawn": "fair-diffusion-generated",
    "edited": "fair-diffusion-edited",
    "scores": "mj-bench-bias",
}
"""Published files by a word for each; the people's readings and GloVe come from elsewhere."""
SPLIT = """\
import pandas as pd
scores = pd.read_json("mj_bench_bias_gpt-4o.json")
scores["asked"] = scores["demographic"].str.split("_").str[1]
scores.to_csv("scores.csv", index=False)
"""
"""Python that makes a column of the second word of "old_female_buddhist"."""
COMMANDS = {
    "glove": "bbb audit embeddings --encoder glove --out words",
    "drawn": "bbb audit generations fair_diffusion_generated_1-5.txt --out drawn",
    "edited": "bbb audit generations fair_diffusion_edited_1-5.txt --out edited",
    "change": "bbb audit compare drawn edited --out change",
    "unnamed": "bbb audit labels entigen_human_ratings.csv",
    "labels": "bbb audit labels entigen_human_ratings.csv --image picture --answer gender "
    "--prompt item --map 1=man --map 2=woman --none 3 --none 4 --out labels",
    "counted": "bbb audit generations labels/counts.csv --confusion labels/confusion.csv "
    "--out counted",
    "small": "bbb audit alignment mj_bench_bias_gpt-4o.json --score ImageReward "
    "--group demographic --within occupation",
    "scores": "bbb audit alignment scores.csv --score ImageReward --group asked "
    "--within occupation --out scores",
    "judged": "bbb audit generations fair_diffusion_edited_1-5.txt --fail-above 0.05",
}
"""Commands in the order in which they run."""
REPORTS = ("glove", "drawn", "edited", "change", "counted", "scores")
"""Commands that leave a report."""
_STATUS = {"unnamed": 2, "small": 2, "judged": 1}
"""Exit statuses; those of the others are 0."""
DRAWN = 12
"""Rows of a picture on the page."""
_LONG, _WIDE = 12, 78
"""Lines and characters of a table beyond which the page leaves some out."""


def stored_audits(source: str) -> Artefact | None:
    """Return what the commands said; None if `source` is ``none`` or it cannot be had."""
    return recorded(
        "own-audits",
        audited,
        source=source,
        sources=SOURCES,
        parameters={},
        read=_files,
        inputs={"readings": human_ratings.DIGEST, "version": __version__},
    )


def _files() -> dict[str, Any]:
    paths = {word: published.path(name) for word, name in SOURCES.items()}
    return {"files": {**paths, "labels": human_ratings.path()}}


def audited(files: Mapping[str, Path]) -> dict[str, Any]:
    """Run every command on the published files (artefact function).

    Returns
    -------
    dict
        ``said``: by command its text, shortened, and the report's answer. ``rows NAME``: rows of
        a report's picture, evenly spaced, with how many there are in ``all``. ``corrected``: the
        share of women by prompt, as read and without the readers' errors. ``by hand``: a number of
        a command and the same without this library, by source.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, said, rows = Path(name), {}, {}
        for path in files.values():
            shutil.copy(path, folder / path.name)
        _run([SPLIT], folder)
        for word, command in COMMANDS.items():
            text = _run([_BBB, *shlex.split(command)[1:]], folder, status=_STATUS.get(word, 0))
            said[word] = {"text": _shortened(text)}
            if word in REPORTS:
                report = _json(folder, command, "report.json")
                said[word]["answer"] = report["answer"]
                rows[f"rows {word}"] = _drawn(report)
        found = {word: _json(folder, COMMANDS[word], "audit.json") for word in COMMANDS
                 if "--out" in COMMANDS[word]}  # fmt: skip
        return {
            "said": said,
            **rows,
            "corrected": _corrected(found["counted"]),
            "by hand": by_hand(folder, found),
        }


_BBB = "import sys; sys.argv[0] = 'bbb'; from bbb_core.cli import main; main()"


def _run(words: list[str], folder: Path, *, status: int = 0) -> str:
    """Run Python code with arguments; return what it prints, or why it ended with `status`."""
    told = {key: value for key, value in os.environ.items() if key != "GITHUB_STEP_SUMMARY"}
    done = subprocess.run(
        [sys.executable, "-c", *words],
        cwd=folder, env=told | {"BBB_PROGRESS": "0"}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != status:
        raise RuntimeError(f"{words[1:]} ended with {done.returncode}, not {status}: {done.stderr}")
    return (done.stderr if status else done.stdout).strip()


def _json(folder: Path, command: str, file: str) -> dict[str, Any]:
    """Return a file that a command left in the folder of its --out."""
    out = shlex.split(command)[-1]
    return dict(json.loads((folder / out / file).read_text(encoding="utf-8")))


def _shortened(text: str) -> str:
    """Leave out tables that are wide, and the middle of those that are long."""
    parts = []
    for part in text.split("\n\n"):
        lines = part.split("\n")
        table = len(lines) > 2 and any("  " in line.strip() for line in lines[1:3])
        if table and max(map(len, lines)) > _WIDE:
            name = "" if "  " in lines[0].strip() else f"{lines[0]}: "
            lines = [f"{name}a wide table, left out here; it stands in the report"]
        elif table and len(lines) > _LONG:
            lines = [*lines[:4], "...", *lines[-3:]]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _drawn(report: Mapping[str, Any]) -> pd.DataFrame:
    """Return rows of a report's main table in order of their values: label, value, low, high."""
    table = next(one for one in report["tables"].values() if one["estimate"])
    frame = pd.DataFrame(table["rows"], columns=table["columns"])
    names = [key for key in table["key"] if frame[key].nunique() > 1]
    made = frame[table["estimate"]].set_axis(["value", "low", "high"], axis=1).astype(float)
    made.insert(0, "label", frame[names].astype(str).agg(" − ".join, axis=1))
    if "floor" in frame:
        made["floor"] = frame["floor"].astype(float)
    made = made.sort_values("value", ascending=False, kind="stable")
    places = np.linspace(0, len(made) - 1, min(DRAWN, len(made))).round().astype(int)
    return made.iloc[places].assign(all=len(made)).reset_index(drop=True)


def _corrected(found: Mapping[str, Any]) -> pd.DataFrame:
    read, made = (pd.DataFrame(found["tables"][name]) for name in ("balance", "corrected"))
    ends = made[["woman share", "woman low", "woman high"]]
    return pd.concat([read[["prompt", "share woman"]], ends], axis=1)
