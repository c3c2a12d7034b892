"""Near duplicates among many sentences: groups, and sentences that leaked elsewhere.

Two sentences are near if they are equal when case, digits, punctuation and white space
are folded, or if their Indel similarity (rapidfuzz' ratio, 2 LCS / (n + m)) is at least
90%. Not all pairs are compared but those that share a key, as in blocking for record
linkage (Christen 2012, A Survey of Indexing Techniques, section 3). Keys are made of
folded text, for classes of length, so that sentences of 0.8 to 1.25 times the length
share a class. They are of two kinds:

- the first p and the last s characters together, for a grid of p + s = 75% of the
  length: an edit in one place leaves both as they were, wherever it is;
- some of the n-grams of 30% of the length, those with the smallest hashes: edits at
  both ends leave the middle as it was.

A key that too many sentences share is compared up to a bound, so that time and memory
grow in proportion to the number of sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from seq2seq.data.filtering import text_hashes
from seq2seq.utils.text import fold

RATIO = 90
"""Percent of similarity, from which on sentences are near duplicates."""

_CHUNK = 20_000  # Sentences whose keys are computed at a time.
_LONGEST = 2000  # Characters that keys are made of: the first and the last half.
_KEPT = 0.86  # Of a folded text that a near one shares: less than 90%, without spaces.
_STEP = 0.14  # Of the grid of p and s.
_GRAM = 0.3
_GRAMS = 3  # Expected of each sentence and class.
_MAX_DISTANCE = 64  # Between two of a key, in the order of its sentences.
_COMPARISONS = 3  # At most of each entry of a column of keys, on average.

_U = np.uint64
_BASE = 0x9E3779B97F4A7C15
_Indices = NDArray[np.int64]
_Hashes = NDArray[np.uint64]


class _Column(NamedTuple):
    """Entries of an index: sentences that have the same key may be near.

    Attributes:
        nodes: Indices of sentences.
        keys: A key of each.
    """

    nodes: _Indices
    keys: _Hashes


def is_near(first: str, second: str) -> bool:
    """Return whether two sentences are near duplicates."""
    if _folded(first) == _folded(second):
        return True
    return fuzz.ratio(first, second, score_cutoff=RATIO) >= RATIO


def near_groups(
    sides: Sequence[Sequence[str]], *, on: Literal["either", "both"] = "either"
) -> _Indices:
    """Group rows of sentences by near duplicates, transitively.

    Args:
        sides: Columns of equally many sentences, such as sources and targets.
        on: Whether two rows belong together that are near on one of the sides, or
            those alone that are on both (all).

    Returns:
        For each row the lowest row of its group.
    """
    forest = _Forest(len(sides[0]))
    columns = [_Texts.of(side) for side in sides]
    for compared in [columns] if on == "both" else [[column] for column in columns]:
        # What is equal when folded belongs together without a comparison.
        hashes = _combined([column.hashes for column in compared])
        first, inverse = np.unique(hashes, return_index=True, return_inverse=True)[1:]
        forest.unite(first[inverse], np.arange(len(hashes)))
        exact = _combined([text_hashes(column.texts) for column in compared])
        rows = np.sort(np.unique(exact, return_index=True)[1])
        distinct = [column.take(rows) for column in compared]
        for column in _columns(distinct[0].texts):
            _unite_column(forest, column, distinct, rows)
    return forest.roots(np.arange(len(sides[0])))


def unite_labels(groups: _Indices, names: Sequence[str]) -> _Indices:
    """Unite the groups of rows that have the same name, such as that of a document.

    Args:
        groups: The lowest row of each row's group.
        names: A name of each row; those without one keep their groups.
    """
    forest = _Forest(len(groups))
    forest.unite(groups, np.arange(len(groups)))
    rows = np.flatnonzero([bool(name) for name in names])
    hashes = text_hashes(names[int(row)] for row in rows)
    first, inverse = np.unique(hashes, return_index=True, return_inverse=True)[1:]
    forest.unite(rows[first[inverse]], rows)
    return forest.roots(np.arange(len(groups)))


class _Texts(NamedTuple):
    """Sentences with their lengths, and hashes of them folded."""

    texts: NDArray[np.object_]
    lengths: _Indices
    hashes: _Hashes

    @classmethod
    def of(cls, texts: Sequence[str]) -> _Texts:
        array = np.empty(len(texts), object)
        array[:] = texts
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        return cls(array, lengths, text_hashes(map(_folded, texts)))

    def take(self, rows: _Indices) -> _Texts:
        return _Texts(self.texts[rows], self.lengths[rows], self.hashes[rows])


def _combined(hashes: Sequence[_Hashes]) -> _Hashes:
    combined = hashes[0]
    for other in hashes[1:]:
        combined = _mix(combined) + other
    return combined


class NearIndex:
    """Sentences, to find those that have a near duplicate in another text.

    Args:
        texts: The sentences, such as those of a held-out split.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = _Texts.of(texts)
        self._columns = []
        for nodes, keys in _columns(texts):
            order = np.argsort(keys, kind="stable")
            self._columns.append(_Column(nodes[order], keys[order]))
        self.near = np.zeros(len(texts), bool)
        """Of each sentence, whether a near one has come."""

    def compare(self, others: Sequence[str]) -> None:
        """Mark the sentences that are near one of the others."""
        there = _Texts.of(others)
        self.near |= np.isin(self._texts.hashes, there.hashes)
        for column, (nodes, keys) in zip(self._columns, _columns(others), strict=False):
            start = np.searchsorted(column.keys, keys, "left")
            stop = np.searchsorted(column.keys, keys, "right")
            entries = np.flatnonzero(stop > start)
            for distance in range(_MAX_DISTANCE):
                entries = entries[start[entries] + distance < stop[entries]]
                if not len(entries):
                    break
                rows = column.nodes[start[entries] + distance]
                unknown = ~self.near[rows]
                rows = rows[unknown]
                pairs = self._texts.take(rows), there.take(nodes[entries[unknown]])
                self.near[rows[_are_near(*pairs)]] = True


