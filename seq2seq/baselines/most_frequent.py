"""The most frequent class, and the most frequent tag of each word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


def most_frequent_class(labels: Sequence[str]) -> str:
    """Return the most frequent label, of several the first in the alphabet."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


@dataclass(frozen=True)
class MostFrequentTagger:
    """Tags each word as it is tagged most often in training.

    Attributes:
        tags: The tag of each word of the training data.
        unseen: The tag of all other words.
    """

    tags: Mapping[str, str]
    unseen: str

    def predict(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return a tag for each word."""
        return [[self.tags.get(x, self.unseen) for x in words] for words in sentences]


def fit_most_frequent_tagger(
    sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]
) -> MostFrequentTagger:
    """Count the tags of each word.

    Words unseen in training get the tag that most words have that occur once, which is
    closer to theirs than that of all words.

    Args:
        sentences: Words of each sentence.
        tags: Their tags.

    Source: Baayen and Sproat 1996 (words that occur once stand for unseen ones).
    """
    counts: dict[str, list[str]] = {}
    for words, labels in zip(sentences, tags, strict=True):
        for word, tag in zip(words, labels, strict=True):
            counts.setdefault(word, []).append(tag)
    once = [labels[0] for labels in counts.values() if len(labels) == 1]
    every = [tag for labels in tags for tag in labels]
    return MostFrequentTagger(
        {word: most_frequent_class(labels) for word, labels in counts.items()},
        most_frequent_class(once or every),
    )
