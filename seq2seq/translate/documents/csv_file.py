"""Reader of CSV: what stands there stays as it is, and each row gets a cell more."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

from seq2seq.errors import UserError
from seq2seq.translate.documents.columns import (
    Cell,
    column_document,
    find_column,
    is_number,
)
from seq2seq.translate.documents.document import (
    Document,
    decode,
    split_end,
    split_lines,
)
from seq2seq.utils.text import with_noun

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 100


def read_csv(data: bytes, name: str, column: str | None, new_column: str) -> Document:
    """Read CSV; its delimiter is the one that gives the most and equal columns.

    Args:
        data: The file.
        name: Its name in error messages.
        column: The column to translate: its name in the first row, or a number.
        new_column: The name of the column with translations.

    Raises:
        UserError: If quotes are not closed, there is no such column, or a row has not
            as many cells as the first.
    """
    text = decode(data, name)
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    lines = split_lines(text.removeprefix(mark))
    rows: list[tuple[int, str, list[str]]] = []  # Its first line, as it is, its cells.
    start = 0
    try:
        delimiter = _delimiter(lines)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        for row in reader:
            rows.append((start + 1, "".join(lines[start : reader.line_num]), row))
            start = reader.line_num
    except csv.Error as error:
        raise UserError(
            f"{name}:{start + 1}: {error}. Quotes around a cell must be closed, and "
            "those within be doubled."
        ) from error
    filled = [row for row in rows if not _is_blank(row[2])]
    if not filled:
        raise UserError(f"{name} is empty. Give a table with a row of names.")
    first_number, raw_first, first = filled[0]
    for number, _, row in filled:
        if len(row) != len(first):
            raise UserError(
                f"{name}:{number}: the row has {with_noun(len(row), 'cell')}, but the "
                f"first has {len(first)}. Mend the row."
            )
    index = find_column(first, name, column, new_column)
    has_names = not is_number(column)
    quoted = raw_first.startswith(delimiter.join(f'"{cell}"' for cell in first))

    def render(translated: Mapping[Cell, str]) -> bytes:
        new = {cell.row: text for cell, text in translated.items()}
        if has_names:
            new[first_number] = new_column
        written = [mark]
        for number, raw, row in rows:
            content, end = split_end(raw)
            if not _is_blank(row):
                text = new.get(number, "")
                content += delimiter + _quote(text, delimiter, always=quoted)
            written.append(content + end)
        return "".join(written).encode()

    cells = [Cell("", number, row[index]) for number, _, row in filled[has_names:]]
    return column_document(cells, render, has_names=has_names)


def _is_blank(row: Sequence[str]) -> bool:
    """Return whether a line has no cells, not even empty ones."""
    return len(row) < 2 and not "".join(row).strip()


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that gives the most columns, equal in all rows if any is."""

    def quality(delimiter: str) -> tuple[bool, int]:
        reader = csv.reader(lines[:_SAMPLE_ROWS], delimiter=delimiter)
        widths = [len(row) for row in reader if row]
        return len(set(widths)) == 1 and widths[0] > 1, max(widths[:1], default=0)

    return max(_DELIMITERS, key=quality)


def _quote(cell: str, delimiter: str, *, always: bool) -> str:
    if always or any(character in cell for character in f'{delimiter}"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell
