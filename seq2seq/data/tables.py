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
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from seq2seq.data.readers import TextPair
from seq2seq.errors import UserError
from seq2seq.utils.files import read_lines
from seq2seq.utils.languages import language_of_name, primary_subtag
from seq2seq.utils.text import fold

SPREADSHEETS = (".csv", ".xlsx", ".xls", ".ods")
"""Suffixes of files that are not read; they are to be exported as TSV."""

_SAMPLE_LINES = 10_000
_QUOTED_SHARE = 0.9  # Of a column's cells, in an export that quotes them all.
_LEAST_CELLS = 3  # Of a column, or in quotes, that tell a rule from chance.
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_HEADER_WORDS = (
    "source target src tgt trg sentence sentences text translation translations "
    "original reference quelle ziel satz übersetzung id nr no number nummer index"
)
"""Usual names of columns beside those of languages: roles and row numbers.

What they miss, the quotes of an export or the user shows.
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
    reader = csv.reader(
        (f"{line}\n" for line in lines),
        delimiter="\t",
        strict=True,
        skipinitialspace=True,
    )
    end = 0
    try:
        for row in reader:
            end = reader.line_num
            # A line feed within a cell is no end of a sentence.
            yield end, [cell.replace("\n", " ") for cell in row]
    except csv.Error as error:
        if "field limit" in str(error):
            raise UserError(
                f"{name}:{end + 1}: a cell that begins here has more than "
                f"{csv.field_size_limit():,} characters. Close its quotes, or shorten "
                "it."
            ) from error
        raise UserError(
            f"{name}:{reader.line_num}: {error}. Quotes in a quoted cell must be "
            "doubled, and the last be followed by a tab or the line's end."
        ) from error


def _named_columns(
    path: Path, header: list[str], languages: tuple[str, str], first: tuple[int, int]
) -> tuple[int, int]:
    """Return the columns of source and target, or the first two of no others."""
    source, target = (_find_column(header, language) for language in languages)
    if source is not None and target is not None and source != target:
        return source, target
    if len([cell for cell in header if cell.strip()]) > 2:
        missing = [
            language
            for language, column in zip(languages, (source, target), strict=True)
            if column is None
        ]
        raise UserError(
            f"{path}:1: of the columns {', '.join(map(repr, header))}, none is called "
            f"{' and none '.join(missing or languages)}. Name those of the sentences "
            f"{languages[0]} and {languages[1]}."
        )
    return first


def _find_column(header: Sequence[str], language: str) -> int | None:
    """Return the column that is called en, or else the only "Text (en)" or en-US."""
    names = [cell.strip().casefold() for cell in header]
    if language.casefold() in names:
        return names.index(language.casefold())
    columns = [
        i for i, name in enumerate(names) if primary_subtag(language) in _words(name)
    ]
    return columns[0] if len(columns) == 1 else None


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", name.casefold())


def _check_export(
    path: Path, languages: tuple[str, str], options: TableOptions
) -> None:
    """Refuse what looks like an export, unless the options say what it is."""
    sample: list[str] = []
    with suppress(UserError):  # A line that is not UTF-8 shows when it is needed.
        for line in islice(read_lines(path), _SAMPLE_LINES):
            sample.append(line)
    rows = [line.split("\t") for line in sample]
    _check_structure(path, sample, rows, languages, options)
    if options.header is not None and options.quoted is not None:
        return
    quotes = has_quotes([[cell.strip() for cell in row[:2]] for row in rows])
    first = [cell.strip().strip('"') for cell in rows[0]] if rows else []
    # Without a name, as with pandas, or called #: the numbers of the rows.
    is_numbered = len(first) > 2 and not fold(first[0])
    first = first[1:3] if is_numbered else first[:2]
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


def _check_structure(
    path: Path,
    lines: Sequence[str],
    rows: Sequence[Sequence[str]],
    languages: tuple[str, str],
    options: TableOptions,
) -> None:
    """Refuse lines that end in carriage returns alone, and numbers of rows as text."""
    if len(lines) == 1 and "\r" in lines[0]:
        parts = [part for part in lines[0].split("\r") if part]
        if len(parts) > 1 and all("\t" in part for part in parts):
            raise UserError(
                f"{path}: its lines end in carriage returns alone, as old spreadsheets "
                r"write them. Convert them: tr '\r' '\n' < OLD > NEW"
            )
    numbers = [row[0].strip().strip('"') for row in rows if len(row) > 2]
    if options.header or len(numbers) < max(_LEAST_CELLS, len(rows)):
        return
    numbers = numbers if numbers[0].isdecimal() else numbers[1:]
    if numbers and numbers[0] in ("0", "1"):
        counted = range(int(numbers[0]), int(numbers[0]) + len(numbers))
        if numbers == list(map(str, counted)):
            raise UserError(
                f"{path}: its first column counts the rows, and would be trained on. "
                "Remove it (cut -f2- OLD > NEW), or let line 1 name the columns, such "
                f"as #, {languages[0]} and {languages[1]}, and add -o data.header=true"
            )


def has_quotes(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether quotes stand around cells as spreadsheets write them.

    All cells of a column are, but for a few; or those that hold a comma or a quote, and
    no others; or one cell has doubled quotes within.
    """
    width = max(map(len, rows), default=0)
    columns = [[row[i] for row in rows if row[i:] and row[i]] for i in range(width)]
    quoted = [[cell for cell in column if _is_quoted(cell)] for column in columns]
    cells, all_quoted = [*chain(*columns)], [*chain(*quoted)]
    if not all_quoted:
        return False
    if len(all_quoted) == len(cells) or any('""' in cell[1:-1] for cell in all_quoted):
        return True
    if len(all_quoted) >= _LEAST_CELLS:
        special = [cell for cell in cells if "," in cell or '"' in cell.strip('"')]
        if special == [cell for cell in cells if _is_quoted(cell)]:
            return True
    return any(
        len(column) >= _LEAST_CELLS and len(inside) >= _QUOTED_SHARE * len(column)
        for column, inside in zip(columns, quoted, strict=True)
    )


def _is_quoted(cell: str) -> bool:
    return len(cell) > 1 and _QUOTED.fullmatch(cell) is not None


def is_column_name(cell: str, languages: tuple[str, str]) -> bool:
    """Return whether a cell is as short as a name, and half of its words are usual."""
    known = {*_HEADER_WORDS.split(), *map(primary_subtag, languages)}
    words = _words(cell)
    if len(words) > 1 and (len(words) > 3 or cell.rstrip()[-1] in ".!?"):
        return False
    names = [word for word in words if word in known or _is_language_name(word)]
    return 2 * len(names) >= max(1, len(words))


def _is_language_name(word: str) -> bool:
    # Shorter ones, such as Ewe, are words of other languages too; 中文 has two letters.
    return (len(word) > 3 or not word.isascii()) and bool(language_of_name(word))
