"""Tasks: what differs between translation and the other kinds of learning.

`task.Task` is the protocol; a module of each task has its network, data and scores.
Only this package and the recipe know tasks by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seq2seq.recipe import (
    BaseRecipe,
    CaptioningRecipe,
    ClassificationRecipe,
    LanguageModelRecipe,
    Recipe,
    TaggingRecipe,
)
from seq2seq.tasks.task import Task, Vocabularies

if TYPE_CHECKING:  # Imports Lightning, which only training needs.
    from seq2seq.data.preprocessing import ProgressCallback
    from seq2seq.tasks.data import TaskData


def open_task(recipe: BaseRecipe, vocabularies: Vocabularies) -> Task:
    """Return what a recipe's task needs to build and use its network.

    Args:
        recipe: The recipe.
        vocabularies: The files that say what the network's ids mean.

    Raises:
        UserError: If the vocabularies are damaged.
    """
    if isinstance(recipe, Recipe):
        from seq2seq.data.tokenizer import Tokenizers
        from seq2seq.tasks.translation import Translation

        return Translation(recipe, Tokenizers.from_files(vocabularies))
    if isinstance(recipe, ClassificationRecipe):
        from seq2seq.tasks.classification import Classification

        return Classification(recipe, vocabularies)
    if isinstance(recipe, LanguageModelRecipe):
        from seq2seq.tasks.language_model import LanguageModel

        return LanguageModel(recipe, vocabularies)
    if isinstance(recipe, TaggingRecipe):
        from seq2seq.tasks.tagging import Tagging

        return Tagging(recipe, vocabularies)
    if isinstance(recipe, CaptioningRecipe):
        from seq2seq.tasks.captioning import Captioning

        return Captioning(recipe, vocabularies)
    raise AssertionError(recipe.task)


def open_data(
    recipe: BaseRecipe,
    vocabularies: Vocabularies | None = None,
    progress: ProgressCallback | None = None,
) -> TaskData:
    """Return a recipe's data; nothing is read before `setup`.

    Args:
        recipe: The recipe.
        vocabularies: Of a trained run, to go on with; made from the data if None.
        progress: Called with a stage and a number of examples while data is prepared.

    Raises:
        UserError: If a package that the scores need is missing.
    """
    if isinstance(recipe, Recipe):
        from seq2seq.data.datamodule import TranslationDataModule
        from seq2seq.data.tokenizer import Tokenizers
        from seq2seq.metrics.sacrebleu_scores import bleu_metric

        for target in recipe.data.targets:  # Before the data takes its time.
            bleu_metric(target)
        given = None if vocabularies is None else Tokenizers.from_files(vocabularies)
        return TranslationDataModule(recipe, tokenizers=given, progress=progress)
    from seq2seq.tasks.data import ExampleData

    if isinstance(recipe, ClassificationRecipe):
        from seq2seq.tasks.classification_data import ClassificationReader

        return ExampleData(recipe, ClassificationReader(recipe, vocabularies))
    if isinstance(recipe, LanguageModelRecipe):
        from seq2seq.tasks.language_model_data import LanguageModelData

        return LanguageModelData(recipe, vocabularies)
    if isinstance(recipe, TaggingRecipe):
        from seq2seq.tasks.tagging_data import TaggingReader

        return ExampleData(recipe, TaggingReader(recipe, vocabularies))
    if isinstance(recipe, CaptioningRecipe):
        from seq2seq.tasks.captioning_data import CaptioningReader

        reader = CaptioningReader(recipe, vocabularies)
        return ExampleData(recipe, reader, mix_lengths=recipe.train.mix_lengths)
    raise AssertionError(recipe.task)
