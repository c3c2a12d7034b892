"""Words as features: form, prefixes, suffixes and shape, as ids of one table."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from seq2seq.errors import UserError
from seq2seq.tasks.labels import FIRST
from seq2seq.types import UNK

FEATURES_FILE = "features.json"
AFFIXES = (1, 2, 3, 4)
MIN_COUNT = 2
"""Features that training has less often are unknown, so that UNK is trained."""


def word_features(word: str) -> list[str]:
    """Return the features of a word, as many for each; the form comes first.

    A shape has X for upper case, x for lower case, 0 for digits, each run once.
    """
    form = word.lower()
    shape = re.sub(r"[^\W\d_]", lambda m: "X" if m[0].isupper() else "x", word)
    shape = re.sub(r"(.)\1+", r"\1", re.sub(r"\d", "0", shape))
    padded = f"{form}\0\0\0\0", f"\0\0\0\0{form}"
    return [
        f"w{form}",
        *(f"p{padded[0][:n]}" for n in AFFIXES),
        *(f"s{padded[1][-n:]}" for n in AFFIXES),
        f"x{shape}",
    ]


class FeatureTable:
    """Ids of all features of the training words.

    Args:
        features: The features in the order of their ids.
    """

    def __init__(self, features: Iterable[str]) -> None:
        self.features = list(features)
        self._ids = {feature: i for i, feature in enumerate(self.features, FIRST)}
        self._cache: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return FIRST + len(self.features)

    @classmethod
    def fit(cls, sentences: Iterable[Sequence[str]]) -> FeatureTable:
        """Collect the features of the training words."""
        words = Counter(word for sentence in sentences for word in sentence)
        counts: Counter[str] = Counter()
        for word, count in words.items():
            for feature in word_features(word):
                counts[feature] += count
        return cls(sorted(f for f, count in counts.items() if count >= MIN_COUNT))

    def encode(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Return the ids of the features of each word, (S, K); UNK if unknown."""
        rows = []
        for word in words:
            if word not in self._cache:
                features = word_features(word)
                self._cache[word] = [self._ids.get(f, UNK) for f in features]
            rows.append(self._cache[word])
        return np.array(rows, dtype=np.int64)

    def to_bytes(self) -> bytes:
        """Serialise as JSON."""
        return json.dumps(self.features).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> FeatureTable:
        """Read what `to_bytes` returned.

        Raises:
            UserError: If it is damaged.
        """
        try:
            return cls(json.loads(content))
        except (ValueError, TypeError) as error:
            raise UserError(f"{FEATURES_FILE} is damaged: {error}.") from error
