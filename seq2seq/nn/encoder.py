"""Many-to-one: a source sentence becomes a final state, and the states along the way.

Knows ids and lengths; not languages, targets or how its output is used.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.nn.dropout import SequenceDropout, WordDropout
from seq2seq.nn.rnn_stack import RNNStack
from seq2seq.types import EncoderOutput


class Encoder(nn.Module):
    """Embed pieces and run a recurrent stack over them.

    Args:
        embedding: A vector for each piece instead of a one-hot row, (V, E).
        recurrent: The stack that reads the vectors.
        dropout: What becomes of the vectors' units.
        word_dropout: What becomes of whole vectors.
        reverse: Read every sentence from its end (Sutskever et al. 2014, section 3.3:
            the first source words come to stand near the first target words).
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        recurrent: RNNStack,
        *,
        dropout: SequenceDropout,
        word_dropout: WordDropout,
        reverse: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        # Tables start small, since they may be the output matrix as well; as input
        # they should have unit variance (Vaswani et al. 2017, section 3.4).
        self.scale = math.sqrt(embedding.embedding_dim)
        self.recurrent = recurrent
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.reverse = reverse

    def forward(self, source: Tensor, lengths: Tensor) -> EncoderOutput:
        """Read a batch of sentences.

        Args:
            source: Pieces, padded on the right, (N, S).
            lengths: Real pieces of each sentence, at least 1, (N,), on the CPU.

        Returns:
            States, final state and mask; the states stand in the order of the source
            even where it was read in reverse.
        """
        positions = torch.arange(source.shape[1], device=source.device)
        ends = lengths.to(source.device)[:, None]
        mask = positions < ends  # (N, S)
        if self.reverse:
            # Piece i goes to length - 1 - i; padding stays where it is.
            mirror = torch.where(mask, ends - 1 - positions, positions)
            source = source.gather(1, mirror)
        embedded = self.word_dropout(self.embedding(source) * self.scale)
        embedded = self.dropout(embedded)
        states, final = self.recurrent(embedded, lengths=lengths)
        if self.reverse:
            states = states.gather(1, mirror[:, :, None].expand_as(states))
        return EncoderOutput(states, final, mask)

    if TYPE_CHECKING:
        __call__ = forward
