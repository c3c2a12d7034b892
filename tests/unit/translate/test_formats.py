"""Formats keep every line and its other fields."""

from __future__ import annotations

import json
import re

from hypothesis import given, settings

from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.formats import OutputWriter
from tests.helpers.translate_cli import hostile_lines, piped


@settings(max_examples=15)
@given(hostile_lines)
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
    tabs = "".join(
        f"{i}\t" + re.sub(r"[\r\t]", "", x) + "\n" for i, x in enumerate(lines)
    )
    wide = piped(
        translator,
        tabs.encode(),
        input_format="tsv",
        field="1",
        quoted=False,
        options=options,
        writer=OutputWriter("tsv"),
    )
    assert [line.split("\t")[0] for line in wide] == [str(i) for i in range(len(lines))]


def test_half_a_surrogate_pair_is_read_as_a_replacement_character(
    translator: Translator,
) -> None:
    assert translator(["a \ud800 b"]) == translator(["a \ufffd b"])
    text = b'{"en": "a \\ud800 b", "id": "\\udfff"}\n'
    (output,) = piped(
        translator, text, input_format="jsonl", field="en", writer=OutputWriter("jsonl")
    )
    assert json.loads(output)["id"] == "\udfff"
