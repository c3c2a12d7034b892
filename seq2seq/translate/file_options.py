"""Input and output of a translation: files or streams, their formats, their checks."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from seq2seq.errors import UserError, require_list
from seq2seq.runs.run_folder import RunFolder
from seq2seq.translate.documents.document import Document
from seq2seq.translate.documents.read import is_document, read_document
from seq2seq.translate.formats import Format, Record, infer_format, read_records
from seq2seq.translate.resumable_output import ResumableOutput, partial_path
from seq2seq.utils.files import (
    COMPRESSIONS,
    DecodeErrorHandler,
    count_lines,
    decode_lines,
    read_bytes,
    read_lines,
)
from seq2seq.utils.overwriting import STDIN, STDOUT, check_overwrites_no_input

STANDARD_INPUT = "standard input"

CHECKED_LINES = 100
"""Lines of each input that are read before any is translated."""

MAX_COUNTED_BYTES = 256 << 20
"""Size of a compressed file whose lines are not counted beforehand."""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Input and output of `translate_file`.

    Attributes:
        inputs: Files to translate as one, plain or .gz, .xz, .zst, or one document;
            standard input if empty.
        output: The file to write, plain or compressed; standard output if None.
        resume: Whether to resume an interrupted output.
        alignments: A file for word alignments in Pharaoh format, written with output.
        input_format: Format of the input; inferred from each file's name, else text, if
            None.
        output_format: Format of the output; inferred from its name, else text, if None.
            That of a document is its input's.
        output_key: The key of one JSON object with all that is added to the input; if
            None, that stands beside the input's keys. In CSV and XLSX the name of the
            new column; translation if None.
        field: The source text: a key of JSON objects, or a column's number or name in
            TSV, CSV or XLSX.
        constraints: Whether prefix, required and forbidden of JSON objects constrain
            the translation.
        quoted: Whether quotes around a cell of TSV are none of its text; refuse what
            seems so if None.
        strict_utf8: Whether bytes that are not UTF-8 are an error; else they become
            U+FFFD. Files are then checked to their ends before any is translated.

    Raises:
        UserError: If resume or alignments is given without output, output_key for
            another format, or a document among other files or with another output.
    """

    inputs: Sequence[Path] = ()
    output: Path | None = None
    resume: bool = False
    alignments: Path | None = None
    input_format: Format | None = None
    output_format: Format | None = None
    output_key: str | None = None
    field: str | None = None
    constraints: bool = False
    quoted: bool | None = None
    strict_utf8: bool = False

    def __post_init__(self) -> None:
        require_list(self.inputs, "inputs")
        if self.resume and self.output is None:
            raise UserError("--resume needs --output F, the file to go on with.")
        if self.alignments is not None and self.output is None:
            raise UserError(
                "--alignments A needs --output F; both are written together."
            )
        self._check_document()
        written = self.written_format
        if self.output_key is not None and written not in ("jsonl", "csv", "xlsx"):
            raise UserError(
                f"--output-key is for JSONL, but the output is {written}. "
                "Add --output-format jsonl."
            )

    def _check_document(self) -> None:
        """Check that a document comes alone, and stays what it is."""
        kinds = self.input_formats or [self.input_format or "text"]
        kind = next((kind for kind in kinds if is_document(kind)), None)
        if kind is None:
            if is_document(self.written_format):
                raise UserError(
                    f"the output would be {self.written_format}, but the input is "
                    f"{kinds[0]}. A document is written from one of its format."
                )
            return
        path = self.inputs[0] if self.inputs else Path(f"in.{kind}")
        if len(kinds) > 1:
            raise UserError(
                f"{self.inputs[kinds.index(kind)]} is {kind}, a document, which is "
                "translated by itself: name one file."
            )
        suffix = "" if kind == "paragraphs" else path.suffix.lower()
        other = self.output_format not in (None, kind)
        if kind == "paragraphs" and self.output is not None:
            other = other or infer_format(self.output) != "text"
        elif kind != "paragraphs":
            other = other or (self.output or Path()).suffix.lower() != suffix
        if other:
            name = path.with_name(f"{path.stem}.translated{path.suffix}")
            raise UserError(
                f"{kind} is written as {kind}, with all but the text as it was. Use "
                f"--output {name}, and no other --output-format."
            )
        for option, given in (
            ("--quoted or --no-quoted", self.quoted is not None),
            ("--constraints", self.constraints),
            ("--column", self.field is not None and kind not in ("csv", "xlsx")),
        ):
            if given:
                raise UserError(f"{option} is not for {kind}; leave it out.")

    @property
    def written_format(self) -> Format:
        """The format of the output.

        Raises:
            UserError: If it is to be inferred, and the name is that of a spreadsheet.
        """
        kinds = self.input_formats or [self.input_format or "text"]
        if is_document(kinds[0]):
            return kinds[0]
        if self.output_format or self.output is None:
            return self.output_format or "text"
        return infer_format(self.output)

    @property
    def input_formats(self) -> list[Format]:
        """The format of each input file."""
        return [self.input_format or infer_format(path) for path in self.inputs]

    def num_lines(self) -> int | None:
        """Count the lines of all files; None for pipes, and where it takes long."""
        if self.document is not None:
            return len(self.document.texts)
        counts = [count_lines(path) for path in self.inputs if not _is_large(path)]
        known = [count for count in counts if count is not None]
        return sum(known) if known and len(known) == len(self.inputs) else None

    def check_inputs(self) -> None:
        """Read the first lines of all files, or all lines with strict_utf8.

        So no translation begins whose inputs are known to be faulty. Pipes, which
        cannot be read twice, are checked for options that contradict their format.

        Raises:
            UserError: If a file is missing, or its lines or the options are faulty.
        """
        if self.document is not None:
            return
        on_decode_error = None if self.strict_utf8 else _ignore
        count = None if self.strict_utf8 else CHECKED_LINES
        if not self.inputs:
            deque(self._parse([], STANDARD_INPUT, self.input_format or "text", None), 0)
        for path, input_format in zip(self.inputs, self.input_formats, strict=True):
            is_pipe = path.exists() and not path.is_file() and not path.is_dir()
            lines = read_lines(path, on_decode_error=on_decode_error)
            records = self._parse(
                [] if is_pipe else lines, str(path), input_format, on_decode_error
            )
            deque(islice(records, count), maxlen=0)

    @cached_property
    def document(self) -> Document | None:
        """The document that is translated, read to its end; None where lines are.

        Raises:
            UserError: If it is damaged, or its column is missing.
        """
        if not is_document(self.written_format):
            return None
        data = read_bytes(self.inputs[0]) if self.inputs else sys.stdin.buffer.read()
        return read_document(
            data,
            str(self.inputs[0]) if self.inputs else STANDARD_INPUT,
            self.written_format,
            column=self.field,
            new_column=self.output_key or "translation",
        )

    def read(
        self,
        stdin: BinaryIO,
        *,
        on_decode_error: DecodeErrorHandler | None,
        on_first_cell: Callable[[str, str], None] | None = None,
    ) -> Iterator[Record]:
        """Read the records of all files, or of standard input.

        Args:
            stdin: Standard input, for when there are no files.
            on_decode_error: As in `read_records`.
            on_first_cell: Called with a file's name and the text of its first row,
                where a column of TSV is chosen by number.

        Raises:
            UserError: As `read_records`; if files do not have the same columns, but the
                output is TSV.
        """
        if self.document is not None:
            if self.document.first_cell is not None and on_first_cell is not None:
                on_first_cell(str(self.inputs[0]), self.document.first_cell)
            name = str(self.inputs[0]) if self.inputs else STANDARD_INPUT
            for text, line in zip(
                self.document.texts, self.document.lines, strict=True
            ):
                yield Record(text, text, "", {}, location=f"{name}:{line}")
            return
        sources: list[tuple[str, Format, Iterable[str]]] = [
            (str(path), kind, read_lines(path, on_decode_error=on_decode_error))
            for path, kind in zip(self.inputs, self.input_formats, strict=True)
        ] or [
            (
                STANDARD_INPUT,
                self.input_format or "text",
                decode_lines(stdin, STANDARD_INPUT, on_decode_error=on_decode_error),
            )
        ]
        header: Record | None = None
        for name, kind, lines in sources:
            records = self._parse(lines, name, kind, on_decode_error)
            for index, record in enumerate(records):
                by_number = kind == "tsv" and (self.field or "").isdecimal()
                if index == 0 and by_number and on_first_cell is not None:
                    on_first_cell(name, record.text)
                if record.header and header is not None:
                    if record.line != header.line and self.written_format == "tsv":
                        raise UserError(
                            f"{name}:1: the columns are not those of the files before: "
                            f"{header.line!r}. Translate it by itself."
                        )
                    continue  # Only the first header is repeated.
                header = record if record.header else header
                yield record

    def _parse(
        self,
        lines: Iterable[str],
        name: str,
        input_format: Format,
        on_decode_error: DecodeErrorHandler | None,
    ) -> Iterator[Record]:
        return read_records(
            _refuse_binary(lines, name),
            name,
            input_format=input_format,
            field=self.field,
            constraints=self.constraints,
            quoted=self.quoted,
            on_decode_error=on_decode_error,
        )

    def check_output(self, runs: Sequence[RunFolder]) -> list[Path | int]:
        """Return what is read, none of which may be overwritten.

        Raises:
            UserError: If the output is one of that: an input, or a file of the runs.
        """
        inputs: list[Path | int] = [*self.inputs] or [STDIN]
        inputs += [path for run in runs for path in run.inputs]
        check_overwrites_no_input([self.output or STDOUT], inputs)
        return inputs

    @property
    def is_complete(self) -> bool:
        """Whether all files are there that are to be resumed, and none is partial."""
        paths = [path for path in (self.output, self.alignments) if path is not None]
        return self.resume and all(
            path.is_file() and not partial_path(path.resolve()).exists()
            for path in paths
        )

    def open_output(
        self, job: dict[str, Any], *, runs: Sequence[RunFolder]
    ) -> AbstractContextManager[BinaryIO | ResumableOutput]:
        """Open the output: a stream, or files that can be resumed by the same job.

        Raises:
            UserError: If it is a file that is read: an input, or of one of the runs.
        """
        output, document = self.output, self.document
        inputs = self.check_output(runs)
        if output is None:
            return (
                nullcontext(sys.stdout.buffer)
                if document is None
                else _document_stream(document)
            )
        if output.exists() and not output.is_file() and not output.is_dir():
            if self.resume or self.alignments is not None:
                raise UserError(
                    f"{output} is no file, so --resume and --alignments are not for it."
                )
            return output.open("wb")  # A pipe or device.
        paths = [output] if self.alignments is None else [output, self.alignments]
        return ResumableOutput(
            paths,
            job=job,
            resume=self.resume,
            inputs=inputs,
            render=None if document is None else document.render,
        )


