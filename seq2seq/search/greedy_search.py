"""Greedy search: the likeliest piece at every step, over any step function.

Knows ids and log-probabilities; not text, layers or files.
"""

from __future__ import annotations

from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.decode_loop import decode_loop, to_hypotheses
from seq2seq.search.logits_processors import LogitsProcessors
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.search.step import MemoryT, StateT, StepFunction, argmax
from seq2seq.types import Hypothesis


def greedy_search(
    step: StepFunction[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    demands: DecodingConstraints,
    options: SearchOptions,
    *,
    scored: bool = True,
) -> list[Hypothesis]:
    """Follow the likeliest piece until it is EOS.

    A sentence that has as many pieces as it may gets one more step, for its EOS. Where
    another piece is likelier, it is cut: not finished, and its log_prob sums its
    pieces alone. One that no piece can follow (all -inf) is cut there as well. A
    sentence that ends leaves the batch.

    Args:
        step: Says what may come next.
        state: The state before the first piece, a row for each sentence.
        memory: What the step may read, a row for each sentence.
        demands: What each sentence asks for. Required phrases need a beam, if one of
            a single hypothesis.
        options: What may come, and how the score is made.
        scored: Whether to sum log-probabilities where the step gives unnormalized ones;
            else they and scores are NaN, and pieces the same.

    Returns:
        One hypothesis for each sentence, in order.

    Raises:
        ValueError: If a demand cannot be met, or the step returns NaN or +inf.
    """
    demands.validate()
    if any(demands.required_phrases):
        raise ValueError("greedy search keeps no required phrases; use beam search.")
    walks = decode_loop(
        step,
        state,
        memory,
        limits=demands.max_lengths,
        rules=LogitsProcessors.of(demands, options),
        choose=_likeliest,
        scored=scored,
    )
    return to_hypotheses(walks, demands, HypothesisScorer(options))


def _likeliest(log_probs: Tensor, rows: Tensor, length: int) -> Tensor:
    return argmax(log_probs)
