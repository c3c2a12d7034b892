"""The decoding loop with one hypothesis per row: greedy, sampled or forced."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.logits_processors import needs_tokens, process_logits
from seq2seq.search.penalties import HypothesisScorer, missing_attention_error
from seq2seq.search.step import MemoryT, StateT, StepFunction, non_finite_scores_error
from seq2seq.search.watcher import RowReporter
from seq2seq.types import BOS, EOS, Hypothesis, StepOutput

SelectToken = Callable[[Tensor, Tensor, int], Tensor]
"""`select_token(log_probs (R, V), rows (R,), length) -> tokens (R,)`.

The rows are the indices that the rows under way had at the start.
"""


class DecodedSequence(NamedTuple):
    """The sequence decoded in one row.

    Attributes:
        tokens: The tokens, without EOS.
        log_probs: Of each token, and EOS where it was reached, in nats.
        finished: Whether it was reached.
        attention: Attention weights of each of them, (length, S), on the CPU; None
            without attention.
    """

    tokens: list[int]
    log_probs: list[float]
    finished: bool
    attention: Tensor | None


def decode_loop(
    step: StepFunction[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    constraints: DecodingConstraints,
    options: SearchOptions,
    *,
    select_token: SelectToken,
    scored: bool = True,
    reporter: RowReporter | None = None,
) -> list[DecodedSequence]:
    """Decode each row until its token is EOS.

    A row of max_lengths tokens gets one more step, for its EOS. Where another token is
    selected, it is cut. One whose selected token is impossible (-inf) is cut there as
    well. A row that ends leaves the batch.

    Args:
        step: Returns the log-probabilities of the next token.
        state: The state before the first token, R rows.
        memory: What the step reads, R rows.
        constraints: Of R rows.
        options: Which tokens may come.
        select_token: Selects a token of each row.
        scored: Whether to normalise unnormalized log-probabilities; if not, those of
            tokens are NaN.
        reporter: Reports every step to a watcher, if there is one.

    Raises:
        ValueError: If the step returns NaN or +inf.
    """
    limits = constraints.max_lengths.cpu().numpy()  # (R,)
    active = np.arange(len(limits))  # The row at the start of each row under way.
    selections: list[_Selection] = []
    attention: list[Tensor] = []  # Each (R, S).

    rows = torch.arange(len(limits), device=constraints.max_lengths.device)
    last = torch.full_like(rows, BOS)  # (R,)
    tokens = last[:, None][:, :0]  # (R, length); stays (R, 0) unless needed.
    keep_tokens = needs_tokens(constraints, options)
    length = 0
    while len(active):
        output = step(last, state, memory)
        state = output.state
        if output.attention is not None:
            attention.append(output.attention)
        normalizer = _log_normalizer(output, scored=scored)  # Before any masking.
        log_probs = process_logits(
            output.log_probs, tokens, length, constraints, options
        )  # (R, V)
        last = select_token(log_probs, rows, length)
        chosen = log_probs.gather(1, last[:, None])[:, 0]  # (R,)
        # The only device synchronisation of a step. A double holds any id exactly.
        report = torch.stack([chosen.double(), normalizer.double(), last.double()])
        scores, normalizers, ids = report.cpu().numpy()
        if not (scores < math.inf).all():  # NaN is not below anything.
            raise non_finite_scores_error()
        ended = ids == EOS
        valid = (scores > -math.inf) & (ended | (length < limits[active]))
        normalized = np.where(valid, scores, 0) - normalizers
        selections.append(_Selection(active, ids, normalized, valid))

        going_on = (valid & ~ended).nonzero()[0]
        if reporter is not None:
            normal = log_probs.double() - normalizer.double()[:, None]
            reporter.report(active, ids, valid, going_on, normal, length=length)
        length += 1
        if keep_tokens:
            tokens = torch.cat([tokens, last[:, None]], dim=1)
        if 0 < len(going_on) < len(active):
            kept = torch.from_numpy(going_on).to(last.device)
            last, rows, tokens = last[kept], rows[kept], tokens[kept]
            state, memory = state.select(kept), memory.select(kept)
            constraints = constraints.select(kept)
        active = active[going_on]
    return _collect(selections, attention, len(limits))


def _log_normalizer(output: StepOutput[StateT], *, scored: bool) -> Tensor:
    """Return what to subtract from the log-probabilities of each row, (R,).

    0 if they are normalised, NaN if no score is needed.
    """
    scores = output.log_probs  # (R, V)
    if not output.unnormalized:
        return scores.new_zeros(len(scores))
    if not scored:
        return scores.new_full((len(scores),), math.nan)
    precision = torch.promote_types(scores.dtype, torch.float32)
    return scores.to(precision).logsumexp(dim=1)


class _Selection(NamedTuple):
    # What a step selected in each row: the row at the start, the token, its
    # log-probability, and whether it belongs to the sequence.
    rows: NDArray[np.int64]
    tokens: NDArray[np.float64]
    log_probs: NDArray[np.float64]
    valid: NDArray[np.bool_]


def _collect(
    selections: list[_Selection], attention: list[Tensor], num_rows: int
) -> list[DecodedSequence]:
    """Turn the rows of each step into the steps of each row."""
    if not selections:
        return []
    rows, tokens, log_probs, valid = map(np.concatenate, zip(*selections, strict=True))
    indices = valid.nonzero()[0]
    indices = indices[rows[indices].argsort(kind="stable")]
    ends = np.bincount(rows[indices], minlength=num_rows).cumsum()[:-1]
    weights = torch.cat(attention).cpu() if attention else None  # One transfer for all.
    sequences = []
    for steps in np.split(indices, ends):
        ids = tokens[steps].astype(int).tolist()
        finished = bool(ids) and ids[-1] == EOS
        sequences.append(
            DecodedSequence(
                ids[:-1] if finished else ids,
                log_probs[steps].tolist(),
                finished,
                None if weights is None else weights[torch.from_numpy(steps)],
            )
        )
    return sequences


def to_hypotheses(
    sequences: list[DecodedSequence],
    scorer: HypothesisScorer,
    source_lengths: Tensor | None,
) -> list[Hypothesis]:
    """Score each sequence; one that is cut sums its tokens alone.

    Args:
        sequences: R sequences.
        scorer: How they are scored.
        source_lengths: Source tokens of each, (R,); needed for the coverage penalty.

    Raises:
        ValueError: If there is a coverage penalty, but no attention or source lengths.
    """
    penalties = [0.0] * len(sequences)
    if scorer.options.coverage_penalty and sequences:
        if source_lengths is None:
            raise missing_attention_error()
        lengths = source_lengths.cpu()
        for number, sequence in enumerate(sequences):
            if sequence.attention is None:
                raise missing_attention_error()
            coverage = sequence.attention.sum(dim=0, keepdim=True)  # (1, S)
            penalty = scorer.coverage_penalty(coverage, lengths[number : number + 1])
            penalties[number] = float(penalty)
    return [
        scorer.hypothesis(
            sequence.tokens,
            math.fsum(sequence.log_probs),
            finished=sequence.finished,
            coverage_penalty=penalty,
            attention=sequence.attention,
            token_log_probs=sequence.log_probs,
        )
        for sequence, penalty in zip(sequences, penalties, strict=True)
    ]