@contextmanager
def _document_stream(document: Document) -> Iterator[BinaryIO]:
    """Yield a stream for translations; write the document once they are there."""
    lines = BytesIO()
    yield lines
    sys.stdout.buffer.write(document.render(lines.getvalue().decode().split("\n")))


def _refuse_binary(lines: Iterable[str], name: str) -> Iterator[str]:
    """Yield text lines.

    Raises:
        UserError: If the first begins a ZIP archive, as XLSX is, or a quarter of its
            characters are NUL, as in UTF-16.
    """
    for number, line in enumerate(lines):
        if number == 0:
            if line.startswith("PK\x03\x04"):
                raise UserError(
                    f"{name} is a ZIP archive, as XLSX is, and no text. Name it .xlsx "
                    "if it is that, and its column with --column."
                )
            if line and 4 * line.count("\0") >= len(line):
                raise UserError(
                    f"{name} is no UTF-8 text: its first line has NUL characters. "
                    "Convert it first, for example with iconv -f UTF-16 -t UTF-8."
                )
        yield line


def _ignore(location: str) -> None:
    """Pass over a line that is not UTF-8, which is counted when it is translated."""


def _is_large(path: Path) -> bool:
    """Return whether decompressing a file to count its lines takes many seconds."""
    compressed = path.suffix in COMPRESSIONS and path.is_file()
    return compressed and path.stat().st_size > MAX_COUNTED_BYTES
