"""What a recipe may say: every key with its type, default and reason.

Knows names and limits of values; not YAML (recipe_file.py), tensors or files. Sizes are
counted in the unit that the key's name or description gives.
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

    @model_validator(mode="after")
    def _nothing_is_locked_across_parts(self) -> Recipe:
        if self.model.locked_dropout and self.train.truncated_bptt_steps is not None:
            raise ValueError(
                "train.truncated_bptt_steps trains on a sentence in parts, across "
                "which "
                "model.locked_dropout cannot lock; turn one of them off"
            )
        return self

    @model_validator(mode="after")
    def _coverage_needs_attention(self) -> Recipe:
        if self.search.coverage_penalty and self.model.attention.kind in {
            "none",
            "fixed",
        }:
            raise ValueError(
                "search.coverage_penalty needs model.attention to look at the source, "
                f"but its kind is {self.model.attention.kind}"
            )
        return self
