"""A trigram hidden Markov tagger that guesses the tags of unseen words from suffixes.

Tags are doubled by capitalisation: whether a word begins with a capital is part of its
state. Weights of trigrams, bigrams and unigrams come from deleted interpolation.

Source: Brants 2000 (TnT), sections 2.1 to 2.4; Viterbi 1967.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Sentences = Sequence[Sequence[str]]

MAX_SUFFIX = 10
RARE = 10
"""Words that occur at most so often tell how unseen ones are tagged."""

_State = tuple[str, bool]
_Counts = dict[str, Counter[int]]


@dataclass(frozen=True)
class HmmTagger:
    """The most probable sequence of tags, by exact search.

    Attributes:
        states: Pairs of tag and capitalisation; the boundary of a sentence is one more.
        transitions: log p(third | first, second), (states + 1,) * 3.
        words: log p(word | state) of the states that a word had in training.
        suffixes: How often each suffix of rare words had each state, by
            capitalisation.
        priors: p(state), (states,).
        theta: Weight of the next shorter suffix.
    """

    states: tuple[_State, ...]
    transitions: Floats
    words: Mapping[str, tuple[Ids, Floats]]
    suffixes: tuple[_Counts, _Counts]
    priors: Floats
    theta: float

    def predict(self, sentences: Sentences) -> list[list[str]]:
        """Return a tag for each word."""
        return [self._tag(words) for words in sentences]

    def _tag(self, words: Sequence[str]) -> list[str]:
        """Search all sequences of the states that the words can have (Viterbi 1967)."""
        boundary = np.array([len(self.states)])
        first = second = boundary
        scores = np.zeros((1, 1))  # Of the best path to the last two states.
        candidates, pointers = [], []
        for word in words:
            states, emissions = self._emissions(word)
            extended = scores[:, :, None] + self._between(first, second, states)
            pointers.append(extended.argmax(axis=0))
            scores = extended.max(axis=0) + emissions
            candidates.append(states)
            first, second = second, states
        extended = scores + self._between(first, second, boundary)[:, :, 0]
        best = np.unravel_index(extended.argmax(), extended.shape)
        row, column = int(best[0]), int(best[1])
        tags = []
        for states, pointer in zip(
            reversed(candidates), reversed(pointers), strict=True
        ):
            tags.append(self.states[states[column]][0])
            row, column = int(pointer[row, column]), row
        return tags[::-1]

    def _between(self, first: Ids, second: Ids, third: Ids) -> Floats:
        return self.transitions[first[:, None, None], second[:, None], third]

    def _emissions(self, word: str) -> tuple[Ids, Floats]:
        """Return the states that a word can have, and log p(word | state) of each.

        Of an unseen word it is log p(state | suffix) - log p(state), which differs by
        the same number for all states.
        """
        if word in self.words:
            return self.words[word]
        capitalised = word[:1].isupper()
        states = np.array([state[1] == capitalised for state in self.states])
        if not states.any():  # All of training is in lower case, or none.
            capitalised, states = not capitalised, ~states
        suffixes = self.suffixes[capitalised]
        probs = self.priors * states
        probs = probs / probs.sum()
        for length in range(min(MAX_SUFFIX, len(word)) + 1):
            counts = suffixes.get(word[len(word) - length :])
            if counts is None:
                break
            probs = probs * self.theta
            probs[list(counts)] += np.array(list(counts.values())) / counts.total()
            probs = probs / (1 + self.theta)
        states = np.flatnonzero(probs)
        return states, np.log(probs[states] / self.priors[states])


def fit_hmm_tagger(sentences: Sentences, tags: Sentences) -> HmmTagger:
    """Count trigrams of states, words and suffixes.

    Args:
        sentences: Words of each sentence.
        tags: Their tags.
    """
    pairs = [
        [(tag, word[:1].isupper()) for word, tag in zip(words, labels, strict=True)]
        for words, labels in zip(sentences, tags, strict=True)
    ]
    states = sorted({state for sentence in pairs for state in sentence})
    ids = {state: i for i, state in enumerate(states)}
    boundary = len(states)
    trigrams = np.zeros((boundary + 1,) * 3)
    words: dict[str, Counter[int]] = {}
    for sentence, tokens in zip(pairs, sentences, strict=True):
        path = [ids[state] for state in sentence]
        padded = np.array([boundary, boundary, *path, boundary])
        np.add.at(trigrams, (padded[:-2], padded[1:-1], padded[2:]), 1)
        for word, state in zip(tokens, path, strict=True):
            words.setdefault(word, Counter())[state] += 1
    totals = trigrams.sum(axis=(0, 1))[:boundary]
    priors = totals / totals.sum()
    emissions = {}
    for word, counts in words.items():
        seen = np.array(list(counts))
        emissions[word] = seen, np.log(np.array(list(counts.values())) / totals[seen])
    suffixes: tuple[_Counts, _Counts] = ({}, {})
    for word, counts in words.items():
        if counts.total() > RARE:
            continue
        table = suffixes[word[:1].isupper()]
        for length in range(min(MAX_SUFFIX, len(word)) + 1):
            table.setdefault(word[len(word) - length :], Counter()).update(counts)
    return HmmTagger(
        tuple(states),
        _transitions(trigrams),
        emissions,
        suffixes,
        priors,
        float(priors.std(ddof=1)),
    )


def _transitions(trigrams: Floats) -> Floats:
    """Return log p(third | first, second) by deleted interpolation."""
    contexts = trigrams.sum(axis=2)
    bigrams = trigrams.sum(axis=0)
    starts, unigrams = bigrams.sum(axis=1), bigrams.sum(axis=0)
    first, second, third = np.nonzero(trigrams)
    counts = trigrams[first, second, third]

    def without(count: Floats, context: Floats) -> Floats:
        return np.where(context > 1, (count - 1) / np.maximum(context - 1, 1), 0.0)

    candidates = np.stack(
        [
            without(unigrams[third], np.full(len(third), unigrams.sum())),
            without(bigrams[second, third], starts[second]),
            without(counts, contexts[first, second]),
        ]
    )
    weights = np.bincount(candidates.argmax(axis=0), counts, 3)
    weights = weights / weights.sum()
    probs = weights[2] * trigrams / np.maximum(contexts, 1)[:, :, None]
    probs += weights[1] * bigrams / np.maximum(starts, 1)[:, None]
    probs += weights[0] * unigrams / unigrams.sum()
    with np.errstate(divide="ignore"):
        result: Floats = np.log(probs)
    return result
