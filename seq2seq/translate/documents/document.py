"""A document: its texts in order, and how it is written with other texts.

Readers cut a file into pieces: strings, which are written as they are, and passages,
whose text is translated.
"""

from __future__ import annotations

import io
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from seq2seq.errors import UserError


@dataclass(frozen=True)
class Document:
    """Texts to translate, and the function that writes the file with translations.

    Attributes:
        texts: The texts, without line breaks.
        lines: The line or row, from 1, in which each begins.
        render: Returns the file's bytes with one translation for each text; where one
            is blank, the text stays.
        first_cell: The first text of a column without a name; else None.
    """

    texts: Sequence[str]
    lines: Sequence[int]
    render: Callable[[Sequence[str]], bytes]
    first_cell: str | None = None


class Passage(Protocol):
    """A text among the pieces of a file."""

    @property
    def text(self) -> str:
        """The text, without line breaks."""
        ...

    @property
    def line(self) -> int:
        """The line in which it begins, from 1."""
        ...

    def render(self, translation: str) -> str:
        """Return what is written in its place."""
        ...


def document_of(pieces: Sequence[str | Passage]) -> Document:
    """Return the document of a UTF-8 file's pieces."""
    passages = [piece for piece in pieces if not isinstance(piece, str)]

    def render(translations: Sequence[str]) -> bytes:
        remaining = iter(translations)
        return "".join(
            piece if isinstance(piece, str) else piece.render(next(remaining))
            for piece in pieces
        ).encode()

    return Document(
        [passage.text for passage in passages],
        [passage.line for passage in passages],
        render,
    )


def decode(data: bytes, name: str) -> str:
    """Decode UTF-8, strictly: what cannot be read could not be written as it was.

    Raises:
        UserError: If the bytes are none, with the line.
    """
    if b"\0" in data:
        raise UserError(
            f"{name} is no UTF-8 text: it has NUL characters. Convert it first, for "
            "example with iconv -f UTF-16 -t UTF-8."
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{name}:{line}: byte 0x{data[error.start]:02x} is not UTF-8. Convert the "
            f"file first: iconv -f WINDOWS-1252 -t UTF-8 {name} > NEW"
        ) from error


def split_lines(text: str) -> list[str]:
    r"""Return lines with their ends: a line feed, a carriage return, or both."""
    return list(io.StringIO(text, newline=""))


def split_end(line: str) -> tuple[str, str]:
    """Return a line and its end."""
    content = line.rstrip("\r\n")
    return content, line[len(content) :]


def has_letters(text: str) -> bool:
    """Return whether there is anything to translate."""
    return any(map(str.isalpha, text))


def join_lines(lines: Iterable[str]) -> str:
    """Join lines of running text, with blanks except between ideographs and kana."""
    joined = ""
    for line in (line.strip() for line in lines):
        unspaced = is_unspaced(joined[-1:]) and is_unspaced(line[:1])
        joined += line if unspaced or not joined else f" {line}"
    return joined


def wrap(text: str, width: int) -> list[str]:
    """Wrap a text at blanks, or anywhere where its language has none."""
    return textwrap.wrap(
        text,
        width,
        break_long_words=any(map(is_unspaced, text)),
        break_on_hyphens=False,
    )


def wrap_to_lines(text: str, count: int) -> list[str]:
    """Wrap a text to at most so many lines, of about the same length."""
    width = max(1, -(-len(text) // count))
    while len(lines := wrap(text, width)) > count:
        width += 1
    return lines


def is_unspaced(character: str) -> bool:
    """Return whether it is wide and not Korean, whose words have blanks between."""
    wide = bool(character) and unicodedata.east_asian_width(character) in "WF"
    return wide and not "\uac00" <= character <= "\ud7a3"