class _Forest:
    """Disjoint sets of rows (Tarjan 1975), of which many are united at a time."""

    def __init__(self, size: int) -> None:
        self._parents = np.arange(size)

    def roots(self, rows: _Indices) -> _Indices:
        roots = self._parents[rows]
        while not np.array_equal(above := self._parents[roots], roots):
            roots = above
        self._parents[rows] = roots
        return roots

    def unite(self, first: _Indices, second: _Indices) -> None:
        while len(first):
            roots = self.roots(first), self.roots(second)
            apart = roots[0] != roots[1]
            first, second = (root[apart] for root in roots)
            # Of several that hang one root elsewhere the last wins; the others follow.
            self._parents[np.maximum(first, second)] = np.minimum(first, second)


def _unite_column(
    forest: _Forest,
    column: _Column,
    compared: Sequence[_Texts],
    rows: _Indices,
) -> None:
    """Unite the rows of near sentences that share a key of a column.

    Args:
        forest: The rows.
        column: The keys.
        compared: The sentences; all sides must be near.
        rows: The row of each sentence.
    """
    order = np.argsort(column.keys, kind="stable")
    keys, nodes = column.keys[order], column.nodes[order]
    budget = _COMPARISONS * len(keys)
    entries = np.flatnonzero(keys[1:] == keys[:-1])
    for distance in range(1, _MAX_DISTANCE + 1):
        entries = entries[entries + distance < len(keys)]
        entries = entries[keys[entries + distance] == keys[entries]]
        if not len(entries) or budget <= 0:
            return
        first, second = nodes[entries], nodes[entries + distance]
        apart = forest.roots(rows[first]) != forest.roots(rows[second])
        first, second = first[apart], second[apart]
        for side in compared:
            near = _are_near(side.take(first), side.take(second))
            budget -= len(near)
            first, second = first[near], second[near]
        forest.unite(rows[first], rows[second])


def _are_near(first: _Texts, second: _Texts) -> NDArray[np.bool_]:
    """Return which sentences are near, row by row."""
    near = np.asarray(first.hashes == second.hashes)
    # 2 min / (min + max) is the greatest ratio that the lengths allow.
    short = np.minimum(first.lengths, second.lengths)
    possible = 200 * short >= RATIO * (first.lengths + second.lengths)
    rows = np.flatnonzero(possible & ~near)
    if len(rows):
        texts = first.texts[rows], second.texts[rows]
        near[rows] = process.cpdist(*texts, scorer=fuzz.ratio, score_cutoff=RATIO) > 0
    return near


def _folded(text: str) -> str:
    """Fold a sentence; one without letters and digits, such as "...", stays itself."""
    return fold(text) or text


def _columns(texts: Sequence[str] | NDArray[np.object_]) -> Iterator[_Column]:
    """Yield the columns of keys of sentences: those of their ends, that of n-grams.

    Columns in the same place are of the same kind, whatever the sentences.
    """
    parts: dict[int, list[_Column]] = {}
    for start in range(0, len(texts), _CHUNK):
        chunk = _Prefixes([fold(text) for text in texts[start : start + _CHUNK]])
        for kind, (nodes, keys) in enumerate(chunk.columns()):
            parts.setdefault(kind, []).append(_Column(nodes + start, keys))
    for kind in sorted(parts):
        yield _joined(parts.pop(kind))


