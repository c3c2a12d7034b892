"""Long lines are split at the ends of sentences, clauses or words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.translate.input_splitting import split_long_input


@given(
    st.lists(st.sampled_from(["▁a", "b", ".", "▁", ",", '."', "。", "?"]), min_size=1),
    st.integers(1, 9),
)
def test_the_segments_of_a_line_are_the_line(
    tokens: list[str], max_length: int
) -> None:
    segments = split_long_input(tokens, max_length)
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
def test_lines_are_split_where_sentences_end(
    text: str, max_length: int, ends: list[int]
) -> None:
    assert [part.stop for part in split_long_input(text.split(), max_length)] == ends
