"""Gradients on their way back through time: against autograd, and what they show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from seq2seq.cli import app
from seq2seq.evaluation.gradient_flow import (
    HIDDEN_SIZE,
    INPUT_SIZE,
    SEQUENCES,
    measure_gradient_flow,
    step_jacobian,
)
from seq2seq.nn.rnn_stack import RNNStack


def by_equations(rnn: Any, inputs: Tensor, state: tuple[Tensor, ...]) -> Any:
    """One step of a tanh cell or an LSTM, the recurrent matrix times 1.5."""
    hidden, *cell = state
    sums = inputs @ rnn.weight_ih_l0.T + rnn.bias_ih_l0 + rnn.bias_hh_l0
    sums = sums + hidden @ (1.5 * rnn.weight_hh_l0.T)
    if not cell:
        return (sums.tanh(),)
    opened, kept, new, output = sums.chunk(4, dim=1)
    memory = kept.sigmoid() * cell[0] + opened.sigmoid() * new.tanh()
    return output.sigmoid() * memory.tanh(), memory


@pytest.mark.parametrize(("cell", "span"), [("rnn", None), ("lstm", None), ("lstm", 9)])
def test_norms_are_those_of_autograd_step_by_step(cell: str, span: int | None) -> None:
    flow = measure_gradient_flow(
        cell, steps=6, singular_value=1.5, input_scale=0.5, chrono_span=span, seed=3
    )
    torch.manual_seed(3)
    layer = RNNStack(INPUT_SIZE, HIDDEN_SIZE, cell=cell, chrono_span=span)
    inputs = 0.5 * torch.randn(SEQUENCES, 6, INPUT_SIZE).double()
    gradients = (torch.randn(SEQUENCES, HIDDEN_SIZE).double(),)
    rnn: Any = layer.double().layers[0].rnn
    zeros = torch.zeros(SEQUENCES, HIDDEN_SIZE).double()
    states = [(zeros,) if cell == "rnn" else (zeros, zeros)]
    for position in range(6):
        states.append(by_equations(rnn, inputs[:, position], states[-1]))
    if cell == "lstm":
        gradients = (*gradients, zeros)
    norms = [[float(part.norm()) for part in gradients]]
    for position in reversed(range(6)):
        before = tuple(part.detach().requires_grad_() for part in states[position])
        after = by_equations(rnn, inputs[:, position], before)
        gradients = torch.autograd.grad(after, before, gradients)
        norms.append([float(part.norm()) for part in gradients])
    parts = [flow.hidden_norms] + ([flow.cell_norms] if flow.cell_norms else [])
    for measured, expected in zip(parts, zip(*norms, strict=True), strict=True):
        torch.testing.assert_close(
            torch.tensor(measured), torch.tensor(expected) / norms[0][0]
        )


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_steps_jacobian_is_that_of_autograd(cell: str) -> None:
    torch.manual_seed(0)
    layer = RNNStack(3, 4, cell=cell, chrono_span=None if cell == "rnn" else 5).double()
    inputs = torch.randn(1, 1, 3).double()
    state = tuple(torch.randn(2, 1, 4).double() for _ in range(1 + (cell == "lstm")))

    def step(joined: Tensor) -> Tensor:
        _, after = layer(inputs, tuple(part[None, None] for part in joined.split(4)))
        return torch.cat(after, dim=2).flatten()

    first = torch.cat([part[0].flatten() for part in state])
    expected = torch.autograd.functional.jacobian(step, first)
    torch.testing.assert_close(step_jacobian(layer, inputs, state), expected)


def test_a_singular_value_above_1_lets_gradients_explode_and_vanish() -> None:
    small, unit = (
        measure_gradient_flow("rnn", steps=200, singular_value=1.5, input_scale=scale)
        for scale in (0.1, 1.0)
    )
    assert small.hidden_norms[200] > 1e4
    assert unit.hidden_norms[200] < 1e-4
    for flow in (small, unit):  # The largest one of diag(1 - h^2) W says neither.
        assert 1.45 < flow.step_singular_value <= 1.5
    assert unit.step_rms < 0.95 < 1 < small.step_rms


def test_a_singular_value_of_1_without_inputs_keeps_the_gradient() -> None:
    flow = measure_gradient_flow("rnn", steps=50, singular_value=1.0, input_scale=0.0)
    assert flow.hidden_norms == pytest.approx([1.0] * 51, rel=1e-4)
    below = measure_gradient_flow("rnn", steps=50, singular_value=0.9, input_scale=0.0)
    powers = [0.9**back for back in range(51)]
    assert below.hidden_norms == pytest.approx(powers, rel=1e-4)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_gates_keep_gradients_if_their_biases_say_so(cell: str, scale: float) -> None:
    default, chrono = (
        measure_gradient_flow(
            cell, steps=200, singular_value=1.0, input_scale=scale, chrono_span=span
        )
        for span in (None, 200)
    )
    assert (default.cell_norms or default.hidden_norms)[200] < 0.01
    assert (chrono.cell_norms or chrono.hidden_norms)[200] > 0.05


def test_the_command_prints_every_layer_and_writes_the_same_figure_twice(
    tmp_path: Path,
) -> None:
    words = ["diagnose", "gradients", "--steps", "20", "--output"]
    table = CliRunner().invoke(app, [*words, str(tmp_path / "a.svg")])
    values = CliRunner().invoke(app, [*words, str(tmp_path / "b.svg"), "--json"])
    assert table.exit_code == values.exit_code == 0
    # A row for each layer and input scale, two for those with a cell state.
    assert len(table.output.splitlines()) == 2 + 24 + 8 + 3
    flows = json.loads(values.output)
    assert len(flows) == 24
    assert all(len(flow["hidden_norms"]) == 21 for flow in flows)
    figure = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert figure == (tmp_path / "b.svg").read_text(encoding="utf-8")
    assert ET.fromstring(figure).tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(--" not in figure
    assert "GRU, chrono 20" in figure


def test_a_figure_of_another_kind_is_refused(tmp_path: Path) -> None:
    words = ["diagnose", "gradients", "--output", str(tmp_path / "a.jpg")]
    result = CliRunner().invoke(app, words)
    assert "must end in .svg" in str(result.exception)
