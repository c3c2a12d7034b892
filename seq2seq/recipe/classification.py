"""The recipe of a classification: many-to-one, a label or a number for a sequence."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import BaseRecipe, ModelSection, RecipeSection, Share
from seq2seq.recipe.data import Language, SplitOptions, SubwordOptions
from seq2seq.recipe.model import EncoderOptions
from seq2seq.recipe.train import TrainOptions

DRAWN = ("recall", "adding")


class ClassificationData(RecipeSection):
    """Labelled texts, or labelled sequences of frames."""

    path: str = Field(
        min_length=1,
        description="A folder with SPLIT.tsv (label, tab, text), or SPLIT.jsonl or "
        "SPLIT.parquet with the columns text or frames, and label; or recall or "
        "adding, memory tasks that are drawn.",
    )
    language: Language = Field(
        "x",
        description="Language of the texts; x: unknown. Naive Bayes counts characters "
        "of zh, ja and others without blanks, of any other language words.",
    )
    splits: SplitOptions = SplitOptions()
    target: Literal["label", "number"] = Field(
        "label", description="What is predicted: one of the labels, or a number."
    )
    length: int | None = Field(
        None,
        ge=2,
        description="Of recall and adding: positions over which to remember.",
    )
    max_length: int = Field(
        1000,
        ge=1,
        description="Longer sources are cut there, in tokens or frames; it is said how "
        "many are.",
    )

    @model_validator(mode="after")
    def _check_drawn(self) -> ClassificationData:
        if (self.path in DRAWN) != (self.length is not None):
            raise ValueError(
                f"data.length is for what is drawn ({', '.join(DRAWN)}), which needs "
                f"it; data.path is {self.path!r}"
            )
        return self


class ClassificationModel(ModelSection):
    """The encoder, and a linear layer over what is kept of its states."""

    embedding_size: int = Field(
        128, ge=1, description="Size of token embeddings, or of projected frames."
    )
    encoder: EncoderOptions = EncoderOptions()
    pooling: Literal["final", "mean", "max", "mean_max"] = Field(
        "final",
        description="What becomes the input of the output layer: the final state (the "
        "context vector), the states' mean, their maximum, or both of these.",
    )
    dropout: Share = Field(
        0.2,
        description="Dropout rate on embeddings, between layers and before the output.",
    )
    locked_dropout: bool = Field(
        False, description="Locked dropout: one mask for all positions of a source."
    )
    word_dropout: Share = Field(
        0.0, description="Word dropout: rate at which whole positions are zeroed."
    )


class ClassificationTrainOptions(TrainOptions):
    """Optimization, validation, checkpoints and stopping."""

    monitor: Literal["accuracy", "macro_f1", "rmse", "loss"] = Field(
        "accuracy", description="Metric of the best checkpoint and early stopping."
    )


class ClassificationRecipe(BaseRecipe):
    """Everything that a training of a classification depends on."""

    task: Literal["classification"] = Field(
        "classification", description="What is learned."
    )
    data: ClassificationData
    tokenizer: SubwordOptions | None = Field(
        SubwordOptions(), description="Subwords of texts; null for frames."
    )
    model: ClassificationModel = ClassificationModel()
    train: ClassificationTrainOptions

    @model_validator(mode="after")
    def _check_monitor(self) -> ClassificationRecipe:
        number, monitor = self.data.target == "number", self.train.monitor
        if number != (monitor == "rmse") and monitor != "loss":
            wanted = "rmse" if number else "accuracy or macro_f1"
            raise ValueError(
                f"train.monitor: {monitor} does not go with data.target: "
                f"{self.data.target}; use {wanted}, or loss"
            )
        return self
