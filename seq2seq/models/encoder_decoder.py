"""READ FIRST: the translator, an encoder and a decoder joined by a context vector.

Knows the recipe's model section and ids; not Lightning, text or files. Training wraps
it in models/lightning_module.py; translating uses it alone, since importing Lightning
takes longer than translating a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.nn.attention import GeneralAttention
from seq2seq.nn.bridge import CopyBridge, LinearBridge, context_vector
from seq2seq.nn.decoder import Decoder
from seq2seq.nn.encoder import Encoder
from seq2seq.nn.loss import Loss, token_loss
from seq2seq.nn.recurrent import Recurrent
from seq2seq.recipe import ModelOptions
from seq2seq.structures import (
    PAD,
    Batch,
    DecoderState,
    EncoderOutput,
    Memory,
    Source,
)


class EncoderDecoder(nn.Module):
    """Sequence to sequence: many-to-one, then one-to-many.

    Args:
        options: The recipe's model section.
        source_pieces: Size of the source vocabulary.
        target_pieces: Size of the target vocabulary.

    Source: Sutskever et al. 2014; Cho et al. 2014.
    """

    def __init__(
        self, options: ModelOptions, *, source_pieces: int, target_pieces: int
    ) -> None:
        super().__init__()
        size, dropout = options.embedding_size, options.dropout
        source_embedding = _embedding(source_pieces, size)
        target_embedding = (
            source_embedding
            if options.tie_embeddings == "all"
            else _embedding(target_pieces, size)
        )
        self.encoder = Encoder(
            source_embedding,
            Recurrent(
                size,
                options.encoder.hidden_size,
                cell=options.encoder.cell,
                layers=options.encoder.layers,
                bidirectional=options.encoder.bidirectional,
                dropout=dropout,
            ),
            dropout=dropout,
            reverse=options.encoder.reverse_source,
        )
        reader = self.encoder.recurrent
        context_size = (
            reader.layers * reader.size if options.attention.kind == "fixed" else 0
        )
        attends = options.attention.kind == "general"
        self.decoder = Decoder(
            target_embedding,
            Recurrent(
                size + context_size,
                options.decoder.hidden_size,
                cell=options.decoder.cell,
                layers=options.decoder.layers,
                dropout=dropout,
            ),
            context_size=context_size,
            attention=GeneralAttention(options.decoder.hidden_size, reader.size)
            if attends
            else None,
            read_size=reader.size if attends else 0,
            dropout=dropout,
            tied=options.tie_embeddings != "none",
        )
        self.bridge: CopyBridge | LinearBridge = (
            CopyBridge()
            if options.bridge == "copy"
            else LinearBridge(reader, self.decoder.recurrent)
        )

    def forward(self, batch: Batch, *, smoothing: float = 0.0) -> Loss:
        """Sum the loss of every real target token of a batch.

        The decoder reads the true target (teacher forcing, Williams and Zipser 1989),
        so it runs over all positions in one call.
        """
        encoded = self.encoder(batch.source, batch.source_lengths)
        state, memory = self.start(encoded)
        features, _ = self.decoder(batch.inputs, state, memory)
        real = batch.targets != PAD
        logits = self.decoder.logits(features[real])
        return token_loss(logits, batch.targets[real], smoothing=smoothing)

    def start(self, encoded: EncoderOutput) -> tuple[DecoderState, Memory]:
        """Turn what was read into where the decoder starts and what it may look at."""
        state = DecoderState(self.bridge(encoded.final))
        if self.decoder.attention is not None:
            keys = self.decoder.attention.keys(encoded.states)
            return state, Memory(source=Source(keys, encoded.states, encoded.mask))
        if self.decoder.context_size:
            return state, Memory(context_vector(encoded.final))
        return state, Memory()

    def step(
        self, last: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[Tensor, DecoderState]:
        """Take one step of a search.

        Args:
            last: The piece before, (R,).
            state: The state before it was read.
            memory: What may be read at every step.

        Returns:
            Log-probabilities of the next piece in nats, (R, V), and the new state.
        """
        features, state = self.decoder(last[:, None], state, memory)
        logits = self.decoder.logits(features[:, 0])
        return torch.log_softmax(logits.float(), dim=-1), state

    if TYPE_CHECKING:
        __call__ = forward


def _embedding(pieces: int, size: int) -> nn.Embedding:
    """Make a table with a vector for each piece; small, since it may be the output."""
    embedding = nn.Embedding(pieces, size)
    nn.init.normal_(embedding.weight, std=size**-0.5)
    return embedding
