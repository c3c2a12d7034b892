"""Gradient norms over time: vanishing and exploding gradients, measured.

An untrained layer runs over random inputs, the loss is a random linear function of its
last state, and the gradient with respect to every earlier state shows how much of the
loss still arrives there (Pascanu et al. 2013, section 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq.nn.rnn_stack import RNNStack
from seq2seq.types import RNNState

SINGULAR_VALUES = {
    "rnn": (0.9, 1.0, 1.1, 1.5),
    "lstm": (1.0, 1.5),
    "gru": (1.0, 1.5),
}
INPUT_SCALES = (0.1, 1.0)
SEQUENCES = 16
INPUT_SIZE = 64
HIDDEN_SIZE = 128
NUM_JACOBIANS = 4
"""Positions, spread over the sequence, whose Jacobian is computed."""


@dataclass(frozen=True)
class GradientFlow:
    """Norms of a gradient on its way back through time.

    Attributes:
        cell: rnn (tanh), lstm or gru.
        chrono_span: T of chrono initialisation; None without it.
        singular_value: Singular value of the recurrent matrix, or of each gate's: all
            are equal, since it is a multiple of an orthogonal one.
        input_scale: Standard deviation of the inputs.
        hidden_norms: |dL/dh_(T-k)| / |dL/dh_T| for k = 0 to T steps back.
        cell_norms: |dL/dc_(T-k)| / |dL/dh_T|, likewise; None without a cell state. Both
            parts of a state are its own variables, so for k = 0 it is 0: the loss
            depends on h_T alone.
        step_singular_value: Largest singular value of a step's Jacobian (of the state
            after it by the state before it), mean over some steps.
        step_rms: Root mean square of all its singular values: what a step multiplies
            the gradient with, were it independent of the matrix.
    """

    cell: str
    chrono_span: int | None
    singular_value: float
    input_scale: float
    hidden_norms: list[float]
    cell_norms: list[float] | None
    step_singular_value: float
    step_rms: float


def gradient_flows(steps: int, *, seed: int = 1) -> Iterator[GradientFlow]:
    """Measure tanh, LSTM and GRU layers, the latter with chrono initialisation too.

    Args:
        steps: Steps over which the gradient flows back; also the chrono span.
        seed: Seed of weights, inputs and loss.
    """
    for cell, singular_values in SINGULAR_VALUES.items():
        for chrono_span in (None,) if cell == "rnn" else (None, steps):
            for singular_value in singular_values:
                for input_scale in INPUT_SCALES:
                    yield measure_gradient_flow(
                        cell,
                        steps=steps,
                        singular_value=singular_value,
                        input_scale=input_scale,
                        chrono_span=chrono_span,
                        seed=seed,
                    )


def measure_gradient_flow(
    cell: str,
    *,
    steps: int,
    singular_value: float,
    input_scale: float,
    chrono_span: int | None = None,
    seed: int = 1,
) -> GradientFlow:
    """Measure one untrained layer of 128 units over 16 random sequences.

    In 64 bits, since 32 end at 1e-38, which a tanh layer reaches.

    Args:
        cell: rnn, lstm or gru.
        steps: Steps over which the gradient flows back.
        singular_value: Singular value of the recurrent matrix.
        input_scale: Standard deviation of the inputs.
        chrono_span: As in `RNNStack`.
        seed: Seed of weights, inputs and loss.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = RNNStack(INPUT_SIZE, HIDDEN_SIZE, cell=cell, chrono_span=chrono_span)
        inputs = input_scale * torch.randn(SEQUENCES, steps, INPUT_SIZE).double()
        loss_weights = torch.randn(SEQUENCES, HIDDEN_SIZE).double()
    layer.double()
    for name, weight in layer.named_parameters():
        weight.requires_grad_(False)
        if "weight_hh" in name:  # Orthogonal so far.
            weight.mul_(singular_value)
    states = _run(layer, inputs)
    (states[-1][0][:, 0] * loss_weights).sum().backward()
    norms = [
        [0.0 if part.grad is None else float(part.grad.norm()) for part in state]
        for state in reversed(states)
    ]  # Steps back x components.
    stride = max(1, steps // (NUM_JACOBIANS + 1))
    singular_values = [
        torch.linalg.svdvals(step_jacobian(layer, inputs[:1, t : t + 1], states[t]))
        for t in range(stride, steps, stride)  # At 0 the state is 0.
    ]
    last = norms[0][0]
    return GradientFlow(
        cell=cell,
        chrono_span=chrono_span,
        singular_value=singular_value,
        input_scale=input_scale,
        hidden_norms=[hidden / last for hidden, *_ in norms],
        cell_norms=[c / last for _, c in norms] if cell == "lstm" else None,
        step_singular_value=_mean([values.max() for values in singular_values]),
        step_rms=_mean([values.square().mean().sqrt() for values in singular_values]),
    )


def step_jacobian(layer: RNNStack, inputs: Tensor, state: RNNState) -> Tensor:
    """Compute the Jacobian of one step for the first sequence.

    Args:
        layer: A stack of one layer.
        inputs: Input of the step, (1, 1, I).
        state: State before the step, each component (N, 1, H).

    Returns:
        Derivatives of the state after the step, a row for each of its numbers, by the
        state before it, a column for each: (C * H, C * H) for C components.
    """
    size = sum(part.shape[2] for part in state)
    # A row of the batch for each number after the step, so one call has all rows.
    before = tuple(
        part[:1].detach().expand(size, -1, -1).clone().requires_grad_()
        for part in state
    )
    _, after = layer(inputs.expand(size, -1, -1), before)
    diagonal = torch.cat(after, dim=2)[:, 0].diagonal()
    gradients = torch.autograd.grad(diagonal.sum(), before)
    return torch.cat(gradients, dim=2)[:, 0]


def _run(layer: RNNStack, inputs: Tensor) -> list[RNNState]:
    """Return the states before, between and after the steps; they keep gradients."""
    shape = (len(inputs), 1, layer.size)
    state: RNNState = tuple(
        torch.zeros(shape, dtype=inputs.dtype, requires_grad=True)
        for _ in range(layer.shape.num_components)
    )
    states = [state]
    for step_input in inputs.split(1, dim=1):
        _, state = layer(step_input, state)
        for part in state:
            part.retain_grad()
        states.append(state)
    return states


def _mean(values: list[Tensor]) -> float:
    return float(torch.stack(values).mean())
