"""Build a report: read the systems, call every analysis, write the files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.evaluation import buckets, comparison, error_detectors
from seq2seq.evaluation.external_metrics import mean_result, run_metric
from seq2seq.evaluation.html import render_html
from seq2seq.evaluation.markdown import render_markdown
from seq2seq.evaluation.report_files import check_report_folder, write_texts
from seq2seq.evaluation.schema import (
    FORMAT,
    METRIC_NAMES,
    ModelAnalysis,
    PairScore,
    Report,
    Segment,
    SystemReport,
    TestSetStats,
    Translation,
    report_json,
)
from seq2seq.evaluation.systems import ReportRequest, System, TestSet, read_systems
from seq2seq.evaluation.training_history import read_training_history
from seq2seq.evaluation.words import WordFrequencies, word_frequencies, words
from seq2seq.metrics.sacrebleu_scores import MetricResult, score_segments
from seq2seq.utils.languages import language_warning

Log = Callable[[str], None]
Metrics = Mapping[str, MetricResult]


@dataclass(frozen=True)
class _Context:
    """Inputs that all systems share.

    Attributes:
        test_set: Sources and references.
        frequencies: Words of the training text; None without a run or its data.
        missing: Why frequencies is None.
        lengths: Words of each source, or of its first reference.
        min_frequencies: Training frequency of each source's rarest word.
        device: Where models are analysed.
        split: Split of the runs' data.
        data_path: Override of data.path.
    """

    test_set: TestSet
    frequencies: WordFrequencies | None
    missing: str
    lengths: list[int]
    min_frequencies: list[int] | None
    device: str
    split: str
    data_path: str | None


def write_report(
    request: ReportRequest,
    output: Path,
    *,
    full: bool,
    log: Log,
    replace: bool = False,
    date: str | None = None,
) -> Report:
    """Build a report and write it as HTML, JSON and Markdown.

    Args:
        request: The systems and the test set.
        output: Folder to write to; created if missing.
        full: Whether to analyse models and training histories; a comparison does not.
        log: Called with a line of text before each slow step.
        replace: Whether to overwrite a report in that folder.
        date: Date to print; today's if None.

    Raises:
        UserError: If something cannot be read or written, or the folder holds a report
            already; no file is written then.
    """
    check_report_folder(output, request.files, replace=replace)
    date = date or time.strftime("%Y-%m-%d")
    report = build_report(request, date=date, full=full, log=log)
    log("drawing")
    texts = (
        report_json(report),
        render_markdown(report),
        render_html(report, full=full),
    )
    write_texts(output, texts)
    return report


def build_report(request: ReportRequest, *, date: str, full: bool, log: Log) -> Report:
    """Compute a report; for the arguments see `write_report`.

    Raises:
        UserError: If something that the request names cannot be used.
    """
    test_set, systems = read_systems(request)
    log(f"scoring {len(systems)} x {len(test_set.references[0]):,} segments")
    metrics = {
        system.name: _score(system, test_set, request, log) for system in systems
    }
    frequencies, missing = _training_words(request, systems, log)
    sources = test_set.sources
    context = _Context(
        test_set,
        frequencies,
        missing,
        buckets.word_counts(sources or test_set.references[0]),
        buckets.min_word_frequency(sources, frequencies.source)
        if frequencies is not None and sources
        else None,
        request.device,
        request.split,
        request.data_path,
    )
    reports = [
        _system_report(system, metrics[system.name], context, full=full, log=log)
        for system in systems
    ]
    groups: dict[str, list[str]] = {}
    for system in systems:
        groups.setdefault(system.group, []).append(system.name)
    baseline = systems[0]
    if len(systems) > 1:
        log("comparing")
    return Report(
        format=FORMAT,
        date=date,
        test_set=_test_set_stats(context, metrics[baseline.name]["bleu"]),
        systems=reports,
        groups=comparison.group_seeds(groups, metrics),
        comparisons=[
            comparison.compare_systems(
                (baseline.name, system.name),
                (metrics[baseline.name], metrics[system.name]),
                (baseline.hypotheses, system.hypotheses),
                test_set.references,
                n_bootstrap=request.n_bootstrap,
                n_trials=request.n_trials,
            )
            for system in systems[1:]
        ],
        segments=_segments(context, systems, metrics),
        n_bootstrap=request.n_bootstrap,
        n_trials=request.n_trials,
        warnings=[
            *filter(None, [language_warning(test_set.target_language)]),
            *(
                warning
                for number, lines in enumerate(test_set.references, 1)
                for warning in error_detectors.comparability_warnings(
                    f"reference {number}", lines
                )
            ),
        ],
    )


def _score(
    system: System, test_set: TestSet, request: ReportRequest, log: Log
) -> Metrics:
    """Compute BLEU, chrF and TER, and the means of segment scores of others."""
    results = score_segments(
        system.hypotheses,
        test_set.references,
        language=test_set.target_language,
        n_bootstrap=request.n_bootstrap,
    )
    metrics = {"bleu": results.bleu, "chrf": results.chrf, "ter": results.ter}
    for metric, numbers in system.segment_scores.items():
        if metric.lower() in METRIC_NAMES or metric in METRIC_NAMES.values():
            raise UserError(
                f"--segment-scores {metric}=...: the report computes {metric} itself; "
                "choose another name."
            )
        signature = "mean of the segments' scores, from a file"
        metrics[metric] = mean_result(
            numbers, signature, n_bootstrap=request.n_bootstrap
        )
    for external in request.metrics:
        if external.name in metrics:
            raise UserError(
                f"--metric {external.name}: --segment-scores has a metric of that name."
            )
        log(f"{external.name} of {system.name}")
        metrics[external.name] = run_metric(
            external,
            system.hypotheses,
            sources=test_set.sources,
            references=test_set.references[0],
            n_bootstrap=request.n_bootstrap,
        )
    return metrics


def _training_words(
    request: ReportRequest, systems: Sequence[System], log: Log
) -> tuple[WordFrequencies | None, str]:
    """Count the words of the first run's training text, or return why that fails."""
    for system in systems:
        if system.run is not None and system.recipe is not None:
            data = system.recipe.data.with_path(request.data_path)
            cache = system.run.path / "word-counts.json.gz"
            log(f"counting the words that {system.name} was trained on")
            try:
                return word_frequencies(data, cache), ""
            except UserError as error:
                log(str(error))
                return None, "Without word frequencies: no training text to read."
    return None, (
        "Without word frequencies: a file of hypotheses does not name its system's "
        "training text."
    )


