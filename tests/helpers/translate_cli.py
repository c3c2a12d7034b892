"""Lines and commands shared by the tests of translation."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from typer.testing import CliRunner

from seq2seq.cli import app
from seq2seq.errors import UserError
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.formats import OutputWriter, read_records
from seq2seq.translate.line_stats import LineStats
from seq2seq.translate.process_pool import InlineTranslator
from seq2seq.translate.resumable_output import ResumableOutput
from seq2seq.translate.translate_records import translate_records
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


HOSTILE = "\0\x01\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ufeff\u200b\u202e\xa0▁⁇\t\r|"

hostile_lines = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")),
        st.text(st.sampled_from("aA .,;。你" + HOSTILE)),
        st.sampled_from([*LINES, "x" * 700, "A dog. " * 90, "字" * 300]),
    ),
    max_size=12,
)


def lines_of(text: str | bytes) -> list[str]:
    return (text.decode() if isinstance(text, bytes) else text).split("\n")[:-1]


def piped(
    translator: Translator,
    text: bytes,
    *,
    input_format: Any = "text",
    field: str | None = None,
    quoted: bool | None = None,
    options: TranslationOptions | None = None,
    writer: OutputWriter | None = None,
) -> list[str]:
    """Translate text as the command does from standard input to output."""
    output = io.BytesIO()
    records = read_records(
        decode_lines(io.BytesIO(text), "it"),
        "it",
        input_format=input_format,
        field=field,
        quoted=quoted,
        on_decode_error=LineStats().add_decode_error,
    )
    translate_records(
        InlineTranslator(translator, options or TranslationOptions()),
        records,
        writer=writer or OutputWriter("text"),
        output=output,
    )
    return lines_of(output.getvalue())


def call(*arguments: str | Path, text: bytes = b"") -> tuple[str, str]:
    """Run a verb in this process; return its output, and its error or warnings."""
    done = CliRunner().invoke(app, list(map(str, arguments)), input=text)
    if done.exception and not isinstance(done.exception, UserError):
        raise done.exception
    return done.stdout, str(done.exception or done.stderr)


class Killed(Exception):  # noqa: N818, it is not an error
    pass


def translate_to(
    run: Path, source: Path, output: Path, *more: str, dies_after: int = -1
) -> str:
    """Translate to a file; die after some buffers, half a line written."""
    with pytest.MonkeyPatch.context() as patch:
        append = ResumableOutput.append

        def write(self: ResumableOutput, outputs: Any) -> None:
            nonlocal dies_after
            if dies_after == 0:
                for path in self.partial:
                    with path.open("ab") as stream:
                        stream.write("half a lin…".encode()[:-1])
                with self.journal.open("ab") as stream:
                    stream.write(b'{"lines": 1')
                raise Killed
            dies_after -= 1
            append(self, outputs)

        patch.setattr(ResumableOutput, "append", write)
        try:
            return call("translate", run, source, "--output", output, *more)[1]
        except Killed:
            return "killed"
