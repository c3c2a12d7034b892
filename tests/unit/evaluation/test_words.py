"""Words and word-level diffs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seq2seq.evaluation.words import diff_spans, words


def test_words_are_runs_of_letters_and_single_characters() -> None:
    assert words("Er ging's an: 3,5 km!") == [
        *("Er", "ging's", "an", ":", "3", ",", "5", "km", "!")
    ]
    assert words("我们 read ひらがな") == ["我", "们", "read", *"ひらがな"]
    assert words(" \t ") == []


@given(st.text(alphabet="ab .,我\u202e", max_size=30), st.text("ab .我", max_size=30))
def test_marked_parts_join_to_the_line(line: str, other: str) -> None:
    assert "".join(part.text for part in diff_spans(line, other)) == line
    assert not any(part.differs for part in diff_spans(line, line))


def test_words_that_differ_are_marked_with_what_lies_between() -> None:
    parts = diff_spans("der rote Hund schläft", "der alte Kater schläft")
    assert [(part.text, part.differs) for part in parts] == [
        ("der ", False),
        ("rote Hund", True),
        (" schläft", False),
    ]
