"""Translation of input lines in buffers, each written as soon as it is finished."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from seq2seq.errors import UserError
from seq2seq.translate.batching import read_buffers
from seq2seq.translate.constraints import TranslationRequest
from seq2seq.translate.formats import OutputWriter, Record
from seq2seq.translate.line_stats import LineStats
from seq2seq.translate.options import Translation, TranslationOptions
from seq2seq.translate.process_pool import (
    InlineTranslator,
    Lines,
    Task,
    TranslatorPool,
)
from seq2seq.translate.resumable_output import ResumableOutput
from seq2seq.utils.progress import LineProgress


def translate_records(
    pool: InlineTranslator | TranslatorPool,
    records: Iterable[Record],
    *,
    writer: OutputWriter,
    output: BinaryIO | ResumableOutput,
    stats: LineStats | None = None,
    progress: LineProgress | None = None,
) -> LineStats:
    """Translate records, and write each buffer as it is finished.

    Args:
        pool: Translates, in this process or in others.
        records: Input lines; may be endless.
        writer: Formats the output lines.
        output: A stream, or resumable files, of which the second, if any, gets
            alignments.
        stats: Counts to add to; new ones if None.
        progress: Progress display; none if None.

    Raises:
        UserError: If the input is faulty; what comes before is written.
    """
    stats = stats or LineStats()
    progress = progress or LineProgress(None)
    resumable = output if isinstance(output, ResumableOutput) else None
    progress.done = num_committed = resumable.committed.lines if resumable else 0
    num_skipped = 0
    complete = False

    def show_pending(count: int) -> None:
        progress.show(progress.done, stats.lines, pending=count)

    if isinstance(pool, InlineTranslator):
        pool.on_progress = show_pending
    try:
        tasks = _tasks(records, num_committed, pool.options)
        for buffer, translations in pool.results(tasks):
            done = 0
            if resumable:
                done = resumable.skip_done([record.line for record in buffer])
            first_index = stats.lines + num_skipped + done
            num_skipped += done
            if translations is None:
                continue
            pairs = [
                (record, Translation(error=record.error) if record.error else result)
                for record, result in zip(buffer, translations, strict=True)
            ][done:]
            lines = [
                line
                for index, (record, translation) in enumerate(pairs, first_index)
                for line in writer.format_lines(record, translation, index)
            ]
            stats.add(translation for _, translation in pairs)
            if resumable:
                outputs = [lines, _alignment_lines(pairs)]
                resumable.append(outputs[: len(resumable.paths)])
            elif not isinstance(output, ResumableOutput):
                output.write("".join(f"{line}\n" for line in lines).encode())
                output.flush()
            progress.show(stats.lines + num_skipped, stats.lines)
        if resumable:
            resumable.commit()
        complete = True
    finally:
        progress.close(complete=complete)
    return stats


def _tasks(
    records: Iterable[Record], num_committed: int, options: TranslationOptions
) -> Iterator[Task[list[Record]]]:
    """Yield buffers and the lines to translate; None where the output is committed.

    A partly committed buffer is translated whole, so that batches stay the same.
    """
    num_read = 0
    for buffer in read_buffers(
        records,
        num_characters=lambda record: len(record.line),
        buffer_size=options.buffer_size,
        first_buffer_size=options.first_buffer_size,
    ):
        num_read += len(buffer)
        for error in [record.error for record in buffer if record.error]:
            if options.on_error == "raise":
                raise UserError(error)
        lines: Lines = [record.request or record.text for record in buffer]
        if options.glossary:  # Its errors name the line.
            lines = [
                record.request
                or TranslationRequest(record.text, location=record.location)
                for record in buffer
            ]
        yield buffer, None if num_read <= num_committed else lines


def _alignment_lines(pairs: Sequence[tuple[Record, Translation]]) -> list[str]:
    """Return the alignment of each translated line, in Pharaoh format."""
    return [
        "" if translation.alignment is None else translation.alignment.to_pharaoh()
        for record, translation in pairs
        if not record.header
    ]
