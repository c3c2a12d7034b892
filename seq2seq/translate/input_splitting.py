"""Where a line that is too long for a network comes apart.

Knows pieces as text; not networks or searches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

CHARACTERS = 20_000
"""What SentencePiece gets at once; on far longer lines it ends the process."""

WORD = "▁"  # SentencePiece's mark at the beginning of a word.
_CLOSERS = "\"'»”’)]}」』）】"
_WIDE_SENTENCE, _SENTENCE = "。！？｡", ".!?…"
_WIDE_CLAUSE, _CLAUSE = "，、；：", ",;:–—"

_UNSPACED = ("zh", "ja", "th", "lo", "km", "my")


def split_long_input(pieces: Sequence[str], longest: int) -> list[slice]:
    """Take a line apart at the ends of sentences, else of clauses, else of words.

    Args:
        pieces: The line's pieces as text.
        longest: The most pieces of a part, at least 1.

    Returns:
        One slice for each part; together they are the line. The last two parts are
        about equally long where a boundary allows it, since a single word left over is
        hard to translate.
    """
    found: list[slice] = []
    start = 0
    while len(pieces) - start > longest:
        left = len(pieces) - start
        goal = start + (longest if left > 2 * longest else (left + 1) // 2)
        places = range(start + 1, start + longest + 1)
        end = max(places, key=lambda place: (_rank(pieces, place), -abs(place - goal)))
        found.append(slice(start, end))
        start = end
    found.append(slice(start, len(pieces)))
    return found


def encode_long(
    cut: Callable[[Sequence[str]], list[list[T]]], lines: Sequence[str]
) -> list[list[T]]:
    """Cut lines of any length into pieces, far longer ones stretch by stretch.

    Args:
        cut: Cuts lines of at most CHARACTERS, such as `Tokenizer.encode`.
        lines: Text.
    """
    split = [_stretches(line) for line in lines]
    found = iter(cut([stretch for some in split for stretch in some]))
    return [[piece for _ in some for piece in next(found)] for some in split]


def _stretches(line: str) -> list[str]:
    """Take a line apart at blanks, or anywhere if there is none."""
    found = []
    start = 0
    while len(line) - start > CHARACTERS:
        blank = line.rfind(" ", start + 1, start + CHARACTERS)
        end = blank if blank > start else start + CHARACTERS
        found.append(line[start:end])
        start = end
    return [*found, line[start:]]


def separator(language: str) -> str:
    """What stands between the translations of two parts: a blank in most languages."""
    return "" if language.lower().replace("_", "-").split("-")[0] in _UNSPACED else " "


def _rank(pieces: Sequence[str], place: int) -> int:
    """Say how good it is to cut before a piece: 3 sentence, 2 clause, 1 word, 0 not."""
    before = "".join(pieces[max(0, place - 4) : place]).rstrip(_CLOSERS)[-1:]
    word = pieces[place].startswith(WORD)
    if before and (before in _WIDE_SENTENCE or (word and before in _SENTENCE)):
        return 3
    if before and (before in _WIDE_CLAUSE or (word and before in _CLAUSE)):
        return 2
    return int(word)
