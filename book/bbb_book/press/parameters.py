"""The parameters of a chapter: read from its text, parsed from words, checked (every chapter)."""

from __future__ import annotations

import ast
import io
import json
import sys
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from bbb_book.press import choices
from bbb_core.errors import InputError

__all__ = ["TYPES", "Parameter", "check", "checked", "parse", "read_parameters"]

TYPES = ("int", "float", "str", "bool", "list[str]", "list[float]", "list[int]")
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One line `name: type = default  # help` of a parameters cell."""

    name: str
    type: str
    default: Any
    help: str


def read_parameters(source: str, *, chapter: str) -> tuple[Parameter, ...]:
    """Read the parameters from the source of a parameters cell.

    Parameters
    ----------
    source : str
        The cell: lines `name: type = literal  # help`, and nothing else.
    chapter : str
        The chapter's name, for messages.

    Raises
    ------
    InputError
        If a line is no annotated literal of a known type, or a name occurs twice.

    Examples
    --------
    >>> read_parameters("n: int = 3  # how many", chapter="toy")
    (Parameter(name='n', type='int', default=3, help='how many'),)
    """
    where = f"chapter '{chapter}', parameters cell"
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise InputError(f"{where}: {error}") from error
    helps = _comments(source)
    found: dict[str, Parameter] = {}
    for line in body:
        if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name):
            raise InputError(f"{where}, line {line.lineno}: write `name: type = literal  # help`.")
        name, kind = line.target.id, ast.unparse(line.annotation)
        if kind not in TYPES:
            raise InputError(f"{where}: the type of '{name}' must be one of {', '.join(TYPES)}.")
        try:
            default = ast.literal_eval(line.value) if line.value else None
        except ValueError as error:
            raise InputError(f"{where}: the default of '{name}' must be a literal.") from error
        if name in found:
            raise InputError(f"{where}: '{name}' occurs twice.")
        text = " ".join(helps.get(n, "") for n in range(line.lineno, line.end_lineno + 1)).strip()  # type: ignore[operator]
        made = Parameter(name=name, type=kind, default=default, help=text)
        found[name] = Parameter(name=name, type=kind, default=check(made, default), help=text)
    return tuple(found.values())


def check(parameter: Parameter, value: Any) -> Any:
    """Return `value` in the parameter's declared type; whole numbers do for floats.

    Raises
    ------
    InputError
        If the value has another type or is a number that is not finite.
    """
    base, _, inner = parameter.type.partition("[")
    if base == "list":
        if isinstance(value, (list, tuple)):
            element = Parameter(
                name=parameter.name, type=inner.rstrip("]"), default=None, help=parameter.help
            )
            return [check(element, item) for item in value]
    elif base == "float" and type(value) in (int, float) and abs(value) <= sys.float_info.max:
        return float(value)
    elif type(value).__name__ == base and base != "float" and _fits(value):
        return value
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    raise InputError(f"parameter '{parameter.name}' must be {_said(base)}, not {shown}.")


def parse(parameter: Parameter, text: str) -> Any:
    """Read a value from the command line by the parameter's declared type.

    A list is given as JSON (`["a", "b"]`) or as words separated by commas (`a,b`).

    Raises
    ------
    InputError
        If the text is no value of that type.

    Examples
    --------
    >>> parse(Parameter(name="w", type="list[float]", default=[], help=""), "0.5, 1")
    [0.5, 1.0]
    """
    base, _, inner = parameter.type.partition("[")
    if base == "str":
        return text
    if base == "bool":
        return check(parameter, _WORDS.get(text.strip().lower(), text))
    if base != "list":
        return check(parameter, _number(text, base))
    if text.lstrip().startswith("["):
        try:
            return check(parameter, json.loads(text))
        except (ValueError, RecursionError) as error:
            raise InputError(f"parameter '{parameter.name}' is not JSON: {error}.") from error
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    if "" in words:
        raise InputError(f"parameter '{parameter.name}' has an empty item in {text!r}.")
    return check(parameter, [_number(word, inner.rstrip("]")) for word in words])


def checked(
    parameters: tuple[Parameter, ...], overrides: Mapping[str, Any], *, chapter: str
) -> dict[str, Any]:
    """Check names, types and values of `overrides`; return the chapter's whole set of values.

    Raises
    ------
    InputError
        If a name is unknown (the message proposes the nearest), or a value has a wrong type or is
        none that the chapter knows (see `bbb_book.press.choices`).
    """
    known = {parameter.name: parameter for parameter in parameters}
    values = {name: parameter.default for name, parameter in known.items()}
    for name, value in overrides.items():
        values[name] = check(lookup(known, name, chapter=chapter), value)
    return choices.known(chapter, values) if overrides else values


def lookup(known: Mapping[str, Parameter], name: str, *, chapter: str) -> Parameter:
    """Find a parameter by name; an unknown name is an `InputError` that proposes the nearest."""
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(known) or 'none'}."
    raise InputError(f"chapter '{chapter}' has no parameter '{name}'; {hint}")


def _fits(value: int | str) -> bool:
    """Say whether a value is no number, or one that every library can hold."""
    return isinstance(value, str) or -(2**63) <= value < 2**63


def _number(text: str, kind: str) -> Any:
    """Read an int or float; leave other text as it is, for `check` to refuse."""
    if kind == "str":
        return text
    try:
        return int(text) if kind == "int" else float(text)
    except ValueError:
        return text


def _said(base: str) -> str:
    return {
        "int": "a whole number of less than 19 digits",
        "float": "a finite number",
        "str": "a text",
        "bool": "true or false",
        "list": "a list",
    }[base]


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("#").strip() for t in tokens if t.type == tokenize.COMMENT}
