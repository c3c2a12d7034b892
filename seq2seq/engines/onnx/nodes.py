"""Build ONNX graphs: operators, constants and products, in 8 bits or 32.

torch's exporters (2.13) cannot trace packed sequences, or get padded ones wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 17
IR_VERSION = 9  # Runtimes of 2023 and later read it.
RUNTIME_DOMAIN = "com.microsoft"  # ONNX Runtime's own operators.

WEIGHT_LEVELS, INPUT_LEVELS = 63, 127
"""Largest integer of a weight and of an input. Processors without VNNI instructions add
two products in 16 bits, which weights of 8 bits would overflow, so they have 7."""

Array = NDArray[Any]


class GraphBuilder:
    """Collects the nodes of a graph; values are represented by their names.

    Args:
        int8: Whether products with weights are computed in 8 bits.
    """

    def __init__(self, *, int8: bool = False) -> None:
        self._int8 = int8
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._quantised: dict[tuple[str, bool], tuple[str, str]] = {}
        self._names = itertools.count(1)

    def body(self) -> GraphBuilder:
        """Return a builder of a loop's body; constants go to the graph around it."""
        body = GraphBuilder(int8=self._int8)
        body._constants, body._names = self._constants, self._names
        return body

    def subgraph(self, outputs: Sequence[str]) -> onnx.GraphProto:
        """Finish a body of float32 outputs."""
        infos = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in outputs
        ]
        return helper.make_graph(self._nodes, "body", self._inputs, infos)

    def input(self, name: str, kind: type, shape: Sequence[str | int]) -> str:
        """Declare an input; a name if it has none; letters are dynamic sizes."""
        name = name or self._name("input")
        number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        self._inputs.append(helper.make_tensor_value_info(name, number, shape))
        return name

    def constant(self, array: Array | Tensor | Sequence[int]) -> str:
        """Add a constant: int64, float32, or with 8 or 16 bits as it is."""
        if isinstance(array, Tensor):
            array = array.detach().numpy()
        values = np.array(array)
        kind: Any = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float32
        if values.dtype.itemsize < 4:
            kind = values.dtype
        name = self._name("constant")
        tensor = numpy_helper.from_array(np.ascontiguousarray(values, dtype=kind), name)
        self._constants.append(tensor)
        return name

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Any] | None = None,
        domain: str = "",
    ) -> str:
        """Add an operator with one output."""
        return self.add_multi(operator, inputs, 1, attributes, domain)[0]

    def add_multi(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: int,
        attributes: Mapping[str, Any] | None = None,
        domain: str = "",
    ) -> list[str]:
        """Add an operator with several outputs."""
        names = [self._name(operator.lower()) for _ in range(outputs)]
        node = helper.make_node(
            operator, inputs, names, domain=domain, **(attributes or {})
        )
        self._nodes.append(node)
        return names

    def linear(self, inputs: str, layer: nn.Linear, *, bounded: bool) -> str:
        """Apply a linear layer; `bounded` as in `affine`."""
        return self.affine(inputs, layer.weight, layer.bias, bounded=bounded)

    def affine(
        self, inputs: str, weight: Tensor, bias: Tensor | None, *, bounded: bool
    ) -> str:
        """Multiply by a weight, (out, in), and add a bias, (out,).

        Args:
            inputs: (..., in).
            weight: The weight.
            bias: The bias, if any.
            bounded: Whether all inputs are in [-1, 1]: then 8 bits have one scale for
                any of them, else a row has its own.
        """
        if not self._int8:
            product = self.add("MatMul", [inputs, self.constant(weight.t())])
            if bias is None:
                return product
            return self.add("Add", [product, self.constant(bias)])
        columns = weight.detach().numpy().T
        scales = np.abs(columns).max(axis=0) / WEIGHT_LEVELS
        scales[scales == 0] = 1
        integers = self.constant(np.round(columns / scales).astype(np.int8))
        quantised, row_scale = self._quantise(inputs, bounded)
        operands = [
            quantised,
            integers,
            self.constant(np.float32(1 / INPUT_LEVELS)),
            self.constant(scales),
            self.constant(np.uint8(INPUT_LEVELS + 1)),
        ]
        if bounded and bias is not None:
            operands += ["", self.constant(bias)]
        product = self.add("MatMulIntegerToFloat", operands, domain=RUNTIME_DOMAIN)
        if bounded:
            return product
        product = self.add("Mul", [product, row_scale])
        if bias is None:
            return product
        return self.add("Add", [product, self.constant(bias)])

    def _quantise(self, value: str, bounded: bool) -> tuple[str, str]:
        """Return a value in 8 bits, and the scale of its rows unless bounded.

        Neither depends on other rows, so a sentence's scores do not on its batch.
        """
        if (value, bounded) not in self._quantised:
            scaled, row_scale = value, ""
            if not bounded:
                largest = self.add("Abs", [value])
                axes = {"axes": [-1], "keepdims": 1}
                largest = self.add("ReduceMax", [largest], axes)
                tiny = self.constant(np.float32(1e-30))
                row_scale = self.add("Max", [largest, tiny])
                scaled = self.add("Div", [value, row_scale])
            step = self.constant(np.float32(1 / INPUT_LEVELS))
            zero = self.constant(np.uint8(INPUT_LEVELS + 1))
            quantised = self.add("QuantizeLinear", [scaled, step, zero])
            self._quantised[value, bounded] = quantised, row_scale
        return self._quantised[value, bounded]

    def rows(self, table: Tensor, numbers: str) -> str:
        """Select rows of a table, (V, H), with half the bits where products have 8."""
        if not self._int8:
            return self.add("Gather", [self.constant(table), numbers])
        half = self.add("Gather", [self.constant(table.half()), numbers])
        return self.add("Cast", [half], {"to": TensorProto.FLOAT})

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
        names: dict[str, str] = {}
        for name, value in outputs.items():
            if names.setdefault(value, name) != name:  # A value has one name: copy it.
                self._nodes.append(helper.make_node("Identity", [value], [name]))
        for node in self._nodes:
            for values in (node.input, node.output):
                values[:] = [names.get(value, value) for value in values]
        output_infos = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, _dimensions(name))
            for name in outputs
        ]
        graph = helper.make_graph(
            self._nodes, "seq2seq", self._inputs, output_infos, self._constants
        )
        return helper.make_model(
            graph,
            opset_imports=[
                helper.make_opsetid("", OPSET),
                helper.make_opsetid(RUNTIME_DOMAIN, 1),
            ],
            ir_version=IR_VERSION,
            producer_name="seq2seq",
        )

    def _name(self, stem: str) -> str:
        return f"{stem}_{next(self._names)}"


def _dimensions(name: str) -> list[str]:
    """Name the dimensions of an output, whose sizes are dynamic."""
    count = 4 if name in ("keys", "values", "attention_bias") else 2
    return [f"{name}_{number}" for number in range(count)]


def save(model: onnx.ModelProto, path: Path) -> None:
    """Check and write a model; equal networks give equal bytes."""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
