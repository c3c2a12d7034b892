"""Forced decoding: what a model says of translations that somebody else made.

Knows ids and log-probabilities; not text, layers or files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.constraints import DecodingConstraints, pad_right
from seq2seq.search.decode_loop import decode_loop, to_hypotheses
from seq2seq.search.logits_processors import LogitsProcessors
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.search.step import MemoryT, StateT, StepFunction
from seq2seq.types import EOS, Hypothesis


class ScoredTarget(NamedTuple):
    """A given translation, and what it is worth.

    Attributes:
        hypothesis: The translation with its log-probability, score and weights, as a
            search would have found it. Always finished.
        log_probs: Of each piece and then of EOS, in nats. They end with the first -inf.
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
        step: Says what may come next.
        state: The state before the first piece, a row for each sentence.
        memory: What the step may read, a row for each sentence.
        targets: The pieces of each translation, without BOS and EOS.
        options: How the score is made. What options forbid is scored all the same.
        source_lengths: Source pieces of each sentence, (N,), on the device on which
            the step works.

    Returns:
        One for each sentence, in order. A translation that cannot be (-inf) is worth
        -inf.

    Raises:
        ValueError: If there is not one translation for each sentence, one holds pieces
            that no translation can, or the step returns NaN or +inf.
    """
    if len(targets) != len(source_lengths):
        raise ValueError(
            f"{len(targets)} translations came for {len(source_lengths)} sentences; "
            "line i of one must belong to line i of the other."
        )
    device = source_lengths.device
    lengths = [max(len(target), 1) for target in targets]
    limits = torch.tensor(lengths, dtype=torch.long, device=device)
    demands = DecodingConstraints(
        max_lengths=limits, source_lengths=source_lengths, prefixes=targets
    )
    demands.validate()
    given = pad_right([[*target, EOS] for target in targets], device)

    def as_given(log_probs: Tensor, rows: Tensor, length: int) -> Tensor:
        return given[rows, length]

    free = LogitsProcessors(0, True, None, None, None, None)
    walks = decode_loop(step, state, memory, limits=limits, rules=free, choose=as_given)
    ranking = HypothesisScorer(options)
    found = to_hypotheses(walks, demands, ranking)
    return [
        ScoredTarget(hypothesis, tuple(taken.log_probs))
        if taken.finished
        else ScoredTarget(
            ranking.hypothesis(target, -math.inf, finished=True),
            (*taken.log_probs, -math.inf),
        )
        for hypothesis, taken, target in zip(found, walks, targets, strict=True)
    ]
