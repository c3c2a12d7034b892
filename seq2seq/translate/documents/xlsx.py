"""Reader of XLSX: new cells are added to the XML of sheets, and all else stays."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from xml.sax.saxutils import escape

from seq2seq.data.readers import one_line
from seq2seq.errors import UserError
from seq2seq.translate.documents.columns import (
    Cell,
    column_document,
    find_column,
    is_number,
)
from seq2seq.translate.documents.document import Document
from seq2seq.utils.archives import check_archive
from seq2seq.utils.extras import import_extra

_ROW = re.compile(r"<((?:\w+:)?)row\b([^>]*)(?<!/)>(.*?)</\1row>", re.DOTALL)
_CELL = re.compile(r'<(?:\w+:)?c\b[^>]*?\sr="([A-Z]+)\d+"[^>]*>')
_FULL = re.compile(_CELL.pattern + r"(?<!/>)(?!</)")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def read_xlsx(data: bytes, name: str, column: str | None, new_column: str) -> Document:
    """Read XLSX, in which only the new cells are written: all else stays as it is.

    Args:
        data: The file.
        name: Its name in error messages.
        column: The column to translate on every sheet that has it: its name in the
            first row that is not empty; or its number, on the first sheet.
        new_column: The name of the column with translations.

    Raises:
        UserError: If the file is damaged, or no sheet has such a column.
    """
    openpyxl = import_extra("openpyxl", name)
    import_extra("defusedxml", name)  # By which openpyxl reads XML, if it is there.
    get_column_letter = openpyxl.utils.get_column_letter
    check_archive(name, data)
    sheets: dict[str, list[tuple[int, list[str]]]] = {}  # Rows by the archive's path.
    try:
        workbook = openpyxl.load_workbook(
            io.BytesIO(data), read_only=True, data_only=True
        )
        for sheet in workbook.worksheets:
            sheet.reset_dimensions()
            rows = [
                (number, ["" if value is None else str(value) for value in row])
                for number, row in enumerate(sheet.iter_rows(values_only=True), 1)
            ]
            path = sheet._worksheet_path
            sheets[path] = [(number, row) for number, row in rows if any(row)]
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            texts = {path: archive.read(path).decode() for path in sheets}
            if damaged := archive.testzip():  # It would fail when all is translated.
                raise zipfile.BadZipFile(f"{damaged} is damaged")
    # openpyxl raises whatever its parsers do, of which no list is complete.
    except Exception as error:
        raise UserError(
            f"{name} cannot be read as XLSX: {one_line(error)}. Save it anew, without "
            "a password."
        ) from error
    has_names = not is_number(column)
    filled = {path: rows for path, rows in sheets.items() if rows}
    if not filled:
        raise UserError(f"{name} is empty. Give a table with a row of names.")
    if not has_names or not any(column in r[0][1] for r in filled.values()):
        path = next(iter(filled))
        find_column(filled[path][0][1], name, column, new_column)
        filled = {path: filled[path]}
    cells: list[Cell] = []
    columns: dict[str, tuple[str, str]] = {}  # Letters of the source and of the new.
    headers: dict[Cell, str] = {}
    for path, rows in filled.items():
        first = rows[0][1]
        if has_names and column not in first:
            continue
        index = find_column(first, name, column, new_column)
        last = max((match[1] for match in _FULL.finditer(texts[path])), key=_order)
        new_index = openpyxl.utils.column_index_from_string(last) + 1
        new_letters = get_column_letter(new_index)
        columns[path] = get_column_letter(index + 1), new_letters
        if has_names:
            headers[Cell(path, rows[0][0], first[index])] = new_column
        cells += [
            Cell(path, number, row[index])
            for number, row in rows[has_names:]
            if index < len(row)
        ]

    def render(translated: Mapping[Cell, str]) -> bytes:
        new: dict[str, dict[int, str]] = {path: {} for path in columns}
        for cell, text in [*headers.items(), *translated.items()]:
            new[cell.sheet][cell.row] = text
        target = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(data)) as source,
            zipfile.ZipFile(target, "w") as archive,
        ):
            for info in source.infolist():
                content, path = source.read(info), info.filename
                if path in columns:
                    sheet = _add_cells(texts[path], new[path], *columns[path])
                    content = sheet.encode()
                archive.writestr(info, content)
        return target.getvalue()

    return column_document(cells, render, has_names=has_names)


def _add_cells(sheet: str, new: Mapping[int, str], source: str, column: str) -> str:
    """Add a cell to each row of a sheet, in the style of the source's cell.

    Args:
        sheet: The sheet's XML.
        new: Texts by the number of the row.
        source: The source column, as A.
        column: The new column, in which the sheet has no values.
    """
    number = 0

    def add(match: re.Match[str]) -> str:
        nonlocal number
        prefix, attributes, body = match.groups()
        named = re.search(r'\sr="(\d+)"', attributes)
        number = int(named[1]) if named else number + 1
        if number not in new:
            return match[0]
        attributes = re.sub(r'\sspans="[^"]*"', "", attributes)
        body = re.sub(
            rf'<((?:\w+:)?)c\b[^>]*\sr="{column}{number}"[^>]*(?:/>|></\1c>)', "", body
        )
        style, end = "", len(body)
        for cell in reversed(list(_CELL.finditer(body))):
            if _order(cell[1]) > _order(column):
                end = cell.start()
            elif cell[1] == source:
                attribute = re.search(r'\ss="\d+"', cell[0])
                style = attribute[0] if attribute else ""
        text = escape(_NO_XML.sub(" ", new[number]))
        added = (
            f'<{prefix}c r="{column}{number}"{style} t="inlineStr"><{prefix}is>'
            f'<{prefix}t xml:space="preserve">{text}</{prefix}t></{prefix}is>'
            f"</{prefix}c>"
        )
        return f"<{prefix}row{attributes}>{body[:end]}{added}{body[end:]}</{prefix}row>"

    sheet = _ROW.sub(add, sheet)

    def widen(match: re.Match[str]) -> str:
        last = max(match[2], column, key=_order)
        return f"{match[1]}{last}{match[3]}"

    return re.sub(
        r'(<(?:\w+:)?dimension\s+ref="[A-Z]+\d+:)([A-Z]+)(\d+")', widen, sheet, count=1
    )


def _order(letters: str) -> tuple[int, str]:
    """Return the order of columns: Z comes before AA."""
    return len(letters), letters
