"""The recipe of a translation: encoder-decoder, parallel corpora, search."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import BaseRecipe
from seq2seq.recipe.data import DataOptions, TokenizerOptions
from seq2seq.recipe.model import ModelOptions
from seq2seq.recipe.search import SearchOptions
from seq2seq.recipe.train import TranslationTrainOptions


class Recipe(BaseRecipe):
    """Everything that a training of a translation depends on."""

    task: Literal["translation"] = Field("translation", description="What is learned.")
    data: DataOptions
    tokenizer: TokenizerOptions = TokenizerOptions()
    model: ModelOptions = ModelOptions()
    train: TranslationTrainOptions
    search: SearchOptions = SearchOptions()

    @model_validator(mode="after")
    def _check_tied_embeddings(self) -> Recipe:
        if self.model.tie_embeddings == "all" and not self.tokenizer.joint:
            raise ValueError(
                "model.tie_embeddings: all needs tokenizer.joint: true, "
                "since one matrix cannot serve two vocabularies"
            )
        return self

    @model_validator(mode="after")
    def _check_locked_dropout(self) -> Recipe:
        if self.model.locked_dropout and self.train.truncated_bptt_steps is not None:
            raise ValueError(
                "train.truncated_bptt_steps trains on a sentence in parts, across "
                "which model.locked_dropout cannot lock; turn one of them off"
            )
        return self

    @model_validator(mode="after")
    def _check_coverage_penalty(self) -> Recipe:
        kind = self.model.attention.kind
        if self.search.coverage_penalty and kind in {"none", "fixed"}:
            raise ValueError(
                "search.coverage_penalty needs model.attention to look at the source, "
                f"but its kind is {kind}"
            )
        return self
