"""Recurrent layers as ONNX operators: one step, and a loop over whole sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from seq2seq.engines.onnx.nodes import GraphBuilder
from seq2seq.engines.prepacked_decoder import rnn_weights
from seq2seq.errors import UserError
from seq2seq.nn.rnn_fused import FusedRNNLayer
from seq2seq.nn.rnn_stack import RNNStack


class GateWeights(NamedTuple):
    """The weights of one direction of a layer, cut into gates.

    One gate of an RNN; reset, update, new of a GRU; input, forget, new, output of an
    LSTM.

    Attributes:
        inputs: Each (H, input_size).
        hidden: Each (H, H).
        input_biases: Each (H,).
        hidden_biases: Each (H,) of a GRU; else None, the others being the sums of both.
    """

    inputs: Sequence[Tensor]
    hidden: Sequence[Tensor]
    input_biases: Sequence[Tensor]
    hidden_biases: Sequence[Tensor | None]

    def without_inputs(self, size: int) -> GateWeights:
        """Return the weights without those of so many leading inputs."""
        return self._replace(inputs=[weight[:, size:] for weight in self.inputs])


def gate_weights(layer: FusedRNNLayer, suffix: str = "") -> GateWeights:
    """Return the weights of a layer; `suffix` as in `rnn_weights`."""
    weight_ih, weight_hh, bias_ih, bias_hh = rnn_weights(layer, suffix)
    count = len(weight_hh) // weight_hh.shape[1]
    hidden_biases = bias_hh.chunk(count) if count == 3 else [None] * count
    return GateWeights(
        weight_ih.chunk(count),
        weight_hh.chunk(count),
        bias_ih.chunk(count),
        hidden_biases,
    )


def fused_layers(stack: RNNStack) -> list[FusedRNNLayer]:
    """Return the layers of a stack, if they have an ONNX form.

    Raises:
        UserError: If they have layer norm or recurrent dropout, or are scans.
    """
    for layer in stack.layers:
        if not isinstance(layer, FusedRNNLayer):
            raise UserError(
                "only rnn, gru and lstm cells without layer_norm and "
                "recurrent_dropout have an ONNX form. Use --engine torch."
            )
    return [cast(FusedRNNLayer, layer) for layer in stack.layers]


def step_layer(
    graph: GraphBuilder,
    weights: GateWeights,
    inputs: Sequence[str],
    state: Sequence[str],
    *,
    bounded: bool,
    sums: Sequence[str] = (),
) -> list[str]:
    """Add one step of a layer; a product for each gate, so that none is cut up later.

    Args:
        graph: The graph to extend.
        weights: The layer's weights, of the inputs alone.
        inputs: Values that together are (R, input_size).
        state: The components of the previous state, (R, H) each.
        bounded: Whether all inputs are in [-1, 1].
        sums: What further inputs and the input biases add to each gate, (R, H) each.

    Returns:
        The components of the next state, the first of which is the layer's output.
    """
    hidden = state[0]
    joined = graph.concat([*inputs, hidden])

    def add(one: str, other: str) -> str:
        return graph.add("Add", [one, other])

    def preactivation(gate: int) -> str:
        weight = torch.cat([weights.inputs[gate], weights.hidden[gate]], dim=1)
        bias = weights.hidden_biases[gate]
        if sums:
            product = graph.affine(joined, weight, bias, bounded=bounded)
            return add(sums[gate], product)
        input_bias = weights.input_biases[gate]
        bias = input_bias if bias is None else input_bias + bias
        return graph.affine(joined, weight, bias, bounded=bounded)

    if len(weights.hidden) == 1:
        return [graph.add("Tanh", [preactivation(0)])]
    if len(weights.hidden) == 3:
        reset, update = (graph.add("Sigmoid", [preactivation(gate)]) for gate in (0, 1))
        new = sums[2] if sums else ""
        if inputs:
            bias = None if sums else weights.input_biases[2]
            value = graph.concat(inputs)
            product = graph.affine(value, weights.inputs[2], bias, bounded=bounded)
            new = add(new, product) if sums else product
        carried = graph.affine(
            hidden, weights.hidden[2], weights.hidden_biases[2], bounded=True
        )
        new = graph.add("Tanh", [add(new, graph.add("Mul", [reset, carried]))])
        difference = graph.add("Sub", [hidden, new])
        return [add(new, graph.add("Mul", [update, difference]))]
    input_gate, forget_gate, output_gate = (
        graph.add("Sigmoid", [preactivation(gate)]) for gate in (0, 1, 3)
    )
    new = graph.add("Mul", [input_gate, graph.add("Tanh", [preactivation(2)])])
    cell_state = add(graph.add("Mul", [forget_gate, state[1]]), new)
    output = graph.add("Mul", [output_gate, graph.add("Tanh", [cell_state])])
    return [output, cell_state]


def sequence_layer(
    graph: GraphBuilder,
    layer: FusedRNNLayer,
    inputs: str,
    mask: str,
    zeros: str,
    *,
    bounded: bool,
) -> tuple[str, list[str]]:
    """Add a layer over whole sequences: a loop over positions, for both directions.

    ONNX's own operators for it have no row-wise 8 bits, and in ONNX Runtime 1.32 they
    are slower for more than a few sentences.

    Args:
        graph: The graph to extend.
        layer: The layer with its weights.
        inputs: (S, N, input_size).
        mask: True at tokens, (S, N, 1). Elsewhere the state stays as it is.
        zeros: The state before the first token, (N, H).
        bounded: Whether all inputs are in [-1, 1].

    Returns:
        The states at every position, (S, N, H), and the components of the final state,
        (N, H) each, both with the directions one after another.
    """
    suffixes = ("", "_reverse")[: layer.num_directions]
    body = graph.body()
    shape: list[str | int] = ["N", layer.rnn.hidden_size]
    states = [
        [body.input("", np.float32, shape) for _ in range(layer.num_components)]
        for _ in suffixes
    ]
    scanned: list[str] = []
    directions: list[int] = []
    next_states: list[str] = []
    for reverse, (suffix, state) in enumerate(zip(suffixes, states, strict=True)):
        weights = gate_weights(layer, suffix)
        sums = [
            graph.affine(inputs, weight, bias, bounded=bounded)
            for weight, bias in zip(weights.inputs, weights.input_biases, strict=True)
        ]
        scanned += [*sums, mask]
        directions += [reverse] * (len(sums) + 1)
        body_sums = [body.input("", np.float32, shape) for _ in sums]
        at_token = body.input("", np.bool_, ["N", 1])
        rest = weights.without_inputs(layer.rnn.input_size)
        after = step_layer(body, rest, [], state, bounded=True, sums=body_sums)
        next_states += [
            body.add("Where", [at_token, new, old])
            for new, old in zip(after, state, strict=True)
        ]
    outputs = [
        body.add("Identity", [hidden])
        for hidden in next_states[:: layer.num_components]
    ]
    attributes = {
        "body": body.subgraph([*next_states, *outputs]),
        "num_scan_inputs": len(scanned),
        "scan_input_directions": directions,
        "scan_output_directions": list(range(len(suffixes))),
    }
    values = graph.add_multi(
        "Scan",
        [*[zeros] * len(next_states), *scanned],
        len(next_states) + len(outputs),
        attributes,
    )
    final, hidden_states = values[: len(next_states)], values[len(next_states) :]
    components = [
        graph.concat(final[number :: layer.num_components])
        for number in range(layer.num_components)
    ]
    return graph.concat(hidden_states), components
