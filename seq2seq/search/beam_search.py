"""Beam search over any step function (Sutskever et al. 2014, section 3.2).

With diverse groups (Vijayakumar et al. 2018), lexical constraints (Post and Vilar 2018)
and a stopping criterion that misses no better hypothesis (Huang et al. 2017).
"""

from __future__ import annotations

import math
from itertools import compress, count

import torch
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_hypotheses import BackpointerTable, BeamHypotheses
from seq2seq.search.beam_state import BeamState, Continuations
from seq2seq.search.beam_step import BeamStep, beam_step, diverse_beam_step
from seq2seq.search.constraints import DecodingConstraints, per_row
from seq2seq.search.greedy_search import greedy_search
from seq2seq.search.lexical_constraints import allocate_beam_banks
from seq2seq.search.logits_processors import process_logits
from seq2seq.search.penalties import HypothesisScorer, missing_attention_error
from seq2seq.search.step import MemoryT, StateT, StepFunction, non_finite_scores_error
from seq2seq.search.watcher import BeamReporter, SearchWatcher
from seq2seq.types import BOS, EOS, PAD, Hypothesis


def beam_search(
    step: StepFunction[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    constraints: DecodingConstraints,
    options: SearchOptions,
    *,
    num_hypotheses: int = 1,
    scored: bool = True,
    token_log_probs: bool = False,
    watcher: SearchWatcher | None = None,
) -> list[list[Hypothesis]]:
    """Keep the K most probable prefixes of each sentence, and return the best endings.

    In each step the best K continuations of a sentence that are EOS finish, and the
    best K that are not go on. A sentence ends, and leaves the batch, when no beam can
    still overtake those that will be returned, at its maximum length, or when K
    hypotheses have finished (unless options.early_stopping is "never"). At its maximum
    length it gets one more step, in which only EOS may come, so all its beams finish
    (as in fairseq); those of which EOS is impossible are cut: their log_prob sums their
    tokens alone. Beams that nothing can follow (all -inf) are cut as well when no other
    is left. Cut hypotheses are returned only in place of missing finished ones. None
    has probability zero.

    With groups, each has K / groups beams and ends as a sentence does. With required
    phrases, nothing finishes that does not contain them.

    Args:
        step: Returns the log-probabilities of the next token.
        state: The state before the first token, N rows.
        memory: What the step reads of each sentence, N rows.
        constraints: Of N sentences.
        options: K (beam_size; with 1 this is greedy search), which tokens may come, how
            hypotheses are scored.
        num_hypotheses: Maximum number to return of each sentence, from 1 to K.
        scored: As in `greedy_search`, where this is greedy search.
        token_log_probs: Whether to keep the log-probability of each token.
        watcher: Receives every step, if any; it changes no result.

    Returns:
        Of each sentence, in order, 1 to num_hypotheses distinct hypotheses, finished
        ones first, then by falling score.

    Raises:
        ValueError: If an argument is out of range or the step returns NaN or +inf.

    Source: Sutskever et al. 2014, section 3.2.
    """
    if not 1 <= num_hypotheses <= options.beam_size:
        raise ValueError(
            f"num_hypotheses is {num_hypotheses}, but must be from 1 to the beam size, "
            f"{options.beam_size}. Ask for fewer or widen the beam."
        )
    if is_greedy(constraints, options):
        # Not only faster: topk and argmax may break ties differently.
        arguments = (step, state, memory, constraints, options)
        best = greedy_search(*arguments, scored=scored, watcher=watcher)
        return [[hypothesis] for hypothesis in best]
    if constraints.required_phrases is not None and options.num_beam_groups > 1:
        raise ValueError(
            "required phrases and num_beam_groups both divide the beam; use one."
        )

    limits = constraints.validate()
    if not limits:
        return []
    if options.coverage_penalty and constraints.source_lengths is None:
        raise missing_attention_error()
    num_groups, scorer = options.num_beam_groups, HypothesisScorer(options)
    beam_size = options.beam_size // num_groups
    # On the host: all groups of all sentences, and those under way.
    groups = [
        BeamHypotheses(limit, beam_size, min(num_hypotheses, beam_size), scorer)
        for limit in limits
        for _ in range(num_groups)
    ]
    active = groups

    # On the device.
    device = constraints.max_lengths.device
    last = torch.full((len(groups),), BOS, device=device)  # (R,)
    if num_groups > 1:
        sentences = torch.arange(len(limits), device=device)
        state = state.select(sentences.repeat_interleave(num_groups))
    beams = BeamState.initial(constraints, options, len(groups))
    table = BackpointerTable([torch.stack([last, torch.zeros_like(last)])])

    for length in count():  # Tokens of every beam.
        output = step(last, state, memory)
        if output.attention is not None:
            table.attention.append(output.attention)
        if token_log_probs:
            table.log_probs.append(beams.log_probs.flatten())
        attended = beams.add_attention(output.attention)
        log_probs = output.log_probs  # (R, V)
        if any(group.max_length <= length for group in active):
            log_probs = _only_eos_at_limit(log_probs, length, constraints)
        candidates, constraints_met, log_probs = _step(
            log_probs, beams, length, beam_size, constraints, options
        )
        _collect_finished(
            active, candidates, beams, attended, length, constraints, scorer
        )
        if watcher is not None:
            reporter = BeamReporter(watcher, groups, num_groups, scorer)
            lengths = constraints.source_lengths
            reporter.report(active, candidates, attended, log_probs, length, lengths)
        offsets = torch.arange(len(active), device=device) * beams.log_probs.shape[1]
        continuations = Continuations(
            candidates.log_probs,
            candidates.tokens,
            offsets[:, None] + candidates.beams,
            constraints_met,
        )
        active, continuations, kept = _prune_finished(active, continuations, num_groups)
        if not active:
            break
        if kept is not None:
            memory, constraints = memory.select(kept), constraints.select(kept)
        rows = continuations.rows.flatten()  # (R,)
        last = continuations.tokens.flatten()  # (R,)
        table.backpointers.append(torch.stack([last, rows]))
        state, beams = output.state.select(rows), attended.reorder(continuations)

    best_of_groups = [group.best() for group in groups]
    return table.hypotheses(
        [best_of_groups[i : i + num_groups] for i in range(0, len(groups), num_groups)],
        scorer,
        num_hypotheses,
    )


def is_greedy(constraints: DecodingConstraints, options: SearchOptions) -> bool:
    """Return whether a beam search is greedy: then steps may be unnormalized."""
    single = options.beam_size == 1 and options.early_stopping is True
    return single and constraints.required_phrases is None


def _only_eos_at_limit(
    log_probs: Tensor, length: int, constraints: DecodingConstraints
) -> Tensor:
    """Mask all but EOS in the rows of maximum length: another would take its place."""
    at_limit = per_row(constraints.max_lengths <= length, len(log_probs))[:, None]
    eos = log_probs[:, EOS].clone()
    masked = log_probs.masked_fill(at_limit, -math.inf)  # (R, V)
    masked[:, EOS] = eos
    return masked


def _step(
    log_probs: Tensor,
    beams: BeamState,
    length: int,
    beam_size: int,
    constraints: DecodingConstraints,
    options: SearchOptions,
) -> tuple[BeamStep, Tensor | None, Tensor]:
    """Choose the continuations.

    Returns:
        The step, which phrases its continuations contain, (N, W', P), and the
        log-probabilities after masking, (R, V).
    """
    phrases, constraints_met = constraints.required_phrases, beams.constraints_met
    if phrases is None or constraints_met is None:
        masked = process_logits(log_probs, beams.tokens, length, constraints, options)
        candidates = diverse_beam_step(
            masked,
            beams.log_probs,
            beam_size,
            num_groups=options.num_beam_groups,
            diversity_penalty=options.diversity_penalty,
        )
        return candidates, None, masked
    masked = process_logits(
        log_probs.clone(), beams.tokens, length, constraints, options
    )  # (R, V)
    masked[:, EOS].masked_fill_(~constraints_met.all(dim=1), -math.inf)
    # Required phrases override what is masked, but not the prefix.
    next_tokens = phrases.next_tokens(beams.tokens, constraints_met)  # (R, P)
    next_log_probs = log_probs.gather(1, next_tokens)
    next_log_probs = next_log_probs.masked_fill(next_tokens == PAD, -math.inf)
    forced = constraints.forced_tokens(length, len(masked))
    if forced is not None:
        next_log_probs = next_log_probs.masked_fill((forced != PAD)[:, None], -math.inf)
    candidates, constraints_met = allocate_beam_banks(
        beam_step(masked, beams.log_probs, beam_size),
        masked,
        beams.log_probs,
        phrases,
        tokens=beams.tokens,
        constraints_met=constraints_met,
        next_tokens=next_tokens,
        next_log_probs=next_log_probs,
    )
    return candidates, constraints_met, masked


def _collect_finished(
    active: list[BeamHypotheses],
    candidates: BeamStep,
    beams: BeamState,
    attended: BeamState,
    length: int,
    constraints: DecodingConstraints,
    scorer: HypothesisScorer,
) -> None:
    """Add the hypotheses that finish in a step, and stop the groups that are done.

    Args:
        active: The groups under way, N.
        candidates: The continuations of their beams.
        beams: The beams before the step.
        attended: The same, with the step's attention.
        length: Tokens of the beams before the step.
        constraints: Of the sentences under way.
        scorer: How hypotheses are scored.
    """
    width, columns = (
        beams.log_probs.shape[1],
        [
            candidates.log_probs.amax(dim=1, keepdim=True),
            candidates.eos_scores,
            candidates.eos_beams,
        ],
    )
    if attended.coverage is not None:
        penalty = scorer.coverage_penalty(attended.coverage, constraints.source_lengths)
        columns.append(penalty.view(-1, width).gather(1, candidates.eos_beams))
    # The only device synchronisation of a step. A float holds a beam's index exactly.
    report = torch.cat([c.to(candidates.eos_scores.dtype) for c in columns], dim=1)
    report = report.to("cpu").double()  # (N, 1 + 2 * K), or 1 + 3 * K with coverage
    finite = (report < math.inf).all(dim=1).tolist()  # NaN is not below anything.

    num_eos = candidates.eos_scores.shape[1]
    # Nothing ends, and something goes on.
    no_eos = (report[:, 1 : 1 + num_eos] == -math.inf).all(dim=1)
    idle = (no_eos & (report[:, 0] > -math.inf)).tolist()
    for index, (best_log_prob, *values) in enumerate(report.tolist()):
        group = active[index]
        if group.done:
            continue
        if not finite[index]:
            raise non_finite_scores_error()
        if idle[index] and not group.finished and length < group.max_length:
            continue
        chunks = [values[i : i + num_eos] for i in range(0, len(values), num_eos)]
        for log_prob, beam, *penalties in zip(*chunks, strict=True):
            if log_prob > -math.inf:
                group.add(
                    log_prob,
                    length=length,
                    beam_index=index * width + int(beam),
                    coverage_penalty=sum(penalties),
                )
        if group.is_done(best_log_prob, length):
            group.done = True
            _add_cut(group, index, length, beams, constraints, scorer)


def _add_cut(
    group: BeamHypotheses,
    index: int,
    length: int,
    beams: BeamState,
    constraints: DecodingConstraints,
    scorer: HypothesisScorer,
) -> None:
    """Add the beams of a group that is done where finished hypotheses are missing.

    Args:
        group: The group.
        index: Its index among those under way.
        length: Tokens of its beams.
        beams: All beams, before the step that ended the group.
        constraints: Of the sentences under way.
        scorer: How hypotheses are scored.
    """
    if len(group.finished) >= group.num_return:
        return
    ended = {beam.beam_index for beam in group.finished if beam.length == length}
    width = beams.log_probs.shape[1]
    rows = slice(index * width, (index + 1) * width)
    penalties = [0.0] * width
    if beams.coverage is not None and length:
        penalty = scorer.coverage_penalty(beams.coverage, constraints.source_lengths)
        penalties = penalty[rows].tolist()
    constraints_met = [True] * width
    if beams.constraints_met is not None:
        constraints_met = beams.constraints_met[rows].all(dim=1).tolist()
    for beam, log_prob in enumerate(beams.log_probs[index].tolist()):
        beam_index = rows.start + beam
        if log_prob > -math.inf and beam_index not in ended:
            group.add(
                log_prob,
                length=length,
                beam_index=beam_index,
                finished=False,
                constraints_met=constraints_met[beam],
                coverage_penalty=penalties[beam],
            )


def _prune_finished(
    active: list[BeamHypotheses], continuations: Continuations, num_groups: int
) -> tuple[list[BeamHypotheses], Continuations, Tensor | None]:
    """Remove the sentences of which all groups are done.

    Returns:
        The groups under way, their continuations, and the indices of their sentences
        among those before, (N,); None if all go on.
    """
    if not any(group.done for group in active):
        return active, continuations, None
    done = torch.tensor([group.done for group in active])
    going_on = ~done.view(-1, num_groups).all(dim=1)
    if not bool(going_on.any()):
        return [], continuations, None
    log_probs, tokens, rows, constraints_met = continuations
    # A group that is done goes on with its sentence, but wins nothing.
    log_probs = log_probs.masked_fill(done.to(rows.device)[:, None], -math.inf)
    if bool(going_on.all()):
        return active, continuations._replace(log_probs=log_probs), None
    kept_groups = going_on.repeat_interleave(num_groups)
    active = list(compress(active, kept_groups.tolist()))
    groups = kept_groups.nonzero()[:, 0].to(rows.device)
    continuations = Continuations(
        log_probs[groups],
        tokens[groups],
        rows[groups],
        None if constraints_met is None else constraints_met[groups],
    )
    return active, continuations, going_on.nonzero()[:, 0].to(rows.device)
