"""One-to-many: a state becomes a sequence, one piece at a time or all at once.

Knows ids and states; not what the context was made of, and not how pieces are chosen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.nn.attention import Attention
from seq2seq.nn.dropout import SequenceDropout, WordDropout
from seq2seq.nn.rnn_stack import RNNStack, RNNStateShape
from seq2seq.types import DecoderOutput, DecoderState, Memory, RNNState


class Decoder(nn.Module):
    """Run a recurrent stack over target pieces and score the next one.

    Where the memory holds a context vector, it is read at every step, and again by
    the output layer (Cho et al. 2014, section 2.2 and appendix A.1.2). With attention
    the states of `lower` ask, and what they read goes to the output layer (Luong et
    al. 2015, section 3) and to every layer of `upper`, if there is one (Wu et al.
    2016, section 3). Without either, the initial state is all that the decoder knows
    of the source (Sutskever et al. 2014).

    Args:
        embedding: A vector for each target piece, (V, E).
        lower: The layers below attention; they read E + context_size numbers a step,
            and E more with input feeding.
        upper: The layers above attention; they read lower's states, and beside them
            what attention read.
        context_size: C, or 0 where there is no context vector at every step.
        attention: How the source is read, if so.
        read_size: Size of what attention reads.
        input_feeding: Whether a step also reads the features of the step before (Luong
            et al. 2015, section 3.3). Then time passes in Python.
        dropout: What becomes of units of embeddings, between layers and before the
            output.
        word_dropout: What becomes of whole embeddings.
        tied: Whether the output matrix is the embedding (Press and Wolf 2017).
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        lower: RNNStack,
        *,
        upper: RNNStack | None = None,
        context_size: int = 0,
        attention: Attention | None = None,
        read_size: int = 0,
        input_feeding: bool = False,
        dropout: SequenceDropout,
        word_dropout: WordDropout,
        tied: bool = False,
    ) -> None:
        super().__init__()
        pieces, size = embedding.weight.shape
        self.embedding = embedding
        self.scale = math.sqrt(size)  # As in the encoder.
        self.lower = lower
        self.upper = upper
        self.context_size = context_size
        self.attention = attention
        self.input_feeding = input_feeding
        self.dropout = dropout
        self.word_dropout = word_dropout
        layers = lower.shape.num_layers + (
            0 if upper is None else upper.shape.num_layers
        )
        self.shape = RNNStateShape(lower.shape.num_components, layers, lower.size)
        self.readout = nn.Linear(lower.size + context_size + read_size, size)
        self.output = nn.Linear(size, pieces)
        nn.init.zeros_(self.output.bias)
        if tied:
            self.output.weight = embedding.weight

    def start(self, layers: RNNState) -> DecoderState:
        """Begin from these layers' states, each part (N, L, H)."""
        if not self.input_feeding:
            return DecoderState(layers)
        size = self.embedding.embedding_dim
        return DecoderState(layers, layers[0].new_zeros(len(layers[0]), size))

    def forward(
        self, inputs: Tensor, state: DecoderState, memory: Memory
    ) -> DecoderOutput:
        """Read pieces and describe what should follow each of them.

        The same code serves a whole target (T pieces) and one step of a search (one).

        Args:
            inputs: Pieces, (N, T), or (R, T) where several rows share a sentence.
            state: The state before the first of them.
            memory: What may be read at every step, a row for each sentence.

        Returns:
            Features for `logits`, attention's weights, and the state after the last
            piece.
        """
        embedded = self.word_dropout(self.embedding(inputs) * self.scale)
        embedded = self.dropout(embedded)
        if state.input_feed is None:
            return self._run(embedded, state, memory)
        steps = []
        for position in range(inputs.shape[1]):
            assert state.input_feed is not None
            read = torch.cat([embedded[:, position], state.input_feed], dim=1)
            steps.append(self._run(read[:, None], state, memory))
            state = steps[-1].state
        features = torch.cat([step.features for step in steps], dim=1)
        weights = [step.attention for step in steps if step.attention is not None]
        return DecoderOutput(
            features, torch.cat(weights, dim=1) if weights else None, state
        )

    def _run(self, read: Tensor, state: DecoderState, memory: Memory) -> DecoderOutput:
        """Take as many steps as are known, in one call of every layer."""
        context = None
        if memory.context is not None:
            beams = len(read) // len(memory.context)
            context = memory.context.repeat_interleave(beams, dim=0)
            context = context[:, None].expand(-1, read.shape[1], -1)
            read = torch.cat([read, context], dim=2)
        below = self.lower.shape.num_layers
        layers = tuple(part[:, :below] for part in state.hidden)
        hidden, layers = self.lower(read, layers)
        told, weights = [] if context is None else [context], None
        if self.attention is not None and memory.source is not None:
            looked, weights = self.attention(hidden, memory.source)
            told.append(looked)
        if self.upper is not None:
            above = tuple(part[:, below:] for part in state.hidden)
            dropped = self.dropout(hidden)
            beside = self.dropout(torch.cat(told, dim=2))
            hidden, above = self.upper(dropped, above, beside=beside)
            layers = tuple(
                torch.cat(parts, dim=1) for parts in zip(layers, above, strict=True)
            )
        joined = torch.cat([hidden, *told], dim=2)
        features = torch.tanh(self.readout(self.dropout(joined)))
        fed = features[:, -1] if self.input_feeding else None
        return DecoderOutput(self.dropout(features), weights, DecoderState(layers, fed))

    def logits(self, features: Tensor) -> Tensor:
        """Score every piece of the vocabulary: (..., E) to (..., V)."""
        scores: Tensor = self.output(features)
        return scores

    if TYPE_CHECKING:
        __call__ = forward
