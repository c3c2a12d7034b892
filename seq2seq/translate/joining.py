"""The hypotheses of a line's segments joined to the translations of the line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError
from seq2seq.translate import alignment
from seq2seq.translate.input_splitting import Segment, SegmentedLine, target_gap
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
    """

    target: Tokenizer
    source_language: str
    target_language: str
    options: TranslationOptions

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
        distinct: dict[str, list[Hypothesis]] = {}
        for rank in range(max(map(len, results))):
            # A segment with fewer hypotheses repeats its last one.
            ranked = [hypotheses[: rank + 1][-1] for hypotheses in results]
            texts = [
                self._detokenize(segment, hypothesis)
                for segment, hypothesis in zip(segments, ranked, strict=True)
            ]
            distinct.setdefault(_on_one_line(_join(texts, gaps)), ranked)
        if len(segments) > 1 and segments[0].constraints:
            distinct = segments[0].constraints.satisfying(distinct)
        aligned = None
        if self.options.align:
            best = next(iter(distinct.values()))
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
            tuple(self._hypothesis(text, ranked) for text, ranked in distinct.items()),
            aligned,
            len(segments),
            line.num_sentences,
            line.truncated,
        )

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
    """Return attention weights, (target tokens, source tokens), without EOS."""
    assert hypothesis.attention is not None  # By require_attention.
    weights: alignment.Weights = hypothesis.attention.float().numpy()
    return weights[: len(hypothesis.tokens), : len(segment.ids)]


def _join(texts: Sequence[str], gaps: Sequence[str]) -> str:
    """Join the translations of segments with the white space before each."""
    joined = ""
    for text, gap in zip(texts, gaps, strict=True):
        if text:
            joined += gap + text if joined else text
    return joined


def _on_one_line(text: str) -> str:
    """Replace line feeds, which some tokens spell."""
    return text.replace("\n", " ").replace("\r", " ")
