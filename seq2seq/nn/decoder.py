"""One-to-many: a state becomes a sequence, one piece at a time or all at once.

Knows ids and states; not what the context was made of, and not how pieces are chosen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.nn.attention import GeneralAttention
from seq2seq.nn.recurrent import Recurrent
from seq2seq.structures import DecoderState, Memory


class Decoder(nn.Module):
    """Run a recurrent stack over target pieces and score the next one.

    Where the memory holds a context vector, it is read at every step, and again by
    the output layer (Cho et al. 2014, section 2.2 and appendix A.1.2); else the
    initial state is all that the decoder knows of the source (Sutskever et al. 2014).

    Args:
        embedding: A vector for each target piece, (V, E).
        recurrent: The stack; it reads E + context_size numbers a step.
        context_size: C, or 0 where there is no context vector at every step.
        attention: How the source is read before the output (Luong et al. 2015), if so.
        read_size: Size of what attention reads.
        dropout: Share of units dropped from embeddings and before the output.
        tied: Whether the output matrix is the embedding (Press and Wolf 2017).
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        recurrent: Recurrent,
        *,
        context_size: int = 0,
        attention: GeneralAttention | None = None,
        read_size: int = 0,
        dropout: float = 0.0,
        tied: bool = False,
    ) -> None:
        super().__init__()
        pieces, size = embedding.weight.shape
        self.embedding = embedding
        self.scale = math.sqrt(size)  # As in the encoder.
        self.recurrent = recurrent
        self.context_size = context_size
        self.attention = attention
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(recurrent.size + context_size + read_size, size)
        self.output = nn.Linear(size, pieces)
        nn.init.zeros_(self.output.bias)
        if tied:
            self.output.weight = embedding.weight

    def forward(
        self, inputs: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[Tensor, DecoderState]:
        """Read pieces and describe what should follow each of them.

        The same code serves a whole target (T pieces) and one step of a search (one).

        Args:
            inputs: Pieces, (N, T).
            state: The state before the first of them.
            memory: What may be read at every step.

        Returns:
            Features of the next piece, (N, T, E), for `logits`; and the state after
            the last piece.
        """
        embedded = self.dropout(self.embedding(inputs) * self.scale)
        if memory.context is not None:
            context = memory.context[:, None].expand(-1, inputs.shape[1], -1)
            embedded = torch.cat([embedded, context], dim=2)
        hidden, layers = self.recurrent(embedded, state.layers)
        if self.attention is not None and memory.source is not None:
            read, _ = self.attention(hidden, *memory.source)
            hidden = torch.cat([hidden, read], dim=2)
        if memory.context is not None:
            hidden = torch.cat([hidden, context], dim=2)
        features = torch.tanh(self.readout(self.dropout(hidden)))
        return self.dropout(features), DecoderState(layers)

    def logits(self, features: Tensor) -> Tensor:
        """Score every piece of the vocabulary: (..., E) to (..., V)."""
        scores: Tensor = self.output(features)
        return scores

    if TYPE_CHECKING:
        __call__ = forward
