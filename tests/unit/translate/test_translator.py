"""The line contract: lines out are lines in, whatever they hold."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.errors import UserError
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.formats import OutputWriter, read_records
from seq2seq.translate.process_pool import InlineTranslator
from seq2seq.translate.translate_records import translate_records
from seq2seq.utils.files import decode_lines
from tests.helpers.translate_cli import LINES, hostile_lines, lines_of, piped


@settings(max_examples=60)
@given(hostile_lines, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_as_many_lines_come_out_as_go_in(
    translator: Translator, lines: list[str], end: str, ended: bool
) -> None:
    text = end.join([*lines, ""] if ended else lines).encode()
    inputs = list(decode_lines(io.BytesIO(text), "it"))
    options = translator.with_beam_size(TranslationOptions(max_input_length=30), 1)
    outputs = piped(translator, text, options=options)
    assert len(outputs) == len(inputs)
    for line, translation in zip(inputs, outputs, strict=True):
        assert "\r" not in translation
        if not line.strip():
            assert translation == ""


def test_a_line_without_a_visible_character_stays_blank(translator: Translator) -> None:
    lines = ["\u3164\u200d", "\u200b\ufeff", "\u2800", "a\u200db"]
    translations = translator(lines, beam_size=1)
    assert translations[:3] == ["", "", ""]
    assert translations[3]


@pytest.mark.parametrize("batch_size", [1, 7, 64, 128])
@pytest.mark.parametrize("buffer_size", [1, 3, 2000])
def test_text_does_not_depend_on_batches_or_buffers(
    translator: Translator, batch_size: int, buffer_size: int
) -> None:
    lines = LINES * 3
    whole = translator(lines)
    assert (
        translator(
            lines,
            options=TranslationOptions(batch_size=batch_size, buffer_size=buffer_size),
        )
        == whole
    )
    backwards = translator(
        lines[::-1], options=TranslationOptions(batch_size=batch_size)
    )
    assert backwards[::-1] == whole
    assert [translator([line])[0] for line in LINES] == whole[: len(LINES)]


def test_an_endless_input_is_read_no_further_than_its_buffers(
    translator: Translator,
) -> None:
    num_read = 0

    def endless() -> Any:
        nonlocal num_read
        while True:
            num_read += 1
            yield "A dog."

    stream = translator.stream(endless())
    assert next(stream) == next(stream)
    assert num_read == 9


def test_long_lines_are_translated_in_segments_or_truncated(
    translator: Translator,
) -> None:
    line, short = "The man sees a dog. " * 30, "The man sees a dog."
    num_tokens = len(translator.source.encode([short])[0])
    options = TranslationOptions(max_input_length=num_tokens, sentences="keep")
    (split,) = translator.translate_batch([line], options)
    assert (split.num_segments, split.truncated) == (30, False)
    alone = translator([short])[0]
    assert split.translation == " ".join([alone] * 30)
    (truncated,) = translator.translate_batch(
        [line], replace(options, long_input="truncate")
    )
    assert (truncated.translation, truncated.num_segments) == (alone, 1)
    assert truncated.truncated


def test_a_million_characters_are_a_line(translator: Translator) -> None:
    options = translator.with_beam_size(
        TranslationOptions(long_input="truncate", max_input_length=20), 1
    )
    texts = translator(["x" * 1_000_000, "", "No"], options=options)
    assert texts[1:] == ["", *translator(["No"], beam_size=1)]


def test_a_batch_that_does_not_fit_in_memory_is_halved(
    run: Path, translator: Translator, monkeypatch: Any
) -> None:
    small = Translator.load(run)
    start, sizes = small.engine.start, []

    def full(source: Any, lengths: Any, required: Any) -> Any:
        sizes.append(len(source))
        if len(source) > capacity:
            raise MemoryError
        return start(source, lengths, required)

    monkeypatch.setattr(small.engine, "start", full)
    capacity = 2
    assert small(LINES) == translator(LINES)
    assert max(sizes) > capacity
    capacity = 0
    with pytest.raises(UserError, match="does not fit in memory"):
        small(LINES)


def test_bad_input_keeps_what_came_before(translator: Translator) -> None:
    output = io.BytesIO()
    text = "\n".join(LINES[:5]).encode() + b"\n\xff\nmore\n"
    records = read_records(
        decode_lines(io.BytesIO(text), "it"), "it", input_format="text", field=None
    )
    with pytest.raises(UserError, match=r"^it:6: byte 0xff"):
        translate_records(
            InlineTranslator(translator, TranslationOptions()),
            records,
            writer=OutputWriter("text"),
            output=output,
        )
    assert lines_of(output.getvalue()) == translator(LINES[:5])
