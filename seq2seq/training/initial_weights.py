"""Starting from another run: its weights, with its tokens or with new ones.

Source: Kocmi and Bojar 2018 for another language pair with the same tokens; Zoph et al.
2016 for the transfer of weights to a child.
"""

from __future__ import annotations

import logging
from typing import Any

from seq2seq.errors import UserError
from seq2seq.recipe import (
    BaseRecipe,
    ClassificationRecipe,
    LanguageModelRecipe,
    Recipe,
)
from seq2seq.recipe.data import LanguagePair
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks.pretraining import (
    pretrained_vocabularies,
    pretrained_weights,
    require_same_layers,
)
from seq2seq.tasks.task import Task
from seq2seq.tasks.translation import Translation
from seq2seq.tasks.vocabulary_transfer import shared_tokens, transfer_rows
from seq2seq.training.module import TrainingModule

log = logging.getLogger(__name__)


def load_initial_run(recipe: BaseRecipe) -> TaskRun | None:
    """Open the run that train.init_from names, if it names one.

    Raises:
        UserError: If there is none, or it has another task or network.
    """
    if recipe.train.init_from is None:
        return None
    run = TaskRun.open(recipe.train.init_from)
    start = f"train.init_from: {run.folder.path} has"
    if isinstance(recipe, ClassificationRecipe) and isinstance(
        run.recipe, LanguageModelRecipe
    ):
        require_same_layers(run.recipe, recipe, str(run.folder.path))
        return run
    if run.recipe.task != recipe.task:
        raise UserError(
            f"{start} task: {run.recipe.task}, but the recipe has {recipe.task}; start "
            "from a run of the same task."
        )
    differences = run.recipe.model.diff_options(recipe.model)
    if differences:
        key, run_value, value = differences[0]
        raise UserError(
            f"{start} model.{key}: {run_value}, but the recipe has {value}; give the "
            "recipe the same model section."
        )
    return run


def initial_vocabularies(run: TaskRun | None, recipe: BaseRecipe) -> Any:
    """Return the vocabularies that a training takes from its initial run.

    Raises:
        UserError: If that is a language model without a tokenizer.
    """
    if run is None or _updates_vocab(recipe):
        return None
    if run.recipe.task == recipe.task:
        return run.task.vocabularies
    return pretrained_vocabularies(run.task.vocabularies, str(run.folder.path))


def _updates_vocab(recipe: BaseRecipe) -> bool:
    return isinstance(recipe, Recipe) and recipe.train.update_vocab


def transferred_tokens(run: TaskRun | None, task: Task) -> dict[str, Any]:
    """Return how many tokens of a new vocabulary are an initial run's, for data.json.

    Nothing where there is no initial run, or its tokenizers are kept.
    """
    if run is None or not _updates_vocab(task.recipe):
        return {}
    assert isinstance(run.task, Translation)
    assert isinstance(task, Translation)
    shared = shared_tokens(run.task.tokenizers, task.tokenizers)
    return {
        side: {
            "tokens": len(getattr(task.tokenizers, side)),
            "copied": len(shared[side]),
        }
        for side in shared
    }


def _names(pairs: list[LanguagePair]) -> str:
    return ", ".join("-".join(pair) for pair in pairs)


def describe_transfer(run: TaskRun, task: Task) -> list[str]:
    """Return lines about other languages or tokens than those of the initial run."""
    if not isinstance(run.task, Translation) or not isinstance(task, Translation):
        return []
    lines = []
    kept = not task.recipe.train.update_vocab
    before, now = run.task.recipe.data.pairs, task.recipe.data.pairs
    if not set(now) <= set(before):
        lines.append(
            f"{run.folder.path} was trained on {_names(before)}, this recipe is "
            f"{_names(now)}: all "
            + ("weights and tokenizers are kept" if kept else "other weights are kept")
        )
    if not kept:
        counts = transferred_tokens(run, task)
        sides = ["source", "target"]
        if task.recipe.tokenizer.joint and counts["source"] == counts["target"]:
            sides = sides[:1]
        shares = [
            f"{counts[side]['copied']:,} of {counts[side]['tokens']:,}"
            f"{f' {side}' if len(sides) > 1 else ''} tokens"
            for side in sides
        ]
        lines.append(
            f"{' and '.join(shares)} are known to {run.folder.path}: their rows are "
            "copied, the others drawn around the mean"
        )
    return lines


def load_initial_weights(run: TaskRun, module: TrainingModule) -> None:
    """Give a training's network the weights of its initial run, and say so."""
    weights = run.network().state_dict()
    log.info(f"starting from {run.checkpoint}")
    for line in describe_transfer(run, module.task):
        log.info(line)
    if _updates_vocab(module.recipe):
        assert isinstance(run.task, Translation)
        assert isinstance(module.task, Translation)
        tokenizers = module.task.tokenizers
        weights = transfer_rows(
            weights,
            shared_tokens(run.task.tokenizers, tokenizers),
            {"source": len(tokenizers.source), "target": len(tokenizers.target)},
            seed=module.recipe.seed,
        )
    if run.recipe.task != module.recipe.task:
        own = module.network.state_dict()
        weights, count = pretrained_weights(weights, own)
        total = sum(tensor.numel() for tensor in own.values())
        log.info(f"{count:,} of {total:,} weights are the language model's")
    module.network.load_state_dict(weights)
