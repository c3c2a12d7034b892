"""Additive scores in chunks: equal to the formula, in gradients and under autocast."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from seq2seq.nn import attention
from seq2seq.nn.attention import Attention, additive_scores
from seq2seq.types import AttentionMemory

SHAPES = [(1, 1, 1), (3, 4, 5), (2, 1, 6), (5, 7, 1)]


def formula(queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
    return (torch.tanh(queries[:, :, None] + keys[:, None]) @ energy)[..., 0]


def operands(
    sentences: int, targets: int, sources: int, *, size: int = 6, scale: float = 1.0
) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = ((sentences, targets, size), (sentences, sources, size), (size, 1))
    return [
        (scale * torch.randn(shape, dtype=torch.double)).requires_grad_()
        for shape in shapes
    ]


@pytest.fixture(autouse=True)
def no_tensor_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "WHOLE", 0)


@pytest.mark.parametrize("chunk", [1, 40, 100, 2**19])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_scores_and_gradients_are_the_formulas(
    monkeypatch: pytest.MonkeyPatch, chunk: int, shape: tuple[int, ...], scale: float
) -> None:
    monkeypatch.setattr(attention, "CHUNK", chunk)
    inputs = operands(*shape, scale=scale)
    scores, expected = additive_scores(*inputs), formula(*inputs)
    torch.testing.assert_close(scores, expected)
    slopes = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(scores, inputs, slopes),
        torch.autograd.grad(expected, inputs, slopes),
    )


@pytest.mark.parametrize("scale", [1.0, 45.0])
def test_gradients_are_those_of_finite_differences(scale: float) -> None:
    inputs = [part.detach() for part in operands(2, 3, 4)]
    inputs[0][0] += scale  # Beyond the exponential's limit where it is 45.
    inputs[1][0] -= scale
    assert torch.autograd.gradcheck(
        additive_scores, [part.requires_grad_() for part in inputs]
    )


@pytest.mark.parametrize("size", [39.0, 41.0, 60.0, 1e4])
def test_large_queries_and_keys_that_cancel_keep_their_sum(size: float) -> None:
    """The product of their exponentials would be 0 times infinity."""
    queries = torch.tensor([[[size + 0.5, -size, size, -size]]])
    keys = torch.tensor([[[-size, size, size, -size]]])
    energy = torch.tensor([[1.0], [10.0], [100.0], [1000.0]])
    scores = additive_scores(queries, keys, energy)
    torch.testing.assert_close(scores, formula(queries, keys, energy))


@pytest.mark.parametrize("narrow", [False, True])
def test_autocast_changes_no_bit_of_float32_operands(narrow: bool) -> None:
    results: list[tuple[Tensor, ...]] = []
    for _ in range(2):
        inputs = [part.detach().float() for part in operands(3, 4, 5)]
        if narrow:  # As products under autocast leave them.
            inputs[:2] = [part.bfloat16().float() for part in inputs[:2]]
        inputs = [part.requires_grad_() for part in inputs]
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(results)):
            given = inputs
            if narrow and results:
                given = [*(part.bfloat16() for part in inputs[:2]), inputs[2]]
            scores = additive_scores(*given)
            assert scores.dtype == torch.float32
            grads = torch.autograd.grad(scores.square().sum(), inputs)
        results.append((scores, *grads))
    for plain, autocast in zip(*results, strict=True):
        tolerance = 2**-8 if narrow else 0  # Gradients are rounded to their operands.
        torch.testing.assert_close(autocast, plain, rtol=tolerance, atol=tolerance)


def test_float32_is_as_exact_as_the_formula() -> None:
    exact = operands(4, 9, 9, size=64)
    single = [part.detach().float().requires_grad_() for part in exact]
    expected = torch.autograd.grad(formula(*exact).square().sum(), exact)
    errors = []
    for scores in (formula(*single), additive_scores(*single)):
        grads = torch.autograd.grad(scores.square().sum(), single)
        errors.append(
            max(
                float((grad - right).abs().max() / right.abs().max())
                for grad, right in zip(grads, expected, strict=True)
            )
        )
    assert errors[1] < max(4 * errors[0], 1e-6)


@pytest.mark.parametrize("heads", [1, 2])
def test_keys_that_several_calls_share_get_the_sum_of_their_gradients(
    heads: int,
) -> None:
    """Input feeding and truncation call attention once for each segment."""
    torch.manual_seed(0)
    module = Attention(8, 8, kind="additive", num_heads=heads).double()
    states = torch.randn(3, 5, 8, dtype=torch.double)
    queries = torch.randn(3, 6, 8, dtype=torch.double)
    mask = torch.arange(5) < torch.tensor([5, 1, 3])[:, None]
    grads = []
    for borders in ([0, 6], [0, 1, 2, 6]):
        module.zero_grad(set_to_none=True)
        source = AttentionMemory(module.compute_keys(states), states, mask)
        contexts = [module(queries[:, a:b], source)[0] for a, b in pairwise(borders)]
        torch.cat(contexts, dim=1).square().sum().backward()
        grads.append([p.grad for p in module.parameters()])
    torch.testing.assert_close(*grads)


def test_small_steps_of_a_search_have_the_same_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = [part.detach() for part in operands(2, 1, 7)]
    chunked = additive_scores(*inputs)
    monkeypatch.setattr(attention, "WHOLE", 2**16)
    torch.testing.assert_close(chunked, additive_scores(*inputs))


def test_backward_keeps_no_tensor_of_all_pairs() -> None:
    inputs = operands(4, 5, 6, size=7)
    pairs = 4 * 5 * 6 * 7
    sizes: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        additive_scores(*inputs).sum()
    assert 0 < max(sizes, default=0) < pairs
