"""Schema of a recipe: every key with its type, limits, default and meaning.

Each task has a class; the key `task` tells them apart, and translation is the default.

`loader` reads recipes from YAML, `validation` words what is wrong with one.
"""

from __future__ import annotations

from seq2seq.recipe.base import BaseRecipe, RecipeSection
from seq2seq.recipe.captioning import CaptioningRecipe
from seq2seq.recipe.classification import ClassificationRecipe
from seq2seq.recipe.data import DataOptions, SplitOptions, TokenizerOptions
from seq2seq.recipe.language_model import LanguageModelRecipe
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
from seq2seq.recipe.tagging import TaggingRecipe
from seq2seq.recipe.train import (
    SGD,
    Adam,
    Constant,
    Cosine,
    InverseSqrt,
    MinimumRiskOptions,
    Plateau,
    TrainOptions,
    TranslationTrainOptions,
)
from seq2seq.recipe.translation import Recipe

__all__ = [
    "RECIPES",
    "SGD",
    "Adam",
    "AttentionOptions",
    "BaseRecipe",
    "CaptioningRecipe",
    "Cell",
    "ClassificationRecipe",
    "Constant",
    "Cosine",
    "DataOptions",
    "DecoderOptions",
    "EncoderOptions",
    "FixedContext",
    "InverseSqrt",
    "LanguageModelRecipe",
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
    "TaggingRecipe",
    "TokenizerOptions",
    "TrainOptions",
    "TranslationTrainOptions",
    "recipe_class",
]

RECIPES: tuple[type[BaseRecipe], ...] = (
    Recipe,
    CaptioningRecipe,
    ClassificationRecipe,
    LanguageModelRecipe,
    TaggingRecipe,
)
"""A class for each task."""


def recipe_class(task: object) -> type[BaseRecipe]:
    """Return the schema of a task's recipes; that of translation for any other value.

    Args:
        task: What a recipe has as `task`; None if it has nothing there.
    """
    return next((c for c in RECIPES if c.model_fields["task"].default == task), Recipe)