def _system_report(
    system: System, metrics: Metrics, context: _Context, *, full: bool, log: Log
) -> SystemReport:
    """Run every analysis of one system."""
    test_set, frequencies = context.test_set, context.frequencies
    bleu, segment_scores = metrics["bleu"], metrics["chrf"].segments.tolist()
    errors = error_detectors.detect_errors(
        system.hypotheses, test_set.references, test_set.sources
    )
    examples = buckets.select_examples(
        segment_scores,
        context.lengths,
        context.min_frequencies,
        sorted({number for numbers in errors.values() for number in numbers}),
        length_side=test_set.length_side,
    )
    notes = [context.missing] if context.missing else []
    analysis: ModelAnalysis | None = None
    if full and system.run is not None and test_set.sources:
        # torch takes longer to import than a comparison of files takes.
        from seq2seq.evaluation.model_analysis import analyse_model
        from seq2seq.translate import Translator

        log(f"analysing the model of {system.name}")
        try:
            analysis = analyse_model(
                Translator.load(
                    system.run.path,
                    device=context.device,
                    to=test_set.target_language,
                ),
                test_set.sources,
                system.hypotheses,
                test_set.references[0],
                aligned=[example.segment for example in examples],
            )
        except UserError as error:
            log(str(error))
            notes.append(f"The model of {system.name} could not be analysed.")
    lengths = bleu.statistics.sum(axis=0)
    return SystemReport(
        name=system.name,
        kind="file" if system.run is None else "run",
        path=system.path.resolve().name,
        scores={metric: result.score for metric, result in metrics.items()},
        length_ratio=float(lengths[0] / max(lengths[1], 1)),
        by_length=buckets.bucket_scores(bleu, context.lengths, buckets.LENGTH_EDGES),
        by_frequency=[]
        if context.min_frequencies is None
        else buckets.bucket_scores(
            bleu, context.min_frequencies, buckets.FREQUENCY_EDGES
        ),
        word_f1=[]
        if frequencies is None
        else buckets.word_f1(
            system.hypotheses, test_set.references[0], frequencies.target
        ),
        histogram=buckets.score_histogram(segment_scores),
        errors=errors,
        warnings=error_detectors.comparability_warnings(system.name, system.hypotheses),
        notes=notes,
        examples=examples,
        model_analysis=analysis,
        training_history=read_training_history(system.run, system.recipe)
        if full and system.run is not None and system.recipe is not None
        else None,
        pair_scores=_pair_scores(system, context) if full else [],
    )


