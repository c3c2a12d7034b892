"""What a Python user gives and gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seq2seq.errors import UserError
from seq2seq.translate import TranslationOptions, TranslationRequest, Translator
from seq2seq.translate.translate_file import FileOptions
from tests.helpers.translate_cli import LINES


@pytest.mark.parametrize("text", ["The dog sleeps.", b"The dog sleeps.", ""])
def test_a_single_text_is_not_taken_apart(
    run: Path, translator: Translator, text: Any
) -> None:
    calls: list[Any] = [
        lambda: translator(text),
        lambda: list(translator.stream(text)),
        lambda: translator.translate_batch(text),
        lambda: TranslationRequest("A dog.", required=text),
        lambda: TranslationRequest("A dog.", forbidden=text),
        lambda: Translator.load(run, ensemble=text),
        lambda: Translator.load(run, overrides=text),
        lambda: FileOptions(inputs=text),
    ]
    for call in calls:
        with pytest.raises(UserError, match=r"is the single text .*put it in brackets"):
            call()


@pytest.mark.parametrize(
    "change",
    [
        {"n_best": 2},
        {"align": True},
        {"token_log_probs": True},
        {"on_error": "return"},
    ],
)
def test_an_option_without_effect_on_texts_is_refused(
    translator: Translator, change: dict[str, Any]
) -> None:
    options = TranslationOptions(**change)
    message = f"{next(iter(change))} is .* Call translator.translate_batch"
    with pytest.raises(UserError, match=message):
        translator(["A dog."], options=options)
    with pytest.raises(UserError, match=message):
        next(translator.stream(["A dog."], options=options))
    assert len(translator.translate_batch(["A dog."], options)) == 1


def test_translations_have_the_texts_of_a_call(translator: Translator) -> None:
    translations = translator.translate_batch(LINES)
    assert [t.translation for t in translations] == translator(LINES)


def test_a_call_tells_how_many_lines_are_done(translator: Translator) -> None:
    counts: list[int] = []
    options = TranslationOptions(batch_size=2)
    silent = translator.translate_batch(LINES, options)
    assert silent == translator.translate_batch(
        LINES, options, on_progress=counts.append
    )
    assert len(counts) > 2
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == len(LINES)


@pytest.mark.parametrize("line", [None, 3.0, b"bytes", ["A dog."]])
def test_a_line_that_is_no_text_is_named(translator: Translator, line: Any) -> None:
    lines = ["A dog.", line]
    with pytest.raises(UserError, match=r"line 2 of 2 is .*, of type"):
        translator(lines)
    with pytest.raises(UserError, match=r"line 2 is .*, of type"):
        translator(iter(lines))
    with pytest.raises(UserError, match=r"line 2 of 2 is .*, of type"):
        translator.translate_batch(lines)


def test_errors_name_the_number_of_the_line_and_options_as_python_does(
    translator: Translator,
) -> None:
    request = TranslationRequest("A dog. A cat.", required=("Hund",))
    options = TranslationOptions(sentences="split", buffer_size=1)
    message = r"line 3 of 3: it is .* in Python sentences='keep' or max_input_length"
    with pytest.raises(UserError, match=message):
        translator(["A dog.", "", request], options)
    with pytest.raises(UserError, match=message):
        translator.translate_batch(["A dog.", "", request], options)
    named = replace(request, location="in.jsonl:7")
    with pytest.raises(UserError, match=r"^in\.jsonl:7: it is"):
        translator([named], options)


def test_options_are_the_second_argument_of_every_call(translator: Translator) -> None:
    options = TranslationOptions(batch_size=2)
    expected = translator(LINES)
    assert translator(LINES, options) == expected
    assert list(translator.stream(LINES, options)) == expected
