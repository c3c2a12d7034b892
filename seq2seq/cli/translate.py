"""seq2seq translate. Knows arguments; imports nothing heavy before the verb runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import Beam, RunPath


def translate(
    run: RunPath,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Text files. [standard input]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A file to write. [standard output]")
    ] = None,
    beam: Beam = None,
) -> None:
    """Translate lines: as many come out as go in, in order, a blank for a blank."""
    from itertools import chain

    from seq2seq.text.lines import decode_lines, read_lines, write_lines
    from seq2seq.translate import Translator

    translator = Translator.load(run)
    piped = decode_lines(sys.stdin.buffer, "standard input")
    lines = chain.from_iterable(map(read_lines, files)) if files else piped
    translations = translator.stream(lines, beam_size=beam)
    if output is not None:
        write_lines(output, translations)
        return
    for line in translations:
        sys.stdout.buffer.write(line.encode() + b"\n")
        sys.stdout.buffer.flush()
