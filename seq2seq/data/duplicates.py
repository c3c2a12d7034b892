"""Which texts came before, in 8 bytes each. Knows hashes; not what text is for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]


def text_hashes(texts: Iterable[str]) -> Hashes:
    """Return 8 bytes instead of each text.

    A chance of 1 in 10^6 that any two of 5 million texts share them.
    """
    digests = (hashlib.blake2b(each.encode(), digest_size=8).digest() for each in texts)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


class Deduplicator:
    """The hashes that came so far, in sorted runs, each over twice as long as the next.

    A run joins the one before once that is shorter than twice its length, so there are
    few of them, and a hash is moved as often as the number of hashes can be halved.
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def is_new(self, found: Hashes) -> NDArray[np.bool_]:
        """Say which hashes come for the first time, (texts,), and remember them."""
        new = np.zeros(len(found), dtype=bool)
        new[np.unique(found, return_index=True)[1]] = True
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, found), len(run) - 1)
            new &= run[places] != found
        run = np.sort(found[new])
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            # A stable sort merges what is sorted already.
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        if len(run):
            self._runs.append(run)
        return new
