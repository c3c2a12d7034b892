"""Deduplication and the statistics of filtering."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.data.filtering import Deduplicator, FilterStats, text_hashes
from tests.helpers.corpora import data_options


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=12))
def test_a_hash_is_new_once(batches: list[list[int]]) -> None:
    deduplicator, before = Deduplicator(), set[int]()
    for batch in batches:
        expected = []
        for value in batch:
            expected.append(value not in before)
            before.add(value)
        new = deduplicator.is_new(np.array(batch, dtype=np.uint64))
        assert new.tolist() == expected
        assert len(deduplicator) == len(before)


def test_texts_that_differ_have_other_hashes() -> None:
    hashes = text_hashes(["a", "b", "a", ""])
    assert hashes.dtype == np.uint64
    assert hashes[0] == hashes[2]
    assert len(set(hashes.tolist())) == 3


def test_a_clean_corpus_needs_no_reasons() -> None:
    options = data_options("any", max_length=41)
    assert (
        FilterStats(total=1234, kept=1234).summary(options)
        == "kept 1,234 of 1,234 pairs"
    )
