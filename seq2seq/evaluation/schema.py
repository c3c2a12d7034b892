"""What a report says, as plain values: the JSON file, and what all pages are made of.

Knows the shape; not how anything was computed or is shown. Segments count from 1. The
schema in docs/report.schema.json is made from these classes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from seq2seq.evaluation.buckets import Bucket, WordBucket
from seq2seq.evaluation.comparison import NgramDifference, SeedGroup
from seq2seq.evaluation.training_history import TrainingHistory

FORMAT = 1
NAMES = {"bleu": "BLEU", "chrf": "chrF++", "ter": "TER"}
LOWER_IS_BETTER = ("ter",)


@dataclass(frozen=True)
class ScoreValue:
    """A corpus score.

    Attributes:
        score: As sacreBLEU prints it, unrounded.
        low: Where 95% of resampled test sets begin.
        high: Where they end.
        signature: How it was computed.
    """

    score: float
    low: float
    high: float
    signature: str


@dataclass(frozen=True)
class TestValue:
    """A difference of two systems; see metrics.significance.PairedTestResult."""

    difference: float
    low: float
    high: float
    bootstrap_p: float
    randomization_p: float


@dataclass(frozen=True)
class Example:
    """A segment that is worth a look, and why."""

    segment: int
    reason: str


@dataclass(frozen=True)
class Errors:
    """Search errors: the model scores the reference above what the search found."""

    looked_at: int
    segments: list[int]


@dataclass(frozen=True)
class Heat:
    """Attention over one translation; see model_analysis.Alignment."""

    segment: int
    source: list[str]
    target: list[str]
    weights: list[list[float]]


@dataclass(frozen=True)
class Spot:
    """A sentence on the map of context vectors."""

    segment: int
    x: float
    y: float


@dataclass(frozen=True)
class Map:
    """Context vectors in two dimensions, and the shares of variance these hold."""

    spots: list[Spot]
    shares: list[float]


@dataclass(frozen=True)
class SystemValue:
    """All about one system.

    Attributes:
        name: Unique in the report.
        kind: "run" or "file".
        path: Where it came from.
        scores: By metric.
        length_ratio: Words said to words of the closest reference, as BLEU counts.
        by_length: BLEU by the words of the source, or of the reference.
        by_rarity: BLEU by how often training had the rarest source word; empty if
            unknown.
        word_f1: By how often training had the target word; empty if unknown.
        histogram: Sentences by their own chrF++, in tens.
        faults: Segments by kind of fault.
        search_errors: None where no model could be asked.
        warnings: What makes its scores incomparable.
        notes: What the report leaves out, and why.
        examples: Five telling segments.
        alignments: Attention over the examples.
        context: Without attention: a map of context vectors.
        story: How the run came about; None for a file.
    """

    name: str
    kind: str
    path: str
    scores: dict[str, ScoreValue]
    length_ratio: float
    by_length: list[Bucket]
    by_rarity: list[Bucket]
    word_f1: list[WordBucket]
    histogram: list[tuple[str, int]]
    faults: dict[str, list[int]]
    search_errors: Errors | None
    warnings: list[str]
    notes: list[str]
    examples: list[Example]
    alignments: list[Heat]
    context: Map | None
    story: TrainingHistory | None


@dataclass(frozen=True)
class ComparisonValue:
    """A system against the baseline; see seq2seq.evaluation.comparison.Comparison."""

    baseline: str
    system: str
    tests: dict[str, TestValue]
    wins: int
    ties: int
    losses: int
    lost: list[NgramDifference]
    gained: list[NgramDifference]
    better: list[int]
    worse: list[int]


@dataclass(frozen=True)
class Translation:
    """What one system made of a segment, and its scores by metric."""

    system: str
    text: str
    scores: dict[str, float]


@dataclass(frozen=True)
class Segment:
    """One of the test set.

    Attributes:
        number: From 1.
        source: None where nobody gave sources.
        references: One or more.
        translations: Of every system, in their order.
        rarity: How often training had the rarest source word; None if unknown.
    """

    number: int
    source: str | None
    references: list[str]
    translations: list[Translation]
    rarity: int | None


@dataclass(frozen=True)
class TestSetValue:
    """What was translated.

    Attributes:
        name: What people call it.
        source_language: "" if unknown.
        target_language: As the recipe or the command line says.
        tokenizer: What BLEU cut words with, chosen by the target language.
        segments: How many there are.
        references: How many each has.
        training_pairs: Whose words were counted; None if unknown.
        unseen_words: Source words that the training text does not have, with repeats.
        source_words: Source words, with repeats.
        unseen_segments: Segments that have such a word.
    """

    name: str
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
        made: The date, the only thing that differs between two reports of one run.
        test_set: What was translated.
        systems: The first is the baseline.
        groups: Systems that are seeds of one.
        comparisons: Of every other system with the baseline.
        segments: All of them.
        samples: Resampled corpora behind intervals and the paired bootstrap.
        trials: Swaps behind approximate randomization.
        warnings: About the references.
    """

    format: int
    made: str
    test_set: TestSetValue
    systems: list[SystemValue]
    groups: list[SeedGroup]
    comparisons: list[ComparisonValue]
    segments: list[Segment]
    samples: int
    trials: int
    warnings: list[str]

    @property
    def metrics(self) -> list[str]:
        """The metrics that every system has, in order."""
        return list(self.systems[0].scores)


def metric_name(metric: str) -> str:
    """Name a metric as people do."""
    return NAMES.get(metric, metric)


def report_json(content: Report) -> str:
    """Write a report as JSON, numbers to six decimals."""
    return json.dumps(_rounded(asdict(content)), indent=1, ensure_ascii=False) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value


def schema() -> dict[str, Any]:
    """Describe the JSON file as a JSON schema."""
    from pydantic import TypeAdapter

    found = TypeAdapter(Report).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1))
