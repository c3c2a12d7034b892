"""train.precision: auto: what it becomes, and that a run keeps it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from seq2seq.errors import UserError
from seq2seq.recipe import Recipe
from seq2seq.runs.run_folder import RunFolder
from seq2seq.training import precision
from seq2seq.training.precision import limit_primitive_caches, resolve_precision
from seq2seq.training.train import train
from seq2seq.utils.devices import has_bfloat16

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")


def recipe(*, size: int = 8, **options: Any) -> Recipe:
    layers = {"cell": "gru", "layers": 1, "hidden_size": size}
    return Recipe.model_validate(
        {
            "data": {
                "path": "phrasebook",
                "source": "en",
                "target": "de",
                "max_pairs": 200,
            },
            "tokenizer": {"vocab_size": 200},
            "model": {"embedding_size": 8, "encoder": layers, "decoder": layers},
            "train": {"max_steps": 6, "batch_tokens": 200, **options},
        }
    )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Whether the machine multiplies bfloat16; no layer is too narrow."""
    answer = {"bfloat16": True}
    monkeypatch.setattr(precision, "has_bfloat16", lambda _: answer["bfloat16"])
    monkeypatch.setattr(precision, "MIN_SIZE", 8)
    return answer


@pytest.mark.parametrize(
    ("bfloat16", "size", "chosen", "reason"),
    [
        (True, 8, "bf16-mixed", "this machine multiplies bfloat16"),
        (False, 8, "32-true", "this machine does not multiply bfloat16"),
        (True, 7, "32-true", "no layer has 8 units or more"),
    ],
)
def test_auto_follows_the_hardware_and_the_width(
    machine: dict[str, bool],
    tmp_path: Path,
    bfloat16: bool,
    size: int,
    chosen: str,
    reason: str,
) -> None:
    machine["bfloat16"] = bfloat16
    resolved, line = resolve_precision(recipe(size=size), RunFolder(tmp_path), "cpu")
    assert resolved.train.precision == chosen
    assert line == f"train.precision is auto: {chosen}, since {reason}"


@pytest.mark.parametrize("chosen", ["32-true", "bf16-mixed"])
def test_a_recipe_that_names_its_precision_keeps_it(
    machine: dict[str, bool], tmp_path: Path, chosen: str
) -> None:
    named = recipe(precision=chosen)
    assert resolve_precision(named, RunFolder(tmp_path), "cpu") == (named, None)


@pytest.mark.parametrize(
    ("amx", "avx512", "answer"),
    [(True, False, True), (False, True, True), (False, False, False)],
)
def test_the_processor_needs_amx_or_avx512_bf16(
    monkeypatch: pytest.MonkeyPatch, amx: bool, avx512: bool, answer: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert has_bfloat16("cpu") is answer


class Crash(Callback):
    """End a training amid its fifth step, before its checkpoint is written."""

    def on_train_batch_end(self, trainer: Any, *rest: Any) -> None:
        if trainer.global_step == 5:
            raise RuntimeError("killed")


def weights(run: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return dict(checkpoint["state_dict"])


@pytest.mark.parametrize("bfloat16", [True, False])
def test_a_run_continues_in_its_own_precision_on_another_machine(
    machine: dict[str, bool], tmp_path: Path, bfloat16: bool
) -> None:
    machine["bfloat16"] = bfloat16
    chosen = "bf16-mixed" if bfloat16 else "32-true"
    undecided = recipe(checkpoint_every=2)
    train(undecided, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        train(undecided, tmp_path / "run", callbacks=[Crash()])
    assert RunFolder(tmp_path / "run").read_recipe().train.precision == chosen
    machine["bfloat16"] = not bfloat16
    train(undecided, tmp_path / "run")
    assert RunFolder(tmp_path / "run").read_recipe().train.precision == chosen
    first, second = (
        line.split(" ", 2)[2]
        for line in (tmp_path / "run" / "train.log").read_text().splitlines()
        if "train.precision is auto" in line
    )
    assert first.startswith(f"train.precision is auto: {chosen}, since this machine")
    assert second.endswith(f"{chosen}, since it is what the run was begun with")
    uninterrupted, continued = weights(tmp_path / "whole"), weights(tmp_path / "run")
    assert all(torch.equal(continued[name], uninterrupted[name]) for name in continued)


def test_another_precision_than_the_runs_is_refused(
    machine: dict[str, bool], tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        train(recipe(checkpoint_every=2), tmp_path / "run", callbacks=[Crash()])
    other = recipe(checkpoint_every=2, precision="32-true")
    with pytest.raises(UserError, match=r"train\.precision was 'bf16-mixed'"):
        train(other, tmp_path / "run")


def test_compiled_products_are_limited_unless_the_environment_says_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.environ", {"LRU_CACHE_CAPACITY": "7"})
    limit_primitive_caches()
    assert os.environ == {
        "LRU_CACHE_CAPACITY": "7",
        "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    }
