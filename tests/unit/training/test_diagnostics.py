"""The lens: measures are right, and nothing is touched."""

from __future__ import annotations

import csv
import math
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from seq2seq.data.collate import collate
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.rnn_stack import RNNStack
from seq2seq.recipe import ModelOptions, Recipe
from seq2seq.runs.checkpoint_reader import read_checkpoint
from seq2seq.training.callbacks.checkpointing import ResumeCheckpoint
from seq2seq.training.callbacks.csv_log import CSVLog
from seq2seq.training.callbacks.diagnostics import (
    DiagnosticsCallback,
    column_names,
    gradient_norms,
    measure,
    parts,
)
from seq2seq.training.train import train
from seq2seq.types import BOS, EOS, PAD, Batch
from tests.helpers.tiny_models import SOURCES, TARGETS, shaken

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")

BATCH = collate(SOURCES, TARGETS)


def network(**changes: Any) -> EncoderDecoder:
    sections: dict[str, Any] = {
        "embedding_size": 8,
        "encoder": {"cell": "gru", "layers": 1, "hidden_size": 6},
        "decoder": {"cell": "gru", "layers": 1, "hidden_size": 7},
    }
    torch.manual_seed(0)
    options = ModelOptions.model_validate({**sections, **changes})
    model = EncoderDecoder(options, source_vocab_size=20, target_vocab_size=20)
    shaken(model)
    return model.float()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "min_gru", "min_lstm"])
