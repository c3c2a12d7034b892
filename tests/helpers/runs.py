"""Small untrained runs on disk, shared by the tests of translation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.data.tokenizer import Tokenizer, Tokenizers, train_tokenizer
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import (
    BaseRecipe,
    LanguageModelRecipe,
    Recipe,
    TokenizerOptions,
)
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.runs.run_folder import RunFolder
from seq2seq.tasks.language_model import LanguageModelNetwork
from seq2seq.tasks.task import Vocabularies
from seq2seq.translate.options import (
    Translation,
    TranslationHypothesis,
    TranslationOptions,
)
from seq2seq.types import EOS

MODEL: dict[str, Any] = {
    "embedding_size": 12,
    "encoder": {"cell": "gru", "layers": 1, "hidden_size": 8, "bidirectional": True},
    "decoder": {"cell": "gru", "layers": 1, "hidden_size": 16},
    "attention": {"kind": "general"},
}
TOKENIZERS: dict[str, Tokenizer] = {}


def tokenizer(model_type: str = "unigram") -> Tokenizer:
    if model_type not in TOKENIZERS:
        pairs = phrase_pairs("train", count=400)
        lines = [line for pair in pairs for line in pair]
        options = TokenizerOptions.model_validate(
            {"model_type": model_type, "vocab_size": 200}
        )
        TOKENIZERS[model_type] = train_tokenizer(lines, options)
    return TOKENIZERS[model_type]


def make_run(
    folder: Path, *, seed: int = 0, model_type: str = "unigram", **model: Any
) -> Path:
    """Write a run with random weights, large enough for diverse translations."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    shared = tokenizer(model_type)
    recipe = Recipe.model_validate(
        {
            "data": {"path": "phrasebook", "source": "en", "target": "de"},
            "tokenizer": {"model_type": model_type, "vocab_size": len(shared)},
            "model": {**MODEL, **model},
            "train": {"max_steps": 1},
            "search": {"beam_size": 3, "max_length_ratio": 1.0},
        }
    )
    network = EncoderDecoder(
        recipe.model, source_vocab_size=len(shared), target_vocab_size=len(shared)
    )
    with torch.no_grad():
        network.decoder.output_layer.bias[EOS] += 1.5  # Or no hypothesis would end.
    return write_run(folder, recipe, Tokenizers(shared, shared).to_files(), network)


def make_language_model(
    folder: Path, *, seed: int = 0, model_type: str = "unigram"
) -> Path:
    """Write the run of a language model with random weights over the same tokens."""
    torch.manual_seed(seed)
    shared = tokenizer(model_type)
    recipe = LanguageModelRecipe.model_validate(
        {
            "task": "language_model",
            "data": {"path": "hello"},
            "tokenizer": {"model_type": model_type, "vocab_size": len(shared)},
            "model": {
                "embedding_size": 6,
                "decoder": {"cell": "lstm", "layers": 2, "hidden_size": 7},
            },
            "train": {"max_steps": 1},
        }
    )
    network = LanguageModelNetwork(recipe.model, len(shared))
    return write_run(folder, recipe, {"target.model": shared.model}, network)


def write_run(
    folder: Path, recipe: BaseRecipe, vocabularies: Vocabularies, network: Any
) -> Path:
    """Write a run after adding noise to its network, whose biases are zeros."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    run = RunFolder(folder)
    run.best.parent.mkdir(parents=True)
    run.write_vocabularies(vocabularies)
    run.recipe.write_text(recipe_yaml(recipe), encoding="utf-8")
    state = network.state_dict()
    weights = {f"network.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": weights}, run.best)
    return folder


def make_runs(folder: Path) -> Path:
    """Write runs: two that differ in their seed, and others in sizes and attention."""
    make_run(folder / "one")
    make_run(folder / "two", seed=2)
    lstm = {"cell": "lstm", "layers": 1, "hidden_size": 10}
    make_run(folder / "lstm", seed=3, encoder=lstm, decoder=lstm)
    make_run(folder / "none", seed=4, attention={"kind": "none"})
    make_run(folder / "characters", model_type="char")
    return folder


class Slow:
    """Waits as many seconds as a line says, and returns its device."""

    def __init__(self, device: str) -> None:
        self.device = device

    def translate_batch(
        self, lines: list[str], options: TranslationOptions
    ) -> list[Translation]:
        if lines == ["bad"]:
            raise UserError("this cannot be done.")
        time.sleep(float(lines[0]))
        text = f"{lines[0]} on {self.device} with {torch.get_num_threads()}"
        return [Translation((TranslationHypothesis(text, 0.0, 0.0, 1),))]


def slow(*, device: str) -> Any:
    return Slow(device)
