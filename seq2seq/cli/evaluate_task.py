"""What `seq2seq evaluate` prints of runs that do not translate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seq2seq.utils.console import is_quiet, make_console, print_hint, print_table
from seq2seq.utils.text import with_noun

if TYPE_CHECKING:
    from seq2seq.evaluation.evaluate_task import TaskEvaluation
    from seq2seq.tasks.task import Score

NUM_SHOWN = 5
"""Answers that are shown beside the true ones."""


def print_task_scores(
    run: Path, split: str, data_path: str | None, *, device: str, as_json: bool
) -> None:
    """Evaluate a run and print its scores beside those of counting baselines."""
    import json

    from seq2seq.evaluation.evaluate_task import evaluate_task

    evaluation = evaluate_task(run, split, data_path=data_path, device=device)
    if as_json:
        print(json.dumps(evaluation.to_json(), ensure_ascii=False))
    else:
        _print_table(evaluation, f"{run}: {split}")


def print_language_model_scores(
    run: Path, split: str, data_path: str | None, *, device: str, as_json: bool
) -> None:
    """Evaluate a language model and print its scores beside those of n-grams."""
    import json

    from seq2seq.evaluation.evaluate_language_model import evaluate_language_model

    systems = evaluate_language_model(run, split, data_path=data_path, device=device)
    if as_json:
        network, *others = (system.to_json() for system in systems)
        print(json.dumps({**network, "baselines": others}, ensure_ascii=False))
        return
    columns = ("system", "nats/character", "bits/character", "perplexity/token", "p")
    rows = []
    for system in systems:
        scores = system.scores
        nats, bits = scores.nats_per_character, scores.bits_per_character
        low, high = nats.interval
        rows.append(
            (
                system.name,
                f"{nats.score:.4f} ({low:.3f} to {high:.3f})",
                f"{bits.score:.4f}",
                f"{scores.perplexity.score:.3f}",
                "" if system.p_value is None else f"{system.p_value:.3f}",
            )
        )
    characters = with_noun(systems[0].scores.characters, "character")
    title = f"{run}: {split}, {characters}"
    print_table(make_console(), title, columns, rows, numeric=columns[1:])
    print_hint(
        "intervals (95%) and p (approximate randomization) are by lines; the order of "
        f"n-grams is chosen on validation. Next: seq2seq sample {run} --lines 10"
    )


def _print_table(evaluation: TaskEvaluation, name: str) -> None:
    from rich.text import Text

    console = make_console()
    network = evaluation.systems[0]
    shown = network.scores | evaluation.details[network.name]
    columns = ("system", *(score.label for score in shown.values()), "p")
    rows = []
    for system in evaluation.systems:
        scores = system.scores | evaluation.details[system.name]
        cells = [_format(scores.get(key)) for key in shown]
        p_value = "" if system.p_value is None else f"{system.p_value:.3f}"
        rows.append((system.name, *cells, p_value))
    examples = with_noun(len(evaluation.references), evaluation.task.example)
    print_table(console, f"{name}, {examples}", columns, rows, numeric=columns[1:])
    if is_quiet():
        return
    if len(rows) > 1:
        console.print(
            f"p: paired approximate randomization of {columns[1]} against the network",
            soft_wrap=True,
        )
    step = max(1, len(evaluation.references) // NUM_SHOWN)
    for row in range(0, len(evaluation.references), step)[:NUM_SHOWN]:
        console.print()
        for label, lines in (
            ("hypothesis", evaluation.predictions),
            ("reference", evaluation.references),
        ):
            console.print(Text(f"{label:>10}  {lines[row]}"), soft_wrap=True)
    print_hint("intervals are 95%, by bootstrap; baselines count, they learn nothing")


def _format(score: Score | None) -> str:
    return "" if score is None else str(score._replace(label="")).strip()
