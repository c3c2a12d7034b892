"""Near duplicates: what blocking finds is what a comparison of all pairs finds."""

from __future__ import annotations

import itertools
import random

import numpy as np

from seq2seq.data.near_duplicates import NearIndex, is_near, near_groups, unite_labels
from seq2seq.data.phrasebook.corpus import phrase_pairs


def variants(count: int) -> list[str]:
    """Sentences of the phrasebook, each with variants that are near or hardly not."""
    rng = random.Random(0)
    texts = [english for english, _ in phrase_pairs("train", count=count, seed=1)]
    for text in texts[:]:
        edited = list(text)
        for _ in range(rng.randint(1, max(1, len(text) // 9))):
            position = rng.randrange(len(edited))
            edited[position : position + rng.randint(0, 1)] = rng.choice(["x", ""])
        texts += ["".join(edited), text.upper().replace(" ", "  ") + "!"]
    return texts


def test_sentences_are_near_when_folded_or_similar() -> None:
    assert is_near("It is 7 o'clock.", "IT IS 1945 O CLOCK")
    assert is_near("Tom likes cats a lot.", "Tom likes bats a lot.")
    assert not is_near("Tom likes cats.", "Ann hates dogs.")
    assert not is_near("...", "?!")


def test_groups_are_those_of_a_comparison_of_all_pairs() -> None:
    texts = variants(120)
    groups = near_groups([texts])
    near = [
        p
        for p in itertools.combinations(range(len(texts)), 2)
        if is_near(texts[p[0]], texts[p[1]])
    ]
    missed = [pair for pair in near if groups[pair[0]] != groups[pair[1]]]
    assert len(missed) <= 0.01 * len(near)
    # And no others: groups of all pairs by the same closure.
    graph = np.arange(len(texts))
    for first, second in near:
        graph[graph == max(graph[first], graph[second])] = min(
            graph[first], graph[second]
        )
    assert len(set(groups.tolist())) >= len(set(graph.tolist()))


def test_an_edit_in_any_position_keeps_a_sentence_near() -> None:
    text = "the small yellow bird sings in the garden of the old baker"
    rows = [text] + [text[:i] + "#q" + text[i + 2 :] for i in range(0, len(text) - 1)]
    for row in rows[1:]:
        assert near_groups([[text, row]]).tolist() == [0, 0], row


def test_rows_that_are_near_on_one_side_are_a_group_unless_both_must_be() -> None:
    sides = [
        ["We buy bread.", "We buy bread!", "Birds sing at night."],
        ["Wir kaufen Brot.", "Ganz etwas anderes", "Ganz etwas anderes"],
    ]
    assert near_groups(sides).tolist() == [0, 0, 0]
    assert near_groups(sides, on="both").tolist() == [0, 1, 2]
    assert unite_labels(np.array([0, 1, 2]), ["a", "", "a"]).tolist() == [0, 1, 0]


def test_an_index_marks_what_came_in_any_chunk() -> None:
    index = NearIndex(
        ["Tom likes cats a lot.", "It rains.", "The old man sleeps here today."]
    )
    index.compare(["Nothing of that is near.", "IT RAINS"])
    index.compare(["The old man sleeps there today."])
    assert index.near.tolist() == [False, True, True]


def test_long_blank_and_empty_texts_have_no_keys_that_harm() -> None:
    texts = ["", "...", "a", "x" * 5000, "x" * 5000 + "y", "", "b"]
    assert near_groups([texts]).tolist() == [0, 1, 2, 3, 3, 0, 6]
    assert near_groups([[]]).tolist() == []
