"""BLEU, chrF and TER by sacreBLEU, with signatures and intervals.

Knows lines; not files or what translated them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from seq2seq.errors import UserError
from seq2seq.metrics.significance import (
    SAMPLES,
    Floats,
    Formula,
    Interval,
    bleu_from_stats,
    bootstrap_interval,
    chrf_from_stats,
    ter_from_stats,
)

_TOKENIZER_LANGUAGE = {
    "zh": ("zh", "zho", "chi", "cmn", "yue"),
    "ja": ("ja", "jpn"),
    "ko": ("ko", "kor"),
}


@dataclass(frozen=True)
class Score:
    """A number and how it came about.

    Attributes:
        score: From 0 to 100 (TER may exceed it).
        signature: sacreBLEU's: version, tokenizer, case, references.
        interval: Where 95% of 1,000 resampled test sets score.
    """

    score: float
    signature: str
    interval: Interval


@dataclass(frozen=True)
class Scores:
    """What a set of hypotheses scored.

    Attributes:
        bleu: Papineni et al. 2002; higher is better.
        chrf: Popović 2015; higher is better.
        ter: Snover et al. 2006; lower is better.
        sentences: How many were scored.
    """

    bleu: Score
    chrf: Score
    ter: Score
    sentences: int


@dataclass(frozen=True)
class MetricResult:
    """One metric, sentence by sentence.

    Attributes:
        score: The corpus's.
        segments: Each sentence's own score, (sentences,).
        statistics: What adds up to the corpus's score, (sentences, columns).
        score_from_stats: How it does.
    """

    score: Score
    segments: Floats
    statistics: Floats
    score_from_stats: Formula

    def subset(self, rows: Sequence[int]) -> tuple[float, Interval]:
        """Score some of the sentences, with the interval of that score."""
        chosen = self.statistics[list(rows)]
        score_corpus = float(
            self.score_from_stats(chosen.sum(axis=0, keepdims=True))[0]
        )
        return score_corpus, bootstrap_interval(chosen, self.score_from_stats)


@dataclass(frozen=True)
class MetricResults:
    """The metrics that need nothing but text.

    Attributes:
        bleu: Higher is better.
        chrf: chrF++ (Popović 2017), which counts words too; higher is better.
        ter: Lower is better.
    """

    bleu: MetricResult
    chrf: MetricResult
    ter: MetricResult


def bleu_metric(language: str, *, lowercase: bool = False) -> BLEU:
    """Return BLEU with the tokenizer that sacreBLEU has for the target language.

    Raises:
        InputError: If that tokenizer's package is not installed.
    """
    first = language.lower().replace("_", "-").split("-")[0]
    known = [name for name, codes in _TOKENIZER_LANGUAGE.items() if first in codes]
    try:
        return BLEU(trg_lang=known[0] if known else first, lowercase=lowercase)
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"BLEU for the language {language!r} needs a tokenizer that is not "
            f"installed: pip install "
            f"'seq2seq-recurrent[{known[0] if known else first}]'."
        ) from error


def bleu_ci(
    hypotheses: Sequence[str], references: Sequence[str], *, language: str
) -> tuple[float, Interval]:
    """Score a validation, blank references and all."""
    found = _measure(bleu_metric(language), hypotheses, [references], bleu_from_stats)
    return found.score.score, found.score.interval


def score_corpus(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    language: str,
    lowercase: bool = False,
) -> Scores:
    """Score hypotheses against one reference each.

    Args:
        hypotheses: One line for each sentence; a blank one counts as nothing right.
        references: The lines they should be.
        language: The target language, which decides on BLEU's tokenizer.
        lowercase: Whether BLEU and chrF disregard case, as older papers did; TER
            always does.

    Raises:
        InputError: If the counts differ, there are none, or a reference is blank.

    Source: Post 2018 (sacreBLEU).
    """
    _check(hypotheses, [references])
    bleu = bleu_metric(language, lowercase=lowercase)
    chrf = CHRF(lowercase=lowercase)
    found = (
        _measure(bleu, hypotheses, [references], bleu_from_stats).score,
        _measure(chrf, hypotheses, [references], chrf_from_stats).score,
        _measure(TER(), hypotheses, [references], ter_from_stats).score,
    )
    return Scores(*found, len(references))


def score_segments(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    language: str,
    samples: int = SAMPLES,
) -> MetricResults:
    """Score hypotheses as a whole and one by one.

    A sentence's own BLEU leaves out orders that are too long for it, as sacreBLEU's
    does.

    Args:
        hypotheses: One line for each sentence; a blank one counts as nothing right.
        references: One or more lists of lines, all as long.
        language: The target language, which decides on BLEU's tokenizer.
        samples: Resampled corpora behind the intervals.

    Raises:
        InputError: If the counts differ, there are none, or a reference is blank.
    """
    _check(hypotheses, references)
    metrics = (
        (bleu_metric(language), bleu_from_stats),
        (CHRF(word_order=2), chrf_from_stats),
        (TER(), ter_from_stats),
    )
    return MetricResults(
        *(
            _measure(metric, hypotheses, references, formula, samples)
            for metric, formula in metrics
        )
    )


def _measure(
    metric: Any,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    formula: Formula,
    samples: int = SAMPLES,
) -> MetricResult:
    """Take sacreBLEU's statistics once, for the score, its parts and its interval."""
    rows = metric._extract_corpus_statistics(
        list(hypotheses), [list(lines) for lines in references]
    )
    statistics = np.array(rows, dtype=np.float64)
    whole = float(metric._aggregate_and_compute(rows).score)
    signature = str(metric.get_signature())
    if isinstance(metric, BLEU):
        metric.effective_order = True
    segments = [
        float(metric._compute_score_from_stats(list(row)).score) for row in rows
    ]
    return MetricResult(
        Score(
            whole, signature, bootstrap_interval(statistics, formula, samples=samples)
        ),
        np.array(segments),
        statistics,
        formula,
    )


def _check(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Refuse what cannot be scored; sacreBLEU scores unequal counts without a word."""
    for lines in references:
        if len(hypotheses) != len(lines):
            raise UserError(
                f"{len(hypotheses):,} hypotheses came for {len(lines):,} references; "
                "line i of one must belong to line i of the other."
            )
    if not references or not references[0]:
        raise UserError("there are no lines to score.")
    for lines in references:
        blank = [i for i, line in enumerate(lines, 1) if not line.strip()]
        if blank:
            numbers = ", ".join(map(str, blank[:5])) + (", ..." if blank[5:] else "")
            raise UserError(
                f"{len(blank)} of {len(lines):,} references are blank (line "
                f"{numbers}), and no translation can match them; fill or remove them."
            )
