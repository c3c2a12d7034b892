"""One step of a beam: which continuations end, and which go on.

Knows log-probabilities, pieces and beams; not the step function or what was said.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.search.step import topk
from seq2seq.types import EOS


class BeamStep(NamedTuple):
    """What one step makes of W beams per sentence; W' of them go on.

    A log-probability of -inf marks a place where there is nothing.

    Attributes:
        eos_scores: Log-probabilities of the best K candidates that are EOS, (N, at most
            K).
        eos_beams: The beam that each of those ends, from 0 to W - 1, like ended.
        log_probs: Log-probabilities of the beams that go on, (N, W').
        tokens: Their new pieces, (N, W').
        beams: The beams that they continue, from 0 to W - 1, (N, W').
    """

    eos_scores: Tensor
    eos_beams: Tensor
    log_probs: Tensor
    tokens: Tensor
    beams: Tensor


def beam_step(
    log_probs: Tensor,
    beam_log_probs: Tensor,
    beam_size: int,
    *,
    penalties: Tensor | None = None,
) -> BeamStep:
    """Find the best continuations of each sentence.

    Args:
        log_probs: Log-probabilities of the next piece, (R, V) with R = N * W.
        beam_log_probs: Those of the beams so far, (N, W); -inf for none.
        beam_size: K, at least W.
        penalties: What a piece loses in the choice, but not in its log-probability,
            (N, V).

    Returns:
        The continuations, best first by log-probability less penalty.
    """
    sentences, width = beam_log_probs.shape
    values = log_probs
    if penalties is not None:
        values = log_probs - penalties.repeat_interleave(width, dim=0)
    # A beam has one EOS, so its best K + 1 pieces hold the best K others. NaN counts
    # as greater than any number, so it comes through to the report.
    top, pieces = topk(values, min(beam_size + 1, values.shape[1]))
    each = top.shape[1]
    candidates = beam_log_probs.unsqueeze(2) + top.view(sentences, width, each)
    candidates = candidates.flatten(1)  # (N, W * each)
    # W of these may be EOS; the best K others are still among them.
    candidates, places = candidates.topk(
        min(beam_size + width, width * each), dim=1
    )  # (N, at most 2 * K), best first
    beams = places.div(each, rounding_mode="floor")
    pieces = pieces.view(sentences, width * each).gather(1, places)
    if penalties is not None:
        first_rows = torch.arange(sentences, device=beams.device).unsqueeze(1) * width
        own = log_probs[first_rows + beams, pieces]
        candidates = beam_log_probs.gather(1, beams) + own
    is_end = pieces == EOS

    # Those that are not EOS, in their order, then perhaps some that are.
    alive = is_end.to(torch.uint8).argsort(dim=1, stable=True)[:, :beam_size]
    going = candidates.masked_fill(is_end, -math.inf).gather(1, alive)
    # Where nothing can go on, the best beam is repeated: a model is never made to read
    # a piece that cannot come. With -inf, the copy wins nothing.
    alive = torch.where(going > -math.inf, alive, alive[:, :1])
    return BeamStep(
        eos_scores=candidates.masked_fill(~is_end, -math.inf)[:, :beam_size],
        eos_beams=beams[:, :beam_size],
        log_probs=going,
        tokens=pieces.gather(1, alive),
        beams=beams.gather(1, alive),
    )


def diverse_beam_step(
    log_probs: Tensor,
    beam_log_probs: Tensor,
    beam_size: int,
    *,
    groups: int,
    diversity: float,
) -> BeamStep:
    """Expand groups of beams one after another, each away from those before.

    A piece loses for each beam of an earlier group that goes on with it now. EOS loses
    nothing: that one translation is over says nothing of another one's length.

    Args:
        log_probs: Log-probabilities of the next piece, (R, V) with R = N * G * W.
        beam_log_probs: Those of the beams so far, (N * G, W), G groups of a sentence
            one after another.
        beam_size: Beams of each group.
        groups: G.
        diversity: Nats lost for each time.

    Returns:
        An expansion of (N * G, ...), as if each group were a sentence.

    Source: Vijayakumar et al. 2018, section 4, with Hamming diversity (section 5).
    """
    if groups == 1 or diversity == 0:
        return beam_step(log_probs, beam_log_probs, beam_size)
    width, vocabulary = beam_log_probs.shape[1], log_probs.shape[1]
    rows = log_probs.view(-1, groups, width, vocabulary)
    beams = beam_log_probs.view(-1, groups, width)
    penalties = log_probs.new_zeros(len(rows), vocabulary)
    found: list[BeamStep] = []
    for group in range(groups):
        one = beam_step(
            rows[:, group].flatten(0, 1),
            beams[:, group],
            beam_size,
            penalties=penalties,
        )
        going = (one.log_probs > -math.inf).to(penalties.dtype)
        penalties = penalties.scatter_add(1, one.tokens, diversity * going)
        found.append(one)
    return BeamStep(
        *(torch.stack(parts, dim=1).flatten(0, 1) for parts in zip(*found, strict=True))
    )
