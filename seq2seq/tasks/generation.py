"""What tasks share that generate text: greedy hypotheses, and targets as text."""

from __future__ import annotations

from torch import Tensor

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import SearchOptions
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.greedy_search import greedy_search
from seq2seq.types import EOS, PAD, Batch, Hypothesis


def greedy_hypotheses(
    network: EncoderDecoder, batch: Batch, lengths: Tensor, search: SearchOptions
) -> list[Hypothesis]:
    """Encode a batch and search greedily.

    Args:
        network: The network.
        batch: The sources.
        lengths: What `search` limits the length by, (N,), on the batch's device.
        search: The recipe's search section.
    """
    encoded = network.encoder(batch.source, batch.source_lengths)
    state, memory = network.init_decoder(encoded)
    constraints = DecodingConstraints.from_length_ratio(lengths, search)
    return greedy_search(network.step, state, memory, constraints, search)


def decode_targets(batch: Batch, tokenizer: Tokenizer) -> list[str]:
    """Return the targets of a batch as text."""
    tokens = [
        [token for token in target if token not in (PAD, EOS)]
        for target in batch.targets.tolist()
    ]
    return tokenizer.decode(tokens)
