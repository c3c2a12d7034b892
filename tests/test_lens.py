"""The lens: gates reproduce the states, measures are right, nothing is touched."""

from __future__ import annotations

import csv
import math
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq.callbacks.keeper import Keeper
from seq2seq.callbacks.lens import Lens, columns, gradient_norms, parts, probe
from seq2seq.callbacks.table import Table
from seq2seq.data.translation import collate
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.fused import FusedLayer
from seq2seq.nn.gates import gate_names, gates, saturation
from seq2seq.nn.normalised import NormalisedLayer
from seq2seq.nn.recurrent import Recurrent
from seq2seq.nn.scan import ScanLayer
from seq2seq.recipe import ModelOptions, Recipe
from seq2seq.structures import BOS, EOS, PAD, Batch
from seq2seq.training import train
from seq2seq.weights import read_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")

N, T, SIZE, H = 4, 6, 3, 5
LENGTHS = torch.tensor([6, 2, 5, 1])
MASK = torch.arange(T) < LENGTHS[:, None]
BATCH = collate(
    [[4, 5, 6, 7, 8], [9], [10, 11, 4], [12, 13, 5, 6]],
    [[7, 8], [9, 10, 11, 12, 13], [14], [15, 16, 4]],
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def shaken(module: Any) -> Any:
    """Biases start at zero, where some faults would not show."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return module.double().eval()


def layer_of(kind: str, cell: str, both: bool) -> Any:
    torch.manual_seed(0)
    if kind == "fused":
        return shaken(FusedLayer(SIZE, H, cell=cell, bidirectional=both))
    if kind == "scan":
        return shaken(ScanLayer(SIZE, H, cell=cell, bidirectional=both))
    layer = NormalisedLayer(
        SIZE, H, cell=cell, bidirectional=both, normalise=True, recurrent_dropout=0.3
    )
    return shaken(layer)


def sums(layer: Any, number: int, inputs: Tensor, before: Tensor) -> tuple[Tensor, ...]:
    """The parts that come from the input, and those from the state before."""
    if isinstance(layer, FusedLayer):
        w, u, b, c = layer.layer.all_weights[number]
        return F.linear(inputs, w, b), F.linear(before, u, c)
    one = layer.directions[number]
    read = one.read_norm(inputs @ one.read.weight.T) + one.read.bias
    return read, one.recur_norm(before @ one.recur.weight.T) + one.recur.bias


@pytest.mark.parametrize("given", [True, False], ids=["from a state", "from zeros"])
@pytest.mark.parametrize("both", [True, False], ids=["both ways", "one way"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("kind", ["fused", "normalised"])
def test_recomputed_gates_reproduce_every_next_state(
    kind: str, cell: str, both: bool, given: bool
) -> None:
    layer = layer_of(kind, cell, both)
    inputs = torch.randn(N, T, SIZE, dtype=torch.float64)
    width = H * (2 if both else 1)
    start = tuple(torch.randn(N, width).double() for _ in range(layer.parts))
    state = start if given else None
    with torch.no_grad():
        states, _ = layer(inputs, state, LENGTHS)
        first = start[0] if given else None
        found = gates(layer, inputs, states, MASK, first=first)
        assert tuple(found) == gate_names(layer)
        assert all(gate.shape == (N, T, width) for gate in found.values())
        for number in range(2 if both else 1):
            own = slice(number * H, (number + 1) * H)
            gate = {name: values[..., own] for name, values in found.items()}
            for row in range(N):
                order = list(range(int(LENGTHS[row])))
                before = [part[row, own] * given for part in start]
                for t in reversed(order) if number else order:
                    read, recurred = sums(layer, number, inputs[row, t], before[0])
                    if cell == "gru":
                        new = torch.tanh(
                            read[2 * H :] + gate["reset"][row, t] * recurred[2 * H :]
                        )
                        update = gate["update"][row, t]
                        after = [(1 - update) * new + update * before[0]]
                    else:
                        new = torch.tanh((read + recurred)[2 * H : 3 * H])
                        memory = gate["forget"][row, t] * before[1]
                        memory = memory + gate["input"][row, t] * new
                        shown = memory
                        if kind == "normalised":
                            shown = layer.directions[number].cell_norm(memory)
                        after = [gate["output"][row, t] * torch.tanh(shown), memory]
                    torch.testing.assert_close(after[0], states[row, t, own])
                    before = after


@pytest.mark.parametrize("cell", ["min_gru", "min_lstm"])
def test_the_gates_of_parallel_cells_weigh_old_and_new(cell: str) -> None:
    layer = layer_of("scan", cell, both=True)
    inputs = torch.randn(N, T, SIZE, dtype=torch.float64)
    with torch.no_grad():
        states, _ = layer(inputs, None, LENGTHS)
        found = gates(layer, inputs, states, MASK)
        assert tuple(found) == gate_names(layer)
        entry = found["update" if cell == "min_gru" else "input"]
        if cell == "min_lstm":
            torch.testing.assert_close(entry + found["forget"], torch.ones_like(entry))
        news = [
            torch.where(new >= 0, new + 0.5, new.sigmoid())
            for new in (one(inputs)[..., -H:] for one in layer.directions)
        ]
        forth, back = states[..., :H], states[..., H:]
        assert_mixed(forth[:, 1:], forth[:, :-1], entry[:, 1:, :H], news[0][:, 1:])
        assert_mixed(back[:, :-1], back[:, 1:], entry[:, :-1, H:], news[1][:, :-1])


def assert_mixed(after: Tensor, before: Tensor, share: Tensor, new: Tensor) -> None:
    row = 0  # The longest: no padding.
    mixed = before + share * (new - before)
    torch.testing.assert_close(mixed[row], after[row])


def test_a_plain_rnn_has_no_gates() -> None:
    layer = layer_of("fused", "rnn", both=False)
    inputs = torch.randn(N, T, SIZE, dtype=torch.float64)
    assert gates(layer, inputs, layer(inputs, None, None)[0], None) == {}


def test_saturation_counts_real_entries_alone() -> None:
    gate = torch.tensor([[[0.05, 0.5], [0.95, 0.99]], [[0.2, 0.91], [0.0, 0.0]]])
    real = torch.tensor([[True, True], [True, False]])
    low, high = saturation(gate, real)
    assert low.item() == pytest.approx(1 / 6)
    assert high.item() == pytest.approx(3 / 6)


def network(**changes: Any) -> EncoderDecoder:
    sections: dict[str, Any] = {
        "embedding_size": 8,
        "encoder": {"cell": "gru", "layers": 1, "hidden_size": 6},
        "decoder": {"cell": "gru", "layers": 1, "hidden_size": 7},
    }
    torch.manual_seed(0)
    options = ModelOptions.model_validate({**sections, **changes})
    model = EncoderDecoder(options, source_pieces=20, target_pieces=20)
    shaken(model)
    return model.float()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "min_gru", "min_lstm"])
@pytest.mark.parametrize(
    "attention",
    [
        {"kind": "none"},
        {"kind": "fixed"},
        {"kind": "additive", "layer": "bottom", "input_feeding": True},
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
    found = probe(model, BATCH)
    measured = [name for name in columns(model) if name in found]
    assert measured == list(found)
    assert ("attention_entropy" in found) == (attention["kind"] == "additive")
    assert ("encoder.2.forget.low" in found) == (cell in ("lstm", "min_lstm"))
    assert "decoder.2.output.high" in found
    for name, value in found.items():
        count = BATCH.source_lengths.sum() if name.startswith("enc") else BATCH.tokens
        assert 0 <= value <= count * (1 if "." in name else 20), name
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(
        torch.equal(before[name], now) for name, now in model.state_dict().items()
    )
    assert all(each.grad is None for each in model.parameters())
    layers = [each for each in model.modules() if isinstance(each, Recurrent)]
    assert layers
    assert not any(one._forward_hooks for stack in layers for one in stack.layers)


def test_padding_and_company_change_nothing() -> None:
    model = network(attention={"kind": "general"})
    together = probe(model, BATCH)
    alone: dict[str, float] = dict.fromkeys(together, 0.0)
    for row in range(N):
        length = int(BATCH.source_lengths[row])
        target = int((BATCH.targets[row] != PAD).sum())
        one = Batch(
            source=BATCH.source[row : row + 1, :length],
            source_lengths=BATCH.source_lengths[row : row + 1],
            inputs=BATCH.inputs[row : row + 1, :target],
            targets=BATCH.targets[row : row + 1, :target],
            rows=BATCH.rows[row : row + 1],
            tokens=target,
        )
        for name, value in probe(model, one).items():
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
    once, often = probe(whole, BATCH), probe(stepped, BATCH)
    for name, value in once.items():
        assert often[name].item() == pytest.approx(value.item(), rel=1e-4), name


def test_probed_losses_are_the_losses() -> None:
    model = network()
    with torch.no_grad():
        model.decoder.output.bias[[PAD, BOS, EOS]] = 5.0  # None of them may be read.
    found = probe(model, BATCH)
    forced = model(BATCH).nats.item()
    assert found["teacher_forced_loss"].item() == pytest.approx(forced, rel=1e-5)
    # Free running is teacher forcing with the greedy choices as inputs.
    inputs = BATCH.inputs.clone()
    with torch.no_grad():
        for t in range(1, inputs.shape[1]):
            decoded = model.decode(BATCH._replace(inputs=inputs))
            scores = model.decoder.logits(decoded.features[:, t - 1])
            scores[:, [PAD, BOS, EOS]] = -math.inf
            inputs[:, t] = scores.argmax(dim=1)
    assert not torch.equal(
        inputs[BATCH.targets != PAD], BATCH.inputs[BATCH.targets != PAD]
    )
    free = model(BATCH._replace(inputs=inputs)).nats.item()
    assert found["free_running_loss"].item() == pytest.approx(free, rel=1e-5)


def test_attention_that_does_not_choose_has_the_greatest_entropy() -> None:
    model = network(attention={"kind": "general"})
    attention = model.decoder.attention
    assert attention is not None
    assert attention.project is not None
    nn.init.zeros_(attention.project.weight)
    found = probe(model, BATCH)
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
    model(BATCH).total.backward()
    norms = gradient_norms(split)
    whole = nn.utils.clip_grad_norm_(model.parameters(), math.inf)
    assert norms[0].item() == pytest.approx(whole.item())
    for part, norm in zip(split, norms[1:], strict=True):
        own = nn.utils.clip_grad_norm_(part, math.inf)
        assert 0 < norm.item() == pytest.approx(own.item())


def test_means_and_clipped_steps_are_counted_before_clipping(tmp_path: Path) -> None:
    model: Any = network()
    model(BATCH).total.backward()
    lens = Lens(tmp_path / "lens.csv", clip_norm=0.0)
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
    table = Table(tmp_path / "table.csv", ["step", "loss", "best"])
    table.begin(0)
    for step in (5, 10, 15):
        table.add({"step": step, "loss": 1 / 3})
    table.begin(10)
    text = (tmp_path / "table.csv").read_text()
    assert text.split() == ["step,loss,best", "5,0.333333,", "10,0.333333,"]


def tiny(**options: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "data": {
                "path": "phrasebook", "source": "en", "target": "de", "limit": 600
            },
            "tokenizer": {"vocab_size": 300},
            "model": {
                "embedding_size": 8,
                "encoder": {"cell": "lstm", "layers": 1, "hidden_size": 8},
                "decoder": {"cell": "gru", "layers": 1, "hidden_size": 8},
                "attention": {"kind": "general"},
            },
            "train": {
                "max_steps": 5, "batch_tokens": 600, "accumulate": 2,
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
    kept = Keeper.on_train_batch_end

    def die(self: Keeper, trainer: Any, *rest: Any) -> None:
        kept(self, trainer, *rest)
        if trainer.global_step == 4:
            raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.getbasetemp() / "cache"
        patch.setenv("SEQ2SEQ_CACHE", str(cache))
        train(tiny(), base / "off")
        train(tiny(lens=True), base / "on")
        patch.setattr(Keeper, "on_train_batch_end", die)
        with pytest.raises(KilledError):
            train(tiny(lens=True), base / "killed")
        patch.setattr(Keeper, "on_train_batch_end", kept)
        train(tiny(lens=True), base / "killed")
    return {name: base / name for name in ("off", "on", "killed")}


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "lens.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_looking_changes_no_bit_of_the_training(runs: dict[str, Path]) -> None:
    assert not (runs["off"] / "lens.csv").exists()
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


def test_a_killed_run_goes_on_with_the_same_table(runs: dict[str, Path]) -> None:
    assert rows(runs["killed"]) == rows(runs["on"])
