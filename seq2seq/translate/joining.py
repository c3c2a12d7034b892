"""The hypotheses of a line's segments joined to the translations of the line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError
from seq2seq.translate import alignment
from seq2seq.translate.input_splitting import Segment, SegmentedLine, target_gap
from seq2seq.translate.line_hypotheses import Candidate, Cost, LineHypotheses
from seq2seq.translate.options import (
    Translation,
    TranslationHypothesis,
    TranslationOptions,
)
from seq2seq.types import EOS, UNK, Hypothesis


@dataclass(frozen=True)
class SegmentJoiner:
    """Joins what the search returns for a line's segments.

    Attributes:
        target: The target side's tokenizer.
        source_language: The source language.
        target_language: The target language.
        options: Translation options.
        independent: Whether a segment's hypotheses are samples, so that the first of
            each are a sample of the line; else the best combinations are its n best.
    """

    target: Tokenizer
    source_language: str
    target_language: str
    options: TranslationOptions
    independent: bool = False

    def __call__(
        self, line: SegmentedLine, results: Sequence[Sequence[Hypothesis]]
    ) -> Translation:
        """Join the hypotheses of a line's segments.

        Args:
            line: The line's segments.
            results: The hypotheses of each segment, best first.

        Raises:
            UserError: If no joined translation satisfies the line's constraints.
        """
        segments = line.segments
        if not segments:
            return Translation()
        languages = self.source_language, self.target_language
        gaps = [target_gap(segment.gap, *languages) for segment in segments]
        constraints = segments[0].constraints if len(segments) > 1 else None
        distinct = LineHypotheses(self.options.n_best, gaps, constraints)
        candidates = [
            [(self._detokenize(segment, h), h) for h in hypotheses]
            for segment, hypotheses in zip(segments, results, strict=True)
        ]
        if self.independent:
            for rank in range(max(map(len, results))):
                # A segment with fewer hypotheses repeats its last one.
                distinct.add([ranked[: rank + 1][-1] for ranked in candidates])
        else:
            distinct.add_best([self._ranked(ranked) for ranked in candidates])
        ranked = [
            (self._hypothesis(text, hypotheses), hypotheses)
            for text, hypotheses in distinct.valid().items()
        ]
        if not self.independent:  # Sums of scores are rounded.
            ranked.sort(key=lambda r: (self._num_truncated(r[1]), -r[0].score))
        aligned = None
        if self.options.align:
            best = ranked[0][1]
            aligned = alignment.concatenate(
                [
                    alignment.align(
                        segment.surfaces,
                        self.target.id_to_tokens(hypothesis.tokens),
                        _attention_weights(segment, hypothesis),
                    )
                    for segment, hypothesis in zip(segments, best, strict=True)
                ],
                source_spaces=[bool(segment.gap) for segment in segments],
                target_spaces=[*map(bool, gaps)],
            )
        return Translation(
            tuple(hypothesis for hypothesis, _ in ranked),
            aligned,
            len(segments),
            line.num_sentences,
            line.truncated,
        )

    def _ranked(self, candidates: Iterable[Candidate]) -> list[tuple[Candidate, Cost]]:
        """Return a segment's candidates of distinct texts with their costs."""
        distinct: dict[str, Hypothesis] = {}
        for text, hypothesis in candidates:
            distinct.setdefault(text, hypothesis)
        costs = [
            (item, Cost(self._num_truncated([item[1]]), -item[1].score))
            for item in distinct.items()
        ]
        return sorted(costs, key=itemgetter(1))

    def _num_truncated(self, hypotheses: Iterable[Hypothesis]) -> int:
        """Count what the length limit truncated; with MBR the utility alone ranks."""
        if self.options.mbr_samples:
            return 0
        return sum(not hypothesis.finished for hypothesis in hypotheses)

    def _hypothesis(
        self, text: str, hypotheses: Sequence[Hypothesis]
    ) -> TranslationHypothesis:
        """Return a line's hypothesis, of one hypothesis for each of its segments."""
        num_tokens = sum(len(hypothesis.tokens) for hypothesis in hypotheses)
        num_scored = num_tokens + sum(hypothesis.finished for hypothesis in hypotheses)
        joined = TranslationHypothesis(
            text,
            sum(hypothesis.score for hypothesis in hypotheses) / len(hypotheses),
            sum(hypothesis.log_prob for hypothesis in hypotheses) / max(num_scored, 1),
            num_tokens,
        )
        if not self.options.token_log_probs:
            return joined
        ids = [
            token
            for hypothesis in hypotheses
            for token in (*hypothesis.tokens, *[EOS] * hypothesis.finished)
        ]
        log_probs = [part for h in hypotheses for part in h.token_log_probs or ()]
        return replace(
            joined,
            tokens=tuple(self.target.id_to_tokens(ids)),
            token_log_probs=tuple(log_probs),
        )

    def _detokenize(self, segment: Segment, hypothesis: Hypothesis) -> str:
        ids = hypothesis.tokens
        if UNK not in ids or not self.options.replace_unk:
            return self.target.decode([ids])[0]
        return alignment.replace_unknowns(
            ids,
            self.target.id_to_tokens(ids),
            segment.surfaces,
            _attention_weights(segment, hypothesis),
        )


def require_attention(results: Iterable[Sequence[Hypothesis] | UserError]) -> None:
    """Check that the results of a search have attention weights.

    Raises:
        UserError: If the run has no attention.
    """
    for result in results:
        if not isinstance(result, UserError) and result[0].attention is None:
            raise UserError(
                "the run has no attention, so nothing aligns its words. Use one that "
                "was trained with attention, for example with "
                "-o model.attention.kind=general."
            )


def _attention_weights(segment: Segment, hypothesis: Hypothesis) -> alignment.Weights:
    """Return attention weights, (target tokens, source tokens) of the text alone."""
    assert hypothesis.attention is not None  # By require_attention.
    weights: alignment.Weights = hypothesis.attention.float().numpy()
    prefix = len(segment.ids) - len(segment.surfaces)
    return weights[: len(hypothesis.tokens), prefix : len(segment.ids)]
