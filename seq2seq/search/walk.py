"""One hypothesis a row, piece by piece: what greedy search, drawing and forcing share.

Knows the step function and rules; not how the next piece is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.search.demands import Demands
from seq2seq.search.ranking import Ranking, no_weights
from seq2seq.search.rules import Rules
from seq2seq.search.step import MemoryT, StateT, StepFunction, not_finite
from seq2seq.structures import BOS, EOS, Hypothesis

Choose = Callable[[Tensor, Tensor, int], Tensor]
"""`choose(log_probs (R, V), rows (R,), length) -> pieces (R,)`.

The rows say which of the rows of the beginning are still under way.
"""


class Walk(NamedTuple):
    """Where one row went.

    Attributes:
        pieces: What was chosen, without EOS.
        log_probs: Of each piece, and EOS where it was reached, in nats.
        finished: Whether it was reached.
        weights: What each of them read, (length, S), on the CPU; None without
            attention.
    """

    pieces: list[int]
    log_probs: list[float]
    finished: bool
    weights: Tensor | None


def walk(
    step: StepFunction[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    *,
    limits: Tensor,
    rules: Rules,
    choose: Choose,
) -> list[Walk]:
    """Follow the chosen piece until it is EOS.

    A row that has as many pieces as its limit gets one more step, for its EOS. Where
    another piece is chosen, it is cut. One whose chosen piece is impossible (-inf) is
    cut there as well. A row that ends leaves the batch.

    Args:
        step: Says what may come next.
        state: The state before the first piece, (R,) rows.
        memory: What the step may read, a row for each row.
        limits: The most pieces of each row, EOS not counted, (R,), on the device on
            which the step works.
        rules: What may not come, a place for each row.
        choose: Chooses among what may.

    Raises:
        ValueError: If the step returns NaN or +inf.
    """
    most: list[int] = limits.tolist()
    walks = [Walk([], [], False, None) for _ in most]
    paths: list[list[int]] = [[] for _ in most]  # Places in all weights, end to end.
    read: list[Tensor] = []
    places = 0

    under_way = list(range(len(most)))  # The row of the beginning in each row.
    rows = torch.arange(len(most), device=limits.device)
    last = torch.full_like(limits, BOS, dtype=torch.long)
    history = last[:, None][:, :0]
    length = 0
    while under_way:
        said = step(last, state, memory)
        state = said.state
        if said.weights is not None:
            read.append(said.weights)
        log_probs = rules.apply(said.log_probs, history, length)
        last = choose(log_probs, rows, length)
        chosen = log_probs.gather(1, last[:, None])[:, 0]
        # The one wait for the device. A double holds any id exactly.
        report = torch.stack([chosen.double(), last.double()]).tolist()

        staying: list[int] = []
        for place, (row, log_prob, piece) in enumerate(
            zip(under_way, *report, strict=True)
        ):
            if not log_prob < math.inf:  # NaN is not below anything.
                raise not_finite()
            if log_prob == -math.inf or (length >= most[row] and piece != EOS):
                continue
            walks[row].log_probs.append(log_prob)
            if read:
                paths[row].append(places + place)
            if piece == EOS:
                walks[row] = walks[row]._replace(finished=True)
            else:
                walks[row].pieces.append(int(piece))
                staying.append(place)

        places += len(under_way)
        length += 1
        if rules.read_history:
            history = torch.cat([history, last[:, None]], dim=1)
        if staying and len(staying) < len(under_way):
            kept = torch.tensor(staying, device=last.device)
            last, rows, history = last[kept], rows[kept], history[kept]
            state, memory = state.select(kept), memory.select(kept)
            rules = rules.select(kept)
        under_way = [under_way[place] for place in staying]

    if not read:
        return walks
    together = torch.cat(read).cpu()  # One wait, not one for each step.
    return [
        found._replace(weights=together[path])
        for found, path in zip(walks, paths, strict=True)
    ]


def as_hypotheses(
    walks: list[Walk], demands: Demands, ranking: Ranking
) -> list[Hypothesis]:
    """Give each walk its score; a cut one sums its pieces alone.

    Args:
        walks: As many of each sentence as of any other, one sentence after another.
        demands: What the sentences asked for.
        ranking: How the score is made.

    Raises:
        ValueError: If coverage counts but there is nothing to tell it by.
    """
    passed_over = [0.0] * len(walks)
    if ranking.options.coverage_penalty:
        if demands.source_lengths is None:
            raise no_weights()
        lengths = demands.source_lengths.cpu()
        lengths = lengths.repeat_interleave(len(walks) // max(len(lengths), 1))
        for number, found in enumerate(walks):
            if found.weights is None:
                raise no_weights()
            coverage = found.weights.sum(dim=0, keepdim=True)
            penalty = ranking.passed_over(coverage, lengths[number : number + 1])
            passed_over[number] = float(penalty)
    return [
        ranking.hypothesis(
            found.pieces,
            math.fsum(found.log_probs),
            finished=found.finished,
            passed_over=penalty,
            weights=found.weights,
        )
        for found, penalty in zip(walks, passed_over, strict=True)
    ]