def _pair_scores(system: System, context: _Context) -> list[PairScore]:
    """Score all language pairs of a run with several, unless evaluate did."""
    if system.run is None or system.recipe is None or len(system.recipe.data.pairs) < 2:
        return []
    from seq2seq.evaluation.language_pairs import evaluate_pairs

    path = system.run.evaluation(context.split) / "scores.json"
    if not path.is_file():
        evaluate_pairs(
            system.run.path,
            context.split,
            data_path=context.data_path,
            device=context.device,
        )
    content = json.loads(path.read_bytes())
    return [
        PairScore(
            pair,
            pair in content["zero_shot"],
            scores["bleu"]["score"],
            scores["chrf"]["score"],
        )
        for pair, scores in content["pairs"].items()
    ]


def _segments(
    context: _Context, systems: Sequence[System], metrics: Mapping[str, Metrics]
) -> list[Segment]:
    """Collect source, references and translations of every segment."""
    test_set, frequencies = context.test_set, context.min_frequencies

    def translation(system: System, row: int) -> Translation:
        results = metrics[system.name].items()
        scores = {metric: float(result.segments[row]) for metric, result in results}
        return Translation(system.name, system.hypotheses[row], scores)

    return [
        Segment(
            row + 1,
            test_set.sources[row] if test_set.sources else None,
            [lines[row] for lines in test_set.references],
            [translation(system, row) for system in systems],
            None if frequencies is None else frequencies[row],
        )
        for row in range(len(test_set.references[0]))
    ]


def _test_set_stats(context: _Context, bleu: MetricResult) -> TestSetStats:
    """Describe the test set, its words missing from the training text included."""
    test_set, frequencies = context.test_set, context.frequencies
    signature = dict(part.split(":", 1) for part in bleu.score.signature.split("|"))
    counts = [0] * len(test_set.sources)
    if frequencies is not None:
        counts = [
            sum(frequencies.source[word] == 0 for word in words(line))
            for line in test_set.sources
        ]
    counted = frequencies is not None and bool(test_set.sources)
    return TestSetStats(
        name=test_set.name,
        revision=test_set.revision,
        fingerprint=test_set.fingerprint(),
        length_side=test_set.length_side,
        source_language=test_set.source_language,
        target_language=test_set.target_language,
        tokenizer=signature["tok"],
        segments=len(test_set.references[0]),
        references=len(test_set.references),
        training_pairs=None if frequencies is None else frequencies.pairs,
        unseen_words=sum(counts) if counted else None,
        source_words=sum(context.lengths) if counted else None,
        unseen_segments=[number for number, count in enumerate(counts, 1) if count],
    )
