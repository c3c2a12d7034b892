"""seq2seq sweep; imports nothing heavy before the command runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seq2seq.cli.options import DeviceName, RecipeName
from seq2seq.errors import UserError

if TYPE_CHECKING:
    from seq2seq.tuning.sweep import PointResult

Workers = Annotated[
    int,
    typer.Option(
        min=1,
        max=64,
        help="Trainings at a time, in as many processes; the same command started "
        "again, here or on a machine that shares the folder, is one more.",
    ),
]


def sweep(
    recipe: RecipeName,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            help="Override a key of the recipe by one or more values, with commas "
            "between: -o model.dropout=0.2,0.4. Commas in brackets, braces and quotes "
            "belong to a value: -o 'a=[1, 2],[3]' gives two lists. Repeatable.",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="1,2,3",
            help="Seeds to train each combination with.",
            show_default="the recipe's",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of the runs.", show_default="runs/RECIPE-sweep"),
    ] = None,
    workers: Workers = 1,
    yes: Annotated[bool, typer.Option(help="Train more than 50 runs.")] = False,
    device: DeviceName = None,
    json: Annotated[bool, typer.Option(help="Print JSON instead of a table.")] = False,
) -> None:
    """Train a recipe with every combination of some values, and compare them.

    Every run is a run folder; the same command again continues where it stopped. The
    table has the mean over seeds of the best validation, and its standard deviation.
    """
    from seq2seq.utils.memory import gc_disabled

    folder = output or Path("runs") / f"{Path(recipe).stem}-sweep"
    with gc_disabled():
        from seq2seq.tuning.jobs import check_resumable, more_workers, train_all
        from seq2seq.tuning.sweep import MAX_RUNS, make_grid, point_results
    from seq2seq.training.callbacks.signals import SignalHandler
    from seq2seq.utils.console import is_quiet, make_console

    keys, points = make_grid(recipe, override or [], parse_seeds(seeds), folder)
    jobs = [job for point in points for job in point.jobs]
    if len(jobs) > MAX_RUNS and not yes:
        raise UserError(
            f"this grid has {len(jobs):,} runs; --yes trains more than {MAX_RUNS}. "
            "`seq2seq tune` finds good values with fewer."
        )
    where = device or "auto"
    check_resumable(jobs, where)
    errors = make_console(stderr=True)
    errors.quiet = is_quiet()

    def report(line: str) -> None:
        errors.print(line, markup=False)

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made: {error.strerror}.") from error
    report(f"{len(jobs)} runs in {folder}")
    with SignalHandler(), more_workers(workers, folder):
        train_all(jobs, folder, device=where, report=report)
    results = point_results(points)
    metric = jobs[0].recipe.train.monitor
    _print(results, keys, metric, folder, as_json=json)
    failures = [line for result in results for line in result.failures]
    if failures:
        raise UserError("\n".join(failures))


def parse_seeds(text: str | None) -> list[int]:
    """Parse --seeds.

    Raises:
        UserError: If something in it is no seed, or comes twice.
    """
    parts = [] if text is None else [part.strip() for part in text.split(",")]
    seeds = [int(part) for part in parts if part.isdecimal()]
    if len(set(seeds)) < len(parts):
        raise UserError(
            f"--seeds {text}: give different whole numbers with commas between, such "
            "as --seeds 1,2,3."
        )
    return seeds


def _print(
    results: Sequence[PointResult],
    keys: list[str],
    metric: str,
    folder: Path,
    *,
    as_json: bool,
) -> None:
    from seq2seq.tuning.run_table import short_names
    from seq2seq.utils.console import make_console, print_hint, print_table

    if as_json:
        from json import dumps

        content = [
            {
                "settings": dict(zip(keys, result.values, strict=True)),
                f"valid_{metric}": result.scores,
                "mean": result.mean,
                "standard_deviation": result.spread,
                "failures": result.failures,
            }
            for result in results
        ]
        print(dumps(content, ensure_ascii=False))
        return
    label = "BLEU" if metric == "bleu" else metric
    columns = (*short_names(keys), f"valid {label}", "deviation", "runs")
    rows = [
        (
            *result.values,
            "" if result.mean is None else f"{result.mean:.2f}",
            "" if result.spread is None else f"{result.spread:.2f}",
            f"{len(result.scores)}",
        )
        for result in results
    ]
    title = f"{folder}: best validation, mean over seeds"
    numeric = columns[len(keys) :]
    print_table(make_console(), title, columns, rows, numeric=numeric)
    print_hint(f"next: seq2seq runs {folder} --curves {folder / 'curves.svg'}")
