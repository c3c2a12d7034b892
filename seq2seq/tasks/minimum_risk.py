"""Minimum risk training: lower the expected cost of candidates (Shen et al. 2016).

Candidates are sampled as the model would translate, without dropout; their cost is one
minus a sentence metric against the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.data.collate import collate
from seq2seq.data.tokenizer import Tokenizer
from seq2seq.metrics.pairwise import bleu_utility, chrf_utility
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.loss import chunked_cross_entropy
from seq2seq.recipe import MinimumRiskOptions, Recipe, SamplingOptions, SearchOptions
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.sampling import sample, sentence_seed
from seq2seq.types import EOS, PAD, Batch, Hypothesis

TokenIds = Sequence[int]
SentenceMetric = Callable[[Sequence[TokenIds], TokenIds], Sequence[float]]
"""`metric(hypotheses, reference) -> one score each`, from 0 to 1, higher is better."""


def make_sentence_metric(recipe: Recipe, tokenizer: Tokenizer) -> SentenceMetric | None:
    """Build train.minimum_risk.metric over token ids; None if risk is not trained."""
    options = recipe.train.minimum_risk
    if options is None:
        return None
    pairwise = chrf_utility
    if options.metric == "bleu":
        pairwise = partial(bleu_utility, language=recipe.data.target)

    def metric(hypotheses: Sequence[TokenIds], reference: TokenIds) -> list[float]:
        *texts, reference_text = tokenizer.decode([*hypotheses, reference])
        return [row[0] / 100 for row in pairwise(texts, [reference_text])]

    return metric


def expected_risk(
    network: EncoderDecoder,
    batch: Batch,
    options: MinimumRiskOptions,
    metric: SentenceMetric,
    *,
    seed: int,
    max_length_ratio: float,
) -> Tensor:
    """Sum the expected cost of each sentence, times its tokens.

    The probabilities of the candidates, to the power of alpha and normalised over the
    candidates, weigh their costs, 1 - metric. The gradient lowers the probability of
    candidates that cost more than this mean, and raises that of the others.

    Args:
        network: The network to train.
        batch: Sentence pairs.
        options: Number of candidates, and alpha.
        metric: Scores candidates against a reference.
        seed: Seed of the sampling.
        max_length_ratio: Limit of a candidate's tokens over the source's, as
            `search.max_length_ratio`.

    Returns:
        A scalar whose gradient is the risk's; its value is not the risk.

    Source: Shen et al. 2016, section 3, equations 12 to 15.
    """
    samples = _sample_candidates(
        network, batch, options, seed=seed, max_length_ratio=max_length_ratio
    )
    candidates = _weigh(batch, samples, options.alpha, metric)
    candidates.sort(key=lambda candidate: len(candidate.tokens))  # For little padding.
    encoded = network.encoder(batch.source, batch.source_lengths)
    state, memory = network.init_decoder(encoded)
    device, chunk_size = batch.targets.device, len(batch.targets)
    total = torch.zeros((), device=device)
    for first in range(0, len(candidates), chunk_size):
        chunk = candidates[first : first + chunk_size]
        targets = collate([()] * len(chunk), [c.tokens for c in chunk]).to(device)
        weights = torch.tensor([c.weight for c in chunk], dtype=torch.float64)
        rows = torch.tensor([c.row for c in chunk], device=device)
        decoded = network.decoder(
            targets.inputs, state.select(rows), memory.select(rows)
        )
        output = chunked_cross_entropy(
            decoded.features.flatten(0, 1),
            network.decoder.output_layer,
            targets.targets.flatten(),
            weights=weights.to(device)[:, None].expand_as(targets.targets).flatten(),
        )
        total = total + output.loss
    return total


class _Candidate(NamedTuple):
    # Row of the sentence in the batch, sampled tokens, and the weight of their
    # negative log-probability in the loss.
    row: int
    tokens: TokenIds
    weight: float


def _sample_candidates(
    network: EncoderDecoder,
    batch: Batch,
    options: MinimumRiskOptions,
    *,
    seed: int,
    max_length_ratio: float,
) -> list[list[Hypothesis]]:
    search = SearchOptions(
        max_length_ratio=max_length_ratio,
        sampling=SamplingOptions(seed=seed % 2**32),
    )
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            encoded = network.encoder(batch.source, batch.source_lengths)
            state, memory = network.init_decoder(encoded)
            lengths = batch.source_lengths.to(batch.source.device)
            return sample(
                network.step,
                state,
                memory,
                DecodingConstraints.from_length_ratio(lengths, search),
                search,
                seeds=[sentence_seed(tokens) for tokens in batch.source.tolist()],
                num_samples=options.num_samples,
            )
    finally:
        network.train(training)


def _weigh(
    batch: Batch,
    samples: list[list[Hypothesis]],
    alpha: float,
    metric: SentenceMetric,
) -> list[_Candidate]:
    """Weigh each distinct candidate: the risk's derivative by its log-probability.

    It is divided by alpha and multiplied by the reference's tokens.
    """
    candidates = []
    for row, (target, hypotheses) in enumerate(
        zip(batch.targets.tolist(), samples, strict=True)
    ):
        distinct = {h.tokens: h.log_prob for h in hypotheses if h.finished}
        distinct = distinct or {hypotheses[0].tokens: hypotheses[0].log_prob}
        reference = [token for token in target if token not in (PAD, EOS)]
        scores = torch.tensor(metric(list(distinct), reference), dtype=torch.float64)
        costs = 1 - scores
        log_probs = torch.tensor(list(distinct.values()), dtype=torch.float64)
        shares = torch.softmax(alpha * log_probs, dim=0)
        expected = (shares * costs).sum()
        # log p rises where the cost is below its mean; the cross-entropy has -log p.
        weights = -shares * (costs - expected) * (len(reference) + 1)
        for tokens, weight in zip(distinct, weights.tolist(), strict=True):
            candidates.append(_Candidate(row, tokens, weight))
    return candidates
