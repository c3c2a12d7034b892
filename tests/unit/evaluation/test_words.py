"""Words and word-level diffs."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.evaluation.words import diff_spans, words


def test_words_are_runs_of_letters_and_single_characters() -> None:
    assert words("Er ging's an: 3,5 km!") == [
        *("Er", "ging's", "an", ":", "3", ",", "5", "km", "!")
    ]
    assert words("我们 read ひらがな") == ["我", "们", "read", *"ひらがな"]
    assert words(" \t ") == []


@pytest.mark.parametrize(
    "word",
    [
        "किताबें",  # Hindi, with vowel signs and a nasal.
        "क्\u200dष",  # A conjunct, with a zero-width joiner.
        "வணக்கம்",  # Tamil.
        "ที่นี่",  # Thai.
        "שָׁלוֹם",  # Hebrew, with points.
        "كَتَبَ",  # Arabic, with vowel marks.
        "می\u200cخواهم",  # Persian, with a zero-width non-joiner.
        "e\u0301te\u0301",  # Decomposed.
        "❤\ufe0f",  # One symbol and its variation selector.
        "か\u3099",
    ],
)
def test_combining_marks_belong_to_their_word(word: str) -> None:
    assert words(f"{word} {word}.") == [word, word, "."]
    spans = diff_spans(f"{word} a", f"{word[:1]} a")
    assert [span.text for span in spans] == [word, word[:1], " a"]


@given(st.text(alphabet="ab .,我\u202e", max_size=30), st.text("ab .我", max_size=30))
def test_a_diff_holds_the_line_and_every_word_of_the_reference(
    line: str, other: str
) -> None:
    spans = diff_spans(line, other)
    assert "".join(span.text for span in spans if span.edit != "deletion") == line
    kept = [
        word for span in spans if span.edit != "insertion" for word in words(span.text)
    ]
    assert kept == words(other)
    assert {span.edit for span in diff_spans(line, line)} <= {"equal"}
    assert all(one.edit != two.edit for one, two in pairwise(spans))


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        (
            "der rote Hund schläft",
            "der alte Kater schläft",
            ["der ", "+rote Hund", "-alte Kater", " schläft"],
        ),
        (
            "Sie hat Tee.",
            "Sie hat schon Tee getrunken.",
            ["Sie hat", "-schon", " Tee", "-getrunken", "."],
        ),
        ("Hund", "Der Hund", ["-Der", "Hund"]),
        ("", "Der Hund", ["-Der Hund"]),
        ("我在校见了", "我在学校见了", ["我在", "-学", "校见了"]),
    ],
)
def test_wrong_words_and_missing_words_are_marked(
    hypothesis: str, reference: str, expected: list[str]
) -> None:
    signs = {"equal": "", "insertion": "+", "deletion": "-"}
    spans = diff_spans(hypothesis, reference)
    assert [signs[span.edit] + span.text for span in spans] == expected
