"""Recurrent layers of every kind: what they compute, and when in one call."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from seq2seq.data.collate import collate
from seq2seq.nn.dropout import SequenceDropout, WordDropout
from seq2seq.nn.rnn_fused import FusedRNNLayer
from seq2seq.nn.rnn_layer_norm import LayerNormRNNLayer
from seq2seq.nn.rnn_scan import ScanRNNLayer
from seq2seq.nn.rnn_stack import RNNStack
from tests.helpers.tiny_models import ALL_CELLS, CELLS, SOURCES, TARGETS, network

KINDS: list[tuple[str, dict[str, Any]]] = [
    *((cell, {}) for cell in ALL_CELLS),
    *((cell, {"layer_norm": True}) for cell in CELLS),
]


def stack(cell: str, **options: Any) -> RNNStack:
    torch.manual_seed(0)
    made = RNNStack(4, 5, cell=cell, layers=3, residual=True, **options).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return made.eval()


@pytest.mark.parametrize(("cell", "options"), KINDS)
def test_a_recurrent_state_can_be_handed_on(cell: str, options: Any) -> None:
    made = stack(cell, **options)
    inputs = torch.randn(3, 6, 4, dtype=torch.double)
    whole, last = made(inputs)
    number, *of_each = made.shape
    assert [part.shape for part in last] == [(3, *of_each)] * number
    state, pieces = None, []
    for position in range(6):
        outputs, state = made(inputs[:, position : position + 1], state)
        pieces.append(outputs)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole)
    assert state is not None
    for part, expected in zip(state, last, strict=True):
        torch.testing.assert_close(part, expected)


@pytest.mark.parametrize(("cell", "options"), KINDS)
@pytest.mark.parametrize("both", [True, False])
def test_padding_changes_nothing(cell: str, options: Any, both: bool) -> None:
    made = stack(cell, bidirectional=both, extra_input_size=2, **options)
    inputs = torch.randn(3, 6, 4, dtype=torch.double)
    beside = torch.randn(3, 6, 2, dtype=torch.double)
    lengths = torch.tensor([6, 1, 4])
    first = tuple(
        torch.randn(3, 3, made.size, dtype=torch.double)
        for _ in range(made.shape.num_components)
    )
    together, final = made(inputs, first, lengths=lengths, extra_input=beside)
    for row, length in enumerate(lengths.tolist()):
        outputs, last = made(
            inputs[row : row + 1, :length],
            tuple(part[row : row + 1] for part in first),
            extra_input=beside[row : row + 1, :length],
        )
        torch.testing.assert_close(together[row, :length], outputs[0])
        assert not together[row, length:].any()
        for part, expected in zip(final, last, strict=True):
            torch.testing.assert_close(part[row], expected[0])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("both", [True, False])
def test_the_loop_computes_what_the_fused_call_computes(cell: str, both: bool) -> None:
    torch.manual_seed(0)
    fused = FusedRNNLayer(4, 5, cell=cell, bidirectional=both).double()
    looped = LayerNormRNNLayer(
        4, 5, cell=cell, bidirectional=both, normalise=False, recurrent_dropout=0.0
    ).double()
    for number, direction in enumerate(looped.directions):
        end = "_l0_reverse" if number else "_l0"
        for part, name in (("input_to_hidden", "ih"), ("hidden_to_hidden", "hh")):
            linear = getattr(direction, part)
            linear.weight.data = getattr(fused.rnn, f"weight_{name}{end}").data
            linear.bias.data = torch.randn_like(linear.bias)
            getattr(fused.rnn, f"bias_{name}{end}").data = linear.bias.data
    inputs = torch.randn(3, 6, 4, dtype=torch.double)
    first = tuple(
        torch.randn(3, 10 if both else 5, dtype=torch.double)
        for _ in range(fused.num_components)
    )
    lengths = torch.tensor([6, 2, 5])
    one, one_final = fused(inputs, first, lengths)
    other, other_final = looped(inputs, first, lengths)
    torch.testing.assert_close(one, other)
    for part, expected in zip(one_final, other_final, strict=True):
        torch.testing.assert_close(part, expected)


@pytest.mark.parametrize("cell", ["min_gru", "min_lstm"])
def test_the_scan_computes_what_its_recurrence_says(cell: str) -> None:
    torch.manual_seed(0)
    layer = ScanRNNLayer(4, 5, cell=cell, bidirectional=False).double()
    inputs = 3 * torch.randn(2, 40, 4, dtype=torch.double)
    outputs, _ = layer(inputs, None, None)
    state = torch.zeros(2, 5, dtype=torch.double)
    for position in range(40):
        sums = layer.directions[0](inputs[:, position]).chunk(
            3 - (cell == "min_gru"), 1
        )
        new = torch.where(sums[-1] >= 0, sums[-1] + 0.5, torch.sigmoid(sums[-1]))
        if cell == "min_gru":
            update = torch.sigmoid(sums[0])
            state = (1 - update) * state + update * new
        else:
            forget, entry = torch.sigmoid(sums[0]), torch.sigmoid(sums[1])
            state = (forget * state + entry * new) / (forget + entry)
        torch.testing.assert_close(outputs[:, position], state)


def test_a_scan_over_padding_has_gradients() -> None:
    layer = ScanRNNLayer(4, 5, cell="min_lstm", bidirectional=True)
    inputs = torch.randn(2, 50, 4, requires_grad=True)
    outputs, _ = layer(inputs, None, torch.tensor([50, 1]))
    outputs.sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.isfinite().all()
    assert not inputs.grad[1, 1:].any()
    assert inputs.grad[1, 0].any()


def test_the_final_state_joins_both_directions() -> None:
    torch.manual_seed(0)
    made = RNNStack(4, 5, cell="lstm", layers=2, bidirectional=True).double()
    inputs = torch.randn(2, 6, 4, dtype=torch.double)
    outputs, (hidden, cell) = made(inputs, lengths=torch.tensor([6, 3]))
    assert hidden.shape == cell.shape == (2, 2, 10)
    for row, length in enumerate([6, 3]):
        torch.testing.assert_close(hidden[row, -1, :5], outputs[row, length - 1, :5])
        torch.testing.assert_close(hidden[row, -1, 5:], outputs[row, 0, 5:])


def test_an_untrained_lstm_remembers() -> None:
    fused = FusedRNNLayer(4, 3, cell="lstm", bidirectional=True)
    for end in ["_l0", "_l0_reverse"]:
        read = getattr(fused.rnn, f"bias_ih{end}")
        kept = getattr(fused.rnn, f"bias_hh{end}")
        # torch's order of gates: input, forget, cell, output.
        assert (read + kept).tolist() == [0.0] * 3 + [1.0] * 3 + [0.0] * 6


@pytest.mark.parametrize("normalise", [False, True])
def test_an_untrained_lstm_in_a_loop_remembers(normalise: bool) -> None:
    layer = LayerNormRNNLayer(
        4, 3, cell="lstm", bidirectional=True, normalise=normalise, recurrent_dropout=0
    )
    for direction in layer.directions:
        bias = direction.input_to_hidden.bias + direction.hidden_to_hidden.bias
        assert bias.tolist() == [0.0] * 3 + [1.0] * 3 + [0.0] * 6


@pytest.mark.parametrize("cell", CELLS)
def test_transitions_start_orthogonal(cell: str) -> None:
    weights = FusedRNNLayer(4, 3, cell=cell, bidirectional=False).rnn.weight_hh_l0
    for block in weights.detach().split(3):
        torch.testing.assert_close(block @ block.T, torch.eye(3))


def test_residual_connections_add_what_a_layer_read() -> None:
    plain, residual = (
        RNNStack(4, 4, cell="gru", layers=2, residual=each) for each in (False, True)
    )
    residual.load_state_dict(plain.state_dict())
    inputs = torch.randn(2, 3, 4)
    below, _ = plain.layers[0](inputs, None, None)
    torch.testing.assert_close(residual(inputs)[0], plain(inputs)[0] + below)


def test_normalised_cells_do_not_care_how_large_their_input_is() -> None:
    layer = LayerNormRNNLayer(
        4, 6, cell="gru", bidirectional=False, normalise=True, recurrent_dropout=0.0
    )
    inputs = torch.randn(2, 3, 4)
    one, _ = layer(inputs, None, None)
    other, _ = layer(50 * inputs, None, None)
    torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_recurrent_dropout_hides_the_same_units_at_every_position() -> None:
    layer = LayerNormRNNLayer(
        4, 200, cell="rnn", bidirectional=False, normalise=False, recurrent_dropout=0.4
    )
    kept: list[torch.Tensor] = []
    layer.directions[0].dropout.register_forward_hook(
        lambda module, given, made: kept.append(made)
    )
    layer(torch.randn(3, 5, 4), None, None)
    assert len(kept) == 1  # One draw for all five positions.
    assert 0.25 < (kept[0] == 0).float().mean() < 0.55
    layer.eval()
    kept.clear()
    layer(torch.randn(3, 5, 4), None, None)
    assert (kept[0] == 1).all()


def test_locked_dropout_drops_the_same_units_of_a_sentence() -> None:
    ones = torch.ones(4, 7, 50)
    locked = SequenceDropout(0.5, locked=True)(ones)
    assert (locked == locked[:, :1]).all()
    assert not (locked[0] == locked[1]).all()
    free = SequenceDropout(0.5, locked=False)(ones)
    assert not (free == free[:, :1]).all()
    for dropped in (locked, free):
        assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(SequenceDropout(0.5, locked=True).eval()(ones), ones)


def test_word_dropout_drops_whole_pieces() -> None:
    torch.manual_seed(0)
    ones = torch.ones(20, 20, 3)
    dropped = WordDropout(0.2)(ones)
    assert (dropped == dropped[:, :, :1]).all()
    assert 0.1 < (dropped == 0).float().mean() < 0.3
    assert torch.equal(WordDropout(0.2).eval()(ones), ones)


class _Counter:
    """Counts the calls of recurrent layers and of cells in a loop."""

    def __init__(self, model: nn.Module) -> None:
        self.layers = 0
        self.steps = 0
        for module in model.modules():
            if isinstance(module, nn.RNNBase | ScanRNNLayer):
                module.register_forward_hook(self._layer)
            elif isinstance(module, LayerNormRNNLayer):
                for direction in module.directions:
                    step = direction._step
                    direction._step = self._counted(step)

    def _layer(self, *_: Any) -> None:
        self.layers += 1

    def _counted(self, step: Any) -> Any:
        def counted(*given: Any) -> Any:
            self.steps += 1
            return step(*given)

        return counted


@pytest.mark.parametrize("cell", ALL_CELLS)
@pytest.mark.parametrize(
    "attention",
    [
        {"kind": "none"},
        {"kind": "fixed"},
        {"kind": "dot"},
        {"kind": "general", "num_heads": 2, "coverage_loss_weight": 1.0},
        {"kind": "additive", "architecture": "gnmt"},
    ],
    ids=lambda options: options["kind"],
)
def test_training_calls_every_layer_once(cell: str, attention: Any) -> None:
    model = network(
        encoder={"cell": cell, "layers": 2, "hidden_size": 4, "residual": True},
        decoder={"cell": cell, "layers": 3, "hidden_size": 8, "residual": True},
        attention=attention,
        dropout=0.2,
        locked_dropout=True,
        word_dropout=0.1,
    )
    counter = _Counter(model)
    model(collate(SOURCES, TARGETS))
    assert (counter.layers, counter.steps) == (5, 0)


def test_only_what_asks_for_a_loop_loops() -> None:
    fed = network(attention={"kind": "general", "input_feeding": True})
    counter = _Counter(fed)
    batch = collate(SOURCES, TARGETS)
    fed(batch)
    assert counter.layers == 1 + batch.inputs.shape[1]  # The encoder's is one call.


@pytest.mark.parametrize("extra", [{"layer_norm": True}, {"recurrent_dropout": 0.1}])
def test_a_looped_decoder_leaves_the_encoder_fused(extra: dict[str, Any]) -> None:
    model = network(decoder=extra)
    counter = _Counter(model)
    batch = collate(SOURCES, TARGETS)
    model(batch)
    assert (counter.layers, counter.steps) == (1, batch.inputs.shape[1])


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize("both", [False, True])
def test_sequences_of_each_length_apart_are_packed_ones(
    both: bool, start: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = FusedRNNLayer(4, 5, cell="lstm", bidirectional=both).double()
    lengths = torch.tensor([3, 7, 5, 7, 3, 3, 5, 1])
    inputs = torch.randn(8, 7, 4, dtype=torch.float64, requires_grad=True)
    width = 10 if both else 5
    state = tuple(torch.randn(2, 8, width, dtype=torch.float64, requires_grad=True))
    first = state if start else None
    asked = [inputs, *layer.parameters(), *(state if start else [])]
    found, calls = [], []
    layer.rnn.register_forward_hook(lambda *_: calls.append(1))
    for group in (100, 1):
        monkeypatch.setattr("seq2seq.nn.rnn_fused.MIN_GROUP_SIZE", group)
        outputs, final = layer(inputs, first, lengths)
        total = (outputs * outputs.detach().cos()).sum() + final[1].sin().sum()
        found.append((outputs, *final, *torch.autograd.grad(total, asked)))
    assert len(calls) == 1 + 4  # Packed, and one for each length.
    torch.testing.assert_close(found[1], found[0])
