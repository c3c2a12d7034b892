"""One hypothesis a row, piece by piece: what greedy search, drawing and forcing share.

Knows the step function and rules; not how the next piece is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.logits_processors import LogitsProcessors
from seq2seq.search.penalties import HypothesisScorer, missing_attention_error
from seq2seq.search.step import MemoryT, StateT, StepFunction, non_finite_scores_error
from seq2seq.types import BOS, EOS, Hypothesis, StepOutput

SelectToken = Callable[[Tensor, Tensor, int], Tensor]
"""`choose(log_probs (R, V), rows (R,), length) -> pieces (R,)`.

The rows say which of the rows of the beginning are still under way.
"""


class DecodedSequence(NamedTuple):
    """Where one row went.

    Attributes:
        tokens: What was chosen, without EOS.
        log_probs: Of each piece, and EOS where it was reached, in nats.
        finished: Whether it was reached.
        attention: What each of them read, (length, S), on the CPU; None without
            attention.
    """

    tokens: list[int]
    log_probs: list[float]
    finished: bool
    attention: Tensor | None


def decode_loop(
    step: StepFunction[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    *,
    limits: Tensor,
    rules: LogitsProcessors,
    choose: SelectToken,
    scored: bool = True,
) -> list[DecodedSequence]:
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
        scored: Whether unnormalized log-probabilities are to be made absolute; else
            what is said of them is NaN.

    Raises:
        ValueError: If the step returns NaN or +inf.
    """
    most = limits.cpu().numpy()
    under_way = np.arange(len(most))  # The row of the beginning in each row.
    taken: list[_Taken] = []
    read: list[Tensor] = []

    rows = torch.arange(len(most), device=limits.device)
    last = torch.full_like(limits, BOS, dtype=torch.long)
    history = last[:, None][:, :0]
    length = 0
    while len(under_way):
        said = step(last, state, memory)
        state = said.state
        if said.attention is not None:
            read.append(said.attention)
        above = _log_normalizer(said, scored=scored)  # Before rules rule anything out.
        log_probs = rules.apply(said.log_probs, history, length)
        last = choose(log_probs, rows, length)
        chosen = log_probs.gather(1, last[:, None])[:, 0]
        # The one wait for the device. A double holds any id exactly.
        numbers = [chosen.double(), above.double(), last.double()]
        found, over, pieces = torch.stack(numbers).cpu().numpy()
        if not (found < math.inf).all():  # NaN is not below anything.
            raise non_finite_scores_error()
        ends = pieces == EOS
        good = (found > -math.inf) & (ends | (length < most[under_way]))
        absolute = np.where(good, found, 0) - over
        taken.append(_Taken(under_way, pieces, absolute, good))

        length += 1
        if rules.needs_tokens:
            history = torch.cat([history, last[:, None]], dim=1)
        staying = (good & ~ends).nonzero()[0]
        if 0 < len(staying) < len(under_way):
            kept = torch.from_numpy(staying).to(last.device)
            last, rows, history = last[kept], rows[kept], history[kept]
            state, memory = state.select(kept), memory.select(kept)
            rules = rules.select(kept)
        under_way = under_way[staying]
    return _collect(taken, read, len(most))


def _log_normalizer(said: StepOutput[StateT], *, scored: bool) -> Tensor:
    """Say by how much the log-probabilities of each row are too large, (R,).

    NaN where nobody asks.
    """
    scores = said.log_probs
    if not said.unnormalized:
        return scores.new_zeros(len(scores))
    if not scored:
        return scores.new_full((len(scores),), math.nan)
    wide = torch.promote_types(scores.dtype, torch.float32)
    return scores.to(wide).logsumexp(dim=1)


class _Taken(NamedTuple):
    # What a step chose for each row: row of the beginning, piece, its log-probability,
    # and whether it was taken.
    rows: NDArray[np.int64]
    pieces: NDArray[np.float64]
    log_probs: NDArray[np.float64]
    good: NDArray[np.bool_]


def _collect(
    taken: list[_Taken], read: list[Tensor], count: int
) -> list[DecodedSequence]:
    """Turn steps of rows into rows of steps."""
    if not taken:
        return []
    rows, pieces, log_probs, good = map(np.concatenate, zip(*taken, strict=True))
    places = good.nonzero()[0]
    places = places[rows[places].argsort(kind="stable")]
    cuts = np.bincount(rows[places], minlength=count).cumsum()[:-1]
    weights = torch.cat(read).cpu() if read else None  # One wait for all steps.
    walks = []
    for path in np.split(places, cuts):
        said = pieces[path].astype(int).tolist()
        finished = bool(said) and said[-1] == EOS
        walks.append(
            DecodedSequence(
                said[:-1] if finished else said,
                log_probs[path].tolist(),
                finished,
                None if weights is None else weights[torch.from_numpy(path)],
            )
        )
    return walks


def to_hypotheses(
    walks: list[DecodedSequence],
    demands: DecodingConstraints,
    ranking: HypothesisScorer,
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
            raise missing_attention_error()
        lengths = demands.source_lengths.cpu()
        lengths = lengths.repeat_interleave(len(walks) // max(len(lengths), 1))
        for number, found in enumerate(walks):
            if found.attention is None:
                raise missing_attention_error()
            coverage = found.attention.sum(dim=0, keepdim=True)
            penalty = ranking.coverage_penalty(coverage, lengths[number : number + 1])
            passed_over[number] = float(penalty)
    return [
        ranking.hypothesis(
            found.tokens,
            math.fsum(found.log_probs),
            finished=found.finished,
            passed_over=penalty,
            weights=found.attention,
        )
        for found, penalty in zip(walks, passed_over, strict=True)
    ]
