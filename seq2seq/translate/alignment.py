"""Word alignments from attention weights, and replacement of unknown tokens.

Words are separated by blanks, which the tokenizer makes of all white space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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


class AlignmentBlock(NamedTuple):
    """The attention weights of one segment in the matrix of its line.

    Attributes:
        row: Index of its first target word.
        column: Index of its first source word.
        weights: Attention weights, (target words, source words).
    """

    row: int
    column: int
    weights: Weights


@dataclass(frozen=True)
class Alignment:
    """A soft alignment of target words with source words.

    Attributes:
        source: The source's words.
        target: The translation's words.
        blocks: The attention weights of each segment, which are the matrix where they
            are not zero; words that two segments share are in two blocks.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    blocks: tuple[AlignmentBlock, ...]

    @property
    def weights(self) -> Weights:
        """Attention weights, (target words, source words), without the source's EOS.

        A word of several segments has the mean of their weights.
        """
        shape = len(self.target), len(self.source)
        weights: Weights = np.zeros(shape, dtype=np.float32)
        counts = np.zeros((len(self.target), 1), dtype=np.float32)
        for row, column, block in self.blocks:
            height, width = block.shape
            weights[row : row + height, column : column + width] += block
            counts[row : row + height] += 1
        weights /= counts.clip(min=1)
        return weights

    def links(self) -> list[tuple[int, int]]:
        """Link each target word to the source word with its greatest weight.

        Returns:
            Pairs of source and target index, from 0, sorted.
        """
        counts = np.zeros(len(self.target), dtype=np.int64)
        for row, _, block in self.blocks:
            counts[row : row + len(block)] += 1
        links = []
        shared: dict[int, list[tuple[int, Weights]]] = {}
        for row, column, block in self.blocks:
            if not block.size:
                continue
            best = column + block.argmax(axis=1)
            for target, source in enumerate(best.tolist(), row):
                if counts[target] == 1:
                    links.append((source, target))
                else:
                    part = column, block[target - row]
                    shared.setdefault(target, []).append(part)
        for target, parts in shared.items():
            start = parts[0][0]
            end = max(column + len(weights) for column, weights in parts)
            total = np.zeros(end - start, dtype=np.float32)
            for column, weights in parts:
                total[column - start : column - start + len(weights)] += weights
            links.append((start + int(total.argmax()), target))
        return sorted(links)

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
    block = AlignmentBlock(0, 0, words)
    return Alignment(tuple(_words(source)), tuple(_words(target)), (block,))


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
    blocks: list[AlignmentBlock] = []
    for alignment, *spaces in zip(
        alignments, source_spaces, target_spaces, strict=True
    ):
        row = _append_words(target, alignment.target, space=spaces[1])
        column = _append_words(source, alignment.source, space=spaces[0])
        blocks += [
            AlignmentBlock(row + block.row, column + block.column, block.weights)
            for block in alignment.blocks
        ]
    return Alignment(tuple(source), tuple(target), tuple(blocks))


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
