"""A corpus and a run of several languages: German to English, English to French."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from seq2seq.data.control_tokens import control_tokens
from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.data.tokenizer import Tokenizers, train_tokenizer
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import Recipe
from seq2seq.types import EOS
from tests.helpers.runs import MODEL, write_run


def write_corpus(folder: Path, *, train: int = 40, held_out: int = 6) -> Path:
    """Write parallel files; the French is English with its words in reverse."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", train), ("valid", held_out), ("test", held_out)):
        pairs = [*phrase_pairs(split, count=count)]  # type: ignore[arg-type]
        french = [" ".join(reversed(english.split())) for english, _ in pairs]
        for language, lines in (
            ("en", [english for english, _ in pairs]),
            ("de", [german for _, german in pairs]),
            ("fr", french),
        ):
            text = "".join(f"{line}\n" for line in lines)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


def recipe_of(corpus: Path, **train: Any) -> Recipe:
    mix = [
        {"path": str(corpus), "source": "en", "target": "fr"},
        {"path": str(corpus), "tag": "synthetic"},
    ]
    data = {"path": str(corpus), "source": "de", "target": "en", "mix": mix}
    tree: dict[str, Any] = {
        "data": {**data, "drop_duplicates": False},
        "tokenizer": {"vocab_size": 150},
        "model": {**MODEL, "dropout": 0.2},
        "train": {"max_steps": 4, "batch_tokens": 200, **train},
        "search": {"beam_size": 2, "max_length_ratio": 1.0},
    }
    return Recipe.model_validate(tree)


def make_many_run(folder: Path, corpus: Path) -> Path:
    """Write a run with random weights that ends its translations."""
    torch.manual_seed(0)
    recipe = recipe_of(corpus)
    lines = [line for pair in phrase_pairs("train", count=100) for line in pair]
    tokenizer = train_tokenizer(lines, recipe.tokenizer, control_tokens(recipe.data))
    network = EncoderDecoder(recipe.model, source_vocab_size=150, target_vocab_size=150)
    with torch.no_grad():
        network.decoder.output_layer.bias[EOS] += 1.5
        network.encoder.embedding.weight[4:6] *= 20  # The tokens of en and fr.
    files = Tokenizers(tokenizer, tokenizer).to_files()
    return write_run(folder, recipe, files, network)
