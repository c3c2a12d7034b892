"""Beam search: the K best hypotheses side by side, over any step function.

Knows ids and log-probabilities; not text, layers or files.
"""

from __future__ import annotations

import math
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.search.greedy import greedy_search
from seq2seq.search.step import (
    MemoryT,
    StateT,
    Step,
    as_hypothesis,
    checked_limits,
    normalised,
    not_finite,
    permitted,
)
from seq2seq.structures import BOS, EOS, Hypothesis


class _Expansion(NamedTuple):
    """What one step makes of W beams per sentence; W' of them go on.

    A log-probability of -inf marks a place where there is nothing.

    Attributes:
        ended: Log-probabilities of the best K candidates that are EOS, (N, at most K).
        ended_beams: The beam that each of those ends, from 0 to W - 1, like ended.
        log_probs: Log-probabilities of the beams that go on, best first, (N, W').
        pieces: Their new pieces, (N, W').
        rows: The rows of the step, from 0 to N * W - 1, that they continue, (N, W').
    """

    ended: Tensor
    ended_beams: Tensor
    log_probs: Tensor
    pieces: Tensor
    rows: Tensor


class _Ending(NamedTuple):
    """A hypothesis as the place in the lattice of its last piece."""

    log_prob: float
    length: int  # Pieces, EOS not counted.
    row: int
    finished: bool