def _joined(columns: Iterable[_Column]) -> _Column:
    nodes, keys = zip(*columns, strict=True)
    return _Column(np.concatenate(nodes), np.concatenate(keys))


def _powers(base: int) -> _Hashes:
    powers = np.full(_LONGEST + 1, base, _U)
    powers[0] = 1
    return np.cumprod(powers)


_POWERS = _powers(_BASE)
_INVERSE_POWERS = _powers(pow(_BASE, -1, 1 << 64))


def _length_classes() -> _Indices:
    lengths = [1]
    while lengths[-1] <= _LONGEST:
        lengths.append(max(lengths[-1] + 1, -(-lengths[-1] * 5 // 4)))
    return np.array(lengths)


_CLASSES = _length_classes()
_GRID = 1 + max(
    -(-max(1, int(_KEPT * m) - max(1, int(_STEP * m)) + 1) // max(1, int(_STEP * m)))
    for m in map(int, _CLASSES)
)
"""Number of positions in the grid of p and s, of the class that has most."""


def _mix(hashes: NDArray[Any]) -> _Hashes:
    """Spread what is similar over all 64 bits (SplitMix64; Steele et al. 2014)."""
    mixed = (hashes.astype(_U) + _U(1)) * _U(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> _U(29)
    mixed *= _U(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> _U(32)))


class _Prefixes:
    """Polynomial hashes of all substrings, modulo 2^64 (Karp and Rabin 1987).

    Args:
        texts: The texts, folded.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        half = _LONGEST // 2
        texts = [t if len(t) <= _LONGEST else t[:half] + t[-half:] for t in texts]
        self.lengths = np.array([len(text) for text in texts], np.int64)
        self.ends = np.cumsum(self.lengths)
        self.starts = self.ends - self.lengths
        codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
        self.owners = np.repeat(np.arange(len(texts)), self.lengths)
        self.positions = np.arange(len(codes)) - self.starts[self.owners]
        self.sums = np.zeros(len(codes) + 1, _U)
        np.cumsum(_mix(codes) * _POWERS[self.positions], out=self.sums[1:])
        own = np.searchsorted(_CLASSES, self.lengths, "right") - 1
        # Each text is in the class of its length and in the one below.
        self.classes = [np.maximum(own, 0), np.maximum(own - 1, 0)]

    def columns(self) -> Iterator[_Column]:
        for position in range(_GRID):
            yield _joined(self._ends(position, c) for c in self.classes)
        yield _joined(map(self._grams, self.classes))

    def _ends(self, position: int, classes: _Indices) -> _Column:
        """Return keys of the first p and last s characters, p by its position."""
        least = _CLASSES[classes]
        step = np.maximum(1, (_STEP * least).astype(np.int64))
        total = np.maximum(1, (_KEPT * least).astype(np.int64) - step + 1)
        used = (self.lengths > 0) & ((position - 1) * step < total)
        nodes = np.flatnonzero(used)
        lengths = self.lengths[nodes]
        total = np.minimum(total[nodes], lengths)
        prefix = np.minimum(position * step[nodes], total)
        suffix = total - prefix
        starts, ends = self.starts[nodes], self.ends[nodes]
        first = self.sums[starts + prefix] - self.sums[starts]
        last = self.sums[ends] - self.sums[ends - suffix]
        last *= _INVERSE_POWERS[lengths - suffix]
        kind = classes[nodes].astype(_U) * _U(_LONGEST + 1) + prefix.astype(_U)
        return _Column(nodes, _mix(_mix(first) * _U(3) + _mix(last) + _mix(kind)))

    def _grams(self, classes: _Indices) -> _Column:
        """Return keys of n-grams, those with hashes below a bound."""
        least = _CLASSES[classes]
        size = np.maximum(4, (_GRAM * least).astype(np.int64))
        share = np.minimum(1.0, _GRAMS / np.maximum(1, least - size + 1))
        bound = (share * 2.0**63).astype(_U)
        owners = self.owners
        at = np.flatnonzero(self.positions + size[owners] <= self.lengths[owners])
        nodes = owners[at]
        keys = self.sums[at + size[nodes]] - self.sums[at]
        keys *= _INVERSE_POWERS[self.positions[at]]
        keys = _mix(keys + _mix(classes[nodes]))
        chosen = (keys >> _U(1)) < bound[nodes]
        return _Column(nodes[chosen], keys[chosen])
