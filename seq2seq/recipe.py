"""What a recipe may say: every key with its type, default and reason.

Knows names and limits of values; not YAML (recipe_file.py), tensors or files. Sizes are
counted in the unit that the key's name or description gives.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Cell = Literal["rnn", "gru", "lstm", "min_gru", "min_lstm"]
Language = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=32)]
SplitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=100)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class Options(BaseModel):
    """A section of a recipe: unknown keys are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )


class SplitOptions(Options):
    """Which split of the data serves as what."""

    train: SplitName = "train"
    valid: SplitName = "valid"
    test: SplitName = "test"


class DataOptions(Options):
    """Where sentence pairs come from and which of them are kept."""

    path: str = Field(
        min_length=1,
        description="A folder, a dataset on the Hugging Face Hub, or 'phrasebook', "
        "the corpus that is built in.",
    )
    config: str | None = Field(None, description="A Hub dataset's configuration.")
    revision: str | None = Field(None, description="A Hub dataset's revision.")
    source: Language = Field(description="The language to translate from.")
    target: Language = Field(description="The language to translate into.")
    splits: SplitOptions = SplitOptions()
    limit: int | None = Field(
        None, ge=1, description="Train on the first so many pairs only."
    )
    max_length: int = Field(
        100, ge=1, description="Longer sentences are not trained on, in pieces."
    )
    max_length_ratio: float = Field(
        5.0,
        gt=1.0,
        description="Pairs whose longer side has more than so many times the pieces "
        "of the shorter side, and over 10 more, are not trained on.",
    )
    drop_duplicates: bool = Field(True, description="Train on each distinct pair once.")
    drop_copies: bool = Field(
        True, description="Do not train on pairs whose target is the source."
    )

    @model_validator(mode="after")
    def _languages_differ(self) -> DataOptions:
        if self.source == self.target:
            raise ValueError(
                f"data.source and data.target are both {self.source!r}; "
                "a translation needs two languages"
            )
        return self


class TokenizerOptions(Options):
    """How SentencePiece cuts text into pieces (Kudo and Richardson 2018)."""

    kind: Literal["unigram", "bpe", "char"] = "unigram"
    vocab_size: int = Field(
        4000, ge=8, le=65_536, description="Pieces, the four control pieces included."
    )
    joint: bool = Field(
        True, description="One vocabulary for both languages, or one for each."
    )
    character_coverage: float | None = Field(
        None,
        ge=0.98,
        le=1.0,
        description="Share of the text's characters that get a piece. Left out: all "
        "of them, unless they would fill over half of the vocabulary.",
    )


class StackOptions(Options):
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


class NoAttention(Options):
    """The context vector is the decoder's initial state (Sutskever et al. 2014)."""

    kind: Literal["none"]


class FixedContext(Options):
    """The decoder also reads the context vector at every step (Cho et al. 2014)."""

    kind: Literal["fixed"]


class AttentionOptions(Options):
    """The decoder reads all of the encoder's states, by likeness to its own.

    dot and general: Luong et al. 2015; additive: Bahdanau et al. 2015.
    """

    kind: Literal["dot", "general", "additive"]
    heads: int = Field(1, ge=1, le=64, description="Read so many times at once.")
    layer: Literal["top", "bottom"] = Field(
        "top",
        description="Which decoder layer asks: the top one, for the output (Luong et "
        "al. 2015), or the bottom one, for the layers above it (Wu et al. 2016).",
    )
    input_feeding: bool = Field(
        False,
        description="A step also reads what the step before made of its reading "
        "(Luong et al. 2015, 3.3); slower.",
    )
    coverage: float = Field(
        0.0,
        ge=0,
        description="Weight of a loss on reading the same place again (See et al. "
        "2017, 2.3).",
    )


class ModelOptions(Options):
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
        if width % looks.heads or decoder.hidden_size % looks.heads:
            raise ValueError(
                f"attention.heads is {looks.heads}, which does not divide the "
                f"encoder's {width} and the decoder's {decoder.hidden_size}"
            )
        if looks.layer == "bottom" and decoder.layers == 1:
            raise ValueError(
                "attention.layer: bottom needs a decoder of at least 2 layers, one to "
                "ask and one to read"
            )
        if looks.input_feeding and self.locked_dropout:
            raise ValueError(
                "locked_dropout cannot lock across steps with attention.input_feeding; "
                "turn one of them off"
            )
        return self


