"""The characters of every token, and string matching over them (Shift-And)."""

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
from seq2seq.utils.word_characters import is_word_character

MAX_BANNED_CHARACTERS = 58
"""Characters of a banned string that are matched; a longer one is truncated there, so
that somewhat more is banned. With the marks of a word's ends they fit into 64 bits."""


class _TokenCharacters(NamedTuple):
    """The characters of all V tokens of a tokenizer.

    Attributes:
        lengths: Number of characters of each token, (V,).
        code_points: Their code points, (V, max_length), -1 where there is none.
        is_word: True at word characters, (V, max_length).
    """

    lengths: NDArray[np.int64]
    code_points: NDArray[np.int64]
    is_word: NDArray[np.bool_]


def token_lengths(target: Tokenizer) -> Tensor:
    """Return the number of characters of each token, (V,)."""
    return torch.from_numpy(_token_characters(target).lengths)


@lru_cache(maxsize=4)
def _token_characters(target: Tokenizer) -> _TokenCharacters:
    texts = [
        token.replace(WORD, " ") for token in target.id_to_tokens(range(len(target)))
    ]
    texts[UNK] = " ⁇ "  # As SentencePiece decodes it.
    max_length = max(map(len, texts))
    code_points = np.full((len(texts), max_length), -1)
    is_word = np.zeros((len(texts), max_length), dtype=bool)
    for row, text in enumerate(texts):
        code_points[row, : len(text)] = [ord(character) for character in text]
        is_word[row, : len(text)] = [is_word_character(character) for character in text]
    return _TokenCharacters(np.array([*map(len, texts)]), code_points, is_word)


@lru_cache(maxsize=256)
def compile_banned_string(
    target: Tokenizer,
    text: str,
    *,
    word_start: bool = False,
    word_end: bool = False,
    word_continues: bool = False,
) -> BannedString:
    """Compute the Shift-And transitions of every token for one string.

    Args:
        target: The tokenizer.
        text: The string, at least one character.
        word_start: Whether it matches only at the beginning of a word.
        word_end: Whether it matches only where the word does not continue within the
            token; that it continues in the next token is not foreseen.
        word_continues: Whether it matches only with another word character after it.

    Source: Baeza-Yates and Gonnet 1992, section 3, for runs of characters.
    """
    lengths, code_points, is_word = _token_characters(target)
    if len(text) > MAX_BANNED_CHARACTERS and word_continues:
        text = text[-MAX_BANNED_CHARACTERS:]
    elif len(text) > MAX_BANNED_CHARACTERS:
        text, word_end = text[:MAX_BANNED_CHARACTERS], False
    word_start = word_start and is_word_character(text[0])
    word_end = word_end and is_word_character(text[-1])
    size = word_start + len(text) + word_continues
    final = np.int64(1 << size)
    survive_mask = np.full(len(lengths), -1)
    set_mask = np.ones(len(lengths), dtype=np.int64)
    match_mask = np.zeros(len(lengths), dtype=np.int64)
    for position in range(code_points.shape[1]):
        has_character = position < lengths
        # The bits that each token's next character lets through.
        transition = np.zeros(len(lengths), dtype=np.int64)
        for bit, character in enumerate(text, 1 + word_start):
            transition[code_points[:, position] == ord(character)] |= 1 << bit
        if word_start:
            transition[~is_word[:, position]] |= 2
        if word_continues:
            transition[is_word[:, position]] |= final
        survive_mask = np.where(
            has_character, (survive_mask << (position > 0)) & transition, survive_mask
        )
        set_mask = np.where(has_character, ((set_mask << 1) & transition) | 1, set_mask)
        can_match = has_character.copy()
        if word_end and position + 1 < code_points.shape[1]:
            can_match &= ~is_word[:, position + 1]
        match_mask[can_match & ((set_mask & final) != 0)] |= 1
        if position < size:
            completed = can_match & ((survive_mask & final) != 0)
            match_mask[completed] |= 1 << (size - position - 1)
    matching = match_mask.nonzero()[0]
    return BannedString(
        3 if word_start else 1,
        torch.from_numpy(survive_mask),
        torch.from_numpy(set_mask),
        torch.from_numpy(matching),
        torch.from_numpy(match_mask[matching]),
    )
