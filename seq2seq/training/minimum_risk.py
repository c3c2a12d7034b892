"""Minimum risk: translations that the model draws, made likelier the better they are.

Knows the network, samples and their cost; not text and not what a cost is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.data.collate import collate
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.loss import chunked_cross_entropy
from seq2seq.recipe import MinimumRiskOptions, SamplingOptions, SearchOptions
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.sampling import sample, sentence_seed
from seq2seq.types import EOS, PAD, Batch, Hypothesis

Pieces = Sequence[int]
SentenceMetric = Callable[[Sequence[Pieces], Pieces], Sequence[float]]
"""`utility(hypotheses, reference) -> one number for each`, from 0 to 1, the best."""


def expected_risk(
    network: EncoderDecoder,
    batch: Batch,
    options: MinimumRiskOptions,
    utility: SentenceMetric,
    *,
    seed: int,
    longest: float,
) -> Tensor:
    """Sum what the model is expected to cost on each sentence, times its tokens.

    The model draws candidates as it would translate, without dropout. Their
    probabilities, sharpened and made to sum to one over the candidates, weigh their
    costs, which are 1 - utility; the gradient takes from the worse and gives to the
    better than that mean.

    Args:
        network: What is trained.
        batch: Sentence pairs.
        options: How many candidates, and how their probabilities are sharpened.
        utility: Compares candidates with a reference.
        seed: Decides what is drawn.
        longest: Most pieces of a candidate for each of the source's, as
            `search.max_length_ratio`.

    Returns:
        A scalar whose gradient is the risk's; its value is not the risk.

    Source: Shen et al. 2016, section 3, equations 12 to 15.
    """
    found = _draw(network, batch, options, seed=seed, longest=longest)
    candidates = _weigh(batch, found, options.alpha, utility)
    candidates.sort(key=lambda each: len(each.tokens))  # Little padding in each part.
    encoded = network.encoder(batch.source, batch.source_lengths)
    state, memory = network.start(encoded)
    device, count = batch.targets.device, len(batch.targets)
    total = torch.zeros((), device=device)
    for first in range(0, len(candidates), count):
        part = candidates[first : first + count]
        told = collate([()] * len(part), [each.tokens for each in part]).to(device)
        slopes = torch.tensor([each.slope for each in part], dtype=torch.float64)
        rows = torch.tensor([each.row for each in part], device=device)
        decoded = network.decoder(told.inputs, state.select(rows), memory.select(rows))
        loss = chunked_cross_entropy(
            decoded.features.flatten(0, 1),
            network.decoder.output,
            told.targets.flatten(),
            weights=slopes.to(device)[:, None].expand_as(told.targets).flatten(),
        )
        total = total + loss.loss
    return total


class _Candidate(NamedTuple):
    # A sentence's place in the batch, what was drawn for it, and what its
    # log-probability is multiplied by, with the sign of a loss.
    row: int
    tokens: Pieces
    slope: float


def _draw(
    network: EncoderDecoder,
    batch: Batch,
    options: MinimumRiskOptions,
    *,
    seed: int,
    longest: float,
) -> list[list[Hypothesis]]:
    search = SearchOptions(
        max_length_ratio=longest,
        sampling=SamplingOptions(seed=seed % 2**32),
    )
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            encoded = network.encoder(batch.source, batch.source_lengths)
            state, memory = network.start(encoded)
            lengths = batch.source_lengths.to(batch.source.device)
            return sample(
                network.step,
                state,
                memory,
                DecodingConstraints.from_length_ratio(lengths, search),
                search,
                seeds=[sentence_seed(row) for row in batch.source.tolist()],
                num_samples=options.num_samples,
            )
    finally:
        network.train(training)


def _weigh(
    batch: Batch,
    found: list[list[Hypothesis]],
    sharpness: float,
    utility: SentenceMetric,
) -> list[_Candidate]:
    """Find what each different candidate's log-probability is multiplied by.

    It is the risk's slope, over the sharpness, times the reference's tokens.
    """
    candidates = []
    for row, (target, group) in enumerate(
        zip(batch.targets.tolist(), found, strict=True)
    ):
        different = {each.tokens: each.log_prob for each in group if each.finished}
        different = different or {group[0].tokens: group[0].log_prob}
        reference = [piece for piece in target if piece not in (PAD, EOS)]
        gains = torch.tensor(utility(list(different), reference), dtype=torch.float64)
        costs = 1 - gains
        log_probs = torch.tensor(list(different.values()), dtype=torch.float64)
        shares = torch.softmax(sharpness * log_probs, dim=0)
        expected = (shares * costs).sum()
        # log p rises where the cost lies below its mean; chunked_cross_entropy has -log
        # p.
        slopes = -shares * (costs - expected) * (len(reference) + 1)
        for pieces, slope in zip(different, slopes.tolist(), strict=True):
            candidates.append(_Candidate(row, pieces, slope))
    return candidates
