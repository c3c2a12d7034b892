"""One step of beam search, also in diverse groups (Vijayakumar et al. 2018)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.search.step import topk
from seq2seq.types import EOS


class BeamStep(NamedTuple):
    """The continuations of W beams per sentence: those that end, and W' that go on.

    A log-probability of -inf marks one that does not exist.

    Attributes:
        eos_scores: Log-probabilities of the best K candidates that are EOS, (N, at most
            K).
        eos_beams: The beam that each of those ends, from 0 to W - 1, (N, at most K).
        log_probs: Log-probabilities of the beams that go on, (N, W').
        tokens: Their new tokens, (N, W').
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
    """Return the best continuations of each sentence.

    Args:
        log_probs: Log-probabilities of the next token, (R, V) with R = N * W.
        beam_log_probs: Log-probabilities of the beams so far, (N, W); -inf for none.
        beam_size: K, at least W.
        penalties: Subtracted from a token's log-probability to choose, but not in the
            result, (N, V).

    Returns:
        The continuations, best first by log-probability less penalty.
    """
    sentences, width = beam_log_probs.shape
    values = log_probs
    if penalties is not None:
        values = log_probs - penalties.repeat_interleave(width, dim=0)  # (R, V)
    # A beam has one EOS, so its best K + 1 tokens hold the best K others. NaN counts
    # as greater than any number, so it comes through to the check of scores.
    best, tokens = topk(values, min(beam_size + 1, values.shape[1]))  # (R, K + 1)
    per_beam = best.shape[1]
    candidates = beam_log_probs.unsqueeze(2) + best.view(sentences, width, per_beam)
    candidates = candidates.flatten(1)  # (N, W * (K + 1))
    # W of these may be EOS; the best K others are still among them.
    candidates, indices = candidates.topk(
        min(beam_size + width, width * per_beam), dim=1
    )  # (N, at most 2 * K), best first
    beams = indices.div(per_beam, rounding_mode="floor")
    tokens = tokens.view(sentences, width * per_beam).gather(1, indices)
    if penalties is not None:
        first_rows = torch.arange(sentences, device=beams.device).unsqueeze(1) * width
        unpenalized = log_probs[first_rows + beams, tokens]  # (N, at most 2 * K)
        candidates = beam_log_probs.gather(1, beams) + unpenalized
    is_eos = tokens == EOS

    # Those that are not EOS, in their order, then perhaps some that are.
    going_on = is_eos.to(torch.uint8).argsort(dim=1, stable=True)[:, :beam_size]
    scores = candidates.masked_fill(is_eos, -math.inf).gather(1, going_on)  # (N, W')
    # Where nothing can go on, the best beam is repeated: a model never reads a token
    # that cannot come. With -inf, the copy wins nothing.
    going_on = torch.where(scores > -math.inf, going_on, going_on[:, :1])
    return BeamStep(
        eos_scores=candidates.masked_fill(~is_eos, -math.inf)[:, :beam_size],
        eos_beams=beams[:, :beam_size],
        log_probs=scores,
        tokens=tokens.gather(1, going_on),
        beams=beams.gather(1, going_on),
    )


def diverse_beam_step(
    log_probs: Tensor,
    beam_log_probs: Tensor,
    beam_size: int,
    *,
    num_groups: int,
    diversity_penalty: float,
) -> BeamStep:
    """Expand groups of beams one after another, each away from those before.

    A token is penalised for each beam of an earlier group that goes on with it in this
    step. EOS is not: the end of one translation is no evidence of another one's length.

    Args:
        log_probs: Log-probabilities of the next token, (R, V) with R = N * G * W.
        beam_log_probs: Log-probabilities of the beams so far, (N * G, W), the G groups
            of a sentence one after another.
        beam_size: Beams of each group.
        num_groups: G.
        diversity_penalty: Nats subtracted for each such beam.

    Returns:
        A step of (N * G, ...), as if each group were a sentence.

    Source: Vijayakumar et al. 2018, section 4, with Hamming diversity (section 5).
    """
    if num_groups == 1 or diversity_penalty == 0:
        return beam_step(log_probs, beam_log_probs, beam_size)
    width, vocab_size = beam_log_probs.shape[1], log_probs.shape[1]
    grouped = log_probs.view(-1, num_groups, width, vocab_size)  # (N, G, W, V)
    beams = beam_log_probs.view(-1, num_groups, width)  # (N, G, W)
    penalties = log_probs.new_zeros(len(grouped), vocab_size)  # (N, V)
    steps: list[BeamStep] = []
    for group in range(num_groups):
        step = beam_step(
            grouped[:, group].flatten(0, 1),
            beams[:, group],
            beam_size,
            penalties=penalties,
        )
        going_on = (step.log_probs > -math.inf).to(penalties.dtype)
        penalties = penalties.scatter_add(1, step.tokens, diversity_penalty * going_on)
        steps.append(step)
    return BeamStep(
        *(torch.stack(parts, dim=1).flatten(0, 1) for parts in zip(*steps, strict=True))
    )
