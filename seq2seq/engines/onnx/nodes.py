"""Build ONNX graphs: operators, constants and recurrent layers.

torch's exporters (2.13) cannot trace packed sequences, or get padded ones wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from seq2seq.errors import UserError
from seq2seq.nn.rnn_fused import FusedRNNLayer
from seq2seq.nn.rnn_stack import RNNStack

OPSET = 17
IR_VERSION = 9  # Runtimes of 2023 and later read it.

Array = NDArray[Any]

# torch orders a GRU's gates as reset, update, new and an LSTM's as input, forget, new,
# output; ONNX as update, reset, new and as input, output, forget, new.
_TO_ONNX = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}
_OPERATOR = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}


class GraphBuilder:
    """Collects the nodes of a graph; values are represented by their names."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def input(self, name: str, kind: type, shape: Sequence[str | int]) -> str:
        """Declare an input; letters in its shape are dynamic sizes."""
        number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        self._inputs.append(helper.make_tensor_value_info(name, number, shape))
        return name

    def constant(self, array: Array | Tensor | Sequence[int]) -> str:
        """Add a constant; integers are stored as int64, all else as float32."""
        if isinstance(array, Tensor):
            array = array.detach().numpy()
        values = np.array(array)
        kind = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float32
        name = self._name("constant")
        tensor = numpy_helper.from_array(np.ascontiguousarray(values, dtype=kind), name)
        self._constants.append(tensor)
        return name

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Any] | None = None,
    ) -> str:
        """Add an operator with one output."""
        return self.add_multi(operator, inputs, 1, attributes)[0]

    def add_multi(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: int,
        attributes: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Add an operator with several outputs."""
        names = [self._name(operator.lower()) for _ in range(outputs)]
        node = helper.make_node(operator, inputs, names, **(attributes or {}))
        self._nodes.append(node)
        return names

    def linear(self, inputs: str, layer: nn.Linear) -> str:
        """Apply a linear layer."""
        return self.affine(inputs, layer.weight, layer.bias)

    def affine(self, inputs: str, weight: Tensor, bias: Tensor | None) -> str:
        """Multiply by a weight, (out, in), and add a bias, (out,)."""
        product = self.add("MatMul", [inputs, self.constant(weight.t())])
        if bias is None:
            return product
        return self.add("Add", [product, self.constant(bias)])

    def concat(self, values: Sequence[str]) -> str:
        """Concatenate values along the last dimension."""
        if len(values) == 1:
            return values[0]
        return self.add("Concat", values, {"axis": -1})

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        """Reshape a value: 0 keeps a dimension, -1 is inferred."""
        return self.add("Reshape", [value, self.constant(shape)])

    def transpose(self, value: str, order: Sequence[int]) -> str:
        """Permute dimensions."""
        return self.add("Transpose", [value], {"perm": list(order)})

    def scale(self, value: str, factor: float) -> str:
        """Multiply by a scalar."""
        return self.add("Mul", [value, self.constant(np.float32(factor))])

    def model(self, outputs: Mapping[str, str]) -> onnx.ModelProto:
        """Finish the graph.

        Args:
            outputs: The value of each named output; the attention memory has four
                dimensions, all others have two.
        """
        for name, value in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        output_infos = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, _dimensions(name))
            for name in outputs
        ]
        graph = helper.make_graph(
            self._nodes, "seq2seq", self._inputs, output_infos, self._constants
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="seq2seq",
        )

    def _name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"


def _dimensions(name: str) -> list[str]:
    """Name the dimensions of an output, whose sizes are dynamic."""
    count = 4 if name in ("keys", "values", "attention_bias") else 2
    return [f"{name}_{number}" for number in range(count)]


def save(model: onnx.ModelProto, path: Path) -> None:
    """Check and write a model; equal networks give equal bytes."""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


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


def step_layer(
    graph: GraphBuilder, layer: FusedRNNLayer, inputs: str, state: Sequence[str]
) -> list[str]:
    """Add one step of a layer as matrix products, which can be quantised.

    Args:
        graph: The graph to extend.
        layer: The layer with its weights.
        inputs: (R, input_size).
        state: The components of the previous state, (R, H) each.

    Returns:
        The components of the next state, the first of which is the layer's output.
    """
    cell, torch_layer = _cell(layer), layer.rnn
    size = torch_layer.hidden_size
    weights = dict(torch_layer.named_parameters())

    def product(value: str, suffix: str) -> str:
        weight, bias = weights[f"weight_{suffix}_l0"], weights[f"bias_{suffix}_l0"]
        return graph.affine(value, weight, bias)

    def split(value: str, sizes: Sequence[int]) -> list[str]:
        split_inputs = [value, graph.constant(sizes)]
        return graph.add_multi("Split", split_inputs, len(sizes), {"axis": -1})

    input_sums, hidden_sums = product(inputs, "ih"), product(state[0], "hh")
    if cell == "rnn":
        return [graph.add("Tanh", [graph.add("Add", [input_sums, hidden_sums])])]
    if cell == "gru":
        gates_i, new_i = split(input_sums, [2 * size, size])
        gates_h, new_h = split(hidden_sums, [2 * size, size])
        gates = graph.add("Sigmoid", [graph.add("Add", [gates_i, gates_h])])
        reset, update = split(gates, [size, size])
        new = graph.add("Add", [new_i, graph.add("Mul", [reset, new_h])])
        new = graph.add("Tanh", [new])
        carried = graph.add("Mul", [update, graph.add("Sub", [state[0], new])])
        return [graph.add("Add", [new, carried])]
    preactivations = split(graph.add("Add", [input_sums, hidden_sums]), [size] * 4)
    input_gate, forget_gate, output_gate = (
        graph.add("Sigmoid", [preactivations[i]]) for i in (0, 1, 3)
    )
    cell_state = graph.add("Mul", [forget_gate, state[1]])
    new = graph.add("Mul", [input_gate, graph.add("Tanh", [preactivations[2]])])
    cell_state = graph.add("Add", [cell_state, new])
    hidden = graph.add("Mul", [output_gate, graph.add("Tanh", [cell_state])])
    return [hidden, cell_state]


def _cell(layer: FusedRNNLayer) -> str:
    return {nn.RNN: "rnn", nn.GRU: "gru", nn.LSTM: "lstm"}[type(layer.rnn)]


def _in_onnx_order(layer: FusedRNNLayer, name: str, cell: str) -> Array:
    """Return a weight or bias of the torch layer with its gates in ONNX's order."""
    weight = dict(layer.rnn.named_parameters())[name].detach().numpy()
    blocks = np.split(weight, len(_TO_ONNX[cell]))
    return np.concatenate([blocks[gate] for gate in _TO_ONNX[cell]])
