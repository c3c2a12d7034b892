"""Lines are split into sentences, and sentences are not split."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.data.sentences import split_sentences
from tests.helpers.corpora import pairs


@given(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.text(st.sampled_from("aA1 .!?…\"'“”()-。！　\n\t\u2028me")),
    ),
    st.sampled_from(["en", "de", "zh", "ja", "xx", ""]),
)
def test_the_sentences_of_a_line_are_the_line(line: str, language: str) -> None:
    sentences = split_sentences(line, language)
    assert "".join(sentences) == line
    assert all(sentences) or sentences == [""]


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
