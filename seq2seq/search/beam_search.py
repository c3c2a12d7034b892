"""Beam search: the K best hypotheses side by side, over any step function.

Knows ids and log-probabilities; not text, layers or files.
"""

from __future__ import annotations

import math
from itertools import compress, count

import torch
from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.backpointers import BackpointerTable
from seq2seq.search.beam_hypotheses import BeamHypotheses
from seq2seq.search.beam_state import BeamState, SearchContext
from seq2seq.search.beam_step import BeamStep, beam_step, diverse_beam_step
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.greedy_search import greedy_search
from seq2seq.search.lexical_constraints import allocate_beam_banks
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.search.step import MemoryT, StateT, StepFunction, non_finite_scores_error
from seq2seq.types import BOS, EOS, PAD, Hypothesis


def beam_search(
    step: StepFunction[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    demands: DecodingConstraints,
    options: SearchOptions,
    *,
    hypotheses: int = 1,
    scored: bool = True,
) -> list[list[Hypothesis]]:
    """Keep the K likeliest beginnings of each sentence, and return the best endings.

    In each step the best K continuations of a sentence that are EOS finish, and the
    best K that are not go on. A sentence ends, and leaves the batch, when no beam can
    still overtake those that will be returned, at its limit, or when K hypotheses have
    finished (unless options.stop is bound). At the limit it gets one more step, for
    EOS; the beams that do not finish in it are cut: their log_prob sums their pieces
    alone. Beams that nothing can follow (all -inf) are cut as well when no other is
    left. Cut hypotheses only fill the places for which there is no finished one. None
    has probability zero.

    With groups, each has K / groups beams and ends as a sentence does. With required
    phrases, nothing finishes that does not hold them.

    Args:
        step: Says what may come next.
        state: The state before the first piece, a row for each sentence.
        memory: What the step may read, a row for each sentence.
        demands: What each sentence asks for.
        options: K (beam_size; with 1 this is greedy search), what may come, how
            hypotheses rank.
        hypotheses: The most to return of each sentence, from 1 to K.
        scored: As in `greedy_search`, where this is greedy search.

    Returns:
        Of each sentence, in order, at least one hypothesis and at most those asked
        for: all different, finished ones first, then by falling score.

    Raises:
        ValueError: If an argument is out of range, a demand cannot be met, or the step
            returns NaN or +inf.

    Source: Sutskever et al. 2014, section 3.2.
    """
    if not 1 <= hypotheses <= options.beam_size:
        raise ValueError(
            f"hypotheses is {hypotheses}, but must be from 1 to the beam size, "
            f"{options.beam_size}. Ask for fewer or widen the beam."
        )
    if is_greedy(demands, options):
        # Not only faster: topk and argmax may break ties differently.
        only = greedy_search(step, state, memory, demands, options, scored=scored)
        return [[hypothesis] for hypothesis in only]
    needed = any(demands.required_phrases)
    if needed and options.num_beam_groups > 1:
        raise ValueError(
            "required phrases and num_beam_groups both give out the beam's places; use "
            "one."
        )

    limits = demands.validate()
    if not limits:
        return []
    groups, ranking = options.num_beam_groups, HypothesisScorer(options)
    size = options.beam_size // groups
    # On the host: all groups of all sentences, and those of sentences under way.
    contests = [
        BeamHypotheses(limit, size, min(hypotheses, size), ranking)
        for limit in limits
        for _ in range(groups)
    ]
    under_way = contests

    # On the device. The first step expands one beam: K equal ones would stay equal.
    device = demands.max_lengths.device
    log_probs = torch.zeros(len(contests), 1, device=device)
    last = torch.full((len(contests),), BOS, device=device)
    copies = torch.arange(len(limits), device=device).repeat_interleave(groups)
    if groups > 1:
        state = state.select(copies)
    asked = SearchContext.of(demands, options)
    track = BeamState.initial(asked, len(contests), device)
    lattice = BackpointerTable(
        backpointers=[torch.stack([last, torch.zeros_like(last)])]
    )

    for length in count():  # Pieces that every beam has.
        width = log_probs.shape[1]
        said = step(last, state, memory)
        if said.attention is not None:
            lattice.attention.append(said.attention)
        read = track.add_attention(said.attention)
        found, held = _expand(said.log_probs, log_probs, size, length, asked, track)

        # The one wait for the device. A float holds a beam's number exactly.
        columns = [found.log_probs.amax(dim=1, keepdim=True), found.eos_scores]
        columns.append(found.eos_beams)
        if read.coverage is not None:
            passed_over = asked.coverage_penalty(read.coverage).view(-1, width)
            columns.append(passed_over.gather(1, found.eos_beams))
        report = torch.cat([c.to(found.eos_scores.dtype) for c in columns], dim=1)
        report = report.to("cpu").double()
        finite = (report < math.inf).all(dim=1)  # NaN is not below anything.

        for place, (alive, *ended) in enumerate(report.tolist()):
            contest = under_way[place]
            if contest.done:
                continue
            if not finite[place]:
                raise non_finite_scores_error()
            for ending in zip(*_chunks(ended, found.eos_scores.shape[1]), strict=True):
                if ending[0] > -math.inf:
                    contest.add(
                        ending[0],
                        length=length,
                        row=place * width + int(ending[1]),
                        passed_over=sum(ending[2:]),
                    )
            if contest.is_done(alive, length):
                contest.done = True
                _cut(contest, place, length, log_probs, asked, track)

        rows = torch.arange(len(under_way), device=device)[:, None] * width
        rows = rows + found.beams
        log_probs, pieces, state = found.log_probs, found.tokens, said.state
        done = torch.tensor([contest.done for contest in under_way])
        if bool(done.any()):
            # A group that is done goes on with its sentence, but wins nothing.
            log_probs = log_probs.masked_fill(done.to(device)[:, None], -math.inf)
            staying = ~done.view(-1, groups).all(dim=1)
            if not bool(staying.any()):
                break
            if not bool(staying.all()):
                kept = staying.repeat_interleave(groups)
                under_way = list(compress(under_way, kept.tolist()))
                staying, kept = (m.nonzero()[:, 0].to(device) for m in (staying, kept))
                log_probs, pieces, rows = log_probs[kept], pieces[kept], rows[kept]
                if held is not None:
                    held = held[kept]
                memory, asked = memory.select(staying), asked.select(staying)
        last, rows = pieces.flatten(), rows.flatten()
        lattice.backpointers.append(torch.stack([last, rows]))
        state, track = state.select(rows), read.reorder(rows, last, held)

    each = [contests[i : i + groups] for i in range(0, len(contests), groups)]
    return lattice.hypotheses(
        [[contest.best() for contest in some] for some in each], ranking, hypotheses
    )


def is_greedy(demands: DecodingConstraints, options: SearchOptions) -> bool:
    """Say whether a beam search would be greedy, to which steps may be unnormalized."""
    alone = options.beam_size == 1 and options.early_stopping is True
    return alone and not any(demands.required_phrases)


def _expand(
    log_probs: Tensor,
    beam_log_probs: Tensor,
    size: int,
    length: int,
    asked: SearchContext,
    track: BeamState,
) -> tuple[BeamStep, Tensor | None]:
    """Choose among what may come, and tell which phrases are held then, (N, W', P)."""
    options, rules, needs = (
        asked.options,
        asked.logits_processors,
        asked.phrase_constraints,
    )
    free = log_probs if needs is None else log_probs.clone()
    masked = rules.apply(free, track.tokens, length)
    if needs is None:
        plain = diverse_beam_step(
            masked,
            beam_log_probs,
            size,
            groups=options.num_beam_groups,
            diversity=options.diversity_penalty,
        )
        return plain, None
    assert track.tokens is not None
    assert track.constraints_met is not None
    unfit = ~track.constraints_met.all(dim=1)
    masked[:, EOS].masked_fill_(unfit, -math.inf)
    # What is required outranks the rules, but for how a translation begins.
    wanted = needs.next_tokens(track.tokens, track.constraints_met)
    needed = log_probs.gather(1, wanted).masked_fill(wanted == PAD, -math.inf)
    forced = rules.forced(length, len(masked))
    if forced is not None:
        needed = needed.masked_fill((forced != PAD)[:, None], -math.inf)
    return allocate_beam_banks(
        beam_step(masked, beam_log_probs, size),
        masked,
        wanted,
        needed,
        beam_log_probs,
        track.tokens,
        track.constraints_met,
        needs,
    )


def _cut(
    contest: BeamHypotheses,
    place: int,
    length: int,
    log_probs: Tensor,
    asked: SearchContext,
    track: BeamState,
) -> None:
    """Fill places for which there is no finished hypothesis with what was under way.

    Args:
        contest: The endings of a group that is done.
        place: Its place among the groups under way.
        length: Pieces of its beams.
        log_probs: Log-probabilities of all beams, before the step that ended it.
        asked: What is asked of sentences.
        track: What the beams left behind, before that step.
    """
    if len(contest.finished) >= contest.num_return:
        return
    over = {ending.beam_index for ending in contest.finished if ending.length == length}
    width = log_probs.shape[1]
    beams = slice(place * width, (place + 1) * width)
    passed_over = [0.0] * width
    if track.coverage is not None and length:
        passed_over = asked.coverage_penalty(track.coverage)[beams].tolist()
    complete = [True] * width
    if track.constraints_met is not None:
        complete = track.constraints_met[beams].all(dim=1).tolist()
    for beam, log_prob in enumerate(log_probs[place].tolist()):
        row = beams.start + beam
        if log_prob > -math.inf and row not in over:
            contest.add(
                log_prob,
                length=length,
                row=row,
                finished=False,
                complete=complete[beam],
                passed_over=passed_over[beam],
            )


def _chunks(line: list[float], size: int) -> list[list[float]]:
    return [line[i : i + size] for i in range(0, len(line), size)]
