"""The line contract: lines out are lines in, whatever they hold."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.errors import UserError
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.batching import (
    MAX_BUFFER_CHARACTERS,
    batch_by_length,
    read_buffers,
)
from seq2seq.translate.formats import OutputWriter, read_records
from seq2seq.translate.input_splitting import split_long_input
from seq2seq.translate.process_pool import InlineTranslator
from seq2seq.translate.translate_file import translate_records
from seq2seq.utils.files import decode_lines
from tests.helpers.translate_cli import LINES, lines_of, piped

HOSTILE = "\0\x01\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ufeff\u200b\u202e\xa0▁⁇\t\r|"

hostile = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")),
        st.text(st.sampled_from("aA .,;。你" + HOSTILE)),
        st.sampled_from([*LINES, "x" * 700, "A dog. " * 90, "字" * 300]),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(hostile, st.sampled_from(["\n", "\r\n"]), st.booleans())
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


@settings(max_examples=15, deadline=None)
@given(hostile)
def test_every_form_keeps_every_line(translator: Translator, lines: list[str]) -> None:
    options = translator.with_beam_size(TranslationOptions(max_input_length=30), 1)
    objects = "".join(
        json.dumps({"id": i, "en": x}) + "\n" for i, x in enumerate(lines)
    )
    outputs = piped(
        translator,
        objects.encode(),
        input_format="jsonl",
        field="en",
        options=options,
        writer=OutputWriter("jsonl"),
    )
    rows = [json.loads(line) for line in outputs]
    assert [row["id"] for row in rows] == list(range(len(lines)))
    assert [row["en"] for row in rows] == lines
    tabs = "".join(f"{i}\t{x}\n".replace("\r", "") for i, x in enumerate(lines))
    wide = piped(
        translator,
        tabs.encode(),
        input_format="tsv",
        field="1",
        options=options,
        writer=OutputWriter("tsv"),
    )
    assert [line.split("\t")[0] for line in wide] == [str(i) for i in range(len(lines))]


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


def test_half_a_surrogate_pair_is_read_as_a_replacement_character(
    translator: Translator,
) -> None:
    assert translator(["a \ud800 b"]) == translator(["a \ufffd b"])
    text = b'{"en": "a \\ud800 b", "id": "\\udfff"}\n'
    (output,) = piped(
        translator, text, input_format="jsonl", field="en", writer=OutputWriter("jsonl")
    )
    assert json.loads(output)["id"] == "\udfff"


def test_buffers_grow_and_end_at_many_characters() -> None:
    sizes = [
        len(w) for w in read_buffers(["x"] * 5000, num_characters=len, buffer_size=2000)
    ]
    assert sizes == [1, 8, 64, 512, 2000, 2000, 415]
    sizes = [
        len(w)
        for w in read_buffers(
            ["x"] * 50, num_characters=len, buffer_size=20, first_buffer_size=20
        )
    ]
    assert sizes == [20, 20, 10]
    long = read_buffers(["x" * MAX_BUFFER_CHARACTERS] * 20, num_characters=len)
    assert [len(window) for window in long] == [1] * 20


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


@given(st.lists(st.integers(1, 400), max_size=200), st.integers(1, 64))
def test_batches_hold_every_sentence_once(lengths: list[int], max_count: int) -> None:
    batches = batch_by_length(lengths, batch_size=max_count)
    assert sorted(n for batch in batches for n in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= max_count
        padded = len(batch) * max(lengths[number] for number in batch)
        assert padded <= max_count * 100 or len(batch) == 1


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


def test_long_lines_are_translated_in_segments_or_truncated(
    translator: Translator,
) -> None:
    line, short = "The man sees a dog. " * 30, "The man sees a dog."
    num_tokens = len(translator.source.encode([short])[0])
    options = TranslationOptions(max_input_length=num_tokens)
    (split,) = translator.translate_batch([line], options)
    assert (split.num_segments, split.truncated) == (30, False)
    alone = translator([short])[0]
    assert split.text == " ".join([alone] * 30)
    (truncated,) = translator.translate_batch(
        [line], replace(options, long_input="truncate")
    )
    assert (truncated.text, truncated.num_segments) == (alone, 1)
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
