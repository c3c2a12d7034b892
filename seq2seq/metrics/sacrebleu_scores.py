"""BLEU, chrF and TER by sacreBLEU, with signatures and bootstrap confidence intervals.

Source: Post 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from seq2seq.errors import UserError, misaligned_error
from seq2seq.metrics.significance import (
    N_BOOTSTRAP,
    Floats,
    Interval,
    ScoreFunction,
    bleu_from_stats,
    bootstrap_interval,
    chrf_from_stats,
    ter_from_stats,
)
from seq2seq.utils.languages import primary_subtag
from seq2seq.utils.text import is_blank

_TOKENIZER_LANGUAGE = {
    "zh": ("zh", "zho", "chi", "cmn", "yue"),
    "ja": ("ja", "jpn"),
    "ko": ("ko", "kor"),
}


@dataclass(frozen=True)
class Score:
    """A corpus score with its signature and confidence interval.

    Attributes:
        score: From 0 to 100 (TER may exceed it).
        signature: sacreBLEU's: version, tokenizer, case, references.
        interval: 95% confidence interval over 1,000 bootstrap resamples.
    """

    score: float
    signature: str
    interval: Interval


@dataclass(frozen=True)
class Scores:
    """Corpus scores of a set of hypotheses.

    Attributes:
        bleu: Papineni et al. 2002; higher is better.
        chrf: Popović 2015; higher is better.
        ter: Snover et al. 2006; lower is better.
        sentences: Number of sentences scored.
    """

    bleu: Score
    chrf: Score
    ter: Score
    sentences: int


@dataclass(frozen=True)
class MetricResult:
    """Corpus and sentence scores of one metric.

    Attributes:
        score: The corpus score.
        segments: Sentence-level scores, (sentences,).
        statistics: Sufficient statistics of each sentence, (sentences, columns).
        score_from_stats: Maps their sums to corpus scores.
    """

    score: Score
    segments: Floats
    statistics: Floats
    score_from_stats: ScoreFunction

    def subset(self, rows: Sequence[int]) -> tuple[float, Interval]:
        """Score the sentences at these rows as a corpus, with confidence interval."""
        statistics = self.statistics[list(rows)]
        sums = statistics.sum(axis=0, keepdims=True)
        score = float(self.score_from_stats(sums)[0])
        return score, bootstrap_interval(statistics, self.score_from_stats)


@dataclass(frozen=True)
class MetricResults:
    """Results of the string-based metrics.

    Attributes:
        bleu: Higher is better.
        chrf: Popović 2015; higher is better.
        ter: Lower is better.
    """

    bleu: MetricResult
    chrf: MetricResult
    ter: MetricResult


def bleu_metric(language: str, *, lowercase: bool = False) -> BLEU:
    """Return BLEU with sacreBLEU's tokenizer for the target language.

    Raises:
        UserError: If that tokenizer's package is not installed.
    """
    primary = primary_subtag(language)
    code = next(
        (name for name, codes in _TOKENIZER_LANGUAGE.items() if primary in codes),
        primary,
    )
    try:
        return BLEU(trg_lang=code, lowercase=lowercase)
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"BLEU for the language {language!r} needs a tokenizer that is not "
            f"installed: pip install 'seq2seq-recurrent[{code}]'."
        ) from error


def bleu_ci(
    hypotheses: Sequence[str], references: Sequence[str], *, language: str
) -> tuple[float, Interval]:
    """Return corpus BLEU and its confidence interval; references may be blank."""
    metric = bleu_metric(language)
    score = _evaluate(metric, hypotheses, [references], bleu_from_stats).score
    return score.score, score.interval


def score_corpus(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    language: str,
    lowercase: bool = False,
) -> Scores:
    """Score hypotheses against one reference each.

    Args:
        hypotheses: One line per sentence; a blank one matches nothing.
        references: One line per sentence.
        language: Code of the target language; selects BLEU's tokenizer.
        lowercase: Whether BLEU and chrF ignore case, as in older papers; TER always
            does.

    Raises:
        UserError: If the counts differ, there are none, or a reference is blank.

    Source: Post 2018 (sacreBLEU).
    """
    results = score_segments(
        hypotheses, [references], language=language, lowercase=lowercase
    )
    return Scores(
        bleu=results.bleu.score,
        chrf=results.chrf.score,
        ter=results.ter.score,
        sentences=len(references),
    )


def score_segments(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    language: str,
    lowercase: bool = False,
    n_bootstrap: int = N_BOOTSTRAP,
) -> MetricResults:
    """Score hypotheses as a corpus and sentence by sentence.

    Sentence-level BLEU uses sacreBLEU's effective order: it leaves out the orders that
    a short sentence has no n-grams of.

    Args:
        hypotheses: One line per sentence; a blank one matches nothing.
        references: One or more lists of lines, all of the same length.
        language: Code of the target language; selects BLEU's tokenizer.
        lowercase: Whether BLEU and chrF ignore case; TER always does.
        n_bootstrap: Bootstrap resamples for the confidence intervals.

    Raises:
        UserError: If the counts differ, there are none, or a reference is blank.
    """
    _check(hypotheses, references)
    metrics = (
        (bleu_metric(language, lowercase=lowercase), bleu_from_stats),
        (CHRF(lowercase=lowercase), chrf_from_stats),
        (TER(), ter_from_stats),
    )
    return MetricResults(
        *(
            _evaluate(metric, hypotheses, references, score_from_stats, n_bootstrap)
            for metric, score_from_stats in metrics
        )
    )


def _evaluate(
    metric: Any,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    score_from_stats: ScoreFunction,
    n_bootstrap: int = N_BOOTSTRAP,
) -> MetricResult:
    """Extract sacreBLEU's statistics once; derive all scores and the interval."""
    rows = metric._extract_corpus_statistics(
        list(hypotheses), [list(lines) for lines in references]
    )
    statistics = np.array(rows, dtype=np.float64)
    score = float(metric._aggregate_and_compute(rows).score)
    signature = str(metric.get_signature())
    interval = bootstrap_interval(statistics, score_from_stats, n_bootstrap=n_bootstrap)
    if isinstance(metric, BLEU):
        metric.effective_order = True
    segments = [
        float(metric._compute_score_from_stats(list(row)).score) for row in rows
    ]
    return MetricResult(
        Score(score, signature, interval),
        np.array(segments),
        statistics,
        score_from_stats,
    )


def _check(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Check counts and references; sacreBLEU accepts unequal counts silently."""
    for lines in references:
        if len(hypotheses) != len(lines):
            raise misaligned_error(
                f"{len(hypotheses):,} hypotheses came for {len(lines):,} references"
            )
    if not references or not references[0]:
        raise UserError("there are no lines to score.")
    for lines in references:
        blank = [i for i, line in enumerate(lines, 1) if is_blank(line)]
        if blank:
            numbers = ", ".join(map(str, blank[:5])) + (", ..." if blank[5:] else "")
            raise UserError(
                f"{len(blank)} of {len(lines):,} references are blank (line "
                f"{numbers}), and no translation can match them; fill or remove them."
            )
