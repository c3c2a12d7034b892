"""A classifier that starts from a language model's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.recipe import ClassificationRecipe, LanguageModelRecipe
from seq2seq.runs.task_run import TaskRun
from seq2seq.training.train import train

TEXT = ["good and warm", "bad and cold", "a warm day", "a cold day"] * 4


def language_model(path: Path, **sections: Any) -> LanguageModelRecipe:
    return LanguageModelRecipe.model_validate(
        {
            "task": "language_model",
            "data": {"path": str(path)},
            "tokenizer": {"model_type": "char", "vocab_size": 24},
            "model": {
                "embedding_size": 6,
                "decoder": {"cell": "gru", "layers": 2, "hidden_size": 5},
            },
            "train": {"max_steps": 2, "validate_every": 2, "batch_tokens": 64},
            **sections,
        }
    )


def classification(path: Path, start: Path, **encoder: Any) -> ClassificationRecipe:
    layers = {"cell": "gru", "layers": 2, "hidden_size": 5, "bidirectional": True}
    return ClassificationRecipe.model_validate(
        {
            "task": "classification",
            "data": {"path": str(path)},
            "model": {"embedding_size": 6, "encoder": {**layers, **encoder}},
            "train": {
                "max_steps": 1,
                "validate_every": 1,
                "init_from": str(start),
                "optimizer": {"kind": "sgd", "learning_rate": 1e-12},
            },
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts with and without labels, and the run of a language model."""
    path = tmp_path_factory.mktemp("texts")
    for split in ("train", "valid"):
        (path / f"{split}.en").write_text("".join(f"{line}\n" for line in TEXT))
        rows = [f"{'warm' if 'warm' in line else 'cold'}\t{line}\n" for line in TEXT]
        (path / f"{split}.tsv").write_text("".join(rows))
    train(language_model(path), path / "lm")
    return path


def test_the_encoder_starts_with_the_tokens_and_the_forward_direction(
    folder: Path, tmp_path: Path
) -> None:
    train(classification(folder, folder / "lm"), tmp_path / "run")
    start, run = TaskRun.open(folder / "lm"), TaskRun.open(tmp_path / "run")
    theirs, ours = start.weights(), run.weights()
    assert (
        run.task.vocabularies["source.model"]
        == (start.task.vocabularies["target.model"])
    )
    assert set(run.task.vocabularies) == {"source.model", "labels.txt"}
    for own, name in {
        "encoder.embedding.weight": "decoder.embedding.weight",
        "encoder.rnn.layers.0.rnn.weight_ih_l0": (
            "decoder.bottom_rnn.layers.0.rnn.weight_ih_l0"
        ),
        "encoder.rnn.layers.1.rnn.weight_hh_l0": (
            "decoder.bottom_rnn.layers.1.rnn.weight_hh_l0"
        ),
    }.items():
        torch.testing.assert_close(ours[own], theirs[name])
    backwards = ours["encoder.rnn.layers.0.rnn.weight_hh_l0_reverse"]
    forwards = ours["encoder.rnn.layers.0.rnn.weight_hh_l0"]
    assert (backwards - forwards).abs().max() > 0.01


@pytest.mark.parametrize(
    ("encoder", "key"),
    [({"cell": "lstm"}, "cell"), ({"hidden_size": 7}, "hidden_size")],
)
def test_other_layers_are_refused(
    folder: Path, tmp_path: Path, encoder: dict[str, Any], key: str
) -> None:
    with pytest.raises(UserError, match=f"has {key} .*give both the same"):
        train(classification(folder, folder / "lm", **encoder), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_language_model_without_a_tokenizer_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    train(language_model(folder, tokenizer=None), tmp_path / "lm")
    with pytest.raises(UserError, match="has no tokenizer to share"):
        train(classification(folder, tmp_path / "lm"), tmp_path / "run")


def test_frames_are_refused(folder: Path, tmp_path: Path) -> None:
    recipe = classification(folder, folder / "lm")
    data = {"path": "adding", "length": 5, "target": "number"}
    drawn = recipe.model_dump(mode="json") | {"data": data}
    drawn["train"] |= {"monitor": "rmse"}
    with pytest.raises(UserError, match="frames of 2 numbers came, but text"):
        train(ClassificationRecipe.model_validate(drawn), tmp_path / "run")
