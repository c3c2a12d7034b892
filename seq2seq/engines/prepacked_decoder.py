"""A decoder for single steps on a CPU, with weights prepacked for oneDNN.

torch's modules reorder a weight matrix in every call, which for a few rows takes far
longer than the product. Measured in docs/experiments.md.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from seq2seq.nn.decoder import Decoder
from seq2seq.nn.rnn_fused import FusedRNNLayer
from seq2seq.nn.rnn_layer_norm import LayerNormRNNLayer
from seq2seq.types import RNNState

ModuleT = TypeVar("ModuleT", bound=nn.Module)

MAX_TABLE_SIZE = 2**24
"""Maximum elements of a table that replaces the embedding, 64 MiB."""

_NO_POST_OP: tuple[str, list[float], str] = ("none", [], "")


class PrepackedLinear(nn.Module):
    """A linear layer whose weight is stored in oneDNN's layout.

    Args:
        weight: The matrix, (out, in), float32 on the CPU.
        bias: (out,), or None.
        dtype: In which it multiplies, float32 or bfloat16; inputs and outputs are of
            the inputs' type.

    Raises:
        RuntimeError: If this version of torch lacks the operators, or they give other
            results.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        operators = torch.ops.mkldnn
        weight = weight.detach()
        self.dtype = dtype
        self.bias = None if bias is None else bias.detach().to(dtype)
        try:
            self.packed = operators._reorder_linear_weight(weight.to(dtype))
            self._multiply = operators._linear_pointwise
            # The operators are internal to torch and may change, so they are tested.
            inputs = torch.linspace(-1, 1, weight.shape[1])[None]
            expected = nn.functional.linear(inputs, weight, bias)
            difference = (self(inputs) - expected).abs().max()
        except (AttributeError, TypeError, NotImplementedError) as error:
            raise RuntimeError("this torch has no packed matrices") from error
        tolerance = 1e-3 if dtype == torch.float32 else 1e-2
        if not bool(difference < tolerance * (1 + weight.abs().sum(dim=1).max())):
            raise RuntimeError("this torch multiplies packed matrices wrongly")

    def forward(self, inputs: Tensor) -> Tensor:
        """Multiply, (..., in) to (..., out)."""
        product: Tensor = self._multiply(
            inputs.to(self.dtype), self.packed, self.bias, *_NO_POST_OP
        )
        return product.to(inputs.dtype)


class PrepackedRNNLayer(nn.Module):
    """A unidirectional recurrent layer that takes one step at a time.

    Args:
        layer: The layer to copy.
        dtype: As of `PrepackedLinear`.
        num_projected: Number of its leading inputs that are replaced by their
            projection, bias included (see `prepack_decoder`).

    Raises:
        RuntimeError: As `PrepackedLinear`.
    """

    def __init__(
        self, layer: FusedRNNLayer, dtype: torch.dtype, *, num_projected: int = 0
    ) -> None:
        super().__init__()
        weight_ih, weight_hh, bias_ih, bias_hh = rnn_weights(layer)
        weight_ih = weight_ih[:, num_projected:]
        bias = None if num_projected else bias_ih
        self.num_components = layer.num_components
        self.projected_size = len(weight_hh) if num_projected else 0
        self.is_gru = isinstance(layer.rnn, nn.GRU)
        self.input_product: PrepackedLinear | None = None
        if self.is_gru:
            # The reset gate is applied between the two products.
            self.hidden_product = PrepackedLinear(weight_hh, bias_hh, dtype)
            if weight_ih.shape[1]:
                self.input_product = PrepackedLinear(weight_ih, bias, dtype)
        else:
            weight = torch.cat([weight_ih, weight_hh], dim=1)
            self.hidden_product = PrepackedLinear(weight, bias, dtype)

    def forward(
        self, inputs: Tensor, state: RNNState | None, lengths: Tensor | None
    ) -> tuple[Tensor, RNNState]:
        """Take one step, as `FusedRNNLayer` does.

        Args:
            inputs: (R, 1, input_size); the leading inputs may be replaced by their
                projection (gates * H).
            state: The previous state, each component (R, H).
            lengths: None, since every row has one position.
        """
        assert state is not None
        assert lengths is None
        sizes = [self.projected_size, inputs.shape[2] - self.projected_size]
        projected, rest = inputs[:, 0].split(sizes, 1)
        hidden = state[0]
        if self.is_gru:
            if self.input_product is not None:
                rest = self.input_product(rest)
                projected = rest.add_(projected) if self.projected_size else rest
            next_state: RNNState = (
                _gru(projected, self.hidden_product(hidden), hidden),
            )
        else:
            joined = torch.cat([rest, hidden], dim=1) if rest.shape[1] else hidden
            preactivations = self.hidden_product(joined)
            if self.projected_size:
                preactivations = preactivations.add_(projected)
            next_state = (
                (preactivations.tanh_(),)
                if self.num_components == 1
                else _lstm(preactivations, state[1])
            )
        return next_state[0][:, None], next_state


