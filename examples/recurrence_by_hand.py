"""The recurrence in a few lines of torch, beside the package's layers.

    python examples/recurrence_by_hand.py cell            the equation of a tanh layer
    python examples/recurrence_by_hand.py shared-weights  one W for all steps

The tour, docs/lecture.md, explains what they print.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from seq2seq.nn.rnn_fused import FusedRNNLayer


def states(
    inputs: Tensor, w_xh: Tensor, w_hh: Tensor, bias: Tensor, *, linear: bool = False
) -> Tensor:
    """Run the recurrence over inputs, (T, E), and return all states, (T, H)."""
    state = torch.zeros(len(w_hh))
    outputs = []
    for x in inputs:
        sums = w_xh @ x + w_hh @ state + bias
        state = sums if linear else torch.tanh(sums)
        outputs.append(state)
    return torch.stack(outputs)


def cell() -> None:
    """Compare the equation with torch's fused layer; leave tanh out."""
    torch.manual_seed(1)
    layer = FusedRNNLayer(64, 128, cell="rnn", bidirectional=False)
    rnn = layer.rnn
    w_xh, w_hh = rnn.weight_ih_l0.detach(), rnn.weight_hh_l0.detach()
    bias = (rnn.bias_ih_l0 + rnn.bias_hh_l0).detach()
    inputs = torch.randn(200, 64)
    by_hand = states(inputs, w_xh, w_hh, bias)
    fused, _ = layer(inputs[None], None, None)
    print(f"largest difference: {(by_hand - fused[0]).abs().max():.1e}")
    # Recurrent weights whose singular values are all 1.5.
    large = states(inputs, w_xh, 1.5 * w_hh, bias)
    print(f"largest state, tanh: {large.abs().max():.2f}")
    large = states(inputs, w_xh, 1.5 * w_hh, bias, linear=True)
    print(f"largest state, no tanh: {large.abs().max():.1e}")


def shared_weights() -> None:
    """Count the parameters; compare the gradient with one W for each step."""
    torch.manual_seed(1)
    layer = FusedRNNLayer(64, 128, cell="rnn", bidirectional=False)
    count = sum(parameter.numel() for parameter in layer.parameters())
    for length in (10, 1000):
        layer(torch.randn(1, length, 64), None, None)  # The same layer takes both.
    print(f"parameters: {count}")
    print(f"parameters without sharing: {1000 * count}")
    inputs, w_xh = torch.randn(50, 64) / 8, torch.randn(128, 64) / 8
    w_hh = layer.rnn.weight_hh_l0.detach().clone().requires_grad_()
    states(inputs, w_xh, w_hh, torch.zeros(128))[-1].sum().backward()
    copies = [w_hh.detach().clone().requires_grad_() for _ in inputs]
    state = torch.zeros(128)
    for x, copy in zip(inputs, copies, strict=True):
        state = torch.tanh(w_xh @ x + copy @ state)
    state.sum().backward()
    total = sum(copy.grad for copy in copies if copy.grad is not None)
    print(f"largest difference: {(total - w_hh.grad).abs().max():.1e}")


EXPERIMENTS = {"cell": cell, "shared-weights": shared_weights}


def main(names: list[str]) -> None:
    """Run the experiments of these names, all if there are none."""
    for name in names or EXPERIMENTS:
        EXPERIMENTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
