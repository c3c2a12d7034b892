"""Recurrent layers as ONNX operators: over whole sequences, and one step of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from seq2seq.engines.onnx.nodes import Array, GraphBuilder
from seq2seq.engines.prepacked_decoder import rnn_weights
from seq2seq.errors import UserError
from seq2seq.nn.rnn_fused import FusedRNNLayer
from seq2seq.nn.rnn_stack import RNNStack

# torch orders a GRU's gates as reset, update, new and an LSTM's as input, forget, new,
# output; ONNX as update, reset, new and as input, output, forget, new.
_TO_ONNX = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}
_OPERATOR = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}


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


def sequence_layer(
    graph: GraphBuilder, layer: FusedRNNLayer, inputs: str, lengths: str
) -> tuple[str, list[str]]:
    """Add a recurrent layer over whole sequences.

    Args:
        graph: The graph to extend.
        layer: The layer with its weights.
        inputs: (S, N, input_size).
        lengths: Length of each sequence, (N,), int32.

    Returns:
        The states at every position, (S, N, H), and the components of the final state,
        (N, H) each.
    """
    cell = _cell(layer)
    size = layer.rnn.hidden_size
    weights_ih, weights_hh, biases = [], [], []
    for direction in ("", "_reverse")[: layer.num_directions]:
        weights_ih.append(_in_onnx_order(layer, f"weight_ih_l0{direction}", cell))
        weights_hh.append(_in_onnx_order(layer, f"weight_hh_l0{direction}", cell))
        bias_pair = [
            _in_onnx_order(layer, f"bias_{suffix}_l0{direction}", cell)
            for suffix in ("ih", "hh")
        ]
        biases.append(np.concatenate(bias_pair))
    attributes: dict[str, Any] = {
        "hidden_size": size,
        "direction": "bidirectional" if layer.num_directions == 2 else "forward",
    }
    if cell == "gru":
        attributes["linear_before_reset"] = 1
    weights = [
        graph.constant(np.stack(directions))
        for directions in (weights_ih, weights_hh, biases)
    ]
    states, *final_states = graph.add_multi(
        _OPERATOR[cell],
        [inputs, *weights, lengths],
        1 + layer.num_components,
        attributes,
    )
    # (S, D, N, H) and (D, N, H)
    states = graph.reshape(graph.transpose(states, (0, 2, 1, 3)), (0, 0, -1))
    return states, [
        graph.reshape(graph.transpose(final_state, (1, 0, 2)), (0, -1))
        for final_state in final_states
    ]


class Lookup(NamedTuple):
    """Tokens whose embeddings are a layer's leading inputs.

    Attributes:
        table: Their embeddings, (V, E).
        tokens: The tokens, (R,).
    """

    table: Tensor
    tokens: str


def step_layer(
    graph: GraphBuilder,
    layer: FusedRNNLayer,
    inputs: Sequence[str],
    state: Sequence[str],
    *,
    bounded: bool,
    lookup: Lookup | None = None,
) -> list[str]:
    """Add one step of a layer; a product for each gate, so that none is cut up later.

    Args:
        graph: The graph to extend.
        layer: The layer with its weights.
        inputs: Values that together are (R, input_size), less what is looked up.
        state: The components of the previous state, (R, H) each.
        bounded: Whether all inputs are in [-1, 1].
        lookup: The leading inputs, if they are embeddings: the graph has their products
            with the weights.

    Returns:
        The components of the next state, the first of which is the layer's output.
    """
    cell, hidden = _cell(layer), state[0]
    count = len(_TO_ONNX[cell])
    weight_ih, weight_hh, bias_ih, bias_hh = rnn_weights(layer)
    size = 0 if lookup is None else lookup.table.shape[1]
    embedded = weight_ih[:, :size].chunk(count)
    input_weights = weight_ih[:, size:].chunk(count)
    hidden_weights, biases = weight_hh.chunk(count), bias_ih.chunk(count)
    joined = graph.concat([*inputs, hidden])

    def gate_sums(
        gate: int, value: str, weight: Tensor, hidden_bias: Tensor | None = None
    ) -> str:
        """Multiply; add the biases and the products of the embeddings."""
        bias = biases[gate] if hidden_bias is None else biases[gate] + hidden_bias
        if lookup is None:
            return graph.affine(value, weight, bias, bounded=bounded)
        products = lookup.table @ embedded[gate].t()
        if not value:
            return graph.rows(products + bias, lookup.tokens)
        product = graph.affine(value, weight, bias, bounded=bounded)
        return graph.add("Add", [graph.rows(products, lookup.tokens), product])

    def preactivation(gate: int, hidden_bias: Tensor | None = None) -> str:
        weight = torch.cat([input_weights[gate], hidden_weights[gate]], dim=1)
        return gate_sums(gate, joined, weight, hidden_bias)

    if cell == "rnn":
        return [graph.add("Tanh", [preactivation(0)])]
    if cell == "gru":
        hidden_biases = bias_hh.chunk(count)
        reset, update = (
            graph.add("Sigmoid", [preactivation(gate, hidden_biases[gate])])
            for gate in (0, 1)
        )
        new = gate_sums(2, graph.concat(inputs) if inputs else "", input_weights[2])
        carried = graph.affine(
            hidden, hidden_weights[2], hidden_biases[2], bounded=True
        )
        new = graph.add("Add", [new, graph.add("Mul", [reset, carried])])
        new = graph.add("Tanh", [new])
        difference = graph.add("Sub", [hidden, new])
        return [graph.add("Add", [new, graph.add("Mul", [update, difference])])]
    input_gate, forget_gate, output_gate = (
        graph.add("Sigmoid", [preactivation(gate)]) for gate in (0, 1, 3)
    )
    cell_state = graph.add("Mul", [forget_gate, state[1]])
    new = graph.add("Mul", [input_gate, graph.add("Tanh", [preactivation(2)])])
    cell_state = graph.add("Add", [cell_state, new])
    output = graph.add("Mul", [output_gate, graph.add("Tanh", [cell_state])])
    return [output, cell_state]


def _cell(layer: FusedRNNLayer) -> str:
    return {nn.RNN: "rnn", nn.GRU: "gru", nn.LSTM: "lstm"}[type(layer.rnn)]


def _in_onnx_order(layer: FusedRNNLayer, name: str, cell: str) -> Array:
    """Return a weight or bias of the torch layer with its gates in ONNX's order."""
    weight = dict(layer.rnn.named_parameters())[name].detach().numpy()
    blocks = np.split(weight, len(_TO_ONNX[cell]))
    return np.concatenate([blocks[gate] for gate in _TO_ONNX[cell]])
