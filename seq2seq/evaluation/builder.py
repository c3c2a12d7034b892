"""From systems to the content of a report: the order in which everything is asked.

Knows what to compute; not how it is computed or shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np

from seq2seq.errors import UserError
from seq2seq.evaluation import buckets, comparison, error_detectors
from seq2seq.evaluation.schema import (
    FORMAT,
    NAMES,
    ComparisonValue,
    Errors,
    Example,
    Heat,
    Map,
    Report,
    ScoreValue,
    Segment,
    Spot,
    SystemValue,
    TestSetValue,
    TestValue,
    Translation,
)
from seq2seq.evaluation.systems import ReportRequest, System, TestSet, read_systems
from seq2seq.evaluation.training_history import read_training_history
from seq2seq.evaluation.words import WordFrequencies, word_frequencies, words
from seq2seq.metrics.sacrebleu_scores import MetricResult, Score, score_segments
from seq2seq.metrics.significance import bootstrap_interval, mean_from_stats

if TYPE_CHECKING:
    from seq2seq.evaluation.model_analysis import ModelAnalysis

Tell = Callable[[str], None]


@dataclass(frozen=True)
class _Known:
    """What all systems are measured against.

    Attributes:
        test_set: Sources and references.
        training: Words of the training text; None without a run or its data.
        lengths: Words of each source, or of its first reference.
        rarity: How often training had each source's rarest word.
    """

    test_set: TestSet
    training: WordFrequencies | None
    lengths: list[int]
    rarity: list[int] | None


def build_report(asked: ReportRequest, *, made: str, whole: bool, tell: Tell) -> Report:
    """Compute all that a report says.

    Args:
        asked: What the command line says.
        made: The date to print.
        whole: Whether to look at models and tell how runs came about; a comparison
            does without.
        tell: Is given a line for people before what may take long.

    Raises:
        InputError: If something that was named cannot be used.
    """
    test_set, systems = read_systems(asked)
    tell(f"scoring {len(systems)} x {len(test_set.references[0]):,} segments")
    measures = {
        system.name: _measures(system, test_set, asked.samples) for system in systems
    }
    training, missing = _training(asked, systems, tell)
    known = _Known(
        test_set,
        training,
        buckets.word_counts(test_set.sources or test_set.references[0]),
        buckets.min_word_frequency(test_set.sources, training.source)
        if training is not None and test_set.sources
        else None,
    )
    values = [
        _system(system, measures[system.name], known, missing, whole=whole, tell=tell)
        for system in systems
    ]
    groups: dict[str, list[str]] = {}
    for system in systems:
        groups.setdefault(system.group, []).append(system.name)
    if len(systems) > 1:
        tell("comparing")
    return Report(
        format=FORMAT,
        made=made,
        test_set=_test_set(known, measures[systems[0].name]["bleu"]),
        systems=values,
        groups=comparison.group_seeds(groups, measures),
        comparisons=[
            _compared(systems[0], other, measures, test_set, asked)
            for other in systems[1:]
        ],
        segments=_segments(known, systems, measures),
        samples=asked.samples,
        trials=asked.trials,
        warnings=[
            line
            for number, lines in enumerate(test_set.references, 1)
            for line in error_detectors.comparability_warnings(
                f"reference {number}", lines
            )
        ],
    )


def _measures(
    system: System, test_set: TestSet, samples: int
) -> dict[str, MetricResult]:
    found = score_segments(
        system.hypotheses,
        test_set.references,
        language=test_set.target_language,
        n_bootstrap=samples,
    )
    all_of_it = {"bleu": found.bleu, "chrf": found.chrf, "ter": found.ter}
    for metric, numbers in system.outside.items():
        if metric.lower() in NAMES or metric in NAMES.values():
            raise UserError(
                f"--segment-scores {metric}=...: the report computes {metric} itself; "
                "choose another name."
            )
        segments = np.array(numbers)
        statistics = np.stack([segments, np.ones_like(segments)], axis=1)
        score = Score(
            float(segments.mean()),
            "mean of the segments' scores, from a file",
            bootstrap_interval(statistics, mean_from_stats, n_bootstrap=samples),
        )
        all_of_it[metric] = MetricResult(score, segments, statistics, mean_from_stats)
    return all_of_it


def _training(
    asked: ReportRequest, systems: Sequence[System], tell: Tell
) -> tuple[WordFrequencies | None, str]:
    """Count the words that the first run learned from, or say why that fails."""
    for system in systems:
        if system.run is None or system.recipe is None:
            continue
        data = system.recipe.data
        if asked.data_path is not None:
            data = data.model_copy(update={"path": asked.data_path})
        tell(f"counting the words that {system.name} was trained on")
        try:
            return word_frequencies(data, system.run.path / "word-counts.json.gz"), ""
        except UserError as error:
            return None, f"Nothing is said about rare words: {error}"
    return None, (
        "Nothing is said about rare words: a hypothesis file does not tell what text "
        "it was learned from."
    )


def _system(
    system: System,
    measures: Mapping[str, MetricResult],
    known: _Known,
    missing: str,
    *,
    whole: bool,
    tell: Tell,
) -> SystemValue:
    test_set, bleu = known.test_set, measures["bleu"]
    wrong = error_detectors.detect_errors(
        system.hypotheses, test_set.references, test_set.sources
    )
    faulty = sorted({row for rows in wrong.values() for row in rows})
    examples = buckets.select_examples(
        measures["chrf"].segments.tolist(), known.lengths, known.rarity, faulty
    )
    notes = [missing] if missing else []
    inside: ModelAnalysis | None = None
    if whole and system.run is not None and test_set.sources:
        # torch takes longer to import than a comparison of files takes.
        from seq2seq.evaluation.model_analysis import analyse_model
        from seq2seq.translate import Translator

        tell(f"asking the model of {system.name}")
        try:
            inside = analyse_model(
                Translator.load(system.run.path),
                test_set.sources,
                system.hypotheses,
                test_set.references[0],
                shown=[example.row for example in examples],
            )
        except UserError as error:
            short = shorten(str(error), 300, placeholder=" ...")
            notes.append(f"The model could not be asked: {short}")
    sums = bleu.statistics.sum(axis=0)
    f1 = known.training and buckets.word_f1(
        system.hypotheses, test_set.references[0], known.training.target
    )
    return SystemValue(
        name=system.name,
        kind="file" if system.run is None else "run",
        path=str(system.path),
        scores={
            metric: ScoreValue(
                each.score.score, *each.score.interval, each.score.signature
            )
            for metric, each in measures.items()
        },
        length_ratio=float(sums[0] / max(sums[1], 1)),
        by_length=buckets.bucket_scores(bleu, known.lengths, buckets.LENGTH_EDGES),
        by_rarity=[]
        if known.rarity is None
        else buckets.bucket_scores(bleu, known.rarity, buckets.RARITY_EDGES),
        word_f1=f1 or [],
        histogram=buckets.score_histogram(measures["chrf"].segments.tolist()),
        faults={name: _numbers(rows) for name, rows in wrong.items()},
        search_errors=None
        if inside is None
        else Errors(
            inside.search_errors.looked_at, _numbers(inside.search_errors.rows)
        ),
        warnings=error_detectors.comparability_warnings(system.name, system.hypotheses),
        notes=notes,
        examples=[Example(example.row + 1, example.reason) for example in examples],
        alignments=[
            Heat(each.row + 1, each.source, each.target, each.weights)
            for each in (inside.alignments if inside else [])
        ],
        context=_map(inside),
        story=read_training_history(system.run, system.recipe)
        if whole and system.run is not None and system.recipe is not None
        else None,
    )


def _map(inside: ModelAnalysis | None) -> Map | None:
    if inside is None or inside.context is None:
        return None
    context = inside.context
    spots = [
        Spot(row + 1, x, y)
        for row, (x, y) in zip(context.rows, context.points, strict=True)
    ]
    return Map(spots, list(context.shares))


def _compared(
    baseline: System,
    system: System,
    measures: Mapping[str, Mapping[str, MetricResult]],
    test_set: TestSet,
    asked: ReportRequest,
) -> ComparisonValue:
    found = comparison.compare_systems(
        (baseline.name, system.name),
        (measures[baseline.name], measures[system.name]),
        (baseline.hypotheses, system.hypotheses),
        test_set.references,
        samples=asked.samples,
        trials=asked.trials,
    )
    return ComparisonValue(
        found.baseline,
        found.system,
        {
            metric: TestValue(
                test.difference,
                *test.interval,
                test.bootstrap_p,
                test.randomization_p,
            )
            for metric, test in found.tests.items()
        },
        found.wins,
        found.ties,
        found.losses,
        found.lost,
        found.gained,
        _numbers(found.better),
        _numbers(found.worse),
    )


def _segments(
    known: _Known,
    systems: Sequence[System],
    measures: Mapping[str, Mapping[str, MetricResult]],
) -> list[Segment]:
    test_set = known.test_set
    return [
        Segment(
            row + 1,
            test_set.sources[row] if test_set.sources else None,
            [lines[row] for lines in test_set.references],
            [
                Translation(
                    system.name,
                    system.hypotheses[row],
                    {
                        metric: float(each.segments[row])
                        for metric, each in measures[system.name].items()
                    },
                )
                for system in systems
            ],
            None if known.rarity is None else known.rarity[row],
        )
        for row in range(len(test_set.references[0]))
    ]


def _test_set(known: _Known, bleu: MetricResult) -> TestSetValue:
    test_set, training = known.test_set, known.training
    tokenizer = dict(part.split(":", 1) for part in bleu.score.signature.split("|"))
    unseen: list[int] = []
    count = 0
    if training is not None:
        for row, line in enumerate(test_set.sources):
            strange = sum(training.source[word] == 0 for word in words(line))
            count += strange
            if strange:
                unseen.append(row)
    counted = training is not None and bool(test_set.sources)
    return TestSetValue(
        name=test_set.name,
        source_language=test_set.source_language,
        target_language=test_set.target_language,
        tokenizer=tokenizer["tok"],
        segments=len(test_set.references[0]),
        references=len(test_set.references),
        training_pairs=None if training is None else training.pairs,
        unseen_words=count if counted else None,
        source_words=sum(known.lengths) if counted else None,
        unseen_segments=_numbers(unseen),
    )


def _numbers(rows: Sequence[int]) -> list[int]:
    return [row + 1 for row in rows]
