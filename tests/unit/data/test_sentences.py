"""Lines are split into sentences, and sentences are not split."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sentencex import segment

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.data.sentences import split_sentences
from tests.helpers.corpora import pairs

LANGUAGES = ["en", "de", "fr", "es", "ru", "zh", "ja", "hi", "ar", "xx", ""]
# White space of one to three bytes, sentence ends, list markers and initials.
PIECES = [
    *("A", "me", "Dr", "é", "字", "हि", "Я", "1", "12", " ", "\t", "\n", "\r\n"),
    *("\x85", "\xa0", "\u2009", "\u2028", "\u3000", ".", "!", "?", "…", "。", "！"),
    *(
        '"',
        "'",
        "“",
        "”",
        "«",
        "»",
        "(",
        ")",
        "-",
        "—",
        "_",
        ". A",
        "2. ",
        "... ",
        "U.S.",
    ),
]


@example("Vitamin C\xa0. He ran.", "en")
@example("Vitamin C\u2009. He ran.", "en")
@example("Vitamin C\u2028. He ran.", "en")
@example("Vitamin C\u3000. He ran.", "en")
@given(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map(
            lambda pieces: "".join(pieces) * 400
        ),
    ),
    st.sampled_from(LANGUAGES),
)
def test_the_sentences_of_a_line_are_the_line(line: str, language: str) -> None:
    sentences = split_sentences(line, language)
    assert "".join(sentences) == line
    assert all(sentences) or sentences == [""]
    if len(sentences) > 1:  # Punctuation alone belongs to a neighbour.
        assert all(re.search(r"[^\W_]", sentence) for sentence in sentences)


@pytest.mark.parametrize("error", [ValueError, type("Panic", (BaseException,), {})])
def test_a_line_that_cannot_be_segmented_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(*_: str) -> list[str]:
        raise error

    monkeypatch.setattr("seq2seq.data.sentences.segment", fail)
    assert split_sentences("A dog. A cat.", "en") == ["A dog. A cat."]


def test_an_interruption_is_no_fault_of_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: str) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr("seq2seq.data.sentences.segment", interrupt)
    with pytest.raises(KeyboardInterrupt):
        split_sentences("A dog. A cat.", "en")


@pytest.mark.parametrize(
    ("language", "sentence", "count"),
    [
        ("en", "The dog sleeps. ", 1000),
        ("de", "2. Der Hund schläft. ", 1000),
        ("zh", "我爱你。", 5000),
        ("en", f"{'word ' * 900}end. ", 3),
    ],
)
def test_long_lines_are_segmented_in_pieces_and_as_short_ones_are(
    monkeypatch: pytest.MonkeyPatch, language: str, sentence: str, count: int
) -> None:
    lengths = []

    def record(language: str, text: str) -> list[str]:
        lengths.append(len(text))
        return segment(language, text)

    monkeypatch.setattr("seq2seq.data.sentences.segment", record)
    assert split_sentences(sentence * count, language) == [sentence] * count
    assert max(lengths) <= 2002
    # Each character is in two pieces, and beside a list marker, at most.
    assert sum(lengths) <= 3.1 * len(sentence * count)


def test_dot_leaders_are_one_sentence() -> None:
    assert split_sentences("...... " * 8000, "en") == ["...... " * 8000]


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "The dog sleeps. |The old man buys a red car."),
        ("en", "Dr. Smith met Mr. Lee at 5 p.m. |He left."),
        ("en", "He lives in the U.S. and pays 3.5 dollars, e.g. for food."),
        ("en", '"Go!" he said. |"Now."'),
        ("en", "Wait... what? |Yes!  |Then  go.  "),
        ("en", "1. The dog sleeps. |- No. 5 is alive."),
        ("en", "- The dog sleeps."),
        ("en", "Vitamin C\xa0. |He ran."),
        ("en", "1. The dog sleeps. |2. The man runs. |12. Go on."),
        ("en", "He is No. 2. |The man runs."),
        ("en", "___ Go. |— The cat. |— We go. ... |No."),
        ("de", "1. Der Hund schläft. |2. Der Mann läuft. |13. Gut!"),
        ("de", "Er ist Nr. 2. |Der Mann kam."),
        ("zh", "1. 我爱你。|2. 你好。"),
        ("xx", "1. The dog sleeps. |2. The man runs."),
        ("en", "A dog. ... |A cat (the old one). |)"),
        ("en", "He saw me. |Anna may. |I said no. |No. |Then go."),
        ("en", "See Art. Five of Me. Law."),
        ("en", "..."),
        ("en", " . ! "),
        ("en", ""),
        ("en_US", "Mr. Smith sleeps.\t|We go."),
        ("de", "Am 3. Mai kam Dr. Huber, bzw. Anna. |Er sah mich. |Er ging."),
        ("de_AT", "Am 3. Mai ging er."),
        ("deu_Latn", "Am 3. Mai ging er."),
        ("zh_CN", "我爱你。|你好！ |他说：“走吧。好。”"),
        ("ja", "これは犬です。　|あれは猫です。"),
        ("hi", "यह है। |वह है।"),
        ("xx", "Mr. Smith sleeps. |We go."),
    ],
)
def test_a_sentence_ends_where_a_reader_ends_it(language: str, line: str) -> None:
    expected = line.split("|")
    if line == "A dog. ... |A cat (the old one). |)":
        expected = ["A dog. ... ", "A cat (the old one). )"]
    assert split_sentences(line.replace("|", ""), language) == expected


def test_sentences_of_the_phrasebook_are_kept_and_two_of_them_are_split() -> None:
    for side, language in enumerate(("en", "de")):
        lines = [pair[side] for pair in phrase_pairs("test", count=1000)]
        assert all(split_sentences(line, language) == [line] for line in lines)
        right = [
            split_sentences(f"{first} {second}", language) == [f"{first} ", second]
            for first, second in pairwise(lines)
        ]
        assert sum(right) >= 0.995 * len(right)


@pytest.mark.realdata
def test_one_line_in_a_hundred_of_tatoeba_holds_several_sentences(
    real_data: Path,
) -> None:
    dev = pairs(real_data / "tatoeba", split="dev")
    for side, language in enumerate(("en", "de")):
        counts = [len(split_sentences(pair[side], language)) for pair in dev]
        assert 0.005 < sum(count > 1 for count in counts) / len(counts) < 0.02
