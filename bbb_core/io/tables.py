"""The one reader of users' tables: CSV (plain or gzipped), its relatives, and parquet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bbb_core.io.delimited import SEPARATORS, DelimitedFile
from bbb_core.io.notation import NOTATIONS
from bbb_core.io.sources import Table, TableFile

__all__ = ["NOTATIONS", "SEPARATORS", "Table", "TableFile", "open_table", "read_table"]


def open_table(
    path: str | Path,
    *,
    name: str = "FILE",
    needs: Iterable[str] = (),
    separator: str | None = None,
    notation: str = "1234.5",
) -> TableFile:
    """Open a table whose columns are to be looked at before they are read.

    Parameters
    ----------
    path
        A ``.parquet`` file; every other name is read as text with a header, gzipped or not.
    name
        The option or argument, as messages call it.
    needs
        Columns by which the separator is recognised.
    separator
        A key of `SEPARATORS`; by default the one that parts the header into `needs`.
    notation
        How numbers are written in text, a key of `NOTATIONS`. It is never guessed.

    Returns
    -------
    TableFile
        With the attribute ``columns`` and the methods ``need`` and ``read``.

    Raises
    ------
    InputError
        If the file is of no use (see `files.regular_file`), or has no header.
    """
    path = Path(path)
    if path.suffix.lower() in (".parquet", ".pq"):
        from bbb_core.io.parquet import ParquetFile

        return ParquetFile(path, name=name, notation=notation)
    return DelimitedFile(path, name=name, notation=notation, needs=needs, separator=separator)


def read_table(
    path: str | Path,
    *,
    labels: Sequence[str] = (),
    numbers: Sequence[str] = (),
    counts: Sequence[str] = (),
    name: str = "FILE",
    separator: str | None = None,
    notation: str = "1234.5",
) -> Table:
    r"""Read named columns of a table; the others are left alone.

    Labels are text as written, ``NA``, ``None`` and ``null`` too: only an empty cell is missing.
    Numbers and counts are parsed strictly. Sizes are bounded before anything is kept.

    Parameters
    ----------
    labels, numbers, counts
        Columns to read as text, as float64 with NaN for empty cells, and as whole numbers.
    path, name, separator, notation
        See `open_table`.

    Raises
    ------
    InputError
        See `open_table` and `TableFile.read`; the message names file, line and column.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "scores.csv"
    >>> _ = file.write_text("race,score\nNA,0.5\n,0.25\n")
    >>> table = read_table(file, labels=["race"], numbers=["score"])
    >>> list(table.labels["race"].categories), table.numbers["score"].tolist(), table.missing
    (['NA'], [0.5, 0.25], {'race': 1, 'score': 0})
    """
    file = open_table(
        path,
        name=name,
        needs=[*labels, *numbers, *counts],
        separator=separator,
        notation=notation,
    )
    return file.read(labels=labels, numbers=numbers, counts=counts)
