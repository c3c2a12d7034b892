"""Splitting of long lines into segments of at most a given number of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

MAX_ENCODED_CHARACTERS = 20_000
"""Characters that SentencePiece encodes at once; far longer lines end the process."""

WORD = "▁"  # SentencePiece's mark at the beginning of a word.
_CLOSERS = "\"'»”’)]}」』）】"
_WIDE_SENTENCE, _SENTENCE = "。！？｡", ".!?…"
_WIDE_CLAUSE, _CLAUSE = "，、；：", ",;:–—"

_UNSPACED = ("zh", "ja", "th", "lo", "km", "my")


def split_long_input(tokens: Sequence[str], max_length: int) -> list[slice]:
    """Split a line at the ends of sentences, else of clauses, else of words.

    Args:
        tokens: The line's tokens as text.
        max_length: Maximal number of tokens in a segment, at least 1.

    Returns:
        One slice for each segment; together they are the line. The last two segments
        are about equally long where a boundary allows it, since a single remaining word
        is hard to translate.
    """
    segments: list[slice] = []
    start = 0
    while len(tokens) - start > max_length:
        left = len(tokens) - start
        goal = start + (max_length if left > 2 * max_length else (left + 1) // 2)
        ends = range(start + 1, start + max_length + 1)
        best = max(ends, key=lambda end: (_priority(tokens, end), -abs(end - goal)))
        segments.append(slice(start, best))
        start = best
    segments.append(slice(start, len(tokens)))
    return segments


def encode_long(
    encode: Callable[[Sequence[str]], list[list[T]]], lines: Sequence[str]
) -> list[list[T]]:
    """Encode lines of any length, very long ones in chunks.

    Args:
        encode: Encodes lines of at most MAX_ENCODED_CHARACTERS, such as
            `Tokenizer.encode`.
        lines: Text.
    """
    chunked = [_chunks(line) for line in lines]
    encoded = iter(encode([chunk for chunks in chunked for chunk in chunks]))
    return [[token for _ in chunks for token in next(encoded)] for chunks in chunked]


def _chunks(line: str) -> list[str]:
    """Split raw text at blanks, or anywhere if there is none."""
    chunks = []
    start = 0
    while len(line) - start > MAX_ENCODED_CHARACTERS:
        blank = line.rfind(" ", start + 1, start + MAX_ENCODED_CHARACTERS)
        end = blank if blank > start else start + MAX_ENCODED_CHARACTERS
        chunks.append(line[start:end])
        start = end
    return [*chunks, line[start:]]


def separator(language: str) -> str:
    """Return what joins the translations of two segments: a blank in most languages."""
    return "" if language.lower().replace("_", "-").split("-")[0] in _UNSPACED else " "


def _priority(tokens: Sequence[str], index: int) -> int:
    """Rank a split before a token: 3 sentence, 2 clause, 1 word, 0 within a word."""
    before = "".join(tokens[max(0, index - 4) : index]).rstrip(_CLOSERS)[-1:]
    begins_word = tokens[index].startswith(WORD)
    if before and (before in _WIDE_SENTENCE or (begins_word and before in _SENTENCE)):
        return 3
    if before and (before in _WIDE_CLAUSE or (begins_word and before in _CLAUSE)):
        return 2
    return int(begins_word)
