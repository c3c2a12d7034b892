"""Lexical constraints: prefix, required and forbidden phrases."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.search.banned_strings import BannedStringTable
from seq2seq.translate import TranslationOptions, TranslationRequest, Translator
from seq2seq.translate.constraints import _compile, tokenize_constraints
from seq2seq.translate.token_strings import (
    MAX_BANNED_CHARACTERS,
    compile_banned_string,
    token_lengths,
)
from seq2seq.types import UNK
from tests.helpers.runs import tokenizer
from tests.helpers.translate_cli import LINES, call, lines_of

GERMAN = [pair[1] for pair in phrase_pairs("train", count=60)]
WORDS = sorted({word for line in GERMAN for word in line.split()})
SPELT = [token.replace("▁", " ") for token in tokenizer().id_to_tokens(range(200))]
SPELT[UNK] = " ⁇ "


def occurs(phrase: str, text: str) -> bool:
    """What a required phrase means, without the code that is tested."""
    padded = f" {text} "
    bare = phrase.strip()
    for start in range(len(padded)):
        if padded.startswith(bare, start):
            before, after = padded[start - 1], padded[start + len(bare)]
            begins = not (bare[0].isalnum() and before.isalnum())
            ends = not (phrase.endswith(" ") and bare[-1].isalnum() and after.isalnum())
            if begins and ends:
                return True
    return False


phrases = st.one_of(
    st.sampled_from(WORDS),
    st.builds("{} {}".format, st.sampled_from(WORDS), st.sampled_from(WORDS)),
    st.builds("{} ".format, st.sampled_from([w for w in WORDS if w.isalpha()])),
)
short = st.one_of(
    st.sampled_from("aehinrstu "), st.text("aehinrstu", min_size=1, max_size=3), phrases
).filter(str.strip)


@settings(max_examples=60)
@given(st.lists(short, min_size=1, max_size=4), st.integers(1, 3))
def test_forbidden_text_never_comes(
    translator: Translator, forbidden: list[str], n_best: int
) -> None:
    request = TranslationRequest(LINES[0], forbidden=tuple(forbidden))
    (translation,) = translator.translate_batch(
        [request], TranslationOptions(n_best=n_best)
    )
    assert translation.n_best
    for hypothesis in translation.n_best:
        for phrase in forbidden:
            if phrase.endswith(" "):
                assert not re.search(
                    rf"{re.escape(phrase.strip())}(?!\w)", hypothesis.translation
                )
            else:
                assert phrase not in hypothesis.translation


@settings(max_examples=30)
@given(st.lists(phrases, min_size=1, max_size=2), st.integers(1, 3))
def test_required_phrases_always_come(
    translator: Translator, required: list[str], n_best: int
) -> None:
    long = "The old man buys a red car and the woman reads a book."
    request = TranslationRequest(long, required=tuple(required))
    (translation,) = translator.translate_batch(
        [request], TranslationOptions(n_best=n_best)
    )
    assert translation.n_best
    for hypothesis in translation.n_best:
        assert all(occurs(phrase, hypothesis.translation) for phrase in required)


@settings(max_examples=40)
@given(phrases, short, st.booleans())
def test_a_prefix_comes_first_and_goes_with_the_rest(
    translator: Translator, prefix: str, forbidden: str, drawn: bool
) -> None:
    options = TranslationOptions(mbr_samples=3) if drawn else TranslationOptions()
    assume(" ".join(forbidden.split()) not in prefix)
    request = TranslationRequest(LINES[0], prefix, (), (forbidden,))
    (text,) = translator([request], options=options)
    assert text.startswith(prefix.strip())
    assert not (prefix.endswith(" ") and text[len(prefix) - 1 :][:1].isalnum())


def test_constraints_that_hold_anyway_change_nothing(
    translator: Translator,
) -> None:
    plain = translator(LINES[:1])[0]
    word = plain.split()[0]
    request = TranslationRequest(
        LINES[0], prefix=word, required=(word,), forbidden=("Xx",)
    )
    assert translator([request]) == [plain]


def test_requests_do_not_depend_on_their_batch(translator: Translator) -> None:
    mixed: list[str | TranslationRequest] = []
    for number, line in enumerate(LINES * 4):
        word = WORDS[7 * number % len(WORDS)]
        avoided = ("e", "n ")[number % 2]
        if number % 3 == 0 or avoided.strip() in word or not line.strip("\0 "):
            mixed.append(line)
        elif number % 3 == 1:
            mixed.append(TranslationRequest(line, forbidden=(avoided,)))
        else:
            mixed.append(
                TranslationRequest(line, required=(word,), forbidden=(avoided,))
            )
    assert sum(isinstance(line, TranslationRequest) for line in mixed) > 8
    assert any(isinstance(line, TranslationRequest) and line.required for line in mixed)
    one, *others = (
        translator(mixed, options=TranslationOptions(batch_size=batch))
        for batch in (1, 7, 64)
    )
    assert others == [one, one]
    plain = translator(LINES * 4)
    for line, text, alone in zip(mixed, one, plain, strict=True):
        assert text == alone or isinstance(line, TranslationRequest)


@settings(max_examples=150)
@given(
    st.lists(st.integers(4, 199), max_size=6),
    st.text("aehinrstuDW., ⁇", min_size=1, max_size=4).filter(str.strip),
    st.sampled_from(["", "word_start", "word_end", "both", "word_continues"]),
)
def test_a_token_is_banned_when_it_completes_the_text(
    ids: list[int], text: str, marks: str
) -> None:
    text = text.strip()
    word_start, word_end = (
        marks in ("word_start", "both"),
        marks in ("word_end", "both"),
    )
    word_continues = marks == "word_continues"
    one = compile_banned_string(
        tokenizer(),
        text,
        word_start=word_start,
        word_end=word_end,
        word_continues=word_continues,
    )
    table = BannedStringTable.of([[one], []], token_lengths(tokenizer()))
    assert table is not None
    out, free = table.completed_by(torch.tensor([ids, ids])[:, : len(ids)].long())
    shape = re.escape(text)
    if word_start and re.match(r"\w", text):
        shape = r"(?<!\w)" + shape
    if word_end and re.match(r"\w", text[-1]):
        shape += r"(?!\w)"
    pattern = re.compile(shape + (r"\w" if word_continues else ""))
    before = "".join(SPELT[token_id] for token_id in ids)
    expected = {
        token_id
        for token_id, spelt in enumerate(SPELT)
        for start in range(len(before + spelt))
        if (match := pattern.match(before + spelt, start)) and match.end() > len(before)
    }
    assert set(out.tolist()) - {0} == expected - {0}
    assert set(free.tolist()) <= {0}


def test_long_texts_are_forbidden_by_their_beginning() -> None:
    text = "ein " * 40
    ids = tokenizer().encode([text])[0]
    table = BannedStringTable.of(
        [[compile_banned_string(tokenizer(), text)]], token_lengths(tokenizer())
    )
    assert table is not None
    out = [
        ids[at] in table.completed_by(torch.tensor([ids[:at]]))
        for at in range(len(ids))
    ]
    letters = "".join(SPELT[token_id] for token_id in ids[: out.index(True) + 1])
    assert len(letters) - 1 in range(MAX_BANNED_CHARACTERS, MAX_BANNED_CHARACTERS + 6)


def test_languages_without_blanks_have_phrases_within_text() -> None:
    request = TranslationRequest("x", required=("Hund",))
    within = tokenize_constraints(request, tokenizer(), spaced=False)
    word = tokenize_constraints(request, tokenizer(), spaced=True)
    spelt = tokenizer().id_to_tokens(within.required[0])
    assert "".join(spelt) == "Hund"
    assert "".join(tokenizer().id_to_tokens(word.required[0])) == "▁Hund"
    assert (within.violation("aHunde"), bool(word.violation("aHunde"))) == ("", True)


def test_a_vowel_sign_continues_its_word() -> None:
    whole = _compile("लड़", word_start=True, word_end=True)
    assert whole.search("एक लड़ है")
    assert not whole.search("लड़ी")  # A girl, though the sign is no \\w.
    assert not _compile("की", word_start=True, word_end=True).search("लड़की")


def objects(*records: dict[str, Any]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


JSONL = ("--field", "en", "--constraints", "--input-format", "jsonl")


def test_every_json_object_has_its_own_constraints(run: Path) -> None:
    text = objects(
        {"en": "A dog sleeps.", "prefix": "Der"},
        {"en": "A dog sleeps.", "required": ["Katze"], "forbidden": None},
        {"en": "A dog sleeps."},
        {"en": "", "forbidden": ["Hund"]},
    )
    first, second, third, blank = lines_of(call("translate", run, *JSONL, text=text)[0])
    assert first.startswith("Der")
    assert "Katze" in second
    assert (third, blank) == (Translator.load(run)(["A dog sleeps."])[0], "")
    # Without --constraints they are keys like others.
    plain = call("translate", run, "--field", "en", *JSONL[3:], text=text)[0]
    assert lines_of(plain) == [third, third, third, ""]


@pytest.mark.parametrize(
    ("constraints", "more", "says"),
    [
        ({"required": "Hund"}, "", "must be a list of texts, such as"),
        ({"forbidden": [1]}, "", "must be a list of texts, such as"),
        ({"prefix": ["Der"]}, "", "'prefix' must be a text"),
        ({"required": [" "]}, "", "a required phrase is blank"),
        ({"required": ["你"]}, "", "has no tokens for some of its characters"),
        ({"required": ["der Mann " * 20]}, "", "tokens, but the translation of this"),
        ({"prefix": "der Mann " * 20}, "", "tokens, but the translation of this line"),
        (
            {"required": ["Hund"], "forbidden": ["und"]},
            "",
            "'und' is forbidden, but part of 'Hund'",
        ),
        ({"required": ["Hund"]}, "-o search.method=sample", "use beam search"),
        ({"required": ["Hund"]}, "--mbr-samples 2", "use beam search"),
        (
            {"required": ["Hund"]},
            "-o search.beam_size=4 -o search.num_beam_groups=2",
            "use one of them",
        ),
        ({"prefix": "Der"}, "--replace-unk", "leave out --replace-unk"),
        (
            {"required": ["Hund"]},
            "--max-input-length 2",
            "which of them is to contain the required phrases is not known",
        ),
        ({"en": " ", "prefix": "Der"}, "", "a blank line has a blank translation"),
    ],
)
def test_what_is_unsupported_is_one_line_with_its_location(
    run: Path, tmp_path: Path, constraints: dict[str, Any], more: str, says: str
) -> None:
    text = objects({"en": "A cat."}, {"en": "A dog sleeps.", **constraints})
    output = tmp_path / "out"
    error = call("translate", run, *JSONL, *more.split(), "--output", output, text=text)
    assert says in error[1]
    assert error[1].startswith("standard input:2: ")
    assert "\n" not in error[1]
    assert not output.exists()
