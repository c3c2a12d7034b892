"""A decoder for single steps on a CPU: its matrices laid out once, not at every step.

Knows linear and fused layers, and where a decoder has its first. What torch offers for
modules lays a matrix out anew in every call, which for one row takes far longer than
the product. Measured in docs/experiments.md.
"""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from seq2seq.nn.decoder import Decoder
from seq2seq.nn.rnn_fused import FusedRNNLayer
from seq2seq.nn.rnn_layer_norm import LayerNormRNNLayer
from seq2seq.types import RNNState

ModuleT = TypeVar("ModuleT", bound=nn.Module)

TABLE = 2**24
"""Most numbers of a table that takes the place of embeddings, 64 MiB."""

_NO_BIAS_AFTER: tuple[str, list[float], str] = ("none", [], "")


class PrepackedLinear(nn.Module):
    """A linear layer whose matrix has the layout that oneDNN multiplies with.

    Args:
        weight: The matrix, (out, in), of 32 bits on the CPU.
        bias: Added to each product, (out,), or None.

    Raises:
        RuntimeError: If this torch cannot lay matrices out so, or computes something
            else with them.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        operators = torch.ops.mkldnn
        self.bias = None if bias is None else bias.detach()
        try:
            self.packed = operators._reorder_linear_weight(weight.detach())
            self._multiply = operators._linear_pointwise
            # The operators are internal to torch, so it is not taken for granted that
            # they do what they did.
            given = torch.linspace(-1, 1, weight.shape[1])[None]
            expected = nn.functional.linear(given, weight.detach(), self.bias)
            apart = (self(given) - expected).abs().max()
        except (AttributeError, TypeError, NotImplementedError) as error:
            raise RuntimeError("this torch has no packed matrices") from error
        if not bool(apart < 1e-3 * (1 + weight.detach().abs().sum(dim=1).max())):
            raise RuntimeError("this torch multiplies packed matrices wrongly")

    def forward(self, inputs: Tensor) -> Tensor:
        """Multiply vectors, (..., in) to (..., out)."""
        return cast(
            Tensor, self._multiply(inputs, self.packed, self.bias, *_NO_BIAS_AFTER)
        )


class PrepackedRNNLayer(nn.Module):
    """A recurrent layer of one direction, for one position at a time.

    Args:
        layer: Its weights and kind.
        tabled: How many of its first inputs it is given as what they come to in it,
            bias included.

    Raises:
        RuntimeError: As `PrepackedLinear`.
    """

    def __init__(self, layer: FusedRNNLayer, *, tabled: int = 0) -> None:
        super().__init__()
        reads, recurs, bias, recurring = weights(layer)
        reads, first = reads[:, tabled:], None if tabled else bias
        self.parts = layer.parts
        self.given = len(recurs) if tabled else 0
        self.gated = isinstance(layer.layer, nn.GRU)
        self.sums: PrepackedLinear | None = None
        if self.gated:
            # The reset gate stands between the two products.
            self.recurring = PrepackedLinear(recurs, recurring)
            self.sums = PrepackedLinear(reads, first) if reads.shape[1] else None
        else:
            self.recurring = PrepackedLinear(torch.cat([reads, recurs], dim=1), first)

    def forward(
        self, inputs: Tensor, state: RNNState | None, lengths: Tensor | None
    ) -> tuple[Tensor, RNNState]:
        """Take one step, as `FusedRNNLayer` does.

        Args:
            inputs: (R, 1, input_size), or in place of the first of them what they come
                to.
            state: Where to start from, each part (R, H).
            lengths: None, since all have one position.
        """
        assert state is not None
        assert lengths is None
        given, read = inputs[:, 0].split([self.given, inputs.shape[2] - self.given], 1)
        hidden = state[0]
        if self.gated:
            if self.sums is not None:
                read = self.sums(read)
                given = read.add_(given) if self.given else read
            after: RNNState = (_gru(given, self.recurring(hidden), hidden),)
        else:
            joined = torch.cat([read, hidden], dim=1) if read.shape[1] else hidden
            sums = self.recurring(joined)
            sums = sums.add_(given) if self.given else sums
            after = (sums.tanh_(),) if self.parts == 1 else _lstm(sums, state[1])
        return after[0][:, None], after


def weights(layer: FusedRNNLayer) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what a layer of one direction multiplies and adds, without gradients.

    Returns:
        For its inputs (gates * H, input_size), for its state (gates * H, H), and what
        is added to the products, twice (gates * H,); unless a gate stands between
        them, the first of these has both.
    """
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    reads, recurs, bias, recurring = (
        getattr(layer.layer, name).detach() for name in names
    )
    if not isinstance(layer.layer, nn.GRU):
        bias = bias + recurring
    return reads, recurs, bias, recurring


def _gru(seen: Tensor, recurred: Tensor, hidden: Tensor) -> Tensor:
    """Cho et al. 2014, with the reset gate after the product, as torch has it."""
    size = hidden.shape[1]
    gates = seen[:, : 2 * size].add_(recurred[:, : 2 * size]).sigmoid_()
    reset, update = gates.chunk(2, dim=1)
    new = seen[:, 2 * size :].addcmul_(reset, recurred[:, 2 * size :]).tanh_()
    return torch.lerp(new, hidden, update)


def _lstm(sums: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Hochreiter and Schmidhuber 1997, with a forget gate."""
    size = cell.shape[1]
    both = sums[:, : 2 * size].sigmoid_()
    entry, forget = both.chunk(2, dim=1)
    new = sums[:, 2 * size : 3 * size].tanh_()
    leave = sums[:, 3 * size :].sigmoid_()
    cell = (forget * cell).addcmul_(entry, new)
    return cell.tanh().mul_(leave), cell


def prepack_decoder(decoder: Decoder) -> Decoder:
    """Return a decoder that takes the same steps, on the same weights.

    What the first layer makes of an embedding does not depend on anything else, so it
    is looked up. Layers that have no such form are shared with the original. It may
    only be used for inference, not after the original's weights have changed, and not
    to `start`.

    Raises:
        RuntimeError: As `PrepackedLinear`.
    """
    twin, first = _packed(decoder), decoder.lower.layers[0]
    if not isinstance(first, FusedRNNLayer):
        return twin
    reads, _, bias, _ = weights(first)
    pieces, size = decoder.embedding.weight.shape
    if pieces * len(reads) > TABLE:
        return twin
    embedded = decoder.embedding.weight.detach() * decoder.scale
    table = nn.functional.linear(embedded, reads[:, :size], bias)
    twin.embedding, twin.scale = nn.Embedding.from_pretrained(table), 1.0
    twin.lower.layers[0] = PrepackedRNNLayer(first, tabled=size)
    return twin


def _packed(module: ModuleT) -> ModuleT:
    twin = copy.copy(module)
    twin._modules = {
        name: None if child is None else _packed_child(child)
        for name, child in module._modules.items()
    }
    return twin


def _packed_child(child: nn.Module) -> nn.Module:
    if isinstance(child, nn.Linear):
        return PrepackedLinear(child.weight, child.bias)
    if isinstance(child, FusedRNNLayer) and child.directions == 1:
        return PrepackedRNNLayer(child)
    if isinstance(child, LayerNormRNNLayer):
        return child  # It reads its matrices' weights itself.
    return _packed(child)
