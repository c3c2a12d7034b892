"""Schema of a recipe: every key with its type, limits, default and meaning.

`loader` reads recipes from YAML, `validation` words what is wrong with one.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from seq2seq.recipe.base import RecipeSection
from seq2seq.recipe.data import DataOptions, SplitOptions, TokenizerOptions
from seq2seq.recipe.model import (
    AttentionOptions,
    Cell,
    DecoderOptions,
    EncoderOptions,
    FixedContext,
    ModelOptions,
    NoAttention,
    StackOptions,
)
from seq2seq.recipe.search import SamplingOptions, SearchOptions
from seq2seq.recipe.train import (
    SGD,
    Adam,
    Constant,
    Cosine,
    InverseSqrt,
    MinimumRiskOptions,
    Plateau,
    TrainOptions,
)

__all__ = [
    "SGD",
    "Adam",
    "AttentionOptions",
    "Cell",
    "Constant",
    "Cosine",
    "DataOptions",
    "DecoderOptions",
    "EncoderOptions",
    "FixedContext",
    "InverseSqrt",
    "MinimumRiskOptions",
    "ModelOptions",
    "NoAttention",
    "Plateau",
    "Recipe",
    "RecipeSection",
    "SamplingOptions",
    "SearchOptions",
    "SplitOptions",
    "StackOptions",
    "TokenizerOptions",
    "TrainOptions",
]


class Recipe(RecipeSection):
    """Everything that a training depends on."""

    description: str = Field("", description="One line for `seq2seq recipe ls`.")
    seed: int = Field(
        1,
        ge=0,
        lt=2**63,
        description="Random seed of initial weights, batch order and dropout.",
    )
    data: DataOptions
    tokenizer: TokenizerOptions = TokenizerOptions()
    model: ModelOptions = ModelOptions()
    train: TrainOptions
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
