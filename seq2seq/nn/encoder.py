"""Recurrent encoder: source tokens to hidden states and a final state."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.nn.dropout import SequenceDropout, WordDropout
from seq2seq.nn.rnn_stack import RNNStack
from seq2seq.types import EncoderOutput


class Encoder(nn.Module):
    """Embedding and recurrent stack over the source.

    Args:
        embedding: Source embeddings, (V, E), or any layer over what stands in source.
        rnn: Recurrent layers, with E inputs.
        dropout: Applied to the embeddings' units.
        word_dropout: Applied to whole embeddings.
        reverse: Whether to reverse the source (Sutskever et al. 2014, section 3.3: it
            brings the first source words close to the first target words).
    """

    def __init__(
        self,
        embedding: nn.Module,
        rnn: RNNStack,
        *,
        dropout: SequenceDropout,
        word_dropout: WordDropout,
        reverse: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        # Embeddings start small, since they may be the output matrix as well; as input
        # they should have unit variance (Vaswani et al. 2017, section 3.4).
        self.scale = 1.0
        if isinstance(embedding, nn.Embedding):
            self.scale = math.sqrt(embedding.embedding_dim)
        self.rnn = rnn
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.reverse = reverse

    def forward(self, source: Tensor, lengths: Tensor) -> EncoderOutput:
        """Encode a batch of sentences.

        Args:
            source: Token ids, padded on the right, (N, S), or frames, (N, S, F).
            lengths: Number of real tokens, at least 1, (N,), on the CPU.

        Returns:
            States, final state and mask; states are in source order even if the
            source was reversed.
        """
        positions = torch.arange(source.shape[1], device=source.device)  # (S,)
        ends = lengths.to(source.device, non_blocking=True)[:, None]  # (N, 1)
        mask = positions < ends  # (N, S)
        if self.reverse:
            # Position i goes to length - 1 - i; padding stays where it is.
            mirror = torch.where(mask, ends - 1 - positions, positions)  # (N, S)
            rows = torch.arange(len(source), device=source.device)[:, None]
            source = source[rows, mirror]
        embedded = self.word_dropout(self.embedding(source) * self.scale)  # (N, S, E)
        embedded = self.dropout(embedded)
        states, final_state = self.rnn(embedded, lengths=lengths)  # (N, S, H)
        if self.reverse:
            states = states.gather(1, mirror[:, :, None].expand_as(states))
        return EncoderOutput(states, final_state, mask)

    if TYPE_CHECKING:
        __call__ = forward
