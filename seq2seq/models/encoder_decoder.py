"""READ FIRST: the translator, an encoder and a decoder joined by a context vector.

Knows the recipe's model section and ids; not Lightning, text or files. Training wraps
it in training/lightning_module.py; translating uses it alone, since importing Lightning
takes longer than translating a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seq2seq.nn.attention import Attention, coverage_loss
from seq2seq.nn.bridge import CopyBridge, LinearBridge, context_vector
from seq2seq.nn.decoder import Decoder
from seq2seq.nn.dropout import SequenceDropout, WordDropout
from seq2seq.nn.encoder import Encoder
from seq2seq.nn.loss import LossOutput, chunked_cross_entropy, log_softmax
from seq2seq.nn.rnn_stack import RNNStack
from seq2seq.recipe import DecoderOptions, EncoderOptions, ModelOptions
from seq2seq.types import (
    PAD,
    AttentionMemory,
    Batch,
    DecoderFeatures,
    DecoderOutput,
    DecoderState,
    EncoderOutput,
    Memory,
    StepOutput,
)


class EncoderDecoder(nn.Module):
    """Sequence to sequence: many-to-one, then one-to-many.

    Args:
        options: The recipe's model section.
        source_vocab_size: Size of the source vocabulary.
        target_vocab_size: Size of the target vocabulary.

    Source: Sutskever et al. 2014; Cho et al. 2014.
    """

    def __init__(
        self, options: ModelOptions, *, source_vocab_size: int, target_vocab_size: int
    ) -> None:
        super().__init__()
        size = options.embedding_size
        self.coverage = 0.0
        source_embedding = _embedding(source_vocab_size, size)
        target_embedding = (
            source_embedding
            if options.tie_embeddings == "all"
            else _embedding(target_vocab_size, size)
        )
        dropout = SequenceDropout(options.dropout, locked=options.locked_dropout)
        word_dropout = WordDropout(options.word_dropout)
        self.encoder = Encoder(
            source_embedding,
            _stack(options, options.encoder, size),
            dropout=dropout,
            word_dropout=word_dropout,
            reverse=options.encoder.reverse_source,
        )
        reader = self.encoder.recurrent
        context_size, read_size, fed_size = 0, 0, 0
        lower, upper = options.decoder, None
        attention, looks = None, options.attention
        if looks.kind == "fixed":
            context_size = reader.shape.num_layers * reader.size
        elif looks.kind != "none":
            self.coverage = looks.coverage_loss_weight
            read_size = reader.size
            fed_size = size if looks.input_feeding else 0
            attention = Attention(
                lower.hidden_size, read_size, kind=looks.kind, num_heads=looks.num_heads
            )
            if looks.architecture == "gnmt":
                above = lower.model_copy(update={"layers": lower.layers - 1})
                lower = lower.model_copy(update={"layers": 1})
                upper = _stack(options, above, lower.hidden_size, beside=read_size)
        self.decoder = Decoder(
            target_embedding,
            _stack(options, lower, size + context_size + fed_size),
            upper=upper,
            context_size=context_size,
            attention=attention,
            read_size=read_size,
            input_feeding=fed_size > 0,
            dropout=dropout,
            word_dropout=word_dropout,
            tied=options.tie_embeddings != "none",
        )
        self.bridge: CopyBridge | LinearBridge = (
            CopyBridge()
            if options.bridge == "copy"
            else LinearBridge(reader.shape, self.decoder.shape)
        )

    def forward(
        self, batch: Batch, *, smoothing: float = 0.0, truncate: int | None = None
    ) -> LossOutput:
        """Sum the loss of every real target token of a batch.

        The decoder reads the true target (teacher forcing, Williams and Zipser 1989),
        so it runs over all positions in one call.

        Args:
            batch: Sentence pairs.
            smoothing: Share of probability spread over the vocabulary.
            truncate: As in `decode`.
        """
        decoded = self.decode(batch, truncate=truncate)
        loss = chunked_cross_entropy(
            decoded.features.flatten(0, 1),
            self.decoder.output,
            batch.targets.flatten(),
            smoothing=smoothing,
        )
        if self.coverage and self.training and decoded.attention is not None:
            repeated = coverage_loss(decoded.attention, batch.targets != PAD)
            loss = loss._replace(loss=loss.loss + self.coverage * repeated)
        return loss

    def decode(self, batch: Batch, *, truncate: int | None = None) -> DecoderOutput:
        """Read sources and true targets; its weights align the two.

        Args:
            batch: Sentence pairs.
            truncate: Target positions after which the state goes on but gradients do
                not come back: truncated backpropagation through time (Williams and
                Peng 1990); None for whole sentences.
        """
        encoded = self.encoder(batch.source, batch.source_lengths)
        state, memory = self.start(encoded)
        if truncate is None:
            return self.decoder(batch.inputs, state, memory)
        parts = []
        for inputs in batch.inputs.split(truncate, dim=1):
            parts.append(self.decoder(inputs, state, memory))
            state = parts[-1].state.detach()
        features = torch.cat([part.features for part in parts], dim=1)
        weights = [part.attention for part in parts if part.attention is not None]
        return DecoderOutput(
            features, torch.cat(weights, dim=1) if weights else None, state
        )

    def start(self, encoded: EncoderOutput) -> tuple[DecoderState, Memory]:
        """Turn what was read into where the decoder starts and what it may look at."""
        state = self.decoder.start(self.bridge(encoded.final_state))
        if self.decoder.attention is not None:
            keys = self.decoder.attention.keys(encoded.states)
            return state, Memory(
                source=AttentionMemory(keys, encoded.states, encoded.mask)
            )
        if self.decoder.context_size:
            return state, Memory(context_vector(encoded.final_state))
        return state, Memory()

    def features(
        self, last: Tensor, state: DecoderState, memory: Memory
    ) -> DecoderFeatures[DecoderState]:
        """Take one step of a search, up to what pieces are scored by.

        Args:
            last: The piece before, (R,): as many rows of every sentence, one sentence
                after another.
            state: The state before it was read.
            memory: What may be read at every step, a row for each sentence.
        """
        decoded = self.decoder(last[:, None], state, memory)
        weights = None if decoded.attention is None else decoded.attention[:, 0]
        return DecoderFeatures(decoded.features[:, 0], decoded.state, weights)

    def step(
        self,
        last: Tensor,
        state: DecoderState,
        memory: Memory,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[DecoderState]:
        """Take one step of a search, given what `features` is.

        Args:
            last: As in `features`.
            state: As in `features`.
            memory: As in `features`.
            unnormalized: Whether the largest of a row is all that matters; without
                their sum scores take less time.
        """
        found = self.features(last, state, memory)
        scores = self.decoder.logits(found.features).float()
        if not unnormalized:
            scores = log_softmax(scores)
        return StepOutput(scores, found.state, found.attention, unnormalized)

    if TYPE_CHECKING:
        __call__ = forward


def _stack(
    options: ModelOptions,
    stack: EncoderOptions | DecoderOptions,
    input_size: int,
    *,
    beside: int = 0,
) -> RNNStack:
    """Build one side's layers."""
    both = isinstance(stack, EncoderOptions) and stack.bidirectional
    return RNNStack(
        input_size,
        stack.hidden_size,
        cell=stack.cell,
        layers=stack.layers,
        bidirectional=both,
        dropout=options.dropout,
        locked=options.locked_dropout,
        residual=stack.residual,
        layer_norm=stack.layer_norm,
        recurrent_dropout=stack.recurrent_dropout,
        beside_size=beside,
    )


def _embedding(pieces: int, size: int) -> nn.Embedding:
    """Make a table with a vector for each piece; small, since it may be the output."""
    embedding = nn.Embedding(pieces, size)
    nn.init.normal_(embedding.weight, std=size**-0.5)
    return embedding
