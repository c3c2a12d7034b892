"""The recipe of a language model: the decoder alone, over a stream of text."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import BaseRecipe, ModelSection, RecipeSection, Share
from seq2seq.recipe.data import Language, SplitOptions, SubwordOptions
from seq2seq.recipe.model import DecoderOptions
from seq2seq.recipe.train import TrainOptions


class TextTokenizerOptions(SubwordOptions):
    """Subwords of a text: trained on it, or those of another run."""

    path: str | None = Field(
        None,
        min_length=1,
        description="A trained SentencePiece model, such as "
        "runs/quickstart/tokenizer/target.model, whose run the language model is then "
        "fused with; the other keys have no effect. null: one is trained.",
    )


class LanguageModelData(RecipeSection):
    """Text, a file for each split; nothing of it is dropped."""

    path: str = Field(
        min_length=1,
        description="A folder with SPLIT.LANGUAGE, also .gz; or hello, the one word of "
        "the lecture; or phrasebook, 10,000 lines of the built-in corpus, en or de.",
    )
    language: Language = Field("en", description="Language of the text.")
    splits: SplitOptions = SplitOptions()


class LanguageModelOptions(ModelSection):
    """The decoder without a source."""

    embedding_size: int = Field(128, ge=1, description="Size of token embeddings.")
    decoder: DecoderOptions = DecoderOptions()
    dropout: Share = Field(
        0.0,
        description="Dropout rate on embeddings, between layers and before the output.",
    )
    locked_dropout: bool = Field(
        False, description="Locked dropout: one mask for all positions of a window."
    )
    word_dropout: Share = Field(
        0.0, description="Word dropout: rate at which whole tokens are zeroed."
    )
    tie_embeddings: bool = Field(
        False, description="Whether the output matrix is the embedding."
    )


class LanguageModelTrainOptions(TrainOptions):
    """Optimization, validation, checkpoints and stopping."""

    truncated_bptt_steps: int = Field(
        64,
        ge=1,
        description="Truncated backpropagation through time: tokens of a window. An "
        "update follows each window, and batch_tokens / truncated_bptt_steps streams "
        "are read side by side.",
    )
    carry_state: bool = Field(
        True,
        description="Whether a window goes on from the state that the one before it "
        "ended in, or from zeros.",
    )
    monitor: Literal["loss"] = Field(
        "loss", description="Metric of the best checkpoint and early stopping."
    )

    @model_validator(mode="after")
    def _check_windows(self) -> LanguageModelTrainOptions:
        if self.accumulate_grad_batches != 1:
            raise ValueError(
                "train.accumulate_grad_batches of a language model is 1, since each "
                "window is an update; raise batch_tokens for more streams"
            )
        if self.batch_tokens < self.truncated_bptt_steps:
            raise ValueError(
                f"train.batch_tokens is {self.batch_tokens}, less than one window of "
                f"truncated_bptt_steps, {self.truncated_bptt_steps}; raise it"
            )
        return self


class LanguageModelRecipe(BaseRecipe):
    """Everything that a training of a language model depends on."""

    task: Literal["language_model"] = Field(
        "language_model", description="What is learned."
    )
    data: LanguageModelData
    tokenizer: TextTokenizerOptions | None = Field(
        None, description="Subwords; null: characters, of which nothing is lost."
    )
    model: LanguageModelOptions = LanguageModelOptions()
    train: LanguageModelTrainOptions
