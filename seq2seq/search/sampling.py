"""Translations drawn by chance, the same ones in whatever batch a sentence stands.

Knows ids and log-probabilities; not text, layers or files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from seq2seq.recipe import SamplingOptions, SearchOptions
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.decode_loop import decode_loop, to_hypotheses
from seq2seq.search.logits_processors import LogitsProcessors
from seq2seq.search.noise import exponential_noise, sample_seeds
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.search.step import MemoryT, StateT, StepFunction
from seq2seq.types import Hypothesis

HEAD = 512  # Pieces in which nearly always the nucleus lies; sorting all is slow.


def sample(
    step: StepFunction[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    demands: DecodingConstraints,
    options: SearchOptions,
    *,
    keys: Sequence[int],
    samples: int = 1,
) -> list[list[Hypothesis]]:
    """Draw translations piece by piece from the model's own distribution.

    What is drawn depends on the seed, a sentence's key and the number of the sample:
    not on the batch, and the first samples stay the same where more are asked for.
    Rules are applied first, temperature then, the cuts last.

    Args:
        step: Says what may come next.
        state: The state before the first piece, a row for each sentence.
        memory: What the step may read, a row for each sentence.
        demands: What each sentence asks for; not required phrases.
        options: What may come, how it is drawn (sampling), how the score is made.
        keys: A number for each sentence, such as `noise.sentence_key` gives.
        samples: How many to draw of each sentence.

    Returns:
        Of each sentence, in order, the samples as they were drawn, repetitions among
        them. Their log_prob is the model's, before temperature and cuts.

    Raises:
        ValueError: If an argument is out of range, a demand cannot be met, or the step
            returns NaN or +inf.
    """
    limits = demands.validate()
    if len(keys) != len(limits):
        raise ValueError(f"{len(keys)} keys came for {len(limits)} sentences.")
    if samples < 1:
        raise ValueError(f"samples is {samples}, but must be at least 1.")
    if any(demands.required_phrases):
        raise ValueError("samples keep no required phrases; use beam search.")
    if not limits:
        return []
    device = demands.max_lengths.device
    # Samples end one by one, so each has its own row of everything.
    copies = torch.arange(len(limits), device=device).repeat_interleave(samples)
    names = sample_seeds(keys, samples, options.sampling.seed).to(device)
    drawing = options.sampling

    def draw(log_probs: Tensor, rows: Tensor, length: int) -> Tensor:
        kept = warp_logits(log_probs, drawing)
        # The least of independent exponentials with rates p comes from each piece
        # with probability p (Gumbel 1954). Unlike a sum of probabilities compared
        # with one number, this does not change with the last bits of the model's.
        noise = exponential_noise(names[rows], length, kept.shape[1])
        return kept.sub_(noise.log_()).argmax(dim=1)

    walks = decode_loop(
        step,
        state.select(copies),
        memory.select(copies),
        limits=demands.max_lengths[copies],
        rules=LogitsProcessors.of(demands, options).select(copies),
        choose=draw,
    )
    found = to_hypotheses(walks, demands, HypothesisScorer(options))
    return [found[i : i + samples] for i in range(0, len(found), samples)]


def warp_logits(log_probs: Tensor, options: SamplingOptions) -> Tensor:
    """Apply temperature, and rule out what top_k, top_p and epsilon leave out.

    Args:
        log_probs: What may come, (R, V), not necessarily summing to 1; left as it is.
        options: How to draw.

    Returns:
        Logits of the distribution to draw from, (R, V), -inf for what is left out.
        Rows of which nothing is possible stay so.
    """
    logits = log_probs / options.temperature
    least: list[Tensor] = []
    if 0 < options.top_k < logits.shape[1]:
        least.append(logits.topk(options.top_k, dim=1).values[:, -1])
    if options.top_p < 1 or options.epsilon_cutoff > 0:
        total = logits.logsumexp(dim=1)
        if options.top_p < 1:
            least.append(_nucleus(logits, total, options.top_p))
        if options.epsilon_cutoff > 0:
            least.append(total + math.log(options.epsilon_cutoff))
    if least:
        lowest = torch.stack(least).amax(dim=0).minimum(logits.amax(dim=1))
        logits = logits.masked_fill(logits < lowest[:, None], -math.inf)
    return logits


def _nucleus(logits: Tensor, total: Tensor, share: float) -> Tensor:
    """Return the least logit of the smallest set with this share, (R,).

    Args:
        logits: (R, V).
        total: Logarithm of the sum of their exponentials, (R,).
        share: Between 0 and 1.
    """
    best = logits.topk(min(HEAD, logits.shape[1]), dim=1).values
    below = (best - total[:, None]).exp().cumsum(dim=1)
    if best.shape[1] < logits.shape[1] and bool((below[:, -1] < share).any()):
        best = logits.sort(dim=1, descending=True).values
        below = (best - total[:, None]).exp().cumsum(dim=1)
    # Pieces are needed as long as those before do not reach the share.
    needed = (below < share).sum(dim=1, keepdim=True).clamp(max=best.shape[1] - 1)
    return best.gather(1, needed)[:, 0]
