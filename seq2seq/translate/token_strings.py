"""The letters of a tokenizer's pieces, and how each piece goes on with a text.

Knows text and pieces; not searches, lines or why a text is looked for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.search.banned_strings import BannedString
from seq2seq.translate.input_splitting import WORD
from seq2seq.types import UNK

LETTERS_AT_MOST = 58
"""Letters of a forbidden text that are followed; a longer one is cut off there, so that
somewhat more is avoided. With the marks of a word's ends they fit into 64 bits."""


def is_word_char(letter: str) -> bool:
    """Say whether it is what regular expressions call a word's letter."""
    return letter.isalnum() or letter == "_"


class _Letters(NamedTuple):
    """The letters of all pieces of a tokenizer.

    Attributes:
        counts: How many each has, (V,).
        codes: Their code points, (V, longest), -1 where there is none.
        in_word: Which of them a word is made of, (V, longest).
    """

    counts: NDArray[np.int64]
    codes: NDArray[np.int64]
    in_word: NDArray[np.bool_]


def token_lengths(target: Tokenizer) -> Tensor:
    """Return how many letters each piece has, (V,)."""
    return torch.from_numpy(_letters(target).counts)


@lru_cache(maxsize=4)
def _letters(target: Tokenizer) -> _Letters:
    spelt = [
        piece.replace(WORD, " ") for piece in target.id_to_tokens(range(len(target)))
    ]
    spelt[UNK] = " ⁇ "  # As SentencePiece writes it.
    longest = max(map(len, spelt))
    codes = np.full((len(spelt), longest), -1)
    within = np.zeros((len(spelt), longest), dtype=bool)
    for row, text in enumerate(spelt):
        codes[row, : len(text)] = [ord(letter) for letter in text]
        within[row, : len(text)] = [is_word_char(letter) for letter in text]
    return _Letters(np.array([*map(len, spelt)]), codes, within)


@lru_cache(maxsize=256)
def compile_banned_string(
    target: Tokenizer,
    text: str,
    *,
    begins: bool = False,
    ends: bool = False,
    goes_on: bool = False,
) -> BannedString:
    """Work out how every piece of a tokenizer goes on with a text.

    Args:
        target: The tokenizer.
        text: At least one letter.
        begins: Whether it counts only at the beginning of a word.
        ends: Whether it counts only where a word does not go on after it within the
            piece; that it does in the next piece is not foreseen.
        goes_on: Whether it counts only with another letter of the word after it.

    Source: Baeza-Yates and Gonnet 1992, section 3, for runs of letters.
    """
    counts, codes, within = _letters(target)
    if len(text) > LETTERS_AT_MOST and goes_on:
        text = text[-LETTERS_AT_MOST:]
    elif len(text) > LETTERS_AT_MOST:
        text, ends = text[:LETTERS_AT_MOST], False
    begins, ends = begins and is_word_char(text[0]), ends and is_word_char(text[-1])
    size = begins + len(text) + goes_on
    final = np.int64(1 << size)
    carried = np.full(len(counts), -1)
    begun = np.ones(len(counts), dtype=np.int64)
    completing = np.zeros(len(counts), dtype=np.int64)
    for place in range(codes.shape[1]):
        there = place < counts
        # The bits that each piece's next letter lets through.
        through = np.zeros(len(counts), dtype=np.int64)
        for number, letter in enumerate(text, 1 + begins):
            through[codes[:, place] == ord(letter)] |= 1 << number
        if begins:
            through[~within[:, place]] |= 2
        if goes_on:
            through[within[:, place]] |= final
        carried = np.where(there, (carried << (place > 0)) & through, carried)
        begun = np.where(there, ((begun << 1) & through) | 1, begun)
        whole = there.copy()
        if ends and place + 1 < codes.shape[1]:
            whole &= ~within[:, place + 1]
        completing[whole & ((begun & final) != 0)] |= 1
        if place < size:
            completing[whole & ((carried & final) != 0)] |= 1 << (size - place - 1)
    able = completing.nonzero()[0]
    return BannedString(
        3 if begins else 1,
        torch.from_numpy(carried),
        torch.from_numpy(begun),
        torch.from_numpy(able),
        torch.from_numpy(completing[able]),
    )
