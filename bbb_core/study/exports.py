"""Exports of answers: hostile until proven otherwise (human study).

An export is what the page saves. Whoever hands one in can have written anything into it, so its
size, form and types are checked, its images and their order are held against what the page deals
to that participant code, and no text of a refused file is repeated anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bbb_core.errors import InputError
from bbb_core.io.files import shown
from bbb_core.study.dealing import CODE, deal
from bbb_core.study.design import Study
from bbb_core.study.errors import Refused
from bbb_core.study.strict import TooLarge, load_json

__all__ = ["Answer", "Export", "FileNote", "Pile", "parse_export", "read_export", "read_exports"]

FORMAT, VERSION = "bbb-study-answers", 1
LARGEST = 5_000_000
MOST_FILES = 20_000
LONGEST_MS = 86_400_000 * 100
_FIELDS = {"format", "version", "study", "participant", "simulated", "complete", "answers"}


@dataclass(frozen=True)
class Answer:
    """One answer: which image, what was chosen, after how many milliseconds, changed how often."""

    image: str
    answer: str
    ms: int
    changes: int


@dataclass(frozen=True, kw_only=True)
class Export:
    """The answers of one participant, checked.

    Attributes
    ----------
    participant : str
        The random code.
    answers : tuple of Answer
        In the order shown; fewer than were dealt if the participant stopped early.
    complete : bool
        Whether every picture has an answer.
    simulated : bool
        True if no person gave these answers.
    """

    participant: str
    answers: tuple[Answer, ...]
    complete: bool
    simulated: bool


@dataclass(frozen=True)
class FileNote:
    """What became of one file: ``used``, or a key of `bbb_core.study.errors.REASONS`."""

    file: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Pile:
    """All usable exports, one per participant, and what became of every file."""

    exports: tuple[Export, ...]
    files: tuple[FileNote, ...]
    simulated: bool


def parse_export(told: Any, study: Study) -> Export:
    """Check a decoded export against the study.

    Raises
    ------
    Refused
        With the reason.
    """
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise Refused("not an export")
    if type(told.get("version")) is not int or told["version"] != VERSION:
        raise Refused("other version")
    code, answers = told.get("participant"), told.get("answers")
    flags = (told.get("simulated"), told.get("complete"))
    if set(told) != _FIELDS or not all(type(flag) is bool for flag in flags):
        raise Refused("not an export")
    if not isinstance(code, str) or not CODE.fullmatch(code):
        raise Refused("not an export")
    if not isinstance(answers, list) or not isinstance(told["study"], str):
        raise Refused("not an export")
    if told["study"] != study.id:
        raise Refused("another study")
    if len(answers) > study.shown:
        raise Refused("other order")
    checked = tuple(_answer(one, study) for one in answers)
    dealt = deal(study, code).images
    if tuple(one.image for one in checked) != dealt[: len(checked)]:
        raise Refused("other order")
    if flags[1] != (len(checked) == study.shown):
        raise Refused("not an export")
    return Export(
        participant=code, answers=checked, complete=bool(flags[1]), simulated=bool(flags[0])
    )


def _answer(one: Any, study: Study) -> Answer:
    if not isinstance(one, dict) or set(one) != {"image", "answer", "ms", "changes"}:
        raise Refused("not an export")
    if not isinstance(one["image"], str) or not isinstance(one["answer"], str):
        raise Refused("not an export")
    for name, most in (("ms", LONGEST_MS), ("changes", 1000)):
        if type(one[name]) is not int or not 0 <= one[name] <= most:
            raise Refused("not an export")
    if one["image"] not in study.by_id:
        raise Refused("unknown image")
    if one["answer"] not in study.options:
        raise Refused("unknown answer")
    return Answer(one["image"], one["answer"], one["ms"], one["changes"])


def read_export(path: Path, study: Study) -> Export:
    """Read one file.

    Raises
    ------
    Refused
        With the reason.
    """
    try:
        told = load_json(path, largest=LARGEST)
    except OSError:
        raise Refused("unreadable") from None
    except TooLarge:
        raise Refused("too large") from None
    except ValueError:
        raise Refused("not JSON") from None
    return parse_export(told, study)


def read_exports(paths: Iterable[str | Path], study: Study) -> Pile:
    """Read all files; set aside what is of no use, with a reason for each.

    A participant who handed in twice counts once: the export with more answers is used. Two that
    disagree on a picture are both set aside, as nobody can say which one is meant.

    Raises
    ------
    InputError
        If no file is named, none is usable, or simulated answers lie among people's.
    """
    files = _listed(paths)
    notes: dict[int, str] = {}
    held: dict[str, list[tuple[int, Export]]] = {}
    for i, path in enumerate(files):
        try:
            export = read_export(path, study)
        except Refused as error:
            notes[i] = error.reason
            continue
        held.setdefault(export.participant, []).append((i, export))
    chosen = []
    for same in held.values():
        kept = _one_of(same, notes)
        if kept is not None:
            chosen.append(kept)
    kinds = {export.simulated for export in chosen}
    if len(kinds) == 2:
        raise InputError("EXPORT mixes simulated answers with people's; collect them apart.")
    told = tuple(FileNote(shown(path.name), notes.get(i, "used")) for i, path in enumerate(files))
    if not chosen:
        raise InputError(
            f"EXPORT: none of the {len(files)} files is of use ({_tally(told)}); name exports of "
            "this study."
        )
    chosen.sort(key=lambda export: export.participant)
    return Pile(exports=tuple(chosen), files=told, simulated=kinds.pop())


def _listed(paths: Iterable[str | Path]) -> list[Path]:
    files: list[Path] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files += sorted(p for p in path.iterdir() if p.suffix == ".json" and p.is_file())
        else:
            files.append(path)
    if not files:
        raise InputError("EXPORT names no file; name the files that participants handed in.")
    if len(files) > MOST_FILES:
        raise InputError(f"EXPORT names {len(files)} files; collect at most {MOST_FILES} at once.")
    return files


def _one_of(same: Sequence[tuple[int, Export]], notes: dict[int, str]) -> Export | None:
    """Choose among the exports of one participant and note why the others are left out."""
    best, export = max(same, key=lambda pair: (len(pair[1].answers), -pair[0]))
    for i, other in same:
        if i == best:
            continue
        choices = [one.answer for one in other.answers]
        longer = [one.answer for one in export.answers]
        if other.simulated != export.simulated or choices != longer[: len(choices)]:
            notes.update({j: "contradiction" for j, _ in same})
            return None
        notes[i] = "same file again" if len(choices) == len(longer) else "older export"
    return export


def _tally(notes: Sequence[FileNote]) -> str:
    counts: dict[str, int] = {}
    for note in notes:
        counts[note.status] = counts.get(note.status, 0) + 1
    return ", ".join(f"{reason}: {n}" for reason, n in counts.items())
