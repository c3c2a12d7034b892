"""Beam search over a hand-written table, where greedy search fails.

The searches need a step function, not a network: the last tokens and a state in,
log-probabilities and the next state out. Here it is a first-order Markov table, small
enough to check by hand:

    P(a | start) = 0.6    P(a | a) = 0.1    P(b | a) = 0.5    P(end | a) = 0.4
    P(b | start) = 0.4    P(end | b) = 0.9  P(b | b) = 0.1

    "a" has 0.6 * 0.4 = 0.24, "a b" has 0.6 * 0.5 * 0.9 = 0.27, "b" has 0.4 * 0.9 = 0.36

Greedy search starts with the likelier first token, a, and cannot return to b.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.types import BOS, EOS, Hypothesis, StepOutput

A, B = 4, 5  # The first four ids are PAD, UNK, BOS and EOS.
NAMES = {A: "a", B: "b"}

PROBABILITIES = torch.zeros(6, 6)  # (last token, next token)
PROBABILITIES[BOS, [A, B]] = torch.tensor([0.6, 0.4])
PROBABILITIES[A, [A, B, EOS]] = torch.tensor([0.1, 0.5, 0.4])
PROBABILITIES[B, [B, EOS]] = torch.tensor([0.1, 0.9])


class TableState(NamedTuple):
    """The state of the decoder; a table needs nothing but a row per hypothesis."""

    rows: Tensor  # (R,)

    def select(self, rows: Tensor) -> TableState:
        """Reorder: the search calls it when beams are pruned or finish."""
        return TableState(self.rows[rows])


def step(last: Tensor, state: TableState, memory: TableState) -> StepOutput[TableState]:
    """Look up log P(next | last), (R, V)."""
    return StepOutput(PROBABILITIES[last].log(), state)


def search(beam_size: int) -> list[Hypothesis]:
    """The hypotheses of one sentence, best first, without a length penalty."""
    rows = TableState(torch.zeros(1))
    options = SearchOptions(beam_size=beam_size, length_penalty=0.0)
    constraints = DecodingConstraints(max_lengths=torch.tensor([5]))
    return beam_search(
        step, rows, rows, constraints, options, num_hypotheses=beam_size
    )[0]


def main() -> None:
    """Print what beams of 1 and 3 find."""
    for beam_size in (1, 3):
        print(f"beam size {beam_size}:")
        for hypothesis in search(beam_size):
            text = " ".join(NAMES[token] for token in hypothesis.tokens)
            print(f"  {text:6} p = {torch.tensor(hypothesis.log_prob).exp():.3f}")


if __name__ == "__main__":
    main()
