"""Word alignments from attention weights, and replacement of unknown tokens.

Words are separated by blanks, which the tokenizer makes of all white space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seq2seq.translate.input_splitting import WORD
from seq2seq.types import UNK
from seq2seq.utils.word_characters import MARKS

Weights = NDArray[np.float32]

_UNKNOWN = "\uffff"  # Not a character: no text contains it.
# The word around unknown tokens: their adjacent letters and digits, except those of
# scripts without blanks between words.
_LETTER = rf"(?:{_UNKNOWN}|[{MARKS}]|[^\W\u2e80-\uffff])"
_UNKNOWN_WORD = re.compile(f"{_LETTER}*{_UNKNOWN}{_LETTER}*")
_PUNCTUATION = re.compile(rf"^[^\w{MARKS}]+|[^\w{MARKS}]+$")


@dataclass(frozen=True)
class Alignment:
    """A soft alignment of target words with source words.

    Attributes:
        source: The source's words.
        target: The translation's words.
        weights: Attention weights, (target words, source words), without the weight of
            the source's EOS.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: Weights

    def links(self) -> list[tuple[int, int]]:
        """Link each target word to the source word with its greatest weight.

        Returns:
            Pairs of source and target index, from 0, sorted.
        """
        if not self.weights.size:
            return []
        best = self.weights.argmax(axis=1)
        return sorted((int(source), target) for target, source in enumerate(best))

    def to_pharaoh(self) -> str:
        """Return the links in Pharaoh format: 0-0 1-2 2-1."""
        return " ".join(f"{source}-{target}" for source, target in self.links())


def align(source: Sequence[str], target: Sequence[str], weights: Weights) -> Alignment:
    """Turn attention between tokens into an alignment of words.

    Weights are summed over the tokens of a source word and averaged over the tokens of
    a target word.

    Args:
        source: The source's tokens.
        target: The translation's tokens.
        weights: Attention weights, (target tokens, source tokens).
    """
    source_index, target_index = word_indices(source), word_indices(target)
    words = np.zeros((len(_words(target)), len(_words(source))), dtype=np.float32)
    if words.size:
        summed = np.zeros((len(target), words.shape[1]), dtype=np.float32)
        np.add.at(summed.T, source_index, weights.T)
        np.add.at(words, target_index, summed)
        counts = np.bincount(target_index, minlength=len(words))
        words /= counts[:, None].clip(min=1)
    return Alignment(tuple(_words(source)), tuple(_words(target)), words)


def concatenate(
    alignments: Sequence[Alignment],
    *,
    source_spaces: Sequence[bool],
    target_spaces: Sequence[bool],
) -> Alignment:
    """Join the alignments of a line's segments, block by block.

    Args:
        alignments: The alignment of each segment.
        source_spaces: Whether there is white space before each segment; where there is
            none, its first word is the end of the word before.
        target_spaces: The same of the segments' translations.
    """
    source: list[str] = []
    target: list[str] = []
    blocks: list[tuple[int, int, Weights]] = []
    for alignment, *spaces in zip(
        alignments, source_spaces, target_spaces, strict=True
    ):
        row = _append_words(target, alignment.target, space=spaces[1])
        column = _append_words(source, alignment.source, space=spaces[0])
        blocks.append((row, column, alignment.weights))
    weights = np.zeros((len(target), len(source)), dtype=np.float32)
    counts = np.zeros((len(target), 1), dtype=np.float32)
    for row, column, block in blocks:
        height, width = block.shape
        weights[row : row + height, column : column + width] += block
        counts[row : row + height] += 1
    return Alignment(tuple(source), tuple(target), weights / counts.clip(min=1))


def _append_words(words: list[str], more: Sequence[str], *, space: bool) -> int:
    """Append words, joining the first to the last unless there is space between.

    Returns:
        The index of the first.
    """
    index = len(words)
    if more and words and not space:
        index -= 1
        words[-1] += more[0]
        more = more[1:]
    words += more
    return index


def word_indices(tokens: Sequence[str]) -> list[int]:
    """Return each token's word index; a lone "▁" belongs to the word that follows."""
    indices: list[int] = []
    num_words, begins_word = 0, True
    for token in tokens:
        index: int | None = None
        for character in token:
            if character == WORD:
                begins_word = True
                continue
            num_words, begins_word = num_words + begins_word, False
            index = num_words - 1 if index is None else index
        indices.append(num_words if index is None else index)
    return [min(index, max(num_words - 1, 0)) for index in indices]


def replace_unknowns(
    ids: Sequence[int],
    tokens: Sequence[str],
    source: Sequence[str],
    weights: Weights,
) -> str:
    """Detokenize a translation with source words in the place of unknown tokens.

    An unknown token and the letters around it, which are the rest of its word, become
    the source word with the greatest attention weight, without punctuation.

    Args:
        ids: The translation's token ids.
        tokens: The same as text.
        source: The source's tokens as text.
        weights: Attention weights, (target tokens, source tokens).

    Source: Luong et al. 2015 (Addressing the rare word problem), section 3.3; Jean et
    al. 2015, section 3.3, for alignment by attention.
    """
    text = "".join(
        _UNKNOWN if token_id == UNK else token
        for token_id, token in zip(ids, tokens, strict=True)
    )
    words, source_index = _words(source), np.array(word_indices(source))
    positions = iter([index for index, token_id in enumerate(ids) if token_id == UNK])

    def copy_source_word(match: re.Match[str]) -> str:
        marks = [next(positions) for _ in range(match.group().count(_UNKNOWN))]
        totals = np.bincount(source_index, weights[marks].sum(axis=0), len(words))
        word = words[int(totals.argmax())]
        return _PUNCTUATION.sub("", word) or word

    return " ".join(
        _UNKNOWN_WORD.sub(copy_source_word, text).replace(WORD, " ").split()
    )


def _words(tokens: Sequence[str]) -> list[str]:
    return [word for word in "".join(tokens).split(WORD) if word]
