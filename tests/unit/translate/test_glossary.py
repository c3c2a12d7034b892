"""Glossaries: which terms a source has, and that their translations are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.translate import TranslationOptions, TranslationRequest, Translator
from seq2seq.translate.glossary import TermMatcher, read_glossary
from tests.helpers.translate_cli import call

TERMS = {
    "dog": "Hund",
    "big  dog": "Dogge",
    "big dog house": "Zwinger",
    "US": "USA",
    "us": "uns",
    "C++": "C++",
    "café": "Bar",
}


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("The dog and the DOG.", ["Hund"]),
        ("dogs, hotdog, dog's", ["Hund"]),
        ("A big dog house, a big\tdog, a dog", ["Zwinger", "Dogge", "Hund"]),
        ("US, Us", ["USA", "uns"]),
        ("C++!", ["C++"]),
        ("C+++", ["C++"]),
        ("cafe, cafés", []),
        ("", []),
    ],
)
def test_the_longest_whole_word_is_the_term(text: str, phrases: list[str]) -> None:
    assert list(TermMatcher(TERMS, spaced=True).required(text)) == phrases


def test_terms_match_within_text_without_blanks() -> None:
    assert TermMatcher({"大学": "u", "学": "s"}, spaced=False).required("北京大学") == (
        "u",
    )
    assert TermMatcher({}, spaced=True).required("x") == ()


def test_a_term_requires_its_phrase_in_the_sentence_that_has_it(
    translator: Translator,
) -> None:
    (word,) = translator(["The cat sleeps."])[0].split()[:1] or [""]
    options = TranslationOptions(
        glossary={"dog": "Hund", "cat": word or "Katze"}, on_error="return"
    )
    lines = ["I see. The dog sleeps.", "We sleep.", "The cat sleeps."]
    plain = translator.translate_batch(lines, TranslationOptions())
    with_terms = translator.translate_batch(lines, options)
    # The last satisfies its term by itself.
    assert [t.translation for t in with_terms[1:]] == [t.translation for t in plain[1:]]
    first = translator.translate_batch(["I see."], TranslationOptions())[0].translation
    second = with_terms[0].translation.removeprefix(first)
    assert with_terms[0].translation.startswith(first)
    assert re.search(r"\bHund", second)
    assert "Hund" not in plain[0].translation
    both = TranslationRequest("The dog sleeps.", required=("Haus",))
    text = translator.translate_batch([both], options)[0].translation
    assert re.search(r"\bHund", text)
    assert re.search(r"\bHaus", text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "terms.tsv has no terms"),
        ("dog\tHund\ncat\n", "terms.tsv:2: a glossary has a term, a tab and its"),
        ("\tHund\n", "terms.tsv:1: a glossary has a term, a tab and its"),
        ("a\tb\n\na\tc\n", "terms.tsv:3: 'a' has two translations, 'b' and 'c'"),
    ],
)
def test_a_faulty_glossary_is_refused_with_its_line(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(says)):
        read_glossary(path)


def test_the_command_says_where_a_term_cannot_be_satisfied(
    run: Path, tmp_path: Path
) -> None:
    path, source = tmp_path / "terms.tsv", tmp_path / "in.txt"
    path.write_bytes(b"\xef\xbb\xbfdog\tHund\tnoun\r\n\r\ncat\tKatze " + b"x" * 400)
    source.write_text("A dog.\nA cat.\n")
    command = ["translate", run, source, "--glossary", path]
    out, error = call(*command, "--on-error", "return")
    assert re.search(r"\bHund", out.split("\n")[0])
    assert out.split("\n")[1:] == ["", ""]
    assert f"{source}:2: prefix and required phrases have" in error
    path.write_text("dog\t☃\n")
    says = "the glossary: '☃' is required, but the target vocabulary has no"
    assert says in call(*command)[1]
    path.write_text("dog\tHund\n")
    says = call(*command, "-o", "search.method=sample")[1]
    assert says == (
        "the glossary: sampling supports no required phrases; use beam search."
    )
