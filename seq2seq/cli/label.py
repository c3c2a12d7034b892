"""seq2seq label and caption; import nothing heavy before the command runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from seq2seq.cli.options import DeviceName, RunPath, choose_device

Output = Annotated[
    Path | None, typer.Option(help="File to write.", show_default="standard output")
]


def label(
    run: RunPath,
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Texts, words between blanks, or frames as JSON, one a line; else "
            "stdin."
        ),
    ] = None,
    output: Output = None,
    form: Annotated[
        Literal["text", "jsonl"],
        typer.Option("--format", help="jsonl has the probability of each label."),
    ] = "text",
    device: DeviceName = None,
) -> None:
    """Label each line, tag or segment its words: as many lines out as in."""
    import json

    from seq2seq.evaluation.answer import label_lines
    from seq2seq.runs.task_run import TaskRun
    from seq2seq.utils.devices import resolve_devices
    from seq2seq.utils.files import decode_lines, read_lines
    from seq2seq.utils.overwriting import STDIN, STDOUT, check_overwrites_no_input

    given = STDIN if source is None else source
    check_overwrites_no_input([STDOUT if output is None else output], [given])
    opened = TaskRun.open(run)
    lines = (
        decode_lines(sys.stdin.buffer, "standard input")
        if source is None
        else read_lines(source)
    )
    (name,) = resolve_devices(choose_device(device)).names

    def answers() -> Iterator[str]:
        for answer in label_lines(opened, lines, device=name):
            if form == "text":
                yield answer.text
                continue
            content: dict[str, object] = {"label": answer.text}
            if opened.recipe.task == "tagging":
                key = "words" if opened.recipe.data.boundaries else "tags"
                content = {key: answer.text.split()}
            if answer.probabilities is not None:
                content["probabilities"] = answer.probabilities
            yield json.dumps(content, ensure_ascii=False)

    _write(answers(), output)


def caption(
    run: RunPath,
    pictures: Annotated[
        Path, typer.Argument(help="A .npy file: pixels (N, C, H, W), or features.")
    ],
    output: Output = None,
    device: DeviceName = None,
) -> None:
    """Write a caption for each picture: as many lines as pictures."""
    from seq2seq.evaluation.answer import caption_pictures
    from seq2seq.runs.task_run import TaskRun
    from seq2seq.utils.devices import resolve_devices
    from seq2seq.utils.overwriting import STDOUT, check_overwrites_no_input

    check_overwrites_no_input([STDOUT if output is None else output], [pictures])
    (name,) = resolve_devices(choose_device(device)).names
    _write(caption_pictures(TaskRun.open(run), pictures, device=name), output)


def _write(lines: Iterable[str], output: Path | None) -> None:
    from seq2seq.utils.files import write_lines

    if output is not None:
        write_lines(output, lines)
        return
    for line in lines:
        sys.stdout.write(line + "\n")
