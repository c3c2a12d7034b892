"""The loss in chunks is the plain one, without its memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from seq2seq.nn.loss import chunked_cross_entropy, cross_entropy
from seq2seq.types import PAD
from tests.helpers.tiny_models import V, exact


def problem(rows: int, size: int, pieces: int) -> tuple[torch.Tensor, nn.Linear, Any]:
    torch.manual_seed(0)
    output = nn.Linear(size, pieces).double()
    features = torch.randn(rows, size, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(1, pieces, (rows,))
    targets[[1, rows - 1]] = PAD
    return features, output, targets


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk", [1, 3 * V, 4 * V, 1000 * V])
def test_chunks_add_up_to_the_plain_loss(chunk: int, smoothing: float) -> None:
    features, output, targets = problem(11, 5, V)
    inputs = (features, *output.parameters())
    real = targets != PAD
    plain = cross_entropy(output(features[real]), targets[real], smoothing=smoothing)
    expected = torch.autograd.grad(3.0 * plain.loss, inputs)
    loss = chunked_cross_entropy(
        features, output, targets, smoothing=smoothing, chunk=chunk
    )
    torch.testing.assert_close(loss, plain)
    torch.testing.assert_close(torch.autograd.grad(3.0 * loss.loss, inputs), expected)
    assert not loss.nll.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(
            chunked_cross_entropy(features, output, targets, smoothing=smoothing), plain
        )


class Largest(TorchDispatchMode):
    """Watches how many numbers the largest tensor holds."""

    numbers = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.numbers = max(self.numbers, made.numel())
        return made


def test_no_tensor_grows_with_tokens_times_vocabulary() -> None:
    features, output, targets = problem(600, 4, 50)
    with Largest() as plain:
        cross_entropy(output(features), targets).loss.backward()
    with Largest() as chunked:
        loss = chunked_cross_entropy(
            features, output, targets, smoothing=0.1, chunk=1000
        )
        loss.loss.backward()
    assert plain.numbers == 600 * 50
    assert chunked.numbers == 600 * 4  # The features' gradient.


def test_a_share_of_one_is_refused() -> None:
    features, output, targets = problem(3, 2, V)
    with pytest.raises(ValueError, match=r"smoothing is 1\.0"):
        chunked_cross_entropy(features, output, targets, smoothing=1.0)


@pytest.mark.parametrize("kind", ["none", "fixed", "general", "additive"])
@pytest.mark.parametrize("tie", ["none", "all"])
def test_every_weight_learns(kind: str, tie: str) -> None:
    """Processes wait for each other's gradients of every weight."""
    from seq2seq.data.collate import collate

    model = exact(
        attention={"kind": kind}, tie_embeddings=tie, encoder={"cell": "lstm"}
    )
    model(collate([[4, 5], [6]], [[7], [8, 9]])).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_narrow_numbers_learn_as_wide_ones_do() -> None:
    features, output, targets = problem(40, 8, V)
    features, output = features.detach().float().requires_grad_(), output.float()
    wide = chunked_cross_entropy(features, output, targets, smoothing=0.1).loss
    expected = torch.autograd.grad(wide, (features, output.weight))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for given in (features, features.bfloat16()):
            narrow = chunked_cross_entropy(given, output, targets, smoothing=0.1).loss
            assert narrow.dtype == torch.float32
            found = torch.autograd.grad(narrow, (features, output.weight))
            for one, other in zip(found, expected, strict=True):
                assert one.dtype == torch.float32
                assert (
                    torch.nn.functional.cosine_similarity(
                        one.flatten(), other.flatten(), dim=0
                    )
                    > 0.999
                )


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_logits_of_any_size_have_a_finite_loss(shift: float) -> None:
    """A target whose probability is 0 in float32 costs its logits' difference."""
    output = nn.Linear(1, 3, bias=True)
    with torch.no_grad():
        output.weight.zero_()
        output.bias.copy_(torch.tensor([0.0, 1000.0, 0.0]) + shift)
    features, targets = torch.ones(2, 1), torch.tensor([2, 1])
    loss = chunked_cross_entropy(features, output, targets, smoothing=0.1)
    assert loss.nll.item() == pytest.approx(1000.0)
    assert torch.isfinite(torch.autograd.grad(loss.loss, output.bias)[0]).all()
