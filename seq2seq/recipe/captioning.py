"""The recipe of a captioning: one-to-many, a text for a picture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import (
    BaseRecipe,
    ModelSection,
    RecipeSection,
    Share,
    allow_kind_alone,
)
from seq2seq.recipe.data import Language, SplitOptions, SubwordOptions
from seq2seq.recipe.model import AttentionOptions, DecoderOptions, NoAttention
from seq2seq.recipe.train import TrainOptions


class CaptioningData(RecipeSection):
    """Pictures with their captions."""

    path: str = Field(
        min_length=1,
        description="A folder with SPLIT.npy, pixels (N, C, H, W) of uint8 or features "
        "(N, P, F) of floats, and SPLIT.LANGUAGE, a caption in each line; or shapes, "
        "which are drawn.",
    )
    language: Language = Field("en", description="Language of the captions.")
    splits: SplitOptions = SplitOptions()


class FeaturesEncoder(RecipeSection):
    """Features of another vision network, through a linear layer."""

    kind: Literal["features"]
    size: int = Field(256, ge=1, description="Size that they are mapped to.")


class ConvolutionEncoder(RecipeSection):
    """A small convolutional network over pixels."""

    kind: Literal["convolution"]
    channels: list[Annotated[int, Field(ge=1)]] = Field(
        [32, 64, 128, 128],
        min_length=1,
        description="Of each 3 x 3 convolution, from the pixels on.",
    )
    strides: list[Annotated[int, Field(ge=1)]] = Field(
        [2, 1, 2, 1],
        description="Of each convolution; their product divides the picture's sides, "
        "and what is left are the positions that attention chooses from.",
    )
    shift: int = Field(
        2,
        ge=0,
        le=16,
        description="In training, each picture is shifted by up to so many pixels.",
    )

    @property
    def size(self) -> int:
        """Size of the states."""
        return self.channels[-1]

    @model_validator(mode="after")
    def _check_strides(self) -> ConvolutionEncoder:
        if len(self.channels) != len(self.strides):
            raise ValueError(
                f"{len(self.channels)} channels, but {len(self.strides)} strides; each "
                "convolution needs one of both"
            )
        return self


class CaptioningModel(ModelSection):
    """The encoder of pictures, and the decoder."""

    embedding_size: int = Field(128, ge=1, description="Size of token embeddings.")
    encoder: FeaturesEncoder | ConvolutionEncoder = Field(
        ConvolutionEncoder(kind="convolution"),
        discriminator="kind",
        json_schema_extra=allow_kind_alone,
    )
    decoder: DecoderOptions = DecoderOptions(hidden_size=256, layers=1)
    attention: NoAttention | AttentionOptions = Field(
        AttentionOptions(kind="additive"),
        discriminator="kind",
        json_schema_extra=allow_kind_alone,
    )
    dropout: Share = Field(
        0.2,
        description="Dropout rate on embeddings, between layers and before the output.",
    )
    word_dropout: Share = Field(
        0.0,
        description="Rate at which a caption's preceding tokens are dropped, so that "
        "the next is told from the picture, not from what came with them in training.",
    )


class CaptioningTrainOptions(TrainOptions):
    """Optimization, validation, checkpoints and stopping."""

    monitor: Literal["exact", "bleu", "loss"] = Field(
        "exact", description="Metric of the best checkpoint and early stopping."
    )
    mix_lengths: bool = Field(
        True,
        description="Captions of any lengths share a batch, as batch normalisation "
        "needs; false: of similar lengths, for less padding.",
    )


class CaptioningRecipe(BaseRecipe):
    """Everything that a training of a captioning depends on."""

    task: Literal["captioning"] = Field("captioning", description="What is learned.")
    data: CaptioningData
    tokenizer: SubwordOptions = SubwordOptions()
    model: CaptioningModel = CaptioningModel()
    train: CaptioningTrainOptions
