"""The recurrence in a few lines of torch, beside the package's layers.

    python examples/recurrence_by_hand.py cell            the equation of a tanh layer
    python examples/recurrence_by_hand.py shared-weights  one W for all steps
    python examples/recurrence_by_hand.py one-hot         a product is a row of a table
    python examples/recurrence_by_hand.py truncated       gradients of truncated BPTT
    python examples/recurrence_by_hand.py clipping        by the norm, and by its square

The tour, docs/lecture.md, explains what they print.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


def one_hot() -> None:
    """Compare a linear layer over one-hot vectors with an embedding."""
    torch.manual_seed(1)
    embedding, linear = nn.Embedding(1000, 64), nn.Linear(1000, 64, bias=False)
    linear.weight.data = embedding.weight.detach().T.contiguous()
    tokens = torch.randint(1000, (32, 50))
    by_row, by_product = embedding(tokens), linear(F.one_hot(tokens, 1000).float())
    print(f"outputs that differ: {(by_row != by_product).sum()}")
    for name, gradient in (
        ("eighths", torch.randint(-64, 64, by_row.shape) / 8),
        ("any numbers", torch.randn(by_row.shape)),
    ):
        embedding.zero_grad()
        linear.zero_grad()
        by_row.backward(gradient, retain_graph=True)
        by_product.backward(gradient, retain_graph=True)
        assert embedding.weight.grad is not None
        assert linear.weight.grad is not None
        differ = (linear.weight.grad != embedding.weight.grad.T).sum()
        print(f"gradients that differ, {name}: {differ}")


def truncated() -> None:
    """Compare gradients of truncated BPTT with those of the whole sequence.

    A loss at every step; the state is carried on, the gradient stops after a window.
    """
    torch.manual_seed(1)
    layer = FusedRNNLayer(64, 128, cell="rnn", bidirectional=False).double()
    inputs = torch.randn(1, 200, 64).double() / 10
    loss_weights = torch.randn(1, 200, 128).double()

    def gradient(window: int) -> Tensor:
        layer.zero_grad()
        state = None
        parts = zip(inputs.split(window, 1), loss_weights.split(window, 1), strict=True)
        for part, weights in parts:
            outputs, state = layer(part, state, None)
            (outputs * weights).sum().backward()
            state = tuple(component.detach() for component in state)
        grad = layer.rnn.weight_hh_l0.grad
        assert grad is not None
        return grad.clone()

    whole = gradient(200)
    for window in (1, 5, 20, 50, 100, 200):
        error = (gradient(window) - whole).norm() / whole.norm()
        print(f"relative error, window {window}: {error:.2g}")


def clipping() -> None:
    """Clip gradients by their norm, and by the square of it."""
    for norm in (2.0, 10.0, 100.0):
        grad = np.full(4, norm / 2)
        right, lecture = grad.copy(), grad.copy()
        threshold = 5.0
        right_norm = np.sqrt(np.sum(right * right))
        if right_norm > threshold:
            right *= threshold / right_norm
        square = np.sum(lecture * lecture)  # The root is missing.
        if square > threshold:
            lecture *= threshold / square
        print(f"norm {norm:g}, by the norm: {np.linalg.norm(right):.3g}")
        print(f"norm {norm:g}, by its square: {np.linalg.norm(lecture):.3g}")


EXPERIMENTS = {
    "cell": cell,
    "shared-weights": shared_weights,
    "one-hot": one_hot,
    "truncated": truncated,
    "clipping": clipping,
}


def main(names: list[str]) -> None:
    """Run the experiments of these names, all if there are none."""
    for name in names or EXPERIMENTS:
        EXPERIMENTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
