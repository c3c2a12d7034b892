"""seq2seq sample; imports nothing heavy before the command runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.verbs import MODEL
from seq2seq.errors import UserError


def sample(
    run: Annotated[
        Path,
        MODEL,
        typer.Argument(help="Run or model folder of a language model."),
    ],
    prompt: Annotated[str, typer.Option(help="Text to go on from.")] = "",
    temperature: Annotated[
        float,
        typer.Option(help="Below 1 likelier text is preferred more; above 0."),
    ] = 1.0,
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Take the most probable token each time.")
    ] = False,
    lines: Annotated[int, typer.Option(min=1, help="Stop after so many lines.")] = 1,
    max_length: Annotated[
        int, typer.Option(min=1, help="Stop after so many tokens.")
    ] = 1000,
    number: Annotated[int, typer.Option("--num", min=1, help="Number of samples.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Random seed.")] = 1,
) -> None:
    """Let a language model write: characters or tokens, one after the other."""
    if not 0 < temperature < math.inf:
        raise UserError(
            f"--temperature is {temperature:g}, and it is to be a number above 0; for "
            "the most probable text give --greedy."
        )
    if greedy and (temperature != 1.0 or number > 1):
        raise UserError("--greedy has one result; leave --temperature and --num out.")
    import sys

    from seq2seq.runs.task_run import TaskRun
    from seq2seq.tasks.language_model import LanguageModel, generate
    from seq2seq.types import EOS

    opened = TaskRun.open(run)
    task = opened.task
    if not isinstance(task, LanguageModel):
        raise UserError(
            f"{run} is a run of task: {opened.recipe.task}, and sample needs a "
            "language model, such as of: seq2seq train lecture/hello"
        )
    text = task.text
    text.require_known(prompt)
    *whole, last = text.encode(prompt.split("\n"))
    ids = [i for line in whole for i in (*line, EOS)] + last
    network = opened.network().eval()
    for index in range(number):
        tokens: list[int] = []
        for token in generate(
            network,
            ids,
            temperature=temperature,
            greedy=greedy,
            max_length=max_length,
            seed=seed + index,
        ):
            tokens.append(token)
            if tokens.count(EOS) == lines:
                break
        written = text.decode([*ids, *tokens]).removesuffix("\n")
        sys.stdout.write(written + "\n")
