"""seq2seq runs; imports nothing heavy before the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.errors import UserError

MAX_KEYS = 8
"""Columns of settings on a terminal; a pipe and --json get all."""


def runs(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER]...",
            help="Run folders, or folders with runs below them.",
            show_default="runs",
        ),
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg",
            help="Draw the validations of all these runs into one picture.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option(help="Print JSON instead of a table.")] = False,
) -> None:
    """List runs: what differs between their recipes, scores, state and time.

    The columns behind the name are the recipe's keys that differ, those with most
    values first. A state is finished, running, or what ended the training and where.
    """
    from seq2seq.tuning.run_table import differing_keys, find_runs, read_run

    if curves is not None and curves.suffix != ".svg":
        raise UserError(f"{curves}: the picture's name must end in .svg.")
    rows = [read_run(path) for path in find_runs(folders or [Path("runs")])]
    keys = differing_keys(rows)
    if curves is not None:
        from seq2seq.tuning.curves import write_curves

        write_curves([row for row in rows if row.settings], curves)
    if json:
        from json import dumps

        print(dumps([row.to_json(keys) for row in rows], ensure_ascii=False))
        return
    from seq2seq.evaluation.training_history import format_duration
    from seq2seq.tuning.run_table import format_setting, short_names
    from seq2seq.utils.console import make_console, print_hint, print_table
    from seq2seq.utils.text import with_noun

    console = make_console()
    shown = keys[:MAX_KEYS] if console.is_terminal else keys
    metrics = {row.metric for row in rows if row.metric}
    one = metrics.pop() if len(metrics) == 1 else ""
    label = "BLEU" if one == "bleu" else one or "metric"
    numbers = (f"valid {label}", "test", "steps", "time")
    table = []
    for row in rows:
        table.append(
            (
                str(row.path),
                *(format_setting(row.settings.get(key)) for key in shown),
                "" if row.valid is None else f"{row.valid:.2f}",
                "" if row.test is None else f"{row.test:.2f}",
                f"{row.step:,}",
                "" if row.seconds is None else format_duration(row.seconds),
                row.state,
            )
        )
    columns = ("run", *short_names(shown), *numbers, "state")
    print_table(console, with_noun(len(rows), "run"), columns, table, numeric=numbers)
    if len(shown) < len(keys):
        print_hint(f"{len(keys) - len(shown)} more keys differ: --json has them")
    if curves is not None:
        print_hint(f"written: {curves}")
