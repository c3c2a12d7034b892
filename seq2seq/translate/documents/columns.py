"""A column of a table, whose cells are translated into a new column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.translate.documents.document import Document, has_letters
from seq2seq.translate.formats import named_column


class Cell(NamedTuple):
    """A cell to translate, line by line.

    Attributes:
        sheet: The sheet that it is on; empty in CSV.
        row: Its row, from 1; in CSV the line in which the row begins.
        text: Its text.
    """

    sheet: str
    row: int
    text: str


def column_document(
    cells: Sequence[Cell],
    render_cells: Callable[[Mapping[Cell, str]], bytes],
    *,
    has_names: bool,
) -> Document:
    """Return the document of a column's cells; what has no letters is copied."""
    lines = [(cell, line) for cell in cells for line in cell.text.splitlines()]
    texts = [(cell.row, line.strip()) for cell, line in lines if has_letters(line)]

    def render(translations: Sequence[str]) -> bytes:
        remaining = iter(translations)
        translated: dict[Cell, list[str]] = {}
        for cell, line in lines:
            text = next(remaining) if has_letters(line) else line
            translated.setdefault(cell, []).append(text)
        return render_cells({c: "\n".join(parts) for c, parts in translated.items()})

    first = None if has_names or not texts else texts[0][1]
    return Document([t for _, t in texts], [row for row, _ in texts], render, first)


def find_column(
    first: Sequence[str], name: str, column: str | None, new_column: str
) -> int:
    """Return the index of a column, from 0.

    Raises:
        UserError: If there is none, or one of the new name is there already.
    """
    names = [cell or str(number) for number, cell in enumerate(first, 1)]
    if column is None:
        raise UserError(
            f"{name}: name the column to translate with --column: one of "
            f"{', '.join(map(repr, filter(None, first)))}."
        )
    if is_number(column):
        if not 1 <= int(column) <= len(first):
            raise UserError(
                f"{name}: there are {len(first)} columns, so there is no column "
                f"{column}. Columns count from 1."
            )
        return int(column) - 1
    if new_column in names:
        raise UserError(
            f"{name}: there is a column {new_column!r} already. Name the new one with "
            "--output-key NAME."
        )
    return named_column(names, name, column)


def is_number(column: str | None) -> bool:
    """Return whether a column is chosen by number, so that no row has names."""
    return (column or "").isdecimal()