def rnn_weights(
    layer: FusedRNNLayer, suffix: str = ""
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the weights of one direction of a layer, detached.

    Args:
        layer: The layer.
        suffix: _reverse for the second direction, as torch names it.

    Returns:
        weight_ih (gates * H, input_size), weight_hh (gates * H, H), bias_ih and bias_hh
        (gates * H,); except for a GRU, bias_ih is the sum of both.
    """
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    weight_ih, weight_hh, bias_ih, bias_hh = (
        getattr(layer.rnn, name + suffix).detach() for name in names
    )
    if not isinstance(layer.rnn, nn.GRU):
        bias_ih = bias_ih + bias_hh
    return weight_ih, weight_hh, bias_ih, bias_hh


def _gru(input_sums: Tensor, hidden_sums: Tensor, hidden: Tensor) -> Tensor:
    """GRU (Cho et al. 2014), reset gate after the product, as in torch."""
    size = hidden.shape[1]
    gates = input_sums[:, : 2 * size].add_(hidden_sums[:, : 2 * size]).sigmoid_()
    reset, update = gates.chunk(2, dim=1)
    new = input_sums[:, 2 * size :].addcmul_(reset, hidden_sums[:, 2 * size :]).tanh_()
    return torch.lerp(new, hidden, update)


def _lstm(preactivations: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """LSTM with forget gate (Hochreiter and Schmidhuber 1997; Gers et al. 2000)."""
    size = cell.shape[1]
    gates = preactivations[:, : 2 * size].sigmoid_()
    input_gate, forget_gate = gates.chunk(2, dim=1)
    new = preactivations[:, 2 * size : 3 * size].tanh_()
    output_gate = preactivations[:, 3 * size :].sigmoid_()
    cell = (forget_gate * cell).addcmul_(input_gate, new)
    return cell.tanh().mul_(output_gate), cell


def prepack_decoder(decoder: Decoder, dtype: torch.dtype) -> Decoder:
    """Return a copy of a decoder with prepacked weights, for single inference steps.

    The embedding is replaced by a table of its projections by the first layer, which
    depend on nothing else. Layers without a prepacked form are shared with the
    original. Neither may the original's weights change afterwards, nor can the copy
    `start`.

    Raises:
        RuntimeError: As `PrepackedLinear`.
    """
    prepacked, first = _prepack(decoder, dtype), decoder.bottom_rnn.layers[0]
    if not isinstance(first, FusedRNNLayer):
        return prepacked
    weight_ih, _, bias_ih, _ = rnn_weights(first)
    vocab_size, size = decoder.embedding.weight.shape
    if vocab_size * len(weight_ih) > MAX_TABLE_SIZE:
        return prepacked
    embedded = decoder.embedding.weight.detach() * decoder.scale
    table = nn.functional.linear(embedded, weight_ih[:, :size], bias_ih)
    prepacked.embedding = nn.Embedding.from_pretrained(table)
    prepacked.scale = 1.0
    prepacked.bottom_rnn.layers[0] = PrepackedRNNLayer(first, dtype, num_projected=size)
    return prepacked


def _prepack(module: ModuleT, dtype: torch.dtype) -> ModuleT:
    twin = copy.copy(module)
    twin._modules = {
        name: None if child is None else _prepack_child(child, dtype)
        for name, child in module._modules.items()
    }
    return twin


def _prepack_child(child: nn.Module, dtype: torch.dtype) -> nn.Module:
    if isinstance(child, nn.Linear):
        return PrepackedLinear(child.weight, child.bias, dtype)
    if isinstance(child, FusedRNNLayer) and child.num_directions == 1:
        return PrepackedRNNLayer(child, dtype)
    if isinstance(child, LayerNormRNNLayer):
        return child  # It uses its linear layers' weights directly.
    return _prepack(child, dtype)
