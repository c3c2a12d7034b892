"""Recipe section model: the shape of the network."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import RecipeSection, Share, diff_options

Cell = Literal["rnn", "gru", "lstm", "min_gru", "min_lstm"]


class StackOptions(RecipeSection):
    """What both halves say of their recurrent layers."""

    cell: Cell = Field(
        "gru",
        description="rnn (tanh), gru and lstm are the classics; min_gru and min_lstm "
        "train in parallel over time (Feng et al. 2024).",
    )
    layers: int = Field(2, ge=1, le=32)
    residual: bool = Field(
        False,
        description="Layers above the first add to what they read (Wu et al. 2016).",
    )
    layer_norm: bool = Field(
        False, description="Normalised cells (Ba et al. 2016): steadier, slower."
    )
    recurrent_dropout: Share = Field(
        0.0,
        description="Share of the state hidden from the gates, the same at every "
        "position (Gal and Ghahramani 2016); slower.",
    )

    @model_validator(mode="after")
    def _parallel_cells_have_no_loop(self) -> StackOptions:
        looped = self.layer_norm or self.recurrent_dropout > 0
        if self.cell.startswith("min_") and looped:
            raise ValueError(
                f"cell: {self.cell} has neither layer_norm nor recurrent_dropout, "
                "since its gates do not see its state; use gru or lstm"
            )
        return self


class EncoderOptions(StackOptions):
    """Many-to-one: a source sentence becomes a context vector."""

    hidden_size: int = Field(256, ge=1, description="Of each direction.")
    bidirectional: bool = True
    reverse_source: bool = Field(
        False,
        description="Read the source from its end (Sutskever et al. 2014, 3.3).",
    )


class DecoderOptions(StackOptions):
    """One-to-many: a context vector becomes a target sentence."""

    hidden_size: int = Field(512, ge=1)


class NoAttention(RecipeSection):
    """The context vector is the decoder's initial state (Sutskever et al. 2014)."""

    kind: Literal["none"]


class FixedContext(RecipeSection):
    """The decoder also reads the context vector at every step (Cho et al. 2014)."""

    kind: Literal["fixed"]


class AttentionOptions(RecipeSection):
    """The decoder reads all of the encoder's states, by likeness to its own.

    dot and general: Luong et al. 2015; additive: Bahdanau et al. 2015.
    """

    kind: Literal["dot", "general", "additive"]
    num_heads: int = Field(1, ge=1, le=64, description="Read so many times at once.")
    architecture: Literal["standard", "gnmt"] = Field(
        "standard",
        description="Which decoder layer asks: the top one, for the output (Luong et "
        "al. 2015), or the bottom one, for the layers above it (Wu et al. 2016).",
    )
    input_feeding: bool = Field(
        False,
        description="A step also reads what the step before made of its reading "
        "(Luong et al. 2015, 3.3); slower.",
    )
    coverage_loss_weight: float = Field(
        0.0,
        ge=0,
        description="Weight of a loss on reading the same place again (See et al. "
        "2017, 2.3).",
    )


class ModelOptions(RecipeSection):
    """The shape of the network."""

    embedding_size: int = Field(256, ge=1)
    encoder: EncoderOptions = EncoderOptions()
    decoder: DecoderOptions = DecoderOptions()
    attention: NoAttention | FixedContext | AttentionOptions = Field(
        FixedContext(kind="fixed"), discriminator="kind"
    )
    bridge: Literal["linear", "copy"] = Field(
        "linear",
        description="How the encoder's final state becomes the decoder's first: "
        "through a learned layer that fits any shapes, or as it is.",
    )
    dropout: Share = Field(
        0.2, description="On embeddings, between layers and before the output."
    )
    locked_dropout: bool = Field(
        False,
        description="Drop the same units at all positions of a sentence (Gal and "
        "Ghahramani 2016).",
    )
    word_dropout: Share = Field(
        0.0, description="Share of pieces that neither side sees (the same paper)."
    )
    tie_embeddings: Literal["none", "decoder", "all"] = Field(
        "decoder",
        description="Which matrices are one: none; the decoder's input and output "
        "(Press and Wolf 2017); or the encoder's input as well.",
    )

    @model_validator(mode="after")
    def _shapes_fit(self) -> ModelOptions:
        encoder, decoder, looks = self.encoder, self.decoder, self.attention
        width = encoder.hidden_size * (2 if encoder.bidirectional else 1)
        came = (encoder.cell == "lstm", encoder.layers, width)
        needed = (decoder.cell == "lstm", decoder.layers, decoder.hidden_size)
        if self.bridge == "copy" and came != needed:
            raise ValueError(
                f"bridge: copy needs equal shapes, but the encoder ends in "
                f"{encoder.layers} x {width} ({encoder.cell}) and the decoder starts "
                f"from {decoder.layers} x {decoder.hidden_size} ({decoder.cell}); "
                "make them equal or set bridge: linear"
            )
        if not isinstance(looks, AttentionOptions):
            return self
        if looks.kind == "dot" and width != decoder.hidden_size:
            raise ValueError(
                f"attention: dot compares the encoder's {width} numbers with the "
                f"decoder's {decoder.hidden_size}; make them equal or use general"
            )
        if width % looks.num_heads or decoder.hidden_size % looks.num_heads:
            raise ValueError(
                f"attention.num_heads is {looks.num_heads}, which does not divide the "
                f"encoder's {width} and the decoder's {decoder.hidden_size}"
            )
        if looks.architecture == "gnmt" and decoder.layers == 1:
            raise ValueError(
                "attention.architecture: gnmt needs a decoder of at least 2 layers, "
                "one to "
                "ask and one to read"
            )
        if looks.input_feeding and self.locked_dropout:
            raise ValueError(
                "locked_dropout cannot lock across steps with attention.input_feeding; "
                "turn one of them off"
            )
        return self

    def diff_options(self, other: ModelOptions) -> list[tuple[str, Any, Any]]:
        """Compare what decides on the weights' shapes and meaning.

        Returns:
            Keys whose values differ, with this one's and the other's; not what units
            are dropped in training.
        """
        found = diff_options(self.model_dump(), other.model_dump())
        return [each for each in found if not each[0].endswith("dropout")]
