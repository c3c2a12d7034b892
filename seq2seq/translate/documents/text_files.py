"""Readers of plain text in paragraphs, SubRip (.srt) and WebVTT (.vtt).

Blocks of lines stand between blank ones. Source of WebVTT: W3C, section 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from seq2seq.errors import UserError
from seq2seq.translate.documents.document import (
    Document,
    Passage,
    decode,
    document_of,
    split_lines,
)
from seq2seq.translate.documents.running_text import cue_pieces, paragraph_pieces

_SRT_TIME = r"\d+:[0-5]?\d:[0-5]?\d[,.]\d{1,3}"
_VTT_TIME = r"(?:\d{2,}:)?[0-5]\d:[0-5]\d\.\d{3}"
_SRT_TIMES = re.compile(rf"\s*{_SRT_TIME}\s*-->\s*{_SRT_TIME}(?:\s.*)?")
_VTT_TIMES = re.compile(rf"{_VTT_TIME}[ \t]+-->[ \t]+{_VTT_TIME}(?:[ \t].*)?")
_MARK = "\ufeff"  # Of byte order.


def read_paragraphs(data: bytes, name: str) -> Document:
    """Read text whose paragraphs stand between blank lines."""
    pieces: list[str | Passage] = []
    for number, block in _blocks(decode(data, name), pieces):
        pieces += paragraph_pieces(block, number)
    return document_of(pieces)


def read_srt(data: bytes, name: str) -> Document:
    """Read SubRip: blocks of a number, a line of times, and text.

    Raises:
        UserError: If a block is not so, with its line.
    """
    pieces: list[str | Passage] = []
    for number, block in _blocks(decode(data, name), pieces):
        if not block[0].strip().isdecimal():
            raise UserError(
                f"{name}:{number}: a subtitle begins with its number, but here is "
                f"{_shown(block[0])}. No line within a subtitle may be blank."
            )
        _check_times(block[1:], _SRT_TIMES, f"{name}:{number + 1}", "00:00:01,000")
        pieces += block[:2]
        pieces += cue_pieces(block[2:], number + 2, escaped=False)
    return document_of(pieces)


def read_vtt(data: bytes, name: str) -> Document:
    """Read WebVTT: after its header, blocks with times and text; others stay.

    Raises:
        UserError: If the header is missing, or a block is no cue, note, style or
            region, with its line.
    """
    pieces: list[str | Passage] = []
    for index, (number, block) in enumerate(_blocks(decode(data, name), pieces)):
        kind = block[0].split(maxsplit=1)[0]
        if index == 0:
            if kind != "WEBVTT":
                raise UserError(
                    f"{name}:{number}: WebVTT begins with the line WEBVTT, but here is "
                    f"{_shown(block[0])}. Mend that, or name the file .srt if it is "
                    "SubRip."
                )
            pieces += block
            continue
        times = next((i for i, line in enumerate(block[:2]) if "-->" in line), None)
        if times is None and kind in ("NOTE", "STYLE", "REGION"):
            pieces += block
            continue
        times = min(1, len(block) - 1) if times is None else times
        location = f"{name}:{number + times}"
        _check_times(block[times:], _VTT_TIMES, location, "00:01.000")
        pieces += block[: times + 1]
        pieces += cue_pieces(block[times + 1 :], number + times + 1, escaped=True)
    if not any(isinstance(piece, str) and piece.strip(_MARK) for piece in pieces):
        raise UserError(f"{name} is empty. WebVTT begins with the line WEBVTT.")
    return document_of(pieces)


def _blocks(
    text: str, pieces: list[str | Passage]
) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the number of each block's first line, and its lines.

    Blank lines before it, and a byte-order mark, are appended to the pieces.
    """
    block: list[str] = []
    if text.startswith(_MARK):
        pieces.append(_MARK)
        text = text.removeprefix(_MARK)
    number = 0
    for number, line in enumerate(split_lines(text), 1):
        if line.strip():
            block.append(line)
            continue
        if block:
            yield number - len(block), block
            block = []
        pieces.append(line)
    if block:
        yield number - len(block) + 1, block


def _check_times(
    lines: Sequence[str], times: re.Pattern[str], location: str, example: str
) -> None:
    """Check that the first of the lines has a subtitle's times.

    Raises:
        UserError: If it has not, or there is none.
    """
    if not lines or not times.fullmatch(lines[0].rstrip("\r\n")):
        here = f"here is {_shown(lines[0])}" if lines else "the subtitle ends"
        raise UserError(
            f"{location}: a subtitle needs its times, such as {example} --> "
            f"{example.replace('01', '04')}, but {here}. Mend the line."
        )


def _shown(line: str) -> str:
    return repr(line.strip()[:60])
