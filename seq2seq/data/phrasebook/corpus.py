"""The embedded corpus: a weighted synchronous grammar of English and German.

Every English sentence is built together with its one German translation, so a model
can be exact. Gender, case, number, verb-second and verb-final order, separable verbs
and two perfects have to be learned. Knows splits and which combinations of words are
held out; not how a sentence is drawn (`sentences`, `clauses`) or built (`grammar`),
not words, files, pieces or tensors.

**What is held out.** A sentence is made of combinations: a verb with each noun that
depends on it (subject, object or place), a noun with its adjective, its numeral or the
noun it is compared with, an hour with its minutes, a month with its day. A CRC-32 of
the two English words puts 3 in 100 combinations aside for `test` and 3 for `valid`.
A `train` sentence holds none of those; a `test` sentence holds at least one for test
and none for valid, and the reverse. So the splits share every word and every
construction, but no sentence: what is tested is new combinations of known words.

**One translation.** "you" is always "du"; the English past is the German Perfekt (only
"be" keeps its Präteritum), and the English perfect always has "already" or "yet",
which is "schon" or "noch". A time stands first in German if it does in English.
"""

import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from seq2seq.data.phrasebook.clauses import Draw
from seq2seq.data.phrasebook.grammar import (
    BE,
    Clause,
    Phrase,
    clause,
    counted,
    joined,
    noun_phrase,
    prepositional,
    pronoun,
    question,
    sentence,
    statement,
    subordinate,
)
from seq2seq.data.phrasebook.lexicon import Pair
from seq2seq.data.phrasebook.numbers_and_dates import clock, date
from seq2seq.data.phrasebook.sentences import KINDS

# The grammar is part of what this room offers, so that nobody needs to know its rooms.
__all__ = [
    "BE",
    "VERSION",
    "Clause",
    "Pair",
    "Phrase",
    "Split",
    "clause",
    "clock",
    "counted",
    "date",
    "held_out",
    "joined",
    "noun_phrase",
    "phrase_pairs",
    "prepositional",
    "pronoun",
    "question",
    "sentence",
    "statement",
    "subordinate",
]

VERSION = 4
"""Raised whenever `phrase_pairs` yields other sentences than before."""

Split = Literal["train", "valid", "test"]

_SPLITS: dict[str, int] = {"train": 0, "valid": 1, "test": 2}  # bits of a held-out mark
_HELD_PERCENT = 3
_MOST_WORDS = 12


def held_out(head: str, dependent: str) -> int:
    """Say for which split two words in combination are kept: 0 train, 1 valid, 2 test.

    CRC-32 is the same on every platform and in every Python version.
    """
    bucket = zlib.crc32(f"{head} {dependent}".encode()) % 100
    if bucket < _HELD_PERCENT:
        return _SPLITS["test"]
    return _SPLITS["valid"] if bucket < 2 * _HELD_PERCENT else _SPLITS["train"]


_held = lru_cache(maxsize=None)(held_out)  # bounded by the lexicon


def phrase_pairs(split: Split, *, count: int, seed: int = 0) -> Iterator[Pair]:
    """Yield English sentences with their German translations.

    The pairs depend on the arguments alone, on every platform, and the first n of a
    larger count are the same. Pairs of `train` repeat as chance has it; those of
    `valid` and `test` are all different, so memory grows with their count only.

    Args:
        split: train, valid or test; the module docstring says what is held out.
        count: How many pairs, at least 0.
        seed: Draws other sentences; which combinations are held out stays the same.

    Yields:
        (English, German), each with a capital and a final mark.

    Raises:
        ValueError: If the split has another name or the count is negative.
    """
    if split not in _SPLITS:
        raise ValueError(
            f"The phrasebook has no split {split!r}; use one of {', '.join(_SPLITS)}."
        )
    if count < 0:
        raise ValueError(f"count is {count}, but must be at least 0.")
    return _draw_pairs(split, count, seed)


def _draw_pairs(split: str, count: int, seed: int) -> Iterator[Pair]:
    draw, wanted = Draw(f"{seed}/{split}/{VERSION}"), _SPLITS[split]
    seen: set[str] = set()
    while count:
        draw.combinations.clear()
        pair = draw.pick(KINDS)(draw)
        marks = 0
        for head, dependent in draw.combinations:
            marks |= _held(head, dependent)
        # marks is wanted only if no combination of another split is in the sentence.
        too_long = pair[0].count(" ") >= _MOST_WORDS
        if marks != wanted or too_long or pair[0] in seen:
            continue
        if wanted:
            seen.add(pair[0])
        count -= 1
        yield pair
