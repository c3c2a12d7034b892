"""What readers of foreign files yield: rows of cells, and pairs with their origin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MAX_CELL = 1 << 20
"""Characters of a cell or a line; more is no sentence but a damaged file."""


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        number: Its first line in a text file, its row in a spreadsheet; from 1.
        cells: Its cells; of a damaged row, its line as one cell.
        reason: Why the row cannot be read; empty if it can.
    """

    number: int
    cells: list[str]
    reason: str = ""


class RawPair(NamedTuple):
    """A row as a sentence pair, before any check.

    Attributes:
        origin: File and line or row, such as pairs.csv:7.
        source: The sentence; of a damaged row, its text.
        target: Its translation.
        document: The document that it is from; empty if not known.
        reason: Why the row is left out; empty if it is not.
    """

    origin: str
    source: str
    target: str
    document: str = ""
    reason: str = ""


class Extract(NamedTuple):
    """The pairs of a file.

    Attributes:
        languages: Source and target.
        pairs: One for each row that is not blank.
        notes: What was read, and which columns for which reason, a sentence each.
    """

    languages: tuple[str, str]
    pairs: Iterable[RawPair]
    notes: list[str]


class ImportOptions(NamedTuple):
    """What the user says about files; all else is found out.

    Attributes:
        source: Code of the source language.
        target: Code of the target language.
        columns: Two columns, source first: names, or numbers from 1, with a comma.
        document: The column that names each row's document.
        header: Whether the first row names the columns.
        sheet: The sheet of a workbook.
        encoding: The encoding of a text file.
    """

    source: str | None = None
    target: str | None = None
    columns: str | None = None
    document: str | None = None
    header: bool | None = None
    sheet: str | None = None
    encoding: str | None = None
