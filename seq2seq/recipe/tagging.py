"""The recipe of a tagging: many-to-many, a label for every word or frame."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import BaseRecipe, ModelSection, RecipeSection, Share
from seq2seq.recipe.data import Language, SplitOptions
from seq2seq.recipe.model import EncoderOptions
from seq2seq.recipe.train import TrainOptions


class TaggingData(RecipeSection):
    """Words with their tags, or frames with their labels."""

    path: str = Field(
        min_length=1,
        description="A folder with SPLIT.LANGUAGE and SPLIT.tags (also .gz), words and "
        "tags between blanks, as many of both in a line; or SPLIT.jsonl or "
        "SPLIT.parquet with the columns frames and labels; or nback or copy, which are "
        "drawn.",
    )
    language: Language = Field("en", description="Language of the words.")
    boundaries: bool = Field(
        False,
        description="Word segmentation: SPLIT.LANGUAGE alone is read, and its blanks "
        "are what is learned, by tags B, M, E and S of characters.",
    )
    splits: SplitOptions = SplitOptions()
    back: int | None = Field(
        None,
        ge=1,
        le=10,
        description="Of nback: whether a frame shows what the one so many before it "
        "showed.",
    )
    length: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Of copy: positions between ten symbols and their repetition.",
    )

    @model_validator(mode="after")
    def _check_drawn(self) -> TaggingData:
        for key, path, value in (
            ("back", "nback", self.back),
            ("length", "copy", self.length),
        ):
            if (self.path == path) != (value is not None):
                raise ValueError(
                    f"data.{key} is for data.path: {path}, which needs it; data.path "
                    f"is {self.path!r}"
                )
        return self


class TaggingModel(ModelSection):
    """The encoder, and a linear layer over each of its states."""

    embedding_size: int = Field(
        128,
        ge=1,
        description="Size of embeddings: a word is the sum of those of its lower-cased "
        "form, its prefixes, its suffixes and its shape.",
    )
    encoder: EncoderOptions = EncoderOptions()
    recurrent: bool = Field(
        True,
        description="false: the encoder sees each position alone, which shows what "
        "needs memory.",
    )
    dropout: Share = Field(
        0.2,
        description="Dropout rate on embeddings, between layers and before the output.",
    )
    locked_dropout: bool = Field(
        False, description="Locked dropout: one mask for all positions of a sentence."
    )
    word_dropout: Share = Field(
        0.0,
        description="Rate at which a word's form is replaced by that of unknown words; "
        "its prefixes, suffixes and shape stay.",
    )


class TaggingTrainOptions(TrainOptions):
    """Optimization, validation, checkpoints and stopping."""

    monitor: Literal["accuracy", "word_f1", "loss"] = Field(
        "accuracy", description="Metric of the best checkpoint and early stopping."
    )


class TaggingRecipe(BaseRecipe):
    """Everything that a training of a tagging depends on."""

    task: Literal["tagging"] = Field("tagging", description="What is learned.")
    data: TaggingData
    model: TaggingModel = TaggingModel()
    train: TaggingTrainOptions
