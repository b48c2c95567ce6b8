"""Where a command ends: every error becomes a message and an exit status, here and nowhere else.

==== ===============================================================================
2    a file, an option or the machine is at fault: one line on standard error
1    something that was run failed, such as a chapter's cell: its own words; or what an
     audit found lies above --fail-above
70   a bug of this package: a traceback, marked as such
130  interrupted (143: terminated, 129: hung up); what was half made is gone
==== ===============================================================================

The readers say more than can be said here: this is the net below them. An exception counts as a bug
unless it is one that only a file, an option or the machine brings about.
"""

from __future__ import annotations

import atexit
import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from bbb_core.errors import Failure, InputError
from bbb_core.io.cells import plain

__all__ = ["BUG", "BadInput", "run", "told"]

BUG = 70
_LAYOUT = "\n\t"

_OURS = {
    getattr(errno, name, None)
    for name in ("EBADF", "ECHILD", "EDEADLK", "EFAULT", "EINVAL", "ENOSYS", "ENOTTY", "ESPIPE")
}
"""Errors of the system that a wrong call earns, unless they name a file."""
_DAMAGE = {
    "builtins.EOFError",
    "_csv.Error",
    "json.decoder.JSONDecodeError",
    "_lzma.LZMAError",
    "pandas.errors.ParserError",
    "pyarrow.lib.ArrowInvalid",
    "pyarrow.lib.ArrowNotImplementedError",
    "pyarrow.lib.ArrowTypeError",
    "safetensors._safetensors_rust.SafetensorError",
    "sqlite3.DatabaseError",
    "tomllib.TOMLDecodeError",
    "zipfile.BadZipFile",
    "zlib.error",
}
"""Exceptions that mean a damaged file, by name: none of their modules is imported for this."""
_TOO_LARGE = (
    "array is too big",
    "Maximum allowed",
    "Overflow when unpacking long",
    "too large to convert",
    "too large to be represented",
)
_EXTRAS = {
    "PIL": "study",
    "accelerate": "diffusers",
    "diffusers": "diffusers",
    "distributed": "scale",
    "huggingface_hub": "clip",
    "krippendorff": "study",
    "matplotlib": "plot",
    "open_clip": "clip",
    "tokenizers": "clip",
    "transformers": "encoders",
}
"""The extra of the installation that brings a module; what is not listed comes with ``book``."""
_NO_MEMORY = ("can't allocate memory", "out of memory", "std::bad_alloc")


class BadInput(click.ClickException):
    """Bad input on the command line: one line on standard error, exit status 2."""

    exit_code = 2


class Terminated(KeyboardInterrupt):
    """A signal that asks the process to leave; unwinds like Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def told(error: Exception) -> click.ClickException | None:
    """Return what the command line says about an error, None for a bug."""
    if isinstance(error, click.ClickException):
        return error
    if isinstance(error, Failure):
        return click.ClickException(str(error))
    line = str(error) if isinstance(error, InputError) else _cause(error)
    return None if line is None else BadInput(plain(" ".join(line.split())))


def _cause(error: Exception) -> str | None:
    said = str(error)
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, ModuleNotFoundError):
        module = str(error.name).partition(".")[0]
        if module.startswith("bbb_") or module in sys.stdlib_module_names:
            return None
        extra = _EXTRAS.get(module, "book")
        return f"{module} is not installed; pip install 'bbb_core[{extra}]' brings it."
    if isinstance(error, UnicodeEncodeError) and "surrogates not allowed" in said:
        return "an option or a file name holds bytes that are no UTF-8; rename it."
    if isinstance(error, UnicodeDecodeError):
        return f"a file is not {error.encoding} text: {error.reason} at byte {error.start}."
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in said for words in _NO_MEMORY)
    ):
        return f"the memory does not suffice ({_first(said)}); ask for less, or split the files."
    if isinstance(error, (OverflowError, ValueError, RuntimeError)) and any(
        words in said for words in _TOO_LARGE
    ):
        return f"a number is too large ({_first(said)}); give a smaller one."
    if names & _DAMAGE:
        return f"a file is damaged, or of another kind than its name says ({_first(said)})."
    return None


def _of_system(error: OSError) -> str | None:
    if isinstance(error, BrokenPipeError):
        return "standard output was closed before all was printed."
    if error.errno in _OURS and error.filename is None:
        return None
    if isinstance(error, FileNotFoundError) and error.filename is None and not _has_place():
        return "the working directory is gone; change to one that exists."
    reason = error.strerror or _first(str(error))
    where = "" if error.filename is None else f" ({os.fsdecode(error.filename)!s})"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"the system refuses: {reason}{where}{'; make room' if full else ''}."


def _has_place() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _first(text: str) -> str:
    return next(iter(text.strip().splitlines()), "no details")[:200]


def run(call: Callable[[], Any]) -> int:
    """Call a click command in its non-standalone mode and return the exit status."""
    try:
        with _signals():
            _streams()
            status = call()
            sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.Abort as error:  # click's word for KeyboardInterrupt
        return _interrupted(error.__cause__)
    except KeyboardInterrupt as error:
        return _interrupted(error)
    except Exception as error:
        found = told(error)
        if found is None:
            return _bug(error)
        _show(found)
        _forget(sys.stdout)
        return found.exit_code


def _show(error: click.ClickException) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # its message is the help
        error.show()
        return
    said = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        said = f"{' '.join(said.split())} See {error.ctx.command_path} --help."
    click.echo(f"Error: {plain(said, keep=_LAYOUT)}", err=True)


def _interrupted(error: BaseException | None) -> int:
    atexit.register(logging.disable)  # what libraries say about tasks that were cut off
    number = getattr(error, "number", signal.SIGINT)
    click.echo("terminated" if number != signal.SIGINT else "interrupted", err=True)
    return 128 + int(number)


def _bug(error: Exception) -> int:
    click.echo(plain("".join(traceback.format_exception(error)), keep=_LAYOUT), err=True, nl=False)
    click.echo(
        "This is a bug of bbb, no fault of your input. Please report it with the lines above and "
        "the command.",
        err=True,
    )
    return BUG


def _streams() -> None:
    """Refuse to print nowhere; let no character that a terminal lacks end a command."""
    if sys.stdout is None:
        raise BadInput("standard output is closed; direct it to a file or to /dev/null.")
    while sys.stderr is None and os.open(os.devnull, os.O_RDWR) < 2:
        continue  # so that no file of ours gets the number that libraries complain to
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _forget(stream: Any) -> None:
    """Drop what a broken stream still holds, so that the interpreter does not try it at exit."""
    try:
        stream.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except AttributeError:  # closed from the start
        pass


@contextmanager
def _signals() -> Iterator[None]:
    """Unwind when the system asks to leave, unless somebody decided otherwise (`nohup`)."""

    def leave(number: int, frame: object) -> None:
        raise Terminated(number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    asked = [number for name in names if _default(number := getattr(signal, name))]
    try:
        for number in asked:
            signal.signal(number, leave)
        yield
    finally:
        for number in asked:
            signal.signal(number, signal.SIG_DFL)


def _default(number: int) -> bool:
    """Say whether a signal may be handled: nobody does, and this is the main thread."""
    import threading

    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(number) is signal.SIG_DFL
