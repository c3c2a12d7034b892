"""Children of a trained run: other languages, other tokens, frozen parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.recipe import Recipe
from seq2seq.runs.run import Run
from seq2seq.training.train import train
from tests.helpers.runs import MODEL, make_run

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")


def child(start: Path, rate: float, **train_options: Any) -> Recipe:
    """Another direction than the parent's, which translates from en to de."""
    data = {"path": "phrasebook", "source": "de", "target": "en", "max_pairs": 99}
    options = {
        "max_steps": 2,
        "batch_tokens": 200,
        "validate_every": 2,
        "checkpoint_every": 1,
        "init_from": str(start),
        "optimizer": {"kind": "adamw", "learning_rate": rate, "weight_decay": 0.5},
        **train_options,
    }
    tree: dict[str, Any] = {
        "data": data,
        "tokenizer": {"vocab_size": 120},
        "model": {**MODEL, "dropout": 0.3},
        "train": options,
    }
    return Recipe.model_validate(tree)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return Run.open(run).network().state_dict()


def test_a_child_of_other_languages_keeps_weights_and_tokenizers(
    tmp_path: Path,
) -> None:
    start = make_run(tmp_path / "start")
    train(child(start, 1e-12), tmp_path / "child")
    Run.open(start).require_same_tokenizers(Run.open(tmp_path / "child"))
    torch.testing.assert_close(weights(tmp_path / "child"), weights(start))
    log = (tmp_path / "child" / "train.log").read_text(encoding="utf-8")
    assert "was trained on en-de, this recipe is de-en: all weights" in log


def test_an_updated_vocabulary_copies_the_rows_that_both_know(tmp_path: Path) -> None:
    start = make_run(tmp_path / "start", tie_embeddings="decoder")
    recipe = child(start, 1e-12, update_vocab=True)
    model = recipe.model.model_copy(update={"tie_embeddings": "decoder"})
    train(recipe.model_copy(update={"model": model}), tmp_path / "child")
    old, new = weights(start), weights(tmp_path / "child")
    parent, run = Run.open(start), Run.open(tmp_path / "child")
    before = parent.source.id_to_tokens(range(len(parent.source)))
    after = run.source.id_to_tokens(range(len(run.source)))
    rows = {i: before.index(token) for i, token in enumerate(after) if token in before}
    assert 40 < len(rows) < len(after) == 120
    drawn = [i for i in range(120) if i not in rows]
    for name in ("encoder.embedding.weight", "decoder.output_layer.bias"):
        copied = old[name][list(rows.values())]
        torch.testing.assert_close(new[name][list(rows)], copied, rtol=0, atol=1e-6)
        offset = (new[name][drawn] - copied.mean(dim=0)) / copied.std(dim=0)
        assert 0.7 < float(offset.std()) < 1.3
        assert abs(float(offset.mean())) < 0.5
    torch.testing.assert_close(
        new["decoder.readout.weight"], old["decoder.readout.weight"]
    )
    notes = json.loads((tmp_path / "child" / "data.json").read_bytes())
    assert notes["initial_tokens"]["source"] == {"tokens": 120, "copied": len(rows)}
    line = f"{len(rows)} of 120 tokens are known to {start}"
    assert line in (tmp_path / "child" / "train.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_child_with_frozen_parts_resumes_to_the_same_bits(tmp_path: Path) -> None:
    start = make_run(tmp_path / "start", tie_embeddings="all")
    recipe = child(
        start, 0.1, update_vocab=True, freeze=["encoder.embedding"], ema_decay=0.9
    )
    model = recipe.model.model_copy(update={"tie_embeddings": "all"})
    recipe = recipe.model_copy(update={"model": model})
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    untrained = recipe.train.model_copy(
        update={"freeze": ["encoder", "decoder"], "max_steps": 1}
    )
    train(recipe.model_copy(update={"train": untrained}), tmp_path / "untrained")
    train(recipe, whole)
    train(recipe, halves)
    (halves / "summary.json").unlink()  # As if it had been killed after the last step.
    (halves / "checkpoints" / "last.ckpt").unlink()  # Previous: a step earlier.
    train(recipe, halves)
    begun, end, again = map(weights, (tmp_path / "untrained", whole, halves))
    torch.testing.assert_close(again, end, rtol=0, atol=0)
    for name in ("encoder.embedding.weight", "decoder.output_layer.weight"):
        assert torch.equal(begun[name], end[name])
    assert not torch.equal(
        begun["decoder.readout.weight"], end["decoder.readout.weight"]
    )
    summary = json.loads((whole / "summary.json").read_bytes())
    assert summary["frozen_parameters"] == 120 * MODEL["embedding_size"]
    log = (whole / "train.log").read_text(encoding="utf-8")
    assert "with decoder.embedding, decoder.output_layer, tied to them" in log