def beam_search(
    step: Step[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    *,
    beam_size: int,
    max_lengths: Tensor,
    length_penalty: float = 1.0,
    hypotheses: int = 1,
) -> list[list[Hypothesis]]:
    """Keep the K likeliest beginnings of each sentence, and return the best endings.

    In each step the best K continuations of a sentence that are EOS finish, and the
    best K that are not go on. A sentence ends, and leaves the batch, when K hypotheses
    have finished, when no beam can still overtake those that will be returned, or
    at its limit. There it gets one more step, for EOS; the beams that do not finish in
    it are cut: their log_prob sums their pieces alone. Beams that nothing can
    follow (all -inf) are cut as well when no other is left. Cut hypotheses only fill
    the places for which there is no finished one. None has probability zero.

    Args:
        step: Says what may come next: (last_pieces (R,), state, memory) to
            (log_probs (R, V), state).
        state: The state before the first piece, a row for each sentence.
        memory: What the step may read, a row for each sentence.
        beam_size: K. With 1 this is greedy search.
        max_lengths: The most pieces of each sentence, EOS not counted, (N,), on the
            device on which the step works.
        length_penalty: score = log_prob / length ** length_penalty; length counts the
            pieces, and EOS where it was reached.
        hypotheses: The most to return of each sentence, from 1 to K.

    Returns:
        Of each sentence, in order, at least one hypothesis and at most those asked
        for: all different, finished ones first, then by falling score.

    Raises:
        ValueError: If an argument is out of range, or the step returns NaN or +inf.

    Source: Sutskever et al. 2014, section 3.2; normalisation Wu et al. 2016, section 7.
    """
    if beam_size < 1:
        raise ValueError(f"beam_size is {beam_size}, but must be at least 1.")
    if not 1 <= hypotheses <= beam_size:
        raise ValueError(
            f"hypotheses is {hypotheses}, but must be from 1 to the beam size, "
            f"{beam_size}. Ask for fewer or widen the beam."
        )
    if beam_size == 1:
        # Not only faster: topk and max may break ties differently.
        only = greedy_search(
            step,
            state,
            memory,
            max_lengths=max_lengths,
            length_penalty=length_penalty,
        )
        return [[hypothesis] for hypothesis in only]

    # On the host, a place for each sentence of the whole batch.
    limits = checked_limits(max_lengths, length_penalty)
    endings: list[list[_Ending]] = [[] for _ in limits]
    if not limits:
        return []

    # On the host, a place for each sentence under way. To be returned, a hypothesis
    # has to beat the bar: the score of the last that would be returned now.
    sentences = list(range(len(limits)))
    room = max_lengths.cpu()
    bars = torch.full((len(limits),), -math.inf, dtype=torch.float64)

    # On the device. The first step expands one beam: K equal ones would stay equal.
    log_probs = torch.zeros(len(limits), 1, device=max_lengths.device)
    last = torch.full_like(max_lengths, BOS, dtype=torch.long)
    # For each step the pieces read, and the rows of the step before that they follow.
    lattice = [torch.stack([last, torch.zeros_like(last)])]

    for length in count():  # Pieces that every beam has.
        width = log_probs.shape[1]
        step_log_probs, state = step(last, state, memory)
        found = _expand(step_log_probs, log_probs, beam_size)

        # The one wait for the device. A float holds a beam's number exactly.
        columns = [found.ended, found.ended_beams, found.log_probs[:, :1]]
        report = torch.cat([c.to(found.ended.dtype) for c in columns], dim=1)
        report = report.to("cpu").double()
        if not bool((report < math.inf).all()):  # NaN is not below anything.
            raise not_finite()
        ended, ended_beams = report[:, :-1].chunk(2, dim=1)
        best_alive = report[:, -1]

        done = (best_alive == -math.inf) | (room <= length)
        for place, rank in (ended > -math.inf).nonzero().tolist():
            row = place * width + int(ended_beams[place, rank])
            rivals = endings[sentences[place]]
            rivals.append(_Ending(float(ended[place, rank]), length, row, True))
            if len(rivals) >= hypotheses:
                bars[place] = _scores(rivals, length_penalty)[hypotheses - 1]
            if len(rivals) >= beam_size:
                done[place] = True
        # No beam can overtake: a beam with log-probability p <= 0 can only fall to some
        # q <= p, over a length n of at most room + 1 with EOS. As the penalty a is not
        # negative, q / n ** a <= p / n ** a <= p / (room + 1) ** a.
        done |= bars >= best_alive / (room + 1).double() ** length_penalty

        for place in done.nonzero().flatten().tolist():
            rivals = endings[sentences[place]]
            if len(rivals) < hypotheses:
                over = {e.row for e in rivals if e.length == length}
                for beam, log_prob in enumerate(log_probs[place].tolist()):
                    row = place * width + beam
                    if log_prob > -math.inf and row not in over:
                        rivals.append(_Ending(log_prob, length, row, False))

        shape = log_probs.shape
        _, _, log_probs, pieces, rows = found
        if bool(done.any()):
            staying = (~done).nonzero().flatten()
            if len(staying) == 0:
                break
            sentences = [sentences[place] for place in staying.tolist()]
            room, bars = room[staying], bars[staying]
            staying = staying.to(rows.device)
            log_probs, pieces, rows = log_probs[staying], pieces[staying], rows[staying]
        last, rows = pieces.flatten(), rows.flatten()
        lattice.append(torch.stack([last, rows]))
        state = state.select(rows)
        # All beams of a sentence read the same memory: their order does not matter.
        if log_probs.shape != shape:
            memory = memory.select(rows)

    sizes = [part.shape[1] for part in lattice]
    together = torch.cat(lattice, dim=1).cpu()  # One wait, not one for each step.
    links = [part.tolist() for part in torch.split_with_sizes(together, sizes, dim=1)]
    return [_ranked(rivals, links, length_penalty, hypotheses) for rivals in endings]


def _expand(
    step_log_probs: Tensor, beam_log_probs: Tensor, beam_size: int
) -> _Expansion:
    """Find the best continuations of each sentence.

    Args:
        step_log_probs: Log-probabilities of the next piece, (R, V) with R = N * W.
        beam_log_probs: Those of the beams so far, (N, W); -inf for none.
        beam_size: K, at least W.
    """
    sentences, width = beam_log_probs.shape
    # A beam has one EOS, so its best K + 1 pieces hold the best K others. NaN counts
    # as greater than any number, so it comes through to the report.
    top, pieces = permitted(step_log_probs).topk(
        min(beam_size + 1, step_log_probs.shape[1]), dim=1
    )
    each = top.shape[1]
    candidates = beam_log_probs.unsqueeze(2) + top.view(sentences, width, each)
    candidates = candidates.flatten(1)  # (N, W * each)
    # W of these may be EOS; the best K others are still among them.
    candidates, places = candidates.topk(
        min(beam_size + width, width * each), dim=1
    )  # (N, at most 2 * K), best first
    beams = places.div(each, rounding_mode="floor")
    pieces = pieces.view(sentences, width * each).gather(1, places)
    is_end = pieces == EOS

    # Those that are not EOS, in their order, then perhaps some that are.
    alive = is_end.to(torch.uint8).argsort(dim=1, stable=True)[:, :beam_size]
    log_probs = candidates.masked_fill(is_end, -math.inf).gather(1, alive)
    # Where nothing can go on, the best beam is repeated: a model is never made to read
    # a piece that cannot come. With -inf, the copy wins nothing.
    alive = torch.where(log_probs > -math.inf, alive, alive[:, :1])
    first_rows = torch.arange(sentences, device=beams.device).unsqueeze(1) * width
    return _Expansion(
        ended=candidates.masked_fill(~is_end, -math.inf)[:, :beam_size],
        ended_beams=beams[:, :beam_size],
        log_probs=log_probs,
        pieces=pieces.gather(1, alive),
        rows=first_rows + beams.gather(1, alive),
    )


def _scores(endings: list[_Ending], length_penalty: float) -> list[float]:
    """Scores of finished hypotheses, best first."""
    scores = (normalised(e.log_prob, e.length + 1, length_penalty) for e in endings)
    return sorted(scores, reverse=True)


def _ranked(
    endings: list[_Ending],
    links: list[list[list[int]]],
    length_penalty: float,
    hypotheses: int,
) -> list[Hypothesis]:
    """Read the endings of one sentence back to their beginnings, and keep the best."""
    found = [
        as_hypothesis(
            _read_back(links, ending),
            ending.log_prob,
            finished=ending.finished,
            length_penalty=length_penalty,
        )
        for ending in endings
    ]
    found.sort(key=lambda hypothesis: (not hypothesis.finished, -hypothesis.score))
    return found[:hypotheses]


def _read_back(links: list[list[list[int]]], ending: _Ending) -> list[int]:
    """Follow the rows from the last piece to the first."""
    row = ending.row
    backwards: list[int] = []
    for pieces, rows in reversed(links[1 : ending.length + 1]):
        backwards.append(pieces[row])
        row = rows[row]
    return backwards[::-1]
