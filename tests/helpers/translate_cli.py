"""Lines and commands that the tests of translating share."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seq2seq.cli import app
from seq2seq.errors import UserError
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.formats import OutputWriter, read_records
from seq2seq.translate.process_pool import InlineTranslator
from seq2seq.translate.resumable_output import ResumableOutput
from seq2seq.translate.translate_file import DecodeErrorCounter, translate_records
from seq2seq.utils.files import decode_lines

LINES = [
    "The old man buys a red car.",
    "",
    "I see the dog.",
    "   ",
    "We sleep, and the child reads a book.",
    "a\u2028b\x85c\x0b",
    "\0",
    "你好",
    "The cat.",
    "No",
]


def lines_of(text: str | bytes) -> list[str]:
    return (text.decode() if isinstance(text, bytes) else text).split("\n")[:-1]


def piped(
    translator: Translator,
    text: bytes,
    *,
    form: Any = "text",
    field: str | None = None,
    options: TranslationOptions | None = None,
    writing: OutputWriter | None = None,
) -> list[str]:
    """What the command does with standard input and output."""
    output = io.BytesIO()
    records = read_records(
        decode_lines(io.BytesIO(text), "it"),
        "it",
        form=form,
        field=field,
        mend=DecodeErrorCounter(),
    )
    translate_records(
        InlineTranslator(translator, options or TranslationOptions()),
        records,
        writing=writing or OutputWriter("text"),
        output=output,
    )
    return lines_of(output.getvalue())


def call(*arguments: str | Path, text: bytes = b"") -> tuple[str, str]:
    """Run a verb in this process; what it printed, and its fault."""
    done = CliRunner().invoke(app, list(map(str, arguments)), input=text)
    if done.exception and not isinstance(done.exception, UserError):
        raise done.exception
    return done.stdout, str(done.exception or done.stderr)


class Killed(Exception):  # noqa: N818, it is not an error
    pass


def translate_to(
    run: Path, source: Path, output: Path, *more: str, dies_after: int = -1
) -> str:
    """Translate to a file, perhaps dying after some windows, half a line written."""
    with pytest.MonkeyPatch.context() as patch:
        kept = ResumableOutput.append

        def write(self: ResumableOutput, window: Any) -> None:
            nonlocal dies_after
            if dies_after == 0:
                for path in self.partial:
                    with path.open("ab") as stream:
                        stream.write("half a lin…".encode()[:-1])
                with self.log_path.open("ab") as stream:
                    stream.write(b'{"lines": 1')
                raise Killed
            dies_after -= 1
            kept(self, window)

        patch.setattr(ResumableOutput, "append", write)
        try:
            return call("translate", run, source, "--output", output, *more)[1]
        except Killed:
            return "killed"
