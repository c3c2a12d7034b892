"""An embedding is a linear layer over one-hot vectors."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def test_a_linear_layer_over_one_hot_vectors_is_an_embedding_to_the_bit() -> None:
    torch.manual_seed(0)
    embedding = nn.Embedding(11, 7)
    linear = nn.Linear(11, 7, bias=False)
    linear.weight.data = embedding.weight.detach().T.contiguous()
    tokens = torch.randint(9, (4, 50))  # Many repeated; 9 and 10 never occur.
    # Eighths have exact sums, in whatever order a product adds them.
    gradient = torch.randint(-64, 64, (4, 50, 7)) / 8
    by_row = embedding(tokens)
    by_product = linear(F.one_hot(tokens, 11).float())
    assert torch.equal(by_row, by_product)
    by_row.backward(gradient)
    by_product.backward(gradient)
    assert embedding.weight.grad is not None
    assert linear.weight.grad is not None
    assert torch.equal(embedding.weight.grad.T, linear.weight.grad)
    assert not embedding.weight.grad[9:].any()
    assert embedding.weight.grad[:9].any(dim=1).all()
