"""Segmentation of lines: what is translated separately, and how it is joined.

A line is split into its sentences, or kept whole; what is longer than the model's
maximum is split at the ends of sentences, else of clauses, else of words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from seq2seq.data.sentences import split_sentences
from seq2seq.data.tokenizer import Tokenizer
from seq2seq.utils.languages import primary_subtag
from seq2seq.utils.text import is_blank

if TYPE_CHECKING:
    from seq2seq.translate.constraints import TokenizedConstraints

T = TypeVar("T")

MAX_ENCODED_CHARACTERS = 20_000
"""Characters that SentencePiece encodes at once; far longer lines end the process."""

WORD = "▁"  # SentencePiece's mark at the beginning of a word.
_CLOSERS = "\"'»”’)]}」』）】"
# Sentences end clauses, too: within quotes and brackets they are not split.
_WIDE_CLAUSE, _CLAUSE = "，、；：。！？｡", ",;:–—.!?…"

_UNSPACED = (
    *("zh", "zho", "chi", "cmn", "yue", "ja", "jpn"),
    *("th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bur"),
)
_LINE_BREAK = re.compile("\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")


class Segment(NamedTuple):
    """What is translated at once: a line, a sentence, or a part of either.

    Attributes:
        ids: Its source token ids, at least one, behind the tokenizer's prefix.
        surfaces: The tokens' surface text, without the prefix; empty where words are
            not aligned.
        gap: White space between the line's segment before and this one.
        text: Its source text.
        constraints: Constraints on its translation, if any.
        force_required: Whether the search inserts the required phrases.
        joined: Whether constraints hold for it and for what its translation is joined
            to, so that the search returns all hypotheses of the beam.
    """

    ids: list[int]
    surfaces: list[str]
    gap: str = ""
    text: str = ""
    constraints: TokenizedConstraints | None = None
    force_required: bool = False
    joined: bool = False


class SegmentedLine(NamedTuple):
    """A line as the segments that are translated separately.

    Attributes:
        segments: Its segments; none if the line is blank.
        num_sentences: Sentences of the line; 0 if it is blank.
        truncated: Whether the end of the line or of a sentence is left out.
    """

    segments: list[Segment]
    num_sentences: int
    truncated: bool


@dataclass(frozen=True)
class LineSegmenter:
    """Splits lines into segments.

    Attributes:
        tokenizer: The source side's tokenizer.
        language: The source language.
        max_length: Maximal number of tokens in a segment, at least 1.
        sentences: Whether each sentence is a segment (split), or a line that is short
            enough (keep).
        truncate: Whether what is too long loses its end, instead of being split.
        surfaces: Whether segments have their tokens' surface text.
    """

    tokenizer: Tokenizer
    language: str
    max_length: int
    sentences: Literal["split", "keep"]
    truncate: bool = False
    surfaces: bool = False

    def __call__(self, lines: Sequence[str]) -> list[SegmentedLine]:
        """Split lines; return what each becomes, in order."""
        parts_of_lines: list[list[list[str]]] = []
        for line in lines:
            blank = is_blank(line)
            sentences = [] if blank else split_sentences(line, self.language)
            split = self.sentences == "split"
            parts = [[sentence] for sentence in sentences] if split else [sentences]
            parts_of_lines.append(parts if sentences else [])
        encoded = self._encode(
            ["".join(part) for parts in parts_of_lines for part in parts]
        )
        segmented = [self._segment(parts, encoded) for parts in parts_of_lines]
        if prefix := self.tokenizer.prefix:
            for segments, _, _ in segmented:
                segments[:] = [s._replace(ids=[*prefix, *s.ids]) for s in segments]
        return segmented

    def _encode(self, texts: Sequence[str]) -> Iterator[Segment]:
        """Encode each text as one segment, of any length."""
        surfaces: list[list[str]] = [[] for _ in texts]
        if self.surfaces:
            surfaces = encode_long(self.tokenizer.surface_tokens, texts)
        ids = encode_long(self.tokenizer.with_prefix(()).encode, texts)
        return map(Segment, ids, surfaces)

    def _segment(
        self, parts: Sequence[Sequence[str]], encoded: Iterator[Segment]
    ) -> SegmentedLine:
        """Split what is too long of a line's parts, which are its sentences or itself.

        Args:
            parts: The sentences of each part.
            encoded: Each part, encoded as a whole.
        """
        segments: list[Segment] = []
        truncated, gap = False, ""
        for sentences in parts:
            whole = next(encoded)._replace(gap=gap, text="".join(sentences))
            if len(whole.ids) <= self.max_length:
                segments += [whole] if whole.ids else []
            elif self.truncate:
                kept = slice(self.max_length)
                ids = whole.ids[kept]
                text = self.tokenizer.decode([ids])[0]
                segments.append(Segment(ids, whole.surfaces[kept], gap, text))
                truncated = True
            else:
                segments += self._split_long(sentences, whole)
            gap = _space_after(sentences[-1])
        num_sentences = sum(map(len, parts)) if segments else 0
        return SegmentedLine(segments, num_sentences, truncated)

    def _split_long(self, sentences: Sequence[str], whole: Segment) -> list[Segment]:
        """Split sentences that are too long together."""
        parts = [whole]
        if len(sentences) > 1:
            parts = list(self._encode(sentences))
        ids = [token for segment in parts for token in segment.ids]
        surfaces = [token for segment in parts for token in segment.surfaces]
        ends = accumulate(len(segment.ids) for segment in parts)
        gaps = dict(zip(ends, map(_space_after, sentences), strict=True))
        tokens = self.tokenizer.id_to_tokens(ids)
        segments = []
        for part in split_long_input(tokens, self.max_length, gaps):
            between_words = " " if tokens[part.start].startswith(WORD) else ""
            gap = gaps.get(part.start, between_words) if part.start else whole.gap
            text = self.tokenizer.decode([ids[part]])[0]
            segments.append(Segment(ids[part], surfaces[part], gap, text))
        return segments


def split_long_input(
    tokens: Sequence[str], max_length: int, sentence_ends: Collection[int] = ()
) -> list[slice]:
    """Split tokens at the ends of sentences, else of clauses, else of words.

    Args:
        tokens: Tokens as text.
        max_length: Maximal number of tokens in a segment, at least 1.
        sentence_ends: Number of tokens up to the end of each sentence.

    Returns:
        One slice for each segment; together they are all tokens. The last two segments
        are about equally long where a boundary allows it, since a single remaining word
        is hard to translate.
    """
    segments: list[slice] = []
    start = 0

    def priority(end: int) -> int:
        return 3 if end in sentence_ends else _priority(tokens, end)

    while len(tokens) - start > max_length:
        left = len(tokens) - start
        goal = start + (max_length if left > 2 * max_length else (left + 1) // 2)
        ends = range(start + 1, start + max_length + 1)
        best = max(ends, key=lambda end: (priority(end), -abs(end - goal)))
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


def is_spaced(language: str) -> bool:
    """Return whether a language has blanks between words."""
    return primary_subtag(language) not in _UNSPACED


def target_gap(gap: str, source: str, target: str) -> str:
    """Return the white space between the translations of two segments.

    It is that of the source; but where only one of the languages has blanks between
    words, it is as the target language has it.

    Args:
        gap: White space between the segments; empty if there is none.
        source: The source language.
        target: The target language.
    """
    if is_spaced(source) == is_spaced(target):
        return gap
    return " " if is_spaced(target) else ""


def _space_after(sentence: str) -> str:
    """Return the white space at the end, with a blank for each line break."""
    return _LINE_BREAK.sub(" ", sentence[len(sentence.rstrip()) :])


def _priority(tokens: Sequence[str], index: int) -> int:
    """Rank a split before a token: 2 clause, 1 word, 0 within a word."""
    before = "".join(tokens[max(0, index - 4) : index]).rstrip(_CLOSERS)[-1:]
    begins_word = tokens[index].startswith(WORD)
    if before and (before in _WIDE_CLAUSE or (begins_word and before in _CLAUSE)):
        return 2
    return int(begins_word)
