"""TSV files of sentence pairs, plain or as a spreadsheet exports them.

In plain TSV a line is a pair and quotes are text. An export may have a first line that
names the columns, and quotes around its cells, doubled within them (RFC 4180). The two
cannot be told apart for certain, so what looks like an export is refused until the
recipe says which it is.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from seq2seq.data.readers import TextPair
from seq2seq.errors import UserError
from seq2seq.utils.files import read_lines
from seq2seq.utils.text import fold

SPREADSHEETS = (".csv", ".xlsx", ".xls", ".ods")
"""Suffixes of files that are not read; they are to be exported as TSV."""

_SAMPLE_LINES = 100
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_HEADER_WORDS = (
    "source target src tgt trg sentence sentences text translation translations "
    "original reference quelle ziel satz übersetzung id nr no number nummer index "
    "arabic bengali chinese croatian czech danish dutch english estonian finnish "
    "french german greek hebrew hindi hungarian igbo indonesian irish italian japanese "
    "korean latvian lithuanian norwegian persian polish portuguese romanian russian "
    "serbian slovak slovenian somali spanish swahili swedish tagalog tamil thai "
    "turkish ukrainian urdu vietnamese welsh xhosa yoruba zulu arabisch chinesisch "
    "deutsch englisch französisch italienisch polnisch russisch spanisch türkisch "
    "čeština dansk español français italiano magyar nederlands norsk polski português "
    "română suomi svenska türkçe ελληνικά русский українська 中文 日本語 한국어"
)
"""Usual names of columns: roles, row numbers, languages in English, German, themselves.

Folded; what they miss, the quotes of an export or the user shows.
"""


class TableOptions(NamedTuple):
    """How a TSV file is to be read.

    Attributes:
        header: Whether the first line names the columns; None: refuse one that may.
        quoted: Whether quotes around a cell are none of its text; None: refuse a file
            whose cells are quoted.
    """

    header: bool | None = None
    quoted: bool | None = None

    @property
    def kind(self) -> str:
        """What of it changes the pairs, as part of a fingerprint."""
        return " header" * bool(self.header) + " quoted" * bool(self.quoted)

    def refuse_for(self, name: str) -> None:
        """Refuse options that only TSV files have, instead of ignoring them.

        Raises:
            UserError: If there are some.
        """
        for key, value in self._asdict().items():
            if value is not None:
                raise UserError(
                    f"data.{key} is {str(value).lower()}, but only TSV files have one, "
                    f"not {name}. Remove data.{key}."
                )


def tsv_pairs(
    path: Path, languages: tuple[str, str], swapped: bool, options: TableOptions
) -> Iterator[TextPair]:
    """Read pairs from the columns of a TSV file.

    They are the first two, or with a header those named after the languages.

    Args:
        path: The file.
        languages: Source and target.
        swapped: Whether the target stands in the first column; a header overrides it.
        options: Header and quotes.

    Raises:
        UserError: If a line has no tab, quotes are not closed, a header of more than
            two columns does not name the languages, or the file looks like an export
            and the options leave that open.
    """
    _check_export(path, languages, options)
    rows = split_rows(str(path), read_lines(path), bool(options.quoted))
    columns = (1, 0) if swapped else (0, 1)
    if options.header and (first := next(rows, None)) is not None:
        columns = _named_columns(path, first[1], languages, columns)
    for number, row in rows:
        if len(row) <= max(columns):
            raise UserError(
                f"{path}:{number}: there is no tab. Every line of a TSV file must hold "
                "a sentence, a tab and its translation."
            )
        yield row[columns[0]], row[columns[1]]


def split_rows(
    name: str, lines: Iterable[str], quoted: bool
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each row's last line, and its cells.

    Args:
        name: The file's name in error messages.
        lines: Its lines.
        quoted: Whether quotes around a cell are none of its text.

    Raises:
        UserError: If quotes are not closed, or not doubled within a cell.
    """
    if not quoted:
        for number, line in enumerate(lines, 1):
            yield number, line.split("\t")
        return
    reader = csv.reader((f"{line}\n" for line in lines), delimiter="\t", strict=True)
    try:
        for row in reader:
            # A line feed within a cell is no end of a sentence.
            yield reader.line_num, [cell.replace("\n", " ") for cell in row]
    except csv.Error as error:
        raise UserError(
            f"{name}:{reader.line_num}: {error}. Quotes in a quoted cell must be "
            "doubled, and the last be followed by a tab or the line's end."
        ) from error


def _named_columns(
    path: Path, header: list[str], languages: tuple[str, str], first: tuple[int, int]
) -> tuple[int, int]:
    """Return the columns of source and target, or the first two of no others."""
    names = [cell.strip().casefold() for cell in header]
    source, target = map(str.casefold, languages)
    if source in names and target in names:
        return names.index(source), names.index(target)
    if len([name for name in names if name]) > 2:
        missing = [code for code in languages if code.casefold() not in names]
        raise UserError(
            f"{path}:1: of the columns {', '.join(map(repr, header))}, none is called "
            f"{' and none '.join(missing)}. Name those of the sentences "
            f"{languages[0]} and {languages[1]}."
        )
    return first


def _check_export(
    path: Path, languages: tuple[str, str], options: TableOptions
) -> None:
    """Refuse what looks like an export, unless the options say what it is."""
    if options.header is not None and options.quoted is not None:
        return
    sample: list[str] = []
    with suppress(UserError):  # A line that is not UTF-8 shows when it is needed.
        for line in islice(read_lines(path), _SAMPLE_LINES):
            sample.append(line)
    cells = [line.split("\t")[:2] for line in sample]
    quotes = has_quotes(cells)
    first = [cell.strip('"') for cell in cells[0]] if cells else []
    has_names = bool(first) and all(is_column_name(name, languages) for name in first)
    shown = " and ".join(map(repr, first))
    signs, keys = [], []
    if options.quoted is None and quotes:
        signs.append("its cells are in quotes")
        keys.append("data.quoted")
    if options.header is None and has_names:
        signs.append(f"line 1 names columns, {shown}")
        keys.append("data.header")
    add = " ".join(f"-o {key}=true" for key in sorted(keys))
    if signs:
        line = f"{path}: {' and '.join(signs)}, as spreadsheets write them. Add {add}"
        if options.header is None and not has_names:
            line += f", and -o data.header=true if line 1, {shown}, names columns"
        raise UserError(f"{line}; what is text after all is false instead of true.")
    if options.header is None and options.quoted and sample:
        raise UserError(
            f"{path}: does line 1, {shown}, name columns? Add -o data.header=true, or "
            "-o data.header=false if it is a pair."
        )


def has_quotes(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether all cells are in quotes, or one has doubled quotes within."""
    cells = [cell for row in rows for cell in row if cell]
    quoted = [cell for cell in cells if len(cell) > 1 and _QUOTED.fullmatch(cell)]
    return bool(cells) and (
        len(quoted) == len(cells) or any('""' in cell[1:-1] for cell in quoted)
    )


def is_column_name(cell: str, languages: tuple[str, str]) -> bool:
    """Return whether a cell usually names a column, or is one of two languages."""
    names = [*_HEADER_WORDS.split(), *languages]
    return fold(cell) in map(fold, names)
