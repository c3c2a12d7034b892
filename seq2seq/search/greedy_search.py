"""Greedy search: the most probable token at every step, over any step function."""

from __future__ import annotations

from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.decode_loop import decode_loop, to_hypotheses
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.search.step import MemoryT, StateT, StepFunction, argmax
from seq2seq.search.watcher import RowReporter, SearchWatcher
from seq2seq.types import EOS, Hypothesis


def greedy_search(
    step: StepFunction[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    constraints: DecodingConstraints,
    options: SearchOptions,
    *,
    scored: bool = True,
    watcher: SearchWatcher | None = None,
) -> list[Hypothesis]:
    """Choose the most probable token until it is EOS.

    A sentence of max_lengths tokens gets one more step, in which only EOS may come.
    Where it cannot (-inf), it is cut: not finished, and its log_prob sums its tokens
    alone. One that no token can follow (all -inf) is cut there as well. A sentence that
    ends leaves the batch.

    Args:
        step: Returns the log-probabilities of the next token.
        state: The state before the first token, N rows.
        memory: What the step reads of each sentence, N rows.
        constraints: Of N sentences; required phrases need a beam, if only one of a
            single hypothesis.
        options: Which tokens may come, and how hypotheses are scored.
        scored: Whether to normalise the log-probabilities of an unnormalized step; if
            not, log_prob and score are NaN, and the tokens the same.
        watcher: Receives every step, if any; needs scores.

    Returns:
        One hypothesis for each sentence, in order.

    Raises:
        ValueError: If a constraint is out of range or the step returns NaN or +inf.
    """
    constraints.validate()
    if constraints.required_phrases is not None:
        raise ValueError("greedy search keeps no required phrases; use beam search.")

    def most_probable(log_probs: Tensor, rows: Tensor, length: int) -> Tensor:
        below_limit = constraints.max_lengths[rows] > length  # (R,)
        return argmax(log_probs).where(below_limit, EOS)

    scorer = HypothesisScorer(options)
    sequences = decode_loop(
        step,
        state,
        memory,
        constraints,
        options,
        select_token=most_probable,
        scored=scored,
        reporter=None if watcher is None else RowReporter(watcher, scorer),
    )
    return to_hypotheses(sequences, scorer, constraints.source_lengths)
