"""Cutting words anew, at random: the same seed cuts the same way in every process.

Knows pieces and their scores; not SentencePiece, whose own sampling mixes a number of
the process into every seed (0.2.3), so that a run that was continued would be cut
unlike one that was not.
"""

from __future__ import annotations

import math
import re
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate, pairwise
from random import Random
from typing import NamedTuple

WORDS_AT_MOST = 1 << 16  # Whose lattices are kept, so that the frequent are found.

_WORD = re.compile("▁[^▁]*|[^▁]+")  # Pieces stop before the mark of a blank.


class _Ends(NamedTuple):
    """The pieces that end at one position of a word."""

    starts: list[int]
    ids: list[int]
    shares: list[float]  # Cumulative, up to about 1.


class Sampler:
    """Draws segmentations.

    Args:
        pieces: The vocabulary; None where an id stands for no text.
        scores: Log-probabilities (unigram), or minus the order of merging (bpe).
        share: The exponent of a segmentation's probability (unigram), or the share of
            merges left out at each step (bpe).

    Source: Kudo 2018, section 3, drawn by forward filtering and backward sampling
    (unigram); Provilkov et al. 2020, algorithm 1 (bpe).
    """

    def __init__(
        self, pieces: Sequence[str | None], scores: Sequence[float], share: float
    ) -> None:
        known = [(i, piece) for i, piece in enumerate(pieces) if piece]
        self.ids = {piece: i for i, piece in known}
        self.scores = {piece: scores[i] for i, piece in known}
        self.longest = max(map(len, self.ids), default=0)
        self.share = share
        # SentencePiece numbers merges; log-probabilities are never whole numbers.
        self.merges = all(scores[i] == -n for n, (i, _) in enumerate(known))
        self._lattices: dict[str, list[_Ends]] = {}

    def cut(self, text: str, random: Random) -> list[int] | None:
        """Draw the ids of a line, blanks written as "▁"; None if it has no cut."""
        found: list[int] = []
        for word in _WORD.findall(text):
            cut = self._merge(word, random) if self.merges else self._walk(word, random)
            if cut is None:
                return None
            found += cut
        return found

    def _walk(self, word: str, random: Random) -> list[int] | None:
        """Go back from the end of a word, piece by piece, each by its share."""
        lattice = self._lattices.get(word)
        if lattice is None:
            lattice = self._lattice(word)
            if len(self._lattices) == WORDS_AT_MOST:
                self._lattices.clear()
            self._lattices[word] = lattice
        found: list[int] = []
        place = len(word)
        while place:
            ends = lattice[place]
            if not ends.ids:
                return None
            drawn = bisect(ends.shares, random.random(), hi=len(ends.ids) - 1)
            found.append(ends.ids[drawn])
            place = ends.starts[drawn]
        return found[::-1]

    def _lattice(self, word: str) -> list[_Ends]:
        """Sum up, for each position, all ways that lead there."""
        totals = [0.0]
        lattice = [_Ends([], [], [])]
        for end in range(1, len(word) + 1):
            starts, ids, weights = [], [], []
            for start in range(max(0, end - self.longest), end):
                piece = word[start:end]
                if piece in self.ids and totals[start] > -math.inf:
                    starts.append(start)
                    ids.append(self.ids[piece])
                    weights.append(totals[start] + self.share * self.scores[piece])
            most = max(weights, default=-math.inf)
            ways = [math.exp(weight - most) for weight in weights]
            totals.append(most + math.log(sum(ways)) if ways else -math.inf)
            shares = [way / sum(ways) for way in ways]
            lattice.append(_Ends(starts, ids, list(accumulate(shares))))
        return lattice

    def _merge(self, word: str, random: Random) -> list[int] | None:
        """Join neighbours, the best first, leaving some out at each step."""
        parts = list(word)
        while True:
            joins = [
                (self.scores[left + right], -place)
                for place, (left, right) in enumerate(pairwise(parts))
                if left + right in self.scores and random.random() >= self.share
            ]
            if not joins:
                break
            place = -max(joins)[1]
            parts[place : place + 2] = ["".join(parts[place : place + 2])]
        if not all(part in self.ids for part in parts):
            return None
        return [self.ids[part] for part in parts]