@pytest.mark.parametrize(
    "attention",
    [
        {"kind": "none"},
        {"kind": "fixed"},
        {"kind": "additive", "architecture": "gnmt", "input_feeding": True},
    ],
    ids=lambda attention: attention["kind"],
)
def test_every_shape_is_probed_and_left_as_it_was(
    cell: str, attention: dict[str, Any]
) -> None:
    model = network(
        encoder={"cell": cell, "layers": 2, "hidden_size": 6, "reverse_source": True},
        decoder={"cell": "lstm", "layers": 2, "hidden_size": 7, "layer_norm": True},
        attention=attention,
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    drawn = torch.get_rng_state()
    found = measure(model, BATCH)
    measured = [name for name in column_names(model) if name in found]
    assert measured == list(found)
    assert ("attention_entropy" in found) == (attention["kind"] == "additive")
    assert ("encoder.2.forget.low" in found) == (cell in ("lstm", "min_lstm"))
    assert "decoder.2.output.high" in found
    for name, value in found.items():
        count = (
            BATCH.source_lengths.sum() if name.startswith("enc") else BATCH.num_tokens
        )
        assert 0 <= value <= count * (1 if "." in name else 20), name
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(
        torch.equal(before[name], now) for name, now in model.state_dict().items()
    )
    assert all(each.grad is None for each in model.parameters())
    layers = [each for each in model.modules() if isinstance(each, RNNStack)]
    assert layers
    assert not any(one._forward_hooks for stack in layers for one in stack.layers)


def test_padding_and_company_change_nothing() -> None:
    model = network(attention={"kind": "general"})
    together = measure(model, BATCH)
    alone: dict[str, float] = dict.fromkeys(together, 0.0)
    for row in range(len(SOURCES)):
        length = int(BATCH.source_lengths[row])
        target = int((BATCH.targets[row] != PAD).sum())
        one = Batch(
            source=BATCH.source[row : row + 1, :length],
            source_lengths=BATCH.source_lengths[row : row + 1],
            inputs=BATCH.inputs[row : row + 1, :target],
            targets=BATCH.targets[row : row + 1, :target],
            indices=BATCH.indices[row : row + 1],
            num_tokens=target,
        )
        for name, value in measure(model, one).items():
            alone[name] += value.item()
    for name, value in together.items():
        assert value.item() == pytest.approx(alone[name], rel=1e-4), name


def test_gates_are_the_same_where_time_passes_step_by_step() -> None:
    whole = network(attention={"kind": "general"})
    stepped = network(attention={"kind": "general", "input_feeding": True})
    weights = stepped.state_dict()
    for name, weight in whole.state_dict().items():
        # What is fed comes after the embedding; here it is not listened to.
        weights[name].zero_()[..., : weight.shape[-1]] = weight
    once, often = measure(whole, BATCH), measure(stepped, BATCH)
    for name, value in once.items():
        assert often[name].item() == pytest.approx(value.item(), rel=1e-4), name


def test_probed_losses_are_the_losses() -> None:
    model = network()
    with torch.no_grad():
        model.decoder.output_layer.bias[[PAD, BOS, EOS]] = (
            5.0  # None of them may be read.
        )
    found = measure(model, BATCH)
    forced = model(BATCH).nll.item()
    assert found["teacher_forced_loss"].item() == pytest.approx(forced, rel=1e-5)
    # Free running is teacher forcing with the greedy choices as inputs.
    inputs = BATCH.inputs.clone()
    with torch.no_grad():
        for t in range(1, inputs.shape[1]):
            decoded = model.forward_decoder(BATCH._replace(inputs=inputs))
            scores = model.decoder.logits(decoded.features[:, t - 1])
            scores[:, [PAD, BOS, EOS]] = -math.inf
            inputs[:, t] = scores.argmax(dim=1)
    assert not torch.equal(
        inputs[BATCH.targets != PAD], BATCH.inputs[BATCH.targets != PAD]
    )
    free = model(BATCH._replace(inputs=inputs)).nll.item()
    assert found["free_running_loss"].item() == pytest.approx(free, rel=1e-5)


def test_attention_that_does_not_choose_has_the_greatest_entropy() -> None:
    model = network(attention={"kind": "general"})
    attention = model.decoder.attention
    assert attention is not None
    assert attention.key_projection is not None
    nn.init.zeros_(attention.key_projection.weight)
    found = measure(model, BATCH)
    most = found["attention_entropy_maximum"].item()
    assert found["attention_entropy"].item() == pytest.approx(most, rel=1e-5)
    targets = (BATCH.targets != PAD).sum(dim=1)
    assert most == pytest.approx(float((BATCH.source_lengths.log() * targets).sum()))


@pytest.mark.parametrize("tied", ["none", "decoder", "all"])
def test_every_gradient_is_in_one_part(tied: str) -> None:
    model = network(tie_embeddings=tied)
    split = parts(model)
    assert sorted(map(id, chain.from_iterable(split))) == sorted(
        map(id, model.parameters())
    )
    assert len(split[2]) == (1 if tied == "all" else 2)
    model(BATCH).loss.backward()
    norms = gradient_norms(split)
    whole = nn.utils.clip_grad_norm_(model.parameters(), math.inf)
    assert norms[0].item() == pytest.approx(whole.item())
    for part, norm in zip(split, norms[1:], strict=True):
        own = nn.utils.clip_grad_norm_(part, math.inf)
        assert 0 < norm.item() == pytest.approx(own.item())


def test_means_and_clipped_steps_are_counted_before_clipping(tmp_path: Path) -> None:
    model: Any = network()
    model(BATCH).loss.backward()
    lens = DiagnosticsCallback(tmp_path / "diagnostics.csv", clip_norm=0.0)
    lens.parts = parts(model)
    norm = gradient_norms(lens.parts)[0].item()
    lens.clip_norm = 1.5 * norm
    nothing: Any = None
    lens.on_before_optimizer_step(nothing, nothing, nothing)
    for parameter in model.parameters():
        parameter.grad.mul_(2)
    for _ in range(2):
        lens.on_before_optimizer_step(nothing, nothing, nothing)
    mean, clipped = (lens.sums / lens.steps)[[0, -1]].tolist()
    assert (mean, clipped) == pytest.approx((norm * 5 / 3, 2 / 3))


def test_a_table_drops_what_will_be_done_again(tmp_path: Path) -> None:
    table = CSVLog(tmp_path / "table.csv", ["step", "loss", "best"])
    table.truncate_after(0)
    for step in (5, 10, 15):
        table.append({"step": step, "loss": 1 / 3})
    table.truncate_after(10)
    text = (tmp_path / "table.csv").read_text()
    assert text.split() == ["step,loss,best", "5,0.333333,", "10,0.333333,"]


def tiny(**options: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "data": {
                "path": "phrasebook", "source": "en", "target": "de", "max_pairs": 600
            },
            "tokenizer": {"vocab_size": 300},
            "model": {
                "embedding_size": 8,
                "encoder": {"cell": "lstm", "layers": 1, "hidden_size": 8},
                "decoder": {"cell": "gru", "layers": 1, "hidden_size": 8},
                "attention": {"kind": "general"},
            },
            "train": {
                "max_steps": 5, "batch_tokens": 600, "accumulate_grad_batches": 2,
                "validate_every": 3, "checkpoint_every": 2, "clip_norm": 0.4,
                "ema_decay": 0.9, **options,
            },
            "search": {"max_length_ratio": 0.1},  # Untrained models never stop.
        }
    )  # fmt: skip


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same training without the lens, with it, and with it and killed at step 4."""
    torch.set_num_threads(1)  # As in every test here: the number changes the sums.
    base = tmp_path_factory.mktemp("runs")
    kept = ResumeCheckpoint.on_train_batch_end

    def die(self: ResumeCheckpoint, trainer: Any, *rest: Any) -> None:
        kept(self, trainer, *rest)
        if trainer.global_step == 4:
            raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.getbasetemp() / "cache"
        patch.setenv("SEQ2SEQ_CACHE", str(cache))
        train(tiny(), base / "off")
        train(tiny(diagnostics=True), base / "on")
        patch.setattr(ResumeCheckpoint, "on_train_batch_end", die)
        with pytest.raises(KilledError):
            train(tiny(diagnostics=True), base / "killed")
        patch.setattr(ResumeCheckpoint, "on_train_batch_end", kept)
        train(tiny(diagnostics=True), base / "killed")
    return {name: base / name for name in ("off", "on", "killed")}


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "diagnostics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_looking_changes_no_bit_of_the_training(runs: dict[str, Path]) -> None:
    assert not (runs["off"] / "diagnostics.csv").exists()
    one, other = (
        read_checkpoint(runs[name] / "checkpoints/last.ckpt") for name in ("off", "on")
    )
    assert one["state_dict"].keys() == other["state_dict"].keys()
    for name, weight in one["state_dict"].items():
        assert torch.equal(weight, other["state_dict"][name]), name
    for before, now in zip(
        *(each["optimizer_states"][0]["state"].values() for each in (one, other)),
        strict=True,
    ):
        assert all(torch.equal(before[name], now[name]) for name in before)


@pytest.mark.slow
def test_a_row_tells_of_all_steps_since_the_last(runs: dict[str, Path]) -> None:
    found = rows(runs["on"])
    assert [row["step"] for row in found] == ["3", "5"]
    for row in found:
        values = {name: float(value) for name, value in row.items()}
        norms = [value for name, value in values.items() if "norm_" in name]
        assert 0 < max(norms) < values["gradient_norm"] < sum(norms)
        assert 0 <= values["clipped_share"] <= 1
        assert 0 < values["attention_entropy"] <= values["attention_entropy_maximum"]
        gap = values["free_running_loss"] - values["teacher_forced_loss"]
        assert values["exposure_gap"] == pytest.approx(gap, abs=1e-4)
        assert "encoder.1.forget.high" in values
        assert "decoder.1.update.low" in values


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_table(runs: dict[str, Path]) -> None:
    assert rows(runs["killed"]) == rows(runs["on"])
