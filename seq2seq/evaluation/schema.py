"""The report as dataclasses: the content of report.json and the input of every page.

Results are the dataclasses of the modules that compute them. Segments count from 1.
docs/report.schema.json is generated: python -m seq2seq.evaluation.schema
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from seq2seq.evaluation.buckets import Bucket, Example, WordBucket
from seq2seq.evaluation.comparison import Comparison, SeedGroup
from seq2seq.evaluation.training_history import TrainingHistory
from seq2seq.metrics.sacrebleu_scores import Score

FORMAT = 2
METRIC_NAMES = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER"}
LOWER_IS_BETTER = ("ter",)
_MEANINGS = {
    "bleu": "runs of 1 to 4 words as in the reference; 0 to 100, higher is better",
    "chrf": "runs of 1 to 6 characters as in the reference; 0 to 100, higher is better",
    "ter": "edits per 100 words to arrive at the reference; lower is better",
}


@dataclass(frozen=True)
class AttentionMap:
    """Attention weights between words of one translation under teacher forcing.

    Weights are summed over the tokens of a source word and averaged over the tokens of
    a target word.

    Attributes:
        segment: Number of the segment.
        source: Source words, EOS last.
        target: Words of the translation, EOS last.
        weights: One row per target word, one column per source word; rows sum to 1.
    """

    segment: int
    source: list[str]
    target: list[str]
    weights: list[list[float]]


@dataclass(frozen=True)
class ProjectedSegment:
    """A segment's context vector, projected to two dimensions."""

    segment: int
    x: float
    y: float


@dataclass(frozen=True)
class ContextProjection:
    """Context vectors on their first two principal components.

    Attributes:
        points: From the shortest source to the longest.
        explained_variance: Shares of the variance of both components, 0 to 1.
    """

    points: list[ProjectedSegment]
    explained_variance: list[float]


@dataclass(frozen=True)
class SearchErrors:
    """Segments whose reference the model scores above its own translation.

    Attributes:
        compared: Number of segments compared.
        segments: Numbers of those with a search error.

    Source: Stahlberg and Byrne 2019.
    """

    compared: int
    segments: list[int]


@dataclass(frozen=True)
class ModelAnalysis:
    """Analysis of a trained model.

    Attributes:
        attention_maps: Of the examples; empty without attention.
        context_projection: Of a model without attention, given enough sources.
        search_errors: By the score that the search ranks by.
    """

    attention_maps: list[AttentionMap]
    context_projection: ContextProjection | None
    search_errors: SearchErrors


@dataclass(frozen=True)
class PairScore:
    """Scores of one language pair of a run with several.

    Attributes:
        pair: Both languages, such as en-de.
        zero_shot: Whether the run was trained on no text of it.
        bleu: BLEU.
        chrf: chrF.
    """

    pair: str
    zero_shot: bool
    bleu: float
    chrf: float


@dataclass(frozen=True)
class SystemReport:
    """Results of one system.

    Attributes:
        name: Unique in the report.
        kind: "run" or "file".
        path: Name of the run folder or of the file, without the folders that it is in.
        scores: By metric.
        length_ratio: Words of the hypotheses by those of the closest references, as
            BLEU counts them.
        by_length: BLEU by words of the source, or of the reference.
        by_frequency: BLEU by the training frequency of the rarest source word; empty
            if unknown.
        word_f1: F1 by the training frequency of the target word; empty if unknown.
        histogram: Segments by chrF, in tens; those with 100 apart.
        errors: Numbers of segments, by type of error.
        warnings: Why its scores may not be comparable.
        notes: What the report leaves out, and why.
        examples: Up to five segments.
        model_analysis: None for a file, for a comparison, and after a failure.
        training_history: None for a file, and for a comparison.
        pair_scores: Of all language pairs of a run with several; empty for others, and
            for a comparison.
    """

    name: str
    kind: str
    path: str
    scores: dict[str, Score]
    length_ratio: float
    by_length: list[Bucket]
    by_frequency: list[Bucket]
    word_f1: list[WordBucket]
    histogram: list[tuple[str, int]]
    errors: dict[str, list[int]]
    warnings: list[str]
    notes: list[str]
    examples: list[Example]
    model_analysis: ModelAnalysis | None
    training_history: TrainingHistory | None
    pair_scores: list[PairScore]


