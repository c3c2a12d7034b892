"""One command's work: records are read, translated, written and counted.

Knows records, who translates and where output goes; not arguments or networks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from seq2seq.translate.batching import read_buffers
from seq2seq.translate.formats import OutputWriter, Record
from seq2seq.translate.options import Translation, TranslationOptions
from seq2seq.translate.process_pool import InlineTranslator, Task, TranslatorPool
from seq2seq.translate.resumable_output import ResumableOutput

PROGRESS_SECONDS = 0.5


@dataclass
class LineStats:
    """What happened to the lines.

    Attributes:
        lines: How many came in.
        split: How many of them were too long and were taken apart.
        cut: How many of them were too long and lost their end.
    """

    lines: int = 0
    split: int = 0
    cut: int = 0

    def add(self, translations: Iterable[Translation]) -> None:
        """Count a window."""
        for each in translations:
            self.lines += 1
            self.split += each.parts > 1
            self.cut += each.cut

    def report(self, longest: int) -> str:
        """Say what a user should know; nothing if all went the usual way."""
        if self.cut:
            return f"{self.cut:,} of {self.lines:,} lines were cut to {longest} pieces"
        if self.split:
            return (
                f"{self.split:,} of {self.lines:,} lines had more than {longest} "
                "pieces and were translated in parts"
            )
        return ""


@dataclass
class DecodeErrorCounter:
    """Lines that were damaged, and were translated with U+FFFD for the damage.

    Attributes:
        first: Where the first of them stands.
        count: How many there were.
    """

    first: str = ""
    count: int = 0

    def __call__(self, place: str) -> None:
        """Take note of a line."""
        self.count += 1
        self.first = self.first or place

    def report(self) -> str:
        """Say how many there were; nothing if none."""
        if not self.count:
            return ""
        lines = "1 line was" if self.count == 1 else f"{self.count:,} lines were"
        return (
            f"{lines} not UTF-8, and U+FFFD took the place of what cannot be read; the "
            f"first is {self.first}. --strict refuses such lines"
        )


class Throughput:
    """Lines done and lines a second, on a terminal only."""

    def __init__(self, screen: TextIO) -> None:
        self.screen = screen if screen.isatty() else None
        self.started = self.shown = time.monotonic()

    def show(self, done: int, translated: int) -> None:
        """Rewrite the line, but not too often."""
        now = time.monotonic()
        if self.screen is None or now - self.shown < PROGRESS_SECONDS:
            return
        self.shown = now
        rate = translated / (now - self.started)
        self.screen.write(f"\r{done:,} lines, {rate:,.0f} a second\x1b[K")
        self.screen.flush()

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self.screen is not None:
            self.screen.write("\r\x1b[K")
            self.screen.flush()


def translate_records(
    workers: InlineTranslator | TranslatorPool,
    records: Iterable[Record],
    *,
    writing: OutputWriter,
    output: BinaryIO | ResumableOutput,
    progress: Throughput | None = None,
) -> LineStats:
    """Translate all records and write each window as it is finished.

    Args:
        workers: Who translates, and how.
        records: What to translate; may be endless.
        writing: How to write.
        output: A stream, or files that a journal keeps; of these the second, if any,
            gets alignments.
        progress: Where to say how far it is; nowhere if None.

    Raises:
        InputError: If the input turns out bad; what came before is written.
    """
    counts = LineStats()
    progress = progress or Throughput(sys.stderr)
    already = output.done.lines if isinstance(output, ResumableOutput) else 0
    skipped = 0
    try:
        tasks = _tasks(records, already, workers.options)
        for window, found in workers.results(tasks):
            done = 0
            if isinstance(output, ResumableOutput):
                done = output.skip_done([record.line for record in window])
            first = counts.lines + skipped
            skipped += done
            if found is None:
                continue
            new, translations = window[done:], found[done:]
            lines = _lines(new, translations, writing, first + done)
            counts.add(translations)
            if isinstance(output, ResumableOutput):
                files = [lines, _links(new, translations)]
                output.append(files[: len(output.paths)])
            else:
                output.write("".join(f"{line}\n" for line in lines).encode())
                output.flush()
            progress.show(counts.lines + skipped, counts.lines)
    finally:
        progress.end()
    if isinstance(output, ResumableOutput):
        output.commit()
    return counts


def _tasks(
    records: Iterable[Record], already: int, options: TranslationOptions
) -> Iterator[Task[list[Record]]]:
    """Say of each window what is to be translated; nothing if it is done already.

    All of a window that is done in part, so that batches are the same ones.
    """
    read = 0
    for window in read_buffers(
        records,
        characters=lambda record: len(record.line),
        largest=options.window,
        first=options.first,
    ):
        read += len(window)
        lines = [record.request or record.text for record in window]
        yield window, None if read <= already else lines


def _lines(
    window: Sequence[Record],
    translations: Sequence[Translation],
    writing: OutputWriter,
    first: int,
) -> list[str]:
    pairs = zip(window, translations, strict=True)
    return [
        line
        for number, (record, translation) in enumerate(pairs, first)
        for line in writing.format_lines(record, translation, number)
    ]


def _links(window: Sequence[Record], translations: Sequence[Translation]) -> list[str]:
    """Write alignments, a line for each line that is translated."""
    return [
        "" if translation.alignment is None else translation.alignment.pharaoh()
        for record, translation in zip(window, translations, strict=True)
        if not record.header
    ]
