"""Workbooks (.xlsx), a row at a time, with the values that were last computed."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from seq2seq.data.readers import one_line
from seq2seq.errors import UserError
from seq2seq.prepare.columns import known_languages
from seq2seq.prepare.raw_pairs import MAX_CELL, Row
from seq2seq.utils.archives import check_archive
from seq2seq.utils.extras import import_extra
from seq2seq.utils.files import open_binary

MAX_COLUMNS = 256
_OLE = b"\xd0\xcf\x11\xe0"
_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!")


def read_xlsx(path: Path, sheet: str | None) -> tuple[list[str], Iterator[Row]]:
    """Choose a sheet, and read its rows that are not blank.

    Args:
        path: The workbook.
        sheet: The name of the sheet; None: the first whose first row names two
            languages, or else the first with text.

    Returns:
        A note on the sheet, and its rows.

    Raises:
        UserError: If it is no workbook, or has no such sheet, or no text.
    """
    with _workbook(path) as book:
        names = [worksheet.title for worksheet in book.worksheets]
        if sheet is not None and sheet not in names:
            raise UserError(
                f"{path} has no sheet {sheet!r}: it has {', '.join(map(repr, names))}."
            )
        firsts = {name: next(_sheet_rows(book, name), None) for name in names}
    filled = [name for name in names if firsts[name] is not None]
    named = [
        name
        for name in filled
        if (row := firsts[name]) and len(set(known_languages(row.cells).values())) > 1
    ]
    chosen = sheet or next(iter(named or filled), None)
    if chosen is None:
        raise UserError(f"{path} is empty: it needs a row for each pair of sentences.")
    others = [name for name in filled if name != chosen]
    note = f"{path.name}: sheet {chosen!r}"
    if others:
        shown = ", ".join(map(repr, others[:5]))
        note += f"; not read: {shown} (--sheet NAME says otherwise)"
    return [note], _read_sheet(path, chosen)


def _read_sheet(path: Path, name: str) -> Iterator[Row]:
    with _workbook(path) as book:
        yield from _sheet_rows(book, name)


@contextmanager
def _workbook(path: Path) -> Iterator[Any]:
    """Open a workbook; what is wrong with it is a UserError, also while it is read."""
    openpyxl = import_extra("openpyxl", path)
    import_extra("defusedxml", path)  # By which openpyxl reads XML, if it is there.
    with open_binary(path) as file:
        start = file.read(8)
    if start.startswith(_OLE):
        raise UserError(
            f"{path} is protected by a password, or a workbook of before 2007. Save it "
            "without, as .xlsx."
        )
    check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of styles and validations it drops.
            with closing(
                openpyxl.load_workbook(path, read_only=True, data_only=True)
            ) as book:
                yield book
    except UserError:
        raise
    # openpyxl raises whatever its parsers do, of which no list is complete.
    except Exception as error:
        raise UserError(
            f"{path} is no sound workbook: {one_line(error)}. Open it and save it "
            "again as .xlsx, or as CSV."
        ) from error


def _sheet_rows(book: Any, name: str) -> Iterator[Row]:
    worksheet = book[name]
    if not hasattr(worksheet, "iter_rows"):  # A chart.
        return
    worksheet.reset_dimensions()  # Those that are written there may be wrong.
    rows = worksheet.iter_rows(max_col=MAX_COLUMNS, values_only=True)
    for number, values in enumerate(rows, 1):
        cells = [_text(value) for value in values]
        if not any(cells):
            continue
        error = next((cell for cell in cells if cell in _ERRORS), "")
        yield Row(number, cells, f"a cell is the error {error}" if error else "")


def _text(value: object) -> str:
    """Return a cell as text; line feeds become spaces."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return " ".join(str(value)[:MAX_CELL].split())
