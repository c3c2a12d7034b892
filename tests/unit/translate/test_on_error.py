"""Errors of single lines, raised or returned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seq2seq.errors import UserError
from seq2seq.recipe import SearchOptions
from seq2seq.translate import TranslationOptions, TranslationRequest, Translator
from tests.helpers.runs import tokenizer
from tests.helpers.translate_cli import LINES, call, lines_of

LONG = "The old man buys a red car, and the child reads a book. " * 8
SEARCH = SearchOptions(beam_size=3, max_length_ratio=1.0)


def unsatisfiable(text: str) -> TranslationRequest:
    """Leave no place for the required word but one that is forbidden."""
    own = tokenizer()
    (source, required) = own.encode([text, "Hund"])
    num_left = len(source) + 1 + 10 - len(required)
    prefix, word = next(
        ("der " * count + word, word)
        for count in range(num_left)
        for word in ("der", "das", "Mann", "Frau", "Mutter")
        if len(own.encode(["der " * count + word])[0]) == num_left
    )
    forbidden = (f"{word} Hund",)
    return TranslationRequest(text, prefix, required=("Hund",), forbidden=forbidden)


BAD: dict[str, tuple[Any, str]] = {
    "no text": (None, "of type NoneType"),
    "contradiction": (
        TranslationRequest("A dog.", required=("Hund",), forbidden=("und",)),
        "'und' is forbidden, but part of 'Hund'",
    ),
    "characters": (
        TranslationRequest("A dog.", prefix="你"),
        "has no tokens for some of its characters",
    ),
    "blank": (TranslationRequest(" ", prefix="Der"), "a blank line has a blank transl"),
    "segments": (
        TranslationRequest(LONG, required=("Hund",)),
        "it is translated in",
    ),
    "long prefix": (
        TranslationRequest("A dog.", prefix="der Mann " * 20),
        "but the translation of this line may have at most",
    ),
    "long required": (
        TranslationRequest("A dog.", required=("der Mann " * 20,)),
        "but the translation of this line may have at most",
    ),
    "unsatisfied": (
        unsatisfiable("A dog."),
        "no translation was found that",
    ),
}


def options(**changes: Any) -> TranslationOptions:
    return TranslationOptions(search=SEARCH, on_error="return", **changes)


@pytest.mark.parametrize("name", BAD)
def test_one_line_raises_or_leaves_the_others_as_they_are(
    translator: Translator, name: str
) -> None:
    line, message = BAD[name]
    mixed = [*LINES[:3], line, *LINES[3:], line]
    with pytest.raises(UserError, match=message):
        translator.translate_batch(mixed, replace(options(), on_error="raise"))
    for batch_size in (1, 3, 128):
        chosen = options(batch_size=batch_size, n_best=2, token_log_probs=True)
        results = translator.translate_batch(mixed, chosen)
        failed = [results.pop(), results.pop(3)]
        for translation in failed:
            assert message in translation.error
            assert translation.translation == ""
            assert translation.n_best == ()
        # To the bit: all numbers are compared.
        assert results == translator.translate_batch(LINES, chosen)
        assert not any(translation.error for translation in results)


def test_requests_that_can_be_met_are_met_beside_others(
    translator: Translator,
) -> None:
    good = [
        TranslationRequest("A dog sleeps.", required=("Mutter",)),
        TranslationRequest("The cat.", forbidden=("x",)),
        TranslationRequest("A dog.", prefix="Der"),
    ]
    bad = [line for line, _ in BAD.values()]
    results = translator.translate_batch([*bad, *LINES, *good], options())
    assert all(translation.error for translation in results[: len(bad)])
    expected = translator.translate_batch([*LINES, *good], options())
    texts = [translation.translation for translation in results[len(bad) :]]
    assert texts == [translation.translation for translation in expected]
    assert "Mutter" in texts[-3]


def test_a_line_that_does_not_fit_in_memory_is_an_error_of_its_own(
    run: Path, translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Translator.load(run)
    start = small.engine.start

    def full(source: Any, lengths: Any, required: Any) -> Any:
        if int(lengths.max()) > 30:
            raise MemoryError
        return start(source, lengths, required)

    monkeypatch.setattr(small.engine, "start", full)
    long = "The old man buys a red car " * 3
    first, second, third = small.translate_batch(["A dog.", long, "No"], options())
    assert "does not fit in memory" in second.error
    expected = translator.translate_batch(["A dog.", "No"], options())
    assert [first.translation, third.translation] == [t.translation for t in expected]
    with pytest.raises(UserError, match="does not fit in memory"):
        small.translate_batch(["A dog.", long], replace(options(), on_error="raise"))


def test_the_command_returns_errors_and_names_the_first(
    run: Path, translator: Translator
) -> None:
    objects: list[dict[str, Any]] = [
        {"en": "A dog."},
        {"en": "A dog.", "required": ["你"]},
        {"en": "The cat."},
        {"en": "The cat.", "prefix": "你"},
    ]
    text = "".join(json.dumps(item) + "\n" for item in objects).encode()
    more = ["--input-format", "jsonl", "--field", "en", "--constraints"]
    assert "has no tokens for some" in call("translate", run, *more, text=text)[1]
    out, says = call("translate", run, *more, "--on-error", "return", text=text)
    expected = translator(["A dog.", "The cat."])
    assert lines_of(out) == [expected[0], "", expected[1], ""]
    assert "2 of 4 lines could not be translated and are blank; the first" in says
    assert "standard input:2: '你' is required" in says
    more += ["--on-error", "return", "--output-format", "jsonl"]
    written = [
        json.loads(line)
        for line in lines_of(call("translate", run, *more, text=text)[0])
    ]
    assert ["error" in line for line in written] == [False, True, False, True]
    assert written[3]["error"].startswith("standard input:4: '你' is required")
    assert written[3]["score"] is None


@pytest.mark.parametrize(
    ("request_", "changes", "message"),
    [
        (
            TranslationRequest("A dog.", required=("Hund",)),
            {"search": SearchOptions(method="sample")},
            "sampling supports no required phrases",
        ),
        (
            TranslationRequest("A dog.", prefix="Der"),
            {"replace_unk": True},
            "leave out --replace-unk",
        ),
    ],
)
def test_options_that_fit_no_line_are_an_error_of_the_call(
    translator: Translator,
    request_: TranslationRequest,
    changes: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(UserError, match=message):
        translator.translate_batch([request_], replace(options(), **changes))


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({"required": "Hund"}, "'required' must be a list of texts"),
        ({"prefix": 5}, "'prefix' must be a text"),
        ({"forbidden": [" "]}, "a forbidden phrase is blank"),
        ({"required": ["  "]}, "a required phrase is blank"),
        ({"prefix": False}, "'prefix' must be a text, but is false"),
        ({"prefix": []}, "'prefix' must be a text"),
    ],
)
def test_constraints_that_cannot_be_read_are_an_error_of_their_line(
    run: Path, translator: Translator, constraints: dict[str, Any], message: str
) -> None:
    objects = [{"en": "A dog."}, {"en": "I see.", **constraints}, {"en": "The cat."}]
    text = "".join(json.dumps(item) + "\n" for item in objects).encode()
    more = ["--input-format", "jsonl", "--field", "en", "--constraints"]
    assert call("translate", run, *more, text=text)[1].startswith("standard input:2: ")
    more += ["--on-error", "return", "--output-format", "jsonl"]
    out, says = call("translate", run, *more, text=text)
    first, second, third = map(json.loads, lines_of(out))
    expected = translator(["A dog.", "The cat."])
    assert [first["translation"], third["translation"]] == expected
    assert second["translation"] == ""
    assert message in second["error"]
    assert second["en"] == "I see."
    assert "1 of 3 lines could not be translated and is blank; the first" in says


def test_an_input_with_errors_of_its_own_is_refused_at_its_first_line(
    run: Path,
) -> None:
    text = b'{"en": "A dog.", "error": ""}\n'
    jsonl = ["--input-format", "jsonl", "--field", "en", "--output-format", "jsonl"]
    out, message = call("translate", run, *jsonl, "--on-error", "return", text=text)
    assert not out
    assert "the input has a field 'error' already" in message
    out, _ = call("translate", run, *jsonl, text=text)
    assert json.loads(out)["error"] == ""
    keyed = [*jsonl, "--on-error", "return", "--output-key", "new"]
    out, _ = call("translate", run, *keyed, text=text)
    assert json.loads(out)["new"]["translation"]
