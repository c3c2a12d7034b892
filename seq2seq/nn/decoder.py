"""Recurrent decoder: target tokens and the encoded source to features and logits."""

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
    """Recurrent stack over target tokens, with a readout that predicts the next one.

    With a fixed context vector, it is concatenated to the input and to the readout's
    input at every step (Cho et al. 2014, section 2.2 and appendix A.1.2). With
    attention, the states of `bottom_rnn` are the queries, and the context goes to the
    readout (Luong et al. 2015, section 3) and to every layer of `top_rnn`, if there is
    one (Wu et al. 2016, section 3). Without either, the source enters through the
    initial state alone (Sutskever et al. 2014).

    Args:
        embedding: Target embeddings, (V, E).
        bottom_rnn: Layers below attention, with E + context_size inputs, and E more
            with input feeding.
        top_rnn: Layers above attention; their input is bottom_rnn's output and, as
            extra input, the context.
        context_size: C, size of the fixed context vector; 0 without one.
        attention: Attention over the source, if any.
        value_size: Size of attention's context; 0 without attention.
        input_feeding: Whether to concatenate the features of the previous step to the
            input (Luong et al. 2015, section 3.3). Time is then a Python loop.
        dropout: Applied to embeddings, between layers, before the readout and before
            the output layer.
        word_dropout: Applied to whole embeddings.
        tied: Whether the output matrix is the embedding (Press and Wolf 2017).
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        bottom_rnn: RNNStack,
        *,
        top_rnn: RNNStack | None = None,
        context_size: int = 0,
        attention: Attention | None = None,
        value_size: int = 0,
        input_feeding: bool = False,
        dropout: SequenceDropout,
        word_dropout: WordDropout,
        tied: bool = False,
    ) -> None:
        super().__init__()
        vocab_size, size = embedding.weight.shape
        self.embedding = embedding
        self.scale = math.sqrt(size)  # As in the encoder.
        self.bottom_rnn = bottom_rnn
        self.top_rnn = top_rnn
        self.context_size = context_size
        self.attention = attention
        self.input_feeding = input_feeding
        self.dropout = dropout
        self.word_dropout = word_dropout
        bottom = bottom_rnn.shape
        num_top_layers = 0 if top_rnn is None else top_rnn.shape.num_layers
        self.shape = RNNStateShape(
            bottom.num_components, bottom.num_layers + num_top_layers, bottom.size
        )
        self.readout = nn.Linear(bottom.size + context_size + value_size, size)
        self.output_layer = nn.Linear(size, vocab_size)
        nn.init.zeros_(self.output_layer.bias)
        if tied:
            self.output_layer.weight = embedding.weight

    def init_state(self, hidden: RNNState) -> DecoderState:
        """Return the initial state, given the layers', each component (N, L, H)."""
        if not self.input_feeding:
            return DecoderState(hidden)
        size = self.embedding.embedding_dim
        return DecoderState(hidden, hidden[0].new_zeros(len(hidden[0]), size))

    def forward(
        self, inputs: Tensor, state: DecoderState, memory: Memory
    ) -> DecoderOutput:
        """Decode given target tokens: a whole target, or one step of a search (T = 1).

        Args:
            inputs: Token ids, (N, T), or (R, T) where several rows share a sentence.
            state: State before the first token.
            memory: The encoded source, one row per sentence.

        Returns:
            Features for `logits`, attention weights and the state after the last token.
        """
        embedded = self.word_dropout(self.embedding(inputs) * self.scale)  # (N, T, E)
        embedded = self.dropout(embedded)
        if state.input_feed is None:
            return self._forward_layers(embedded, state, memory)
        steps = []
        for position in range(inputs.shape[1]):
            assert state.input_feed is not None
            step_input = torch.cat([embedded[:, position], state.input_feed], dim=1)
            steps.append(self._forward_layers(step_input[:, None], state, memory))
            state = steps[-1].state
        return concatenate_outputs(steps)

    def _forward_layers(
        self, inputs: Tensor, state: DecoderState, memory: Memory
    ) -> DecoderOutput:
        """Run all layers over known inputs, (N, T, E or more), one call per layer."""
        contexts, weights = [], None
        if memory.context is not None:
            num_beams = len(inputs) // len(memory.context)
            context = memory.context.repeat_interleave(num_beams, dim=0)  # (R, C)
            context = context[:, None].expand(-1, inputs.shape[1], -1)  # (R, T, C)
            inputs = torch.cat([inputs, context], dim=2)
            contexts.append(context)
        num_bottom = self.bottom_rnn.shape.num_layers
        bottom_state = tuple(part[:, :num_bottom] for part in state.hidden)
        states, final = self.bottom_rnn(inputs, bottom_state)  # (R, T, H)
        if self.attention is not None and memory.source is not None:
            context, weights = self.attention(states, memory.source)
            contexts.append(context)
        if self.top_rnn is not None:
            top_state = tuple(part[:, num_bottom:] for part in state.hidden)
            top_input = self.dropout(states)
            extra_input = self.dropout(torch.cat(contexts, dim=2))
            states, top_final = self.top_rnn(
                top_input, top_state, extra_input=extra_input
            )
            final = tuple(
                torch.cat(parts, dim=1) for parts in zip(final, top_final, strict=True)
            )
        joined = torch.cat([states, *contexts], dim=2)  # (R, T, H + C)
        features = torch.tanh(self.readout(self.dropout(joined)))  # (R, T, E)
        input_feed = features[:, -1] if self.input_feeding else None
        return DecoderOutput(
            self.dropout(features), weights, DecoderState(final, input_feed)
        )

    def logits(self, features: Tensor) -> Tensor:
        """Score every token of the vocabulary: (..., E) to (..., V)."""
        logits: Tensor = self.output_layer(features)
        return logits

    if TYPE_CHECKING:
        __call__ = forward


def concatenate_outputs(outputs: list[DecoderOutput]) -> DecoderOutput:
    """Concatenate the outputs of consecutive target segments over time."""
    features = torch.cat([output.features for output in outputs], dim=1)
    weights = [output.attention for output in outputs if output.attention is not None]
    attention = torch.cat(weights, dim=1) if weights else None  # (N, T, S)
    return DecoderOutput(features, attention, outputs[-1].state)