@dataclass(frozen=True)
class Translation:
    """A system's translation of one segment, and its scores by metric."""

    system: str
    text: str
    scores: dict[str, float]


@dataclass(frozen=True)
class Segment:
    """A segment of the test set.

    Attributes:
        number: From 1.
        source: None if there are no sources.
        references: One or more.
        translations: One per system, in their order.
        min_word_frequency: Training frequency of the rarest source word; None if
            unknown.
    """

    number: int
    source: str | None
    references: list[str]
    translations: list[Translation]
    min_word_frequency: int | None


@dataclass(frozen=True)
class TestSetStats:
    """Description of the test set.

    Attributes:
        name: Name of the data and split, or of the reference files.
        revision: Revision of a Hub dataset; None if the recipe names none.
        fingerprint: First 12 hexadecimal digits of the SHA-256 of sources and
            references.
        length_side: "source", or "reference" if there are no sources: the side whose
            words are a segment's length.
        source_language: "" if unknown.
        target_language: As the recipe or the command line has it.
        tokenizer: BLEU's tokenizer, chosen by the target language.
        segments: Number of segments.
        references: Number of references per segment.
        training_pairs: Pairs of the counted training text; None if unknown.
        unseen_words: Source words missing from the training text, with repeats.
        source_words: Source words, with repeats.
        unseen_segments: Numbers of segments that contain such a word.
    """

    name: str
    revision: str | None
    fingerprint: str
    length_side: str
    source_language: str
    target_language: str
    tokenizer: str
    segments: int
    references: int
    training_pairs: int | None
    unseen_words: int | None
    source_words: int | None
    unseen_segments: list[int]


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        format: Rises when the meaning of a field changes.
        date: The only difference between two reports of the same input.
        test_set: Description of the test set.
        systems: The first one is the baseline.
        groups: Systems that differ in their seed only.
        comparisons: Every other system against the baseline.
        segments: All segments.
        n_bootstrap: Resampled corpora of intervals and of the paired bootstrap.
        n_trials: Trials of approximate randomization.
        warnings: About the references.
    """

    format: int
    date: str
    test_set: TestSetStats
    systems: list[SystemReport]
    groups: list[SeedGroup]
    comparisons: list[Comparison]
    segments: list[Segment]
    n_bootstrap: int
    n_trials: int
    warnings: list[str]

    @property
    def metrics(self) -> list[str]:
        """The metrics that every system has, in order."""
        return list(self.systems[0].scores)

    @property
    def all_warnings(self) -> list[str]:
        """Warnings about the references and about every system."""
        return [*self.warnings, *(line for s in self.systems for line in s.warnings)]

    @cached_property
    def small_metrics(self) -> frozenset[str]:
        """The metrics from files whose scores are all below 2, such as COMET's."""
        return frozenset(
            metric
            for metric in self.metrics
            if metric not in METRIC_NAMES
            and all(
                abs(translation.scores[metric]) < 2
                for segment in self.segments
                for translation in segment.translations
            )
        )


def metric_name(metric: str) -> str:
    """Return the common name of a metric."""
    return METRIC_NAMES.get(metric, metric)


def metric_meaning(metric: str) -> str:
    """Explain in a line what a metric counts."""
    return _MEANINGS.get(metric, "scores that another program gave the segments")


def report_json(report: Any) -> str:
    """Write a report, or that of another task, as JSON, numbers to six decimals."""
    return json.dumps(_rounded(asdict(report)), indent=1, ensure_ascii=False) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value


def schema() -> dict[str, Any]:
    """Return the JSON schema of report.json, of translations and of other tasks."""
    from pydantic import TypeAdapter

    from seq2seq.evaluation.task_report import TaskReport

    dialect = "https://json-schema.org/draft/2020-12/schema"
    adapter: TypeAdapter[Any] = TypeAdapter(Report | TaskReport)
    return {"$schema": dialect, **adapter.json_schema()}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1))
