"""Reading of any document, by its format."""

from __future__ import annotations

from seq2seq.translate.documents.csv_file import read_csv
from seq2seq.translate.documents.document import Document
from seq2seq.translate.documents.text_files import read_paragraphs, read_srt, read_vtt
from seq2seq.translate.documents.xlsx import read_xlsx
from seq2seq.translate.formats import Format

_TEXT_FILES = {"paragraphs": read_paragraphs, "srt": read_srt, "vtt": read_vtt}
_TABLES = {"csv": read_csv, "xlsx": read_xlsx}


def is_document(kind: Format) -> bool:
    """Return whether a format is that of documents, not of lines."""
    return kind in _TEXT_FILES or kind in _TABLES


def read_document(
    data: bytes, name: str, kind: Format, *, column: str | None, new_column: str
) -> Document:
    """Read a document.

    Args:
        data: Its bytes.
        name: Its name in error messages.
        kind: Its format.
        column: The column of a table that is translated.
        new_column: The name of the one with translations.

    Raises:
        UserError: If it is damaged, with the line.
    """
    if kind in _TABLES:
        return _TABLES[kind](data, name, column, new_column)
    return _TEXT_FILES[kind](data, name)
