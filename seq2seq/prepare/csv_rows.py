"""CSV and TSV files of unknown delimiter and encoding, a row at a time (RFC 4180).

A row that is no row, such as one with a quote that is never closed, is yielded with the
reason instead of swallowing the rows behind it.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from seq2seq.data.tables import has_quotes
from seq2seq.errors import UserError
from seq2seq.prepare.raw_pairs import MAX_CELL, Row
from seq2seq.utils.files import open_binary

_DELIMITERS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars"}
_SAMPLE_LINES = 500
_MAX_LINES = 30  # Of a cell in quotes; more means that a quote is not closed.
_LEAST_SHARE = 0.6  # Of the lines that have as many cells as most.
_BLOCK = 1 << 20
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_csv(path: Path, encoding: str | None) -> tuple[list[str], Iterator[Row]]:
    """Find out how a table of text is written, and read it.

    Args:
        path: The file, compressed if it ends in .gz, .xz or .zst.
        encoding: Its encoding; None: found out.

    Returns:
        Notes on what was found out, and the rows that are not blank.

    Raises:
        UserError: If it cannot be decoded or has no columns.
    """
    codec, note = _encoding(path, encoding)
    with _text_lines(path, codec) as lines:
        sample = list(islice((line for line in lines if line.strip()), _SAMPLE_LINES))
    if not sample:
        raise UserError(f"{path} is empty: it needs a row for each pair of sentences.")
    delimiter = _delimiter(path, sample)
    quoted = delimiter != "\t" or has_quotes([_plain(x, delimiter) for x in sample])
    notes = [f"{path.name}: {note}, columns divided by {_DELIMITERS[delimiter]}"]
    return notes, _rows(path, codec, delimiter, quoted)


def _rows(path: Path, codec: str, delimiter: str, quoted: bool) -> Iterator[Row]:
    with _text_lines(path, codec) as lines:
        for row in split_rows(lines, delimiter, quoted):
            # Excel is told the delimiter by a first line "sep=;".
            marks = row.number == 1 and re.fullmatch("sep=.?", "".join(row.cells))
            if not marks and any(cell.strip() for cell in row.cells):
                yield row


def split_rows(lines: Iterable[str], delimiter: str, quoted: bool) -> Iterator[Row]:
    """Split lines into rows; line feeds within a cell become spaces.

    Args:
        lines: With their line ends.
        delimiter: A character.
        quoted: Whether quotes around a cell are none of its text.
    """
    waiting: list[str] = []  # Lines that were read ahead.
    stream, number, width = iter(lines), 0, 0
    while True:
        line = waiting.pop(0) if waiting else next(stream, None)
        if line is None:
            return
        number += 1
        if not quoted or '"' not in line:
            yield Row(number, _plain(line, delimiter))
            continue
        cells, ends = _parse([line], delimiter)
        more: list[str] = []
        while not ends and len(more) < _MAX_LINES:
            if waiting:
                following = waiting.pop(0)
            elif (following := next(stream, "")) == "":
                break
            more.append(following)
            cells, ends = _parse([line, *more], delimiter)
        if cells is None:
            waiting = more + waiting
            plain = _plain(line, delimiter)
            if width and len(plain) == width:  # Quotes that are text.
                yield Row(number, plain)
            else:
                text = line.strip()
                yield Row(number, [text], "a quote is not closed, or not doubled")
            continue
        width = len(cells)
        yield Row(number, [" ".join(cell.split("\n")) for cell in cells])
        number += len(more)


def _plain(line: str, delimiter: str) -> list[str]:
    return line.rstrip("\r\n").split(delimiter)


def _parse(lines: Sequence[str], delimiter: str) -> tuple[list[str] | None, bool]:
    """Return the cells of one row, None if they are damaged; and whether it ends."""
    text = ["\n".join(line.rstrip("\r\n") for line in lines)]
    reader = csv.reader(
        text, delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t"
    )
    try:
        return next(reader), True
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None, False
        return None, True


def _delimiter(path: Path, sample: Sequence[str]) -> str:
    """Return the delimiter by which most lines have the same number of cells."""
    best, delimiter = (0.0, 0), ""
    for candidate in _DELIMITERS:
        widths = Counter(len(row.cells) for row in split_rows(sample, candidate, True))
        del widths[1]
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        share = count / max(1, sum(widths.values()))
        # Lines without the delimiter count a little less: a table may have a title.
        share *= (sum(widths.values()) / len(sample)) ** 0.5
        if share >= _LEAST_SHARE and (round(share, 2), width) > best:
            best, delimiter = (round(share, 2), width), candidate
    if not delimiter:
        raise UserError(
            f"{path} has one column only, by tabs, semicolons, commas and bars. A "
            "table needs two, a sentence and its translation; of two files of lines, "
            "name both."
        )
    return delimiter


def _encoding(path: Path, encoding: str | None) -> tuple[str, str]:
    """Return the encoding, and a note on it."""
    with open_binary(path) as stream:
        start = stream.read(4096)
    if encoding is not None:
        try:
            "".encode(encoding)  # Of codecs that are none of text, it is an error.
        except LookupError:
            raise UserError(
                f"--encoding {encoding}: there is no such encoding. Name one such as "
                "utf-8, utf-16 or cp1252."
            ) from None
        if (position := _undecodable(path, encoding)) is not None:
            raise UserError(f"{path} is not {encoding}: byte {position:,} is invalid.")
        return encoding, f"encoding {encoding}"
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            if (position := _undecodable(path, name)) is not None:
                raise UserError(
                    f"{path} begins as {name.removesuffix('-sig')} does, but byte "
                    f"{position:,} is not. Save it again, or name its --encoding."
                )
            return name, f"encoding {name.removesuffix('-sig')}"
    if start.count(0) > len(start) / 10:
        raise UserError(
            f"{path} is no text, or UTF-16 without a byte-order mark. If the latter: "
            "--encoding utf-16-le"
        )
    if (position := _undecodable(path, "utf-8")) is None:
        return "utf-8", "encoding utf-8"
    if _undecodable(path, "cp1252") is None:
        return "cp1252", (
            f"byte {position:,} is not UTF-8, so the encoding is taken for cp1252, "
            "Western European (--encoding NAME says otherwise)"
        )
    raise UserError(
        f"{path} is neither UTF-8 nor cp1252. Name its --encoding, such as cp1250, "
        "cp1251, shift_jis or gb18030."
    )


def _undecodable(path: Path, encoding: str) -> int | None:
    """Return the position of the first invalid byte, from 1; None if all are valid."""
    decoder, size = codecs.getincrementaldecoder(encoding)(), 0
    with open_binary(path) as stream:
        while True:
            block = stream.read(_BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeError as error:
                return size + getattr(error, "start", 0) + 1
            size += len(block)
            if not block:
                return None


@contextmanager
def _text_lines(path: Path, encoding: str) -> Iterator[Iterator[str]]:
    """Open the lines of a file, which end in a line feed, carriage return or both."""
    with open_binary(path) as stream:
        # Universal newlines, kept: old spreadsheets end lines in carriage returns.
        text = io.TextIOWrapper(stream, encoding, newline="")
        yield _bounded_lines(text, path)
        text.detach()


def _bounded_lines(text: io.TextIOWrapper, path: Path) -> Iterator[str]:
    number = 0
    while line := text.readline(MAX_CELL + 1):
        number += 1
        if len(line) > MAX_CELL:
            raise UserError(
                f"{path}:{number}: this line has more than {MAX_CELL:,} characters, so "
                "the file is no table of sentences."
            )
        yield line.replace("\0", "\ufffd")
