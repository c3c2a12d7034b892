"""The most frequent class and tag, counted by hand."""

from __future__ import annotations

from seq2seq.baselines.most_frequent import (
    fit_most_frequent_tagger,
    most_frequent_class,
)


def test_of_equally_frequent_classes_the_first_in_the_alphabet_is_taken() -> None:
    assert most_frequent_class(["pos", "neg", "neg"]) == "neg"
    assert most_frequent_class(["pos", "neg"]) == most_frequent_class(["neg", "pos"])


def test_unseen_words_get_the_tag_of_words_that_occur_once() -> None:
    sentences = [["the", "run", "ends"], ["the", "run"], ["the", "dog", "run"]]
    tags = [["at", "nn", "vb"], ["at", "vb"], ["at", "jj", "vb"]]
    # run is vb twice of three times; of ends/vb, dog/jj, which occur once, jj is first.
    tagger = fit_most_frequent_tagger(sentences, tags)
    assert tagger.predict([["the", "run", "cat"], []]) == [["at", "vb", "jj"], []]
    # Without a word that occurs once, the tag of most words.
    tagger = fit_most_frequent_tagger(sentences[:2] * 2, tags[:2] * 2)
    assert tagger.unseen == "at"
