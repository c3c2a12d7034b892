"""Long lines are split at the ends of sentences, clauses or words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.translate import Translator
from seq2seq.translate.input_splitting import (
    LineSegmenter,
    split_long_input,
    target_gap,
)


@given(
    st.lists(st.sampled_from(["▁a", "b", ".", "▁", ",", '."', "。", "?"]), min_size=1),
    st.integers(1, 9),
)
def test_the_segments_of_a_line_are_the_line(
    tokens: list[str], max_length: int
) -> None:
    segments = split_long_input(tokens, max_length, [3, 4])
    assert [token for part in segments for token in tokens[part]] == tokens
    assert all(1 <= part.stop - part.start <= max_length for part in segments)


@pytest.mark.parametrize(
    ("text", "max_length", "ends"),
    [
        ("▁a ▁b . ▁c ▁d ▁e ▁f ▁g", 6, [3, 8]),
        ("▁a ▁b . ▁c ▁d , ▁e ▁f ▁g", 4, [3, 6, 9]),
        ("▁a ▁b ▁c ▁d ▁e ▁f", 4, [3, 6]),
        ("▁3 . 5 ▁a ▁b", 4, [3, 5]),
        ('▁a ." ▁b ▁c ▁d', 4, [2, 5]),
        ("▁一 二 。 三 四", 4, [3, 5]),
        ("▁a b c d e", 3, [3, 5]),
    ],
)
def test_clauses_are_split_before_words(
    text: str, max_length: int, ends: list[int]
) -> None:
    assert [part.stop for part in split_long_input(text.split(), max_length)] == ends


def test_sentences_are_split_before_clauses() -> None:
    tokens = ["▁a", "▁b", "▁c", "▁d", ",", "▁e", "▁f", "▁g"]
    assert [part.stop for part in split_long_input(tokens, 6)] == [5, 8]
    assert [part.stop for part in split_long_input(tokens, 6, [3, 8])] == [3, 8]
    assert [part.stop for part in split_long_input(tokens, 4, [3, 8])] == [3, 5, 8]


def test_a_long_line_that_is_kept_is_split_between_sentences(
    translator: Translator,
) -> None:
    sentences = ["I see.", "Mr. A sees it.", "The man sees a dog, a cat and us."]
    longest = max(len(ids) for ids in translator.source.encode(sentences))
    segmenter = LineSegmenter(
        translator.source, "en", longest, sentences="keep", surfaces=True
    )
    (line, short) = segmenter(["  ".join(sentences), sentences[0]])
    assert [translator.source.decode([s.ids])[0] for s in line.segments] == [
        " ".join(sentences[:2]),
        sentences[2],
    ]
    assert [segment.gap for segment in line.segments] == ["", "  "]
    assert all(len(s.ids) == len(s.surfaces) for s in line.segments)
    assert (line.num_sentences, short.num_sentences) == (3, 1)
    assert (len(short.segments), line.truncated) == (1, False)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        *((code, "") for code in ("zh", "ja", "th", "lo", "km", "my", "zh-Hant")),
        *((code, " ") for code in ("de", "ko", "vi")),
    ],
)
def test_segments_are_joined_without_a_blank_where_words_are(
    language: str, expected: str
) -> None:
    assert target_gap(" ", "en", language) == expected
    assert target_gap("", "zh", language) == expected


def test_segments_of_a_sentence_have_a_blank_between_words_only(
    translator: Translator,
) -> None:
    segmenter = LineSegmenter(
        translator.source, "en", 2, sentences="split", surfaces=True
    )
    (line,) = segmenter(["The dog sleeps. Rhododendron"])
    (segments, num_sentences, _) = line
    starts = [segment.surfaces[0].startswith("▁") for segment in segments[1:]]
    assert [segment.gap for segment in segments[1:]] == [
        " " if begins_word else "" for begins_word in starts
    ]
    assert set(starts) == {True, False}
    assert num_sentences == 2
