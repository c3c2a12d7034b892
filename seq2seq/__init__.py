"""Recurrent sequence-to-sequence learning on PyTorch Lightning.

Importing this package is cheap: what it names is imported when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from seq2seq.errors import UserError
    from seq2seq.evaluation.evaluate import evaluate_split
    from seq2seq.metrics.sacrebleu_scores import score_corpus
    from seq2seq.recipe.loader import read_recipe
    from seq2seq.training.train import train
    from seq2seq.translate import (
        Translation,
        TranslationOptions,
        TranslationRequest,
        Translator,
    )

__all__ = [
    "Translation",
    "TranslationOptions",
    "TranslationRequest",
    "Translator",
    "UserError",
    "evaluate_split",
    "read_recipe",
    "score_corpus",
    "train",
]

_MODULES = {
    "UserError": "errors",
    "evaluate_split": "evaluation.evaluate",
    "read_recipe": "recipe.loader",
    "score_corpus": "metrics.sacrebleu_scores",
    "train": "training.train",
}
"""Where a name stands; all others in translate."""


def __getattr__(name: str) -> Any:
    """Import what the package names (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"seq2seq.{_MODULES.get(name, 'translate')}")
    return getattr(module, name)
