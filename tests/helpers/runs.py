"""Small untrained runs on disk that the tests of translating share."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.data.tokenizer import Tokenizer, train_tokenizer
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import Recipe, TokenizerOptions
from seq2seq.recipe.loader import recipe_yaml
from seq2seq.runs.run_folder import RunFolder
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
    """Write a run whose weights are drawn, large enough to say different things."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    cut = tokenizer(model_type)
    recipe = Recipe.model_validate(
        {
            "data": {"path": "phrasebook", "source": "en", "target": "de"},
            "tokenizer": {"model_type": model_type, "vocab_size": len(cut)},
            "model": {**MODEL, **model},
            "train": {"max_steps": 1},
            "search": {"beam_size": 3, "max_length_ratio": 1.0},
        }
    )
    network = EncoderDecoder(
        recipe.model, source_vocab_size=len(cut), target_vocab_size=len(cut)
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
        network.decoder.output.bias[EOS] += 1.5  # Or nothing would ever end.
    run = RunFolder(folder)
    run.best.parent.mkdir(parents=True)
    run.write_tokenizers(cut, cut)
    run.recipe.write_text(recipe_yaml(recipe), encoding="utf-8")
    weights = {f"network.{name}": each for name, each in network.state_dict().items()}
    torch.save({"state_dict": weights}, run.best)
    return folder


class Slow:
    """Waits as many seconds as a line says, then says where."""

    def __init__(self, device: str) -> None:
        self.device = device

    def translate_batch(
        self, lines: list[str], options: TranslationOptions
    ) -> list[Translation]:
        if lines == ["bad"]:
            raise UserError("this cannot be done.")
        time.sleep(float(lines[0]))
        said = f"{lines[0]} on {self.device} with {torch.get_num_threads()}"
        return [Translation((TranslationHypothesis(said, 0.0, 1),))]


def slow(*, device: str) -> Any:
    return Slow(device)
