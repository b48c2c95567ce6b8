"""Files of users: regular ones only, of bounded size, decoded as text or refused in one line."""

from __future__ import annotations

import codecs
import contextlib
import errno
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from bbb_core.errors import InputError
from bbb_core.io.cells import plain

__all__ = ["open_bytes", "open_text", "read_text", "regular_file", "shown"]

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BUFFER = 2**16

LONGEST_LINE = 2**20
"""Characters."""

MOST_LINES = 20_000_000
"""Lines, empty ones too: half a gigabyte of them fits into half a megabyte of gzip."""


def shown(path: str | os.PathLike[str]) -> str:
    r"""Return a path as it may stand in a message: nothing in it moves a terminal's cursor.

    Examples
    --------
    >>> shown("scores.csv"), shown("a\x1b[2J.csv")
    ('scores.csv', 'a\\x1b[2J.csv')
    """
    return plain(os.fsdecode(path))


@contextlib.contextmanager
def open_bytes(path: str | os.PathLike[str], *, name: str, most: int) -> Iterator[BinaryIO]:
    """Open a regular file for reading; see `regular_file`.

    Whatever the system reports while the block reads becomes an `InputError`, too.
    """
    try:
        with _open(path) as handle:
            facts = os.fstat(handle.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise InputError(f"{name} {shown(path)} is a device or a pipe; name a file.")
            if facts.st_size > most:
                raise _too_large(path, name, most)
            yield handle
    except OSError as error:
        if error.errno is None:  # from a decoder, not from the system
            raise
        remedy = "make it readable" if error.errno == errno.EACCES else "name a file"
        raise InputError(
            f"{name} {shown(path)} cannot be read ({error.strerror}); {remedy}."
        ) from None


def _open(path: str | os.PathLike[str]) -> BinaryIO:
    def opener(path: str, flags: int) -> int:
        # without O_NONBLOCK, opening a pipe waits for somebody who writes into it
        return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))

    try:
        return open(path, "rb", opener=opener)
    except ValueError:  # a NUL, or a character that no file name can hold
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None


def regular_file(path: str | os.PathLike[str], *, name: str, most: int) -> Path:
    """Return `path` if it is a regular file (or a link to one) that can be read.

    Parameters
    ----------
    path
        What the user named.
    name
        The option or argument, as the message calls it: ``"--occupations-file"``.
    most
        Largest size in bytes.

    Raises
    ------
    InputError
        If it is missing, unreadable, larger than `most`, a folder, a device, a pipe or a socket.

    Examples
    --------
    >>> regular_file("/dev/zero", name="--file", most=1000)
    Traceback (most recent call last):
    bbb_core.errors.InputError: --file /dev/zero is a device or a pipe; name a file.
    """
    with open_bytes(path, name=name, most=most):
        return Path(path)


@contextlib.contextmanager
def open_text(
    path: str | os.PathLike[str], *, name: str, most: int, unpacked: int | None = None
) -> Iterator[Iterator[str]]:
    """Open a text file and yield its lines one by one, their ends as they are.

    Recognised are UTF-8 with or without a byte-order mark and UTF-16 with one; with `unpacked` the
    same within gzip. Memory holds one line at a time.

    Parameters
    ----------
    path, name, most
        See `regular_file`.
    unpacked
        Most bytes that a gzip file may hold; None refuses gzip.

    Raises
    ------
    InputError
        On opening or while reading: see `regular_file`; or when the file is in another encoding,
        holds NUL characters, or is damaged or too large within.
    """
    with open_bytes(path, name=name, most=most) as handle:
        raw: Any = handle
        bound = most
        if unpacked is not None and _start(handle)[:2] == _GZIP:
            raw, bound = gzip.GzipFile(fileobj=handle), unpacked
        bounded = io.BufferedReader(_Bounded(raw, _too_large(path, name, bound), bound), _BUFFER)
        try:
            yield _lines(bounded, f"{name} {shown(path)}")
        except UnicodeError:
            raise InputError(
                f"{name} {shown(path)} is no UTF-8 text; save it as UTF-8 (spreadsheets offer "
                "'CSV UTF-8'; iconv -f latin1 -t utf-8 converts)."
            ) from None
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise InputError(
                f"{name} {shown(path)} is no whole gzip file; copy it again."
            ) from None


def read_text(path: str | os.PathLike[str], *, name: str, most: int) -> str:
    r"""Return the text of a file, without its byte-order mark and with ``\n`` as line ends.

    Parameters and errors are those of `open_text`, without gzip.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "nouns.txt"
    >>> _ = file.write_bytes(b"\xef\xbb\xbfnurse\r\njudge\r\n")
    >>> read_text(file, name="--occupations-file", most=1000)
    'nurse\njudge\n'
    """
    with open_text(path, name=name, most=most) as lines:
        return "".join(lines).replace("\r\n", "\n").replace("\r", "\n")


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than so many bytes."""

    def __init__(self, raw: Any, refusal: InputError, most: int) -> None:
        self._raw, self._refusal, self._left = raw, refusal, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._raw.read(len(buffer)) or b""
        self._left -= len(data)
        if self._left < 0:
            raise self._refusal
        buffer[: len(data)] = data
        return len(data)


def _too_large(path: str | os.PathLike[str], name: str, most: int) -> InputError:
    return InputError(f"{name} {shown(path)} holds more than {most} bytes; split it.")


def _start(handle: BinaryIO) -> bytes:
    start = handle.read(4)
    handle.seek(0)
    return start


def _lines(stream: io.BufferedReader[Any], what: str) -> Iterator[str]:
    start = stream.peek(4)[:4]
    if start == _ZIP:
        raise UnicodeError("an archive")
    encoding = next((name for bom, name in _BOMS.items() if start.startswith(bom)), "utf-8")
    text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    count = 0
    while line := text.readline(LONGEST_LINE + 1):
        if (count := count + 1) > MOST_LINES:
            raise InputError(f"{what} has more than {MOST_LINES} lines; split it.")
        if len(line) > LONGEST_LINE:
            raise InputError(f"{what} has a line of more than {LONGEST_LINE} characters; break it.")
        if "\0" in line:
            raise UnicodeError("NUL")
        yield line.removeprefix("\ufeff")  # files joined end to end have marks within, too
