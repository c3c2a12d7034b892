"""The hidden Markov tagger."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from seq2seq.baselines.hmm_tagger import fit_hmm_tagger

WORDS = ["the dog sleeps", "the old dog barks", "a dog", "the old man sleeps"]
TAGS = ["at nn vb", "at jj nn vb", "at nn", "at jj nn vb"]


def test_a_hidden_markov_tagger_reads_context_and_suffixes() -> None:
    words = [line.split() for line in WORDS * 3]
    tags = [line.split() for line in TAGS * 3]
    tagger = fit_hmm_tagger(words, tags)
    assert tagger.predict(words) == tags
    assert tagger.predict([["the", "old", "fog", "creeps"]]) == [
        ["at", "jj", "nn", "vb"]
    ]


def test_capitals_that_training_lacks_are_tagged_as_lower_case() -> None:
    tagger = fit_hmm_tagger([x.split() for x in WORDS], [x.split() for x in TAGS])
    assert tagger.predict([["The", "Old", "Fog", "Creeps"]]) == [
        ["at", "jj", "nn", "vb"]
    ]


def test_transitions_are_by_deleted_interpolation() -> None:
    tags = [x.split() for x in (*TAGS, "at at", "vb nn at", "nn")]
    tagger = fit_hmm_tagger(tags, tags)
    ids = {tag: i for i, (tag, _) in enumerate(tagger.states)}
    end = len(ids)
    paths = [[end, end, *(ids[tag] for tag in line), end] for line in tags]
    grams = [
        Counter(tuple(p[i - n : i]) for p in paths for i in range(3, len(p) + 1))
        for n in (1, 2, 3)
    ]
    # Contexts of none, one and two states: how often a state follows them.
    contexts = [
        Counter(tuple(p[i - n : i - 1]) for p in paths for i in range(3, len(p) + 1))
        for n in (1, 2, 3)
    ]
    weights = [0.0, 0.0, 0.0]  # Brants 2000, figure 1.
    for gram, count in grams[2].items():
        shares = [
            (grams[k][gram[2 - k :]] - 1) / max(contexts[k][gram[2 - k : 2]] - 1, 1)
            for k in range(3)
        ]
        weights[shares.index(max(shares))] += count / grams[2].total()
    for gram in grams[2]:
        probs = [
            grams[k][gram[2 - k :]] / contexts[k][gram[2 - k : 2]] for k in range(3)
        ]
        expected = sum(w * p for w, p in zip(weights, probs, strict=True))
        assert math.exp(tagger.transitions[gram]) == pytest.approx(expected)


def test_unseen_words_are_guessed_by_suffixes_of_rare_words() -> None:
    words = {"undo": ("vb", 10), "ado": ("nn", 1), "redo": ("vb", 2), "to": ("at", 11)}
    sentences = [[word] for word, (_, count) in words.items() for _ in range(count)]
    tagger = fit_hmm_tagger(sentences, [[words[s[0]][0]] for s in sentences])
    tags = [tag for tag, _ in tagger.states]
    totals = Counter(words[s[0]][0] for s in sentences)
    priors = {tag: totals[tag] / len(sentences) for tag in tags}
    mean = sum(priors.values()) / len(tags)
    theta = (sum((p - mean) ** 2 for p in priors.values()) / (len(tags) - 1)) ** 0.5
    probs = dict(priors)
    for suffix in ("", "o", "do"):  # Brants 2000, section 2.3; to is not rare.
        rare: Counter[str] = Counter()
        for word, (tag, count) in words.items():
            if count <= 10 and word.endswith(suffix):
                rare[tag] += count
        for tag in tags:
            probs[tag] = (rare[tag] / rare.total() + theta * probs[tag]) / (1 + theta)
    states, scores = tagger._emissions("do")
    guessed = {tags[i]: s for i, s in zip(states, scores, strict=True)}
    assert guessed == pytest.approx({t: math.log(probs[t] / priors[t]) for t in tags})
