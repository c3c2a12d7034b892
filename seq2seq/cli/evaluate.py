"""seq2seq evaluate. Knows arguments; imports nothing heavy before the verb runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seq2seq.cli.options import Beam, EnsembleOf, SearchOverrides, with_beam
from seq2seq.errors import UserError

if TYPE_CHECKING:
    from seq2seq.evaluation.evaluate import Evaluation


def evaluate(
    run: Annotated[
        Path | None, typer.Argument(help="A run folder; not for --hypothesis.")
    ] = None,
    split: Annotated[
        str, typer.Option(help="Which split: train, valid, test or the data's name.")
    ] = "test",
    source: Annotated[Path | None, typer.Option(help="A file to translate.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Its translations.")] = None,
    hypothesis: Annotated[
        Path | None, typer.Option(help="A file to score as it is.")
    ] = None,
    language: Annotated[
        str, typer.Option(help="With --hypothesis: the target language.")
    ] = "de",
    data_path: Annotated[
        str | None, typer.Option(help="Where the data is, if not where it was.")
    ] = None,
    override: SearchOverrides = None,
    beam: Beam = None,
    ensemble: EnsembleOf = None,
    lowercase: Annotated[
        bool, typer.Option(help="Disregard case in BLEU and chrF, as older papers.")
    ] = False,
    sweep: Annotated[
        Path | None,
        typer.Option(
            help="Try beam sizes and length penalties instead; draw a .svg, .png, .pdf."
        ),
    ] = None,
    json: Annotated[bool, typer.Option(help="Print JSON instead of a table.")] = False,
) -> None:
    """Score translations with BLEU, chrF and TER, each with its signature."""
    from seq2seq.evaluation import evaluate as room

    # Only what a recipe makes is kept, whatever the size of its beam.
    overrides = with_beam(override, beam) if override else []
    if sweep is not None:
        if run is None or hypothesis or beam or ensemble or lowercase:
            raise UserError(
                "--sweep needs RUN, takes --split or --source and --reference, and "
                "does not go with --hypothesis, --beam, --ensemble or --lowercase."
            )
        if (source is None) != (reference is None):
            raise UserError("--source and --reference belong together; give both.")
        if source is not None and reference is not None:
            from seq2seq.utils.files import read_lines

            lines = list(read_lines(source)), list(read_lines(reference))
        else:
            lines = room.load_split(run, split, data_path=data_path)
        _sweep(run, lines, overrides, sweep, as_json=json)
        return
    name = "" if run is None else str(run)
    if hypothesis is not None and reference is not None and source is None:
        name = str(hypothesis)
        found = room.evaluate_hypotheses(
            hypothesis, reference, language=language, lowercase=lowercase
        )
    elif run is not None and source is not None and reference is not None:
        found = room.evaluate_files(
            run,
            source,
            reference,
            ensemble=ensemble or [],
            beam_size=beam,
            overrides=overrides,
            lowercase=lowercase,
        )
    elif run is not None and source is None and reference is None and not hypothesis:
        found = room.evaluate_split(
            run,
            split,
            data_path=data_path,
            ensemble=ensemble or [],
            beam_size=beam,
            overrides=overrides,
            lowercase=lowercase,
        )
    else:
        raise UserError(
            "evaluate needs RUN, or RUN with --source F and --reference F, or "
            "--hypothesis F with --reference F."
        )
    _show(found, name, as_json=json)


def _show(found: Evaluation, name: str, *, as_json: bool) -> None:
    """Print scores and five translations."""
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if as_json:
        print(json.dumps(asdict(found.scores), ensure_ascii=False))
        return
    console = Console(highlight=False)
    scores = found.scores
    table = Table(title=Text(f"{name}: {scores.sentences:,} sentences"))
    table.add_column("metric")
    table.add_column("score", justify="right")
    table.add_column("95% interval", justify="right")
    table.add_column("signature", overflow="fold")
    for label, each in (
        ("BLEU", scores.bleu),
        ("chrF", scores.chrf),
        ("TER (lower is better)", scores.ter),
    ):
        low, high = each.interval
        table.add_row(
            label, f"{each.score:.2f}", f"{low:.2f} to {high:.2f}", each.signature
        )
    console.print(table)
    if not found.sources:
        return
    step = max(1, len(found.sources) // 5)
    for number in range(0, len(found.sources), step)[:5]:
        console.print()
        for label, line in (
            ("source", found.sources[number]),
            ("hypothesis", found.hypotheses[number]),
            ("reference", found.references[number]),
        ):
            console.print(Text(f"{label:>10}  {line}"), soft_wrap=True)
    rate = len(found.sources) / max(found.seconds, 1e-9)
    console.print(
        f"\ntranslated in {found.seconds:.1f} s, {rate:,.0f} sentences a second"
    )
    console.print(
        f'next: echo "The old man buys a red car." | seq2seq translate {name}',
        soft_wrap=True,
    )


def _sweep(
    run: Path,
    lines: tuple[list[str], list[str]],
    overrides: list[str],
    path: Path,
    *,
    as_json: bool,
) -> None:
    """Print BLEU of every beam size and length penalty, and draw it."""
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.progress import track
    from rich.table import Table
    from rich.text import Text

    from seq2seq.evaluation.search_sweep import (
        BEAMS,
        PENALTIES,
        check_figure_suffix,
        plot_search_sweep,
        search_sweep,
    )

    check_figure_suffix(path)
    console = Console(highlight=False)
    searches = search_sweep(run, *lines, overrides=overrides)
    total = len(BEAMS) * len(PENALTIES)
    errors = Console(stderr=True)
    cells = list(
        track(
            searches, "searching", total, console=errors, disable=not errors.is_terminal
        )
    )
    plot_search_sweep(cells, path, title=f"{run}: {len(lines[0]):,} sentences")
    if as_json:
        print(json.dumps([asdict(cell) for cell in cells]))
        return
    best = max(cells, key=lambda cell: cell.bleu)
    title = f"{run}: BLEU of {len(lines[0]):,} sentences by beam and length penalty"
    table = Table(title=Text(title))
    for name in ("beam", *map(str, PENALTIES), "seconds"):
        table.add_column(name, justify="right")
    for beam in BEAMS:
        row = [cell for cell in cells if cell.beam_size == beam]
        shown = [
            f"[bold]{cell.bleu:.2f}*[/bold]" if cell is best else f"{cell.bleu:.2f}"
            for cell in row
        ]
        seconds = sum(cell.seconds for cell in row) / len(row)
        table.add_row(str(beam), *shown, f"{seconds:.1f}")
    console.print(table)
    console.print(
        f"best: -o search.beam_size={best.beam_size} "
        f"-o search.length_penalty={best.length_penalty}; choose on a validation "
        f"split, not on the test split\nwritten: {path}",
        soft_wrap=True,
    )
