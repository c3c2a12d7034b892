"""From attention over pieces to links between words.

Knows pieces as text and weights; not networks, searches or files. Words are what blanks
separate once the tokenizer has made all white space blanks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seq2seq.translate.input_splitting import WORD
from seq2seq.types import UNK

Weights = NDArray[np.float32]

_MARK = "\uffff"  # No character: no text holds it.
# What an unknown piece is part of: letters and digits around it, but for scripts that
# put no blanks between words.
_UNIT = re.compile(
    rf"(?:{_MARK}|[^\W\u2e80-\uffff])*{_MARK}(?:{_MARK}|[^\W\u2e80-\uffff])*"
)
_EDGES = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True)
class Alignment:
    """How much each target word read of each source word.

    Attributes:
        source: The source's words.
        target: The translation's words.
        weights: Shares of attention, (target words, source words); what was read of
            the end of the sentence is left out.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: Weights

    def links(self) -> list[tuple[int, int]]:
        """Link each target word to the source word that it read most of.

        Returns:
            Pairs of source and target word, from 0, in the source's order.
        """
        if not self.weights.size:
            return []
        best = self.weights.argmax(axis=1)
        return sorted((int(source), target) for target, source in enumerate(best))

    def pharaoh(self) -> str:
        """Write the links as programs for word alignment do: 0-0 1-2 2-1."""
        return " ".join(f"{source}-{target}" for source, target in self.links())


def align(source: Sequence[str], target: Sequence[str], weights: Weights) -> Alignment:
    """Join pieces to words.

    Args:
        source: The source's pieces.
        target: The translation's pieces.
        weights: What each target piece read, (target pieces, source pieces).
    """
    rows, columns = word_indices(source), word_indices(target)
    words = np.zeros((len(_words(target)), len(_words(source))), dtype=np.float32)
    if words.size:
        summed = np.zeros((len(target), words.shape[1]), dtype=np.float32)
        np.add.at(summed.T, rows, weights.T)
        np.add.at(words, columns, summed)
        words /= np.bincount(columns, minlength=len(words))[:, None].clip(min=1)
    return Alignment(tuple(_words(source)), tuple(_words(target)), words)


def concatenate(alignments: Sequence[Alignment]) -> Alignment:
    """Put the alignments of a line's parts one after another."""
    source = tuple(word for each in alignments for word in each.source)
    target = tuple(word for each in alignments for word in each.target)
    weights = np.zeros((len(target), len(source)), dtype=np.float32)
    row = column = 0
    for each in alignments:
        height, width = each.weights.shape
        weights[row : row + height, column : column + width] = each.weights
        row, column = row + height, column + width
    return Alignment(source, target, weights)


def word_indices(pieces: Sequence[str]) -> list[int]:
    """Say which word each piece belongs to; a lone "▁" to the word that it begins."""
    found: list[int] = []
    words, fresh = 0, True
    for piece in pieces:
        own: int | None = None
        for character in piece:
            if character == WORD:
                fresh = True
                continue
            words, fresh = words + fresh, False
            own = words - 1 if own is None else own
        found.append(words if own is None else own)
    return [min(number, max(words - 1, 0)) for number in found]


def replace_unknowns(
    ids: Sequence[int],
    pieces: Sequence[str],
    source: Sequence[str],
    weights: Weights,
) -> str:
    """Write a translation with source words in the place of unknown pieces.

    The unknown piece and the letters around it, which are what is left of the word,
    become the source word that the piece read most of, without punctuation.

    Args:
        ids: The translation's pieces.
        pieces: The same as text.
        source: The source's pieces as text.
        weights: What each target piece read, (target pieces, source pieces).

    Source: Luong et al. 2015 (Addressing the rare word problem), section 3.3; Jean et
    al. 2015, section 3.3, from where the attention's link is.
    """
    unknown = [place for place, piece in enumerate(ids) if piece == UNK]
    text = "".join(
        _MARK if ids[place] == UNK else piece for place, piece in enumerate(pieces)
    )
    words, numbers = _words(source), np.array(word_indices(source))
    waiting = iter(unknown)

    def copied(found: re.Match[str]) -> str:
        marks = [next(waiting) for _ in range(found.group().count(_MARK))]
        shares = np.bincount(numbers, weights[marks].sum(axis=0), len(words))
        word = words[int(shares.argmax())]
        return _EDGES.sub("", word) or word

    return " ".join(_UNIT.sub(copied, text).replace(WORD, " ").split())


def _words(pieces: Sequence[str]) -> list[str]:
    return [word for word in "".join(pieces).split(WORD) if word]
