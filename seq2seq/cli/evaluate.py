"""seq2seq evaluate; imports nothing heavy before the command runs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seq2seq.cli.evaluate_task import (
    print_language_model_scores,
    print_task_scores,
)
from seq2seq.cli.metric_options import MetricCommands, MetricTimeout
from seq2seq.cli.options import (
    Beam,
    DataPath,
    DeviceName,
    EnsembleOf,
    SearchOverrides,
    SentencesOption,
    Split,
    TargetLanguage,
    choose_device,
    with_beam,
)
from seq2seq.cli.verbs import MODEL
from seq2seq.errors import UserError, misaligned_error
from seq2seq.utils.console import (
    is_quiet,
    make_console,
    print_hint,
    print_table,
    print_warning,
)
from seq2seq.utils.files import read_lines
from seq2seq.utils.languages import missing_language_error
from seq2seq.utils.text import with_noun

if TYPE_CHECKING:
    from seq2seq.evaluation.evaluate import Evaluation
    from seq2seq.metrics.sacrebleu_scores import MetricResult


def evaluate(
    run: Annotated[
        Path | None,
        MODEL,
        typer.Argument(help="Run or model folder; not with --hypothesis."),
    ] = None,
    split: Split = "test",
    source: Annotated[
        Path | None,
        typer.Option(
            help="File of source sentences, one per line, instead of --split."
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="File of reference translations, one per line.")
    ] = None,
    hypothesis: Annotated[
        Path | None,
        typer.Option(help="File of translations to score, instead of translating."),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="Target language, such as de, with --hypothesis alone: a run has its "
            "own. BLEU's tokenizer depends on it.",
            show_default=False,
        ),
    ] = None,
    data_path: DataPath = None,
    to: TargetLanguage = None,
    override: SearchOverrides = None,
    beam: Beam = None,
    ensemble: EnsembleOf = None,
    sentences: SentencesOption = None,
    lowercase: Annotated[
        bool, typer.Option(help="Ignore case in BLEU and chrF, as older papers do.")
    ] = False,
    search_sweep: Annotated[
        Path | None,
        typer.Option(
            help="Evaluate a grid of beam sizes and length penalties instead, and plot "
            "it to this file (.svg, .png, .pdf)."
        ),
    ] = None,
    metric: MetricCommands = None,
    metric_timeout: MetricTimeout = 3600,
    device: DeviceName = None,
    json: Annotated[bool, typer.Option(help="Print JSON instead of a table.")] = False,
) -> None:
    """Score translations with BLEU, chrF and TER, or the answers of another task."""
    from seq2seq.evaluation.evaluate import evaluate_files, evaluate_hypotheses
    from seq2seq.evaluation.external_metrics import parse_metrics, run_metric
    from seq2seq.evaluation.language_pairs import evaluate_pairs

    task = "translation" if run is None else _task_of(run)
    if run is not None and task != "translation":
        others_given = (source, reference, hypothesis, language, to, override, beam)
        more = ensemble or sentences or lowercase or search_sweep or metric
        if more or any(others_given):
            raise UserError(
                f"{run} does not translate: evaluate takes --split, --data-path, "
                "--device and --json for it; leave the others out."
            )
        name = choose_device(device)
        show = (
            print_language_model_scores
            if task == "language_model"
            else print_task_scores
        )
        show(run, split, data_path, device=name, as_json=json)
        return
    # Results of overrides are not saved; those of another beam size alone are.
    overrides = with_beam(override, beam) if override else []
    if search_sweep is not None:
        others = (hypothesis, language, beam, ensemble, sentences, lowercase, metric)
        if run is None or any(others):
            raise UserError(
                "--search-sweep needs RUN, takes --split or --source and --reference, "
                "and does not go with --hypothesis, --language, --beam, --ensemble, "
                "--sentences, --lowercase or --metric."
            )
        if (source is None) != (reference is None):
            raise UserError("--source and --reference belong together; give both.")
        if source is not None and reference is not None:
            from seq2seq.utils.overwriting import check_overwrites_no_input

            check_overwrites_no_input([search_sweep], [source, reference])
            lines = list(read_lines(source)), list(read_lines(reference))
        else:
            lines = _load_split(run, split, data_path, to)
        name = choose_device(device)
        _sweep(run, lines, overrides, search_sweep, device=name, as_json=json, to=to)
        return
    name = "" if run is None else str(run)
    sources: list[str] = []
    metrics = parse_metrics(metric or [], timeout=metric_timeout)
    if run is not None and language is not None:
        raise UserError(
            f"--language {language} goes with --hypothesis; the language of a run is "
            "its data.target."
        )
    if run is None and hypothesis and reference and (metric or not source):
        if language is None:
            files = ["--hypothesis", str(hypothesis), "--reference", str(reference)]
            raise missing_language_error(shlex.join(["seq2seq", "evaluate", *files]))
        if beam or override or ensemble or sentences or data_path or device or to:
            raise UserError(
                "--beam, -o, --to, --ensemble, --sentences, --data-path and --device "
                "are for translating with RUN, and --hypothesis has translations; "
                "leave them out."
            )
        name = str(hypothesis)
        evaluation = evaluate_hypotheses(
            hypothesis, reference, language=language, lowercase=lowercase
        )
        sources = [] if source is None else list(read_lines(source))
        if source is not None and len(sources) != len(evaluation.references):
            raise misaligned_error(
                f"{source} has {with_noun(len(sources), 'line')}, but {reference} has "
                f"{with_noun(len(evaluation.references), 'reference')}"
            )
    elif run is not None and source is not None and reference is not None:
        evaluation = evaluate_files(
            run,
            source,
            reference,
            ensemble=ensemble or [],
            beam_size=beam,
            overrides=overrides,
            sentences=sentences,
            lowercase=lowercase,
            device=choose_device(device),
            to=to,
        )
    elif run is not None and source is None and reference is None and not hypothesis:
        evaluations = evaluate_pairs(
            run,
            split,
            to=to,
            data_path=data_path,
            ensemble=ensemble or [],
            beam_size=beam,
            overrides=overrides,
            sentences=sentences,
            lowercase=lowercase,
            device=choose_device(device),
        )
        if len(evaluations) > 1 and metrics:
            raise UserError(
                "--metric scores one language pair: name its target with --to."
            )
        if len(evaluations) > 1:
            from seq2seq.cli.evaluate_pairs import print_pairs

            print_pairs(evaluations, name, as_json=json)
            return
        evaluation = evaluations[0].evaluation
    elif run is not None and not hypothesis:
        given, needed = (
            ("--source", "--reference") if source else ("--reference", "--source")
        )
        raise UserError(f"{given} needs {needed} F: give both, or --split.")
    elif hypothesis and run is None and reference is None:
        raise UserError("--hypothesis needs --reference F and --language L.")
    else:
        raise UserError(
            "evaluate needs RUN, or RUN with --source F and --reference F, or "
            "--hypothesis F with --reference F and --language L."
        )
    results = {
        external.name: run_metric(
            external,
            evaluation.hypotheses,
            sources=sources or evaluation.sources,
            references=evaluation.references,
        )
        for external in metrics
    }
    _print_evaluation(evaluation, name, results, as_json=json)


def _load_split(
    run: Path, split: str, data_path: str | None, to: str | None
) -> tuple[list[str], list[str]]:
    """Read the split of the pair with a target language."""
    from seq2seq.evaluation.evaluate import load_split
    from seq2seq.runs.run import require_translation
    from seq2seq.runs.run_folder import RunFolder

    data = require_translation(RunFolder(run).read_recipe(), run).data.into(to)
    pair = data.source, data.target
    return load_split(run, split, data_path=data_path, pair=pair)


def _task_of(run: Path) -> str:
    from seq2seq.runs.run_folder import RunFolder

    folder = RunFolder(run.parent.parent if run.suffix == ".ckpt" else run)
    if not (folder.is_model or folder.recipe.is_file()):
        return "translation"  # What is wrong is said where the run is opened.
    return folder.read_recipe().task


def _print_evaluation(
    evaluation: Evaluation,
    name: str,
    external: Mapping[str, MetricResult],
    *,
    as_json: bool,
) -> None:
    """Print scores and five translations."""
    import json
    from dataclasses import asdict

    from rich.text import Text

    from seq2seq.evaluation.console import print_metric
    from seq2seq.evaluation.schema import metric_name
    from seq2seq.evaluation.summary import format_interval
    from seq2seq.utils.languages import language_warning

    if warning := language_warning(evaluation.language):
        print_warning(warning)
    if as_json:
        content = evaluation.to_json()
        content |= {key: asdict(result.score) for key, result in external.items()}
        print(json.dumps(content, ensure_ascii=False))
        return
    console = make_console()
    scores = evaluation.scores
    metrics = {"bleu": scores.bleu, "chrf": scores.chrf, "ter": scores.ter}
    rows = [
        (metric_name(metric), f"{score.score:.2f}", format_interval(score.interval))
        for metric, score in metrics.items()
    ]
    for key, result in external.items():
        metrics[key] = score = result.score
        digits = 4 if abs(result.segments).max() < 2 else 2  # Such as COMET's.
        interval = format_interval(score.interval, digits)
        rows.append((key, f"{score.score:.{digits}f}", interval))
    title = f"{name}: {with_noun(scores.sentences, 'sentence')}"
    columns = ("metric", "score", "95% interval")
    print_table(console, title, columns, rows, numeric=columns[1:])
    for metric, score in metrics.items():
        print_metric(metric, score.signature, console)
    if evaluation.sentence_splitting:
        console.print(evaluation.sentence_splitting, soft_wrap=True)
    sources = evaluation.sources
    if not sources:
        return
    step = max(1, len(sources) // 5)
    for row in range(0, len(sources), step)[:5]:
        console.print()
        for label, line in (
            ("source", sources[row]),
            ("hypothesis", evaluation.hypotheses[row]),
            ("reference", evaluation.references[row]),
        ):
            console.print(Text(f"{label:>10}  {line}"))
    if is_quiet():
        return
    rate = len(sources) / max(evaluation.seconds, 1e-9)
    console.print(
        f"\ntranslated in {evaluation.seconds:.1f} s, {rate:,.0f} sentences a second"
    )
    print_hint(f'next: echo "The old man buys a red car." | seq2seq translate {name}')


def _sweep(
    run: Path,
    lines: tuple[list[str], list[str]],
    overrides: list[str],
    path: Path,
    *,
    device: str,
    as_json: bool,
    to: str | None,
) -> None:
    """Print and plot BLEU of every beam size and length penalty."""
    import json
    from dataclasses import asdict

    from rich.progress import track

    from seq2seq.evaluation.search_sweep import (
        BEAMS,
        PENALTIES,
        plot_search_sweep,
        search_sweep,
    )
    from seq2seq.utils.figures import check_figure_suffix

    check_figure_suffix(path)
    console = make_console()
    searches = search_sweep(run, *lines, overrides=overrides, device=device, to=to)
    total = len(BEAMS) * len(PENALTIES)
    errors = make_console(stderr=True)
    hidden = is_quiet() or not errors.is_terminal
    points = list(track(searches, "searching", total, console=errors, disable=hidden))
    sentences = with_noun(len(lines[0]), "sentence")
    plot_search_sweep(points, path, title=f"{run}: {sentences}")
    if as_json:
        print(json.dumps([asdict(point) for point in points]))
        return
    best = max(points, key=lambda point: point.bleu)
    title = f"{run}: BLEU of {sentences} by beam and length penalty"
    columns = ("beam", *map(str, PENALTIES), "seconds")
    rows = []
    for beam in BEAMS:
        row = [point for point in points if point.beam_size == beam]
        scores = [f"{point.bleu:.2f}{'*' if point is best else ''}" for point in row]
        seconds = sum(point.seconds for point in row) / len(row)
        rows.append((str(beam), *scores, f"{seconds:.1f}"))
    print_table(console, title, columns, rows, numeric=columns)
    console.print(
        f"best: -o search.beam_size={best.beam_size} "
        f"-o search.length_penalty={best.length_penalty}; choose on a validation "
        f"split, not on the test split\nwritten: {path}"
    )