class Adam(Options):
    """Adam (Kingma and Ba 2015); AdamW decays weights apart from the gradient."""

    kind: Literal["adam", "adamw"]
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)


class SGD(Options):
    """Stochastic gradient descent."""

    kind: Literal["sgd"]
    learning_rate: float = Field(0.5, gt=0)
    momentum: Share = 0.0
    weight_decay: float = Field(0.0, ge=0)


class Constant(Options):
    """One learning rate, after a linear warm-up."""

    kind: Literal["constant"]
    warmup_steps: int = Field(0, ge=0)


class InverseSqrt(Options):
    """Linear warm-up, then falling with the square root of the step."""

    kind: Literal["inverse_sqrt"]
    warmup_steps: int = Field(1000, ge=1)


class Cosine(Options):
    """Linear warm-up, then half a cosine down to `final` times the rate."""

    kind: Literal["cosine"]
    warmup_steps: int = Field(0, ge=0)
    final: Share = 0.01


class Plateau(Options):
    """Multiply the rate by `factor` when validation has not improved for a while."""

    kind: Literal["plateau"]
    warmup_steps: int = Field(0, ge=0)
    factor: float = Field(0.5, gt=0, lt=1)
    patience: int = Field(2, ge=1, description="In validations.")


class TrainOptions(Options):
    """How the network learns, and when it stops."""

    max_steps: int | None = Field(None, ge=1, description="In optimizer steps.")
    max_epochs: int | None = Field(None, ge=1)
    batch_tokens: int = Field(
        4096, ge=1, description="Padded pieces of the longer side in a batch."
    )
    accumulate: int = Field(1, ge=1, description="Batches to an optimizer step.")
    optimizer: Adam | SGD = Field(Adam(kind="adam"), discriminator="kind")
    schedule: Constant | InverseSqrt | Cosine | Plateau = Field(
        Constant(kind="constant"), discriminator="kind"
    )
    clip_norm: float | None = Field(
        1.0,
        gt=0,
        description="Longest gradient, in its Euclidean norm; null leaves it as it is "
        "(Pascanu et al. 2013).",
    )
    label_smoothing: Share = 0.1
    piece_sampling: Share = Field(
        0.0,
        description="Cut training text anew each time. unigram: the exponent of the "
        "segmentations' probabilities, smaller is wilder (Kudo 2018: 0.1 to 0.5); bpe: "
        "share of merges left out (Provilkov et al. 2020: 0.1). 0 is off.",
    )
    ema_decay: Share | None = Field(
        None,
        description="Validate and translate by a moving average of the weights, of "
        "which so much stays at each step; null for the weights themselves.",
    )
    validate_every: int = Field(500, ge=1, description="In optimizer steps.")
    checkpoint_every: int = Field(500, ge=1, description="In optimizer steps.")
    lens: bool = Field(
        False, description="Measure gradients, gates and exposure bias into lens.csv."
    )
    monitor: Literal["bleu", "loss"] = Field(
        "bleu", description="What the best checkpoint and early stopping go by."
    )
    patience: int | None = Field(
        None, ge=1, description="Stop after so many validations without a better one."
    )

    @model_validator(mode="after")
    def _it_ends(self) -> TrainOptions:
        if self.max_steps is None and self.max_epochs is None:
            raise ValueError("train needs max_steps or max_epochs, or it never ends")
        return self


class SearchOptions(Options):
    """How a translation is chosen."""

    beam_size: int = Field(5, ge=1, le=1000, description="1 is greedy search.")
    length_penalty: float = Field(
        1.0,
        ge=0,
        description="Hypotheses rank by log-probability / length ** length_penalty.",
    )
    max_length_ratio: float = Field(
        2.0,
        gt=0,
        description="A translation has at most so many times the source's pieces, "
        "and 10 more.",
    )


class Recipe(Options):
    """Everything that a training depends on."""

    description: str = Field("", description="One line for `seq2seq recipe ls`.")
    seed: int = Field(1, ge=0, lt=2**63)
    data: DataOptions
    tokenizer: TokenizerOptions = TokenizerOptions()
    model: ModelOptions = ModelOptions()
    train: TrainOptions
    search: SearchOptions = SearchOptions()

    @model_validator(mode="after")
    def _one_matrix_needs_one_vocabulary(self) -> Recipe:
        if self.model.tie_embeddings == "all" and not self.tokenizer.joint:
            raise ValueError(
                "model.tie_embeddings: all needs tokenizer.joint: true, "
                "since one matrix cannot serve two vocabularies"
            )
        return self
