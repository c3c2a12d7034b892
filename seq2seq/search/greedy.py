"""Greedy search: the likeliest piece at every step, over any step function.

Knows ids and log-probabilities; not text, layers or files.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seq2seq.search.step import (
    MemoryT,
    StateT,
    Step,
    as_hypothesis,
    checked_limits,
    not_finite,
    permitted,
)
from seq2seq.structures import BOS, EOS, Hypothesis


def greedy_search(
    step: Step[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    *,
    max_lengths: Tensor,
    length_penalty: float = 1.0,
) -> list[Hypothesis]:
    """Follow the likeliest piece until it is EOS.

    A sentence that has max_length pieces gets one more step, for its EOS. Where
    another piece is likelier, it is cut: not finished, and its log_prob sums its
    pieces alone. One that no piece can follow (all -inf) is cut there as well. A
    sentence that ends leaves the batch.

    Args:
        step: Says what may come next: (last_pieces (R,), state, memory) to
            (log_probs (R, V), state).
        state: The state before the first piece, a row for each sentence.
        memory: What the step may read, a row for each sentence.
        max_lengths: The most pieces of each sentence, EOS not counted, (N,), on the
            device on which the step works.
        length_penalty: score = log_prob / length ** length_penalty; length counts the
            pieces, and EOS where it was reached. It changes no piece, only the score.

    Returns:
        One hypothesis for each sentence, in order.

    Raises:
        ValueError: If a limit is below 1, the penalty is negative, or the step returns
            NaN or +inf.
    """
    limits = checked_limits(max_lengths, length_penalty)
    pieces: list[list[int]] = [[] for _ in limits]
    log_probs = [0.0 for _ in limits]
    finished = [False for _ in limits]

    sentences = list(range(len(limits)))  # The sentence in each row.
    last = torch.full_like(max_lengths, BOS, dtype=torch.long)
    while sentences:
        step_log_probs, state = step(last, state, memory)
        best, last = permitted(step_log_probs).max(dim=1)
        # The one wait for the device. A float holds any id below 2 ** 24 exactly.
        report = torch.stack([best, last.to(best.dtype)]).tolist()

        staying: list[int] = []
        for row, (sentence, log_prob, piece) in enumerate(
            zip(sentences, *report, strict=True)
        ):
            if not log_prob < math.inf:  # NaN is not below anything.
                raise not_finite()
            full = len(pieces[sentence]) >= limits[sentence]
            if log_prob == -math.inf or (full and piece != EOS):
                continue
            log_probs[sentence] += log_prob
            if piece == EOS:
                finished[sentence] = True
            else:
                pieces[sentence].append(int(piece))
                staying.append(row)

        if staying and len(staying) < len(sentences):
            rows = torch.tensor(staying, device=last.device)
            last, state, memory = last[rows], state.select(rows), memory.select(rows)
        sentences = [sentences[row] for row in staying]

    return [
        as_hypothesis(
            pieces[sentence],
            log_probs[sentence],
            finished=finished[sentence],
            length_penalty=length_penalty,
        )
        for sentence in range(len(limits))
    ]
