"""The memory of a translation does not grow with the lines that are done."""

from __future__ import annotations

import gc
import io
import tracemalloc
from collections.abc import Iterator

from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.formats import OutputWriter, read_records
from seq2seq.translate.process_pool import InlineTranslator
from seq2seq.translate.translate_records import translate_records
from tests.helpers.translate_cli import LINES

BUFFERS = 30
OPTIONS = TranslationOptions(
    buffer_size=20, first_buffer_size=20, max_input_length=5, long_input="truncate"
)


class MemoryInUse(io.BytesIO):
    """Notes the memory in use at each write, and keeps nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: list[int] = []

    def write(self, text: object) -> int:
        gc.collect()  # Empties Python's lists of free objects as well.
        self.bytes.append(tracemalloc.get_traced_memory()[0])
        return 0


def lines() -> Iterator[str]:
    """Yield lines of a thousand characters, each a string of its own."""
    for number in range(BUFFERS * OPTIONS.buffer_size):
        yield f"{LINES[number % len(LINES)]} {number}".ljust(1000)


def test_memory_does_not_grow_with_the_lines(translator: Translator) -> None:
    used = MemoryInUse()
    tracemalloc.start()
    try:
        translate_records(
            InlineTranslator(translator, translator.with_beam_size(OPTIONS, 1)),
            read_records(lines(), "it", input_format="text", field=None),
            writer=OutputWriter("text"),
            output=used,
        )
    finally:
        tracemalloc.stop()
    assert len(used.bytes) == BUFFERS
    # What is made once is made in the first buffers. A translation kept takes 350 bytes
    # a line, a record kept 1,700.
    first, last = 10, BUFFERS
    growth = used.bytes[last - 1] - used.bytes[first - 1]
    assert growth < 100 * OPTIONS.buffer_size * (last - first)
