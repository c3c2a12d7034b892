"""Forced decoding: log-probabilities of given translations, over any step function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.constraints import DecodingConstraints, check_tokens
from seq2seq.search.decode_loop import decode_loop, to_hypotheses
from seq2seq.search.lexical_constraints import pad_right
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.search.step import MemoryT, StateT, StepFunction
from seq2seq.types import EOS, Hypothesis


class ScoredTarget(NamedTuple):
    """A given translation and its score.

    Attributes:
        hypothesis: The translation with its log-probability, score and attention, as a
            search would return it. Always finished.
        log_probs: Of each token and then of EOS, in nats. They end with the first -inf.
    """

    hypothesis: Hypothesis
    log_probs: tuple[float, ...]


def forced_decoding(
    step: StepFunction[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    targets: Sequence[Sequence[int]],
    options: SearchOptions,
    *,
    source_lengths: Tensor,
) -> list[ScoredTarget]:
    """Score given translations, one for each sentence.

    Args:
        step: Returns the log-probabilities of the next token.
        state: The state before the first token, N rows.
        memory: What the step reads of each sentence, N rows.
        targets: The tokens of each translation, without BOS and EOS.
        options: How hypotheses are scored. Tokens that they forbid are scored as well.
        source_lengths: Source tokens of each sentence, (N,), on the step function's
            device.

    Returns:
        One for each sentence, in order. An impossible translation scores -inf.

    Raises:
        ValueError: If there is not one translation for each sentence, one contains
            tokens that no translation can, or the step returns NaN or +inf.
    """
    if len(targets) != len(source_lengths):
        raise ValueError(
            f"{len(targets)} translations came for {len(source_lengths)} sentences; "
            "line i of one must belong to line i of the other."
        )
    check_tokens(targets)
    device = source_lengths.device
    lengths = [max(len(target), 1) for target in targets]
    constraints = DecodingConstraints(
        max_lengths=torch.tensor(lengths, dtype=torch.long, device=device)
    )
    targets_and_eos = pad_right(
        [[*target, EOS] for target in targets], device
    )  # (N, T)

    def given_token(log_probs: Tensor, rows: Tensor, length: int) -> Tensor:
        return targets_and_eos[rows, length]

    unrestricted = {"no_repeat_ngram_size": 0, "allow_unknown": True}
    sequences = decode_loop(
        step,
        state,
        memory,
        constraints,
        options.model_copy(update=unrestricted),
        select_token=given_token,
    )
    scorer = HypothesisScorer(options)
    hypotheses = to_hypotheses(sequences, scorer, source_lengths)
    return [
        ScoredTarget(hypothesis, tuple(sequence.log_probs))
        if sequence.finished
        else ScoredTarget(
            scorer.hypothesis(target, -math.inf, finished=True),
            (*sequence.log_probs, -math.inf),
        )
        for hypothesis, sequence, target in zip(
            hypotheses, sequences, targets, strict=True
        )
    ]
