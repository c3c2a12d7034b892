"""BLEU, chrF and TER by sacreBLEU, with their signatures. Knows lines; not files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from seq2seq.errors import InputError


@dataclass(frozen=True)
class Score:
    """A number and how it came about.

    Attributes:
        score: From 0 to 100 (TER may exceed it).
        signature: sacreBLEU's: version, tokenizer, case, references.
    """

    score: float
    signature: str


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


def bleu_metric(language: str, *, lowercase: bool = False) -> BLEU:
    """Return BLEU with the tokenizer that sacreBLEU has for the target language.

    Raises:
        InputError: If that tokenizer's package is not installed.
    """
    try:
        return BLEU(trg_lang=language, lowercase=lowercase)
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"BLEU for the language {language!r} needs a tokenizer that is not "
            f"installed: pip install 'seq2seq[{language}]'."
        ) from error


def score(
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
    if len(hypotheses) != len(references):
        raise InputError(
            f"{len(hypotheses):,} hypotheses came for {len(references):,} references; "
            "line i of one must belong to line i of the other."
        )
    if not references:
        raise InputError("there are no lines to score.")
    blank = [i for i, line in enumerate(references, 1) if not line.strip()]
    if blank:
        raise InputError(
            f"{len(blank)} of {len(references):,} references are blank, first line "
            f"{blank[0]}; nothing can match a blank reference: fill or remove it."
        )

    def one(metric: Any) -> Score:
        found = metric.corpus_score(list(hypotheses), [list(references)])
        return Score(float(found.score), str(metric.get_signature()))

    bleu = bleu_metric(language, lowercase=lowercase)
    chrf = CHRF(lowercase=lowercase)
    return Scores(one(bleu), one(chrf), one(TER()), len(references))
