"""Which side of a corpus a sentence is from, by its words: naive Bayes on the corpus.

It tells swapped pairs without any model of languages, so in every language.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

# Ideographs and kana one by one, other letters as words.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]+")
_MARGIN = 3.0  # Nats: 20 times more probable the other way round.


class SideWords:
    """Word counts of both sides.

    Args:
        sources: Sentences of the source side, few of which are targets.
        targets: Sentences of the target side.
    """

    def __init__(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        self._counts = [Counter[str](), Counter[str]()]
        for counts, side in zip(self._counts, (sources, targets), strict=True):
            for text in side:
                counts.update(_words(text))
        self._totals = [counts.total() for counts in self._counts]

    def is_swapped(self, source: str, target: str) -> bool:
        """Return whether a pair of the corpus is more probable the other way round.

        Its own words are subtracted from the counts, so that it proves nothing about
        itself, and both sides must be more probable as the other.
        """
        own = Counter(_words(source)), Counter(_words(target))
        odds = [self._odds(text, own) for text in own]
        return odds[0] <= 0 <= odds[1] and odds[1] - odds[0] > _MARGIN

    def _odds(self, words: Counter[str], own: Sequence[Counter[str]]) -> float:
        """Return the log-odds of words to be of the source side."""
        odds = 0.0
        for word, times in words.items():
            first, second = (
                (max(0, counts[word] - mine[word]) + 0.1) / (total + 1)
                for counts, mine, total in zip(
                    self._counts, own, self._totals, strict=True
                )
            )
            odds += times * math.log(first / second)
        return odds


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
