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
from seq2seq.translate.batching import CHARACTERS, batch_by_length, read_buffers
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
    came = list(decode_lines(io.BytesIO(text), "it"))
    options = translator.with_beam_size(TranslationOptions(max_length=30), 1)
    found = piped(translator, text, options=options)
    assert len(found) == len(came)
    for line, translation in zip(came, found, strict=True):
        assert "\r" not in translation
        if not line.strip():
            assert translation == ""


@settings(max_examples=15, deadline=None)
@given(hostile)
def test_every_form_keeps_every_line(translator: Translator, lines: list[str]) -> None:
    options = translator.with_beam_size(TranslationOptions(max_length=30), 1)
    objects = "".join(
        json.dumps({"id": i, "en": x}) + "\n" for i, x in enumerate(lines)
    )
    found = piped(
        translator,
        objects.encode(),
        form="jsonl",
        field="en",
        options=options,
        writing=OutputWriter("jsonl"),
    )
    rows = [json.loads(line) for line in found]
    assert [row["id"] for row in rows] == list(range(len(lines)))
    assert [row["en"] for row in rows] == lines
    tabs = "".join(f"{i}\t{x}\n".replace("\r", "") for i, x in enumerate(lines))
    wide = piped(
        translator,
        tabs.encode(),
        form="tsv",
        field="1",
        options=options,
        writing=OutputWriter("tsv"),
    )
    assert [line.split("\t")[0] for line in wide] == [str(i) for i in range(len(lines))]


@pytest.mark.parametrize("batch", [1, 7, 64, 128])
@pytest.mark.parametrize("window", [1, 3, 2000])
def test_text_does_not_depend_on_batches_or_windows(
    translator: Translator, batch: int, window: int
) -> None:
    lines = LINES * 3
    whole = translator(lines)
    assert (
        translator(lines, options=TranslationOptions(batch=batch, window=window))
        == whole
    )
    backwards = translator(lines[::-1], options=TranslationOptions(batch=batch))
    assert backwards[::-1] == whole
    assert [translator([line])[0] for line in LINES] == whole[: len(LINES)]


def test_half_a_surrogate_pair_is_read_as_a_replacement_character(
    translator: Translator,
) -> None:
    assert translator(["a \ud800 b"]) == translator(["a \ufffd b"])
    text = b'{"en": "a \\ud800 b", "id": "\\udfff"}\n'
    (found,) = piped(
        translator, text, form="jsonl", field="en", writing=OutputWriter("jsonl")
    )
    assert json.loads(found)["id"] == "\udfff"


def test_windows_grow_and_end_at_many_characters() -> None:
    sizes = [len(w) for w in read_buffers(["x"] * 5000, characters=len, largest=2000)]
    assert sizes == [1, 8, 64, 512, 2000, 2000, 415]
    sizes = [
        len(w) for w in read_buffers(["x"] * 50, characters=len, largest=20, first=20)
    ]
    assert sizes == [20, 20, 10]
    long = read_buffers(["x" * CHARACTERS] * 20, characters=len)
    assert [len(window) for window in long] == [1] * 20


def test_an_endless_input_is_read_no_further_than_its_windows(
    translator: Translator,
) -> None:
    read = 0

    def endless() -> Any:
        nonlocal read
        while True:
            read += 1
            yield "A dog."

    stream = translator.stream(endless())
    assert next(stream) == next(stream)
    assert read == 9


@given(st.lists(st.integers(1, 400), max_size=200), st.integers(1, 64))
def test_batches_hold_every_sentence_once(lengths: list[int], most: int) -> None:
    found = batch_by_length(lengths, sentences=most)
    assert sorted(n for batch in found for n in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) <= most
        padded = len(batch) * max(lengths[number] for number in batch)
        assert padded <= most * 100 or len(batch) == 1


@given(
    st.lists(st.sampled_from(["▁a", "b", ".", "▁", ",", '."', "。", "?"]), min_size=1),
    st.integers(1, 9),
)
def test_the_parts_of_a_line_are_the_line(pieces: list[str], longest: int) -> None:
    found = split_long_input(pieces, longest)
    assert [piece for part in found for piece in pieces[part]] == pieces
    assert all(1 <= part.stop - part.start <= longest for part in found)


@pytest.mark.parametrize(
    ("text", "longest", "ends"),
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
def test_lines_come_apart_where_sentences_end(
    text: str, longest: int, ends: list[int]
) -> None:
    assert [part.stop for part in split_long_input(text.split(), longest)] == ends


def test_long_lines_are_translated_in_parts_or_cut(translator: Translator) -> None:
    line, short = "The man sees a dog. " * 30, "The man sees a dog."
    pieces = len(translator.source.encode([short])[0])
    options = TranslationOptions(max_length=pieces)
    (found,) = translator.translate_batch([line], options)
    assert (found.parts, found.cut) == (30, False)
    alone = translator([short])[0]
    assert found.text == " ".join([alone] * 30)
    (cut,) = translator.translate_batch([line], replace(options, long="cut"))
    assert (cut.text, cut.parts, cut.cut) == (alone, 1, True)


def test_a_million_characters_are_a_line(translator: Translator) -> None:
    options = translator.with_beam_size(
        TranslationOptions(long="cut", max_length=20), 1
    )
    found = translator(["x" * 1_000_000, "", "No"], options=options)
    assert found[1:] == ["", *translator(["No"], beam_size=1)]


def test_a_batch_that_does_not_fit_in_memory_is_halved(
    run: Path, translator: Translator, monkeypatch: Any
) -> None:
    small = Translator.load(run)
    start, sizes = small.engine.start, []

    def full(source: Any, lengths: Any, asked: Any) -> Any:
        sizes.append(len(source))
        if len(source) > most:
            raise MemoryError
        return start(source, lengths, asked)

    monkeypatch.setattr(small.engine, "start", full)
    most = 2
    assert small(LINES) == translator(LINES)
    assert max(sizes) > most
    most = 0
    with pytest.raises(UserError, match="does not fit in memory"):
        small(LINES)


def test_bad_input_keeps_what_came_before(translator: Translator) -> None:
    output = io.BytesIO()
    text = "\n".join(LINES[:5]).encode() + b"\n\xff\nmore\n"
    records = read_records(
        decode_lines(io.BytesIO(text), "it"), "it", form="text", field=None
    )
    with pytest.raises(UserError, match=r"^it:6: byte 0xff"):
        translate_records(
            InlineTranslator(translator, TranslationOptions()),
            records,
            writing=OutputWriter("text"),
            output=output,
        )
    assert lines_of(output.getvalue()) == translator(LINES[:5])
