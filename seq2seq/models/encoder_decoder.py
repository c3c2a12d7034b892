"""READ FIRST: the encoder-decoder model for sequence-to-sequence translation.

It depends on the recipe's model section and token ids only. Training wraps it in
training/lightning_module.py; translation uses it without Lightning, whose import takes
longer than translating a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor, nn

from seq2seq.nn.attention import Attention, coverage_loss
from seq2seq.nn.bridge import CopyBridge, LinearBridge, context_vector
from seq2seq.nn.decoder import Decoder, concatenate_outputs
from seq2seq.nn.dropout import SequenceDropout, WordDropout
from seq2seq.nn.encoder import Encoder
from seq2seq.nn.loss import LossOutput, chunked_cross_entropy, log_softmax
from seq2seq.nn.rnn_stack import RNNStack
from seq2seq.recipe import (
    AttentionOptions,
    DecoderOptions,
    EncoderOptions,
    FixedContext,
    ModelOptions,
)
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
    """Recurrent encoder-decoder, with or without attention.

    For source tokens x_1..x_S and target tokens y_1..y_T, with y_0 = BOS:

        e_s  = sqrt(E) * Embedding(x_s)                 source embedding
        h_s  = EncoderRNN(e_s, h_(s-1))                 both directions concatenated
        d_0  = tanh(W h_S), or h_S                      bridge (linear, copy)
        i_t  = sqrt(E) * Embedding(y_(t-1))             target embedding
        d_t  = DecoderRNN([i_t; c; r_(t-1)], d_(t-1))   c if fixed, r with input feeding
        c_t  = sum_s softmax_s(score(d_t, h_s)) h_s     attention; c_t = h_S if fixed
        r_t  = tanh(W_r [d_t; c_t])                     readout (attentional vector)
        p(y_t | y_<t, x) = softmax(W_o r_t + b_o)

    With the gnmt architecture d_t in c_t is the state of the bottom decoder layer, and
    c_t is an extra input of the layers above it.

    Args:
        options: The recipe's model section.
        source_vocab_size: Size of the source vocabulary.
        target_vocab_size: Size of the target vocabulary.

    Source: Sutskever et al. 2014 (encoder-decoder); Cho et al. 2014 (fixed context);
    Bahdanau et al. 2015, Luong et al. 2015 (attention); Wu et al. 2016 (gnmt).
    """

    def __init__(
        self, options: ModelOptions, *, source_vocab_size: int, target_vocab_size: int
    ) -> None:
        super().__init__()
        size = options.embedding_size
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
            rnn_stack(options, options.encoder, size),
            dropout=dropout,
            word_dropout=word_dropout,
            reverse=options.encoder.reverse_source,
        )
        self.decoder = _decoder(
            options, target_embedding, self.encoder.rnn, dropout, word_dropout
        )
        self.bridge: CopyBridge | LinearBridge = (
            CopyBridge()
            if options.bridge == "copy"
            else LinearBridge(self.encoder.rnn.shape, self.decoder.shape)
        )
        self.coverage_loss_weight = (
            options.attention.coverage_loss_weight
            if isinstance(options.attention, AttentionOptions)
            else 0.0
        )

    def forward(
        self, batch: Batch, *, smoothing: float = 0.0, truncate: int | None = None
    ) -> LossOutput:
        """Compute the loss of a batch, summed over real target tokens.

        Teacher forcing (Williams and Zipser 1989): the reference is the decoder's
        input, so all positions take one call.

        Args:
            batch: Sentence pairs.
            smoothing: Label smoothing, in [0, 1).
            truncate: As in `forward_decoder`.
        """
        output = self.forward_decoder(batch, truncate=truncate)
        loss = chunked_cross_entropy(
            output.features.flatten(0, 1),  # (N * T, E)
            self.decoder.output_layer,
            batch.targets.flatten(),  # (N * T,)
            smoothing=smoothing,
        )
        if self.coverage_loss_weight and self.training and output.attention is not None:
            coverage = coverage_loss(output.attention, batch.targets != PAD)
            loss = loss._replace(loss=loss.loss + self.coverage_loss_weight * coverage)
        return loss

    def forward_decoder(
        self, batch: Batch, *, truncate: int | None = None
    ) -> DecoderOutput:
        """Encode the source and run the decoder over the reference (teacher forcing).

        Args:
            batch: Sentence pairs.
            truncate: Truncated backpropagation through time (Williams and Peng 1990):
                the number of target positions after which the state is detached from
                the gradient; None for whole sentences.
        """
        encoded = self.encoder(batch.source, batch.source_lengths)
        state, memory = self.init_decoder(encoded)
        if truncate is None:
            return self.decoder(batch.inputs, state, memory)
        outputs = []
        for inputs in batch.inputs.split(truncate, dim=1):  # (N, truncate)
            outputs.append(self.decoder(inputs, state, memory))
            state = outputs[-1].state.detach()
        return concatenate_outputs(outputs)._replace(state=state)

    def init_decoder(self, encoded: EncoderOutput) -> tuple[DecoderState, Memory]:
        """Return the decoder's initial state and its memory of the source."""
        state = self.decoder.init_state(self.bridge(encoded.final_state))
        if self.decoder.attention is not None:
            keys = self.decoder.attention.compute_keys(encoded.states)  # (N, S, Q)
            return state, Memory(
                source=AttentionMemory(keys, encoded.states, encoded.mask)
            )
        if self.decoder.context_size:
            return state, Memory(context_vector(encoded.final_state))  # (N, C)
        return state, Memory()

    def step_features(
        self, last: Tensor, state: DecoderState, memory: Memory
    ) -> DecoderFeatures[DecoderState]:
        """Run one decoding step up to the input of the output layer.

        Args:
            last: Previous token of each row, (R,); rows of a sentence are consecutive,
                and each sentence has equally many.
            state: State before the step, with R rows.
            memory: Memory of the source, one row per sentence.
        """
        output = self.decoder(last[:, None], state, memory)
        weights = None if output.attention is None else output.attention[:, 0]  # (R, S)
        return DecoderFeatures(output.features[:, 0], output.state, weights)

    def step(
        self,
        last: Tensor,
        state: DecoderState,
        memory: Memory,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[DecoderState]:
        """Run one decoding step.

        Args:
            last: As in `step_features`.
            state: As in `step_features`.
            memory: As in `step_features`.
            unnormalized: If True, return logits: sufficient for argmax, and it skips
                the log-softmax.
        """
        output = self.step_features(last, state, memory)
        scores = self.decoder.logits(output.features).float()  # (R, V)
        if not unnormalized:
            scores = log_softmax(scores)
        return StepOutput(scores, output.state, output.attention, unnormalized)

    if TYPE_CHECKING:
        __call__ = forward


def _decoder(
    options: ModelOptions,
    embedding: nn.Embedding,
    encoder_rnn: RNNStack,
    dropout: SequenceDropout,
    word_dropout: WordDropout,
) -> Decoder:
    """Build the decoder: its layers, split in two for gnmt, and its attention."""
    attention_options, hidden_size = options.attention, options.decoder.hidden_size
    input_size, num_bottom_layers = options.embedding_size, options.decoder.layers
    context_size, value_size, input_feeding = 0, 0, False
    attention: Attention | None = None
    top_rnn: RNNStack | None = None
    if isinstance(attention_options, FixedContext):
        context_size = encoder_rnn.shape.num_layers * encoder_rnn.size
        input_size += context_size
    elif isinstance(attention_options, AttentionOptions):
        value_size = encoder_rnn.size
        attention = Attention(
            hidden_size,
            value_size,
            kind=attention_options.kind,
            num_heads=attention_options.num_heads,
        )
        input_feeding = attention_options.input_feeding
        if input_feeding:
            input_size += options.embedding_size
        if attention_options.architecture == "gnmt":
            num_bottom_layers = 1
            top_rnn = rnn_stack(
                options,
                options.decoder,
                hidden_size,
                layers=options.decoder.layers - 1,
                extra_input_size=value_size,
            )
    return Decoder(
        embedding,
        rnn_stack(options, options.decoder, input_size, layers=num_bottom_layers),
        top_rnn=top_rnn,
        context_size=context_size,
        attention=attention,
        value_size=value_size,
        input_feeding=input_feeding,
        dropout=dropout,
        word_dropout=word_dropout,
        tied=options.tie_embeddings != "none",
    )


class DropoutRates(Protocol):
    """A recipe's model section, of any task."""

    @property
    def dropout(self) -> float:
        """Dropout rate between layers."""
        ...

    @property
    def locked_dropout(self) -> bool:
        """Whether a sentence has one mask for all positions."""
        ...


def rnn_stack(
    options: DropoutRates,
    stack: EncoderOptions | DecoderOptions,
    input_size: int,
    *,
    layers: int | None = None,
    extra_input_size: int = 0,
) -> RNNStack:
    """Build the recurrent layers of an encoder or a decoder, all of them if None."""
    return RNNStack(
        input_size,
        stack.hidden_size,
        cell=stack.cell,
        layers=stack.layers if layers is None else layers,
        bidirectional=isinstance(stack, EncoderOptions) and stack.bidirectional,
        dropout=options.dropout,
        locked=options.locked_dropout,
        residual=stack.residual,
        layer_norm=stack.layer_norm,
        recurrent_dropout=stack.recurrent_dropout,
        extra_input_size=extra_input_size,
        chrono_span=stack.chrono_span,
    )


def _embedding(vocab_size: int, size: int) -> nn.Embedding:
    """Build an embedding; it starts small, since it may be the output matrix too."""
    embedding = nn.Embedding(vocab_size, size)
    nn.init.normal_(embedding.weight, std=size**-0.5)
    return embedding
