"""The hidden Markov tagger."""

from __future__ import annotations

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
