"""Ancestral sampling with temperature, top-k, top-p and epsilon cutoffs.

Noise is counter-based (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2,
3"): every number is a hash of seed, sentence, sample and step. A generator returns its
numbers in the order of the calls, so a batch of another size would draw others; here
the samples of a sentence are the same in every batch.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Sequence

import torch
from torch import Tensor

from seq2seq.recipe import SamplingOptions, SearchOptions
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.decode_loop import decode_loop, to_hypotheses
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.search.step import MemoryT, StateT, StepFunction
from seq2seq.types import Hypothesis

HEAD = 512  # Tokens among which the nucleus nearly always lies; sorting all is slow.
_MASK = 0xFFFFFFFF


def sample(
    step: StepFunction[StateT, MemoryT],
    state: StateT,
    memory: MemoryT,
    constraints: DecodingConstraints,
    options: SearchOptions,
    *,
    seeds: Sequence[int],
    num_samples: int = 1,
) -> list[list[Hypothesis]]:
    """Sample translations token by token from the model's distribution.

    A sample depends on options.sampling.seed, the sentence's seed and its own number:
    not on the batch, and the first samples stay the same where more are drawn.
    Constraints are applied first, temperature then, the cutoffs last.

    Args:
        step: Returns the log-probabilities of the next token.
        state: The state before the first token, N rows.
        memory: What the step reads of each sentence, N rows.
        constraints: Of N sentences; not required phrases.
        options: Which tokens may come, how they are sampled, how hypotheses are scored.
        seeds: A number for each sentence, such as `sentence_seed` returns.
        num_samples: How many to draw of each sentence.

    Returns:
        Of each sentence, in order, the samples as they were drawn, repetitions among
        them. Their log_prob is the model's, before temperature and cutoffs.

    Raises:
        ValueError: If an argument is out of range or the step returns NaN or +inf.
    """
    limits = constraints.validate()
    if len(seeds) != len(limits):
        raise ValueError(f"{len(seeds)} seeds came for {len(limits)} sentences.")
    if num_samples < 1:
        raise ValueError(f"num_samples is {num_samples}, but must be at least 1.")
    if constraints.required_phrases is not None:
        raise ValueError("samples keep no required phrases; use beam search.")
    if not limits:
        return []
    device = constraints.max_lengths.device
    # Samples end one by one, so each has its own row of everything: R = N * samples.
    copies = torch.arange(len(limits), device=device).repeat_interleave(num_samples)
    constraints = constraints.select(copies)
    row_seeds = sample_seeds(seeds, num_samples, options.sampling.seed).to(
        device
    )  # (R,)

    def sample_token(log_probs: Tensor, rows: Tensor, length: int) -> Tensor:
        logits = warp_logits(log_probs, options.sampling)  # (R, V)
        # The least of independent exponentials with rates p comes from each token
        # with probability p (Gumbel 1954). Unlike a sum of probabilities compared
        # with one number, this does not change with the last bits of the model's.
        noise = exponential_noise(row_seeds[rows], length, logits.shape[1])  # (R, V)
        return logits.sub_(noise.log_()).argmax(dim=1)

    sequences = decode_loop(
        step,
        state.select(copies),
        memory.select(copies),
        constraints,
        options,
        select_token=sample_token,
    )
    scorer = HypothesisScorer(options)
    samples = to_hypotheses(sequences, scorer, constraints.source_lengths)
    return [samples[i : i + num_samples] for i in range(0, len(samples), num_samples)]


def warp_logits(log_probs: Tensor, options: SamplingOptions) -> Tensor:
    """Apply temperature, and mask what top_k, top_p and epsilon_cutoff leave out.

    Args:
        log_probs: What may come, (R, V), not necessarily summing to 1; left as it is.
        options: The cutoffs.

    Returns:
        Logits of the distribution to sample from, (R, V), -inf for what is left out.
        Rows of which nothing is possible stay so.

    Source: Fan et al. 2018 (top-k), Holtzman et al. 2020, section 3.1 (top-p), Hewitt
    et al. 2022, section 3.2 (epsilon).
    """
    logits = log_probs / options.temperature  # (R, V)
    thresholds: list[Tensor] = []  # Each (R,).
    if 0 < options.top_k < logits.shape[1]:
        thresholds.append(logits.topk(options.top_k, dim=1).values[:, -1])
    if options.top_p < 1 or options.epsilon_cutoff > 0:
        normalizer = logits.logsumexp(dim=1)  # (R,)
        if options.top_p < 1:
            thresholds.append(_top_p_threshold(logits, normalizer, options.top_p))
        if options.epsilon_cutoff > 0:
            thresholds.append(normalizer + math.log(options.epsilon_cutoff))
    if thresholds:
        least = torch.stack(thresholds).amax(dim=0).minimum(logits.amax(dim=1))  # (R,)
        logits = logits.masked_fill(logits < least[:, None], -math.inf)
    return logits


def _top_p_threshold(logits: Tensor, normalizer: Tensor, top_p: float) -> Tensor:
    """Return the least logit of the smallest set with this probability, (R,).

    Args:
        logits: (R, V).
        normalizer: Logarithm of the sum of their exponentials, (R,).
        top_p: Between 0 and 1.
    """
    best = logits.topk(min(HEAD, logits.shape[1]), dim=1).values  # (R, at most HEAD)
    cumulative = (best - normalizer[:, None]).exp().cumsum(dim=1)
    if best.shape[1] < logits.shape[1] and bool((cumulative[:, -1] < top_p).any()):
        best = logits.sort(dim=1, descending=True).values  # (R, V)
        cumulative = (best - normalizer[:, None]).exp().cumsum(dim=1)
    # A token belongs to the set as long as those before it do not reach top_p.
    last = (cumulative < top_p).sum(dim=1, keepdim=True).clamp(max=best.shape[1] - 1)
    return best.gather(1, last)[:, 0]


def sentence_seed(tokens: Sequence[int]) -> int:
    """Return a seed below 2 ** 32 that depends on the sentence alone.

    So a sampled translation is a function of the sentence and options.sampling.seed,
    wherever in a file the sentence stands.
    """
    return zlib.crc32(array("q", tokens).tobytes())


def sample_seeds(seeds: Sequence[int], num_samples: int, seed: int) -> Tensor:
    """Return a seed for every sample, (N * num_samples,), int64 below 2 ** 32.

    Args:
        seeds: A number for each sentence, such as `sentence_seed` returns.
        num_samples: How many are drawn of each.
        seed: Another one gives unrelated samples.
    """
    sentences = torch.tensor([s & _MASK for s in seeds], dtype=torch.int64)  # (N,)
    seeded = _hash(sentences ^ _hash(torch.tensor(seed & _MASK)))
    return _hash(seeded[:, None] ^ _hash(torch.arange(1, num_samples + 1))).flatten()


def exponential_noise(seeds: Tensor, step: int, count: int) -> Tensor:
    """Draw from the exponential distribution of mean 1, (R, count), single precision.

    Args:
        seeds: The seed of each row, (R,), from `sample_seeds`.
        step: Which draw of the row this is.
        count: Numbers for each row.
    """
    device = seeds.device
    draw = torch.full((), step + 1, device=device)  # A kernel; no copy from the host.
    rows = _hash(seeds ^ _hash(draw))  # (R,)
    columns = _hash(torch.arange(1, count + 1, device=device))  # (count,)
    bits = _signed(rows)[:, None] ^ _signed(columns)  # (R, count)
    # Eleven passes over the vocabulary: in place, and in 32 bits.
    _hash_(bits)
    # 31 bits; the least numbers decide who wins, and near 0 a float tells them apart.
    uniform = bits.bitwise_and_(0x7FFFFFFF).float().add_(0.5).mul_(2.0**-31)
    # Rounded to 1, a number would become infinite.
    return uniform.clamp_(max=1 - 2.0**-24).neg_().log1p_().neg_()


def _hash(numbers: Tensor) -> Tensor:
    """Hash numbers below 2 ** 32 to others, one to one, int64."""
    bits = _signed(numbers.long().clone().reshape(-1))
    return (_hash_(bits).long() & _MASK).reshape(numbers.shape)


def _signed(numbers: Tensor) -> Tensor:
    """Reinterpret numbers below 2 ** 32 as signed 32-bit integers."""
    return torch.where(numbers < 2**31, numbers, numbers - 2**32).int()


def _hash_(bits: Tensor) -> Tensor:
    """Hash 32-bit numbers in place, one to one: every bit depends on all others.

    Source: Wellons 2018, "Prospecting for hash functions", lowbias32.
    """
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B - 2**32), (16, 1)):
        # The shift copies the sign; the mask removes the copies.
        bits.bitwise_xor_((bits >> shift).bitwise_and_(2 ** (32 - shift) - 1))
        bits.mul_(factor)
    return bits
