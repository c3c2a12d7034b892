"""seq2seq evaluate, of a run with several language pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seq2seq.utils.console import make_console, print_hint, print_table

if TYPE_CHECKING:
    from seq2seq.evaluation.language_pairs import PairEvaluation


def print_pairs(
    evaluations: Sequence[PairEvaluation], name: str, *, as_json: bool
) -> None:
    """Print the scores of each language pair, and their mean."""
    from rich.text import Text

    from seq2seq.evaluation.console import print_metric
    from seq2seq.evaluation.language_pairs import METRICS, mean_scores, pairs_json
    from seq2seq.evaluation.schema import metric_name

    if as_json:
        print(json.dumps(pairs_json(evaluations), ensure_ascii=False))
        return
    rows = []
    for one in evaluations:
        scores = one.evaluation.scores
        numbers = [f"{getattr(scores, metric).score:.2f}" for metric in METRICS]
        note = " (zero-shot)" if one.zero_shot else ""
        rows.append((f"{one.name}{note}", *numbers, f"{scores.sentences:,}"))
    mean = mean_scores(evaluations)
    rows.append(("mean, trained pairs", *(f"{mean[m]:.2f}" for m in METRICS), ""))
    console = make_console()
    columns = ("languages", *map(metric_name, METRICS), "sentences")
    print_table(console, name, columns, rows, numeric=columns[1:])
    first = evaluations[0].evaluation.scores
    for metric in METRICS:
        print_metric(metric, getattr(first, metric).signature, console)
    for one in evaluations:
        console.print()
        evaluation = one.evaluation
        for label, lines in (
            (one.pair[0], evaluation.sources),
            (one.pair[1], evaluation.hypotheses),
            ("reference", evaluation.references),
        ):
            console.print(Text(f"{label:>10}  {lines[len(lines) // 2]}"))
    target = evaluations[0].pair[1]
    print_hint(
        f'next: echo "A sentence." | seq2seq translate {name} --to {target}, or '
        f"seq2seq report {name} --to {target}"
    )
