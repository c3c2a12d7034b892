"""Recipe section model: the encoder-decoder network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import ModelSection, RecipeSection, Share, allow_kind_alone

Cell = Literal["rnn", "gru", "lstm", "min_gru", "min_lstm"]


class StackOptions(RecipeSection):
    """A stack of recurrent layers."""

    cell: Cell = Field(
        "gru",
        description="Recurrent cell. rnn is the tanh cell; min_gru and min_lstm train "
        "in parallel over time (Feng et al. 2024).",
    )
    layers: int = Field(
        2, ge=1, le=32, description="Number of stacked recurrent layers."
    )
    residual: bool = Field(
        False,
        description="Residual connections around the layers above the first (Wu et "
        "al. 2016).",
    )
    layer_norm: bool = Field(
        False, description="Layer-normalised cells (Ba et al. 2016): stabler, slower."
    )
    recurrent_dropout: Share = Field(
        0.0,
        description="Recurrent dropout (Gal and Ghahramani 2016): dropout rate of the "
        "hidden state that the gates read, one mask for all positions; slower.",
    )
    chrono_span: int | None = Field(
        None,
        ge=2,
        description="Chrono initialisation (Tallec and Ollivier 2018): the number of "
        "positions over which gates start to remember. null: an LSTM's forget gate "
        "has bias 1, other gates 0.",
    )

    @model_validator(mode="after")
    def _check_cell_options(self) -> StackOptions:
        needs_state = self.layer_norm or self.recurrent_dropout > 0
        if self.cell.startswith("min_") and needs_state:
            raise ValueError(
                f"cell: {self.cell} has neither layer_norm nor recurrent_dropout, "
                "since its gates do not depend on its state; use gru or lstm"
            )
        if self.cell == "rnn" and self.chrono_span is not None:
            raise ValueError(
                f"chrono_span is {self.chrono_span}, but cell: rnn has no gates to "
                "initialise; use lstm or gru, or chrono_span: null"
            )
        return self


class EncoderOptions(StackOptions):
    """Encoder: a source sentence becomes states and a context vector (many-to-one)."""

    hidden_size: int = Field(256, ge=1, description="Hidden units of each direction.")
    bidirectional: bool = Field(
        True, description="Run a second stack over the reversed source."
    )
    reverse_source: bool = Field(
        False,
        description="Reverse the source (Sutskever et al. 2014, 3.3).",
    )


class DecoderOptions(StackOptions):
    """Decoder: a context vector becomes a target sentence (one-to-many)."""

    hidden_size: int = Field(512, ge=1, description="Hidden units.")


class NoAttention(RecipeSection):
    """The context vector initialises the decoder (Sutskever et al. 2014)."""

    kind: Literal["none"]


class FixedContext(RecipeSection):
    """The context vector is also an input of every decoder step (Cho et al. 2014)."""

    kind: Literal["fixed"]


class AttentionOptions(RecipeSection):
    """Attention over the encoder states.

    dot and general: Luong et al. 2015; additive: Bahdanau et al. 2015.
    """

    kind: Literal["dot", "general", "additive"]
    num_heads: int = Field(1, ge=1, le=64, description="Number of attention heads.")
    architecture: Literal["standard", "gnmt"] = Field(
        "standard",
        description="Decoder layer that provides the query. standard: the top one; "
        "the context goes to the output (Luong et al. 2015). gnmt: the bottom one; "
        "the context goes to the layers above it (Wu et al. 2016).",
    )
    input_feeding: bool = Field(
        False,
        description="Input feeding (Luong et al. 2015, 3.3): the previous attentional "
        "vector is concatenated to the decoder input. Disables the fused RNN, so it "
        "is slower.",
    )
    coverage_loss_weight: float = Field(
        0.0,
        ge=0,
        description="Weight of the coverage loss (See et al. 2017, 2.3), which "
        "penalises repeated attention to a source position.",
    )


class ModelOptions(ModelSection):
    """The encoder-decoder network."""

    embedding_size: int = Field(256, ge=1, description="Size of token embeddings.")
    encoder: EncoderOptions = EncoderOptions()
    decoder: DecoderOptions = DecoderOptions()
    attention: NoAttention | FixedContext | AttentionOptions = Field(
        FixedContext(kind="fixed"),
        discriminator="kind",
        json_schema_extra=allow_kind_alone,
    )
    bridge: Literal["linear", "copy"] = Field(
        "linear",
        description="How the encoder's final state initialises the decoder: through a "
        "learned linear layer, for any shapes, or copied.",
    )
    dropout: Share = Field(
        0.2,
        description="Dropout rate on embeddings, between layers and before the output.",
    )
    locked_dropout: bool = Field(
        False,
        description="Locked dropout: one mask for all positions of a sentence (Gal "
        "and Ghahramani 2016).",
    )
    word_dropout: Share = Field(
        0.0,
        description="Word dropout: rate at which whole token embeddings are zeroed, "
        "on both sides (Gal and Ghahramani 2016).",
    )
    tie_embeddings: Literal["none", "decoder", "all"] = Field(
        "decoder",
        description="Weight tying (Press and Wolf 2017). decoder: the decoder's input "
        "and output embeddings are one matrix; all: the encoder's as well.",
    )

    @model_validator(mode="after")
    def _check_shapes(self) -> ModelOptions:
        encoder, decoder, attention = self.encoder, self.decoder, self.attention
        width = encoder.hidden_size * (2 if encoder.bidirectional else 1)
        encoder_shape = (encoder.cell == "lstm", encoder.layers, width)
        decoder_shape = (decoder.cell == "lstm", decoder.layers, decoder.hidden_size)
        if self.bridge == "copy" and encoder_shape != decoder_shape:
            raise ValueError(
                f"bridge: copy needs equal shapes, but the encoder ends in "
                f"{encoder.layers} x {width} ({encoder.cell}) and the decoder starts "
                f"from {decoder.layers} x {decoder.hidden_size} ({decoder.cell}); "
                "make them equal or set bridge: linear"
            )
        if not isinstance(attention, AttentionOptions):
            return self
        if attention.kind == "dot" and width != decoder.hidden_size:
            raise ValueError(
                f"attention: dot compares the encoder's {width} numbers with the "
                f"decoder's {decoder.hidden_size}; make them equal or use general"
            )
        if width % attention.num_heads or decoder.hidden_size % attention.num_heads:
            raise ValueError(
                f"attention.num_heads is {attention.num_heads}, which does not divide "
                f"the encoder's {width} and the decoder's {decoder.hidden_size}"
            )
        if attention.architecture == "gnmt" and decoder.layers == 1:
            raise ValueError(
                "attention.architecture: gnmt needs a decoder of at least 2 layers, "
                "one for the query and one to take the context"
            )
        if attention.input_feeding and self.locked_dropout:
            raise ValueError(
                "locked_dropout cannot lock across steps with attention.input_feeding; "
                "turn one of them off"
            )
        return self
