"""seq2seq tune; imports nothing heavy before the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import DeviceName, Overrides, RecipeName
from seq2seq.cli.sweep import Workers


def tune(
    recipe: RecipeName,
    override: Overrides = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of the search.", show_default="runs/RECIPE-tune"),
    ] = None,
    workers: Workers = 1,
    confirm: Annotated[
        int,
        typer.Option(
            min=0,
            max=10,
            metavar="N",
            help="Train the winner and the recipe as it was with N new seeds each, "
            "two or more, and test whether the winner holds.",
        ),
    ] = 0,
    device: DeviceName = None,
) -> None:
    """Search for good values of a recipe's keys, as its tune section says.

    Every trial is a run folder, and the same command again continues where it stopped.
    Validation alone decides; the winner is scored on the test split once. best.yaml is
    the winner's recipe, report.html the page.
    """
    from time import strftime

    from seq2seq.errors import UserError
    from seq2seq.recipe.loader import read_recipe
    from seq2seq.tuning.study import require_optuna
    from seq2seq.utils.console import is_quiet, make_console, print_hint, print_table
    from seq2seq.utils.memory import gc_disabled

    if confirm == 1:
        raise UserError("--confirm 1: one seed has no spread; give 2 to 10.")
    resolved = read_recipe(recipe, override or [])
    require_optuna()
    with gc_disabled():
        from seq2seq.training.callbacks.signals import SignalHandler
        from seq2seq.tuning import results
        from seq2seq.tuning.jobs import check_resumable, claim, more_workers, train_all
        from seq2seq.tuning.report import (
            summary_lines,
            table_heads,
            table_rows,
            write_page,
        )
        from seq2seq.tuning.trials import open_search, run_trials

    folder = output or Path("runs") / f"{Path(recipe).stem}-tune"
    where = device or "auto"
    errors = make_console(stderr=True)
    errors.quiet = is_quiet()

    def report(line: str) -> None:
        errors.print(line, markup=False)

    with SignalHandler():
        search = open_search(resolved, recipe, folder)
        with more_workers(workers, folder):
            run_trials(search, device=where, report=report)
            winner = results.winner_of(
                results.trial_rows(search), minimize=search.minimize
            )
            if confirm and winner is not None:
                jobs = results.confirmation_jobs(search, winner, confirm)
                check_resumable(jobs, where)
                train_all(jobs, folder, device=where, report=report)
        with claim(folder, "finish", wait=True):
            if winner is not None:
                results.write_best(search, winner)
                results.score_test_once(search, winner, device=where)
            result = results.read_result(search, strftime("%Y-%m-%d"))
            results.write_table(result.trials, result.keys, folder / "trials.tsv")
            write_page(result, folder)
    console = make_console()
    heads = table_heads(result)
    rows = list(table_rows(result))
    print_table(console, result.name, heads, rows[:10], numeric=heads[:-1])
    for line in summary_lines(result):
        console.print(f"- {line}", markup=False)
    print_hint(f"{folder / 'report.html'} is the page; trials.tsv has all trials")
    if winner is not None:
        print_hint(f"next: seq2seq train {folder / 'best.yaml'}")
