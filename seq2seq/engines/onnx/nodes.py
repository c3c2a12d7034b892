"""Writing ONNX graphs: operators, constants, recurrent layers.

Knows ONNX's operators and torch's layout of weights; not translators. The graphs are
written here because torch's exporters cannot trace packed sequences or get padded ones
wrong (2.13).
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

# Torch has a GRU's gates as reset, update, new and an LSTM's as input, forget, new,
# output; ONNX as update, reset, new and as input, output, forget, new.
_TO_ONNX = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}
_OPERATOR = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}


class GraphBuilder:
    """A graph under way: values are names, operators give new ones."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def input(self, name: str, kind: type, shape: Sequence[str | int]) -> str:
        """Declare something that is given; letters are sizes that may vary."""
        number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        self._inputs.append(helper.make_tensor_value_info(name, number, shape))
        return name

    def constant(self, array: Array | Tensor | Sequence[int]) -> str:
        """Keep an array in the graph; whole numbers have 64 bits, others 32."""
        found = array.detach().numpy() if isinstance(array, Tensor) else np.array(array)
        kind = np.int64 if np.issubdtype(found.dtype, np.integer) else np.float32
        name = self._name("constant")
        tensor = numpy_helper.from_array(np.ascontiguousarray(found, dtype=kind), name)
        self._constants.append(tensor)
        return name

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Any] | None = None,
    ) -> str:
        """Apply an operator that gives one value."""
        return self.several(operator, inputs, 1, attributes)[0]

    def several(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: int,
        attributes: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Apply an operator that gives several values."""
        names = [self._name(operator.lower()) for _ in range(outputs)]
        node = helper.make_node(operator, inputs, names, **(attributes or {}))
        self._nodes.append(node)
        return names

    def linear(self, read: str, layer: nn.Linear) -> str:
        """Multiply by a matrix of torch's, (out, in), and add its bias."""
        return self.affine(read, layer.weight, layer.bias)

    def affine(self, read: str, weight: Tensor, bias: Tensor | None) -> str:
        """Multiply by a matrix, (out, in), and add a vector."""
        product = self.add("MatMul", [read, self.constant(weight.t())])
        if bias is None:
            return product
        return self.add("Add", [product, self.constant(bias)])

    def joined(self, parts: Sequence[str]) -> str:
        """Put the last dimensions of values one after another."""
        return self.add("Concat", parts, {"axis": -1}) if len(parts) > 1 else parts[0]

    def reshaped(self, value: str, shape: Sequence[int]) -> str:
        """Give a value another shape: 0 keeps a size, -1 takes what is left."""
        return self.add("Reshape", [value, self.constant(shape)])

    def transposed(self, value: str, order: Sequence[int]) -> str:
        """Change the order of dimensions."""
        return self.add("Transpose", [value], {"perm": list(order)})

    def scaled(self, value: str, factor: float) -> str:
        """Multiply by a number."""
        return self.add("Mul", [value, self.constant(np.float32(factor))])

    def model(self, outputs: Mapping[str, str]) -> onnx.ModelProto:
        """Finish the graph.

        Args:
            outputs: The value behind each name; memories of attention have four
                dimensions, all else has two.
        """
        for name, value in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        given = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, _sizes(name))
            for name in outputs
        ]
        graph = helper.make_graph(
            self._nodes, "seq2seq", self._inputs, given, self._constants
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


def _sizes(name: str) -> list[str]:
    """Name the dimensions of an output; their sizes are found as it runs."""
    count = 4 if name in ("keys", "values", "bias") else 2
    return [f"{name}_{number}" for number in range(count)]


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a model once its form is checked; equal networks give equal bytes."""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def fused_layers(stack: RNNStack) -> list[FusedRNNLayer]:
    """Return a stack's layers, if ONNX has such.

    Raises:
        InputError: If they are normalised, drop their state or are scans.
    """
    for layer in stack.layers:
        if not isinstance(layer, FusedRNNLayer):
            raise UserError(
                "only rnn, gru and lstm cells without layer_norm and "
                "recurrent_dropout have an ONNX form. Use --engine torch."
            )
    return [cast(FusedRNNLayer, layer) for layer in stack.layers]


def sequence_layer(
    graph: GraphBuilder, layer: FusedRNNLayer, read: str, lengths: str
) -> tuple[str, list[str]]:
    """Run a layer over whole sequences.

    Args:
        graph: Where to write.
        layer: Its weights.
        read: What it reads, (S, N, input).
        lengths: Real positions, (N,), 32 bits.

    Returns:
        States at every position, (S, N, H), and the parts after the last, (N, H) each.
    """
    cell = _cell(layer)
    size = layer.layer.hidden_size
    reads, recurs, biases = [], [], []
    for direction in ("", "_reverse")[: layer.directions]:
        reads.append(_ordered(layer, f"weight_ih_l0{direction}", cell))
        recurs.append(_ordered(layer, f"weight_hh_l0{direction}", cell))
        both = [
            _ordered(layer, f"bias_{of}_l0{direction}", cell) for of in ("ih", "hh")
        ]
        biases.append(np.concatenate(both))
    attributes: dict[str, Any] = {
        "hidden_size": size,
        "direction": "bidirectional" if layer.directions == 2 else "forward",
    }
    if cell == "gru":
        attributes["linear_before_reset"] = 1
    weights = [graph.constant(np.stack(each)) for each in (reads, recurs, biases)]
    states, *finals = graph.several(
        _OPERATOR[cell], [read, *weights, lengths], 1 + layer.parts, attributes
    )
    # (S, D, N, H) and (D, N, H)
    states = graph.reshaped(graph.transposed(states, (0, 2, 1, 3)), (0, 0, -1))
    return states, [
        graph.reshaped(graph.transposed(final, (1, 0, 2)), (0, -1)) for final in finals
    ]


def step_layer(
    graph: GraphBuilder, layer: FusedRNNLayer, read: str, state: Sequence[str]
) -> list[str]:
    """Run a layer over one position: plain matrix products, which can be quantised.

    Args:
        graph: Where to write.
        layer: Its weights, of one direction.
        read: What it reads, (R, input).
        state: The parts before, (R, H) each.

    Returns:
        The parts after it, the first of which is what the layer says.
    """
    cell, torch_layer = _cell(layer), layer.layer
    size = torch_layer.hidden_size
    weights = dict(torch_layer.named_parameters())

    def sums(value: str, of: str) -> str:
        return graph.affine(value, weights[f"weight_{of}_l0"], weights[f"bias_{of}_l0"])

    def split(value: str, sizes: Sequence[int]) -> list[str]:
        given = [value, graph.constant(sizes)]
        return graph.several("Split", given, len(sizes), {"axis": -1})

    seen, recurred = sums(read, "ih"), sums(state[0], "hh")
    if cell == "rnn":
        return [graph.add("Tanh", [graph.add("Add", [seen, recurred])])]
    if cell == "gru":
        both, new = split(seen, [2 * size, size])
        both_h, new_h = split(recurred, [2 * size, size])
        gates = graph.add("Sigmoid", [graph.add("Add", [both, both_h])])
        reset, update = split(gates, [size, size])
        new = graph.add("Add", [new, graph.add("Mul", [reset, new_h])])
        new = graph.add("Tanh", [new])
        kept = graph.add("Mul", [update, graph.add("Sub", [state[0], new])])
        return [graph.add("Add", [new, kept])]
    four = split(graph.add("Add", [seen, recurred]), [size] * 4)
    entry, forget, leave = (graph.add("Sigmoid", [four[i]]) for i in (0, 1, 3))
    memory = graph.add("Mul", [forget, state[1]])
    new = graph.add("Mul", [entry, graph.add("Tanh", [four[2]])])
    memory = graph.add("Add", [memory, new])
    return [graph.add("Mul", [leave, graph.add("Tanh", [memory])]), memory]


def _cell(layer: FusedRNNLayer) -> str:
    return {nn.RNN: "rnn", nn.GRU: "gru", nn.LSTM: "lstm"}[type(layer.layer)]


def _ordered(layer: FusedRNNLayer, name: str, cell: str) -> Array:
    """Take a matrix or vector of torch's with its gates in ONNX's order."""
    found = dict(layer.layer.named_parameters())[name].detach().numpy()
    blocks = np.split(found, len(_TO_ONNX[cell]))
    return np.concatenate([blocks[gate] for gate in _TO_ONNX[cell]])
