"""The phrasebook: sentence pairs of a weighted synchronous grammar, in three splits.

Every English sentence is generated together with its one German translation, so a model
can be exact. It has to learn gender, case, number, verb-second and verb-final order,
separable verbs and two perfects.

**Held-out combinations.** A sentence is made of combinations: a verb with each noun
that depends on it (subject, object or location), a noun with its adjective, its numeral
or the noun it is compared with, an hour with its minutes, a month with its day. A
CRC-32 of the two English words holds out 3 in 100 combinations for `test` and 3 for
`valid`. A `train` sentence contains none of those; a `test` sentence contains at least
one for test and none for valid, and the reverse. So the splits share every word and
every construction, but no sentence: the test is of new combinations of known words
(compositional generalisation).

**One translation.** "you" is always "du"; the English past is the German Perfekt (only
"be" keeps its Präteritum), and the English perfect always has "already" or "yet",
which is "schon" or "noch". A time stands first in German if it does in English.
"""

import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from seq2seq.data.phrasebook.clauses import Sampler
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

# Re-exports the grammar, so that users of the package need this module only.
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
"""Is incremented whenever `phrase_pairs` yields other sentences than before."""

Split = Literal["train", "valid", "test"]

_SPLITS: dict[str, int] = {
    "train": 0,
    "valid": 1,
    "test": 2,
}  # Bits of a held-out mark.
_HELD_OUT_PERCENT = 3
_MAX_WORDS = 12


def held_out(head: str, dependent: str) -> int:
    """Return the split of a combination of two words: 0 train, 1 valid, 2 test.

    CRC-32 is the same on every platform and in every Python version.
    """
    bucket = zlib.crc32(f"{head} {dependent}".encode()) % 100
    if bucket < _HELD_OUT_PERCENT:
        return _SPLITS["test"]
    return _SPLITS["valid"] if bucket < 2 * _HELD_OUT_PERCENT else _SPLITS["train"]


_cached_held_out = lru_cache(maxsize=None)(held_out)  # Bounded by the lexicon.


def phrase_pairs(split: Split, *, count: int, seed: int = 0) -> Iterator[Pair]:
    """Sample English sentences with their German translations.

    The pairs depend on the arguments alone, on every platform, and a smaller count
    yields a prefix of a larger one. Pairs of `train` may repeat; those of `valid` and
    `test` are distinct, so memory grows with their count only.

    Args:
        split: train, valid or test; for what is held out see the module docstring.
        count: Number of pairs, at least 0.
        seed: Seed of the sampler; the held-out combinations do not depend on it.

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
    return _sample_pairs(split, count, seed)


def _sample_pairs(split: str, count: int, seed: int) -> Iterator[Pair]:
    sampler, split_mark = Sampler(f"{seed}/{split}/{VERSION}"), _SPLITS[split]
    seen: set[str] = set()
    while count:
        sampler.combinations.clear()
        pair = sampler.pick(KINDS)(sampler)
        marks = 0
        for head, dependent in sampler.combinations:
            marks |= _cached_held_out(head, dependent)
        # The marks equal split_mark only if no combination is of another split.
        too_long = pair[0].count(" ") >= _MAX_WORDS
        if marks != split_mark or too_long or pair[0] in seen:
            continue
        if split_mark:
            seen.add(pair[0])
        count -= 1
        yield pair
